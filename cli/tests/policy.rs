// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy`: the engine's verdicts on written cases.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use base64ct::{Base64UrlUnpadded, Encoding};
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
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    assert!(allowed.stdout.starts_with("allow by `read`\nroles: readonly\n\ntool echo\n"), "{allowed:?}");
    let denied = run(&["policy", "explain", POLICY, "--claims", claims, "--tool", "code_edit", "--json"]);
    assert_eq!((denied.code, &denied.json()["verdict"]["reason"]), (Some(2), &json!("no_rule")));
    let typo = run(&["policy", "explain", POLICY, "--claims", claims, "--call", "tools/lst"]);
    assert_eq!(typo.code, Some(64));
    assert!(typo.stderr.contains("did you mean `tools/list`?"), "{}", typo.stderr);
}

#[test]
fn arguments_that_no_call_carries_are_refused() {
    let claims = "{ sub: bob, roles: [readonly] }";
    for arguments in ["[1]", "7", "null", "text"] {
        for asked in
            [&["explain", POLICY, "--claims", claims, "--tool", "echo"][..], &["who-can", POLICY, "echo"]]
        {
            let refused = run(&[&["policy"], asked, &["--args", arguments]].concat());
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(64), ""), "{arguments}: {refused:?}");
            assert!(refused.stderr.contains("arguments are an object"), "{refused:?}");
        }
    }
    let cases = "policy: policy.yaml\nprincipals: { bob: { roles: [readonly] } }\ncases:\n  - { as: bob, call: tools/call, tool: echo, args: [1], expect: allow }\n";
    let text = std::fs::read_to_string(POLICY).unwrap();
    let (_folder, [_, file]) = files([("policy.yaml", &text), ("cases.yaml", cases)]);
    let refused = run(&["policy", "test", &file]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("arguments are an object") && refused.stderr.contains("cases.yaml:4:"),
        "{refused:?}"
    );
}

/// Writes files into a folder of their own; the paths are in the same order.
fn files<const N: usize>(contents: [(&str, &str); N]) -> (tempfile::TempDir, [String; N]) {
    let folder = tempfile::tempdir().unwrap();
    let paths = contents.map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    });
    (folder, paths)
}

