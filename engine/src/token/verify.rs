// SPDX-License-Identifier: Apache-2.0
//! From a presented token to a verified one, or to the one reason why not (RFC 9068 section 4, RFC 8725).
//!
//! What enters: the token, the rules and keys of the issuer it names, a verifier, the time.
//! What leaves: a [`VerifiedToken`]. Its fields are private and only [`Unverified::verify`] makes one.

use super::claims::{Claims, Reading};
use super::confirmation::Confirmation;
use super::extract::{BearerToken, CredentialError, Unread};
use super::jws::Jws;
use super::kind::is_foreign;
use super::path::{Split, extract_strings};
use super::rejection::Rejection;
use super::rules::{
    IssuerRules, TypMode, check_audience, check_client, check_required, check_time, check_typ, good_until,
};
use crate::cost;
use crate::json::{Shelf, Value};
use crate::keys::{Alg, KeySet, Keys, NoCandidate, SecretSet, SignatureVerifier, Verdict};
use crate::time::UnixTime;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

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
        Self::of(Jws::parse(token)?)
    }

    /// The same of credentials whose characters nobody has looked at: each of them is in a part that is decoded, so they
    /// are looked at by themselves only where something is wrong.
    ///
    /// # Errors
    /// That they are not a token's characters; else what is not acceptable.
    pub fn read(credentials: Unread<'a>) -> Result<Result<Self, Rejection>, CredentialError> {
        match Jws::split(credentials.bytes()).and_then(Self::of) {
            Ok(unverified) => Ok(Ok(unverified)),
            Err(rejection) => credentials.read().map(|_| Err(rejection)),
        }
    }

    fn of(mut jws: Jws<'a>) -> Result<Self, Rejection> {
        let claims = Claims::parse(core::mem::take(&mut jws.payload))?;
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
        if self.claims.issuer() != rules.issuer {
            return Err(Rejection::UnknownIssuer);
        }
        if !rules.algorithms.contains(&self.jws.header.alg) {
            return Err(Rejection::AlgNotAllowed);
        }
        check_typ(self.jws.header.typ.as_deref(), rules.typ)?;
        match rules.typ {
            TypMode::Relaxed if is_foreign(self.claims.root()) => Err(Rejection::WrongType),
            TypMode::Relaxed | TypMode::Strict => Ok(()),
        }
    }

    /// Verifies the token. One that is not proven is given back: where its key is unknown it can wait for newer keys.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of the module's documentation.
    pub fn verify(
        self,
        rules: &IssuerRules,
        keys: &Keys,
        verifier: &dyn SignatureVerifier,
        now: UnixTime,
    ) -> Result<VerifiedToken, Unproven<'a>> {
        match self.judge(rules, keys, verifier, now) {
            Ok(Found { roles, scopes, groups, proof }) => Ok(VerifiedToken {
                issuer_index: rules.index,
                roles: roles.into(),
                scopes: scopes.into(),
                groups: groups.into(),
                good_until: proof.good_until(good_until(&self.claims, rules)),
                alg: Some(self.jws.header.alg),
                kid: self.jws.header.kid.or(proof.kid),
                generation: keys.generation(),
                claims: self.claims,
            }),
            Err(rejection) => Err(Unproven { rejection, token: Box::new(self) }),
        }
    }

    fn judge(
        &self,
        rules: &IssuerRules,
        keys: &Keys,
        verifier: &dyn SignatureVerifier,
        now: UnixTime,
    ) -> Result<Found, Rejection> {
        self.check_rules(rules)?;
        let proof = match keys {
            Keys::Public(keys) => self.check_signature(keys, verifier)?,
            Keys::Secret(secrets) => self.check_tag(secrets, now)?,
        };
        check_time(&self.claims, rules, now)?;
        check_audience(&self.claims, &rules.audiences)?;
        check_client(&self.claims, &rules.clients)?;
        check_required(&self.claims, &rules.required_claims)?;
        let root = self.claims.root();
        Ok(Found {
            roles: extract_strings(root, &rules.roles, Split::Whole)?,
            scopes: scopes(root, rules)?,
            groups: extract_strings(root, &rules.groups, Split::Whole)?,
            proof,
        })
    }

    fn check_signature(&self, keys: &KeySet, verifier: &dyn SignatureVerifier) -> Result<Proof, Rejection> {
        let (alg, signature) = (self.jws.header.alg, &self.jws.signature);
        let candidates = keys.candidates(self.kid(), alg).map_err(|none| match none {
            NoCandidate::UnknownKid => Rejection::UnknownKid,
            NoCandidate::NoneFits => Rejection::NoFittingKey,
        })?;
        let mut worst = Rejection::BadSignature;
        for key in candidates.iter().filter(|key| key.length_fits(signature)) {
            match verifier.verify(alg, key, self.jws.signing_input, signature) {
                Verdict::Verified => {
                    let named = self.kid().is_some();
                    let kid = key.kid().filter(|_| !named).map(ToOwned::to_owned);
                    return Ok(Proof { kid, ends: None });
                }
                Verdict::Refused => {}
                Verdict::Unsupported => worst = Rejection::VerifierUnsupported,
                Verdict::Throttled { retry_after_secs } => {
                    return Err(Rejection::Throttled { retry_after_secs });
                }
            }
        }
        Err(worst)
    }

    fn check_tag(&self, secrets: &SecretSet, now: UnixTime) -> Result<Proof, Rejection> {
        if self.kid().is_some_and(|kid| !secrets.knows(kid)) {
            return Err(Rejection::UnknownKid);
        }
        let (alg, tag) = (self.jws.header.alg, &self.jws.signature);
        let maker = secrets.maker(self.kid(), alg, self.jws.signing_input, tag, now);
        maker.map(|maker| Proof { kid: maker.kid, ends: maker.ends }).ok_or(Rejection::BadSignature)
    }
}

