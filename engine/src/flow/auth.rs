// SPDX-License-Identifier: Apache-2.0
//! Who calls: from the `Authorization` header to an [`Identity`], by memory or by verification.

use super::door::Front;
use super::{Attempt, Desk, possession};
use crate::config::{Audience, Issuer, KeyOrigin};
use crate::deny::Auth;
use crate::dpop::DpopRules;
use crate::identity::Identity;
use crate::keys::{KeyStatus, Keys, Source, UnknownKid};
use crate::metrics::{Metric, Place, Sample, Series};
use crate::time::UnixTime;
use crate::token::{
    CacheKey, CredentialError, Lookup, Presented, Rejection, Unverified, VerifiedToken, present,
};
use alloc::rc::Rc;
use alloc::string::String;

/// Whose credentials are accepted where.
pub(super) struct Caller<'c> {
    pub place: Place,
    pub issuers: &'c [Audience],
    pub policy: usize,
    /// Tells this place's entries of the token cache from other places'.
    pub slot: usize,
    pub anonymous: Option<Rc<Identity>>,
    /// What proofs of possession have to be like, where they are accepted.
    pub dpop: Option<&'c DpopRules>,
}

/// What came of it.
pub(super) enum Authenticated {
    /// Who calls, and a fresh nonce for the answer where the caller's grows old.
    Known(Rc<Identity>, Option<String>),
    Wait,
    Refused(Auth),
}

pub(super) fn authenticate(
    desk: &mut Desk<'_>,
    front: &Front<'_>,
    caller: &Caller<'_>,
    attempt: Attempt,
) -> Authenticated {
    let outcome = match identify(desk, front, caller, attempt) {
        Authenticated::Known(identity, _) => possession::prove(desk, front, caller, identity),
        other @ (Authenticated::Wait | Authenticated::Refused(_)) => other,
    };
    let result = match &outcome {
        Authenticated::Known(identity, _) if identity.is_anonymous() => "anonymous",
        Authenticated::Known(..) => "success",
        // Counted when the wait is over.
        Authenticated::Wait => return outcome,
        Authenticated::Refused(auth) => crate::deny::Denial::Auth(*auth).label(),
    };
    desk.samples
        .push(Sample { series: Series::new(Metric::AuthAttempts, result).at(caller.place), value: 1 });
    outcome
}

fn identify(desk: &mut Desk<'_>, front: &Front<'_>, caller: &Caller<'_>, attempt: Attempt) -> Authenticated {
    let target = front.target.as_bytes();
    let token = match present(front.authorization.iter().flatten().copied(), target, desk.config.limits.token)
    {
        Ok(Presented::Bearer(token)) => token,
        Ok(Presented::Dpop(token)) if caller.dpop.is_some() => token,
        Ok(Presented::Dpop(_)) => {
            return Authenticated::Refused(Auth::OtherScheme(CredentialError::UnsupportedScheme.label()));
        }
        Ok(Presented::None) => {
            return match &caller.anonymous {
                Some(identity) => Authenticated::Known(identity.clone(), None),
                None => Authenticated::Refused(Auth::Missing),
            };
        }
        Err(error @ CredentialError::UnsupportedScheme) => {
            return Authenticated::Refused(Auth::OtherScheme(error.label()));
        }
        Err(error) => return Authenticated::Refused(Auth::Malformed(error.label())),
    };
    let slot = u32::try_from(caller.slot).unwrap_or(u32::MAX);
    let key = desk.memory.tokens.key(slot, token.bytes());
    if let Some(identity) = recall(desk, key, attempt) {
        return Authenticated::Known(identity, None);
    }
    match token.read().map(Unverified::parse) {
        Ok(Ok(unverified)) => prove(desk, &unverified, caller, key, attempt),
        Ok(Err(rejection)) => Authenticated::Refused(Auth::Rejected(rejection.label())),
        Err(error) => Authenticated::Refused(Auth::Malformed(error.label())),
    }
}

/// A token that was verified before: every hit asks again for its time and for the keys that proved it.
fn recall(desk: &mut Desk<'_>, key: CacheKey, attempt: Attempt) -> Option<Rc<Identity>> {
    let (config, sources, now) = (desk.config, &desk.memory.sources, desk.now);
    let generation_of = |identity: &Rc<Identity>| {
        let at = identity.issuer_index().unwrap_or(usize::MAX);
        let keys = config.issuers.get(at).and_then(|issuer| keys(sources, at, issuer, now));
        keys.map_or(u64::MAX, |keys| keys.generation())
    };
    let found = desk.memory.tokens.get(key, now, generation_of);
    // One request counts once, however often it looks.
    if attempt == Attempt::First {
        desk.samples.push(Sample { series: Series::new(Metric::TokenCache, found.label()), value: 1 });
    }
    match found {
        Lookup::Hit(identity) => Some(identity),
        Lookup::Miss | Lookup::Expired | Lookup::Outdated => None,
    }
}

