// SPDX-License-Identifier: Apache-2.0
//! The answer of the upstream: lists show what the caller may use, and nothing that cannot be read passes as a list.

use super::account::Awaits;
use super::answer::{self, EXPOSED, Scene, cors_origin};
use super::answering::Asked;
use super::factors;
use super::front::{Front, note};
use super::opaque::Vouched;
use super::session::{self, Running};
use super::task::AboutTask;
use super::view::View;
use super::{Desk, Edit, Fields, Outcome};
use crate::config::{Answers, HostMode, Server};
use crate::deny::{Answer, Denial};
use crate::identity::Identity;
use crate::json::Limits;
use crate::mcp::{
    Body, EventVerdict, FilterError, HeaderValue, Left, Method, Options, Shape, SseFilter, filter_answer,
};
use crate::metrics::{Metric, Place, Sample, Series};
use crate::time::UnixTime;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// What to do with the answer to a request that went on.
#[derive(Debug)]
pub struct Reply {
    /// In one place: a reply moves from the head to the body to the answer.
    guarded: Option<Box<Guarded>>,
    /// A fresh nonce for proofs (RFC 9449 section 8.2).
    nonce: Option<String>,
}

#[derive(Debug)]
struct Guarded {
    at: usize,
    identity: Rc<Identity>,
    cors: Option<String>,
    expected: Expected,
    task: AboutTask,
    asked: Option<Rc<Asked>>,
    login_until: Option<UnixTime>,
    session: Option<Running>,
    vouched: Option<Vouched>,
}

/// What kind of answer the request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// A list that has to be filtered.
    List,
    /// Another message.
    Message,
    /// Nothing in particular: no request was made, or no other answer is looked into.
    Other,
}

/// What happens after the answer's head.
#[derive(Debug)]
pub enum ReplyStep {
    /// It goes on, with these edits; its body is not looked at.
    Pass(Vec<Edit>),
    /// It goes on with these edits as soon as the proxy lets the body be changed; the body comes to [`ReplyBody`].
    Filter(Vec<Edit>, ReplyBody),
    /// The gate answers instead.
    Answer(Box<Answer>),
}

/// The body of an answer that is filtered.
#[derive(Debug)]
pub enum ReplyBody {
    /// One JSON document; the whole of it is needed.
    Whole(Filter),
    /// An event stream; chunk by chunk.
    Stream(Filter, Box<SseFilter>),
}

/// Who the answer is for.
#[derive(Debug)]
pub struct Filter {
    at: usize,
    identity: Rc<Identity>,
    task: AboutTask,
    /// What was asked, where there are rules on answers.
    asked: Option<Rc<Asked>>,
    /// When the login will be too old for the server.
    login_until: Option<UnixTime>,
    /// When the session is over.
    session_until: Option<UnixTime>,
    /// The opaque token behind an open stream.
    pub(super) vouched: Option<Vouched>,
}

impl Reply {
    /// For what the gate does not guard.
    pub(super) fn untouched() -> Reply {
        Reply { guarded: None, nonce: None }
    }

    pub(super) fn guarded(
        at: usize,
        identity: Rc<Identity>,
        front: &Front<'_>,
        server: &Server,
        method: Option<Method>,
    ) -> Reply {
        let cors = match front.origin {
            HeaderValue::One(origin) => cors_origin(server, origin),
            HeaderValue::Absent | HeaderValue::Several => None,
        };
        let login_until = factors::good_until(&server.credentials.require, &identity);
        let expected = Expected::Other;
        let guarded = Guarded {
            at,
            identity,
            cors,
            expected,
            task: AboutTask::None,
            asked: None,
            login_until,
            session: None,
            vouched: None,
        };
        let mut reply = Reply { guarded: Some(Box::new(guarded)), nonce: None };
        method.into_iter().for_each(|method| reply.expect(method, server.answers));
        reply
    }

    /// In a session that has begun.
    pub(super) fn of_session(mut self, session: Option<Running>) -> Reply {
        if let Some(guarded) = &mut self.guarded {
            guarded.session = session;
        }
        self
    }

    /// For who has shown an opaque token.
    pub(super) fn vouched(mut self, vouched: Option<Vouched>) -> Reply {
        if let Some(guarded) = &mut self.guarded {
            guarded.vouched = vouched;
        }
        self
    }

    /// With a nonce that the answer brings.
    pub(super) fn with_nonce(mut self, nonce: Option<String>) -> Reply {
        self.nonce = nonce;
        self
    }

    /// Notes the task that the answer may speak of.
    pub(super) fn about(&mut self, task: AboutTask) {
        if let Some(guarded) = &mut self.guarded {
            guarded.task = task;
        }
    }

    /// Notes what the answer is judged by; it has to be read then.
    pub(super) fn judged_as(&mut self, asked: Option<Rc<Asked>>) {
        let Some((guarded, asked)) = self.guarded.as_mut().zip(asked) else { return };
        guarded.asked = Some(asked);
        if guarded.expected == Expected::Other {
            guarded.expected = Expected::Message;
        }
    }

