// SPDX-License-Identifier: Apache-2.0
//! The list filter: an answer without the items that its reader may not use.
//!
//! What enters: the text of an answer. What leaves: the same text with byte ranges cut out, so that order, cursors,
//! numbers and spelling stay as they were. Lists are known by their shape, not by the request: a resumed stream brings
//! answers to requests that nobody here has seen.
//! Deliberately absent: who may see what; [`Visible`] decides, and it must be the judge of calls.

use super::characters::{check_name, check_uri};
use super::lookalike::{ENVELOPE, Likeness, likeness};
use crate::json::{Doc, JsonErrorKind, Kind, Limits, Value};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Whether an item stays in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// It stays.
    Shown,
    /// It goes.
    Hidden,
}

/// Decides item by item.
pub trait Visible {
    /// A tool, by name.
    fn tool(&mut self, name: &str) -> Visibility;
    /// A prompt, by name.
    fn prompt(&mut self, name: &str) -> Visibility;
    /// A resource, by URI.
    fn resource(&mut self, uri: &str) -> Visibility;
    /// A resource template, by URI template.
    fn template(&mut self, uri_template: &str) -> Visibility;
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

/// A filtered answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtered {
    /// What goes on.
    pub body: Body,
    /// How many items stayed.
    pub kept: usize,
    /// How many items went.
    pub removed: usize,
}

/// Why an answer cannot be filtered; it must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// It is not strict JSON, or too large.
    Json(JsonErrorKind),
    /// It is not a JSON-RPC message, or several in one.
    NotAMessage,
    /// A member name resembles one that a list depends on.
    LookAlikeKey,
    /// A list is not an array.
    NotAList,
    /// An item has no name or URI that is a string.
    NamelessItem,
    /// Two tools, or two prompts, have one name.
    DuplicateItem,
}

impl FilterError {
    /// The metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            FilterError::Json(_) => "answer_not_json",
            FilterError::NotAMessage => "answer_not_a_message",
            FilterError::LookAlikeKey => "answer_look_alike_key",
            FilterError::NotAList => "answer_not_a_list",
            FilterError::NamelessItem => "answer_nameless_item",
            FilterError::DuplicateItem => "answer_duplicate_item",
        }
    }
}

#[derive(Clone, Copy)]
enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl List {
    const ALL: [List; 4] = [List::Tools, List::Prompts, List::Resources, List::Templates];
    /// The lists' names and what else is rewritten in a result.
    const MEMBERS: &'static [&'static str] =
        &["tools", "prompts", "resources", "resourceTemplates", "nextCursor", "cacheScope", "ttlMs"];

    fn member(self) -> &'static str {
        match self {
            List::Tools => "tools",
            List::Prompts => "prompts",
            List::Resources => "resources",
            List::Templates => "resourceTemplates",
        }
    }

    fn key(self) -> &'static [&'static str] {
        match self {
            List::Tools | List::Prompts => &["name"],
            List::Resources => &["uri"],
            List::Templates => &["uriTemplate"],
        }
    }

    /// An item that no call could name is of no use to anybody.
    fn judge(self, visible: &mut dyn Visible, name: &str) -> Visibility {
        let sound = match self {
            List::Tools | List::Prompts => check_name(name),
            List::Resources | List::Templates => check_uri(name),
        };
        match (sound, self) {
            (Err(_), _) => Visibility::Hidden,
            (Ok(()), List::Tools) => visible.tool(name),
            (Ok(()), List::Prompts) => visible.prompt(name),
            (Ok(()), List::Resources) => visible.resource(name),
            (Ok(()), List::Templates) => visible.template(name),
        }
    }
}

/// A range of the text and what stands there instead.
type Edit = (Range<usize>, Cow<'static, str>);

struct Pass<'v> {
    visible: &'v mut dyn Visible,
    options: Options,
    edits: Vec<Edit>,
    kept: usize,
    removed: usize,
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
    match root.kind() {
        Kind::Object => pass.message(root)?,
        Kind::Array => root.items().try_for_each(|message| pass.message(message))?,
        Kind::Null | Kind::True | Kind::False | Kind::Number | Kind::String | Kind::EscapedString => {
            return Err(FilterError::NotAMessage);
        }
    }
    let body =
        if pass.edits.is_empty() { Body::Unchanged } else { Body::Changed(apply(doc.text(), pass.edits)) };
    Ok(Filtered { body, kept: pass.kept, removed: pass.removed })
}

