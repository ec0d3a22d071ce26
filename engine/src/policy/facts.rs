// SPDX-License-Identifier: Apache-2.0
//! What conditions may look at: who calls, and under which circumstances.

use super::Kept;
use crate::json::{Kind, Shelf, Value};
use crate::time::UnixTime;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

/// What is proven of a caller. Every part is optional: what a way of authentication does not say is absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'f> {
    /// The caller's claims, an object; none for callers without a token.
    pub claims: Option<&'f Shelf>,
    /// The roles that the token states.
    pub roles: &'f [String],
    /// The scopes that the token states.
    pub scopes: &'f [String],
    /// The groups that the token states.
    pub groups: &'f [String],
    /// The subject.
    pub subject: Option<&'f str>,
    /// The OAuth client.
    pub client: Option<&'f str>,
    /// The issuer's name in the configuration.
    pub issuer: Option<&'f str>,
    /// The API key that was shown.
    pub key: Option<KeyFacts<'f>>,
    /// The client certificate that the proxy has validated.
    pub certificate: Option<CertificateFacts<'f>>,
}

/// Who can tell what is proven of a caller. It is asked only once something looks at that: of most policies nothing
/// does after the roles are known.
pub trait Witness: fmt::Debug {
    /// What is proven.
    fn facts(&self) -> Facts<'_>;
}

impl Witness for Facts<'_> {
    fn facts(&self) -> Facts<'_> {
        *self
    }
}

/// An API key, without the key.
#[derive(Clone, Copy, Debug)]
pub struct KeyFacts<'f> {
    /// Its public id.
    pub id: &'f str,
    /// Whose it is.
    pub owner: Option<&'f str>,
    /// What the configuration says of it besides, as name and value; a name stands once.
    pub labels: &'f [(String, String)],
}

/// A client certificate (RFC 5280), as far as the proxy vouches for it.
#[derive(Clone, Copy, Debug)]
pub struct CertificateFacts<'f> {
    /// The URIs among its subject alternative names.
    pub uris: &'f [String],
    /// The DNS names among its subject alternative names.
    pub dns: &'f [String],
    /// Its subject, as the proxy writes it.
    pub subject: Option<&'f str>,
}

/// The arguments of the call that is judged.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'a> {
    /// The call has none.
    Absent,
    /// The call has these.
    Given(Value<'a>),
    /// The call is yet to come: a list is filtered.
    Open,
    /// The call is over, and this is kept of them until its answer comes.
    Kept(&'a Kept),
}

/// What a server says of its tool (`annotations` of a definition). What it does not say, or not as a boolean, is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// `readOnlyHint`
    pub read_only: Option<bool>,
    /// `destructiveHint`
    pub destructive: Option<bool>,
    /// `idempotentHint`
    pub idempotent: Option<bool>,
    /// `openWorldHint`
    pub open_world: Option<bool>,
}

impl Hints {
    /// Reads an `annotations` object.
    #[must_use]
    pub fn of(annotations: Option<Value<'_>>) -> Hints {
        let hint = |name: &str| annotations?.get(name)?.as_bool();
        Hints {
            read_only: hint("readOnlyHint"),
            destructive: hint("destructiveHint"),
            idempotent: hint("idempotentHint"),
            open_world: hint("openWorldHint"),
        }
    }
}

/// What is known of an answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerFacts<'a> {
    /// What became of the request, in the word of the metrics.
    pub outcome: &'static str,
    /// How long the result or error is, in bytes of JSON.
    pub bytes: usize,
    /// The result; none of a JSON-RPC error.
    pub result: Option<Value<'a>>,
}

