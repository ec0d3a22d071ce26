// SPDX-License-Identifier: Apache-2.0
//! An answer on its way to the client, message by message: without list items that its reader may not use, and
//! without requests of the server that are forbidden here.
//!
//! What enters: the text of an answer. What leaves: the same text with byte ranges cut out or replaced. Everything is
//! known by its shape, not by the request: a resumed stream brings answers to requests that nobody here has seen.
//! What cannot be classified does not go on.
//! Deliberately absent: who may see what; [`Visible`] decides, and it must be the judge of calls.

use super::ask::ServerRequest;
use super::list::List;
use super::lookalike::{ENVELOPE, Likeness, likeness};
use super::task::{Mention, TaskEnd, TaskFate};
use crate::json::{Doc, JsonErrorKind, Kind, Limits, Value};
use crate::sort::sort_by;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Whether something stays in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// It stays.
    Shown,
    /// It goes.
    Hidden,
}

/// Decides item by item.
pub trait Visible {
    /// A tool, by name, with its definition.
    fn tool(&mut self, name: &str, definition: Value<'_>) -> Visibility;
    /// A prompt, by name.
    fn prompt(&mut self, name: &str) -> Visibility;
    /// A resource, by URI.
    fn resource(&mut self, uri: &str) -> Visibility;
    /// A resource template, by URI template.
    fn template(&mut self, uri_template: &str) -> Visibility;
    /// Something that the server asks of the client.
    fn server_request(&mut self, kind: ServerRequest) -> Visibility;
    /// A task of the server, by its id there, and how it ended where that is said.
    fn task(&mut self, id: &str, mention: Mention, end: Option<TaskEnd>) -> TaskFate;
    /// The answer to a request; `id` is the raw JSON of the message's id.
    fn answered(&mut self, id: Option<&str>, answered: Answered<'_>) -> Visibility;
    /// What a notification tells of a task, by its id on the server.
    fn task_news(&mut self, id: Option<&str>, news: Value<'_>) -> Visibility;
    /// The error that stands in the place of a result which is not shown; `id` is the raw JSON of the message's id.
    fn refusal(&mut self, id: Option<&str>, why: Withheld) -> String;
}

/// What a request is answered with.
#[derive(Clone, Copy, Debug)]
pub enum Answered<'a> {
    /// A result.
    Result(Value<'a>),
    /// A JSON-RPC error.
    Error(Value<'a>),
}

/// Why a result is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// It asks the client for what is forbidden here.
    ServerRequest,
    /// It is about a task that is not the caller's.
    Task,
    /// Its reader may not be told it.
    Answer,
}

/// How to filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bounds on the answer.
    pub limits: Limits,
    /// The longest time that a client may keep a list; `None` leaves it to the server.
    pub max_ttl_ms: Option<u64>,
}

/// The text of a filtered answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// As it came.
    Unchanged,
    /// This instead.
    Changed(Vec<u8>),
}

/// What is left of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// Messages, or an empty array of them.
    Messages(Body),
    /// Nothing: its one message goes.
    Nothing,
}

/// A filtered answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtered {
    /// What goes on.
    pub left: Left,
    /// How many list items stayed.
    pub kept: usize,
    /// How many list items went.
    pub removed: usize,
}

/// Why an answer cannot be filtered; it must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// It is not strict JSON, or too large.
    Json(JsonErrorKind),
    /// It is not a JSON-RPC message, or several in one.
    NotAMessage,
    /// It is an object with neither `method` nor `result` nor `error`, and nothing that is like them.
    NoMember,
    /// A member name resembles one that a list depends on.
    LookAlikeKey,
    /// An array holds more messages, or a list more items, than any needs.
    TooMany,
    /// A list is not an array.
    NotAList,
    /// An item has no name or URI that is a string.
    NamelessItem,
    /// Two tools, or two prompts, have one name.
    DuplicateItem,
    /// A result is of a type that no published version knows.
    UnknownResultType,
    /// A task has no id that is a string, or stands where none can stand.
    BadTask,
    /// What the server asks of the client in a result does not have the form that it must have.
    BadInputRequests,
}

