// SPDX-License-Identifier: Apache-2.0
//! API keys by the built program: what is printed, what is kept, and that the gate's configuration takes it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on fails"
)]

mod common;

use common::run;
use serde_json::json;

const CONFIGURATION: &str = r#"
servers:
- { name: s, match: { hosts: [h], path: /mcp }, resource: "https://h/mcp", policy: default, api_keys: [partners] }
policies: { default: { inline: { version: 1, roles: { r: {} } } } }
api_keys:
  partners:
KEYS
"#;

fn secret(key: &str) -> &str {
    key.split('_').nth(2).unwrap()
}

#[test]
fn a_key_is_printed_once_and_kept_as_a_hash() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["keys.json", "keys.yaml"] {
        let file = folder.path().join(name);
        let path = file.to_str().unwrap();
        let made = run(&[
            "apikey",
            "create",
            "--json",
            "--owner",
            "acme",
            "--role",
            "reader",
            "--label",
            "team=data",
            "--document",
            path,
        ]);
        assert_eq!(made.code, Some(0), "{made:?}");
        let (made, kept) = (made.json(), std::fs::read_to_string(&file).unwrap());
        let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
        assert!(key.starts_with(&format!("tgk_{id}_")) && secret(key).len() == 43, "{key}");
        assert!(kept.contains(id) && kept.contains("sha256:") && !kept.contains(secret(key)), "{kept}");
        // A second owner's key beside it, then the first is replaced and withdrawn.
        assert_eq!(run(&["apikey", "create", "--owner", "other", "--document", path]).code, Some(0));
        let rotated = run(&["apikey", "rotate", "--json", id, "--document", path, "--overlap", "1h"]).json();
        let new = rotated["id"].as_str().unwrap();
        assert_eq!(rotated["entry"]["roles"], json!(["reader"]));
        assert_eq!(rotated["entry"]["labels"], json!({ "team": "data" }));
        assert_ne!((new, rotated["key"].as_str().unwrap()), (id, key));
        assert!(rotated["replaces"]["expires"].as_str() < rotated["entry"]["expires"].as_str());
        assert_eq!(run(&["apikey", "revoke", new, "--document", path]).code, Some(0));
        let again = run(&["apikey", "rotate", new, "--document", path]);
        assert_eq!(again.code, Some(2), "{again:?}");
        let kept = std::fs::read_to_string(&file).unwrap();
        assert_eq!(kept.matches("revoked").count(), 1, "{kept}");
        assert_eq!(kept.matches("sha256:").count(), 3);
        // The document is what a configuration takes.
        let set: String = kept.lines().map(|line| format!("    {line}\n")).collect();
        let config = folder.path().join("gate.yaml");
        std::fs::write(&config, CONFIGURATION.replace("KEYS\n", &set)).unwrap();
        let checked = run(&["config", "check", config.to_str().unwrap()]);
        assert_eq!(checked.code, Some(0), "{checked:?}");
    }
}

#[test]
fn without_a_document_the_entry_is_printed() {
    let made = run(&["apikey", "create", "--owner", "acme", "--never-expires"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let key = made.stdout.lines().next().unwrap();
    assert_eq!(made.stdout.matches(secret(key)).count(), 1, "the key stands there once");
    let entry = made.stdout.split_once("keys`:\n").unwrap().1;
    assert!(
        entry.contains("owner: acme") && entry.contains("hash:") && !entry.contains("expires"),
        "{entry}"
    );
}

#[test]
fn what_cannot_be_done_says_so_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let path = file.to_str().unwrap();
    assert_eq!(run(&["apikey", "revoke", "x", "--document", path]).code, Some(1), "there is no document");
    let made = run(&["apikey", "create", "--json", "--owner", "acme", "--document", path]).json();
    let key = made["key"].as_str().unwrap();
    let before = std::fs::read_to_string(&file).unwrap();
    for arguments in [
        &["apikey", "revoke", key, "--document", path][..],
        &["apikey", "rotate", "nobody", "--document", path],
    ] {
        let refused = run(arguments);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(!refused.stderr.contains(secret(key)), "{refused:?}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    // A key that was pasted into the document is not repeated.
    std::fs::write(&file, before.replacen("sha256:", &format!("{key}:"), 1)).unwrap();
    let refused = run(&["apikey", "create", "--owner", "acme", "--document", path]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(!refused.stderr.contains(secret(key)), "{refused:?}");
    let long = "x".repeat(257);
    for arguments in [
        &[][..],
        &["--owner", ""],
        &["--owner", "a\nb"],
        &["--owner", &long],
        &["--owner", "a", "--role", ""],
        &["--owner", "a", "--label", "x"],
        &["--owner", "a", "--label", "x=\u{7}"],
        &["--owner", "a", "--expires", "0d"],
    ] {
        let refused = run(&[&["apikey", "create"], arguments].concat());
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(64), ""), "{arguments:?}: {refused:?}");
    }
    // What is as long as it may be is what the configuration takes.
    assert_eq!(run(&["apikey", "create", "--owner", &long[1..], "--expires", "1s"]).code, Some(0));
}
