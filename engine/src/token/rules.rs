// SPDX-License-Identifier: Apache-2.0
//! What an issuer's rules ask of a token besides its signature (RFC 9068 section 4, RFC 8725 section 3).

use super::claims::Claims;
use super::path::ClaimPath;
use super::rejection::Rejection;
use crate::keys::Alg;
use crate::oauth::scope::Hierarchy;
use crate::time::UnixTime;
use alloc::string::String;
use alloc::vec::Vec;

/// Which `typ` an issuer's access tokens carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypMode {
    /// `at+jwt` or `application/at+jwt` (RFC 9068 section 4).
    Strict,
    /// Also `JWT`, or none at all, as issuers from before RFC 9068 write it. Never another one: an ID token, an
    /// ID-JAG, a refresh token, a DPoP proof or a logout token is no access token (RFC 8725 sections 3.11 and 3.12),
    /// whether its `typ` or its claims give it away.
    Relaxed,
}

/// What the configuration says about one issuer, compiled.
#[derive(Clone, Debug)]
pub struct IssuerRules {
    /// The issuer's place in the configuration.
    pub index: usize,
    /// The `iss` value, compared byte for byte.
    pub issuer: String,
    /// One of these must be in `aud`. With none, no token passes.
    pub audiences: Vec<String>,
    /// The algorithms that the issuer signs with. With none, no token passes.
    pub algorithms: Vec<Alg>,
    /// How far clocks may be apart, in seconds.
    pub leeway_secs: u64,
    /// Which `typ` is an access token's.
    pub typ: TypMode,
    /// Longest time from `iat` to `exp`, in seconds.
    pub max_lifetime_secs: Option<u64>,
    /// Longest time since `iat`, in seconds.
    pub max_age_secs: Option<u64>,
    /// Where the roles stand.
    pub roles: Vec<ClaimPath>,
    /// Where the scopes stand.
    pub scopes: Vec<ClaimPath>,
    /// Which scopes include which others.
    pub scope_hierarchy: Hierarchy,
    /// Where the groups stand.
    pub groups: Vec<ClaimPath>,
    /// The only clients whose tokens are accepted, by `client_id` or `azp`; every client if empty.
    pub clients: Vec<String>,
    /// What must be there besides `iss`, `exp` and `aud`.
    pub required_claims: Vec<ClaimPath>,
}

pub(super) fn check_typ(typ: Option<&str>, mode: TypMode) -> Result<(), Rejection> {
    let is = |names: &[&str]| typ.is_some_and(|typ| names.iter().any(|name| typ.eq_ignore_ascii_case(name)));
    let access_token = is(&["at+jwt", "application/at+jwt"]);
    let accepted = match mode {
        TypMode::Strict => access_token,
        TypMode::Relaxed => access_token || typ.is_none() || is(&["JWT", "application/jwt"]),
    };
    if accepted { Ok(()) } else { Err(Rejection::WrongType) }
}

pub(super) fn check_time(claims: &Claims, rules: &IssuerRules, now: UnixTime) -> Result<(), Rejection> {
    let leeway = rules.leeway_secs;
    if now >= claims.exp.plus_secs(leeway) {
        return Err(Rejection::Expired);
    }
    let later = now.plus_secs(leeway);
    if claims.nbf.is_some_and(|nbf| later < nbf) {
        return Err(Rejection::NotYetValid);
    }
    if claims.iat.is_some_and(|iat| later < iat) {
        return Err(Rejection::IssuedInFuture);
    }
    if let Some(longest) = rules.max_lifetime_secs {
        let iat = claims.iat.ok_or(Rejection::MissingClaim)?;
        if claims.exp > iat.plus_secs(longest) {
            return Err(Rejection::LifetimeTooLong);
        }
    }
    if let Some(oldest) = rules.max_age_secs {
        let iat = claims.iat.ok_or(Rejection::MissingClaim)?;
        if now >= iat.plus_secs(oldest).plus_secs(leeway) {
            return Err(Rejection::TooOld);
        }
    }
    Ok(())
}

/// The time from which [`check_time`] would refuse the token as expired or too old.
pub(super) fn good_until(claims: &Claims, rules: &IssuerRules) -> UnixTime {
    let oldest = rules.max_age_secs.zip(claims.iat).map(|(secs, iat)| iat.plus_secs(secs));
    oldest.map_or(claims.exp, |oldest| oldest.min(claims.exp)).plus_secs(rules.leeway_secs)
}

pub(super) fn check_audience(claims: &Claims, expected: &[String]) -> Result<(), Rejection> {
    match claims.audiences().any(|own| expected.iter().any(|audience| own.is_str(audience))) {
        true => Ok(()),
        false => Err(Rejection::WrongAudience),
    }
}

pub(super) fn check_client(claims: &Claims, clients: &[String]) -> Result<(), Rejection> {
    let known = claims.client_id().is_some_and(|own| clients.iter().any(|client| client == own));
    match clients.is_empty() || known {
        true => Ok(()),
        false => Err(Rejection::ClientNotAllowed),
    }
}

pub(super) fn check_required(claims: &Claims, required: &[ClaimPath]) -> Result<(), Rejection> {
    match required.iter().all(|path| path.find(claims.root()).is_some()) {
        true => Ok(()),
        false => Err(Rejection::MissingClaim),
    }
}
