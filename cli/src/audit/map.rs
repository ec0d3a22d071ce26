// SPDX-License-Identifier: Apache-2.0
//! Records in the words of others: OCSF and ECS. The mappings are data; here is only how they are read.
//!
//! In a template, `{"$": "policy.name"}` is that member of the record (`*` all of it, empty the value at hand), and is
//! left out if the record has none; `map` replaces values (`*` any other), `else` stands in for an absent one, `each`
//! goes over an array, `as` converts; `{"part": NAME}` is a shared piece. Objects that end up empty are left out.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::time;
use crate::diagnostic::Failure;

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Words {
    /// Open Cybersecurity Schema Framework
    Ocsf,
    /// Elastic Common Schema
    Ecs,
}

/// A mapping that was read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mapping {
    #[serde(rename = "about")]
    _about: String,
    kinds: Map<String, Value>,
    parts: Map<String, Value>,
    templates: Map<String, Value>,
}

impl Mapping {
    pub(crate) fn of(words: Words) -> Result<Self, Failure> {
        let data = match words {
            Words::Ocsf => include_str!("data/ocsf.json"),
            Words::Ecs => include_str!("data/ecs.json"),
        };
        serde_json::from_str(data).map_err(|error| Failure::new(format!("the mapping is faulty: {error}")))
    }

    /// The record in these words.
    pub(crate) fn map(&self, record: &Value) -> Value {
        let kind = record.get("kind").and_then(Value::as_str).unwrap_or_default();
        let template = self.kinds.get(kind).or_else(|| self.kinds.get("*")).and_then(Value::as_str);
        let template = template.and_then(|name| self.templates.get(name));
        template.and_then(|template| self.fill(template, record)).unwrap_or_default()
    }

    fn fill(&self, template: &Value, record: &Value) -> Option<Value> {
        match template {
            Value::Object(members) => {
                if let Some(name) = members.get("part").and_then(Value::as_str) {
                    return self.parts.get(name).and_then(|part| self.fill(part, record));
                }
                if let Some(path) = members.get("$").and_then(Value::as_str) {
                    return self.value(members, path, record);
                }
                let filled = members
                    .iter()
                    .filter_map(|(name, inner)| Some((name.clone(), self.fill(inner, record)?)));
                let filled: Map<String, Value> = filled.collect();
                (!filled.is_empty()).then_some(Value::Object(filled))
            }
            Value::Array(items) => {
                let filled: Vec<Value> = items.iter().filter_map(|item| self.fill(item, record)).collect();
                (!filled.is_empty()).then_some(Value::Array(filled))
            }
            other => Some(other.clone()),
        }
    }

    fn value(&self, members: &Map<String, Value>, path: &str, record: &Value) -> Option<Value> {
        let Some(found) = look(record, path) else { return members.get("else").cloned() };
        if let Some(map) = members.get("map").and_then(Value::as_object) {
            let own = found.as_str().and_then(|text| map.get(text));
            return own.or_else(|| map.get("*")).cloned().filter(|value| !value.is_null());
        }
        if let Some(inner) = members.get("each") {
            let items = found.as_array().into_iter().flatten();
            let items: Vec<Value> = items.filter_map(|item| self.fill(inner, item)).collect();
            return (!items.is_empty()).then_some(Value::Array(items));
        }
        match members.get("as").and_then(Value::as_str) {
            Some("millis") => Some(Value::from(time::micros(found.as_str()?)? / 1_000)),
            Some("micros_to_millis") => Some(Value::from(found.as_u64()? / 1_000)),
            Some("micros_to_nanos") => Some(Value::from(found.as_u64()?.saturating_mul(1_000))),
            Some("text") => {
                Some(Value::from(found.as_str().map_or_else(|| found.to_string(), str::to_owned)))
            }
            _ => Some(found.clone()),
        }
    }
}

