// SPDX-License-Identifier: Apache-2.0
//! Event streams that outlive the right to them. A stream is judged when it begins; nobody asks again for each event,
//! so it ends with what it was judged by.

use super::Desk;
use super::opaque::Vouched;
use super::reply::{Filter, ReplyBody};
use crate::metrics::{Metric, Place, Sample, Series};
use crate::revocation::{REVOKED, Standing};
use crate::time::UnixTime;

/// Why an open stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The credential has run out.
    Expired,
    /// A binding begins or ends: the roles are others now.
    Grants,
    /// The login is older than the server takes.
    Login,
    /// The credential was revoked.
    Revoked,
    /// The session has lasted as long as sessions may.
    Session,
    /// The issuer of an opaque token does not say any more what it is.
    Unvouched,
}

impl StreamEnd {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            StreamEnd::Expired => "expired",
            StreamEnd::Revoked => REVOKED,
            StreamEnd::Grants => "grants",
            StreamEnd::Login => "login",
            StreamEnd::Session => "session",
            StreamEnd::Unvouched => "introspection_unavailable",
        }
    }
}

impl ReplyBody {
    /// When an open stream has to be asked whether it ends, if it ever has to. A whole answer is no stream, and who
    /// needs no credentials keeps what it has, as long as its session lasts.
    #[must_use]
    pub fn ends_at(&self) -> Option<UnixTime> {
        let ReplyBody::Stream(filter, _) = self else { return None };
        let identity = filter.identity();
        let until = Some(identity.valid_until()).filter(|_| !identity.is_anonymous());
        let vouched = filter.vouched().map(Vouched::next);
        [until, filter.login_until(), filter.session_until(), vouched].into_iter().flatten().min()
    }

    /// Whether a stream has to end now, and why; counts it. This is the place to ask on a tick for whatever else ends
    /// the right to a stream. One that goes on says anew when it [has to be asked](ReplyBody::ends_at).
    pub fn end(&mut self, desk: &mut Desk<'_>) -> Option<StreamEnd> {
        let due = self.ends_at().is_some_and(|ends| ends <= desk.now);
        let ReplyBody::Stream(filter, _) = self else { return None };
        let reason = if due { over(filter, desk)? } else { return None };
        let series = Series::new(Metric::StreamsEnded, reason.label()).at(Place::Server(filter.at()));
        desk.samples.push(Sample { series, value: 1 });
        Some(reason)
    }

    /// Whether a stream has to end because a list ends its credential, or because another policy gives its caller no
    /// role or gives it for a shorter time; counts it. Asked once for each open stream whenever a list or a policy has
    /// changed. A list that is missing ends no stream.
    pub fn revoked(&self, desk: &mut Desk<'_>) -> Option<StreamEnd> {
        let ReplyBody::Stream(filter, _) = self else { return None };
        let end = match desk.memory.revocation.judge(filter.identity(), desk.now) {
            Standing::Revoked => StreamEnd::Revoked,
            Standing::Good | Standing::Unknown if loses_grants(filter, desk) => StreamEnd::Grants,
            Standing::Good | Standing::Unknown => return None,
        };
        let series = Series::new(Metric::StreamsEnded, end.label());
        desk.samples.push(Sample { series: series.at(Place::Server(filter.at())), value: 1 });
        Some(end)
    }
}

fn over(filter: &mut Filter, desk: &mut Desk<'_>) -> Option<StreamEnd> {
    let now = desk.now;
    let passed = |end: Option<UnixTime>| end.is_some_and(|end| end <= now);
    if passed(filter.identity().expires_at()) {
        return Some(StreamEnd::Expired);
    }
    if passed(filter.login_until()) {
        return Some(StreamEnd::Login);
    }
    if passed(filter.session_until()) {
        return Some(StreamEnd::Session);
    }
    if !filter.identity().is_anonymous() && passed(Some(filter.identity().valid_until())) {
        return Some(StreamEnd::Grants);
    }
    let (at, identity) = (filter.at(), filter.identity().clone());
    filter.vouched_mut()?.look(desk, at, &identity)
}

/// What a stream shows is judged by the policy in force; who may have one at all was asked when it began.
fn loses_grants(filter: &Filter, desk: &Desk<'_>) -> bool {
    let (was, server) = (filter.identity(), desk.config.servers.get(filter.at()));
    let now = server.and_then(|server| desk.judge(server.policy, was));
    now.is_none_or(|(_, is)| is.roles().is_empty() || is.valid_until() < was.valid_until())
}
