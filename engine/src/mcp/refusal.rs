// SPDX-License-Identifier: Apache-2.0
//! Why a message is refused before any policy sees it: one closed list, with everything an answer needs.

use super::answer::{Data, error_body};
use super::envelope::{Id, Shape};
use super::version::{Era, VersionSet};
use crate::json::JsonErrorKind;
use alloc::string::String;

macro_rules! refusals {
    ($($variant:ident, $label:literal, $message:literal;)*) => {
        /// Why a message is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal { $(#[doc = $message] $variant,)* }

        impl Refusal {
            /// Every reason, for tables of metrics.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$variant,)*];

            /// The metric label.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Refusal::$variant => $label,)* }
            }

            /// What to tell the caller; holds nothing the caller sent.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self { $(Refusal::$variant => $message,)* }
            }
        }
    };
}

refusals! {
    BadJson, "bad_json", "the body is not JSON";
    BadUtf8, "bad_utf8", "the body is not UTF-8";
    DuplicateKey, "duplicate_key", "a member name stands twice in one object";
    JsonTooDeep, "json_too_deep", "too many levels of arrays and objects";
    JsonTooLarge, "json_too_large", "too many values in one message";
    Batch, "batch", "batches are not accepted: send one message per request";
    NotAnObject, "not_an_object", "a message is a JSON object";
    LookAlikeKey, "look_alike_key", "a member name resembles a protocol key without being it";
    UnknownMember, "unknown_member", "a message has a member that JSON-RPC does not know";
    BadJsonrpc, "bad_jsonrpc", "`jsonrpc` must be \"2.0\"";
    IdNull, "id_null", "`id` must not be null";
    BadId, "bad_id", "`id` must be a short string or an integer";
    MissingId, "missing_id", "a response needs an `id`";
    MissingMethod, "missing_method", "a message needs a `method`, a `result` or an `error`";
    BadMethod, "bad_method", "`method` must be a string";
    MixedMessage, "mixed_message", "a message is a request, a notification or a response, not several of them";
    BadResponse, "bad_response", "`result` and `error` must be objects, an error with `code` and `message`";
    BadParams, "bad_params", "`params` does not have the form that the method needs";
    WrongShape, "wrong_shape", "a request needs an `id` and a notification has none";
    UnknownMethod, "unknown_method", "no such method";
    MethodNotInVersion, "method_not_in_version", "the protocol version does not have this method";
    MissingName, "missing_name", "`params.name` is missing";
    BadName, "bad_name", "the name is empty, too long, or holds characters that cannot be seen";
    MissingUri, "missing_uri", "`params.uri` is missing";
    BadUri, "bad_uri", "the URI is empty, too long, or holds spaces or characters that cannot be seen";
    BadTaskId, "bad_task_id", "`params.taskId` is missing or not a short plain string";
    BadRef, "bad_ref", "`params.ref` must name one prompt or one resource";
    TooManySubscriptions, "too_many_subscriptions", "too many subscriptions in one request";
    MissingMeta, "missing_meta", "`params._meta` lacks what this protocol version requires in every request";
    UnsupportedVersion, "unsupported_version", "the protocol version is not served here";
    ModernResponse, "modern_response", "this protocol version has no responses from clients";
    HeaderMissingVersion, "header_missing_version", "the header `MCP-Protocol-Version` is missing";
    HeaderMissingMethod, "header_missing_method", "the header `Mcp-Method` is missing";
    HeaderMissingName, "header_missing_name", "the header `Mcp-Name` is missing";
    HeaderMismatchVersion, "header_mismatch_version", "the header `MCP-Protocol-Version` differs from the body";
    HeaderMismatchMethod, "header_mismatch_method", "the header `Mcp-Method` differs from the body";
    HeaderMismatchName, "header_mismatch_name", "the header `Mcp-Name` differs from the body";
    HeaderMissingParam, "header_missing_param", "an `Mcp-Param-` header is missing for an argument that has one";
    HeaderMismatchParam, "header_mismatch_param", "an `Mcp-Param-` header differs from its argument";
    HeaderRepeated, "header_repeated", "a protocol header stands more than once";
    HeaderEncoding, "header_encoding", "a protocol header holds characters or an encoding that cannot be read";
    BadSession, "bad_session", "the session id holds characters that it cannot hold";
}

