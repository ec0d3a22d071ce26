// SPDX-License-Identifier: Apache-2.0
//! The answer of the upstream: lists show what the caller may use, and nothing that cannot be read passes as a list.

use super::account::Awaits;
use super::answer::{self, EXPOSED, Scene, cors_origin};
use super::answering::Asked;
use super::factors;
use super::front::{Front, note};
use super::look::{Expected, Look, media, what_to_do};
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
    filter_failure,
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
    /// In one place: a reply moves from the head to the body to the answer, and filters that.
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
    /// When the login will be too old for the server.
    login_until: Option<UnixTime>,
    /// The session that the request came in.
    session: Option<Running>,
    /// When the session is over.
    session_until: Option<UnixTime>,
    /// The opaque token that the request came with.
    vouched: Option<Vouched>,
    /// The status of an answer that is a failure, or that need not be there.
    failed: Option<u16>,
    /// In which coding its content comes.
    coding: Coding,
}

/// Whether the content of an answer can be read.
#[derive(Debug, PartialEq, Eq)]
enum Coding {
    /// As it is.
    Identity,
    /// It is encoded: where it is read at all, it has to be empty.
    Other,
}

/// What a reply has of its request besides who calls where.
#[derive(Default)]
pub(super) struct Besides {
    /// A fresh nonce that the answer brings.
    pub nonce: Option<String>,
    /// The session that has begun.
    pub session: Option<Running>,
    /// The opaque token that was shown.
    pub vouched: Option<Vouched>,
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
pub struct Filter(Box<Guarded>);

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
        Besides { nonce, session, vouched }: Besides,
    ) -> Reply {
        let cors = match front.origin {
            HeaderValue::One(origin) => cors_origin(server, origin),
            HeaderValue::Absent | HeaderValue::Several => None,
        };
        let login_until = factors::good_until(&server.credentials.require, &identity);
        let session_until = session.as_ref().map(|running| running.ends);
        let guarded = Box::new(Guarded {
            at,
            identity,
            cors,
            expected: Expected::Other,
            task: AboutTask::None,
            asked: None,
            login_until,
            session,
            session_until,
            vouched,
            failed: None,
            coding: Coding::Identity,
        });
        Reply { guarded: Some(guarded), nonce }
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
            (Method::Stream, _, _) => Expected::Stream,
            (_, Some(Shape::Request), Answers::Inspect) => Expected::Message,
            (_, Some(Shape::Notification | Shape::Response), Answers::Inspect) => Expected::Nothing,
            (_, Some(Shape::Request | Shape::Notification | Shape::Response), Answers::Lists)
            | (_, None, _) => Expected::Other,
        };
    }

    /// Looks at the head of the answer.
    #[must_use]
    pub fn start(self, fields: &Fields<'_>, desk: &mut Desk<'_>) -> ReplyStep {
        let mut edits = Vec::new();
        if let Some(nonce) = self.nonce {
            edits.push(Edit::set("dpop-nonce", nonce));
        }
        let status = status_of(fields);
        desk.account.status(status);
        let Some(mut guarded) = self.guarded else {
            desk.account.answered(Outcome::of_status(status));
            return ReplyStep::Pass(edits);
        };
        let (mut vary, mut session) = (Vec::new(), HeaderValue::Absent);
        let (mut content_type, mut encoded) = (HeaderValue::Absent, false);
        for (name, value) in fields {
            // Whole names are compared: patterns of bytes would be compared byte by byte.
            let is = |text: &str| *name == text.as_bytes();
            if is("content-type") {
                note(&mut content_type, value);
            } else if is("mcp-session-id") {
                note(&mut session, value);
            } else if is("content-encoding") {
                encoded |= !value.eq_ignore_ascii_case(b"identity");
            } else if is("www-authenticate") {
                // The client's authorization server is ours to name, not the upstream's.
                edits.push(Edit::remove("www-authenticate"));
            } else if is("access-control-allow-origin") || is("access-control-allow-credentials") {
                // Whose pages may read answers is ours to say too.
                edits.push(Edit::remove(name.to_vec()));
            } else if is("vary") {
                vary.extend_from_slice(value);
                vary.extend_from_slice(b", ");
            }
        }
        if let Some(origin) = guarded.cors.take() {
            for_page(&mut edits, origin, vary);
        }
        if session != HeaderValue::Absent {
            match guarded.seal(session, desk) {
                Ok(sealed) => edits.extend(sealed),
                Err(label) => return Filter(guarded).fault(desk, label),
            }
        }
        // Elsewhere nobody would have judged what the client reads.
        if (300..400).contains(&status) && status != 304 {
            return Filter(guarded).fault(desk, "answer_redirect");
        }
        // Two content types: whichever is believed here, a client may believe the other.
        if content_type == HeaderValue::Several && status < 400 {
            return Filter(guarded).fault(desk, "answer_content_type");
        }
        match what_to_do(media(content_type), guarded.expected, status, encoded) {
            Look::Refuse(label) => Filter(guarded).fault(desk, label),
            Look::Away => {
                desk.account.answered(Outcome::of_status(status));
                ReplyStep::Pass(edits)
            }
            Look::Events => Filter(guarded).events(edits, status, desk),
            look @ (Look::Whole | Look::Failure) => {
                guarded.failed = matches!(look, Look::Failure).then_some(status);
                guarded.coding = if encoded { Coding::Other } else { Coding::Identity };
                if desk.config.host_mode == HostMode::Streamed {
                    edits.push(Edit::remove("content-length"));
                }
                ReplyStep::Filter(edits, ReplyBody::Whole(Filter(guarded)))
            }
        }
    }
}

