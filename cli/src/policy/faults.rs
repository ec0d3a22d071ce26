// SPDX-License-Identifier: Apache-2.0
//! Everything that is wrong in a policy, not only the first thing: what is wrong is put aside, and the engine asked
//! again.

use serde_json::{Map, Value, json};
use toolgate_engine::{
    json::{DeError, Segment},
    policy::Policy,
};

use super::parse;

/// Beyond this many the first ones should be mended first.
const MOST: usize = 50;

/// What the engine says is wrong, in the order in which it finds it. Empty for a good policy.
pub(super) fn faults(mut policy: Value) -> Vec<DeError> {
    let mut found = Vec::new();
    while found.len() < MOST {
        let text = policy.to_string();
        let Ok(doc) = parse(&text) else { break };
        let Err(error) = Policy::compile(doc.root()) else { break };
        let before = policy.clone();
        put_aside(&mut policy, error.path(), found.len());
        found.push(error);
        if policy == before {
            break;
        }
    }
    found
}

/// Replaces what holds the fault by something that is good and keeps its place, so that the paths of other faults stay
/// right and nothing that refers to it breaks.
fn put_aside(policy: &mut Value, path: &[Segment], number: usize) {
    let names: Vec<&str> = path
        .iter()
        .map(|segment| match segment {
            Segment::Key(name) => name.as_str(),
            Segment::Index(_) => "",
        })
        .collect();
    let harmless = json!({ "id": format!("put-aside-{number}"), "methods": ["ping"] });
    let role = policy.get("roles").and_then(Value::as_object).and_then(|roles| roles.keys().next().cloned());
    match (names.as_slice(), path) {
        (["roles", name, list @ ("allow" | "deny"), _, ..], [_, _, _, Segment::Index(at), ..]) => {
            set(at_mut(policy, &["roles", name, list]), *at, harmless);
        }
        (["roles", name, key, ..], _) => drop_key(at_mut(policy, &["roles", name]), key),
        (["permissions", name, ..], _) => {
            if let Some(slot) = at_mut(policy, &["permissions", name]) {
                *slot = harmless;
            }
        }
        (["grants", _, ..], [_, Segment::Index(at), ..]) => {
            let grant = json!({ "subject": "put-aside", "allow": [harmless] });
            set(at_mut(policy, &["grants"]), *at, grant);
        }
        (["bindings", _, ..], [_, Segment::Index(at), ..]) => {
            let binding = json!({ "role": role, "when": { "subject": { "equals": "put-aside" } } });
            set(at_mut(policy, &["bindings"]), *at, binding);
        }
        (["version"], _) => {
            if let Some(slot) = at_mut(policy, &["version"]) {
                *slot = json!(1);
            }
        }
        ([key, ..], _) if *key != "roles" => drop_key(Some(policy), key),
        _ => {}
    }
}

fn at_mut<'v>(value: &'v mut Value, path: &[&str]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, name| value.get_mut(*name))
}

fn set(list: Option<&mut Value>, at: usize, new: Value) {
    if let Some(slot) = list.and_then(|list| list.get_mut(at)) {
        *slot = new;
    }
}

fn drop_key(object: Option<&mut Value>, key: &str) {
    let object: Option<&mut Map<String, Value>> = object.and_then(Value::as_object_mut);
    object.and_then(|object| object.remove(key));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_does_not_hide_another() {
        let rule = json!({ "id": "r", "tools": ["a"] });
        let policy = json!({
            "version": 2,
            "roles": {
                "a": { "inherits": ["bb"], "allow": [{ "tols": ["x"] }, { "tools": ["[x]"] }, rule] },
                "b": { "deny": [rule], "permissions": ["q"] },
            },
            "permissions": { "p": { "tools": [] } },
            "grants": [{ "subject": "s", "allow": [{ "methods": ["tools/lst"] }] }],
            "bindings": [{ "role": "c", "when": {} }, { "role": "a" }],
        });
        let mut paths: Vec<String> = faults(policy)
            .iter()
            .map(|error| toolgate_engine::config::Config::path_text(error.path()))
            .collect();
        paths.sort();
        let text = paths.join(" ");
        for wanted in [
            "version",
            "roles.a.inherits",
            "roles.a.allow[0]",
            "roles.a.allow[1]",
            "roles.b.deny[0]",
            "roles.b.permissions",
            "permissions.p",
            "grants[0]",
            "bindings[0]",
            "bindings[1]",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert_eq!(paths.len(), 10, "{text}");
    }

    #[test]
    fn what_cannot_be_put_aside_ends_the_search() {
        assert_eq!(faults(json!([])).len(), 1);
        assert_eq!(faults(json!({ "version": 1, "roles": {} })).len(), 1);
        assert!(faults(json!({ "version": 1, "roles": { "a": {} } })).is_empty());
    }
}
