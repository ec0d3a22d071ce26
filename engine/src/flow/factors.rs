// SPDX-License-Identifier: Apache-2.0
//! Whether a caller has shown enough: all the credentials that are required, and a login that is good enough.

use crate::config::{CredentialKind, Requirement};
use crate::deny::Auth;
use crate::identity::Identity;
use crate::json::{Kind, Value};
use crate::time::UnixTime;
use crate::token::{VerifiedToken, numeric_date};

/// The most entries of `amr` that are looked at.
const MAX_AMR: usize = 64;
/// How far clocks may be apart where `auth_time` is compared, in seconds.
const LEEWAY: u64 = 60;

/// Asked on every request: a login grows old while its token is remembered.
///
/// # Errors
/// What is missing: a credential, or a better login (RFC 9470), which only the holder of a token can get.
pub(super) fn check(require: &Requirement, identity: &Identity, now: UnixTime) -> Result<(), Auth> {
    for kind in &require.credentials {
        if !identity.shows(*kind) {
            return Err(Auth::Required(*kind));
        }
    }
    if !require.speaks_of_login() && require.scopes.is_empty() {
        return Ok(());
    }
    let token = identity.token().ok_or(Auth::Required(CredentialKind::Token))?;
    match login_is_good(require, token, now) {
        true => Ok(()),
        false => Err(Auth::StepUp),
    }
}

/// Whether the caller's token has the scopes that are required.
///
/// # Errors
/// That it has not.
pub(super) fn check_scopes(require: &Requirement, identity: &Identity) -> Result<(), Auth> {
    let own = identity.token().map_or(&[][..], VerifiedToken::scopes);
    match require.scopes.iter().all(|scope| own.contains(scope)) {
        true => Ok(()),
        false => Err(Auth::Scope),
    }
}

/// When the login of this caller will be too old, where its age is asked for; a stream is judged once, and must not
/// outlive that.
pub(super) fn good_until(require: &Requirement, identity: &Identity) -> Option<UnixTime> {
    let oldest = require.max_age_secs?;
    let login = logged_in(identity.token()?.claims())?;
    Some(login.plus_secs(oldest).plus_secs(LEEWAY))
}

/// What a token does not say of its login, or not in the form of the standards, is not there.
fn login_is_good(require: &Requirement, token: &VerifiedToken, now: UnixTime) -> bool {
    let claims = token.claims();
    acr_is_good(require, claims) && amr_is_good(require, claims) && age_is_good(require, claims, now)
}

/// OpenID Connect Core section 2: `acr` is a string.
fn acr_is_good(require: &Requirement, claims: Value<'_>) -> bool {
    let own = claims.get("acr");
    let fits = |wanted: &alloc::string::String| own.is_some_and(|own| own.is_str(wanted));
    require.acr.is_empty() || require.acr.iter().any(fits)
}

/// RFC 8176: `amr` is a list of strings.
fn amr_is_good(require: &Requirement, claims: Value<'_>) -> bool {
    let own = claims.get("amr").filter(|own| own.kind() == Kind::Array);
    let has = |wanted: &alloc::string::String| {
        own.is_some_and(|own| own.items().take(MAX_AMR).any(|method| method.is_str(wanted)))
    };
    require.amr.iter().all(has)
}

/// `auth_time` is when the user has logged in: not in the future, and not longer ago than allowed.
fn age_is_good(require: &Requirement, claims: Value<'_>, now: UnixTime) -> bool {
    let Some(oldest) = require.max_age_secs else { return true };
    let Some(login) = logged_in(claims) else { return false };
    login <= now.plus_secs(LEEWAY) && now <= login.plus_secs(oldest).plus_secs(LEEWAY)
}

fn logged_in(claims: Value<'_>) -> Option<UnixTime> {
    let number = claims.get("auth_time").filter(|own| own.kind() == Kind::Number)?;
    numeric_date(number.raw())
}
