// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy`: the engine's verdicts on written cases.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use common::run;
use serde_json::json;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/policy");
const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/policy/policy.yaml");

#[test]
fn cases_that_match_are_counted_and_one_that_differs_is_shown() {
    let good = run(&["policy", "test", FOLDER]);
    assert_eq!((good.code, good.stdout.trim()), (Some(0), "15 cases, all as expected"), "{good:?}");

    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(POLICY, folder.path().join("policy.yaml")).unwrap();
    let cases = "policy: policy.yaml\nprincipals:\n  bob: { roles: [readonly] }\ncases:\n  - { as: bob, call: tools/call, tool: echo, expect: deny }\n";
    let file = folder.path().join("cases.yaml");
    std::fs::write(&file, cases).unwrap();
    let bad = run(&["policy", "test", file.to_str().unwrap()]);
    assert_eq!(bad.code, Some(2));
    assert!(
        bad.stdout.contains("cases.yaml:5: bob tools/call echo\n  expected deny\n  got      allow by `read`"),
        "{bad:?}"
    );

    std::fs::write(&file, cases.replace("as: bob", "as: bbo")).unwrap();
    let typo = run(&["policy", "test", file.to_str().unwrap()]);
    assert_eq!(typo.code, Some(2));
    assert!(typo.stderr.contains("did you mean `bob`?") && typo.stderr.contains("cases.yaml:5:"), "{typo:?}");
}

#[test]
fn a_policy_is_checked_with_lines() {
    let good = run(&["policy", "check", POLICY, "--json"]);
    assert_eq!((good.code, &good.json()["rules"]), (Some(0), &json!(4)), "{good:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    std::fs::write(
        &file,
        std::fs::read_to_string(POLICY).unwrap().replace("inherits: [readonly]", "inherits: [readnoly]"),
    )
    .unwrap();
    let bad = run(&["policy", "check", file.to_str().unwrap()]);
    assert_eq!(bad.code, Some(2));
    assert!(bad.stderr.contains("policy.yaml:8:") && bad.stderr.contains("`readonly`"), "{}", bad.stderr);
}

#[test]
fn explain_names_the_rule_and_exits_by_the_verdict() {
    let claims = "{ sub: bob, roles: [readonly] }";
    let allowed = run(&["policy", "explain", POLICY, "--claims", claims, "--tool", "echo"]);
    assert_eq!((allowed.code, allowed.stdout.as_str()), (Some(0), "allow by `read`\nroles: readonly\n"));
    let denied = run(&["policy", "explain", POLICY, "--claims", claims, "--tool", "code_edit", "--json"]);
    assert_eq!((denied.code, &denied.json()["verdict"]["reason"]), (Some(2), &json!("no_rule")));
    let typo = run(&["policy", "explain", POLICY, "--claims", claims, "--call", "tools/lst"]);
    assert_eq!(typo.code, Some(64));
    assert!(typo.stderr.contains("did you mean `tools/list`?"), "{}", typo.stderr);
}
