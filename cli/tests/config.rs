// SPDX-License-Identifier: Apache-2.0
//! `toolgate config`: every fault has its line, and what is rendered is what was written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use common::{Run, run, run_with};
use serde_json::{Value, json};

const GATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/gate.yaml");

/// Checks the good configuration with one piece of text replaced.
fn check_with(old: &str, new: &str) -> Run {
    let text = std::fs::read_to_string(GATE).unwrap();
    assert!(text.contains(old), "{old}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gate.yaml");
    std::fs::write(&file, text.replacen(old, new, 1)).unwrap();
    run(&["config", "check", file.to_str().unwrap(), "--json"])
}

#[test]
fn a_good_configuration_is_good_and_says_which_secrets_it_could_not_see() {
    let good = run(&["config", "check", GATE, "--production", "--json"]);
    assert_eq!(good.code, Some(0), "{good:?}");
    let said = good.json();
    assert_eq!(
        said["summary"],
        json!({ "servers": 1, "routes": 0, "issuers": 1, "policies": 1, "rules": 1 })
    );
    let severities: Vec<&Value> =
        said["diagnostics"].as_array().unwrap().iter().map(|diagnostic| &diagnostic["severity"]).collect();
    assert_eq!(severities, ["note", "note"]);
    let text = run(&["config", "check", GATE]);
    assert!(text.stdout.contains("is good: 1 server, 0 routes, 1 issuer, 1 rule"), "{text:?}");
    assert!(text.stderr.contains("note: `TOOLGATE_TEST_STATE` is not set here"), "{text:?}");
}

#[test]
fn a_secret_that_is_not_here_is_not_found_wrong() {
    let text = std::fs::read_to_string(GATE).unwrap();
    let secrets = r#"    secrets:
      - { value: { env: TOOLGATE_TEST_CODED }, encoding: base64url }
      - { id: plain, value: { env: TOOLGATE_TEST_PLAIN } }
"#;
    let key = "    jwks: { uri: https://idp.example.com/jwks }\n";
    let text = text.replacen("[RS256, ES256]", "[HS256, HS512]", 1).replacen(key, secrets, 1);
    let signer = "signer: { issuer: https://gate.example.com, keys: [{ env: TOOLGATE_TEST_SEED }] }\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gate.yaml");
    std::fs::write(&file, text + signer).unwrap();
    let path = file.to_str().unwrap();
    let checked = run(&["config", "check", path]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for name in ["CODED", "PLAIN", "SEED"] {
        let note = format!("note: `TOOLGATE_TEST_{name}` is not set here, so its value was not checked");
        assert!(checked.stderr.contains(&note), "{checked:?}");
    }
    let rendered = run(&["config", "render", path, "--as", "struct"]);
    assert_eq!(rendered.code, Some(0), "{rendered:?}");
    // One that is here is looked at.
    for name in ["CODED", "PLAIN", "SEED"] {
        let name = format!("TOOLGATE_TEST_{name}");
        let checked = run_with(&["config", "check", path], "", &[(&name, "not good")]);
        assert_eq!(checked.code, Some(2), "{checked:?}");
    }
}

#[test]
fn every_fault_is_shown_at_its_line() {
    for (old, new, line, word) in [
        ("    issuers: [corp]", "    issuerz: [corp]", 6, "did you mean `issuers`?"),
        ("    issuers: [corp]", "    issuers: [crop]", 6, "`corp`"),
        ("    policy: default", "    policy: defualt", 7, "`default`"),
        ("{ env: TOOLGATE_TEST_STATE }", "hunter2-hunter2-hunter2-hunter2!", 24, "env"),
        ("path: /mcp }", "pathh: /mcp }", 4, "did you mean `path`?"),
        ("tools: [\"get_*\"]", "toolz: [\"get_*\"]", 21, "did you mean `tools`?"),
        ("role: readonly, when", "role: readnoly, when", 23, "`readonly`"),
        ("[RS256, ES256]", "[RS256, none]", 13, ""),
        ("  corp:\n", "  corp: &a\n", 10, "write the value out"),
    ] {
        let refused = check_with(old, new);
        assert_eq!(refused.code, Some(2), "{new}: {refused:?}");
        let said = refused.json();
        let first = &said["diagnostics"][0];
        assert_eq!((&first["severity"], &first["line"]), (&json!("error"), &json!(line)), "{new}: {first}");
        let text = format!("{} {}", first["message"], first["help"]);
        assert!(text.contains(word) && !text.contains("hunter2"), "{new}: {text}");
    }
}