impl FilterError {
    /// The metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            FilterError::Json(_) => "answer_not_json",
            FilterError::NotAMessage | FilterError::NoMember => "answer_not_a_message",
            FilterError::LookAlikeKey => "answer_look_alike_key",
            FilterError::TooMany => "answer_too_many",
            FilterError::NotAList => "answer_not_a_list",
            FilterError::NamelessItem => "answer_nameless_item",
            FilterError::DuplicateItem => "answer_duplicate_item",
            FilterError::UnknownResultType => "answer_unknown_result_type",
            FilterError::BadTask => "answer_bad_task",
            FilterError::BadInputRequests => "answer_bad_input_requests",
        }
    }
}

/// Members of a result that somebody acts on here.
const RESULT: &[&str] = &[
    "tools",
    "prompts",
    "resources",
    "resourceTemplates",
    "nextCursor",
    "cacheScope",
    "ttlMs",
    "resultType",
    "inputRequests",
    "requestState",
    "task",
    "taskId",
    "tasks",
    "_meta",
];

/// Most messages of an array: each is judged by itself.
const MAX_MESSAGES: usize = 1_024;

/// A range of the text and what stands there instead.
type Edit = (Range<usize>, Cow<'static, str>);

/// One walk through one answer.
pub(super) struct Pass<'v> {
    pub(super) visible: &'v mut dyn Visible,
    pub(super) options: Options,
    pub(super) edits: Vec<Edit>,
    pub(super) kept: usize,
    pub(super) removed: usize,
}

/// Filters an answer: one message, or an array of them.
///
/// # Errors
/// What makes it impossible to tell what the answer would show.
pub fn filter_answer(
    bytes: &[u8],
    visible: &mut dyn Visible,
    options: Options,
) -> Result<Filtered, FilterError> {
    let doc = Doc::parse(bytes, options.limits).map_err(|error| FilterError::Json(error.kind))?;
    let mut pass = Pass { visible, options, edits: Vec::new(), kept: 0, removed: 0 };
    let root = doc.root();
    let fate = match root.kind() {
        Kind::Object => pass.message(root)?,
        Kind::Array => pass.messages(root)?,
        Kind::Null | Kind::True | Kind::False | Kind::Number | Kind::String | Kind::EscapedString => {
            return Err(FilterError::NotAMessage);
        }
    };
    let left = match fate {
        Visibility::Hidden => Left::Nothing,
        Visibility::Shown if pass.edits.is_empty() => Left::Messages(Body::Unchanged),
        Visibility::Shown => Left::Messages(Body::Changed(apply(doc.text(), pass.edits))),
    };
    Ok(Filtered { left, kept: pass.kept, removed: pass.removed })
}

/// Filters the body of a failure, which may be anything: a page, a text, a JSON document. What no client could take
/// for a message goes on as it came.
///
/// # Errors
/// What makes it impossible to tell what a message in it would show.
pub fn filter_failure(
    bytes: &[u8],
    visible: &mut dyn Visible,
    options: Options,
) -> Result<Filtered, FilterError> {
    if !may_be_message(bytes) {
        return Ok(UNTOUCHED);
    }
    match filter_answer(bytes, visible, options) {
        Err(FilterError::NoMember) => Ok(UNTOUCHED),
        filtered => filtered,
    }
}

const UNTOUCHED: Filtered = Filtered { left: Left::Messages(Body::Unchanged), kept: 0, removed: 0 };

/// Whether a text may be an object or an array to somebody: it begins as one, behind space and byte order marks, or in
/// one of the wider encodings that readers of JSON tell by their zeros and marks.
fn may_be_message(bytes: &[u8]) -> bool {
    let mut rest = bytes.trim_ascii_start();
    while let Some(behind) = rest.strip_prefix(b"\xef\xbb\xbf") {
        rest = behind.trim_ascii_start();
    }
    let wide = bytes.get(..4).unwrap_or(bytes);
    matches!(rest, [b'{' | b'[', ..])
        || wide.contains(&0)
        || matches!(wide, [0xfe, 0xff, ..] | [0xff, 0xfe, ..])
}

pub(super) fn refuse_look_alikes(object: Value<'_>, vocabulary: &[&str]) -> Result<(), FilterError> {
    for (name, _) in object.members() {
        match likeness(&name.as_str().unwrap_or_default(), vocabulary) {
            Likeness::Same | Likeness::Other => {}
            Likeness::Alike => return Err(FilterError::LookAlikeKey),
        }
    }
    Ok(())
}

