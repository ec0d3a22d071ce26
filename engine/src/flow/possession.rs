// SPDX-License-Identifier: Apache-2.0
//! Whether the sender of a token is the one it was given to: what the token is bound to is proved on every request.
//! What was remembered of a token is true of the token, not of who sends it now.

use super::Desk;
use super::auth::{Authenticated, Caller};
use super::front::Front;
use super::peer::Peer;
use crate::deny::Auth;
use crate::dpop::{DpopRules, Fault, Mode, NonceState, Noted, Presentation, Proof, check};
use crate::identity::Identity;
use crate::keys::Thumbprint;
use crate::mcp::HeaderValue;
use crate::metrics::{Metric, Sample, Series};
use crate::token::{Confirmation, Presented, Rejection, Unread, present};
use alloc::rc::Rc;
use alloc::string::String;

/// Lets a caller through who has proved what its token is bound to (RFC 9449 section 7.1, RFC 8705 section 3).
pub(super) fn prove(
    desk: &mut Desk<'_>,
    front: &Front<'_>,
    peer: &Peer<'_>,
    caller: &Caller<'_>,
    identity: Rc<Identity>,
) -> Authenticated {
    let bound = identity.confirmation();
    if let Confirmation::Certificate(digest) = bound
        && !peer.holds(&digest)
    {
        return not_possessed();
    }
    let Some(rules) = caller.dpop else {
        return match bound {
            Confirmation::None | Confirmation::Certificate(_) => Authenticated::Known(identity, None),
            Confirmation::Key(_) => not_possessed(),
        };
    };
    // Proofs are about tokens: other credentials are shown where the place accepts them by name.
    if identity.token().is_none() {
        return Authenticated::Known(identity, None);
    }
    let (scheme, target) = (front.authorization.iter().flatten().copied(), front.target.as_bytes());
    let presented = present(scheme, target, desk.config.limits.token).unwrap_or(Presented::None);
    let outcome = match (presented, bound) {
        (Presented::Dpop(token), Confirmation::Key(key)) => proof(desk, front, caller, rules, token, &key),
        (Presented::Dpop(_), Confirmation::None | Confirmation::Certificate(_)) => Err(Fault::Unbound),
        (Presented::Bearer(_) | Presented::None, Confirmation::Key(_)) => Err(Fault::BoundAsBearer),
        (Presented::Bearer(_) | Presented::None, Confirmation::None | Confirmation::Certificate(_)) => {
            match rules.mode {
                Mode::Required => Err(Fault::Required),
                Mode::Accepted => Ok(None),
            }
        }
    };
    match outcome {
        Ok(nonce) => Authenticated::Known(identity, nonce),
        Err(Fault::Throttled { retry_after_secs }) => Authenticated::Refused(Auth::Busy { retry_after_secs }),
        Err(fault) => Authenticated::Refused(Auth::Possession(fault)),
    }
}

fn not_possessed() -> Authenticated {
    Authenticated::Refused(Auth::Rejected(Rejection::NotPossessed.label()))
}

/// Checks the proof of a request; gives a fresh nonce if the one in it grows old.
fn proof(
    desk: &mut Desk<'_>,
    front: &Front<'_>,
    caller: &Caller<'_>,
    rules: &DpopRules,
    token: Unread<'_>,
    key: &Thumbprint,
) -> Result<Option<String>, Fault> {
    let bytes = match front.dpop {
        HeaderValue::One(bytes) => bytes,
        HeaderValue::Absent => return Err(Fault::Missing),
        HeaderValue::Several => return Err(Fault::Several),
    };
    let proof = Proof::parse(bytes, &rules.algorithms)?;
    let request =
        Presentation { method: front.method, path: front.path, token: token.bytes(), bound_to: key };
    let nonces = desk.config.nonces.as_ref();
    let proven = check(&proof, &request, rules, nonces, desk.verifier, desk.now)?;
    let (samples, now) = (&mut *desk.samples, desk.now);
    let noted = desk.memory.replay.note(proven.used(), desk.store, now, &mut |rejected| {
        samples.push(Sample { series: Series::new(Metric::SharedRejected, rejected.label()), value: 1 });
    });
    desk.samples
        .push(Sample { series: Series::new(Metric::DpopProofs, noted.label()).at(caller.place), value: 1 });
    match noted {
        Noted::Fresh => match proven.nonce {
            Some(NonceState::Aging) => Ok(nonces.map(|nonces| nonces.issue(now))),
            Some(NonceState::Good | NonceState::Refused) | None => Ok(None),
        },
        Noted::Replayed => Err(Fault::Replayed),
        Noted::Full | Noted::Contended | Noted::Unavailable => Err(Fault::ReplayUnknown),
    }
}