fn prove(
    desk: &mut Desk<'_>,
    token: &Unverified<'_>,
    caller: &Caller<'_>,
    key: CacheKey,
    attempt: Attempt,
) -> Authenticated {
    let refused = |rejection: Rejection| {
        Authenticated::Refused(match rejection {
            Rejection::Throttled { retry_after_secs } => Auth::Busy { retry_after_secs },
            other => Auth::Rejected(other.label()),
        })
    };
    let config = desk.config;
    let by_name = |audience: &&Audience| {
        config.issuers.get(audience.issuer).is_some_and(|issuer| issuer.rules.issuer == token.issuer())
    };
    let Some(audience) = caller.issuers.iter().find(by_name) else {
        return refused(Rejection::UnknownIssuer);
    };
    let Some(issuer) = config.issuers.get(audience.issuer) else { return refused(Rejection::UnknownIssuer) };
    if let Err(rejection) = token.check_rules(&issuer.rules) {
        return refused(rejection);
    }
    let keys = match keys(&desk.memory.sources, audience.issuer, issuer, desk.now) {
        Some(keys) => keys,
        None if attempt == Attempt::Last || hopeless(desk, audience.issuer) => {
            return Authenticated::Refused(Auth::KeysUnavailable);
        }
        None => return Authenticated::Wait,
    };
    match token.verify(&issuer.rules, &keys, desk.verifier, desk.now) {
        Ok(verified) => match verified.recheck(&issuer.rules, &audience.accepted, desk.now) {
            Ok(()) => Authenticated::Known(remember(desk, verified, issuer, caller, key), None),
            Err(rejection) => refused(rejection),
        },
        Err(Rejection::UnknownKid) => unknown_kid(desk, token, audience.issuer, attempt),
        Err(rejection) => refused(rejection),
    }
}

/// Whether the next fetch begins only after the wait would be over.
fn hopeless(desk: &Desk<'_>, at: usize) -> bool {
    let deadline = desk.now.plus_millis(u64::from(desk.config.limits.wait_millis));
    let source = desk.memory.sources.get(at).and_then(Option::as_ref);
    source.and_then(|source| source.backing_off(desk.now)).is_some_and(|retry| retry > deadline)
}

/// The keys of an issuer, if there are usable ones.
fn keys(sources: &[Option<Source>], at: usize, issuer: &Issuer, now: UnixTime) -> Option<Keys> {
    match &issuer.keys {
        KeyOrigin::Inline(keys) => Some(Keys::Public(keys.clone())),
        KeyOrigin::Secrets(secrets) => Some(Keys::Secret(secrets.clone())),
        KeyOrigin::Remote { .. } => match sources.get(at)?.as_ref()?.status(now) {
            KeyStatus::Fresh(keys) | KeyStatus::Aging(keys) => Some(Keys::Public(keys)),
            KeyStatus::Absent | KeyStatus::Stale => None,
        },
    }
}

/// A key that nobody knows yet may be a new one: ask for newer keys, but not for every guess.
fn unknown_kid(desk: &mut Desk<'_>, token: &Unverified<'_>, at: usize, attempt: Attempt) -> Authenticated {
    let refused = Authenticated::Refused(Auth::Rejected(Rejection::UnknownKid.label()));
    let now = desk.now;
    let source = desk.memory.sources.get_mut(at).and_then(Option::as_mut);
    let (Some(source), Some(kid)) = (source, token.kid()) else { return refused };
    if attempt == Attempt::Last {
        return refused;
    }
    match source.on_unknown_kid(kid, now) {
        UnknownKid::Refetch | UnknownKid::UnderWay => Authenticated::Wait,
        UnknownKid::AskedBefore | UnknownKid::Throttled => refused,
    }
}

fn remember(
    desk: &mut Desk<'_>,
    token: VerifiedToken,
    issuer: &Issuer,
    caller: &Caller<'_>,
    key: CacheKey,
) -> Rc<Identity> {
    let generation = token.generation();
    let policy = desk.config.policies.get(caller.policy);
    let identity = Rc::new(Identity::from_token(token, issuer, policy, desk.now));
    let until = identity.valid_until();
    let _ = desk.memory.tokens.insert(key, identity.clone(), until, generation, desk.now);
    identity
}
