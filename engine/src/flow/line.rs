// SPDX-License-Identifier: Apache-2.0
//! What a line of the plugin's own log says of the request that it concerns: the same ids as records and access logs
//! have, so that the three can be read together.
//!
//! What enters: the account of a request. What leaves: members of a JSON object.
//! Deliberately absent: credentials; a session stands as its hash under the audit key, as in its record, or not at all.

use super::account::Account;
use super::trail;
use crate::audit::{Members, Trace, principal};
use crate::config::Config;
use crate::mcp::HeaderValue;
use alloc::string::String;

/// The members `request_id`, `trace_id`, `session` and `principal`, as far as they are known.
#[must_use]
pub fn concerning(config: &Config, account: &Account) -> String {
    let [request, trace] = account.ids().map(HeaderValue::One);
    let mut text = String::new();
    let mut members = Members::more(&mut text);
    members.text_if("request_id", trail::id(request).filter(|id| !id.is_empty()));
    members.text_if("trace_id", trail::text(trace).and_then(Trace::parse).map(|trace| trace.trace));
    if let Some(hash) = account.trail.session() {
        members.hex("session", hash);
    }
    if let Some(identity) = account.who() {
        members.json("principal", &principal(identity, None, config));
    }
    drop(members);
    text
}
