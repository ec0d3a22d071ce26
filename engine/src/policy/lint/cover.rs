// SPDX-License-Identifier: Apache-2.0
//! Allow rules that a deny rule of the same callers takes away altogether.

use super::names::compiled;
use super::{LintKind, Look, key};
use crate::json::Segment;
use crate::policy::pattern::{Pattern, glob_fits};
use crate::policy::truth::Truth;
use crate::policy::wire::{Mode, PatternWire, PolicyWire, RoleWire, RuleWire};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Look<'_> {
    /// Whoever holds a role has its deny rules and those of the roles that it inherits.
    pub(super) fn covered(&mut self) {
        let wire = self.wire;
        for (name, role) in &wire.roles {
            let denials = denials(wire, name);
            for (at, rule) in role.allow.iter().enumerate() {
                let Some(by) = denials.iter().find(|(_, deny)| covers(deny, rule)) else { continue };
                let message = format!("whoever has this rule is denied all of it by `{}`", by.0);
                let path = [key("roles"), key(name), key("allow"), Segment::Index(at)];
                self.add(LintKind::Shadowed, &path, message, Some("take one of the two out".to_string()));
            }
        }
    }
}

/// The deny rules without a condition that every holder of a role has, with their ids.
fn denials<'w>(wire: &'w PolicyWire, role: &'w str) -> Vec<(String, &'w RuleWire)> {
    let mut open = Vec::from([role]);
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(name) = open.pop() {
        let Some(role) = wire.roles.get(name).filter(|_| seen.insert(name)) else { continue };
        open.extend(role.inherits.iter().map(String::as_str));
        found.extend(plain(name, role));
    }
    found
}

fn plain<'w>(name: &str, role: &'w RoleWire) -> impl Iterator<Item = (String, &'w RuleWire)> {
    let plain = |rule: &RuleWire| {
        rule.when.is_none() && rule.operations.is_none() && rule.on.is_none() && rule.mode == Mode::Enforce
    };
    let each = role.deny.iter().enumerate().filter(move |(_, rule)| plain(rule));
    let id = move |at, rule: &RuleWire| rule.id.clone().unwrap_or_else(|| format!("{name}/deny/{at}"));
    each.map(move |(at, rule)| (id(at, rule), rule)).collect::<Vec<_>>().into_iter()
}

fn covers(deny: &RuleWire, allow: &RuleWire) -> bool {
    let on_method = |name: &str| deny.methods.iter().any(|pattern| glob_fits(pattern, name));
    let each = |denied: &[PatternWire], allowed: &[PatternWire]| {
        let denied: Vec<Pattern> = denied.iter().filter_map(compiled).collect();
        allowed.iter().filter_map(compiled).all(|pattern| denied.iter().any(|deny| includes(deny, &pattern)))
    };
    let methods = allow.methods.iter().all(|method| on_method(method));
    methods
        && (on_method("tools/call") || each(&deny.tools, &allow.tools))
        && each(&deny.prompts, &allow.prompts)
        && each(&deny.resources, &allow.resources)
        && each(&deny.routes, &allow.routes)
}

/// Whether all that `inner` fits, `outer` fits; false where it is not plain to see.
fn includes(outer: &Pattern, inner: &Pattern) -> bool {
    match (outer, inner) {
        (Pattern::Anything, _) => true,
        (outer, Pattern::Literal(text)) => outer.fits(text) == Truth::True,
        (Pattern::Prefix(head), Pattern::Prefix(text)) => text.starts_with(head.as_str()),
        (Pattern::Prefix(head), Pattern::Glob(text)) => {
            text.split(['*', '?']).next().is_some_and(|text| text.starts_with(head.as_str()))
        }
        (Pattern::Suffix(tail), Pattern::Suffix(text)) => text.ends_with(tail.as_str()),
        (Pattern::Suffix(tail), Pattern::Glob(text)) => {
            text.rsplit(['*', '?']).next().is_some_and(|text| text.ends_with(tail.as_str()))
        }
        (Pattern::Glob(one), Pattern::Glob(two)) => one == two,
        (Pattern::Regex(one), Pattern::Regex(two)) => one.as_str() == two.as_str(),
        (
            Pattern::Literal(_)
            | Pattern::Prefix(_)
            | Pattern::Suffix(_)
            | Pattern::Glob(_)
            | Pattern::Regex(_),
            Pattern::Anything
            | Pattern::Prefix(_)
            | Pattern::Suffix(_)
            | Pattern::Glob(_)
            | Pattern::Regex(_),
        ) => false,
    }
}