fn refuse_look_alikes(object: Value<'_>, vocabulary: &[&str]) -> Result<(), FilterError> {
    for (name, _) in object.members() {
        match likeness(&name.as_str().unwrap_or_default(), vocabulary) {
            Likeness::Same | Likeness::Other => {}
            Likeness::Alike => return Err(FilterError::LookAlikeKey),
        }
    }
    Ok(())
}

impl Pass<'_> {
    fn message(&mut self, message: Value<'_>) -> Result<(), FilterError> {
        if message.kind() != Kind::Object {
            return Err(FilterError::NotAMessage);
        }
        refuse_look_alikes(message, ENVELOPE)?;
        match (message.get("method"), message.get("result"), message.get("error")) {
            (Some(_), None, None) | (None, None, Some(_)) => Ok(()),
            (None, Some(result), None) => self.result(result),
            (None, None, None) | (Some(_), _, _) | (None, Some(_), Some(_)) => Err(FilterError::NotAMessage),
        }
    }

    fn result(&mut self, result: Value<'_>) -> Result<(), FilterError> {
        refuse_look_alikes(result, List::MEMBERS)?;
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
        Ok(())
    }

    fn ttl(&mut self, ttl: Value<'_>, longest: u64) {
        let short_enough =
            ttl.as_i64().and_then(|ttl| u64::try_from(ttl).ok()).is_some_and(|ttl| ttl <= longest);
        if short_enough {
            return;
        }
        let instead =
            if ttl.raw().starts_with('-') { Cow::Borrowed("0") } else { Cow::Owned(format!("{longest}")) };
        self.edits.push((ttl.span(), instead));
    }

    fn list(&mut self, list: List, items: Value<'_>) -> Result<(), FilterError> {
        if items.kind() != Kind::Array {
            return Err(FilterError::NotAList);
        }
        let mut verdicts = Vec::new();
        let mut names = Vec::new();
        for item in items.items() {
            let name = self.name(list, item)?;
            verdicts.push((item.span(), list.judge(self.visible, &name)));
            names.push(name);
        }
        match list {
            List::Tools | List::Prompts => refuse_duplicates(names)?,
            List::Resources | List::Templates => {}
        }
        self.cut(items.span(), &verdicts);
        Ok(())
    }

    fn name<'d>(&self, list: List, item: Value<'d>) -> Result<Cow<'d, str>, FilterError> {
        refuse_look_alikes(item, list.key())?;
        let key = list.key().first().copied().unwrap_or_default();
        item.get(key).and_then(|name| name.as_str()).ok_or(FilterError::NamelessItem)
    }

    /// An item goes with the comma before it, or, where no item stays before it, with the one behind it.
    fn cut(&mut self, array: Range<usize>, verdicts: &[(Range<usize>, Visibility)]) {
        let kept = verdicts.iter().filter(|(_, verdict)| *verdict == Visibility::Shown).count();
        self.kept = self.kept.saturating_add(kept);
        self.removed = self.removed.saturating_add(verdicts.len().saturating_sub(kept));
        if kept == 0 && !verdicts.is_empty() {
            self.edits.push((array, Cow::Borrowed("[]")));
            return;
        }
        let mut before = None;
        for (position, (span, verdict)) in verdicts.iter().enumerate() {
            let next = verdicts.get(position.saturating_add(1)).map_or(span.end, |(next, _)| next.start);
            let previous =
                position.checked_sub(1).and_then(|at| verdicts.get(at)).map_or(span.start, |(it, _)| it.end);
            match (verdict, before) {
                (Visibility::Shown, _) => before = Some(()),
                (Visibility::Hidden, Some(())) => self.edits.push((previous..span.end, Cow::Borrowed(""))),
                (Visibility::Hidden, None) => self.edits.push((span.start..next, Cow::Borrowed(""))),
            }
        }
    }
}

fn refuse_duplicates(mut names: Vec<Cow<'_, str>>) -> Result<(), FilterError> {
    names.sort_unstable();
    let twice = names.windows(2).any(|pair| matches!(pair, [one, two] if one == two));
    if twice { Err(FilterError::DuplicateItem) } else { Ok(()) }
}

fn apply(text: &str, mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_unstable_by_key(|(range, _)| range.start);
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
