// SPDX-License-Identifier: Apache-2.0
//! Member names that a lenient parser would take for a protocol key.
//!
//! A message with `Name` beside `name` then means one thing here and another upstream, so it is refused.

use super::refusal::Refusal;
use crate::json::{Kind, Value, alike, first_of};

/// Members of a message.
pub(super) const ENVELOPE: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];

/// Members of `params` of any method.
pub(super) const PARAMS: &[&str] = &[
    "_meta",
    "argument",
    "arguments",
    "capabilities",
    "clientInfo",
    "context",
    "cursor",
    "inputResponses",
    "level",
    "message",
    "name",
    "notifications",
    "progress",
    "progressToken",
    "protocolVersion",
    "reason",
    "ref",
    "requestId",
    "requestState",
    "status",
    "task",
    "taskId",
    "taskIds",
    "total",
    "uri",
];

/// Members of `params._meta` that somebody acts on.
pub(super) const META: &[&str] = &[
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/logLevel",
    "io.modelcontextprotocol/related-task",
    "io.modelcontextprotocol/subscriptionId",
    "progressToken",
];

/// Members of `params.ref`.
pub(super) const REF: &[&str] = &["type", "name", "uri", "title"];

/// Members of `params.task`.
pub(super) const TASK: &[&str] = &["ttl", "taskId"];

/// Members of `params.notifications`.
pub(super) const LISTEN: &[&str] =
    &["resourceSubscriptions", "taskIds", "toolsListChanged", "promptsListChanged", "resourcesListChanged"];

/// The longest name that any of these objects may have, in bytes; none needs nearly as many. What is longer is not looked
/// at: of characters that a reader drops there may be as many as a message holds.
const MAX_NAME: usize = 1_024;

/// Most members one of these objects may have; none needs nearly as many.
const MAX_MEMBERS: usize = 256;

/// What a name is to a vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It is a word of it.
    Same,
    /// A lenient parser would take it for a word of it.
    Alike,
    /// Neither.
    Other,
}

pub(super) fn likeness(name: &str, vocabulary: &[&str]) -> Likeness {
    if vocabulary.contains(&name) {
        return Likeness::Same;
    }
    if name.len() > MAX_NAME || looks_like_one(name, vocabulary) { Likeness::Alike } else { Likeness::Other }
}

#[inline(never)]
fn looks_like_one(name: &str, vocabulary: &[&str]) -> bool {
    // Of most words the first character differs, and that of the name may stand behind many that are dropped.
    let first = first_of(name);
    vocabulary.iter().any(|word| first_of(word) == first && alike(name, word))
}

/// Refuses an object with a look-alike of a word of the vocabulary among its member names.
pub(super) fn refuse_look_alikes(object: Value<'_>, vocabulary: &[&str]) -> Result<(), Refusal> {
    for (position, (name, _)) in object.members().enumerate() {
        let name = name.as_str().unwrap_or_default();
        match likeness(&name, vocabulary) {
            Likeness::Alike => return Err(Refusal::LookAlikeKey),
            Likeness::Same | Likeness::Other if position >= MAX_MEMBERS => return Err(Refusal::BadParams),
            Likeness::Same | Likeness::Other => {}
        }
    }
    Ok(())
}

/// The member of that name, which must be an object without look-alikes if it is there at all.
pub(super) fn member_object<'d>(
    object: Value<'d>,
    name: &str,
    vocabulary: &[&str],
) -> Result<Option<Value<'d>>, Refusal> {
    let Some(member) = object.get(name) else { return Ok(None) };
    if member.kind() != Kind::Object {
        return Err(Refusal::BadParams);
    }
    refuse_look_alikes(member, vocabulary)?;
    Ok(Some(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_makes_no_other_name_and_no_long_look() {
        let spaces = |count| " ".repeat(count);
        for (name, expected) in [
            ("name".into(), Likeness::Same),
            (alloc::format!("{}na\u{200b}me", spaces(900)), Likeness::Alike),
            ("\u{feff}ur\u{131}".into(), Likeness::Alike),
            ("names".into(), Likeness::Other),
            ("".into(), Likeness::Other),
            (spaces(1_024), Likeness::Other),
            (spaces(1_025), Likeness::Alike),
            ("x".repeat(1_025), Likeness::Alike),
        ] {
            assert_eq!(likeness(&name, &["name", "uri"]), expected, "{name:.40}");
        }
    }
}
