// SPDX-License-Identifier: Apache-2.0
//! `toolgate config schema`: what is checked in is current, every key is explained, and the examples fit.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::{collections::BTreeSet, fs};

use common::run;
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn schema(arguments: &[&str]) -> String {
    let said = run(&[&["config", "schema"], arguments].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    said.stdout
}

#[test]
fn the_schemas_that_are_checked_in_are_current() {
    for (arguments, name) in [(&[][..], "config"), (&["--policy"], "policy")] {
        let path = format!("{ROOT}/docs/schema/{name}.schema.json");
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == schema(arguments),
            "write `toolgate config schema {}` to {path}",
            arguments.join(" ")
        );
    }
}

/// Every property name of a schema, and every word that a property may have.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    if let Some(properties) = value.get("properties").and_then(Value::as_object) {
        found.extend(properties.keys().cloned());
    }
    let words = value.get("enum").and_then(Value::as_array).into_iter().flatten().chain(value.get("const"));
    found.extend(words.filter_map(Value::as_str).map(str::to_owned));
    match value {
        Value::Object(members) => members.values().for_each(|member| keys(member, found)),
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn every_key_and_word_is_in_the_reference() {
    let reference = ["configuration", "policy"]
        .map(|name| fs::read_to_string(format!("{ROOT}/docs/{name}.md")).unwrap())
        .concat();
    // A key or word stands in backticks, alone or as a part of a path or an example.
    let codes: Vec<&str> = reference.split('`').skip(1).step_by(2).collect();
    let plain = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let mentioned: BTreeSet<&str> =
        codes.iter().flat_map(|code| code.split(|char: char| !plain(char))).collect();
    let is_missing = |key: &&String| match key.chars().all(plain) {
        true => !mentioned.contains(key.as_str()),
        false => !codes.iter().any(|code| code.contains(key.as_str())),
    };
    let mut all = BTreeSet::new();
    keys(&serde_json::from_str(&schema(&[])).unwrap(), &mut all);
    assert!(all.len() > 100, "{}", all.len());
    let missing: Vec<&String> = all.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "neither docs/configuration.md nor docs/policy.md mentions {missing:?}");
}

/// What does not fit, for the words that the schemas use.
fn misfits(root: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.strip_prefix('#').unwrap()).unwrap();
        misfits(root, target, value, path, found);
    }
    for word in ["anyOf", "oneOf"] {
        let Some(options) = schema[word].as_array() else { continue };
        let fits = |option: &&Value| {
            let mut inside = Vec::new();
            misfits(root, option, value, path, &mut inside);
            inside.is_empty()
        };
        if !options.iter().any(|option| fits(&option)) {
            found.push(format!("{path}: none of {word}"));
        }
    }
    let is = |name: &Value| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    let types: Vec<&Value> = match &schema["type"] {
        Value::Array(names) => names.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    };
    let allowed = schema["enum"].as_array().is_none_or(|words| words.contains(value))
        && schema.get("const").is_none_or(|word| word == value);
    if !allowed || (!types.is_empty() && !types.iter().any(|name| is(name))) {
        found.push(format!("{path}: {value}"));
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        misfits(root, &schema["items"], item, &format!("{path}[{at}]"), found);
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.is_object() && value.get(name).is_none() {
            found.push(format!("{path}: no {name}"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => found.push(path),
            (Value::Null, more) => misfits(root, more, member, &path, found),
            (own, _) => misfits(root, own, member, &path, found),
        }
    }
}

#[test]
fn the_examples_fit_and_a_misspelt_key_does_not() {
    let gate = fs::read_to_string(format!("{ROOT}/docs/gate.yaml")).unwrap();
    let (head, rest) = gate.split_once("    inline:\n").unwrap();
    let (_, tail) = rest.split_once("\nsecrets:").unwrap();
    let mut texts = vec![("gate".to_owned(), gate.clone())];
    for entry in fs::read_dir(format!("{ROOT}/policies")).unwrap() {
        let path = entry.unwrap().path().join("policy.yaml");
        let Ok(policy) = fs::read_to_string(&path) else { continue };
        let policy: String = policy.lines().map(|line| format!("      {line}\n")).collect();
        texts.push((path.display().to_string(), format!("{head}    inline:\n{policy}\nsecrets:{tail}")));
    }
    assert!(texts.len() > 10, "{}", texts.len());
    let root: Value = serde_json::from_str(&schema(&[])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gate.yaml");
    for (name, text) in texts {
        fs::write(&file, text).unwrap();
        let rendered = run(&["config", "render", file.to_str().unwrap(), "--json"]);
        assert_eq!(rendered.code, Some(0), "{name}: {rendered:?}");
        let mut value = rendered.json()[0]["typed_config"]["config"]["configuration"]["value"].clone();
        let look = |value: &Value| {
            let mut found = Vec::new();
            misfits(&root, &root, value, "", &mut found);
            found
        };
        assert_eq!(look(&value), Vec::<String>::new(), "{name}");
        value["servers"][0]["issuerz"] = Value::Null;
        assert_eq!(look(&value), [".servers[0].issuerz"], "{name}");
        let policy = &mut value["policies"]["default"]["inline"];
        policy["bindings"][0]["rolle"] = Value::Null;
        assert!(!look(&value)[1..].is_empty(), "{name}");
    }
}
