// SPDX-License-Identifier: Apache-2.0
//! Permissions, operations, classes, grants, what a rule is on, expressions as patterns, the digest.

use super::*;
use alloc::format;
use alloc::vec::Vec;

const CALL: &str = "tools/call";

fn tool(policy: &Policy, role: &str, name: &str) -> String {
    ask(policy, role, Ask::Tool(CALL, name), Arguments::Absent)
}

#[test]
fn a_permission_is_one_rule_of_all_roles_that_have_it() {
    let policy = policy(
        r#"{"version":1,"permissions":{
            "code:read":{"tools":["code_get","code_list"]},
            "code:write":{"id":"writing","tools":["code_edit"],"when":{"args":{"/p":{"path_under":"src"}}}},
            "nobody:has":{"tools":["*"]}},
          "roles":{"reader":{"permissions":["code:read"]},"writer":{"permissions":["code:read","code:write"]},
            "lead":{"inherits":["writer"],"deny":[{"id":"no","tools":["code_list"]}]},"other":{}}}"#,
    );
    assert_eq!(policy.rule_count(), 4, "three permissions and a rule");
    for (role, name, expected) in [
        ("reader", "code_get", "allow code:read"),
        ("writer", "code_get", "allow code:read"),
        ("lead", "code_get", "allow code:read"),
        ("lead", "code_list", "deny_rule no"),
        ("reader", "code_edit", "no_rule -"),
        ("writer", "code_edit", "condition_unknown writing"),
        ("other", "code_get", "no_rule -"),
        ("writer", "echo", "no_rule -"),
    ] {
        assert_eq!(tool(&policy, role, name), expected, "{role} {name}");
    }
    assert_eq!(
        complaint(r#"{"version":1,"permissions":{"a":{"tools":["x"]}},"roles":{"r":{"permissions":["b"]}}}"#),
        "roles.r.permissions[0]: there is no permission `b` | did you mean `a`?"
    );
    assert_eq!(
        complaint(
            r#"{"version":1,"permissions":{"a":{"tools":["x"]}},"roles":{"r":{"permissions":["a","a"]}}}"#
        ),
        "roles.r.permissions[1]: permission `a` stands twice | -"
    );
    assert_eq!(
        complaint(r#"{"version":1,"permissions":{"a":{}},"roles":{"r":{}}}"#),
        "permissions.a: rule `a` names nothing, so it can never match | add `methods`, `tools`, `prompts`, `resources` or `routes`"
    );
}

/// Of what is declared of a tool: what a rule on operations says of it.
#[test]
fn a_rule_on_operations_needs_all_that_the_tool_does() {
    let policy = policy(
        r#"{"version":1,
          "operations":{"read":["get_*","sync"],"write":["put_*","sync"],"execute":["run"],"admin":[{"regex":"admin_[a-z]+"}]},
          "roles":{"r":{"allow":[{"id":"rw","tools":["*"],"operations":["read","write"]}]},
            "ro":{"allow":[{"id":"read","tools":["*"],"operations":["read"]}]},
            "not":{"allow":[{"id":"all","tools":["*"]}],"deny":[{"id":"no-write","tools":["*"],"operations":["write","admin"]}]}}}"#,
    );
    let classed = |role: &str, name: &str, class| {
        let context = now(Arguments::Absent).of_class(class);
        let role = policy.role(role).unwrap_or_default();
        word(&policy.decide(&role, &NOBODY, Ask::Tool(CALL, name), &context))
    };
    for (name, class, r, ro, not) in [
        ("get_a", None, "allow rw", "allow read", "allow all"),
        ("put_a", None, "allow rw", "condition_false read", "deny_rule no-write"),
        ("sync", None, "allow rw", "condition_unknown read", "deny_rule no-write"),
        ("run", None, "condition_false rw", "condition_false read", "allow all"),
        ("admin_a", None, "condition_false rw", "condition_false read", "deny_rule no-write"),
        ("echo", None, "condition_unknown rw", "condition_unknown read", "deny_rule no-write"),
        ("echo", Some("read"), "allow rw", "allow read", "allow all"),
        ("get_a", Some("write"), "allow rw", "condition_unknown read", "deny_rule no-write"),
        ("get_a", Some("read"), "allow rw", "allow read", "allow all"),
        ("get_a", Some("internal"), "allow rw", "allow read", "allow all"),
        ("echo", Some("internal"), "condition_unknown rw", "condition_unknown read", "deny_rule no-write"),
    ] {
        let got = [classed("r", name, class), classed("ro", name, class), classed("not", name, class)];
        assert_eq!(got, [r, ro, not], "{name} {class:?}");
    }
}

