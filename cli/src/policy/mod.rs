// SPDX-License-Identifier: Apache-2.0
//! Policies asked from the command line: the engine's verdicts on written questions.
//!
//! What enters: a policy file, the claims of a caller, a question. What leaves: the verdict with its rule or reason.
//! Deliberately absent: tokens; the claims are taken as they are written.

mod answer;
mod caller;
pub(crate) mod cases;
mod routes;

use toolgate_engine::{
    json::{Doc, Limits},
    policy::Policy,
};

use crate::{
    diagnostic::{Diagnostic, Failure},
    engine,
    yaml::Document,
};

pub(crate) use self::{
    answer::{Decision, Question, Target, decide},
    caller::Caller,
};

/// Compiles a policy file.
pub(crate) fn compile(document: &Document) -> Result<Policy, Failure> {
    let doc = parse(document.json())
        .map_err(|message| Failure::from(Diagnostic::error(message).at(document.place(&[]))))?;
    Policy::compile(doc.root()).map_err(|error| engine::diagnostic(document, error).into())
}

/// Reads JSON as the engine does.
fn parse(json: &str) -> Result<Doc<'_>, String> {
    Doc::parse(json.as_bytes(), Limits::CONFIG).map_err(|error| format!("this is not JSON: {error}"))
}
