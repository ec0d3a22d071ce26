// SPDX-License-Identifier: Apache-2.0
//! A question to a policy, and its verdict.

use serde_json::{Value, json};
use toolgate_engine::{
    deny::policy_label,
    facade,
    json::Value as Node,
    policy::{
        AnswerFacts, Arguments, Ask, Context, Explained, Explanation, Hints, Permit, Policy, Refused, Surface,
    },
    time::UnixTime,
};

use super::{arguments_of, caller::Caller, parse};

pub(crate) use facade::{Aim as Target, List};

/// What is asked: a method, what it is aimed at, and the arguments.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    asked: facade::Question,
    arguments: Option<String>,
    hints: Hints,
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
            Err(refused) => Self::denied(refused, roles),
        }
    }

    /// The engine's verdict on an answer: no rule allows one.
    pub(crate) fn of_answer(verdict: Result<(), Refused>, roles: Vec<String>) -> Self {
        match verdict {
            Ok(()) => Self { decision: Decision::Allow, reason: None, rule: None, roles },
            Err(refused) => Self::denied(refused, roles),
        }
    }

    fn denied(Refused { reason, rule }: Refused, roles: Vec<String>) -> Self {
        Self {
            decision: Decision::Deny,
            reason: Some(policy_label(reason)),
            rule: rule.map(|rule| rule.to_string()),
            roles,
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
    /// Refuses a method that MCP does not know, a target that does not fit it, and arguments that no call carries.
    pub(crate) fn new(method: &str, target: Target, arguments: Option<String>) -> Result<Self, String> {
        if let Some(arguments) = &arguments {
            arguments_of(arguments)?;
        }
        facade::Question::new(method, target).map(|asked| Self { asked, arguments, hints: Hints::default() })
    }

    /// About a tool of which its trusted server says this, as JSON.
    pub(crate) fn annotated(self, annotations: &str) -> Result<Self, String> {
        Ok(Self { hints: Hints::of(Some(parse(annotations)?.root())), ..self })
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
    let context = Context::at(now).hinted(question.hints).with(arguments);
    let verdict = policy.judge(&roles, &facts, method, target, &context);
    let roles = policy.role_names(&roles).map(str::to_owned).collect();
    Ok(Verdict::of(verdict, roles))
}

/// Decides a question as the gate does, and, where it is allowed, whether the caller is told this answer: an object with
/// `result` or `error`, as JSON.
pub(crate) fn decide_answer(
    policy: &Policy,
    caller: &Caller,
    now: UnixTime,
    question: &Question,
    answer: &str,
) -> Result<Verdict, String> {
    let asked = decide(policy, caller, now, question)?;
    if asked.decision == Decision::Deny {
        return Ok(asked);
    }
    let (verdict, _) = caller.explain_answer(policy, question, &Context::at(now), answer)?;
    Ok(match verdict.decision {
        Decision::Allow => asked,
        Decision::Deny => verdict,
    })
}

fn answer_facts(answer: Node<'_>) -> Result<AnswerFacts<'_>, String> {
    match (answer.get("result"), answer.get("error")) {
        (Some(result), None) => Ok(AnswerFacts::of_result(result)),
        (None, Some(error)) => Ok(AnswerFacts::of_error(error)),
        (Some(_), Some(_)) | (None, None) => Err("an answer has one of `result` and `error`".to_owned()),
    }
}

impl Caller {
    /// The verdict on an answer, an object with `result` or `error` as JSON, and why. The call is taken as allowed.
    pub(crate) fn explain_answer(
        &self,
        policy: &Policy,
        question: &Question,
        context: &Context<'_>,
        answer: &str,
    ) -> Result<(Verdict, Vec<Explained>), String> {
        let doc = parse(answer)?;
        let arguments = question.arguments.as_deref().map(parse).transpose()?;
        let arguments = arguments.as_ref().map_or(Arguments::Absent, |doc| Arguments::Given(doc.root()));
        let facts = self.facts();
        let (roles, _) = policy.resolve(&facts, context.now);
        let asked = (question.asked.method(), question.asked.target());
        let kept = policy.keep(&roles, asked, arguments);
        let context = context.hinted(question.hints).answered(answer_facts(doc.root())?);
        let context = context.with(policy.recall(kept.iter()));
        let (judged, explained) = policy.explain_answer(&roles, &facts, asked, &context);
        let roles = policy.role_names(&roles).map(str::to_owned).collect();
        Ok((Verdict::of_answer(judged, roles), explained))
    }

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
            (None, Surface::Call) | (_, Surface::List | Surface::Answer) => *context,
        };
        let context = context.hinted(question.hints);
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