    /// Notes what was asked for.
    pub(super) fn expect(&mut self, method: Method, answers: Answers) {
        let Some(guarded) = &mut self.guarded else { return };
        guarded.expected = match (method, method.shape(), answers) {
            (
                Method::ToolsList
                | Method::PromptsList
                | Method::ResourcesList
                | Method::ResourcesTemplatesList,
                _,
                _,
            ) => Expected::List,
            (_, Some(Shape::Request), Answers::Inspect) => Expected::Message,
            (_, Some(Shape::Request), Answers::Lists)
            | (_, Some(Shape::Notification | Shape::Response) | None, _) => Expected::Other,
        };
    }

    /// Looks at the head of the answer.
    #[must_use]
    pub fn start(self, fields: &Fields<'_>, desk: &mut Desk<'_>) -> ReplyStep {
        let nonce = self.nonce.map(|nonce| Edit::set("dpop-nonce", nonce));
        let mut edits: Vec<Edit> = nonce.into_iter().collect();
        let status = status_of(fields);
        desk.account.status(status);
        let Some(guarded) = self.guarded else {
            desk.account.answered(Outcome::of_status(status));
            return ReplyStep::Pass(edits);
        };
        let (mut vary, mut session) = (Vec::new(), HeaderValue::Absent);
        let (mut content_type, mut encoded) = (HeaderValue::Absent, false);
        for (name, value) in fields {
            match *name {
                b"content-type" => note(&mut content_type, value),
                b"mcp-session-id" => note(&mut session, value),
                b"content-encoding" => encoded |= !value.eq_ignore_ascii_case(b"identity"),
                // The client's authorization server is ours to name, not the upstream's.
                b"www-authenticate" => edits.push(Edit::remove("www-authenticate")),
                // Whose pages may read answers is ours to say too.
                b"access-control-allow-origin" | b"access-control-allow-credentials" => {
                    edits.push(Edit::remove(name.to_vec()))
                }
                b"vary" => {
                    vary.extend_from_slice(value);
                    vary.extend_from_slice(b", ");
                }
                _ => {}
            }
        }
        if let Some(origin) = guarded.cors {
            edits.push(Edit::set("access-control-allow-origin", origin));
            edits.push(Edit::set("access-control-expose-headers", EXPOSED));
            vary.extend_from_slice(b"origin");
            edits.push(Edit::set("vary", vary));
        }
        let Guarded { at, identity, task, asked, login_until, session: running, vouched, .. } = *guarded;
        let session_until = running.as_ref().map(|running| running.ends);
        let mut filter = Filter { at, identity, task, asked, login_until, session_until, vouched: None };
        let (kind, expected) = (media(content_type), guarded.expected);
        let begins = desk.now.plus_secs(desk.config.limits.session_secs);
        let sealed = |server| session::sealed(session, server, &filter.identity, running.as_ref(), begins);
        match desk.config.servers.get(at).map(sealed) {
            Some(Ok(Some((edit, ends)))) => {
                edits.push(edit);
                filter.session_until = Some(ends);
            }
            Some(Ok(None)) | None => {}
            Some(Err(label)) => return filter.fault(desk, label),
        }
        // Two content types: whichever is believed here, a client may believe the other.
        if content_type == HeaderValue::Several && status < 400 {
            return filter.fault(desk, "answer_content_type");
        }
        match what_to_do(kind, expected, status, encoded) {
            Look::Refuse(label) => filter.fault(desk, label),
            Look::Away => {
                desk.account.answered(Outcome::of_status(status));
                ReplyStep::Pass(edits)
            }
            Look::Events => {
                if desk.account.awaits_message() == Awaits::Nothing {
                    desk.account.answered(Outcome::of_status(status));
                }
                edits.push(Edit::remove("content-length"));
                filter.vouched = vouched.map(|vouched| vouched.begin(desk));
                let stream = SseFilter::new(desk.config.limits.answer);
                ReplyStep::Filter(edits, ReplyBody::Stream(filter, Box::new(stream)))
            }
            Look::Whole => {
                if desk.config.host_mode == HostMode::Streamed {
                    edits.push(Edit::remove("content-length"));
                }
                ReplyStep::Filter(edits, ReplyBody::Whole(filter))
            }
        }
    }
}

/// Three digits (RFC 9110 section 15); 0 where it is something else.
fn status_of(fields: &Fields<'_>) -> u16 {
    match fields.iter().find(|(name, _)| *name == b":status") {
        Some((_, digits @ [_, _, _])) if digits.iter().all(u8::is_ascii_digit) => {
            digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'))
        }
        Some(_) | None => 0,
    }
}