/// The scopes, with those that they include.
fn scopes(root: Value<'_>, rules: &IssuerRules) -> Result<Vec<String>, Rejection> {
    let mut scopes = extract_strings(root, &rules.scopes, Split::Spaces)?;
    rules.scope_hierarchy.widen(&mut scopes);
    Ok(scopes)
}

/// A token that nothing has proven, and why.
#[derive(Debug)]
pub struct Unproven<'a> {
    /// What is wrong.
    pub rejection: Rejection,
    /// The token, as it was.
    pub token: Box<Unverified<'a>>,
}

/// What was found in a token that is proven.
struct Found {
    roles: Vec<String>,
    scopes: Vec<String>,
    groups: Vec<String>,
    proof: Proof,
}

/// What proved a token, and until when that counts.
struct Proof {
    /// The key's own id, where the token names none.
    kid: Option<String>,
    ends: Option<UnixTime>,
}

impl Proof {
    /// A token is good no longer than the secret that proves it.
    fn good_until(&self, claimed: UnixTime) -> UnixTime {
        self.ends.map_or(claimed, |ends| ends.min(claimed))
    }
}

/// A token that is what it claims to be.
#[derive(Clone)]
pub struct VerifiedToken {
    issuer_index: usize,
    claims: Claims,
    roles: Box<[String]>,
    scopes: Box<[String]>,
    groups: Box<[String]>,
    good_until: UnixTime,
    alg: Option<Alg>,
    kid: Option<String>,
    generation: u64,
}

impl VerifiedToken {
    /// A token that its issuer vouches for, as it was asked (RFC 7662). The audience is the place's to check.
    ///
    /// # Errors
    /// What the issuer's rules do not allow.
    pub(crate) fn introspected(
        claims: &Claims,
        rules: &IssuerRules,
        now: UnixTime,
    ) -> Result<VerifiedToken, Rejection> {
        check_time(claims, rules, now)?;
        check_client(claims, &rules.clients)?;
        check_required(claims, &rules.required_claims)?;
        let root = claims.root();
        Ok(VerifiedToken {
            issuer_index: rules.index,
            roles: extract_strings(root, &rules.roles, Split::Whole)?.into(),
            scopes: scopes(root, rules)?.into(),
            groups: extract_strings(root, &rules.groups, Split::Whole)?.into(),
            good_until: good_until(claims, rules).min(claims.exp),
            alg: None,
            kid: None,
            generation: 0,
            claims: claims.clone(),
        })
    }

    /// The issuer's place in the configuration.
    #[must_use]
    pub const fn issuer_index(&self) -> usize {
        self.issuer_index
    }

    /// `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.claims.issuer()
    }

    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.claims.subject()
    }

    /// `client_id`, or else `azp`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.claims.client_id()
    }

    /// `aud`.
    #[must_use]
    pub fn audiences(&self) -> Vec<String> {
        self.claims.audiences().filter_map(|audience| Some(audience.as_str()?.into_owned())).collect()
    }

    /// `jti`.
    #[must_use]
    pub fn jti(&self) -> Option<&str> {
        self.claims.jti()
    }

    /// What the sender must prove besides having the token.
    #[must_use]
    pub fn confirmation(&self) -> Confirmation {
        self.claims.confirmation()
    }

    /// `iat`.
    #[must_use]
    pub const fn issued_at(&self) -> Option<UnixTime> {
        self.claims.iat
    }

    /// Its id (`jti`).
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.claims.jti()
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
    pub fn claims(&self) -> &Shelf {
        &self.claims.doc
    }

    /// Who acts for the subject, the last in the chain first.
    #[must_use]
    pub(crate) fn actors(&self) -> &[String] {
        &self.claims.actors
    }

    /// Lets go what is read seldom once a token is verified.
    pub(crate) fn shelve(&mut self) {
        self.claims.doc.close();
    }

    /// What it takes of the heap.
    pub(crate) fn cost(&self, reading: Reading) -> usize {
        let lists = [&self.roles, &self.scopes, &self.groups].map(|list| cost::texts(list));
        lists.into_iter().sum::<usize>() + cost::text(self.kid.as_deref()) + self.claims.cost(reading)
    }

    /// The algorithm it was signed with; none for a token that its issuer was asked about.
    #[must_use]
    pub const fn alg(&self) -> Option<Alg> {
        self.alg
    }

    /// The id of the key that proved it: the one that it names, or where it names none, the key's own.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
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
        check_audience(&self.claims, audiences)
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedToken(issuer {})", self.issuer_index)
    }
}
