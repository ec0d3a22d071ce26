// SPDX-License-Identifier: Apache-2.0
//! What the headers of a call can already deny, where they leave before its body is judged.

use super::head::Visit;
use super::shadow::{self, Note};
use super::{Desk, body, facts, scope};
use crate::config::DenialStyle;
use crate::identity::Identity;
use crate::mcp::{HeadFacts, MethodClass, NameSource, judge_head};
use crate::metrics::{MethodLabel, ToolLabel};
use crate::policy::{self, Arguments, Ask, Context, Facts, RefusedReason, RoleSet};
use alloc::string::String;

/// What was denied by the head of a call.
pub(super) struct Early {
    pub refused: policy::Refused,
    pub method: MethodLabel,
    pub tool: ToolLabel,
    /// The name of the method.
    pub name: &'static str,
    /// The tool that the call is aimed at, by name.
    pub aimed: Option<String>,
    /// The scopes that would have been enough.
    pub scope: Option<String>,
    pub note: Note,
}

/// Where headers leave before the body is judged, what they say of it can already deny; the body confirms.
///
/// Only where denials are explicit: the other styles answer with the id, which only the body has.
pub(super) fn judge(desk: &mut Desk<'_>, visit: &Visit<'_>, identity: &Identity) -> Option<Early> {
    let Visit { front, server, .. } = visit;
    let (HeadFacts::Claims { method, target }, DenialStyle::Explicit) =
        (judge_head(&front.mcp, server.versions), server.denial)
    else {
        return None;
    };
    let policy = desk.policy(server.policy)?;
    let context = Context::at(desk.now).from(desk.source);
    let hints = desk.memory.hints(&policy, (visit.at, server), &target);
    let open = context.of_class(server.class_of(&target)).hinted(hints).with(Arguments::Open);
    let ask = |roles: &RoleSet, facts: &Facts<'_>| match (method.class(), method.name_source()) {
        // What these aim at stands in no header, so the headers say too little to deny by.
        (MethodClass::Completion | MethodClass::Resource, NameSource::Nothing) => None,
        (MethodClass::Subscription, _) => {
            Some(policy.decide(roles, facts, Ask::Method(method.name()), &context))
        }
        (
            MethodClass::Base
            | MethodClass::Plain
            | MethodClass::Task
            | MethodClass::Tool
            | MethodClass::Prompt
            | MethodClass::Completion
            | MethodClass::Resource,
            _,
        ) => Some(policy.judge(roles, facts, method, &target, &open)),
    };
    let judged = ask(identity.roles(), &identity.facts())?;
    // The answer to who has to show more tells the id of the call, which only the body has.
    if judged.as_ref().err().is_some_and(|refused| refused.reason == RefusedReason::Requires) {
        return None;
    }
    let again = |roles: &RoleSet, facts: &Facts<'_>| ask(roles, facts).is_some_and(|judged| judged.is_ok());
    let scope = scope::of_policy(&visit.scene, &policy, identity, &judged, &again);
    let (at, live) = (server.policy, shadow::effect(&judged));
    let refused = judged.err()?;
    desk.account.trail.asks(desk.config, server, method, &target);
    let asked = match method.class() {
        MethodClass::Subscription => shadow::Asked::One(Ask::Method(method.name())),
        MethodClass::Base
        | MethodClass::Plain
        | MethodClass::Task
        | MethodClass::Tool
        | MethodClass::Prompt
        | MethodClass::Completion
        | MethodClass::Resource => shadow::Asked::Call(method, &target),
    };
    let note = shadow::compare(
        desk,
        &shadow::Verdict { place: visit.place(), policy: at, live, identity, asked },
        &open,
    );
    let tool = body::tool_label(server, &target);
    let aimed = facts::tool_of(&target).map(String::from);
    Some(Early {
        refused,
        method: MethodLabel::Known(method.index()),
        tool,
        name: method.name(),
        aimed,
        scope,
        note,
    })
}
