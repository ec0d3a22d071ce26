// SPDX-License-Identifier: Apache-2.0
//! What follows where a keyword was left out: a schema then lets more pass, never less. Inside of `not` that would turn
//! round, and `oneOf` would find too many, so these are left out too, as far as they have to be.

use super::{At, Node, Rule};
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

/// Takes out of the nodes what would refuse too much, where something was left out in `weak`; gives the keywords.
pub(super) fn loosen(nodes: &mut [Node], weak: &BTreeSet<At>) -> BTreeSet<&'static str> {
    let mut taken = BTreeSet::new();
    if weak.is_empty() {
        return taken;
    }
    let weak = leading_to(nodes, weak);
    let is_weak = |at: &At| weak.get(*at).copied().unwrap_or(Strength::Weak) == Strength::Weak;
    for node in nodes {
        for rule in &mut node.rules {
            match rule {
                Rule::Not(at) if is_weak(at) => {
                    taken.insert("not");
                    *rule = Rule::All(Vec::new());
                }
                // One of them is still needed.
                Rule::One(branches) if branches.iter().any(is_weak) => {
                    taken.insert("oneOf");
                    *rule = Rule::Any(core::mem::take(branches));
                }
                _ => {}
            }
        }
    }
    taken
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strength {
    Whole,
    Weak,
}

/// Of each node, whether it leads to one of these.
fn leading_to(nodes: &[Node], weak: &BTreeSet<At>) -> Vec<Strength> {
    let mut parents: Vec<Vec<At>> = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        for child in node.rules.iter().flat_map(children) {
            parents.get_mut(child).into_iter().for_each(|list| list.push(at));
        }
    }
    let mut found = vec![Strength::Whole; nodes.len()];
    let mut open: Vec<At> = weak.iter().copied().collect();
    while let Some(at) = open.pop() {
        let Some(slot) = found.get_mut(at).filter(|slot| **slot == Strength::Whole) else { continue };
        *slot = Strength::Weak;
        open.extend(parents.get(at).into_iter().flatten());
    }
    found
}

/// The schemas inside of a rule.
fn children(rule: &Rule) -> Vec<At> {
    match rule {
        Rule::All(branches) | Rule::Any(branches) | Rule::One(branches) => branches.clone(),
        Rule::Not(at) | Rule::Names(at) => Vec::from([*at]),
        Rule::Members { named, others } => named.iter().map(|(_, at)| *at).chain(*others).collect(),
        Rule::Items { first, others } => first.iter().copied().chain(*others).collect(),
        Rule::Never
        | Rule::Types(_)
        | Rule::OneOfValues(_)
        | Rule::Number(..)
        | Rule::MultipleOf(_)
        | Rule::Min(..)
        | Rule::Max(..)
        | Rule::Pattern(_)
        | Rule::Required(_)
        | Rule::Unique => Vec::new(),
    }
}
