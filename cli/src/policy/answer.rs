// SPDX-License-Identifier: Apache-2.0
//! A question to a policy, and its verdict.

use serde_json::{Value, json};
use toolgate_engine::{
    deny::policy_label,
    facade,
    policy::{Arguments, Ask, Context, Explanation, Permit, Policy, Refused, Surface},
    time::UnixTime,
};

use super::{caller::Caller, parse};

pub(crate) use facade::{Aim as Target, List};

/// What is asked: a method, what it is aimed at, and the arguments.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    asked: facade::Question,
    arguments: Option<String>,
}

/// What the policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) decision: Decision,
    /// Why not.
    pub(crate) reason: Option<&'static str>,
    /// The rule that decided.
    pub(crate) rule: Option<String>,
    /// The roles that the bindings give the caller.
    pub(crate) roles: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow,
    Deny,
}

impl Decision {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl Verdict {
    /// The engine's verdict, as it is said.
    pub(crate) fn of(verdict: Result<Permit, Refused>, roles: Vec<String>) -> Self {
        match verdict {
            Ok(permit) => {
                Self { decision: Decision::Allow, reason: None, rule: Some(permit.rule().to_string()), roles }
            }
            Err(Refused { reason, rule }) => Self {
                decision: Decision::Deny,
                reason: Some(policy_label(reason)),
                rule: rule.map(|rule| rule.to_string()),
                roles,
            },
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "decision": self.decision.word(), "reason": self.reason, "rule": self.rule, "roles": self.roles })
    }

    /// `allow by edit-code`, `deny: no_rule`, `deny: deny_rule by no-delete`.
    pub(crate) fn say(&self) -> String {
        let mut text = self.decision.word().to_owned();
        if let Some(reason) = self.reason {
            text.push_str(&format!(": {reason}"));
        }
        if let Some(rule) = &self.rule {
            text.push_str(&format!(" by `{rule}`"));
        }
        text
    }
}

impl Question {
    /// Refuses a method that MCP does not know, and a target that does not fit it.
    pub(crate) fn new(method: &str, target: Target, arguments: Option<String>) -> Result<Self, String> {
        facade::Question::new(method, target).map(|asked| Self { asked, arguments })
    }
}

/// Decides a question as the gate does.
pub(crate) fn decide(
    policy: &Policy,
    caller: &Caller,
    now: UnixTime,
    question: &Question,
) -> Result<Verdict, String> {
    let doc = question.arguments.as_deref().map(parse).transpose()?;
    let arguments = doc.as_ref().map_or(Arguments::Absent, |doc| Arguments::Given(doc.root()));
    let facts = caller.facts();
    let (roles, _) = policy.resolve(&facts, now);
    let (method, target) = (question.asked.method(), question.asked.target());
    let verdict = policy.judge(&roles, &facts, method, target, &Context::at(now).with(arguments));
    let roles = policy.role_names(&roles).map(str::to_owned).collect();
    Ok(Verdict::of(verdict, roles))
}

impl Caller {
    /// The names of the caller's roles, and why the policy says what it says. The arguments are those of the question,
    /// unless they are open.
    pub(crate) fn explain(
        &self,
        policy: &Policy,
        question: &Question,
        context: &Context<'_>,
    ) -> Result<(Vec<String>, Explanation), String> {
        let doc = question.arguments.as_deref().map(parse).transpose()?;
        let context = match (&doc, context.surface) {
            (Some(doc), Surface::Call) => context.with(Arguments::Given(doc.root())),
            (None, Surface::Call) | (_, Surface::List) => *context,
        };
        let facts = self.facts();
        let (roles, _) = policy.resolve(&facts, context.now);
        let explanation =
            policy.explain(&roles, &facts, question.asked.method(), question.asked.target(), &context);
        Ok((policy.role_names(&roles).map(str::to_owned).collect(), explanation))
    }

    /// The same for a plain HTTP route, by name.
    pub(crate) fn explain_route(
        &self,
        policy: &Policy,
        route: &str,
        context: &Context<'_>,
    ) -> (Vec<String>, Explanation) {
        let facts = self.facts();
        let (roles, _) = policy.resolve(&facts, context.now);
        let explanation = policy.explain_ask(&roles, &facts, Ask::Route(route), context);
        (policy.role_names(&roles).map(str::to_owned).collect(), explanation)
    }
}

/// What a caller sees of a list, and the rules that decided about it and its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visible {
    /// Nothing if the list itself is denied.
    pub(super) names: Option<Vec<String>>,
    pub(super) rules: Vec<String>,
}

pub(super) fn visible(
    policy: &Policy,
    caller: &Caller,
    now: UnixTime,
    kind: List,
    given: &[String],
) -> Visible {
    let facts = caller.facts();
    let (roles, _) = policy.resolve(&facts, now);
    let verdicts = kind.judged(policy, &roles, &facts, &Context::at(now), given);
    let rules = verdicts.rules().map(str::to_owned).collect();
    Visible { names: verdicts.shown(given), rules }
}
