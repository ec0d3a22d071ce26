// SPDX-License-Identifier: Apache-2.0
//! What rules on answers have to know of the call: arguments are gone when its answer comes, so what was said of them
//! is kept.
//!
//! One truth for each test, bounded, and no argument in it.

use super::condition::{Condition, Operand};
use super::question::Questions;
use super::{Arguments, Policy, RoleSet, Surface};
use crate::mcp::{Method, Target};
use crate::policy::truth::Truth;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// How many tests on arguments the rules on answers of a policy may have: a byte of each call that is under way.
pub(super) const MAX_KEPT: usize = 256;

/// What the tests of one policy said of the arguments of one call.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The tag of that policy: to any other these truths mean nothing.
    of: u64,
    truths: Vec<Truth>,
}

impl Kept {
    pub(super) fn truth(&self, at: usize) -> Truth {
        self.truths.get(at).copied().unwrap_or(Truth::Unknown)
    }
}

impl Policy {
    /// What is kept of a call's arguments until its answer comes; nothing where no rule on answers tests any.
    ///
    /// Only rules that speak about this call to these roles are looked at: what others test stays unknown, and unknown
    /// denies. Where the roles are not of this policy, all are.
    #[must_use]
    pub fn keep(
        &self,
        roles: &RoleSet,
        (method, target): (Method, &Target<'_>),
        arguments: Arguments<'_>,
    ) -> Option<Kept> {
        if self.kept_tests == 0 {
            return None;
        }
        let mut kept = Kept { of: self.digest.tag(), truths: vec![Truth::Unknown; self.kept_tests] };
        let mut keep = |at: usize| {
            let rule = self.rules.get(at).filter(|rule| rule.surfaces.include(Surface::Answer));
            let when = rule.and_then(|rule| rule.when.as_ref());
            when.into_iter().for_each(|when| when.keep(arguments, &mut kept.truths));
        };
        if self.knows(roles) {
            for ask in Questions::of(method, target).into_list() {
                self.speaking(ask, roles, |rule, _| keep(rule));
            }
        } else {
            self.answer_rules.iter().for_each(|at| keep(*at));
        }
        Some(kept)
    }

    /// What this policy knows of the arguments when the answer comes.
    #[must_use]
    pub fn recall<'k>(&self, mut kept: impl Iterator<Item = &'k Kept>) -> Arguments<'k> {
        let own = kept.find(|kept| kept.of == self.digest.tag());
        own.map_or(Arguments::Absent, Arguments::Kept)
    }
}

impl Condition {
    /// The same condition in a rule on answers: each test on arguments gets a place of its own, from `next` on.
    pub(super) fn on_answers(self, next: &mut usize) -> Condition {
        match self {
            Condition::All(parts) => {
                Condition::All(parts.into_iter().flat_map(|part| part.places(next)).collect())
            }
            Condition::Any(parts) => {
                Condition::Any(parts.into_iter().map(|part| part.on_answers(next)).collect())
            }
            Condition::Not(part) => Condition::Not(Box::new(part.on_answers(next))),
            other @ (Condition::Atom(..)
            | Condition::Hours(_)
            | Condition::Source(_)
            | Condition::Operations(_)
            | Condition::Classes(_)) => other,
        }
    }

    fn places(self, next: &mut usize) -> Vec<Condition> {
        let Condition::Atom(Operand::Argument(pointer), tests) = self else {
            return Vec::from([self.on_answers(next)]);
        };
        let place = |test| {
            let at = *next;
            *next += 1;
            Condition::Atom(Operand::Kept(at, pointer.clone()), Vec::from([test]))
        };
        tests.into_iter().map(place).collect()
    }

    fn keep(&self, arguments: Arguments<'_>, truths: &mut [Truth]) {
        match self {
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().for_each(|part| part.keep(arguments, truths));
            }
            Condition::Not(part) => part.keep(arguments, truths),
            Condition::Atom(Operand::Kept(at, pointer), tests) => {
                let says = super::condition::of_argument(pointer, tests, arguments);
                if let (Some(place), Some(truth)) = (truths.get_mut(*at), says) {
                    *place = truth;
                }
            }
            Condition::Atom(..)
            | Condition::Hours(_)
            | Condition::Source(_)
            | Condition::Operations(_)
            | Condition::Classes(_) => {}
        }
    }
}