impl<'a> AnswerFacts<'a> {
    /// Of the `result` of a message. `isError` is absent where a tool has not failed.
    #[must_use]
    pub fn of_result(result: Value<'a>) -> AnswerFacts<'a> {
        let failed = result.get("isError").is_some_and(|error| error.as_bool() != Some(false));
        let outcome = if failed { "tool_error" } else { "ok" };
        AnswerFacts { outcome, bytes: result.raw().len(), result: Some(result) }
    }

    /// Of the `error` of a message.
    #[must_use]
    pub fn of_error(error: Value<'a>) -> AnswerFacts<'a> {
        AnswerFacts { outcome: "rpc_error", bytes: error.raw().len(), result: None }
    }

    /// The types of its content blocks, each once and sorted: of a tool's `content`, of the `content` of each of a
    /// prompt's `messages`, and `resource` for a resource's `contents`. An error has none. Nothing, where a block has no
    /// type that can be read.
    #[must_use]
    pub fn types(&self) -> Option<Vec<String>> {
        let mut found = BTreeSet::new();
        let Some(result) = self.result else { return Some(Vec::new()) };
        if let Some(content) = result.get("content") {
            blocks(content, &mut found)?;
        }
        if let Some(messages) = list(result.get("messages"))? {
            for message in messages.items() {
                blocks(message.get("content")?, &mut found)?;
            }
        }
        if list(result.get("contents"))?.is_some_and(|contents| contents.items().next().is_some()) {
            found.insert(String::from("resource"));
        }
        Some(found.into_iter().collect())
    }
}

/// An array, or nothing at all; something else cannot be read.
fn list(value: Option<Value<'_>>) -> Option<Option<Value<'_>>> {
    match value {
        Some(value) if value.kind() != Kind::Array => None,
        other => Some(other),
    }
}

fn blocks(content: Value<'_>, found: &mut BTreeSet<String>) -> Option<()> {
    let mut add =
        |block: Value<'_>| found.insert(block.get("type")?.as_str()?.into_owned()).then_some(()).or(Some(()));
    match content.kind() {
        Kind::Array => content.items().try_for_each(add),
        _ => add(content),
    }
}

/// What the question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// To do it.
    Call,
    /// To see it in a list.
    List,
    /// To be given what was answered.
    Answer,
}

/// The circumstances of a question.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// The time.
    pub now: UnixTime,
    /// The caller's address, from where the configuration trusts it; absent if it is not known.
    pub source: Option<IpAddr>,
    /// What the question is for.
    pub surface: Surface,
    /// The class that the server's catalogue gives the tool.
    pub class: Option<&'c str>,
    /// What the server says of the tool; nothing where it is not trusted, or has not said it yet.
    pub hints: Hints,
    /// The arguments.
    pub arguments: Arguments<'c>,
    /// The answer that is judged.
    pub answer: Option<AnswerFacts<'c>>,
}

impl<'c> Context<'c> {
    /// A call at `now`, of which nothing else is known.
    #[must_use]
    pub fn at(now: UnixTime) -> Context<'c> {
        Context {
            now,
            source: None,
            surface: Surface::Call,
            class: None,
            hints: Hints::default(),
            arguments: Arguments::Absent,
            answer: None,
        }
    }

    /// With these arguments.
    #[must_use]
    pub fn with(self, arguments: Arguments<'c>) -> Context<'c> {
        Context { arguments, ..self }
    }

    /// From this address.
    #[must_use]
    pub fn from(self, source: Option<IpAddr>) -> Context<'c> {
        Context { source, ..self }
    }

    /// For a tool of this class.
    #[must_use]
    pub fn of_class(self, class: Option<&'c str>) -> Context<'c> {
        Context { class, ..self }
    }

    /// For a tool of which its trusted server says this.
    #[must_use]
    pub fn hinted(self, hints: Hints) -> Context<'c> {
        Context { hints, ..self }
    }

    /// To be given this answer; of the arguments only that is left then which [`Policy::recall`](super::Policy::recall)
    /// gives.
    #[must_use]
    pub fn answered(self, answer: AnswerFacts<'c>) -> Context<'c> {
        Context { surface: Surface::Answer, arguments: Arguments::Absent, answer: Some(answer), ..self }
    }

    /// To see it in a list; the arguments of the call to come are open.
    #[must_use]
    pub fn listed(self) -> Context<'c> {
        Context { surface: Surface::List, arguments: Arguments::Open, ..self }
    }
}
