// SPDX-License-Identifier: Apache-2.0
//! What a caller asks for, judged by body and by head.

use super::*;
use crate::connection::ConnectionFact;

#[test]
fn a_call_is_judged_with_its_arguments() {
    for (tool, arguments, status, verdict) in [
        ("echo", "{}", 0, "main tools/call echo allow allowed"),
        ("code_edit", r#"{"path":"src/a"}"#, 0, "main tools/call code_edit allow allowed"),
        ("code_edit", r#"{"path":"etc"}"#, 403, "main tools/call code_edit deny condition_false"),
        ("code_edit", r#"{"path":"src/../etc"}"#, 403, "main tools/call code_edit deny condition_unknown"),
        ("code_edit", "{}", 403, "main tools/call code_edit deny condition_unknown"),
        ("code_delete", r#"{"path":"src/a"}"#, 403, "main tools/call other deny deny_rule"),
        ("made_up_by_an_outsider", "{}", 403, "main tools/call other deny no_rule"),
    ] {
        let mut world = World::new("", "");
        assert_eq!(world.call(tool, arguments).status(), status, "{tool} {arguments}");
        assert_eq!(world.verdict(), verdict);
    }
    let mut world = World::new("", "");
    let stranger = token(Alg::Es256, "e", "");
    assert_eq!(
        world
            .post(&[("authorization", &stranger)], r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
            .answer()
            .details,
        "no_role"
    );
}

#[test]
fn what_is_no_message_is_refused_in_the_words_of_its_era() {
    let token = engineer();
    let modern_fields = modern("tools/call", "echo", &token);
    let legacy: &[(&str, &str)] = &[("authorization", &token)];
    for (fields, body, status, code, label) in [
        (legacy, "{".to_string(), 400, -32700, "bad_json"),
        (legacy, "[]".to_string(), 400, -32600, "batch"),
        (legacy, format!("[{}]", call("echo", "{}")), 400, -32600, "batch"),
        (
            legacy,
            call("echo", "{}").replace(r#""name""#, r#""name":"x","name""#),
            400,
            -32600,
            "duplicate_key",
        ),
        (
            legacy,
            call("echo", "{}").replace(r#""name""#, r#""Name":"x","name""#),
            400,
            -32600,
            "look_alike_key",
        ),
        (
            legacy,
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/destroy"}"#.to_string(),
            200,
            -32601,
            "unknown_method",
        ),
        (
            legacy,
            r#"{"jsonrpc":"2.0","method":"notifications/x"}"#.to_string(),
            400,
            -32601,
            "unknown_method",
        ),
        (legacy, format!("{}1{}", "[".repeat(2_000), "]".repeat(2_000)), 400, -32600, "json_too_deep"),
        (
            &modern_fields,
            modern_body("tools/call", r#""name":"code_edit","#),
            400,
            -32020,
            "header_mismatch_name",
        ),
        (&modern_fields, modern_body("tools/list", ""), 400, -32020, "header_mismatch_method"),
        (&modern_fields[..2], modern_body("tools/list", ""), 400, -32020, "header_missing_method"),
        (
            &modern("tools/destroy", "x", &token),
            modern_body("tools/destroy", ""),
            404,
            -32601,
            "unknown_method",
        ),
    ] {
        let mut world = World::new("", r#","host":{"headers_stop_iteration":true}"#);
        let answer = world.post(fields, &body).answer();
        assert_eq!((answer.status, answer.details), (status, label), "{label}");
        assert!(answer.body.contains(&format!(r#""error":{{"code":{code},"#)), "{}", answer.body);
        assert!(world.verdict().ends_with(&format!("deny {label}")));
        assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    }
    let mut world = World::new("", "");
    let answer = world.post(&[("authorization", &token)], "\u{feff}{}").answer();
    assert_eq!((answer.status, answer.details), (400, "bad_json"));
    // After 20 KiB of arguments the name still counts.
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"arguments":{{"x":"{}"}},"name":"code_delete"}}}}"#,
        "y".repeat(20_480)
    );
    assert_eq!(world.post(&[("authorization", &token)], &long).answer().details, "deny_rule");
}

/// Where headers leave before the body is judged, the mirrored ones are judged at once; elsewhere the body is waited for.
#[test]
fn mirrored_headers_can_only_deny_and_only_where_they_must() {
    let token = engineer();
    for (method, name, early) in [
        ("tools/call", "code_delete", Some("main tools/call other deny deny_rule")),
        ("tools/call", "nope", Some("main tools/call other deny no_rule")),
        ("tools/call", "echo", None),
        ("tools/call", "code_edit", None),
        ("prompts/get", "other", Some("main prompts/get none deny no_rule")),
        ("prompts/get", "hello", None),
        ("resources/read", "file:///etc", Some("main resources/read none deny no_rule")),
        ("resources/read", "docs://a", None),
        ("resources/templates/list", "", Some("main resources/templates/list none deny no_rule")),
        ("tools/list", "", None),
        // What these aim at stands in no header.
        ("completion/complete", "", None),
        ("subscriptions/listen", "", None),
        ("tools/destroy", "", None),
    ] {
        for (held, denial) in
            [(false, ""), (true, ""), (false, r#","denial":"hidden""#), (false, r#","denial":"readable""#)]
        {
            let mut world = World::new(denial, &format!(r#","host":{{"headers_stop_iteration":{held}}}"#));
            let fields = merged(&POST, &modern(method, name, &token));
            match (
                world.head(&fields, BodyFollows::Yes, Attempt::First),
                early.filter(|_| !held && denial.is_empty()),
            ) {
                (Step::Body(_), None) => assert!(world.counted(Metric::Requests).is_empty()),
                (Step::Answer(answer), Some(verdict)) => {
                    assert_eq!(answer.status, 403);
                    assert_eq!(world.verdict(), verdict);
                }
                (step, _) => panic!("{method} {name} {held} {denial}: {step:?}"),
            }
        }
    }
    // The body confirms: a header that says less than the body does not help.
    for (params, status) in [
        (r#""notifications":{"resourceSubscriptions":["docs://a"]},"#, 0),
        (r#""notifications":{"resourceSubscriptions":["docs://a","file:///etc"]},"#, 403),
    ] {
        let outcome = World::new("", "")
            .post(&modern("subscriptions/listen", "", &token), &modern_body("subscriptions/listen", params));
        assert_eq!(outcome.status(), status, "{params}");
    }
    for (name, status) in [("hello", 0), ("other", 403)] {
        let params = format!(
            r#""ref":{{"type":"ref/prompt","name":"{name}"}},"argument":{{"name":"a","value":"b"}},"#
        );
        let outcome = World::new("", "")
            .post(&modern("completion/complete", "", &token), &modern_body("completion/complete", &params));
        assert_eq!(outcome.status(), status, "{name}");
    }
}

#[test]
fn edits_can_leave_before_the_body_and_are_made_once() {
    let mut world = World::new("", "");
    let token = engineer();
    let fields = merged(&post_by(&token), &[("mcp-session-id", "s3ssion")]);
    let Step::Body(mut waiting) = world.head(&fields, BodyFollows::Yes, Attempt::First) else {
        panic!("the body decides")
    };
    assert!(!format!("{waiting:?}").contains("s3ssion") && !format!("{waiting:?}").contains("115, 51, 115"));
    let edits = waiting.take_edits();
    assert!(edits.contains(&Edit::remove("authorization")));
    let BodyStep::Pass(passage) = waiting.finish(call("echo", "{}").as_bytes(), &mut world.desk()) else {
        panic!("denied")
    };
    assert_eq!(passage.edits, []);
}

#[test]
fn filter_state_says_what_was_decided() {
    let mut world = World::new("", r#","audit":{"filter_state":true}"#);
    let facts = world.call("echo", "{}").passage().facts;
    let pair = |name: &'static str, value: &str| (name, value.to_string());
    assert_eq!(
        facts,
        [
            pair("toolgate_decision", "allow"),
            pair("toolgate_reason", "allowed"),
            pair("toolgate_decision_id", "070707070707-00000001"),
            pair("toolgate_server", "main"),
            pair("toolgate_method", "tools/call"),
            pair("toolgate_tool", "echo"),
            pair("toolgate_rule", "guest-echo"),
            pair("toolgate_subject", "user-1"),
            pair("toolgate_issuer", "https://idp"),
            pair("toolgate_client", "cli"),
            pair("toolgate_roles", "dev"),
        ]
    );
    // Of a denial as much as is known.
    let facts = world.call("x_delete", "{}").answer().facts;
    let value = |facts: &[(&str, String)], name: &str| {
        facts
            .iter()
            .filter(|(own, _)| *own == name)
            .map(|(_, value)| value.clone())
            .collect::<Vec<_>>()
            .join("+")
    };
    for (name, expected) in [
        ("toolgate_decision", "deny"),
        ("toolgate_reason", "deny_rule"),
        ("toolgate_rule", "no-delete"),
        ("toolgate_server", "main"),
        ("toolgate_method", "tools/call"),
        ("toolgate_tool", "x_delete"),
        ("toolgate_subject", "user-1"),
        ("toolgate_roles", "dev"),
    ] {
        assert_eq!(value(&facts, name), expected, "{name}");
    }
    let facts = world.post(&[], &call("echo", "{}")).answer().facts;
    assert_eq!(value(&facts, "toolgate_reason"), "missing_token");
    assert_eq!(
        (value(&facts, "toolgate_server"), value(&facts, "toolgate_subject")),
        ("main".into(), "".into())
    );
    // A stream that is asked for with a body: who asks is known by then.
    let good = engineer();
    let stream =
        [(":method", "GET"), (":path", "/mcp"), (":authority", "mcp.example.com"), ("authorization", &good)];
    let facts = answered(world.head(&stream, BodyFollows::Yes, Attempt::First)).facts;
    assert_eq!(
        (value(&facts, "toolgate_reason"), value(&facts, "toolgate_subject")),
        ("content_type".into(), "user-1".into())
    );
    let odd = world.call("tool\\u00e9", "{}").answer().facts;
    assert_eq!(value(&odd, "toolgate_tool"), "=?base64?dG9vbMOp?=");
    assert!(World::new("", "").call("echo", "{}").passage().facts.is_empty());
}

/// Each name by itself leaves what all names leave under it, and nothing else.
#[test]
fn filter_state_has_only_what_is_wanted() {
    let names = [
        "decision",
        "reason",
        "decision_id",
        "rule",
        "server",
        "route",
        "method",
        "tool",
        "subject",
        "issuer",
        "client",
        "roles",
        "shadow",
    ];
    let facts = |audit: &str, tool: &str| {
        let config = format!(r#","audit":{{{audit}}}"#);
        let shadowed = super::shadow::world(r#","shadow_policy":"next""#, &config).call(tool, "{}");
        match shadowed {
            Outcome::Pass(passage) => passage.facts,
            Outcome::Answer(answer) => answer.facts,
        }
    };
    let mut seen = 0;
    for tool in ["echo", "code_delete"] {
        let all = facts(r#""filter_state":true"#, tool);
        for name in names {
            let own = facts(&format!(r#""filter_state":true,"filter_state_names":["{name}"]"#), tool);
            let expected: Vec<_> =
                all.iter().filter(|(other, _)| *other == format!("toolgate_{name}")).cloned().collect();
            assert_eq!(own, expected, "{name} of {tool}");
            seen += own.len();
        }
        assert_eq!(all.len(), 12, "{all:?}");
    }
    assert_eq!(seen, 24);
}

#[test]
fn series_are_named_in_three_syntaxes() {
    for (syntax, expected) in [
        (
            "envoy",
            "toolgate_requests_total;server=main;method=tools/call;tool=echo;decision=allow;reason=allowed",
        ),
        (
            "istio",
            "toolgate_requests_total.server=.=main;.;method=.=tools/call;.;tool=.=echo;.;decision=.=allow;.;reason=.=allowed;.;",
        ),
        (
            "flat",
            "toolgate_requests_total_server_main_method_tools/call_tool_echo_decision_allow_reason_allowed",
        ),
    ] {
        let mut world = World::new("", &format!(r#","metrics":{{"syntax":"{syntax}"}}"#));
        drop(world.call("echo", "{}").passage());
        assert_eq!(world.counted(Metric::Requests), [expected]);
    }
}

/// Whatever an outsider writes, no label repeats it.
#[test]
fn labels_come_from_closed_sets() {
    let mut world = World::new("", "");
    let token = engineer();
    let odd = "z0dd";
    let _ = world.call(odd, "{}");
    for body in [
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{odd}"}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{{"name":"{odd}"}}}}"#),
        odd.to_string(),
    ] {
        let _ = world.post(&[("authorization", &token), ("mcp-session-id", odd), ("mcp-name", odd)], &body);
    }
    for more in [
        [(":authority", odd)],
        [(":path", "/z0dd")],
        [(":method", odd)],
        [("authorization", odd)],
        [("content-type", odd)],
        [("origin", odd)],
    ] {
        let _ = world.post(&more, "{}");
    }
    let names: Vec<String> = world
        .samples
        .iter()
        .map(|sample| sample.series.host_name(&world.config, &world.memory.policies))
        .collect();
    assert!(names.len() > 12 && names.iter().all(|name| !name.contains(odd)), "{names:?}");
}

/// Bodies, heads and lists alike; without an address, or without a rule on it, nothing is asked.
#[test]
fn the_address_counts_where_a_rule_looks_at_it() {
    let rule =
        r#"{"id":"near","tools":["near"],"when":{"source":["10.0.0.0/8"]}},{"id":"site","routes":["site"]}"#;
    let text = document("", &format!(r#""inline":{}"#, jwks()), "");
    let text = text.replace(r#"{"id":"site","routes":["site"]}"#, rule);
    for (address, status, verdict) in [
        ("10.1.2.3:4711", 0, "allow allowed"),
        ("192.0.2.1:4711", 403, "deny condition_false"),
        ("", 403, "deny condition_unknown"),
    ] {
        let mut world = World::of(&text);
        world.connection = Facts::of(&[(ConnectionFact::PeerAddress, address)]);
        assert_eq!(world.call("near", "{}").status(), status, "{address}");
        assert!(world.verdict().ends_with(verdict), "{address}: {}", world.verdict());
        assert!(world.connection.1.get() > 0);
        let token = engineer();
        let fields = merged(&POST, &modern("tools/call", "near", &token));
        let step = world.head(&fields, BodyFollows::Yes, Attempt::First);
        let early = matches!(step, Step::Answer(_));
        assert_eq!(early, status == 403, "{address}: {step:?}");
    }
    let mut world = World::new("", "");
    world.connection = Facts::of(&[(ConnectionFact::PeerAddress, "10.1.2.3:4711")]);
    assert_eq!(world.call("echo", "{}").status(), 0);
    assert_eq!(world.connection.1.get(), 0);
}

/// The class of a tool is what the catalogue says.
#[test]
fn a_rule_may_look_at_the_class_of_a_tool() {
    let rule = r#"{"id":"no-delete","tools":["*_delete"]}"#;
    let more = format!(r#"{rule},{{"id":"no-write","tools":["*"],"when":{{"classes":["write"]}}}}"#);
    let plain = document("", &format!(r#""inline":{}"#, jwks()), "").replace(rule, &more);
    for (class, reason) in [("write", "deny_rule"), ("read", "allowed")] {
        let classed = format!(r#"{{"name":"code_edit","class":"{class}"}}"#);
        let mut world = World::of(&plain.replace(r#"{"name":"code_edit"}"#, &classed));
        let _ = world.call("code_edit", r#"{"path":"src/a"}"#);
        assert!(world.verdict().ends_with(reason), "{class}: {}", world.verdict());
    }
}