#[test]
fn a_class_comes_from_the_policy_or_the_catalogue() {
    let policy = policy(
        r#"{"version":1,"classes":{"destructive":["*_delete"],"read_only":["get_*"]},
          "roles":{"safe":{"allow":[{"id":"ro","tools":["*"],"when":{"classes":["read_only"]}}]},
            "most":{"allow":[{"id":"all","tools":["*"]}],"deny":[{"id":"no","methods":["tools/call"],"when":{"classes":["destructive","dangerous"]}}]}}}"#,
    );
    for (name, class, safe, most) in [
        ("get_a", None, "allow ro", "allow all"),
        ("a_delete", None, "condition_false ro", "deny_rule no"),
        ("get_a_delete", None, "allow ro", "deny_rule no"),
        ("echo", None, "condition_unknown ro", "deny_rule no"),
        ("echo", Some("read_only"), "allow ro", "allow all"),
        ("echo", Some("dangerous"), "condition_false ro", "deny_rule no"),
        ("echo", Some("unheard"), "condition_false ro", "allow all"),
        ("get_a", Some("dangerous"), "allow ro", "deny_rule no"),
    ] {
        let context = now(Arguments::Absent).of_class(class);
        let got = ["safe", "most"].map(|role| {
            let role = policy.role(role).unwrap_or_default();
            word(&policy.decide(&role, &NOBODY, Ask::Tool(CALL, name), &context))
        });
        assert_eq!(got, [safe, most], "{name} {class:?}");
    }
}

