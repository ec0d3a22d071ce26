// SPDX-License-Identifier: Apache-2.0
//! From a presented token to a verified one, or to the one reason why not (RFC 9068 section 4, RFC 8725).
//!
//! What enters: the token, the rules and keys of the issuer it names, a verifier, the time.
//! What leaves: a [`VerifiedToken`]. Its fields are private and only [`Unverified::verify`] makes one.

use super::claims::Claims;
use super::confirmation::Confirmation;
use super::extract::BearerToken;
use super::jws::Jws;
use super::path::{ClaimPath, Split, extract_strings};
use super::rejection::Rejection;
use crate::json::Value;
use crate::keys::{Alg, KeySet, NoCandidate, PublicKey, SignatureVerifier, Thumbprint, Verdict};
use crate::time::UnixTime;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Which `typ` an issuer's access tokens carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypMode {
    /// `at+jwt` or `application/at+jwt` (RFC 9068 section 4).
    Strict,
    /// Also `JWT`, or none at all, as issuers from before RFC 9068 write it. Never another one: an ID token, an
    /// ID-JAG, a DPoP proof or a logout token is no access token (RFC 8725 sections 3.11 and 3.12).
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
    /// Where the groups stand.
    pub groups: Vec<ClaimPath>,
    /// What must be there besides `iss`, `exp` and `aud`.
    pub required_claims: Vec<ClaimPath>,
}

/// A token whose form is right and which proves nothing yet.
pub struct Unverified<'a> {
    jws: Jws<'a>,
    claims: Claims,
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unverified(hidden)")
    }
}

impl<'a> Unverified<'a> {
    /// Reads form, header and claims.
    ///
    /// # Errors
    /// What is not acceptable whoever signed it.
    pub fn parse(token: BearerToken<'a>) -> Result<Self, Rejection> {
        let jws = Jws::parse(token)?;
        let claims = Claims::parse(&jws.payload)?;
        Ok(Unverified { jws, claims })
    }

    /// The issuer that the token claims: only for choosing the rules to verify it by.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.claims.issuer()
    }

    /// The key id that the token claims: only for asking for newer keys.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.jws.header.kid.as_deref()
    }

    /// What can be refused before any key is there: issuer, algorithm and type by the rules. [`Unverified::verify`]
    /// asks again; this spares a fetch for a token that no key could save.
    ///
    /// # Errors
    /// What the rules do not allow.
    pub fn check_rules(&self, rules: &IssuerRules) -> Result<(), Rejection> {
        if self.claims.iss != rules.issuer {
            return Err(Rejection::UnknownIssuer);
        }
        if !rules.algorithms.contains(&self.jws.header.alg) {
            return Err(Rejection::AlgNotAllowed);
        }
        check_typ(self.jws.header.typ.as_deref(), rules.typ)
    }

    /// Verifies the token. Borrows it, so that a token whose key is unknown can wait for newer keys.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of the module's documentation.
    pub fn verify(
        &self,
        rules: &IssuerRules,
        keys: &KeySet,
        verifier: &dyn SignatureVerifier,
        now: UnixTime,
    ) -> Result<VerifiedToken, Rejection> {
        self.check_rules(rules)?;
        let key = self.check_signature(keys, verifier)?;
        check_time(&self.claims, rules, now)?;
        check_audience(&self.claims.aud, &rules.audiences)?;
        check_required(&self.claims, &rules.required_claims)?;
        let root = self.claims.root();
        Ok(VerifiedToken {
            issuer_index: rules.index,
            roles: extract_strings(root, &rules.roles, Split::Whole)?,
            scopes: extract_strings(root, &rules.scopes, Split::Spaces)?,
            groups: extract_strings(root, &rules.groups, Split::Whole)?,
            good_until: good_until(&self.claims, rules),
            alg: self.jws.header.alg,
            kid: self.jws.header.kid.clone(),
            key: *key.thumbprint(),
            generation: keys.generation(),
            claims: self.claims.clone(),
        })
    }

    fn check_signature<'k>(
        &self,
        keys: &'k KeySet,
        verifier: &dyn SignatureVerifier,
    ) -> Result<&'k PublicKey, Rejection> {
        let (alg, signature) = (self.jws.header.alg, &self.jws.signature);
        let candidates = keys.candidates(self.kid(), alg).map_err(|none| match none {
            NoCandidate::UnknownKid => Rejection::UnknownKid,
            NoCandidate::NoneFits => Rejection::NoFittingKey,
        })?;
        let mut worst = Rejection::BadSignature;
        for key in candidates.iter().filter(|key| key.length_fits(signature)) {
            match verifier.verify(alg, key, self.jws.signing_input, signature) {
                Verdict::Verified => return Ok(key),
                Verdict::Refused => {}
                Verdict::Unsupported => worst = Rejection::VerifierUnsupported,
                Verdict::Throttled { retry_after_secs } => {
                    return Err(Rejection::Throttled { retry_after_secs });
                }
            }
        }
        Err(worst)
    }
}

