// SPDX-License-Identifier: Apache-2.0
//! Which rules the holders of roles and grants have, with what roles inherit and with what permissions stand for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use toolgate_engine::policy::Effect;

/// What a rule is on that is not on calls and lists alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Only {
    Answers,
    Lists,
    Calls,
}

/// A rule on one thing only, and whose it is. The names of rules and what they say to people are not compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    role: String,
    rule: Ruled,
}

/// The rule itself, as compact JSON, which has an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ruled {
    only: Only,
    denies: bool,
    written: String,
}

impl Held {
    pub(crate) fn only(&self) -> Only {
        self.rule.only
    }

    pub(crate) fn effect(&self) -> Effect {
        if self.rule.denies { Effect::Deny } else { Effect::Allow }
    }

    /// As reports write it.
    pub(crate) fn to_json(&self) -> Value {
        let rule: Value = serde_json::from_str(&self.rule.written).unwrap_or_default();
        json!({ "role": self.role, "effect": self.effect().word(), "rule": rule })
    }
}

/// The rules in force on answers only, on lists only and on calls only, for each role that has them, wherever from.
pub(crate) fn by_role(policy: &Value) -> BTreeSet<Held> {
    let Some(roles) = policy.get("roles").and_then(Value::as_object) else { return BTreeSet::new() };
    let own: BTreeMap<&str, Vec<Ruled>> =
        roles.iter().map(|(name, role)| (name.as_str(), own(policy, role))).collect();
    let held = roles.keys().flat_map(|role| {
        let rules = ancestry(policy, role).into_iter().filter_map(|name| own.get(name)).flatten();
        rules.map(move |rule| Held { role: role.clone(), rule: rule.clone() })
    });
    held.collect()
}

/// Grants, each with the rules of its permissions in place of their names.
pub(crate) fn grants(policy: &Value) -> BTreeSet<String> {
    let grants = policy.get("grants").and_then(Value::as_array).into_iter().flatten();
    let resolved = grants.map(|grant| {
        let mut resolved = grant.clone();
        if let Some(members) = resolved.as_object_mut() {
            members.remove("permissions");
            members.remove("description");
            for (word, effect) in [("allow", Effect::Allow), ("deny", Effect::Deny)] {
                members.remove(word);
                let rules: BTreeMap<String, Value> =
                    rules(policy, grant, effect).map(|rule| (rule.to_string(), rule)).collect();
                if !rules.is_empty() {
                    members.insert(word.to_owned(), rules.into_values().collect());
                }
            }
        }
        resolved.to_string()
    });
    resolved.collect()
}

/// A role and all that it inherits, each once.
fn ancestry<'p>(policy: &'p Value, role: &'p str) -> BTreeSet<&'p str> {
    let mut found = BTreeSet::new();
    let mut open = vec![role];
    while let Some(role) = open.pop() {
        if found.insert(role) {
            let written = policy.get("roles").and_then(|roles| roles.get(role));
            open.extend(written.into_iter().flat_map(|role| names(role, "inherits")));
        }
    }
    found
}

fn own(policy: &Value, holder: &Value) -> Vec<Ruled> {
    let of = |effect: Effect| {
        let rules = rules(policy, holder, effect)
            .filter(|rule| !rule.get("mode").is_some_and(|mode| mode == "shadow"));
        rules.filter_map(move |rule| {
            let (only, denies) = (only(&rule)?, effect == Effect::Deny);
            Some(Ruled { only, denies, written: rule.to_string() })
        })
    };
    of(Effect::Allow).chain(of(Effect::Deny)).collect()
}

/// What a role or a grant allows or denies by itself, its permissions included, which allow.
fn rules<'p>(policy: &'p Value, holder: &'p Value, effect: Effect) -> impl Iterator<Item = Value> + 'p {
    let (word, permissions) = match effect {
        Effect::Allow => ("allow", "permissions"),
        Effect::Deny => ("deny", ""),
    };
    let written = holder.get(word).and_then(Value::as_array).into_iter().flatten();
    let named = names(holder, permissions).filter_map(|name| policy.get("permissions")?.get(name));
    written.chain(named).cloned().map(|mut rule| {
        if let Some(members) = rule.as_object_mut() {
            members.remove("id");
            members.remove("description");
        }
        rule
    })
}

/// A rule without `on` is on calls and lists; the engine refuses answers beside others.
fn only(rule: &Value) -> Option<Only> {
    let on = |word: &str| {
        rule.get("on").and_then(Value::as_array).is_some_and(|on| on.iter().any(|on| on == word))
    };
    match (on("answer"), on("list"), on("call")) {
        (true, _, _) => Some(Only::Answers),
        (false, true, false) => Some(Only::Lists),
        (false, false, true) => Some(Only::Calls),
        (false, true, true) | (false, false, false) => None,
    }
}

fn names<'v>(holder: &'v Value, word: &str) -> impl Iterator<Item = &'v str> {
    holder.get(word).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
