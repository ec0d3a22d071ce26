// SPDX-License-Identifier: Apache-2.0
//! Carrying out what the engine says.

use crate::host::{self, Map, Status};
use toolgate_engine::deny::Answer;
use toolgate_engine::flow::Edit;

/// Makes header edits.
///
/// # Errors
/// The host refused one: the stream must not go on as if it had been made.
pub(crate) fn edits(map: Map, edits: &[Edit]) -> Result<(), Status> {
    edits.iter().try_for_each(|edit| match edit {
        Edit::Remove(name) => host::remove_field(map, name),
        Edit::Set(name, value) => host::set_field(map, name.as_bytes(), value),
    })
}

/// Answers in the upstream's place.
///
/// # Errors
/// The host did not take it.
pub(crate) fn answer(answer: &Answer) -> Result<(), Status> {
    facts(&answer.facts);
    let headers: Vec<(&str, &str)> =
        answer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let details = format!("toolgate_{}", answer.details);
    host::respond(u32::from(answer.status), &details, &headers, answer.body.as_bytes())
}

/// Tells the filters behind the gate that it was there. Where that fails they refuse, so nothing follows from it here.
pub(crate) fn presence() {
    let _ = host::set_property("toolgate_presence", b"here");
}

/// Writes what access logs and traces may show.
pub(crate) fn facts(facts: &[(&'static str, String)]) {
    for (name, value) in facts {
        let _ = host::set_property(name, value.as_bytes());
    }
}
