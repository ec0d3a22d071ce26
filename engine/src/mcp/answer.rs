// SPDX-License-Identifier: Apache-2.0
//! JSON-RPC error bodies.

use super::envelope::Id;
use super::version::VersionSet;
use crate::json::quoted;
use alloc::string::String;
use core::fmt::Write;

/// What stands in `error.data`.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// Nothing: the member is left out.
    Nothing,
    /// Why, and where the record of the decision is found.
    Reason {
        /// A reason from a closed list.
        reason: &'a str,
        /// The id of the decision.
        decision_id: &'a str,
    },
    /// Which versions are served, for a version that is not.
    Versions {
        /// What is served.
        supported: VersionSet,
        /// What was asked for.
        requested: &'a str,
    },
}

/// A JSON-RPC error response. Without an id the member is left out: it could not be read, or nothing was asked.
#[must_use]
pub fn error_body(id: Option<&Id<'_>>, code: i32, message: &str, data: Data<'_>) -> String {
    let mut body = String::with_capacity(192);
    body.push_str(r#"{"jsonrpc":"2.0""#);
    if let Some(id) = id {
        body.push_str(r#","id":"#);
        body.push_str(id.raw());
    }
    // Writing to a string cannot fail.
    let _ = write!(body, r#","error":{{"code":{code},"message":{}"#, quoted(message));
    push_data(&mut body, data);
    body.push_str("}}");
    body
}

fn push_data(body: &mut String, data: Data<'_>) {
    let _ = match data {
        Data::Nothing => Ok(()),
        Data::Reason { reason, decision_id } => {
            write!(body, r#","data":{{"reason":{},"decision_id":{}}}"#, quoted(reason), quoted(decision_id))
        }
        Data::Versions { supported, requested } => {
            body.push_str(r#","data":{"supported":["#);
            for (position, version) in supported.iter().enumerate() {
                body.push_str(if position == 0 { "" } else { "," });
                body.push_str(&quoted(version.as_str()));
            }
            write!(body, r#"],"requested":{}}}"#, quoted(requested))
        }
    };
}
