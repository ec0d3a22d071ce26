// SPDX-License-Identifier: Apache-2.0
//! Member names that another JSON reader takes for the same.
//!
//! Some match names without regard to case (and fold `ſ` to `s`, `K` to `k`), ignore trailing NULs, or trim spaces.
//! Of two such names in one object this reader and that one find different values.

use super::{Kind, Value, array_index, unescape_pointer};

/// Bytes of a name beyond those of the one that is looked for; a longer one is not compared: all of it may be characters
/// that a reader drops, and each look would walk over them.
const MAX_DROPPED: usize = 1_024;

/// In JavaScript, copying an object member by member makes this one's value the prototype of the copy, and every name in it
/// one that the copy has.
const PROTOTYPE: &str = "__proto__";

/// Another reader may find another value, or one where this reader finds none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unclear;

/// Characters that take no room or turn the reading direction: default-ignorable, bidirectional and format characters,
/// fillers and tags.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The first character of a name to a lenient reader: two that differ in it are not alike.
pub(crate) fn first_of(name: &str) -> Option<char> {
    name.chars().find_map(fold)
}

/// Whether a lenient reader takes these two for one name.
#[inline(never)]
pub(crate) fn alike(left: &str, right: &str) -> bool {
    left.chars().filter_map(fold).eq(right.chars().filter_map(fold))
}

fn fold(character: char) -> Option<char> {
    if character.is_ascii() {
        let hidden = character == ' ' || character.is_ascii_control();
        return (!hidden).then(|| character.to_ascii_lowercase());
    }
    match character {
        hidden if hidden.is_control() || hidden.is_whitespace() || is_invisible(hidden) => None,
        '\u{17f}' => Some('s'),
        '\u{212a}' => Some('k'),
        '\u{130}' | '\u{131}' => Some('i'),
        '\u{307}' => None,
        other => Some(fold_case(other)),
    }
}

/// By way of the capital: `ς` and `σ` have one.
fn fold_case(character: char) -> char {
    let small = single(character.to_lowercase(), character);
    let capital = single(small.to_uppercase(), small);
    single(capital.to_lowercase(), capital)
}

/// Readers fold one character to one: `ß` stays what it is.
fn single(mut folded: impl Iterator<Item = char>, otherwise: char) -> char {
    match (folded.next(), folded.next()) {
        (Some(only), None) => only,
        (None | Some(_), _) => otherwise,
    }
}

impl<'d> Value<'d> {
    /// As [`Value::get`], where no other member may be taken for this one. A string may be an object to a server that
    /// reads JSON in strings too, as some do for clients that send it so.
    pub(crate) fn get_clear(&self, name: &str) -> Result<Option<Value<'d>>, Unclear> {
        if matches!(self.kind(), Kind::String | Kind::EscapedString) {
            return Err(Unclear);
        }
        let mut found = None;
        for (own, value) in self.members() {
            let own = own.as_str().unwrap_or_default();
            if own == name {
                found = Some(value);
            } else if own == PROTOTYPE
                || own.len() > name.len().saturating_add(MAX_DROPPED)
                || alike(&own, name)
            {
                return Err(Unclear);
            }
        }
        Ok(found)
    }

    /// As [`Value::pointer`], where every reader finds the same on the way.
    pub(crate) fn pointer_clear(&self, pointer: &str) -> Result<Option<Value<'d>>, Unclear> {
        self.walk(pointer, |object, name| object.get_clear(name))
    }

    /// Follows a pointer; `member` says what an object, or a string, has under a name.
    pub(super) fn walk<E>(
        &self,
        pointer: &str,
        member: impl Fn(Value<'d>, &str) -> Result<Option<Value<'d>>, E>,
    ) -> Result<Option<Value<'d>>, E> {
        if pointer.is_empty() {
            return Ok(Some(*self));
        }
        let Some(tokens) = pointer.strip_prefix('/') else { return Ok(None) };
        let mut value = *self;
        for token in tokens.split('/') {
            let found = match value.kind() {
                Kind::Object if token.contains('~') => member(value, &unescape_pointer(token))?,
                Kind::Object | Kind::String | Kind::EscapedString => member(value, token)?,
                Kind::Array => array_index(token).and_then(|at| value.items().nth(at)),
                Kind::Null | Kind::True | Kind::False | Kind::Number => None,
            };
            let Some(found) = found else { return Ok(None) };
            value = found;
        }
        Ok(Some(value))
    }
}
