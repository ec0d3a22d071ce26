// SPDX-License-Identifier: Apache-2.0
//! What access logs, traces and other filters may see of a decision, where the configuration asks for it: filter state
//! under `wasm.`.

use super::answer::Scene;
use crate::config::FilterState;
use crate::identity::header_value;
use crate::mcp::Target;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Names and values.
pub(super) type Shown = Vec<(&'static str, String)>;

/// What is shown of a caller, by the header that tells the upstream the same.
const OF_CALLER: [(&str, &str); 4] = [
    ("x-toolgate-subject", "toolgate_subject"),
    ("x-toolgate-issuer", "toolgate_issuer"),
    ("x-toolgate-client", "toolgate_client"),
    ("x-toolgate-roles", "toolgate_roles"),
];

/// All that is known: of a denial at the door, that is not who calls. Values are written as in headers: access logs in
/// plain text must not break at what somebody is called.
pub(super) fn shown(
    scene: &Scene<'_>,
    (decision, reason): (&'static str, &'static str),
    rule: Option<&str>,
) -> Shown {
    if scene.config.filter_state == FilterState::Off {
        return Vec::new();
    }
    let mut shown = Vec::with_capacity(11);
    shown.push(("toolgate_decision", decision.to_string()));
    shown.push(("toolgate_reason", reason.to_string()));
    shown.push(("toolgate_decision_id", scene.decision.text()));
    let named = [
        ("toolgate_server", scene.server.map(|server| &*server.name)),
        ("toolgate_route", scene.route.map(|route| &*route.name)),
        ("toolgate_method", scene.method),
        ("toolgate_tool", scene.tool),
        ("toolgate_rule", rule),
    ];
    let value = |(name, value): (&'static str, Option<&str>)| Some((name, header_value(value?)?));
    shown.extend(named.into_iter().filter_map(value));
    for (name, value) in scene.who.into_iter().flat_map(|who| who.headers()) {
        let own = OF_CALLER.iter().find(|(header, _)| header == name);
        let text = core::str::from_utf8(value).ok().filter(|text| !text.is_empty());
        shown.extend(own.zip(text).map(|((_, own), text)| (*own, text.to_string())));
    }
    shown
}

/// The tool that a call is aimed at.
pub(super) fn tool_of<'t>(target: &'t Target<'_>) -> Option<&'t str> {
    match target {
        Target::Tool(name) => Some(name),
        Target::None
        | Target::Prompt(_)
        | Target::Resource(_)
        | Target::Listen { .. }
        | Target::PromptRef(_)
        | Target::ResourceRef(_)
        | Target::Task(_) => None,
    }
}