fn look<'r>(record: &'r Value, path: &str) -> Option<&'r Value> {
    if path.is_empty() || path == "*" {
        return Some(record);
    }
    path.split('.').try_fold(record, |value, name| match value {
        Value::Array(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)),
        other => other.get(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::{BTreeMap, BTreeSet};

    fn decision() -> Value {
        json!({
            "v": 1, "stream": "00", "seq": 7, "time": "2026-11-21T08:00:00.123456Z", "kind": "decision", "id": "d1",
            "request_id": "r1", "trace_id": "t1", "principal": { "subject": "alice", "issuer": "corp", "client": "ide", "roles": ["developer"] },
            "source": "10.1.2.3", "server": "everything", "http_method": "POST", "method": "tools/call",
            "tool": "table_delete", "class": "destructive", "decision": "deny", "reason": "deny_rule", "rules": ["no-delete"],
            "policy": { "name": "default", "version": "17", "digest": "5a" }, "status": 403, "outcome": "denied", "duration_us": 2300
        })
    }

    #[test]
    fn a_denial_is_an_ocsf_api_activity_with_everything_that_the_class_requires() {
        let mapped = Mapping::of(Words::Ocsf).unwrap().map(&decision());
        for (pointer, expected) in [
            ("/class_uid", json!(6003)),
            ("/activity_id", json!(4)),
            ("/type_uid", json!(600_304)),
            ("/time", json!(1_795_248_000_123_i64)),
            ("/severity_id", json!(2)),
            ("/action_id", json!(2)),
            ("/status_id", json!(2)),
            ("/status_code", json!("403")),
            ("/actor/user/groups", json!([{ "name": "developer" }])),
            ("/api/operation", json!("tools/call")),
            ("/api/service/name", json!("everything")),
            ("/src_endpoint", json!({ "ip": "10.1.2.3" })),
            ("/metadata/version", json!("1.3.0")),
            ("/metadata/uid", json!("d1")),
            ("/firewall_rule/uid", json!("no-delete")),
            ("/resources", json!([{ "name": "table_delete", "type": "destructive" }])),
            ("/duration", json!(2)),
        ] {
            assert_eq!(mapped.pointer(pointer), Some(&expected), "{pointer} of {mapped}");
        }
        let bare = json!({ "kind": "decision", "time": "2026-11-21T08:00:00.123456Z" });
        let mapped = Mapping::of(Words::Ocsf).unwrap().map(&bare);
        assert_eq!(mapped.pointer("/src_endpoint/name"), Some(&json!("unknown")));
        assert_eq!(mapped.pointer("/actor/user/uid"), Some(&json!("anonymous")));
        assert_eq!(mapped.pointer("/resources"), None);
    }

    #[test]
    fn ecs_gets_its_categories_from_the_allowed_values() {
        let mapped = Mapping::of(Words::Ecs).unwrap().map(&decision());
        for (pointer, expected) in [
            ("/@timestamp", json!("2026-11-21T08:00:00.123456Z")),
            ("/event/type", json!(["access", "denied"])),
            ("/event/outcome", json!("failure")),
            ("/event/duration", json!(2_300_000)),
            ("/user/id", json!("alice")),
            ("/rule/id", json!("no-delete")),
            ("/http/response/status_code", json!(403)),
            ("/trace/id", json!("t1")),
            ("/toolgate/tool", json!("table_delete")),
        ] {
            assert_eq!(mapped.pointer(pointer), Some(&expected), "{pointer} of {mapped}");
        }
        let change =
            json!({ "kind": "policy", "time": "2026-11-21T08:00:00.123456Z", "policy": { "version": "2" } });
        let mapped = Mapping::of(Words::Ecs).unwrap().map(&change);
        assert_eq!(mapped.pointer("/event/type"), Some(&json!(["change"])));
        assert_eq!(mapped.pointer("/toolgate/policy/version"), Some(&json!("2")));
    }

    /// Where members of the record go in a template: path by path.
    fn places(mapping: &Mapping, template: &Value, at: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
        match template {
            Value::Object(members) => {
                let word = |name: &str| members.get(name).and_then(Value::as_str);
                match (word("part").and_then(|part| mapping.parts.get(part)), word("$")) {
                    (Some(part), _) => places(mapping, part, at, found),
                    (None, Some("" | "*")) => {}
                    (None, Some(path)) => {
                        found.entry(path.to_owned()).or_default().insert(at.to_owned());
                    }
                    (None, None) => {
                        for (name, inner) in members {
                            let dot = if at.is_empty() { "" } else { "." };
                            places(mapping, inner, &format!("{at}{dot}{name}"), found);
                        }
                    }
                }
            }
            Value::Array(items) => {
                items.iter().for_each(|item| places(mapping, item, &format!("{at}[]"), found));
            }
            _ => {}
        }
    }

    #[test]
    fn the_page_says_where_every_member_goes() {
        let of = |words, template: &str| {
            let (mapping, mut found) = (Mapping::of(words).unwrap(), BTreeMap::new());
            places(&mapping, &mapping.templates[template], "", &mut found);
            found
        };
        let (ecs, ocsf) = (of(Words::Ecs, "decision"), of(Words::Ocsf, "api"));
        let cell = |found: Option<&BTreeSet<String>>| {
            let names: Vec<String> = found.into_iter().flatten().map(|name| format!("`{name}`")).collect();
            if names.is_empty() { "-".to_owned() } else { names.join(" ") }
        };
        let members: BTreeSet<&String> = ecs.keys().chain(ocsf.keys()).collect();
        let row =
            |name: &String| format!("| `{name}` | {} | {} |", cell(ecs.get(name)), cell(ocsf.get(name)));
        let rows: Vec<String> = members.into_iter().map(row).collect();
        let page = include_str!("../../../docs/audit-tools.md");
        let head = "| member | ECS | OCSF |\n|---|---|---|\n";
        let table = page.split_once(head).and_then(|(_, rest)| rest.split_once("\n\n")).unwrap().0;
        assert_eq!(table, rows.join("\n"), "docs/audit-tools.md");
    }
}