#[test]
fn classes_and_operations_are_for_tools_alone() {
    let rule = |rule: &str| format!(r#"{{"version":1,"roles":{{"r":{{"allow":[{rule}]}}}}}}"#);
    let only = "rule `r/allow/0` asks for operations, classes or annotations, which only tools have | make a rule of its own for tools";
    for (json, expected) in [
        (rule(r#"{"prompts":["x"],"operations":["read"]}"#), format!("roles.r.allow[0]: {only}")),
        (rule(r#"{"tools":["x"],"resources":["y"],"operations":["read"]}"#), format!("roles.r.allow[0]: {only}")),
        (rule(r#"{"methods":["tools/list"],"when":{"classes":["a"]}}"#), format!("roles.r.allow[0]: {only}")),
        (
            rule(r#"{"prompts":["x"],"when":{"annotations":{"readOnlyHint":{"equals":true}}}}"#)
                .replace(r#""roles""#, r#""trusted_servers":["s"],"roles""#),
            format!("roles.r.allow[0]: {only}"),
        ),
        (
            rule(r#"{"tools":["x"],"operations":["reed"]}"#),
            "roles.r.allow[0].operations[0]: `reed` is not one of the words known here | did you mean `read`?".into(),
        ),
        (
            rule(r#"{"tools":["x"],"operations":[]}"#),
            "roles.r.allow[0].operations: an empty list can never match | -".into(),
        ),
        (
            r#"{"version":1,"classes":{"read":["x"]},"roles":{"r":{}}}"#.into(),
            "classes.read: `read` is an operation, not a class | write it under `operations`".into(),
        ),
        (
            r#"{"version":1,"roles":{"r":{}},"bindings":[{"role":"r","when":{"classes":["a"]}}]}"#.into(),
            "bindings[0].when.classes: a binding cannot look at tools | -".into(),
        ),
    ] {
        assert_eq!(complaint(&json), expected, "{json}");
    }
    let many: Vec<String> = (0..60).map(|at| format!("\"c{at}\":[\"x\"]")).collect();
    let many = |count: usize| {
        format!(r#"{{"version":1,"classes":{{{}}},"roles":{{"r":{{}}}}}}"#, many[..count].join(","))
    };
    assert!(compile(&many(59)).is_ok());
    assert_eq!(complaint(&many(60)), "classes: the policy speaks of more than 59 classes | -");
}

#[test]
fn a_grant_is_for_one_subject_and_for_a_while() {
    let policy = policy(
        r#"{"version":1,"permissions":{"files":{"resources":["file:///sensitive_file.txt"]}},
          "roles":{"dev":{"allow":[{"id":"echo","tools":["echo"]}]}},
          "grants":[
            {"subject":"user-123","issuer":"corp","permissions":["files"],"allow":[{"tools":["audit"]}],"until":"1970-01-01T00:01:40Z"},
            {"subject":"user-9","deny":[{"id":"not-you","tools":["echo"]}]}],
          "bindings":[{"role":"dev","when":{"groups":{"contains":"dev"}}}]}"#,
    );
    let groups = ["dev".to_string()];
    let by = |subject, issuer, secs, asked: Ask<'_>| {
        let facts = Facts { subject: Some(subject), issuer: Some(issuer), groups: &groups, ..NOBODY };
        let (roles, until) = policy.resolve(&facts, UnixTime::from_secs(secs));
        let names = policy.role_names(&roles).collect::<Vec<_>>().join(",");
        let got = word(&policy.decide(&roles, &facts, asked, &now(Arguments::Absent)));
        (got, names, until.map(UnixTime::as_secs))
    };
    let file = Ask::Resource("resources/read", "file:///sensitive_file.txt");
    let audit = Ask::Tool(CALL, "audit");
    let echo = Ask::Tool(CALL, "echo");
    for (subject, issuer, secs, asked, expected, until) in [
        ("user-123", "corp", 99, file, "allow files", Some(100)),
        ("user-123", "corp", 99, audit, "allow grants/0/allow/0", Some(100)),
        ("user-123", "corp", 99, echo, "allow echo", Some(100)),
        ("user-123", "corp", 100, file, "no_rule -", None),
        ("user-123", "other", 99, file, "no_rule -", Some(100)),
        ("user-12", "corp", 99, file, "no_rule -", Some(100)),
        ("user-9", "corp", 99, echo, "deny_rule not-you", Some(100)),
    ] {
        let got = by(subject, issuer, secs, asked);
        assert_eq!(got, (expected.to_string(), "dev".to_string(), until), "{subject} {issuer} {secs}");
    }
    // A grant alone is enough to speak to the server.
    let facts = Facts { subject: Some("user-123"), issuer: Some("corp"), ..NOBODY };
    let (roles, _) = policy.resolve(&facts, UnixTime::default());
    let got = policy.decide(&roles, &facts, Ask::Base("initialize"), &now(Arguments::Absent));
    assert_eq!(word(&got), "allow base-protocol");
    assert_eq!(policy.role_names(&roles).count(), 0);
    for (grant, expected) in [
        (r#"{"subject":"a"}"#, "grants[0]: this grant grants nothing | add `permissions` or `allow`"),
        (
            r#"{"subject":"","permissions":["files"]}"#,
            "grants[0].permissions[0]: there is no permission `files` | define it under `permissions`",
        ),
        (r#"{"subject":"","allow":[{"tools":["a"]}]}"#, "grants[0].subject: the subject is empty | -"),
        (
            r#"{"subject":"a","allow":[{"tools":["a"]}],"until":"soon"}"#,
            "grants[0].until: `soon` is not a date | write it like `2027-01-01T00:00:00Z`",
        ),
        (
            r#"{"subject":"a","allow":[{"tools":[]}]}"#,
            "grants[0].allow[0]: rule `grants/0/allow/0` names nothing, so it can never match | add `methods`, `tools`, `prompts`, `resources` or `routes`",
        ),
    ] {
        assert_eq!(
            complaint(&format!(r#"{{"version":1,"roles":{{"r":{{}}}},"grants":[{grant}]}}"#)),
            expected
        );
    }
}

#[test]
fn seeing_and_doing_can_have_rules_of_their_own() {
    let policy = with_rules(
        r#""allow":[{"id":"both","tools":["a"]},{"id":"do","tools":["b"],"on":["call"]},{"id":"see","tools":["c"],"on":["list"]},
            {"id":"all","tools":["d","e"],"on":["list","call"]}],
          "deny":[{"id":"unseen","tools":["d"],"on":["list"]},{"id":"undone","tools":["e"],"on":["call"]}]"#,
    );
    for (name, call, list) in [
        ("a", "allow both", "allow both"),
        ("b", "allow do", "no_rule -"),
        ("c", "no_rule -", "allow see"),
        ("d", "allow all", "deny_rule unseen"),
        ("e", "deny_rule undone", "allow all"),
    ] {
        let asked = Ask::Tool(CALL, name);
        assert_eq!(ask(&policy, "r", asked, Arguments::Absent), call, "{name}");
        assert_eq!(ask(&policy, "r", asked, Arguments::Open), list, "{name}");
    }
    let rule = |rule: &str| complaint(&format!(r#"{{"version":1,"roles":{{"r":{{"deny":[{rule}]}}}}}}"#));
    assert_eq!(
        rule(r#"{"methods":["tools/call"],"on":["call"]}"#),
        "roles.r.deny[0].on: methods and routes stand in no list that is filtered | make a rule of its own for tools, prompts and resources"
    );
    assert_eq!(
        rule(r#"{"tools":["a"],"on":[]}"#),
        "roles.r.deny[0].on: an empty list can never match | leave `on` out for both"
    );
}

#[test]
fn an_expression_matches_the_whole_name() {
    let policy = with_rules(
        r#""allow":[{"id":"x","tools":[{"regex":"code_(edit|read)|get_[0-9]+"}],"prompts":[{"regex":"p."}],"resources":[{"regex":"doc://[a-z]+"}]}]"#,
    );
    for (asked, expected) in [
        (Ask::Tool(CALL, "code_edit"), "allow x"),
        (Ask::Tool(CALL, "get_12"), "allow x"),
        (Ask::Tool(CALL, "code_editor"), "no_rule -"),
        (Ask::Tool(CALL, "xget_1"), "no_rule -"),
        (Ask::Tool(CALL, "get_1\n"), "no_rule -"),
        (Ask::Prompt("prompts/get", "p1"), "allow x"),
        (Ask::Prompt("prompts/get", "p12"), "no_rule -"),
        (Ask::Resource("resources/read", "doc://a"), "allow x"),
        (Ask::Resource("resources/read", "doc://%61"), "condition_unknown x"),
        (Ask::Resource("resources/read", "doc://a/../b"), "condition_unknown x"),
    ] {
        assert_eq!(ask(&policy, "r", asked, Arguments::Absent), expected, "{asked:?}");
    }
    let rule = |tool: &str| {
        complaint(&format!(r#"{{"version":1,"roles":{{"r":{{"allow":[{{"tools":[{tool}]}}]}}}}}}"#))
    };
    assert!(rule(r#"{"regex":"("}"#).starts_with("roles.r.allow[0].tools[0]: `(` does not compile"));
    assert_eq!(rule(r#"{"regex":""}"#), "roles.r.allow[0].tools[0]: an empty expression matches nothing | -");
    assert_eq!(
        rule(r#"{"regexp":"a"}"#),
        "roles.r.allow[0].tools[0].regexp: unknown key `regexp` | did you mean `regex`?"
    );
}

#[test]
fn the_digest_is_of_the_content_and_not_of_the_spelling() {
    let of = |json: &str| policy(json).digest().to_string();
    let one = of(r#"{"version":1,"revision":"r1","roles":{"a":{"allow":[{"tools":["é"]}]},"b":{}}}"#);
    let same =
        of(r#"{ "roles" : {"b":{}, "a":{"allow":[{"tools":["\u00e9"]}]}}, "revision":"r1", "version":1}"#);
    assert_eq!(one, same);
    assert_eq!(one.len(), 64);
    for other in [
        r#"{"version":1,"revision":"r2","roles":{"a":{"allow":[{"tools":["é"]}]},"b":{}}}"#,
        r#"{"version":1,"revision":"r1","roles":{"a":{"allow":[{"tools":["e"]}]},"b":{}}}"#,
        r#"{"version":1,"revision":"r1","roles":{"a":{"deny":[{"tools":["é"]}]},"b":{}}}"#,
    ] {
        assert_ne!(one, of(other), "{other}");
    }
    // The form is fixed: sha256sum of {"roles":{"r":{}},"version":1}
    assert_eq!(
        of(r#"{"version": 1, "roles": {"r": {}}}"#),
        "482f83d5e3990007ea87dc3b11405976244992ebd9f5d39daf0a024786178952"
    );
    assert_eq!(policy(r#"{"version":1,"roles":{"r":{}}}"#).digest().short(), "482f83d5e399");
    assert_eq!(
        policy(r#"{"version":1,"revision":"2026-11.3","roles":{"r":{}}}"#).revision(),
        Some("2026-11.3")
    );
    assert_eq!(
        complaint(r#"{"version":1,"revision":"a b","roles":{"r":{}}}"#),
        "revision: `a b` cannot be a revision | use up to 64 letters, digits and signs without spaces"
    );
}
