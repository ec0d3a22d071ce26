// SPDX-License-Identifier: Apache-2.0
//! Event streams that outlive the right to them. A stream is judged when it begins; nobody asks again for each event,
//! so it ends with what it was judged by.

use super::Desk;
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
        }
    }
}

impl ReplyBody {
    /// When an open stream has to end, if it ever has to. A whole answer is no stream, and who needs no credentials
    /// keeps what it has.
    #[must_use]
    pub fn ends_at(&self) -> Option<UnixTime> {
        match self {
            ReplyBody::Whole(_) => None,
            ReplyBody::Stream(filter, _) if filter.identity().is_anonymous() => None,
            ReplyBody::Stream(filter, _) => {
                let until = filter.identity().valid_until();
                Some(filter.login_until().map_or(until, |login| login.min(until)))
            }
        }
    }

    /// Whether a stream has to end now, and why; counts it. This is the place to ask on a tick for whatever else ends
    /// the right to a stream.
    pub fn end(&self, desk: &mut Desk<'_>) -> Option<StreamEnd> {
        let ends = self.ends_at().filter(|ends| *ends <= desk.now)?;
        let ReplyBody::Stream(filter, _) = self else { return None };
        let reason = match (filter.identity().expires_at(), filter.login_until()) {
            (Some(expires), _) if ends >= expires => StreamEnd::Expired,
            (_, Some(login)) if ends >= login => StreamEnd::Login,
            (Some(_) | None, Some(_) | None) => StreamEnd::Grants,
        };
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

/// What a stream shows is judged by the policy in force; who may have one at all was asked when it began.
fn loses_grants(filter: &Filter, desk: &Desk<'_>) -> bool {
    let (was, server) = (filter.identity(), desk.config.servers.get(filter.at()));
    let now = server.and_then(|server| desk.judge(server.policy, was));
    now.is_none_or(|(_, is)| is.roles().is_empty() || is.valid_until() < was.valid_until())
}