/// What tells a browser that a page of this origin may read the answer.
#[inline(never)]
fn for_page(edits: &mut Vec<Edit>, origin: String, mut vary: Vec<u8>) {
    edits.push(Edit::set("access-control-allow-origin", origin));
    edits.push(Edit::set("access-control-expose-headers", EXPOSED));
    vary.extend_from_slice(b"origin");
    edits.push(Edit::set("vary", vary));
}

impl Guarded {
    /// The session that the answer names, as the client may know it.
    #[inline(never)]
    fn seal(&mut self, session: HeaderValue<'_>, desk: &Desk<'_>) -> Result<Option<Edit>, &'static str> {
        let Some(server) = desk.config.servers.get(self.at) else { return Ok(None) };
        let begins = desk.now.plus_secs(desk.config.limits.session_secs);
        let sealed = session::sealed(session, server, &self.identity, self.session.as_ref(), begins)?;
        Ok(sealed.map(|(edit, ends)| {
            self.session_until = Some(ends);
            edit
        }))
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

impl Filter {
    pub(super) fn at(&self) -> usize {
        self.0.at
    }

    pub(super) fn identity(&self) -> &Rc<Identity> {
        &self.0.identity
    }

    pub(super) fn login_until(&self) -> Option<UnixTime> {
        self.0.login_until
    }

    pub(super) fn session_until(&self) -> Option<UnixTime> {
        self.0.session_until
    }

    /// The opaque token behind an open stream.
    pub(super) fn vouched(&self) -> Option<&Vouched> {
        self.0.vouched.as_ref()
    }

    pub(super) fn vouched_mut(&mut self) -> Option<&mut Vouched> {
        self.0.vouched.as_mut()
    }

    /// A stream begins.
    #[inline(never)]
    fn events(mut self, mut edits: Vec<Edit>, status: u16, desk: &mut Desk<'_>) -> ReplyStep {
        if desk.account.awaits_message() == Awaits::Nothing {
            desk.account.answered(Outcome::of_status(status));
        }
        edits.push(Edit::remove("content-length"));
        if let Some(vouched) = self.vouched_mut() {
            vouched.begin(desk);
        }
        let stream = SseFilter::new(desk.config.limits.answer, desk.memory.unfinished.clone());
        ReplyStep::Filter(edits, ReplyBody::Stream(self, Box::new(stream)))
    }

    #[cold]
    #[inline(never)]
    fn fault(&self, desk: &mut Desk<'_>, label: &'static str) -> ReplyStep {
        ReplyStep::Answer(Box::new(self.withhold(desk, label)))
    }

    /// The answer that replaces one that cannot be filtered.
    fn withhold(&self, desk: &mut Desk<'_>, label: &'static str) -> Answer {
        desk.samples.push(Sample {
            series: Series::new(Metric::AnswerFaults, label).at(Place::Server(self.at())),
            value: 1,
        });
        desk.account.answered(Outcome::ServerError);
        let scene = Scene::new(desk, HeaderValue::Absent);
        let scene = desk.config.servers.get(self.at()).map_or(scene, |server| scene.at(server));
        answer::plain(&scene, Denial::Answer(label))
    }

    fn run(&self, bytes: &[u8], desk: &mut Desk<'_>) -> Result<Left, FilterError> {
        let filter = if self.0.failed.is_some() { filter_failure } else { filter_answer };
        let limits = Limits { depth: desk.config.limits.json.depth.max(64), nodes: 1_000_000 };
        let options = Options { limits, max_ttl_ms: Some(desk.config.limits.list_ttl_millis) };
        let mut view = View::new(desk, self.at(), self.identity(), (&self.0.task, self.0.asked.clone()));
        let filtered = filter(bytes, &mut view, options)?;
        let place = Place::Server(self.at());
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
            desk.account.answered(self.0.failed.map_or(Outcome::NoAnswer, Outcome::of_status));
            return Ok(Body::Unchanged);
        }
        if self.0.coding == Coding::Other {
            return Err(Box::new(self.withhold(desk, "answer_encoded")));
        }
        if bytes.len() > desk.config.limits.answer {
            return Err(Box::new(self.withhold(desk, "answer_too_large")));
        }
        match self.run(bytes, desk) {
            Ok(Left::Messages(body)) => {
                if let Some(status) = self.0.failed {
                    desk.account.failed(status);
                }
                Ok(body)
            }
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