#[test]
fn an_empty_server_list_and_a_role_cycle_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gate.yaml");
    std::fs::write(&file, "servers: []\n").unwrap();
    let refused = run(&["config", "check", file.to_str().unwrap()]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("gate.yaml:1:1"), "{}", refused.stderr);
    let cycle = "readonly: { inherits: [other], allow: [{ id: read, methods: [tools/list], tools: [\"get_*\"] }] }\n        other: { inherits: [readonly] }";
    let refused =
        check_with("readonly: { allow: [{ id: read, methods: [tools/list], tools: [\"get_*\"] }] }", cycle);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

#[test]
fn what_is_only_fit_for_development_is_refused_for_production() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gate.yaml");
    let text = std::fs::read_to_string(GATE).unwrap();
    std::fs::write(
        &file,
        text.replace("    policy: default\n", "    policy: default\n    anonymous: { role: readonly }\n"),
    )
    .unwrap();
    let name = file.to_str().unwrap();
    assert_eq!(run(&["config", "check", name]).code, Some(0));
    let refused = run(&["config", "check", name, "--production"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("warning: ") && refused.stderr.contains("--> "), "{}", refused.stderr);
}

#[test]
fn every_carrier_carries_what_was_written() {
    let render = |carrier: &str| {
        let rendered = run(&["config", "render", GATE, "--as", carrier, "--json"]);
        assert_eq!(rendered.code, Some(0), "{rendered:?}");
        rendered.json()
    };
    let config = |value: &Value| value[0]["typed_config"]["config"].clone();
    let plain = config(&render("struct"));
    assert_eq!(plain["configuration"]["value"]["servers"][0]["name"], json!("everything"));
    assert_eq!(plain["allow_on_headers_stop_iteration"], json!(true));
    let keys = &plain["vm_config"]["environment_variables"]["host_env_keys"];
    assert_eq!(*keys, json!(["TOOLGATE_TEST_STATE", "TOOLGATE_TEST_UPSTREAM"]));
    let string = config(&render("string"))["configuration"]["value"].clone();
    let read: Value = serde_json::from_str(string.as_str().unwrap()).unwrap();
    assert_eq!(read, plain["configuration"]["value"]);
    assert!(config(&render("bytes"))["configuration"]["value"].is_string());
    let text = run(&["config", "render", GATE]).stdout;
    assert!(text.starts_with("- name: toolgate\n"), "{text}");
    assert!(
        text.contains(
            "\n      configuration:\n        \"@type\": type.googleapis.com/google.protobuf.Struct\n"
        ),
        "{text}"
    );
    // Istio cannot set what this configuration says is set.
    assert_eq!(run(&["config", "render", GATE, "--as", "istio"]).code, Some(2));
}

#[test]
fn behind_the_gate_stands_what_misses_its_mark() {
    let names = |file: &str| -> Vec<Value> {
        let rendered = run(&["config", "render", file, "--json"]).json();
        rendered.as_array().unwrap().iter().map(|filter| filter["name"].clone()).collect()
    };
    assert_eq!(names(GATE), [json!("toolgate"), json!("toolgate-presence")]);
    let unmarked = std::fs::read_to_string(GATE).unwrap().replace("host: { ", "host: { presence: false, ");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gate.yaml");
    std::fs::write(&file, unmarked).unwrap();
    assert_eq!(names(file.to_str().unwrap()), [json!("toolgate")]);
    let check = run(&["config", "check", file.to_str().unwrap(), "--production"]);
    assert_eq!(check.code, Some(2));
    assert!(check.stderr.contains("requests are not marked"), "{}", check.stderr);
}

#[test]
fn the_policy_for_development_is_refused_for_production() {
    let text = std::fs::read_to_string(GATE).unwrap();
    let (before, rest) = text.split_once("\npolicies:\n").unwrap();
    let (_, after) = rest.split_once("\nsecrets:").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gate.yaml");
    std::fs::write(&file, format!("{before}\npolicies: {{ default: development }}\nsecrets:{after}"))
        .unwrap();
    let path = file.to_str().unwrap();
    let good = run(&["config", "check", path]);
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.stderr.contains("policy `default` allows everyone everything"), "{good:?}");
    assert_eq!(run(&["config", "check", path, "--production"]).code, Some(2));
}
