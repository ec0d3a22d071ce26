// SPDX-License-Identifier: Apache-2.0
//! Strict JSON (RFC 8259), read once, borrowed.
//!
//! What enters: bytes from an outsider (a request body, a token segment, a JWKS, a configuration).
//! What leaves: a [`Doc`]: a flat list of nodes over the text, in document order, or the reason it was refused.
//! Refused beyond RFC 8259: duplicate member names at any depth (after unescaping), a byte order mark,
//! lone surrogates, anything behind the value, and more depth or nodes than [`Limits`] allows.
//! Every node knows its byte range, so that an answer can be edited by cutting ranges out of the original text
//! instead of printing it anew.
//!
//! Deliberately absent: numbers as floats (the text of a number is kept; see decision 0002) and recursion.

mod alike;
mod canonical;
mod de;
mod named;
mod scan;
mod shelf;
mod write;

pub(crate) use alike::{Unclear, alike, first_of, is_invisible};
pub use canonical::canonical;
pub use de::{DeError, Segment, from_value};
pub use named::Named;
pub use scan::{JsonError, JsonErrorKind};
pub use shelf::Shelf;
pub use write::{escape_into, quoted};

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::ops::Range;

/// Bounds on what one document may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many arrays and objects may be open at once.
    pub depth: usize,
    /// How many values and member names a document may hold; each costs 16 bytes.
    pub nodes: usize,
}

impl Limits {
    /// For a message of an MCP caller: 64 levels, 131,072 nodes (2 MiB of node list).
    pub const MESSAGE: Limits = Limits { depth: 64, nodes: 131_072 };
    /// For a segment of a token: shallow and small.
    pub const TOKEN: Limits = Limits { depth: 16, nodes: 4_096 };
    /// For a configuration or a key set, which operators write.
    pub const CONFIG: Limits = Limits { depth: 64, nodes: 2_000_000 };
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number; its text is kept.
    Number,
    /// A string without escapes: its content is its text between the quotes.
    String,
    /// A string with escapes.
    EscapedString,
    /// An array.
    Array,
    /// An object; its children are name, value, name, value…
    Object,
}

/// One value or member name: its kind, its byte range (quotes and brackets included), and the node behind its subtree.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    kind: Kind,
    start: u32,
    end: u32,
    next: u32,
}

/// A parsed document.
#[derive(Clone, Debug)]
pub struct Doc<'a> {
    text: Cow<'a, str>,
    nodes: Vec<Node>,
}

/// How many bytes of a document there are to a node, at least in most.
const BYTES_PER_NODE: usize = 4;
/// Room for so many nodes is made before a document is read.
const USUAL_NODES: usize = 64;

impl<'a> Doc<'a> {
    /// Parses `bytes` strictly.
    ///
    /// # Errors
    /// The first thing that is wrong, with its byte offset.
    pub fn parse(bytes: &'a [u8], limits: Limits) -> Result<Self, JsonError> {
        // Of a usual message or token all nodes: they need not grow.
        let nodes = Vec::with_capacity((bytes.len() / BYTES_PER_NODE).min(USUAL_NODES));
        Self::parse_with(bytes, limits, nodes)
    }

    /// As [`Doc::parse`], reusing the allocation of an earlier document's node list.
    ///
    /// # Errors
    /// As [`Doc::parse`].
    pub fn parse_with(bytes: &'a [u8], limits: Limits, mut nodes: Vec<Node>) -> Result<Self, JsonError> {
        let text = scan::scan(bytes, limits, &mut nodes)?;
        Ok(Doc { text: Cow::Borrowed(text), nodes })
    }

    /// As [`Doc::parse`], of bytes that the document keeps.
    ///
    /// # Errors
    /// As [`Doc::parse`].
    pub fn parse_owned(bytes: Vec<u8>, limits: Limits) -> Result<Doc<'static>, JsonError> {
        let nodes = Doc::parse(&bytes, limits)?.into_nodes();
        // The scanner has seen that it is text.
        let text = String::from_utf8(bytes).map_err(|_| JsonError { kind: JsonErrorKind::NotUtf8, at: 0 })?;
        Ok(Doc { text: Cow::Owned(text), nodes })
    }

    /// Gives the node list back for [`Doc::parse_with`].
    #[must_use]
    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// Copies the text so that the document can be kept.
    #[must_use]
    pub fn into_owned(self) -> Doc<'static> {
        Doc { text: Cow::Owned(self.text.into_owned()), nodes: self.nodes }
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value { text: &self.text, nodes: &self.nodes, index: 0 }
    }
}

/// One value of a document.
#[derive(Clone, Copy)]
pub struct Value<'d> {
    text: &'d str,
    nodes: &'d [Node],
    index: usize,
}

impl core::fmt::Debug for Value<'_> {
    /// Prints the kind only: documents hold tokens and arguments.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Value({:?})", self.kind())
    }
}

/// Past the last node: what a lookup on an impossible index gives, so that no lookup can panic.
const NOWHERE: Node = Node { kind: Kind::Null, start: 0, end: 0, next: u32::MAX };

impl<'d> Value<'d> {
    fn node(&self) -> Node {
        self.nodes.get(self.index).copied().unwrap_or(NOWHERE)
    }

