// SPDX-License-Identifier: Apache-2.0
//! What became of a request, in one word of a closed set.

use crate::json::Value;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A result, or a status below 400 where no message is looked at.
    Ok,
    /// A tool says that it failed (`isError` of its result).
    ToolError,
    /// A JSON-RPC error.
    RpcError,
    /// A status from 400 to 499.
    ClientError,
    /// A status of 500 or above, or an answer that was withheld.
    ServerError,
    /// The gate refused it.
    Denied,
    /// It was done, and a rule withheld the answer.
    Withheld,
    /// No answer came: the client left, or the stream ended without one.
    NoAnswer,
}

impl Outcome {
    /// The words of all outcomes.
    pub const ALL: [Outcome; 8] = [
        Outcome::Ok,
        Outcome::ToolError,
        Outcome::RpcError,
        Outcome::ClientError,
        Outcome::ServerError,
        Outcome::Denied,
        Outcome::Withheld,
        Outcome::NoAnswer,
    ];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::ToolError => "tool_error",
            Outcome::RpcError => "rpc_error",
            Outcome::ClientError => "http_4xx",
            Outcome::ServerError => "http_5xx",
            Outcome::Denied => "denied",
            Outcome::Withheld => "withheld",
            Outcome::NoAnswer => "no_answer",
        }
    }

    /// The class of errors that it belongs to, unless it is none, or one that was counted as a denial.
    #[must_use]
    pub const fn class(self) -> Option<&'static str> {
        match self {
            Outcome::Ok | Outcome::Denied => None,
            Outcome::ToolError => Some("tool"),
            Outcome::Withheld => Some("authorization"),
            Outcome::RpcError | Outcome::ClientError => Some("request"),
            Outcome::ServerError => Some("upstream"),
            Outcome::NoAnswer => Some("no_answer"),
        }
    }

    /// From the result of a request; what is no tool's has no `isError`.
    #[must_use]
    pub fn of_result(result: Value<'_>) -> Outcome {
        match result.get("isError").and_then(|error| error.as_bool()) {
            Some(true) => Outcome::ToolError,
            Some(false) | None => Outcome::Ok,
        }
    }

    /// From the status of an answer whose body is not looked at; a status that is none counts as a fault of the server.
    #[must_use]
    pub const fn of_status(status: u16) -> Outcome {
        match status {
            100..=399 => Outcome::Ok,
            400..=499 => Outcome::ClientError,
            _ => Outcome::ServerError,
        }
    }
}