#[test]
fn every_fault_of_a_policy_is_shown_at_its_line() {
    let policy = "version: 1\nroles:\n  a:\n    inherits: [bb]\n    allow:\n      - { tols: [x] }\n      - { methods: [tools/lst] }\n  b: {}\nbindings:\n  - { role: a }\n  - { role: c, when: { subject: { equals: x } } }\n";
    let (_folder, [path]) = files([("policy.yaml", policy)]);
    let refused = run(&["policy", "check", &path, "--json"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let said = refused.json();
    let mut lines: Vec<i64> =
        said["diagnostics"].as_array().unwrap().iter().map(|one| one["line"].as_i64().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!((lines, &said["errors"]), (vec![4, 6, 7, 10, 11], &json!(5)), "{said}");
}

#[test]
fn what_is_probably_not_meant_is_a_warning_with_its_line() {
    let policy = "version: 1\nroles:\n  a: { allow: [{ tools: [echoo] }] }\n  idle: { allow: [{ tools: [echo] }] }\nbindings:\n  - { role: a, when: { subject: { equals: x } } }\n";
    let gate = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/gate.yaml")).unwrap();
    let (_folder, [path, config]) = files([("policy.yaml", policy), ("gate.yaml", &gate)]);
    let kinds = |arguments: &[&str]| {
        let said = run(&[&["policy", "check", "--json"], arguments].concat());
        let value = said.json();
        let kinds: Vec<String> = value["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["severity"] == "warning")
            .map(|one| format!("{}:{}", one["kind"].as_str().unwrap(), one["line"]))
            .collect();
        (said.code, kinds)
    };
    assert_eq!(kinds(&[&path]), (Some(0), vec!["unused_role:4".to_owned()]));
    assert_eq!(kinds(&[&path, "--deny-warnings"]).0, Some(2));
    let with = kinds(&[&path, "--config", &config]);
    assert_eq!(with, (Some(0), vec!["unused_role:4".to_owned(), "unknown_name:3".to_owned()]));
    // Names that the policy has in common with the configuration are the configuration's.
    let trusting =
        policy.replace("version: 1", "version: 1\ntrusted_servers: [everyting]").replace("echoo", "echo");
    std::fs::write(&path, trusting).unwrap();
    let said = run(&["policy", "check", &path, "--config", &config]);
    let expected = "this policy judges no server that is called `everyting`";
    assert!(said.stderr.contains(expected) && said.stderr.contains("policy.yaml:2:"), "{said:?}");
    assert!(said.stderr.contains("did you mean `everything`?"), "{said:?}");
    assert!(!run(&["policy", "check", &path]).stderr.contains("everyting"), "nothing is known of servers");
    // Without a file, the policies of the configuration are looked at, in its lines.
    let inside = kinds(&["--config", &config]);
    assert_eq!(inside, (Some(0), vec!["unknown_name:32".to_owned(), "unknown_name:28".to_owned()]));
}

#[test]
fn explain_says_of_every_rule_what_became_of_it() {
    let ask = |more: &[&str]| run(&[&["policy", "explain", POLICY, "--json"], more].concat());
    let alice = "{ sub: alice, roles: [developer] }";
    let arguments =
        ["--claims", alice, "--tool", "code_edit", "--args", "{ path: /etc }", "--at", "1790000000"];
    let said = ask(&arguments).json();
    let outcomes: Vec<(&str, &str)> = said["questions"][0]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["rule"].as_str().unwrap(), rule["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("edit-code", "condition_unknown"),
            ("no-delete", "other_target"),
            ("lists", "other_target"),
            ("read", "other_target")
        ]
    );
    let finding = &said["questions"][0]["rules"][0]["findings"][0];
    assert_eq!(*finding, json!({ "path": "when.args./path.path_under", "says": "unknown" }));
    assert_eq!(said["questions"][0]["rules"][0]["line"], json!(9));
    assert!(!said.to_string().contains("/etc"), "values are not repeated: {said}");
    let listed = ask(&["--claims", alice, "--tool", "code_edit", "--listed", "--at", "1790000000"]);
    assert_eq!(
        (listed.code, &listed.json()["questions"][0]["rules"][0]["findings"][0]["says"]),
        (Some(0), &json!("open"))
    );
    let route = ask(&["--claims", alice, "--route", "health", "--at", "1790000000"]);
    let about = |policy: &str, more: &[&str]| {
        let policy = format!("{}/../policies/{policy}/policy.yaml", env!("CARGO_MANIFEST_DIR"));
        run(&[&["policy", "explain", &policy, "--json", "--tool", "crm_get"], more].concat())
    };
    for (answer, code, rule) in [
        ("{ result: { content: [] } }", 0, json!(null)),
        ("{ result: { content: [], isError: true } }", 2, json!("no-traces")),
        ("{ error: { code: 1, message: x } }", 2, json!("no-traces")),
    ] {
        let said = about("answers", &["--claims", "{ sub: a, groups: [analysts] }", "--answer", answer]);
        assert_eq!((said.code, &said.json()["verdict"]["rule"]), (Some(code), &rule), "{answer}");
    }
    for (annotations, code) in
        [("{ readOnlyHint: true, openWorldHint: false }", 0), ("{ readOnlyHint: true }", 2)]
    {
        let said =
            about("annotations", &["--claims", "{ sub: a, scope: read }", "--annotations", annotations]);
        assert_eq!(said.code, Some(code), "{annotations}");
    }
    assert_eq!((route.code, &route.json()["verdict"]["reason"]), (Some(2), &json!("no_rule")));
}

#[test]
fn explain_reads_a_token_as_the_issuer_of_the_configuration_writes_it() {
    let gate = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/gate.yaml")).unwrap();
    let gate =
        gate.replace("    algorithms:", "    claims: { roles: [realm_access.roles] }\n    algorithms:");
    let policy = "version: 1\nroles:\n  a: { allow: [{ id: edit, tools: [code_edit] }] }\nbindings:\n  - { role: a, when: { roles: { contains: eng }, issuer: { equals: corp } } }\n";
    let (folder, [policy, config]) = files([("policy.yaml", policy), ("gate.yaml", &gate)]);
    let mint = |issuer: &str| {
        let part = |value: serde_json::Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
        let claims = json!({ "iss": issuer, "sub": "alice", "realm_access": { "roles": ["eng"] } });
        let path = folder.path().join("token");
        std::fs::write(&path, format!("Bearer {}.{}.c2ln\n", part(json!({ "alg": "ES256" })), part(claims)))
            .unwrap();
        path.to_str().unwrap().to_owned()
    };
    let token = mint("https://idp.example.com");
    let ask =
        |more: &[&str]| run(&[&["policy", "explain", &policy, "--tool", "code_edit", "--as"], more].concat());
    assert_eq!(ask(&[&token]).code, Some(2), "without the configuration nothing says where the roles are");
    let with = ask(&[&token, "--config", &config]);
    assert_eq!(with.code, Some(0), "{with:?}");
    assert!(with.stderr.contains("read, not verified"), "{with:?}");
    let stranger = mint("https://other.example.com");
    let refused = ask(&[&stranger, "--config", &config]);
    assert!(refused.code == Some(2) && refused.stderr.contains("no issuer"), "{refused:?}");
}

#[test]
fn coverage_names_the_rules_that_no_case_decides_by() {
    let good = run(&["policy", "test", FOLDER, "--full-coverage", "--json"]);
    assert_eq!((good.code, &good.json()["files"][0]["coverage"]["idle"]), (Some(0), &json!([])), "{good:?}");
    let cases = "policy: policy.yaml\nprincipals:\n  bob: { roles: [readonly] }\ncases:\n  - { as: bob, call: tools/call, tool: echo, expect: allow }\n";
    let policy = std::fs::read_to_string(POLICY).unwrap();
    let (_folder, [_, cases]) = files([("policy.yaml", &policy), ("cases.yaml", cases)]);
    let some = run(&["policy", "test", &cases, "--coverage"]);
    assert_eq!(some.code, Some(0), "{some:?}");
    assert!(some.stdout.contains("1 of 4 rules decided a case"), "{some:?}");
    assert!(some.stdout.contains("policy.yaml:9: no case for `edit-code`"), "{some:?}");
    assert_eq!(run(&["policy", "test", &cases, "--full-coverage"]).code, Some(2));
}

/// Each folder of `policies/` has a page, cases for every rule, and a line in the list; the pages tell how many cases there are.
#[test]
fn every_example_has_its_page_and_a_case_for_every_rule() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");
    let list = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    let mut examples = 0;
    for entry in std::fs::read_dir(root).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        let (name, folder) = (entry.file_name().into_string().unwrap(), entry.path());
        assert!(
            list.contains(&format!("| [{name}]({name}/README.md) |")),
            "policies/README.md has no {name}"
        );
        let page = std::fs::read_to_string(folder.join("README.md")).unwrap();
        let tested = run(&["policy", "test", folder.to_str().unwrap(), "--full-coverage"]);
        assert_eq!(tested.code, Some(0), "{name}: {tested:?}");
        let told = tested.stdout.lines().next().unwrap();
        assert!(page.contains(told), "policies/{name}/README.md does not say `{told}`");
        let policy = folder.join("policy.yaml");
        let checked = run(&["policy", "check", policy.to_str().unwrap(), "--deny-warnings"]);
        assert_eq!(checked.code, Some(0), "{name}: {checked:?}");
        examples += 1;
    }
    let all = run(&["policy", "test", root]);
    assert!(list.contains(all.stdout.trim()), "policies/README.md does not say `{}`", all.stdout.trim());
    assert!(examples >= 12, "{examples}");
}

#[test]
fn who_can_names_the_roles_their_conditions_and_their_holders() {
    let policy = "version: 1\nroles:\n  reader: { allow: [{ id: read, tools: [\"*\"], operations: [read] }] }\n  writer:\n    inherits: [reader]\n    allow: [{ id: write, tools: [\"code_*\"], when: { args: { /path: { path_under: src } } } }]\n    deny: [{ id: no-delete, tools: [\"*_delete\"] }]\n  idle: { allow: [{ tools: [code_edit] }] }\noperations: { read: [\"get_*\"], write: [\"code_*\"] }\nbindings:\n  - { role: writer, when: { groups: { contains: eng } } }\ngrants:\n  - { subject: ann, allow: [{ id: anns, tools: [code_edit] }], until: 2020-01-01T00:00:00Z }\n";
    let (_folder, [path]) = files([("policy.yaml", policy)]);
    let ways = |more: &[&str]| {
        let said = run(&[&["policy", "who-can", &path, "--json"], more].concat());
        let value = said.json();
        let ways = value["ways"].as_array().unwrap().iter().map(|way| {
            let name = way.get("role").or(way.get("subject")).unwrap().as_str().unwrap();
            let rules: Vec<&str> =
                way["rules"].as_array().unwrap().iter().map(|rule| rule["rule"].as_str().unwrap()).collect();
            format!(
                "{name} {} [{}] {}",
                way["may"].as_str().unwrap(),
                rules.join(" "),
                way["held"].as_array().unwrap().len()
            )
        });
        (said.code, ways.collect::<Vec<_>>())
    };
    assert_eq!(
        ways(&["code_edit"]),
        (
            Some(0),
            ["idle yes [idle/allow/0] 0", "reader no [] 0", "writer depends [write] 1", "ann yes [anns] 1"]
                .map(str::to_owned)
                .to_vec()
        )
    );
    let with = |arguments: &str| ways(&["code_edit", "--args", arguments]).1[2].clone();
    assert_eq!(with("{ path: src/a }"), "writer yes [write] 1");
    assert_eq!(with("{ path: /etc }"), "writer no [] 1");
    // Nobody who holds a role: a deny rule, a role that is not bound, an operation that does not fit.
    assert_eq!(ways(&["code_delete"]).0, Some(2));
    assert_eq!(ways(&["get_time"]).1[2], "writer yes [read] 1");
    assert_eq!(ways(&["--call", "ping"]).1[2], "writer yes [] 1");
    for (call, words) in [
        ("tools/call", "`tools/call` needs `tool`"),
        ("resources/read", "`resources/read` needs `uri`"),
        ("tools/lst", "did you mean `tools/list`?"),
    ] {
        let refused = run(&["policy", "who-can", &path, "--call", call]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(64), ""), "{refused:?}");
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
}

#[test]
fn diff_says_who_gains_and_who_loses() {
    let same = run(&["policy", "diff", POLICY, POLICY]);
    assert_eq!((same.code, same.stdout.as_str()), (Some(0), "the same for every role\n"), "{same:?}");
    let text = std::fs::read_to_string(POLICY).unwrap();
    let renamed = text.replace("id: read,", "id: other,");
    let changed = text
        .replace("echo]", "ping_me]")
        .replace("path_under: src", "path_under: lib")
        .replace("[\"*_delete\"]", "[a_delete]")
        .replace("contains: readonly", "contains: guest");
    let cases = format!("{FOLDER}/cases.yaml");
    let (_folder, [renamed, changed]) = files([("renamed.yaml", &renamed), ("changed.yaml", &changed)]);
    assert_eq!(run(&["policy", "diff", POLICY, &renamed]).code, Some(0), "names of rules change nothing");
    let diff = run(&["policy", "diff", POLICY, &changed, "--cases", &cases, "--json"]);
    assert_eq!(diff.code, Some(2), "{diff:?}");
    let said = diff.json();
    let changes: Vec<String> = said["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{} {} {}",
                one["role"].as_str().unwrap(),
                one["direction"].as_str().unwrap(),
                one["what"].as_str().unwrap()
            )
        })
        .collect();
    for wanted in [
        "readonly loses tool echo",
        "readonly gains tool ping_me",
        "developer loses tool echo",
        "developer changes tool code_*",
        // Where the rule for beginnings met the one for ends.
        "developer gains tool code_*_delete",
    ] {
        assert!(changes.iter().any(|change| change == wanted), "{wanted}: {changes:?}");
    }
    assert_eq!(said["holders"].as_array().unwrap().len(), 2, "{said}");
    assert!(said["cases"].as_array().unwrap().iter().any(|row| row["new"] == "deny: no_role"), "{said}");
}

