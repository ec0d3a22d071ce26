// SPDX-License-Identifier: Apache-2.0
//! What a policy would say if its rules in shadow counted.

use super::condition::Scene;
use super::question::{Questions, fitting};
use super::{Ask, Context, Effect, Mode, Policy, RoleSet, Tally, Witness};
use crate::mcp::{Method, Target};

/// What would have been said. It is no permit, and cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supposed {
    /// Allow or deny.
    pub effect: Effect,
    /// The rule that would have decided, by its place.
    pub rule: Option<usize>,
}

impl Policy {
    /// Whether any rule is in shadow, so that it is worth asking for what would be said.
    #[must_use]
    pub fn has_shadow_rules(&self) -> bool {
        self.shadow_rules > 0
    }

    /// Whether the whole policy is in shadow, and must not be in force anywhere.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The id of a rule.
    #[must_use]
    pub fn rule_id(&self, rule: usize) -> Option<&str> {
        self.rules.get(rule).map(|rule| &*rule.id)
    }

    /// The place of a rule.
    #[must_use]
    pub fn rule_at(&self, id: &str) -> Option<usize> {
        self.rules.iter().position(|rule| &*rule.id == id)
    }

    /// As [`Policy::judge`], with the rules in shadow.
    #[must_use]
    pub fn suppose(
        &self,
        roles: &RoleSet,
        who: &dyn Witness,
        method: Method,
        target: &Target<'_>,
        context: &Context<'_>,
    ) -> Supposed {
        let context = fitting(method, context);
        let mut first = None;
        let one = |ask| self.suppose_one(roles, who, ask, &context);
        match Questions::of(method, target) {
            Questions::Never => {}
            Questions::One(ask) => return one(ask),
            Questions::Each(asks) => {
                for ask in asks {
                    match one(ask) {
                        denied @ Supposed { effect: Effect::Deny, .. } => return denied,
                        allowed @ Supposed { effect: Effect::Allow, .. } => first = first.or(Some(allowed)),
                    }
                }
            }
        }
        first.unwrap_or(Supposed { effect: Effect::Deny, rule: None })
    }

    /// As [`Policy::decide`], with the rules in shadow.
    #[must_use]
    pub fn suppose_one(
        &self,
        roles: &RoleSet,
        who: &dyn Witness,
        ask: Ask<'_>,
        context: &Context<'_>,
    ) -> Supposed {
        if roles.is_empty() || !self.knows(roles) {
            return Supposed { effect: Effect::Deny, rule: None };
        }
        let scene = Scene::new(who, context, &self.classes, ask.tool());
        let mut tally = Tally::default();
        self.speaking(ask, roles, |rule, fit| self.consider(&mut tally, rule, fit, &scene, Mode::Shadow));
        match tally.weigh(matches!(ask, Ask::Base(_))) {
            Ok(rule) => Supposed { effect: Effect::Allow, rule },
            Err((_, rule)) => Supposed { effect: Effect::Deny, rule },
        }
    }
}
