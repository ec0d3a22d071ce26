// SPDX-License-Identifier: Apache-2.0
//! What access logs, traces and other filters may see of a decision, where the configuration asks for it: filter state
//! under `wasm.`.

use super::answer::Scene;
use crate::config::Fact;
use crate::identity::header_value;
use crate::mcp::Target;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Names and values.
pub(super) type Shown = Vec<(&'static str, String)>;

/// What is shown of a caller, by the header that tells the upstream the same.
const OF_CALLER: [(&str, Fact); 4] = [
    ("x-toolgate-subject", Fact::Subject),
    ("x-toolgate-issuer", Fact::Issuer),
    ("x-toolgate-client", Fact::Client),
    ("x-toolgate-roles", Fact::Roles),
];

/// All that is known and wanted: of a denial at the door, that is not who calls. Values are written as in headers:
/// access logs in plain text must not break at what somebody is called.
pub(super) fn shown(
    scene: &Scene<'_>,
    (decision, reason): (&'static str, &'static str),
    rule: Option<&str>,
) -> Shown {
    if scene.config.filter_state.is_off() {
        return Vec::new();
    }
    wanted(scene, (decision, reason), rule)
}

#[inline(never)]
fn wanted(scene: &Scene<'_>, (decision, reason): (&'static str, &'static str), rule: Option<&str>) -> Shown {
    let wanted = scene.config.filter_state;
    let mut shown = Vec::with_capacity(11);
    for (fact, label) in [(Fact::Decision, decision), (Fact::Reason, reason)] {
        if wanted.shows(fact) {
            shown.push((fact.name(), label.to_string()));
        }
    }
    if wanted.shows(Fact::DecisionId) {
        shown.push((Fact::DecisionId.name(), scene.decision.text()));
    }
    let named = [
        (Fact::Server, scene.server.map(|server| &*server.name)),
        (Fact::Route, scene.route.map(|route| &*route.name)),
        (Fact::Method, scene.method),
        (Fact::Tool, scene.tool),
        (Fact::Rule, rule),
    ];
    let named = named.into_iter().filter(|(fact, _)| wanted.shows(*fact));
    let value = |(fact, value): (Fact, Option<&str>)| Some((fact.name(), header_value(value?)?));
    shown.extend(named.filter_map(value));
    for (name, value) in scene.who.into_iter().flat_map(|who| who.headers()) {
        let own = OF_CALLER.iter().find(|(header, _)| header == name);
        let own = own.map(|(_, fact)| *fact).filter(|fact| wanted.shows(*fact));
        let text = core::str::from_utf8(value).ok().filter(|text| !text.is_empty());
        shown.extend(own.zip(text).map(|(own, text)| (own.name(), text.to_string())));
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
