// SPDX-License-Identifier: Apache-2.0
//! Carrying out what the engine says.

use crate::host::{self, Map};
use crate::log;
use toolgate_engine::deny::Answer;
use toolgate_engine::flow::Edit;

/// Whether what the engine said was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Done {
    Yes,
    /// The host refused an edit: the stream must not go on as if it had been made.
    No,
}

/// Makes header edits.
pub(crate) fn edits(map: Map, edits: &[Edit]) -> Done {
    for edit in edits {
        let result = match edit {
            Edit::Remove(name) => host::remove_field(map, name),
            Edit::Set(name, value) => host::set_field(map, name.as_bytes(), value),
        };
        if let Err(status) = result {
            log::error("host", "edit_failed", &format!("a header edit failed: {status}"));
            return Done::No;
        }
    }
    Done::Yes
}

/// Answers in the upstream's place.
pub(crate) fn answer(answer: &Answer) {
    facts(&answer.facts);
    let headers: Vec<(&str, &str)> =
        answer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let details = format!("toolgate_{}", answer.details);
    if let Err(status) = host::respond(u32::from(answer.status), &details, &headers, answer.body.as_bytes()) {
        log::error("host", "answer_failed", &format!("an answer could not be sent: {status}"));
    }
}

/// Writes what access logs and traces may show.
pub(crate) fn facts(facts: &[(&'static str, String)]) {
    for (name, value) in facts {
        let _ = host::set_property(name, value.as_bytes());
    }
}