impl From<JsonErrorKind> for Refusal {
    fn from(kind: JsonErrorKind) -> Refusal {
        match kind {
            JsonErrorKind::NotUtf8 => Refusal::BadUtf8,
            JsonErrorKind::DuplicateKey => Refusal::DuplicateKey,
            JsonErrorKind::TooDeep => Refusal::JsonTooDeep,
            JsonErrorKind::TooLarge => Refusal::JsonTooLarge,
            JsonErrorKind::Incomplete
            | JsonErrorKind::Unexpected
            | JsonErrorKind::Trailing
            | JsonErrorKind::LoneSurrogate
            | JsonErrorKind::ControlCharacter => Refusal::BadJson,
        }
    }
}

impl Refusal {
    /// The JSON-RPC code. The legacy era does not know the codes of mirrored headers and versions.
    #[must_use]
    pub fn code(self, era: Era) -> i32 {
        match self {
            Refusal::BadJson | Refusal::BadUtf8 => -32700,
            Refusal::DuplicateKey
            | Refusal::JsonTooDeep
            | Refusal::JsonTooLarge
            | Refusal::Batch
            | Refusal::NotAnObject
            | Refusal::LookAlikeKey
            | Refusal::UnknownMember
            | Refusal::BadJsonrpc
            | Refusal::IdNull
            | Refusal::BadId
            | Refusal::MissingId
            | Refusal::MissingMethod
            | Refusal::BadMethod
            | Refusal::MixedMessage
            | Refusal::BadResponse
            | Refusal::WrongShape
            | Refusal::ModernResponse
            | Refusal::BadSession => -32600,
            Refusal::UnknownMethod | Refusal::MethodNotInVersion => -32601,
            Refusal::BadParams
            | Refusal::MissingName
            | Refusal::BadName
            | Refusal::MissingUri
            | Refusal::BadUri
            | Refusal::BadTaskId
            | Refusal::BadRef
            | Refusal::TooManySubscriptions
            | Refusal::MissingMeta => -32602,
            Refusal::UnsupportedVersion => modern_code(era, -32022),
            Refusal::HeaderMissingVersion
            | Refusal::HeaderMissingMethod
            | Refusal::HeaderMissingName
            | Refusal::HeaderMismatchVersion
            | Refusal::HeaderMismatchMethod
            | Refusal::HeaderMismatchName
            | Refusal::HeaderMissingParam
            | Refusal::HeaderMismatchParam
            | Refusal::HeaderRepeated
            | Refusal::HeaderEncoding => modern_code(era, -32020),
        }
    }

    /// The HTTP status. An unknown method is 404 in the modern era; a legacy client would take that for the end of its
    /// session, so there it is an answer in band, where an answer is due.
    #[must_use]
    pub fn http_status(self, era: Era, shape: Option<Shape>) -> u16 {
        match self.code(era) {
            -32601 => match (era, shape) {
                (Era::Modern, _) => 404,
                (Era::Legacy, Some(Shape::Request)) => 200,
                (Era::Legacy, Some(Shape::Notification | Shape::Response) | None) => 400,
            },
            _ => 400,
        }
    }
}

fn modern_code(era: Era, code: i32) -> i32 {
    match era {
        Era::Modern => code,
        Era::Legacy => -32600,
    }
}

/// A message that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused<'d> {
    /// Why.
    pub reason: Refusal,
    /// The id to echo, where one could be read.
    pub id: Option<Id<'d>>,
    /// Whose rules the answer follows.
    pub era: Era,
    /// What the message was, where that could be read.
    pub shape: Option<Shape>,
    /// The version asked for, shortened, where the version is why.
    pub requested: Option<String>,
}

impl Refused<'_> {
    /// The HTTP status of the answer.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.reason.http_status(self.era, self.shape)
    }

    /// The JSON-RPC code of the answer.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.reason.code(self.era)
    }

    /// The body of the answer.
    #[must_use]
    pub fn body(&self, versions: VersionSet, decision_id: &str) -> String {
        let data = match &self.requested {
            Some(requested) => Data::Versions { supported: versions, requested },
            None => Data::Reason { reason: self.reason.label(), decision_id },
        };
        error_body(self.id.as_ref(), self.code(), self.reason.message(), data)
    }
}
