// SPDX-License-Identifier: Apache-2.0
//! Policies held against audit records: `toolgate policy replay|least-privilege|access-review`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use common::{
    Run, run,
    trail::{Call, KEY, Maker, key},
};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;
use toolgate_engine::audit::{Outlet, Seal};

const POLICY: &str = "version: 1
roles:
  readonly: { allow: [ { id: lists, methods: [tools/list] }, { id: read, tools: [\"get_*\", echo] } ] }
  developer:
    inherits: [readonly]
    allow: [ { id: edit-code, tools: [\"code_*\"], when: { args: { /path: { path_under: src } } } } ]
    deny: [ { id: no-delete, tools: [\"*_delete\"] } ]
  admin: { allow: [ { id: everything, tools: [\"*\"] } ] }
  idle: { allow: [ { id: never, tools: [deploy] } ] }
bindings:
  - { role: developer, when: { claims: { /roles: { contains: developer } } } }
  - { role: admin, when: { claims: { /roles: { contains: admin } } } }
  - { role: idle, when: { claims: { /roles: { contains: idle } } } }
";

struct Desk {
    folder: TempDir,
    records: String,
}

impl Desk {
    fn new(calls: &[Call<'_>]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut out = String::new();
        let mut maker = Maker::start(&mut out, 1, Seal::Keyed(key(KEY)), Outlet::Log, &[]);
        for (call, at) in calls.iter().zip(0..) {
            maker.at(at * 60).call(&mut out, *call);
        }
        let records = folder.path().join("audit.jsonl");
        fs::write(&records, out).unwrap();
        let records = records.to_str().unwrap().to_owned();
        Self { folder, records }
    }

    fn ask(&self, command: &str, policy: &str, more: &[&str]) -> Run {
        let path = self.folder.path().join("policy.yaml");
        fs::write(&path, policy).unwrap();
        run(&[&["policy", command, path.to_str().unwrap(), &self.records], more].concat())
    }

    fn replay(&self, policy: &str) -> Value {
        self.ask("replay", policy, &["--json"]).json()
    }
}

fn echo() -> Call<'static> {
    Call { tool: Some("echo"), class: None, rule: Some("read"), ..Call::default() }
}

fn figures(said: &Value) -> [u64; 4] {
    ["same", "gains", "loses", "cannot_be_told"].map(|name| said[name].as_u64().unwrap())
}

/// A record does not say what a caller had shown, and holds no answer.
#[test]
fn what_a_rule_requires_cannot_be_told_and_rules_on_answers_are_not_asked() {
    let desk = Desk::new(&[echo()]);
    let stepped = POLICY.replace("[\"get_*\", echo] }", "[\"get_*\", echo], require: { acr: [mfa] } }");
    let said = desk.ask("replay", &stepped, &[]);
    assert!(said.stdout.contains("cannot be told: hangs on require"), "{said:?}");
    assert_eq!(figures(&desk.replay(&stepped)), [0, 0, 0, 1]);
    let withheld = POLICY.replace("deny: [ ", "deny: [ { id: no-echo, tools: [echo], on: [answer] }, ");
    assert_eq!(figures(&desk.replay(&withheld)), [1, 0, 0, 0]);
}

#[test]
fn what_is_recorded_is_asked_again_and_differences_are_named() {
    let delete = Call {
        tool: Some("table_delete"),
        decision: "deny",
        reason: "deny_rule",
        rule: Some("no-delete"),
        ..Call::default()
    };
    let list = Call { tool: None, class: None, method: "tools/list", rule: Some("lists"), ..Call::default() };
    let expired = Call { decision: "deny", reason: "expired", rule: None, ..Call::default() };
    let desk = Desk::new(&[echo(), echo(), delete, list, expired]);
    let same = desk.ask("replay", POLICY, &["--json"]);
    assert_eq!((same.code, figures(&same.json())), (Some(0), [4, 0, 0, 0]), "{same:?}");
    // The one who failed to authenticate never came before a policy, and has a kind of its own.
    let tighter = POLICY.replace("[\"get_*\", echo]", "[\"get_*\"]");
    let said = desk.ask("replay", &tighter, &["--json"]);
    assert_eq!((said.code, figures(&said.json())), (Some(2), [2, 0, 2, 0]), "{said:?}");
    let group = &said.json()["groups"][0];
    assert_eq!(
        *group,
        json!({ "change": "loses", "principal": "alice", "what": "tools/call echo", "recorded": "allow by `read`", "now": "deny: no_rule", "count": 2 })
    );
    let wider = POLICY
        .replace("deny: [ { id: no-delete", "deny: [ { id: other, tools: [x] }, { id: no-delete")
        .replace("[\"*_delete\"]", "[\"x_delete\"]")
        .replace("[\"get_*\", echo]", "[\"get_*\", echo, \"table_*\"]");
    let said = desk.replay(&wider);
    assert_eq!(
        (figures(&said), &said["groups"][0]["now"]),
        ([3, 1, 0, 0], &json!("allow by `read`")),
        "{said}"
    );
    let text = desk.ask("replay", &tighter, &[]);
    assert!(
        text.stdout.contains(
            "- 2 × alice tools/call echo\n    recorded allow by `read`\n    now      deny: no_rule"
        ),
        "{}",
        text.stdout
    );
}

#[test]
fn what_hangs_on_arguments_or_claims_cannot_be_told_and_is_said() {
    let desk = Desk::new(&[Call::default(), echo()]);
    let said = desk.ask("replay", POLICY, &["--json", "--each"]).json();
    assert_eq!(figures(&said), [1, 0, 0, 1], "{said}");
    assert_eq!(said["groups"][0]["now"], json!("cannot be told: hangs on args./path"));
    assert_eq!((&said["each"][0]["seq"], &said["each"][0]["change"]), (&json!(2), &json!("cannot_be_told")));
    // A deny rule that may fire leaves it open; an allow rule whose other part fails does not.
    let may_deny = POLICY.replace(
        "{ id: no-delete, tools: [\"*_delete\"] }",
        "{ id: not-here, tools: [echo], when: { claims: { /org: { equals: x } } } }",
    );
    assert_eq!(desk.replay(&may_deny)["groups"].as_array().unwrap().len(), 2);
    let fails = POLICY.replace(
        "when: { args: { /path: { path_under: src } } }",
        "when: { subject: { equals: bob }, args: { /path: { path_under: src } } }",
    );
    assert_eq!(figures(&desk.replay(&fails)), [1, 0, 1, 0]);
    let settled = POLICY
        .replace("when: { args: { /path: { path_under: src } } }", "when: { subject: { equals: alice } }");
    assert_eq!(figures(&desk.replay(&settled)), [2, 0, 0, 0]);
}

#[test]
fn roles_are_those_of_the_record_and_grants_are_those_of_the_policy() {
    let other = Call {
        subject: Some("carol"),
        roles: &[],
        decision: "deny",
        reason: "no_role",
        rule: None,
        tool: Some("echo"),
        class: None,
        ..Call::default()
    };
    let desk = Desk::new(&[other]);
    assert_eq!(figures(&desk.replay(POLICY)), [1, 0, 0, 0]);
    let granted =
        format!("{POLICY}grants:\n  - {{ subject: carol, allow: [ {{ id: for-carol, tools: [echo] }} ] }}\n");
    let said = desk.replay(&granted);
    assert_eq!(
        (figures(&said), &said["groups"][0]["now"]),
        ([0, 1, 0, 0], &json!("allow by `for-carol`")),
        "{said}"
    );
    let over = granted.replace("subject: carol,", "subject: carol, until: 2026-11-01T00:00:00Z,");
    assert_eq!(figures(&desk.replay(&over)), [1, 0, 0, 0], "at the time of the record");
    // A record has the issuer's address; which name that is, the configuration says.
    let by_issuer =
        POLICY.replace("{ id: read, tools", "{ id: read, when: { issuer: { equals: corp } }, tools");
    assert_eq!(figures(&Desk::new(&[echo()]).replay(&by_issuer)), [0, 0, 0, 1]);
    let gate = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/gate.yaml")).unwrap();
    let config = desk.folder.path().join("gate.yaml");
    fs::write(&config, gate).unwrap();
    let named =
        Desk::new(&[echo()]).ask("replay", &by_issuer, &["--json", "--config", config.to_str().unwrap()]);
    assert_eq!(figures(&named.json()), [1, 0, 0, 0], "{named:?}");
    let renamed = POLICY.replace("developer", "engineer");
    assert_eq!(figures(&Desk::new(&[echo()]).replay(&renamed)), [0, 0, 1, 0], "a role that is gone");
}

#[test]
fn what_nobody_used_is_named() {
    let admin = Call {
        subject: Some("root"),
        roles: &["admin"],
        tool: Some("get_status"),
        rule: Some("everything"),
        ..Call::default()
    };
    let bob = Call { subject: Some("bob"), ..echo() };
    let desk = Desk::new(&[Call::default(), echo(), bob, admin]);
    let said = desk.ask("least-privilege", POLICY, &["--json"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let said = said.json();
    let unused: Vec<(&Value, &Value)> =
        said["unused_rules"].as_array().unwrap().iter().map(|rule| (&rule["rule"], &rule["line"])).collect();
    assert_eq!(unused, [(&json!("lists"), &json!(3)), (&json!("never"), &json!(9))]);
    assert_eq!(said["unused_roles"], json!(["idle", "readonly"]));
    assert_eq!(said["roles_not_needed"], json!([{ "role": "developer", "principal": "bob" }]));
    let everything =
        said["patterns"].as_array().unwrap().iter().find(|one| one["rule"] == "everything").unwrap();
    assert_eq!(everything["used_for"], json!(["get_status"]));
    let small = "version: 1\nroles:\n  developer: { allow: [ { id: read, tools: [echo] } ] }\nbindings:\n  - { role: developer, when: { claims: { /x: { equals: y } } } }\n";
    let good = Desk::new(&[echo()]).ask("least-privilege", small, &[]);
    assert_eq!(good.code, Some(0), "{good:?}");
}

#[test]
fn a_review_lists_each_role_and_tool_with_its_last_use() {
    let desk = Desk::new(&[
        echo(),
        Call { subject: Some("bob"), ..echo() },
        Call { decision: "deny", reason: "no_rule", rule: None, tool: Some("deploy"), ..Call::default() },
    ]);
    let said = desk.ask("access-review", POLICY, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines[0], "role,tool,class,may,allowed,denied,principals,last_used,held_by");
    assert!(lines.contains(&"developer,echo,,yes,2,0,2,2026-11-16T00:01:00Z,\"{\"\"claims\"\":{\"\"/roles\"\":{\"\"contains\"\":\"\"developer\"\"}}}\""), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("developer,deploy,,no,0,1,0,never,")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("idle,deploy,,yes,0,0,0,never,")), "{lines:?}");
    let json = desk.ask("access-review", POLICY, &["--json"]);
    assert_eq!(json.stdout.lines().count(), lines.len() - 1);
}

#[test]
fn records_that_are_not_genuine_are_left_out() {
    let desk = Desk::new(&[echo(), echo()]);
    let text = fs::read_to_string(&desk.records).unwrap();
    fs::write(&desk.records, text.replacen("\"tool\":\"echo\"", "\"tool\":\"evil\"", 1)).unwrap();
    let path = desk.folder.path().join("policy.yaml");
    fs::write(&path, POLICY).unwrap();
    let all = ["policy", "replay", path.to_str().unwrap(), &desk.records, "--key-env", "AUDIT_KEY", "--json"];
    let said = common::run_with(&all, "", &[("AUDIT_KEY", KEY)]);
    assert_eq!((said.code, figures(&said.json())), (Some(2), [1, 0, 0, 0]), "{said:?}");
    assert!(said.stderr.contains("changed"), "{}", said.stderr);
}

#[test]
fn nothing_is_said_of_files_without_records() {
    let desk = Desk::new(&[echo()]);
    let records = fs::read_to_string(&desk.records).unwrap();
    let refused = |command: &str, more: &[&str], words: &str| {
        let said = desk.ask(command, POLICY, more);
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{command}: {said:?}");
        assert!(said.stderr.contains(words), "{command}: {said:?}");
    };
    for command in ["replay", "least-privilege", "access-review"] {
        refused(command, &["--from", "2030-01-01"], "no record of this span of time was found in `");
        for text in ["", "{\"level\":\"info\"}\n", "\u{1}\u{2}"] {
            fs::write(&desk.records, text).unwrap();
            refused(command, &[], "no record was found in `");
        }
        fs::write(&desk.records, &records).unwrap();
    }
    // One who left nothing genuine gets no clean bill either.
    fs::write(&desk.records, records.replace("\"stream\":\"01", "\"stream\":\"02")).unwrap();
    let path = desk.folder.path().join("policy.yaml");
    let all = ["policy", "replay", path.to_str().unwrap(), &desk.records, "--key-env", "AUDIT_KEY"];
    let said = common::run_with(&all, "", &[("AUDIT_KEY", KEY)]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("no genuine record was found"), "{said:?}");
}
