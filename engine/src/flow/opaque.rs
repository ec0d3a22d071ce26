// SPDX-License-Identifier: Apache-2.0
//! Callers with opaque tokens: their issuer is asked, once for all who wait.

use super::auth::{Authenticated, Caller};
use super::{Attempt, Desk};
use crate::certificate::Certificate;
use crate::config::{Audience, KeyOrigin};
use crate::deny::Auth;
use crate::identity::Identity;
use crate::introspection::{Asked, Seen};
use crate::metrics::{Metric, Sample, Series};
use crate::time::UnixTime;
use crate::token::{CacheKey, Claims, Rejection, Unread, VerifiedToken};
use alloc::rc::Rc;

/// The issuer that is asked about a token here, if the token has not the form of a JWT.
pub(super) fn issuer_of<'c>(desk: &Desk<'_>, caller: &Caller<'c>, token: Unread<'_>) -> Option<&'c Audience> {
    if token.bytes().iter().filter(|byte| **byte == b'.').count() == 2 {
        return None;
    }
    caller.issuers.iter().find(|audience| {
        let issuer = desk.config.issuers.get(audience.issuer);
        issuer.is_some_and(|issuer| matches!(issuer.keys, KeyOrigin::Introspection(_)))
    })
}

/// Who shows an opaque token that is not remembered under `key`.
pub(super) fn identify(
    desk: &mut Desk<'_>,
    token: Unread<'_>,
    certificate: Option<Rc<Certificate>>,
    caller: &Caller<'_>,
    (audience, key): (&Audience, CacheKey),
    attempt: Attempt,
) -> Authenticated {
    let text = match token.read() {
        Ok(token) => token.as_str(),
        Err(error) => return Authenticated::Refused(Auth::Malformed(error.label())),
    };
    let asked = desk.memory.introspection.key(audience.issuer, text);
    match desk.memory.introspection.seen(asked, desk.now) {
        Some(Seen::Active(claims, until)) => {
            match admit(desk, &claims, until, certificate, caller, audience, key) {
                Ok(identity) => Authenticated::Known(identity, None),
                Err(rejection) => Authenticated::Refused(Auth::Rejected(rejection.label())),
            }
        }
        Some(Seen::Refused(label)) => Authenticated::Refused(Auth::Rejected(label)),
        Some(Seen::Unavailable) => Authenticated::Refused(Auth::IntrospectionUnavailable),
        None if attempt == Attempt::Last => Authenticated::Refused(Auth::IntrospectionUnavailable),
        None => match desk.memory.introspection.ask(asked, audience.issuer, text) {
            Asked::Waits => Authenticated::Wait,
            Asked::Full => {
                let series = Series::new(Metric::Introspections, "full").of_issuer(audience.issuer);
                desk.samples.push(Sample { series, value: 1 });
                Authenticated::Refused(Auth::Busy { retry_after_secs: 1 })
            }
        },
    }
}

/// What the issuer vouches for, judged by its rules and for this place.
fn admit(
    desk: &mut Desk<'_>,
    claims: &Claims,
    until: UnixTime,
    certificate: Option<Rc<Certificate>>,
    caller: &Caller<'_>,
    audience: &Audience,
    key: CacheKey,
) -> Result<Rc<Identity>, Rejection> {
    let issuer = desk.config.issuers.get(audience.issuer).ok_or(Rejection::UnknownIssuer)?;
    let token = VerifiedToken::introspected(claims, &issuer.rules, desk.now)?;
    token.recheck(&issuer.rules, &audience.accepted, desk.now)?;
    let policy = desk.policy(caller.policy);
    let identity = Identity::from_token(token, certificate, issuer, policy.as_deref(), desk.now);
    let identity = Rc::new(identity);
    let until = until.min(identity.valid_until());
    let _ = desk.memory.tokens.insert(key, identity.clone(), until, 0, desk.now);
    Ok(identity)
}
