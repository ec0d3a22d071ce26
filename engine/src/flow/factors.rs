// SPDX-License-Identifier: Apache-2.0
//! Whether a caller has shown enough: all the credentials that are required, and a login that is good enough.

use crate::config::Requirement;
use crate::deny::Auth;
use crate::identity::Identity;
use crate::policy::{LEEWAY, Lack, Policy, Refused, RefusedReason, logged_in};
use crate::time::UnixTime;

/// Asked on every request: a login grows old while its token is remembered.
///
/// # Errors
/// What is missing: a credential, or a better login (RFC 9470), which only the holder of a token can get.
pub(super) fn check(require: &Requirement, identity: &Identity, now: UnixTime) -> Result<(), Auth> {
    if require.is_nothing() {
        return Ok(());
    }
    require.lacks(&identity.facts(), now).map_or(Ok(()), |lack| Err(missing(lack)))
}

/// As [`check`], and the scopes too.
///
/// # Errors
/// What is missing.
pub(super) fn check_all(require: &Requirement, identity: &Identity, now: UnixTime) -> Result<(), Auth> {
    check(require, identity, now).and_then(|()| check_scopes(require, identity))
}

/// Whether the caller's token has the scopes that are required.
///
/// # Errors
/// That it has not.
pub(super) fn check_scopes(require: &Requirement, identity: &Identity) -> Result<(), Auth> {
    if require.scopes.is_empty() {
        return Ok(());
    }
    require.lacks_scopes(&identity.facts()).map_or(Ok(()), |lack| Err(missing(lack)))
}

fn missing(lack: Lack) -> Auth {
    match lack {
        Lack::Credential(kind) => Auth::Required(kind),
        Lack::Scope => Auth::Scope,
        Lack::Login => Auth::StepUp,
    }
}

/// When the login of this caller will be too old, where its age is asked for; a stream is judged once, and must not
/// outlive that.
pub(super) fn good_until(require: &Requirement, identity: &Identity) -> Option<UnixTime> {
    let oldest = require.max_age_secs?;
    let login = logged_in(identity.token()?.claims().root())?;
    Some(login.plus_secs(oldest).plus_secs(LEEWAY))
}

/// What a rule requires that would allow a request, and what is missing of it.
pub(super) fn of_rule<'p>(
    policy: &'p Policy,
    refused: &Refused,
    identity: &Identity,
    now: UnixTime,
) -> Option<(&'p Requirement, Auth)> {
    if refused.reason != RefusedReason::Requires {
        return None;
    }
    let require = policy.requirement(refused.rule.as_deref()?)?;
    let auth = check_all(require, identity, now).err()?;
    Some((require, auth))
}