/// Whether a body is looked at, and how.
enum Look {
    Away,
    Whole,
    Events,
    Refuse(&'static str),
}

/// What is neither JSON nor an event stream is no message, but a client might read it as one: only failures, and
/// answers without content, pass.
fn what_to_do(media: Media, expected: Expected, status: u16, encoded: bool) -> Look {
    let failure = status == 202 || status == 204 || status >= 400;
    match (media, expected) {
        (Media::Events, _) | (Media::Json, Expected::List) if encoded => Look::Refuse("answer_encoded"),
        (Media::Events, _) => Look::Events,
        (Media::Json, Expected::List) => Look::Whole,
        // Failures are not always JSON-RPC, and no client takes a result out of one.
        (Media::Json | Media::Other, Expected::Message) | (Media::Other, Expected::List) if failure => {
            Look::Away
        }
        (Media::Json, Expected::Message) if encoded => Look::Refuse("answer_encoded"),
        (Media::Json, Expected::Message) => Look::Whole,
        (Media::Json | Media::Other, Expected::Other) => Look::Away,
        (Media::Other, Expected::List | Expected::Message) => Look::Refuse("answer_content_type"),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    Events,
    Other,
}

fn media(content_type: HeaderValue<'_>) -> Media {
    let HeaderValue::One(value) = content_type else { return Media::Other };
    // As nearly everybody writes it.
    if value == b"application/json" {
        return Media::Json;
    }
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"text/event-stream") {
        Media::Events
    } else if essence.eq_ignore_ascii_case(b"application/json") {
        Media::Json
    } else {
        Media::Other
    }
}

impl Filter {
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn identity(&self) -> &Rc<Identity> {
        &self.identity
    }

    pub(super) fn login_until(&self) -> Option<UnixTime> {
        self.login_until
    }

    pub(super) fn session_until(&self) -> Option<UnixTime> {
        self.session_until
    }

    #[cold]
    #[inline(never)]
    fn fault(&self, desk: &mut Desk<'_>, label: &'static str) -> ReplyStep {
        ReplyStep::Answer(Box::new(self.withhold(desk, label)))
    }

    /// The answer that replaces one that cannot be filtered.
    fn withhold(&self, desk: &mut Desk<'_>, label: &'static str) -> Answer {
        desk.samples.push(Sample {
            series: Series::new(Metric::AnswerFaults, label).at(Place::Server(self.at)),
            value: 1,
        });
        desk.account.answered(Outcome::ServerError);
        let scene = Scene::new(desk, HeaderValue::Absent);
        let scene = desk.config.servers.get(self.at).map_or(scene, |server| scene.at(server));
        answer::plain(&scene, Denial::Answer(label))
    }

    fn run(&self, bytes: &[u8], desk: &mut Desk<'_>) -> Result<Left, FilterError> {
        let limits = Limits { depth: desk.config.limits.json.depth.max(64), nodes: 1_000_000 };
        let options = Options { limits, max_ttl_ms: Some(desk.config.limits.list_ttl_millis) };
        let mut view = View::new(desk, self.at, &self.identity, (&self.task, self.asked.clone()));
        let filtered = filter_answer(bytes, &mut view, options)?;
        let place = Place::Server(self.at);
        for (word, count) in [("kept", filtered.kept), ("removed", filtered.removed)] {
            if let Some(value) = u64::try_from(count).ok().filter(|count| *count > 0) {
                desk.samples.push(Sample { series: Series::new(Metric::ListItems, word).at(place), value });
            }
        }
        Ok(filtered.left)
    }

    /// Filters a whole JSON answer.
    ///
    /// # Errors
    /// The answer to give instead.
    pub fn whole(&self, bytes: &[u8], desk: &mut Desk<'_>) -> Result<Body, Box<Answer>> {
        // No bytes, no message: there is nothing to filter.
        if bytes.is_empty() {
            desk.account.answered(Outcome::NoAnswer);
            return Ok(Body::Unchanged);
        }
        if bytes.len() > desk.config.limits.answer {
            return Err(Box::new(self.withhold(desk, "answer_too_large")));
        }
        match self.run(bytes, desk) {
            Ok(Left::Messages(body)) => Ok(body),
            // A JSON answer is one message, and a request of the server is none that a client waits for.
            Ok(Left::Nothing) => Err(Box::new(self.withhold(desk, "answer_server_request"))),
            Err(error) => Err(Box::new(self.withhold(desk, error.label()))),
        }
    }

    /// Filters one chunk of an event stream; gives what goes on, and an answer if nothing may follow.
    pub fn chunk(
        &self,
        stream: &mut SseFilter,
        chunk: &[u8],
        desk: &mut Desk<'_>,
    ) -> (Vec<u8>, Result<(), Box<Answer>>) {
        let mut out = Vec::with_capacity(chunk.len());
        let result = stream.push(chunk, &mut out, &mut |data| {
            // Keep-alives, priming events and sentinels carry no message.
            if data.iter().all(u8::is_ascii_whitespace) {
                return EventVerdict::Keep;
            }
            match self.run(data, desk) {
                Ok(Left::Messages(Body::Unchanged)) => EventVerdict::Keep,
                Ok(Left::Messages(Body::Changed(data))) => EventVerdict::Replace(data),
                Ok(Left::Nothing) => EventVerdict::Drop,
                Err(error) => EventVerdict::Fail(error.label()),
            }
        });
        let result = result.map_err(|error| {
            let label = match error {
                crate::mcp::SseError::TooLong => "answer_too_large",
                crate::mcp::SseError::Refused(label) => label,
                crate::mcp::SseError::Ended => "answer_ended",
            };
            Box::new(self.withhold(desk, label))
        });
        (out, result)
    }
}