fn check_typ(typ: Option<&str>, mode: TypMode) -> Result<(), Rejection> {
    let is = |names: &[&str]| typ.is_some_and(|typ| names.iter().any(|name| typ.eq_ignore_ascii_case(name)));
    let access_token = is(&["at+jwt", "application/at+jwt"]);
    let accepted = match mode {
        TypMode::Strict => access_token,
        TypMode::Relaxed => access_token || typ.is_none() || is(&["JWT", "application/jwt"]),
    };
    if accepted { Ok(()) } else { Err(Rejection::WrongType) }
}

fn check_time(claims: &Claims, rules: &IssuerRules, now: UnixTime) -> Result<(), Rejection> {
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
fn good_until(claims: &Claims, rules: &IssuerRules) -> UnixTime {
    let oldest = rules.max_age_secs.zip(claims.iat).map(|(secs, iat)| iat.plus_secs(secs));
    oldest.map_or(claims.exp, |oldest| oldest.min(claims.exp)).plus_secs(rules.leeway_secs)
}

fn check_audience(own: &[String], expected: &[String]) -> Result<(), Rejection> {
    match own.iter().any(|audience| expected.contains(audience)) {
        true => Ok(()),
        false => Err(Rejection::WrongAudience),
    }
}

fn check_required(claims: &Claims, required: &[ClaimPath]) -> Result<(), Rejection> {
    match required.iter().all(|path| path.find(claims.root()).is_some()) {
        true => Ok(()),
        false => Err(Rejection::MissingClaim),
    }
}

/// A token that is what it claims to be.
#[derive(Clone)]
pub struct VerifiedToken {
    issuer_index: usize,
    claims: Claims,
    roles: Vec<String>,
    scopes: Vec<String>,
    groups: Vec<String>,
    good_until: UnixTime,
    alg: Alg,
    kid: Option<String>,
    key: Thumbprint,
    generation: u64,
}

impl VerifiedToken {
    /// The issuer's place in the configuration.
    #[must_use]
    pub const fn issuer_index(&self) -> usize {
        self.issuer_index
    }

    /// `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.claims.sub.as_deref()
    }

    /// `client_id`, or else `azp`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.claims.client_id.as_deref()
    }

    /// `aud`.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.claims.aud
    }

    /// `jti`.
    #[must_use]
    pub fn jti(&self) -> Option<&str> {
        self.claims.jti.as_deref()
    }

    /// What the sender must prove besides having the token.
    #[must_use]
    pub const fn confirmation(&self) -> Confirmation {
        self.claims.cnf
    }

    /// `iat`.
    #[must_use]
    pub const fn issued_at(&self) -> Option<UnixTime> {
        self.claims.iat
    }

    /// Until when the token is good: `exp` or the issuer's maximum age, with the leeway.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.good_until
    }

    /// The roles, sorted, each once.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The scopes, sorted, each once.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// The groups, sorted, each once.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// All claims.
    #[must_use]
    pub fn claims(&self) -> Value<'_> {
        self.claims.root()
    }

    /// The algorithm it was signed with.
    #[must_use]
    pub const fn alg(&self) -> Alg {
        self.alg
    }

    /// The key id it names.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The thumbprint (RFC 7638) of the key that proved it.
    #[must_use]
    pub const fn key_thumbprint(&self) -> &Thumbprint {
        &self.key
    }

    /// The generation of the key set that proved it.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Judges time and audience again, for a token that was verified earlier. `audiences` are those of the server
    /// that is called now.
    ///
    /// # Errors
    /// What is no longer right, or not here.
    pub fn recheck(&self, rules: &IssuerRules, audiences: &[String], now: UnixTime) -> Result<(), Rejection> {
        check_time(&self.claims, rules, now)?;
        check_audience(&self.claims.aud, audiences)
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedToken(issuer {})", self.issuer_index)
    }
}
