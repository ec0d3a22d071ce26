// SPDX-License-Identifier: Apache-2.0
//! Policies asked from the command line: the engine's verdicts on written questions.
//!
//! What enters: a policy file, the claims of a caller, a question. What leaves: the verdict with its rule or reason.
//! Deliberately absent: tokens; the claims are taken as they are written.

mod answer;
mod caller;
pub(crate) mod cases;
mod faults;
pub(crate) mod held;
mod known;
mod reach;
pub(crate) mod replay;
mod routes;
mod written;

use toolgate_engine::json::{Doc, Kind, Limits};

pub(crate) use self::{
    answer::{Decision, Question, Target, Verdict},
    caller::Caller,
    known::{Holds, Known},
    reach::{Answer, Asked, Reach, Term, Thing},
    written::{Written, WrittenRule},
};

/// Reads the arguments of a call: MCP has them as an object, and a condition says nothing of anything else.
pub(crate) fn arguments_of(json: &str) -> Result<Doc<'_>, String> {
    match parse(json)? {
        doc if doc.root().kind() == Kind::Object => Ok(doc),
        _ => Err("arguments are an object, for example `{ path: src/a.rs }`".to_owned()),
    }
}

/// Reads JSON as the engine does.
pub(crate) fn parse(json: &str) -> Result<Doc<'_>, String> {
    Doc::parse(json.as_bytes(), Limits::CONFIG).map_err(|error| format!("this is not JSON: {error}"))
}