impl Pass<'_> {
    /// An array of messages, as 2025-03-26 has them: what may not be shown is cut out.
    fn messages(&mut self, array: Value<'_>) -> Result<Visibility, FilterError> {
        let mut fates = Vec::new();
        for message in array.items() {
            if fates.len() >= MAX_MESSAGES {
                return Err(FilterError::TooMany);
            }
            let before = self.edits.len();
            let fate = self.message(message).map_err(|error| match error {
                FilterError::NoMember => FilterError::NotAMessage,
                other => other,
            })?;
            if fate == Visibility::Hidden {
                self.edits.truncate(before);
            }
            fates.push((message.span(), fate));
        }
        self.cut(array.span(), &fates);
        Ok(Visibility::Shown)
    }

    fn message(&mut self, message: Value<'_>) -> Result<Visibility, FilterError> {
        if message.kind() != Kind::Object {
            return Err(FilterError::NotAMessage);
        }
        refuse_look_alikes(message, ENVELOPE)?;
        let id = message.get("id").map(|id| id.raw());
        match (message.get("method"), message.get("result"), message.get("error")) {
            (Some(method), None, None) => self.server_speaks(message, method),
            (None, None, Some(error)) => {
                if self.visible.answered(id, Answered::Error(error)) == Visibility::Hidden {
                    self.replace(message, self.edits.len(), Withheld::Answer);
                    return Ok(Visibility::Shown);
                }
                self.error(message, error)
            }
            (None, Some(result), None) => {
                if self.visible.answered(id, Answered::Result(result)) == Visibility::Hidden {
                    self.replace(message, self.edits.len(), Withheld::Answer);
                    return Ok(Visibility::Shown);
                }
                self.result(message, result)
            }
            (None, None, None) => Err(FilterError::NoMember),
            (Some(_), _, _) | (None, Some(_), Some(_)) => Err(FilterError::NotAMessage),
        }
    }

    fn result(&mut self, message: Value<'_>, result: Value<'_>) -> Result<Visibility, FilterError> {
        refuse_look_alikes(result, RESULT)?;
        check_result_type(result)?;
        let before = self.edits.len();
        if self.input_requests(result)? == Visibility::Hidden {
            self.replace(message, before, Withheld::ServerRequest);
            return Ok(Visibility::Shown);
        }
        if self.result_tasks(result)? == Visibility::Hidden {
            self.replace(message, before, Withheld::Task);
            return Ok(Visibility::Shown);
        }
        for list in List::ALL {
            if let Some(items) = result.get(list.member()) {
                self.list(list, items)?;
            }
        }
        if let Some(scope) = result.get("cacheScope").filter(|scope| !scope.is_str("private")) {
            self.edits.push((scope.span(), Cow::Borrowed("\"private\"")));
        }
        if let (Some(ttl), Some(longest)) = (result.get("ttlMs"), self.options.max_ttl_ms) {
            self.ttl(ttl, longest);
        }
        Ok(Visibility::Shown)
    }

    /// A refusal in the place of the message, instead of the edits made to it.
    pub(super) fn replace(&mut self, message: Value<'_>, before: usize, why: Withheld) {
        self.edits.truncate(before);
        let refusal = self.visible.refusal(message.get("id").map(|id| id.raw()), why);
        self.edits.push((message.span(), Cow::Owned(refusal)));
    }
}

/// A client takes a result of an unknown type for invalid; here nobody could tell what it shows.
fn check_result_type(result: Value<'_>) -> Result<(), FilterError> {
    let known = |kind: Value<'_>| ["complete", "input_required", "task"].iter().any(|word| kind.is_str(word));
    match result.get("resultType") {
        Some(kind) if !known(kind) => Err(FilterError::UnknownResultType),
        Some(_) | None => Ok(()),
    }
}

fn apply(text: &str, mut edits: Vec<Edit>) -> Vec<u8> {
    sort_by(&mut edits, |(one, _), (two, _)| one.start.cmp(&two.start));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, replacement) in edits {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str(&replacement);
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out.into_bytes()
}
