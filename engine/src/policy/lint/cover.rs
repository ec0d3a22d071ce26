// SPDX-License-Identifier: Apache-2.0
//! Allow rules that a deny rule of the same callers takes away altogether, and rules that another makes needless.

use super::names::compiled;
use super::{LintKind, Look, key};
use crate::json::Segment;
use crate::policy::pattern::{Pattern, glob_fits};
use crate::policy::truth::Truth;
use crate::policy::wire::{Mode, PatternWire, PolicyWire, RuleWire, SurfaceWire};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Look<'_> {
    /// Whoever holds a role has its deny rules and those of the roles that it inherits.
    pub(super) fn covered(&mut self) {
        let wire = self.wire;
        for (name, role) in &wire.roles {
            let plain = Plain::of(wire, name);
            for (word, rules) in [("allow", &role.allow), ("deny", &role.deny)] {
                for (at, rule) in rules.iter().enumerate() {
                    let path = [key("roles"), key(name), key(word), Segment::Index(at)];
                    self.rule_covered(&path, rule, (word, &plain));
                }
            }
            for (at, permission) in role.permissions.iter().enumerate() {
                let Some(rule) = wire.permissions.get(permission) else { continue };
                let path = [key("roles"), key(name), key("permissions"), Segment::Index(at)];
                self.rule_covered(&path, rule, ("permissions", &plain));
            }
        }
    }

    fn rule_covered(&mut self, path: &[Segment], rule: &RuleWire, (word, plain): (&str, &Plain<'_>)) {
        let by = |all: &[(String, &RuleWire)], whose: Whose| {
            let other =
                all.iter().find(|(_, other)| !core::ptr::eq(*other, rule) && covers(other, rule, whose));
            other.map(|(id, _)| id.clone())
        };
        let cure = Some("take one of the two out".to_string());
        let denied = (word != "deny").then(|| by(&plain.denials, Whose::Denial)).flatten();
        if let Some(by) = denied {
            let message = format!("whoever has this rule is denied all of it by `{by}`");
            return self.add(LintKind::Shadowed, path, message, cure);
        }
        // A rule in shadow, or on answers, is not made needless by one in force on calls.
        let compared =
            rule.mode == Mode::Enforce && !rule.on.iter().flatten().any(|on| *on == SurfaceWire::Answer);
        let same = if word == "deny" { &plain.denials } else { &plain.allowances };
        // Of two that say the same, the one that says more than it need is told.
        let more = rule.when.is_some() || rule.operations.is_some() || rule.require.is_some();
        if let Some(by) = by(same, Whose::Same).filter(|_| compared && more) {
            let message = format!(
                "`{by}` does all of it without a condition, so what this rule asks for counts for nothing"
            );
            self.add(LintKind::Redundant, path, message, cure);
        }
    }
}

/// The rules without a condition that every holder of a role has, with their ids.
#[derive(Default)]
struct Plain<'w> {
    denials: Vec<(String, &'w RuleWire)>,
    allowances: Vec<(String, &'w RuleWire)>,
}

impl<'w> Plain<'w> {
    fn of(wire: &'w PolicyWire, role: &'w str) -> Plain<'w> {
        let mut open = Vec::from([role]);
        let mut seen = BTreeSet::new();
        let mut found = Plain::default();
        while let Some(name) = open.pop() {
            let Some(role) = wire.roles.get(name).filter(|_| seen.insert(name)) else { continue };
            open.extend(role.inherits.iter().map(String::as_str));
            found.denials.extend(plain(name, "deny", &role.deny));
            found.allowances.extend(plain(name, "allow", &role.allow));
            let permissions = role
                .permissions
                .iter()
                .filter_map(|name| wire.permissions.get(name).map(|rule| (name, rule)));
            let permissions = permissions.filter(|(_, rule)| is_plain(rule));
            let id = |(name, rule): (&String, &'w RuleWire)| (rule.id.as_ref().unwrap_or(name).clone(), rule);
            found.allowances.extend(permissions.map(id));
        }
        found
    }
}

fn is_plain(rule: &RuleWire) -> bool {
    let bare = rule.when.is_none() && rule.operations.is_none() && rule.require.is_none();
    bare && rule.on.is_none() && rule.mode == Mode::Enforce
}

fn plain<'w>(name: &str, word: &str, rules: &'w [RuleWire]) -> Vec<(String, &'w RuleWire)> {
    let each = rules.iter().enumerate().filter(|(_, rule)| is_plain(rule));
    let id = |at, rule: &RuleWire| rule.id.clone().unwrap_or_else(|| format!("{name}/{word}/{at}"));
    each.map(|(at, rule)| (id(at, rule), rule)).collect()
}

/// What the rule that covers is, beside the one that is covered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// It takes away what the other gives: on a method, also the targets of the method.
    Denial,
    /// It does the same.
    Same,
}

fn covers(outer: &RuleWire, inner: &RuleWire, whose: Whose) -> bool {
    let on_method = |name: &str| outer.methods.iter().any(|pattern| glob_fits(pattern, name));
    let each = |outer: &[PatternWire], inner: &[PatternWire]| {
        let outer: Vec<Pattern> = outer.iter().filter_map(compiled).collect();
        inner.iter().filter_map(compiled).all(|pattern| outer.iter().any(|own| includes(own, &pattern)))
    };
    let methods = inner.methods.iter().all(|method| on_method(method));
    methods
        && ((whose == Whose::Denial && on_method("tools/call")) || each(&outer.tools, &inner.tools))
        && each(&outer.prompts, &inner.prompts)
        && each(&outer.resources, &inner.resources)
        && each(&outer.routes, &inner.routes)
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