/// What no call can tell: what is withheld, what is only seen, what has to be shown, whom the policy trusts.
#[test]
fn diff_is_not_silent_on_what_it_does_not_ask_about() {
    let policy = |top: &str, rules: &str, deny: &str| {
        format!(
            "version: 1\n{top}roles:\n  r: {{ allow: [{{ id: e, tools: [echo]{rules} }}], deny: [{deny}] }}\nbindings: [{{ role: r, when: {{ subject: {{ exists: true }} }} }}]\n"
        )
    };
    let plain = policy("", "", "");
    let on =
        |word: &str, more: &str| policy("", "", &format!("{{ id: x{more}, tools: [echo], on: [{word}] }}"));
    let acr = |value: &str| policy("", &format!(", require: {{ acr: [{value}] }}"), "");
    let shadow = policy("", "", "{ id: x, tools: [echo], on: [answer], mode: shadow }");
    let trusting = policy("trusted_servers: [everything]\n", "", "");
    for (old, new, wanted) in [
        (&plain, &on("answer", ""), "answers - {"),
        (&on("answer", ""), &plain, "answers + {"),
        (&on("answer", ""), &on("answer", "y"), "the same for every role"),
        (&plain, &on("list", ""), "lists - {"),
        (&plain, &shadow, "the same for every role"),
        (&plain, &acr("a"), "- tool echo: yes -> depends"),
        (&acr("a"), &acr("b"), "~ tool echo: depends -> depends"),
        (&acr("a"), &plain, "+ tool echo: depends -> yes"),
        (&plain, &trusting, "trusted_servers ~ {\"new\":[\"everything\"],\"old\":null}"),
    ] {
        let (_folder, [old, new]) = files([("old.yaml", old), ("new.yaml", new)]);
        let said = run(&["policy", "diff", &old, &new]);
        assert!(said.stdout.contains(wanted), "{wanted}: {said:?}");
        assert_eq!(said.code, Some(if wanted.starts_with("the same") { 0 } else { 2 }), "{wanted}");
    }
    let (_folder, [stepped]) = files([("policy.yaml", &acr("a"))]);
    let who = run(&["policy", "who-can", &stepped, "echo"]);
    assert!(
        who.stdout.contains("role r: depends") && who.stdout.contains(r#""require":{"acr":["a"]}"#),
        "{who:?}"
    );
}

/// What a role has from others is its own as well, where no call can tell: answers, lists, and what only calls are on.
#[test]
fn diff_finds_rules_by_who_has_them() {
    let policy = |permissions: &str, guard: &str, dev: &str, grant: &str| {
        format!(
            "version: 1\npermissions: {{ {permissions} }}\nroles:\n  guard: {{ deny: [{guard}] }}\n  mid: {{ inherits: [guard] }}\n  dev: {{ {dev} }}\nbindings: [{{ role: dev, when: {{ subject: {{ exists: true }} }} }}]\n{grant}"
        )
    };
    let answer = "{ tools: [echo], on: [answer] }";
    let may = "allow: [{ tools: [echo] }]";
    let dev = |more: &str| policy("see: { tools: [echo], on: [list] }", answer, &format!("{may}{more}"), "");
    let alone = dev("");
    let written = dev(&format!(", deny: [{answer}]"));
    let both = policy("", "", may, "");
    let only_call = policy("", "", "allow: [{ tools: [echo], on: [call] }]", "");
    let granted = |rule: &str, name: &str| {
        let grant = format!("grants: [{{ subject: s, permissions: [{name}] }}]\n");
        policy(&format!("{name}: {rule}"), "", may, &grant)
    };
    let denies = |rule: &str| policy("", rule, may, "");
    let when = |name: &str| format!("{{ tools: [echo], when: {{ client: {{ equals: {name} }} }} }}");
    let [see, hide, read] = ["{ tools: [x], on: [list] }", "{ tools: [y], on: [list] }", "{ tools: [z] }"];
    let mut wrong = Vec::new();
    for (old, new, wanted) in [
        (&dev(", inherits: [guard]"), &alone, "answers + {\"effect\":\"deny\",\"role\":\"dev\""),
        (&dev(", inherits: [mid]"), &alone, "answers + {\"effect\":\"deny\",\"role\":\"dev\""),
        (&alone, &dev(", inherits: [mid]"), "answers - {\"effect\":\"deny\",\"role\":\"dev\""),
        (&dev(", inherits: [guard]"), &dev(", inherits: [mid]"), "the same for every role"),
        (&dev(", inherits: [guard]"), &written, "the same for every role"),
        (&alone, &dev(", permissions: [see]"), "lists + {\"effect\":\"allow\",\"role\":\"dev\""),
        (&dev(", permissions: [see]"), &alone, "lists - {\"effect\":\"allow\",\"role\":\"dev\""),
        (&both, &only_call, "calls ~ {\"new\":{\"effect\":\"allow\",\"role\":\"dev\""),
        (
            &granted(see, "p"),
            &granted(hide, "p"),
            "grants + {\"allow\":[{\"on\":[\"list\"],\"tools\":[\"y\"]}]",
        ),
        (&granted(see, "p"), &granted(read, "p"), "grants + {\"allow\":[{\"tools\":[\"z\"]}]"),
        (
            &granted(read, "p"),
            &granted("{ tools: [z, w] }", "p"),
            "grants + {\"allow\":[{\"tools\":[\"z\",\"w\"]}]",
        ),
        (
            &denies("{ tools: [echo] }"),
            &denies(""),
            "role guard\n  ~ tool echo: no -> no\n      old: deny `guard/deny/0`",
        ),
        (
            &denies(&when("a")),
            &denies(&when("b")),
            "role guard\n  ~ tool echo: no -> no\n      old: deny `guard/deny/0`",
        ),
        (&denies("{ tools: [echo] }"), &denies("{ id: x, tools: [echo] }"), "the same for every role"),
        (&granted(read, "p"), &granted(read, "q"), "the same for every role"),
    ] {
        let (_folder, [old, new]) = files([("old.yaml", old), ("new.yaml", new)]);
        let said = run(&["policy", "diff", &old, &new]);
        let code = Some(if wanted.starts_with("the same") { 0 } else { 2 });
        if !said.stdout.contains(wanted) || said.code != code {
            wrong.push((wanted, said.code, said.stdout));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_bundle_is_signed_and_only_of_a_good_policy_by_a_fitting_key() {
    let (folder, [bad]) = files([("bad.yaml", "version: 1\nroles: { a: { inherits: [b] } }\n")]);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, algorithm) in [("key.pem", "EdDSA"), ("other.pem", "ES256")] {
        let made = run(&["keys", "generate", "--algorithm", algorithm, "--out", &path(name)]);
        assert_eq!(made.code, Some(0), "{made:?}");
    }
    let bundle = |policy: &str, key: &str, version: &str| {
        let out = path("default.bundle");
        let (key, name) = (path(key), "default");
        run(&[
            "policy",
            "bundle",
            policy,
            "--name",
            name,
            "--bundle-version",
            version,
            "--key",
            &key,
            "--out",
            &out,
            "--json",
        ])
    };
    let good = bundle(POLICY, "key.pem", "7");
    assert_eq!(good.code, Some(0), "{good:?}");
    let said = good.json();
    assert_eq!((&said["version"], &said["rules"]), (&json!(7), &json!(4)));
    assert_eq!(said["public_key"].as_str().map(str::len), Some(43));
    let text = std::fs::read_to_string(path("default.bundle")).unwrap();
    assert!(text.starts_with("toolgate-bundle 1\n{") && text.lines().count() == 3, "{text}");
    assert_eq!(bundle(&bad, "key.pem", "8").code, Some(2));
    assert_eq!(bundle(POLICY, "other.pem", "8").code, Some(2));
    assert_eq!(bundle(POLICY, "key.pem", "0").code, Some(64));
    assert_eq!(std::fs::read_to_string(path("default.bundle")).unwrap(), text, "nothing bad was written");
}
