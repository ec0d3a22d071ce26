// SPDX-License-Identifier: Apache-2.0
//! Why a policy says what it says: every rule, and why it fired or did not.
//!
//! For people and tools, not for the way of a request: it looks at all rules, and allocates.

use super::condition::{Condition, Finding, Scene};
use super::question::{Questions, fitting};
use super::truth::{Possible, Truth};
use super::{Ask, Context, Effect, Mode, Permit, Policy, Refused, RoleSet, Rule, Witness};
use crate::mcp::{Method, Target};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A verdict with all that led to it.
#[derive(Debug)]
pub struct Explanation {
    /// What [`Policy::judge`] says.
    pub verdict: Result<Permit, Refused>,
    /// What was asked to come to it; every question needs a permit.
    pub questions: Vec<Explained>,
}

/// One question.
#[derive(Debug)]
pub struct Explained {
    /// What was asked, such as `tool code_edit`.
    pub asked: String,
    /// Every rule of the policy, in its order.
    pub rules: Vec<Considered>,
}

/// One rule under one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Its id.
    pub rule: String,
    /// What it does.
    pub effect: Effect,
    /// The roles whose rule it is; a grant's has none.
    pub roles: Vec<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// What its tests say, if it came to them.
    pub findings: Vec<Finding>,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is the rule of roles that the caller does not have.
    NotHeld,
    /// It speaks of something else.
    OtherTarget,
    /// It speaks of seeing where doing is asked, or the other way round, or of the answer.
    OtherUse,
    /// It is in shadow, and counts for nothing.
    InShadow,
    /// Its condition does not hold.
    ConditionFalse,
    /// It holds, and requires more than the caller has shown.
    Requires,
    /// It cannot be said whether its condition holds, or whether the target is meant.
    ConditionUnknown,
    /// It counted: for an allow rule because it holds, for a deny rule because it holds or may hold.
    Fired,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Outcome::NotHeld => "not_held",
            Outcome::OtherTarget => "other_target",
            Outcome::OtherUse => "other_use",
            Outcome::InShadow => "in_shadow",
            Outcome::Requires => "more_required",
            Outcome::ConditionFalse => "condition_false",
            Outcome::ConditionUnknown => "condition_unknown",
            Outcome::Fired => "fired",
        }
    }
}

impl Policy {
    /// Judges a call as [`Policy::judge`] does, and says why.
    #[must_use]
    pub fn explain(
        &self,
        roles: &RoleSet,
        who: &dyn Witness,
        method: Method,
        target: &Target<'_>,
        context: &Context<'_>,
    ) -> Explanation {
        let verdict = self.judge(roles, who, method, target, context);
        let context = fitting(method, context);
        let asks = Questions::of(method, target).into_list();
        let questions = asks.into_iter().map(|ask| self.explain_one(roles, who, ask, &context));
        Explanation { verdict, questions: questions.collect() }
    }

    /// Decides one question as [`Policy::decide`] does, and says why.
    #[must_use]
    pub fn explain_ask(
        &self,
        roles: &RoleSet,
        who: &dyn Witness,
        ask: Ask<'_>,
        context: &Context<'_>,
    ) -> Explanation {
        let verdict = self.decide(roles, who, ask, context);
        let questions = Vec::from([self.explain_one(roles, who, ask, context)]);
        Explanation { verdict, questions }
    }

    pub(super) fn explain_one(
        &self,
        roles: &RoleSet,
        who: &dyn Witness,
        ask: Ask<'_>,
        context: &Context<'_>,
    ) -> Explained {
        let scene = Scene::new(who, context, &self.classes, ask.tool());
        let mut fits: BTreeMap<usize, Truth> = BTreeMap::new();
        self.speaking(ask, roles, |rule, fit| {
            fits.entry(rule).and_modify(|earlier| *earlier = earlier.or(fit)).or_insert(fit);
        });
        let rules = self.rules.iter().enumerate().map(|(at, rule)| {
            let fit = fits.get(&at).copied().unwrap_or(Truth::False);
            let (outcome, findings) = rule.outcome(fit, roles, &scene);
            let owners = rule.roles.iter().filter_map(|role| self.roles.get(usize::try_from(*role).ok()?));
            Considered {
                rule: String::from(&*rule.id),
                effect: rule.effect,
                roles: owners.map(|name| String::from(&**name)).collect(),
                outcome,
                findings,
            }
        });
        Explained { asked: ask.words(), rules: rules.collect() }
    }
}

impl Rule {
    fn outcome(&self, fit: Truth, roles: &RoleSet, scene: &Scene<'_>) -> (Outcome, Vec<Finding>) {
        if !self.roles.iter().any(|role| roles.reaches(*role)) {
            return (Outcome::NotHeld, Vec::new());
        }
        if fit == Truth::False {
            return (Outcome::OtherTarget, Vec::new());
        }
        if !self.surfaces.include(scene.context.surface) {
            return (Outcome::OtherUse, Vec::new());
        }
        let findings = self.when.as_ref().map(|when| when.findings(scene)).unwrap_or_default();
        if self.mode == Mode::Shadow {
            return (Outcome::InShadow, findings);
        }
        let says = self.says(fit, scene);
        let outcome = match self.effect {
            Effect::Allow if says.may_be(Truth::True) && !self.is_met(scene) => Outcome::Requires,
            Effect::Allow if says.may_be(Truth::True) => Outcome::Fired,
            Effect::Deny if !says.may_be(Truth::False) => Outcome::Fired,
            Effect::Allow if says.may_be(Truth::Unknown) => Outcome::ConditionUnknown,
            Effect::Allow | Effect::Deny => Outcome::ConditionFalse,
        };
        (outcome, findings)
    }

    /// What a rule that speaks of the target says in the end.
    pub(super) fn says(&self, fit: Truth, scene: &Scene<'_>) -> Possible {
        let says = Possible::only(fit);
        self.when.as_ref().map_or(says, |when: &Condition| says.and(when.evaluate(scene)))
    }
}

impl Ask<'_> {
    fn words(&self) -> String {
        match self {
            Ask::Base(method) | Ask::Method(method) => format!("method {method}"),
            Ask::Tool(_, name) => format!("tool {name}"),
            Ask::Prompt(_, name) => format!("prompt {name}"),
            Ask::Resource(_, uri) => format!("resource {uri}"),
            Ask::Route(name) => format!("route {name}"),
        }
    }
}
