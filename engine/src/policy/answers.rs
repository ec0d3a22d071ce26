// SPDX-License-Identifier: Apache-2.0
//! Answers: what was allowed is answered, unless a rule on answers denies it.
//!
//! What a rule cannot tell of an answer is unknown, so it denies. An answer of which nobody knows what was asked is one
//! that every such rule may speak about.

use super::condition::Scene;
use super::question::Questions;
use super::{
    Context, Effect, Explained, Mode, Policy, Refused, RefusedReason, RoleSet, Supposed, Tally, Witness,
};
use crate::mcp::{Method, Target};
use crate::policy::truth::Truth;

/// What an answer is an answer to.
#[derive(Clone, Copy, Debug)]
pub enum Answering<'a> {
    /// This call.
    Call(Method, &'a Target<'a>),
    /// A call that nobody here has seen.
    Unknown,
}

impl Policy {
    /// Whether any rule, in force or in shadow, is on answers, so that it is worth reading them.
    #[must_use]
    pub fn has_answer_rules(&self) -> bool {
        !self.answer_rules.is_empty()
    }

    /// Whether any rule in shadow is on answers.
    #[must_use]
    pub fn has_answer_rules_in_shadow(&self) -> bool {
        let mut rules = self.answer_rules.iter().filter_map(|at| self.rules.get(*at));
        rules.any(|rule| rule.mode == Mode::Shadow)
    }

    /// Judges an answer, which `context` holds.
    ///
    /// # Errors
    /// The rule that denies it; or no rule, where the caller has no role of this policy any more.
    pub fn judge_answer(
        &self,
        roles: &RoleSet,
        who: &dyn Witness,
        answering: Answering<'_>,
        context: &Context<'_>,
    ) -> Result<(), Refused> {
        if !self.has_answer_rules() {
            return Ok(());
        }
        if roles.is_empty() || !self.knows(roles) {
            return Err(Refused { reason: RefusedReason::NoRole, rule: None });
        }
        match self.denied(roles, who, answering, context, Mode::Enforce) {
            None => Ok(()),
            Some(at) => Err(Refused {
                reason: RefusedReason::DenyRule,
                rule: self.rules.get(at).map(|rule| rule.id.clone()),
            }),
        }
    }

    /// As [`Policy::judge_answer`], with the rules in shadow.
    #[must_use]
    pub fn suppose_answer(
        &self,
        roles: &RoleSet,
        who: &dyn Witness,
        answering: Answering<'_>,
        context: &Context<'_>,
    ) -> Supposed {
        if self.has_answer_rules() && (roles.is_empty() || !self.knows(roles)) {
            return Supposed { effect: Effect::Deny, rule: None };
        }
        match self.denied(roles, who, answering, context, Mode::Shadow) {
            None => Supposed { effect: Effect::Allow, rule: None },
            rule => Supposed { effect: Effect::Deny, rule },
        }
    }

    /// Judges an answer as [`Policy::judge_answer`] does, and says why: every rule, under each question of the call.
    ///
    /// # Errors
    /// As there; the explanation is beside it.
    pub fn explain_answer(
        &self,
        roles: &RoleSet,
        who: &dyn Witness,
        (method, target): (Method, &Target<'_>),
        context: &Context<'_>,
    ) -> (Result<(), Refused>, alloc::vec::Vec<Explained>) {
        let verdict = self.judge_answer(roles, who, Answering::Call(method, target), context);
        let asks = Questions::of(method, target).into_list();
        let explained = asks.into_iter().map(|ask| self.explain_one(roles, who, ask, context));
        (verdict, explained.collect())
    }

    /// The first rule that denies an answer.
    fn denied(
        &self,
        roles: &RoleSet,
        who: &dyn Witness,
        answering: Answering<'_>,
        context: &Context<'_>,
        mode: Mode,
    ) -> Option<usize> {
        let mut tally = Tally::default();
        match answering {
            Answering::Call(method, target) => {
                for ask in Questions::of(method, target).into_list() {
                    let scene = Scene::new(who, context, &self.classes, ask.tool());
                    self.speaking(ask, roles, |rule, fit| {
                        self.consider(&mut tally, rule, fit, &scene, mode);
                    });
                }
            }
            Answering::Unknown => {
                let scene = Scene::new(who, context, &self.classes, None);
                for at in &self.answer_rules {
                    let held = self
                        .rules
                        .get(*at)
                        .is_some_and(|rule| rule.roles.iter().any(|role| roles.reaches(*role)));
                    if held {
                        self.consider(&mut tally, *at, Truth::Unknown, &scene, mode);
                    }
                }
            }
        }
        tally.denied
    }
}