    fn at(&self, index: usize) -> Value<'d> {
        Value { text: self.text, nodes: self.nodes, index }
    }

    /// What this value is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.node().kind
    }

    /// The kind's name as JSON knows it: `null`, `boolean`, `number`, `string`, `array`, `object`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.kind() {
            Kind::Null => "null",
            Kind::True | Kind::False => "boolean",
            Kind::Number => "number",
            Kind::String | Kind::EscapedString => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        }
    }

    /// The byte range in the document's text, quotes and brackets included.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        let node = self.node();
        node.start as usize..node.end as usize
    }

    /// The text of the value as it was written.
    #[must_use]
    pub fn raw(&self) -> &'d str {
        self.text.get(self.span()).unwrap_or_default()
    }

    /// Whether just this text was written.
    #[must_use]
    pub fn is_written(&self, text: &str) -> bool {
        self.bytes() == text.as_bytes()
    }

    fn bytes(&self) -> &'d [u8] {
        self.text.as_bytes().get(self.span()).unwrap_or_default()
    }

    /// The content of a string, unescaped; `None` for anything else.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'d, str>> {
        match self.kind() {
            Kind::String => {
                let span = self.span();
                let inner = span.start.saturating_add(1)..span.end.saturating_sub(1);
                self.text.get(inner).map(Cow::Borrowed)
            }
            Kind::EscapedString => Some(Cow::Owned(scan::unescape(self.raw()))),
            Kind::Null | Kind::True | Kind::False | Kind::Number | Kind::Array | Kind::Object => None,
        }
    }

    /// Whether this is a string whose content is `other`, without allocating where there are no escapes.
    #[must_use]
    pub fn is_str(&self, other: &str) -> bool {
        let node = self.node();
        match node.kind {
            Kind::String => {
                let (start, end) = (node.start as usize + 1, (node.end as usize).saturating_sub(1));
                // Most names differ in length: then no byte is looked at.
                end.wrapping_sub(start) == other.len()
                    && self.text.as_bytes().get(start..end) == Some(other.as_bytes())
            }
            Kind::EscapedString => self.as_str().is_some_and(|own| own == other),
            Kind::Null | Kind::True | Kind::False | Kind::Number | Kind::Array | Kind::Object => false,
        }
    }

    /// The value of a boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            Kind::Null | Kind::Number | Kind::String | Kind::EscapedString | Kind::Array | Kind::Object => {
                None
            }
        }
    }

    /// A number written as an integer (no fraction, no exponent) that fits 64 bits with a sign.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.kind() {
            Kind::Number => self.raw().parse().ok(),
            _ => None,
        }
    }

    /// Any number, rounded to a double; `None` where it would be infinite.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.kind() {
            Kind::Number => self.raw().parse::<f64>().ok().filter(|number| number.is_finite()),
            _ => None,
        }
    }

    /// The elements of an array; nothing for any other kind.
    pub fn items(&self) -> Items<'d> {
        let inside = matches!(self.kind(), Kind::Array);
        Items { value: *self, at: self.first_child(inside), end: self.subtree_end(inside) }
    }

    /// The members of an object in document order; nothing for any other kind.
    pub fn members(&self) -> Members<'d> {
        let inside = matches!(self.kind(), Kind::Object);
        Members { value: *self, at: self.first_child(inside), end: self.subtree_end(inside) }
    }

    fn first_child(&self, inside: bool) -> usize {
        if inside { self.index.saturating_add(1) } else { usize::MAX }
    }

    fn subtree_end(&self, inside: bool) -> usize {
        if inside { self.node().next as usize } else { 0 }
    }

    /// The member of that name.
    #[must_use]
    #[inline(never)]
    pub fn get(&self, name: &str) -> Option<Value<'d>> {
        let inside = matches!(self.kind(), Kind::Object);
        let (mut at, end) = (self.first_child(inside), self.subtree_end(inside));
        while at < end {
            let (key, value) = (self.nodes.get(at)?, at.saturating_add(1));
            let own = (key.start as usize).saturating_add(1)..(key.end as usize).saturating_sub(1);
            let found = match key.kind {
                Kind::EscapedString => self.at(at).is_str(name),
                // Most names differ in length: then no byte is looked at.
                _ => own.len() == name.len() && self.text.as_bytes().get(own) == Some(name.as_bytes()),
            };
            if found {
                return Some(self.at(value));
            }
            at = self.nodes.get(value)?.next as usize;
        }
        None
    }

    /// The value at a JSON pointer (RFC 6901); array indices have no leading zeros.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<Value<'d>> {
        let Ok(found) = self.walk(pointer, |object, name| Ok::<_, Infallible>(object.get(name)));
        found
    }
}

fn array_index(token: &str) -> Option<usize> {
    let canonical =
        token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    if canonical { token.parse().ok() } else { None }
}

fn unescape_pointer(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub struct Items<'d> {
    value: Value<'d>,
    at: usize,
    end: usize,
}

impl<'d> Iterator for Items<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        if self.at >= self.end {
            return None;
        }
        let item = self.value.at(self.at);
        self.at = item.node().next as usize;
        Some(item)
    }
}

/// The members of an object: name (always a string) and value.
#[derive(Clone, Debug)]
pub struct Members<'d> {
    value: Value<'d>,
    at: usize,
    end: usize,
}

impl<'d> Iterator for Members<'d> {
    type Item = (Value<'d>, Value<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let name = self.value.at(self.at);
        let value = self.value.at(self.at.saturating_add(1));
        self.at = value.node().next as usize;
        Some((name, value))
    }
}

#[cfg(test)]
mod tests;
