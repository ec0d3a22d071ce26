// SPDX-License-Identifier: Apache-2.0
//! The JSON-RPC envelope: one request, notification or response, read strictly.

use super::lookalike::{ENVELOPE, Likeness, likeness};
use super::refusal::Refusal;
use crate::json::{Kind, Value};
use alloc::borrow::Cow;

/// Longest id, quotes and escapes included.
const MAX_ID: usize = 256;
/// Longest integer id, sign aside.
const MAX_DIGITS: usize = 20;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// It has an id and a method, and wants an answer.
    Request,
    /// It has a method and no id; it is never answered.
    Notification,
    /// It has a result or an error: a legacy client answers its server.
    Response,
}

/// The id of a message, as the text that stood in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id<'d> {
    raw: Cow<'d, str>,
}

impl<'d> Id<'d> {
    fn read(value: Value<'d>) -> Result<Id<'d>, Refusal> {
        let raw = value.raw();
        let fits = match value.kind() {
            Kind::Null => return Err(Refusal::IdNull),
            Kind::String | Kind::EscapedString => raw.len() <= MAX_ID,
            Kind::Number => is_plain_integer(raw),
            Kind::True | Kind::False | Kind::Array | Kind::Object => false,
        };
        if fits { Ok(Id { raw: Cow::Borrowed(raw) }) } else { Err(Refusal::BadId) }
    }

    /// The JSON text, for an exact echo.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// A copy that outlives the message.
    #[must_use]
    pub fn into_owned(self) -> Id<'static> {
        Id { raw: Cow::Owned(self.raw.into_owned()) }
    }
}

/// Fractions and exponents are refused, and so is `-0`: two readers may hold them for different ids.
pub(super) fn is_plain_integer(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    raw != "-0" && digits.len() <= MAX_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A message whose envelope is sound.
#[derive(Clone, Debug)]
pub(super) struct Envelope<'d> {
    pub(super) id: Option<Id<'d>>,
    pub(super) shape: Shape,
    /// Empty for a response.
    pub(super) method: Cow<'d, str>,
    pub(super) params: Option<Value<'d>>,
    /// Of a response that is no error.
    pub(super) result: Option<Value<'d>>,
}

/// Reads the envelope; a refusal comes with the id where that was sound.
pub(super) fn read(root: Value<'_>) -> Result<Envelope<'_>, (Refusal, Option<Id<'_>>)> {
    match root.kind() {
        Kind::Object => {}
        Kind::Array => return Err((Refusal::Batch, None)),
        Kind::Null | Kind::True | Kind::False | Kind::Number | Kind::String | Kind::EscapedString => {
            return Err((Refusal::NotAnObject, None));
        }
    }
    let mut members = Members::default();
    let known = members.collect(root);
    let id = members.id.map(Id::read).transpose();
    let sound = match known {
        Ok(()) => read_sound(&members, &id),
        Err(refusal) => Err(refusal),
    };
    match (sound, id) {
        (Ok((shape, method, params)), Ok(id)) => {
            Ok(Envelope { id, shape, method, params, result: members.result })
        }
        (Ok(_), Err(refusal)) => Err((refusal, None)),
        (Err(refusal), id) => Err((refusal, id.ok().flatten())),
    }
}

/// The members of an envelope, found in one walk.
#[derive(Default)]
struct Members<'d> {
    jsonrpc: Option<Value<'d>>,
    id: Option<Value<'d>>,
    method: Option<Value<'d>>,
    params: Option<Value<'d>>,
    result: Option<Value<'d>>,
    error: Option<Value<'d>>,
}

impl<'d> Members<'d> {
    /// Goes on behind a member that is not known, so that a refusal can still carry the id.
    fn collect(&mut self, root: Value<'d>) -> Result<(), Refusal> {
        let mut known = Ok(());
        for (name, value) in root.members() {
            let name = name.as_str().unwrap_or_default();
            let slot = match &*name {
                "jsonrpc" => &mut self.jsonrpc,
                "id" => &mut self.id,
                "method" => &mut self.method,
                "params" => &mut self.params,
                "result" => &mut self.result,
                "error" => &mut self.error,
                other => {
                    known = known.and(match likeness(other, ENVELOPE) {
                        Likeness::Alike => Err(Refusal::LookAlikeKey),
                        Likeness::Same | Likeness::Other => Err(Refusal::UnknownMember),
                    });
                    continue;
                }
            };
            *slot = Some(value);
        }
        known
    }
}

/// Shape, method and parameters.
type Sound<'d> = (Shape, Cow<'d, str>, Option<Value<'d>>);

fn read_sound<'d>(members: &Members<'d>, id: &Result<Option<Id<'d>>, Refusal>) -> Result<Sound<'d>, Refusal> {
    if members.jsonrpc.is_none_or(|version| !version.is_written("\"2.0\"")) {
        return Err(Refusal::BadJsonrpc);
    }
    let has_id = match id {
        Ok(id) => id.is_some(),
        Err(refusal) => return Err(*refusal),
    };
    let Members { method, params, result, error, .. } = *members;
    match (method, result, error) {
        (Some(method), None, None) => {
            let method = method.as_str().ok_or(Refusal::BadMethod)?;
            let shape = if has_id { Shape::Request } else { Shape::Notification };
            Ok((shape, method, read_params(params)?))
        }
        (None, Some(_), None) | (None, None, Some(_)) if params.is_none() => {
            if !has_id {
                return Err(Refusal::MissingId);
            }
            check_response(result, error)?;
            Ok((Shape::Response, Cow::Borrowed(""), None))
        }
        (None, None, None) => Err(Refusal::MissingMethod),
        (None, Some(_), None) | (None, None, Some(_)) => Err(Refusal::MixedMessage),
        (Some(_), _, _) | (None, Some(_), Some(_)) => Err(Refusal::MixedMessage),
    }
}

fn read_params(params: Option<Value<'_>>) -> Result<Option<Value<'_>>, Refusal> {
    match params {
        Some(params) if params.kind() != Kind::Object => Err(Refusal::BadParams),
        sound => Ok(sound),
    }
}

fn check_response(result: Option<Value<'_>>, error: Option<Value<'_>>) -> Result<(), Refusal> {
    if result.is_some_and(|result| result.kind() != Kind::Object) {
        return Err(Refusal::BadResponse);
    }
    let Some(error) = error else { return Ok(()) };
    let code = error.get("code").and_then(|code| code.as_i64());
    let message = error.get("message").and_then(|message| message.as_str());
    if code.is_some() && message.is_some() { Ok(()) } else { Err(Refusal::BadResponse) }
}
