// SPDX-License-Identifier: Apache-2.0
//! Which scopes a token would need: what a challenge names to a caller whom a wider token would let through.

use super::condition::{Condition, Operand, Test};
use super::wire::Scalar;
use super::{Effect, Facts, Mode, Policy, RoleSet};
use crate::oauth::scope::may_be_asked_for;
use crate::sort::sort;
use crate::time::UnixTime;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Most scopes of a policy that are tried.
const MAX_TRIED: usize = 32;
/// Most of them that are tried in pairs.
const MAX_PAIRED: usize = 8;
/// How many bindings one search may look at, whatever it has found by then.
const MAX_WORK: usize = 20_000;

/// Scopes as they are tried: always without those that cannot help.
type Set = Vec<Arc<str>>;

/// One search, with what it may still cost.
struct Search<'s> {
    policy: &'s Policy,
    facts: &'s Facts<'s>,
    now: UnixTime,
    permits: &'s dyn Fn(&RoleSet, &Facts<'_>) -> bool,
    tries: usize,
}

impl Policy {
    /// The fewest scopes with which a token that is otherwise the same would be let through; of sets of the same size
    /// the one whose roles have the fewest rules. Nothing, if no scopes would do it, or if it is not the scopes that
    /// are missing.
    ///
    /// `permits` asks again, for other roles and facts. What a policy says of scopes in `not`, in rules that deny, or
    /// by patterns, is not searched.
    #[must_use]
    pub fn fewest_scopes(
        &self,
        facts: &Facts<'_>,
        now: UnixTime,
        permits: &dyn Fn(&RoleSet, &Facts<'_>) -> bool,
    ) -> Option<Vec<Arc<str>>> {
        let (held, missing): (Set, Set) =
            self.scopes.iter().cloned().partition(|scope| facts.scopes.iter().any(|own| **own == **scope));
        if missing.is_empty() {
            return None;
        }
        let tries = MAX_WORK / (self.bindings.len() + 1);
        let mut search = Search { policy: self, facts, now, permits, tries };
        let all: Set = held.iter().chain(&missing).cloned().collect();
        search.weigh(&all)?;
        let found = search.smallest(&held, &missing).unwrap_or(missing);
        Some(search.without_spare(held.into_iter().chain(found).collect()))
    }

    /// What the conditions of roles and rules ask of scopes, where more scopes can only help; in the order of the
    /// policy, where the narrower scope usually comes first.
    pub(super) fn scopes_asked_for(&self) -> Vec<Arc<str>> {
        let mut found = Vec::new();
        let rules =
            self.rules.iter().filter(|rule| (rule.effect, rule.mode) == (Effect::Allow, Mode::Enforce));
        let conditions = self.bindings.iter().map(|binding| &binding.when);
        for condition in conditions.chain(rules.filter_map(|rule| rule.when.as_ref())) {
            collect(condition, &mut found);
        }
        found.into_iter().map(Arc::from).collect()
    }
}

fn collect<'c>(condition: &'c Condition, found: &mut Vec<&'c str>) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| collect(part, found)),
        Condition::Atom(Operand::Scopes, tests) => tests.iter().for_each(|test| names(test, found)),
        Condition::Atom(..)
        | Condition::Not(_)
        | Condition::Hours(_)
        | Condition::Source(_)
        | Condition::Operations(_)
        | Condition::Classes(_) => {}
    }
}

fn names<'c>(test: &'c Test, found: &mut Vec<&'c str>) {
    let mut add = |scalar: &'c Scalar| {
        if let Scalar::Text(text) = scalar
            && may_be_asked_for(text)
            && !found.contains(&text.as_str())
            && found.len() < MAX_TRIED
        {
            found.push(text.as_str());
        }
    };
    match test {
        Test::Contains(scalar) => add(scalar),
        Test::Some(tests) => {
            for test in tests {
                if let Test::OneOf(scalars) = test {
                    scalars.iter().for_each(&mut add);
                }
            }
        }
        _ => {}
    }
}

impl Search<'_> {
    /// How much a token with just these scopes, and those that no policy asks for, could do; nothing if it would not
    /// be let through.
    fn weigh(&mut self, scopes: &[Arc<str>]) -> Option<usize> {
        self.tries = self.tries.checked_sub(1)?;
        let others =
            self.facts.scopes.iter().filter(|own| !self.policy.scopes.iter().any(|asked| **asked == ***own));
        let mut list: Vec<String> =
            others.cloned().chain(scopes.iter().map(|scope| String::from(&**scope))).collect();
        sort(&mut list);
        let facts = Facts { scopes: &list, ..*self.facts };
        let (roles, _) = self.policy.resolve(&facts, self.now);
        (self.permits)(&roles, &facts).then(|| self.policy.weight(&roles))
    }

    /// The best of the sets of one or two scopes that do it; else all, less those that are not needed.
    fn smallest(&mut self, held: &[Arc<str>], missing: &[Arc<str>]) -> Option<Set> {
        let singles = missing.iter().map(|scope| Vec::from([scope.clone()]));
        if let Some(found) = self.lightest(held, singles) {
            return Some(found);
        }
        let some = missing.get(..missing.len().min(MAX_PAIRED)).unwrap_or_default();
        let pairs = some.iter().enumerate().flat_map(|(at, one)| {
            some.iter().skip(at + 1).map(move |two| Vec::from([one.clone(), two.clone()]))
        });
        self.lightest(held, pairs)
    }

    fn lightest(&mut self, held: &[Arc<str>], sets: impl Iterator<Item = Set>) -> Option<Set> {
        let mut best: Option<(usize, Set)> = None;
        for set in sets {
            let all: Set = held.iter().chain(&set).cloned().collect();
            let Some(weight) = self.weigh(&all) else { continue };
            if best.as_ref().is_none_or(|(lightest, _)| weight < *lightest) {
                best = Some((weight, set));
            }
        }
        best.map(|(_, set)| set)
    }

    /// Takes out what is not needed, one after the other.
    fn without_spare(&mut self, scopes: Set) -> Set {
        let mut kept = scopes.clone();
        for scope in scopes {
            let fewer: Set = kept.iter().filter(|other| **other != scope).cloned().collect();
            if self.weigh(&fewer).is_some() {
                kept = fewer;
            }
        }
        kept
    }
}

impl Policy {
    /// How many rules the roles of a set have together.
    fn weight(&self, roles: &RoleSet) -> usize {
        self.rules.iter().filter(|rule| rule.roles.iter().any(|role| roles.reaches(*role))).count()
    }
}
