// SPDX-License-Identifier: Apache-2.0
//! What has to be shown besides holding a role: credentials, scopes, and how the user has logged in.

use super::Facts;
use crate::config::{CredentialKind, Requirement};
use crate::json::{Kind, Value};
use crate::time::UnixTime;
use crate::token::numeric_date;

/// The most entries of `amr` that are looked at.
const MAX_AMR: usize = 64;
/// How far clocks may be apart where `auth_time` is compared, in seconds.
pub(crate) const LEEWAY: u64 = 60;

/// What a caller lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A credential.
    Credential(CredentialKind),
    /// A scope of the token.
    Scope,
    /// A better or more recent login (RFC 9470).
    Login,
}

impl Requirement {
    /// What a caller lacks, scopes aside; nothing if it has shown enough.
    #[must_use]
    pub fn lacks(&self, facts: &Facts<'_>, now: UnixTime) -> Option<Lack> {
        let missing = self.credentials.iter().find(|kind| !shows(facts, **kind));
        if let Some(kind) = missing {
            return Some(Lack::Credential(*kind));
        }
        if !self.speaks_of_login() && self.scopes.is_empty() {
            return None;
        }
        match facts.claims {
            None => Some(Lack::Credential(CredentialKind::Token)),
            Some(claims) if login_is_good(self, claims.root(), now) => None,
            Some(_) => Some(Lack::Login),
        }
    }

    /// Whether the caller's token has the scopes that are required.
    #[must_use]
    pub fn lacks_scopes(&self, facts: &Facts<'_>) -> Option<Lack> {
        let has = self.scopes.iter().all(|scope| facts.scopes.contains(scope));
        if has { None } else { Some(Lack::Scope) }
    }
}

fn shows(facts: &Facts<'_>, kind: CredentialKind) -> bool {
    match kind {
        CredentialKind::Token => facts.claims.is_some(),
        CredentialKind::ApiKey => facts.key.is_some(),
        CredentialKind::Certificate => facts.certificate.is_some(),
    }
}

/// What a token does not say of its login, or not in the form of the standards, is not there.
fn login_is_good(require: &Requirement, claims: Value<'_>, now: UnixTime) -> bool {
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

/// When the user has logged in.
pub(crate) fn logged_in(claims: Value<'_>) -> Option<UnixTime> {
    let number = claims.get("auth_time").filter(|own| own.kind() == Kind::Number)?;
    numeric_date(number.raw())
}
