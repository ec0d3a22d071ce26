// SPDX-License-Identifier: Apache-2.0
//! Every test on true, false, absent and wrong type; what that means to an allow rule and to a deny rule.

use super::*;
use crate::json::Shelf;
use crate::policy::truth::Possible;
use alloc::format;

const TOOL: Ask<'static> = Ask::Tool("tools/call", "t");

/// `T`, `F` or `U`, read off an allow rule and checked against a deny rule under the same condition.
fn truth(when: &str, facts: &Facts<'_>, arguments: Arguments<'_>) -> char {
    let allow = with_rules(&format!(r#""allow":[{{"id":"a","tools":["t"],"when":{when}}}]"#));
    let deny = with_rules(&format!(
        r#""allow":[{{"id":"all","tools":["*"]}}],"deny":[{{"id":"d","tools":["t"],"when":{when}}}]"#
    ));
    let decide = |policy: &Policy| {
        word(&policy.decide(&policy.role("r").unwrap_or_default(), facts, TOOL, &now(arguments)))
    };
    let (allowed, denied) = (decide(&allow), decide(&deny));
    match (allowed.as_str(), denied.as_str()) {
        ("allow a", "deny_rule d") => 'T',
        ("condition_false a", "allow all") => 'F',
        ("condition_unknown a", "deny_rule d") => 'U',
        other => panic!("{when}: {other:?}"),
    }
}

/// The truth of `test` on the argument `/v`, which has this JSON; absent if that is empty.
fn on_value(test: &str, value: &str) -> char {
    let json = if value.is_empty() { "{}".to_string() } else { format!(r#"{{"v":{value}}}"#) };
    let doc = Doc::parse(json.as_bytes(), Limits::MESSAGE).expect(&json);
    truth(&format!(r#"{{"args":{{"/v":{test}}}}}"#), &NOBODY, Arguments::Given(doc.root()))
}

#[test]
fn a_test_takes_so_much_work_and_no_other_test_loses_by_it() {
    let long = "a".repeat(2_000);
    let list = |times: usize| format!("[{}]", alloc::vec![format!("\"{long}\""); times].join(","));
    for (test, value, says) in [
        (r#"{"every":{"regex":".{1,2000}"}}"#, list(1), 'T'),
        (r#"{"every":{"regex":".{1,2000}"}}"#, list(2), 'U'),
        (r#"{"every":{"regex":".{1,2000}"},"some":{"regex":".{0,2000}"}}"#, list(1), 'T'),
        (r#"{"some":{"regex":".{1,2000}"},"length":{"max":1}}"#, list(2), 'F'),
        (r#"{"some":{"regex":"a+"}}"#, list(30), 'T'),
    ] {
        assert_eq!(on_value(test, &value), says, "{test}");
    }
}

#[test]
fn every_test_on_every_kind_of_value() {
    for (test, yes, no, wrong) in [
        (
            r#"{"equals":"a"}"#,
            &[r#""a""#, r#""\u0061""#][..],
            &[r#""b""#, r#""A""#, r#""""#][..],
            &["1", "null", "[\"a\"]", "{}", "true"][..],
        ),
        (
            r#"{"equals":1}"#,
            &["1", "1.0", "1e0"],
            &["2", "1.5"],
            &[r#""1""#, "true", "null", "1e999", "9007199254740993"],
        ),
        (r#"{"equals":true}"#, &["true"], &["false"], &[r#""true""#, "1", "null"]),
        (r#"{"one_of":["a","b"]}"#, &[r#""a""#, r#""b""#], &[r#""c""#], &["1", "[]"]),
        (r#"{"one_of":["a",1]}"#, &[r#""a""#, "1"], &[], &[r#""c""#, "2", "null"]),
        (
            r#"{"contains":"a"}"#,
            &[r#"["a"]"#, r#"[1,"a"]"#],
            &["[]", r#"["b"]"#],
            &[r#""a""#, "{}", "1", r#"[["a"]]"#, r#"["b",1]"#],
        ),
        (r#"{"contains":2}"#, &["[1,2]"], &["[]", "[1]"], &["2", r#"["2"]"#, "[9007199254740993]"]),
        (r#"{"prefix":"ab"}"#, &[r#""ab""#, r#""abc""#], &[r#""a""#, r#""xab""#], &["1", "[\"ab\"]"]),
        (r#"{"suffix":"ab"}"#, &[r#""ab""#, r#""xab""#], &[r#""abx""#], &["1"]),
        (r#"{"glob":"a*c?"}"#, &[r#""acd""#, r#""abbcd""#], &[r#""ac""#, r#""xacd""#], &["1"]),
        (r#"{"regex":"a+|b"}"#, &[r#""aa""#, r#""b""#], &[r#""ab""#, r#""xb""#, r#""b\n""#], &["1", "null"]),
        (
            r#"{"min":2}"#,
            &["2", "2.5", "1e3"],
            &["1", "-3"],
            &[r#""3""#, "null", "9007199254740993", "1e999"],
        ),
        (r#"{"max":2}"#, &["2", "-1"], &["2.1"], &[r#""1""#, "-9007199254740993"]),
        (r#"{"min":1,"max":2}"#, &["1", "2"], &["0", "3"], &["true"]),
        (
            r#"{"length":{"min":2,"max":3}}"#,
            &[r#""ab""#, r#""\u00e9\u00e9""#, "[1,2,3]", r#"{"a":1,"b":2}"#],
            &[r#""a""#, r#""abcd""#, "[]", "{}"],
            &["1", "null", "true"],
        ),
        (r#"{"length":{"max":0}}"#, &[r#""""#, "[]"], &[r#""a""#], &["0"]),
        (
            r#"{"some":{"prefix":"a"}}"#,
            &[r#"["a"]"#, r#"[1,"ab"]"#],
            &["[]", r#"["b"]"#],
            &[r#""a""#, "{}", r#"["b",1]"#],
        ),
        (
            r#"{"every":{"path_under":"src"}}"#,
            &["[]", r#"["src/a","src"]"#],
            &[r#"["src","etc"]"#, r#"["etc",1]"#],
            &[r#""src""#, r#"["src",1]"#, r#"["src","src/../etc"]"#],
        ),
        (
            r#"{"every":{"some":{"equals":1}},"length":{"min":1}}"#,
            &["[[1],[2,1]]"],
            &["[[2]]", "[]"],
            &["[1]"],
        ),
        (r#"{"type":"string"}"#, &[r#""a""#, r#""\n""#], &["1", "null", "[]", "{}", "true"], &[]),
        (r#"{"type":"number"}"#, &["1"], &[r#""1""#], &[]),
        (r#"{"type":"boolean"}"#, &["true", "false"], &["0"], &[]),
        (r#"{"type":"null"}"#, &["null"], &["0"], &[]),
        (r#"{"type":"array"}"#, &["[]"], &["{}"], &[]),
        (r#"{"type":"object"}"#, &["{}"], &["[]"], &[]),
    ] {
        for (values, expected) in [(yes, 'T'), (no, 'F'), (wrong, 'U')] {
            values.iter().for_each(|value| assert_eq!(on_value(test, value), expected, "{test} on {value}"));
        }
        assert_eq!(on_value(test, ""), 'U', "{test} on nothing");
    }
}

#[test]
fn only_exists_turns_absence_into_a_truth() {
    for (test, present, absent) in [(r#"{"exists":true}"#, 'T', 'F'), (r#"{"exists":false}"#, 'F', 'T')] {
        for value in ["1", "false", r#""""#, r#""nulls""#] {
            assert_eq!(on_value(test, value), present, "{test} on {value}");
        }
        // To many servers it is nothing, and to some so is the string.
        for value in ["null", r#""null""#, r#"" n\u0075ll\n""#] {
            assert_eq!(on_value(test, value), 'U', "{test} on {value}");
        }
        assert_eq!(on_value(test, ""), absent);
        assert_eq!(truth(&format!(r#"{{"args":{{"/v":{test}}}}}"#), &NOBODY, Arguments::Absent), absent);
    }
    assert_eq!(truth(r#"{"args":{"/v":{"equals":"a"}}}"#, &NOBODY, Arguments::Absent), 'U');
}

#[test]
fn what_another_reader_may_find_elsewhere_is_unknown() {
    let on = |when: &str, json: &str| {
        let doc = Doc::parse(json.as_bytes(), Limits::MESSAGE).expect(json);
        truth(when, &NOBODY, Arguments::Given(doc.root()))
    };
    let tests = [r#"{"equals":"ok"}"#, r#"{"exists":true}"#, r#"{"exists":false}"#, r#"{"type":"string"}"#];
    let tested = |pointer: &str, json: &str| {
        tests
            .map(|test| on(&format!(r#"{{"args":{{"{pointer}":{test}}}}}"#), json))
            .iter()
            .collect::<String>()
    };
    for (pointer, json) in [
        // Beside the name, before and behind it.
        ("/host", r#"{"host":"ok","Host":"no"}"#),
        ("/host", r#"{"Host":"no","host":"ok"}"#),
        ("/host", r#"{"host":"ok","ho\u017ft":"no"}"#),
        ("/host", r#"{"hoſt":"no","host":"ok"}"#),
        ("/key", r#"{"key":"ok","\u212aey":"no"}"#),
        ("/host", r#"{"host":"ok","host\u0000":"no"}"#),
        ("/host", r#"{"host":"ok"," host":"no"}"#),
        ("/host", r#"{"host":"ok","ho\u200bst":"no"}"#),
        // In its place.
        ("/host", r#"{"HOST":"no"}"#),
        ("/host", r#"{"ho\u017ft":"no"}"#),
        // On the way to it.
        ("/to/host", r#"{"to":{"host":"ok"},"To":{"host":"no"}}"#),
        ("/to/host", r#"{"TO":{"host":"no"}}"#),
        ("/to/1/host", r#"{"to":[{},{"host":"ok","hosT":"no"}]}"#),
        ("/a~1b/c~0d", r#"{"a/b":{"c~d":"ok","C~d":"no"}}"#),
        // Of a name that the rule writes in capitals, with a space, or beyond ASCII.
        ("/Host", r#"{"Host":"ok","host":"no"}"#),
        ("/the host", r#"{"the host":"ok","thehost":"no"}"#),
        ("/größe", r#"{"größe":"ok","GRÖßE":"no"}"#),
        ("/λόγος", r#"{"λόγος":"ok","ΛΌΓΟΣ":"no"}"#),
    ] {
        assert_eq!(tested(pointer, json), "UUUU", "{pointer} of {json}");
    }
    for (pointer, json) in [
        ("/host", r#"{"host":"ok","hosts":"no","hos":"no","ghost":"no","":"no"}"#),
        ("/host", r#"{"h\u006fst":"ok","n":{"Host":"no"}}"#),
        ("/to/host", r#"{"to":{"host":"ok"},"Host":"no"}"#),
        ("/to/1/host", r#"{"to":[{"Host":"no"},{"host":"ok"}]}"#),
        ("/größe", r#"{"größe":"ok","grösse":"no","grüße":"no"}"#),
    ] {
        assert_eq!(tested(pointer, json), "TTFT", "{pointer} of {json}");
    }
    assert_eq!(tested("/host", r#"{"hosts":"no"}"#), "UFTU");
    assert_eq!(tested("/to/host", r#"{"to":[1,null]}"#), "UFTU");
    // A string on the way, which the server may read as JSON.
    for json in [r#"{"to":"{\"host\":\"no\"}"}"#, r#"{"to":"Host"}"#, r#"{"to":[{},"{}"]}"#] {
        let pointer = if json.contains('[') { "/to/1/host" } else { "/to/host" };
        assert_eq!(tested(pointer, json), "UUUU", "{pointer} of {json}");
    }
}

#[test]
fn a_claim_is_what_its_exact_name_says() {
    let token = Shelf::of(Doc::parse(br#"{"team":"a","Team":"b"}"#, Limits::TOKEN).expect("claims"));
    let facts = Facts { claims: Some(&token), ..NOBODY };
    assert_eq!(truth(r#"{"claims":{"/team":{"equals":"a"}}}"#, &facts, Arguments::Absent), 'T');
}

#[test]
fn a_path_that_can_be_read_in_two_ways_is_unknown() {
    let test = r#"{"path_under":"src"}"#;
    for (path, expected) in [
        ("src", 'T'),
        ("src/", 'T'),
        ("src/a", 'T'),
        ("src/a/", 'T'),
        ("src/a/b.rs", 'T'),
        ("src/..a", 'T'),
        ("src/.git", 'T'),
        ("srcx/a", 'F'),
        ("sr", 'F'),
        ("a/src", 'F'),
        ("docs/x", 'F'),
        ("src/../x", 'U'),
        ("src//x", 'U'),
        ("/src/x", 'U'),
        (r"src\\x", 'U'),
        ("src/%2e%2e/x", 'U'),
        (r"src/\u0000", 'U'),
        ("./src/x", 'U'),
        ("src/.", 'U'),
        ("src//", 'U'),
        ("", 'U'),
        ("..", 'U'),
        ("/", 'U'),
        (r"src/\n", 'U'),
        ("C:/src", 'U'),
        ("src./x", 'U'),
        ("src /x", 'U'),
        ("SRC/a", 'U'),
        ("Src", 'U'),
        ("\u{17f}rc/a", 'U'),
        ("src:stream/a", 'U'),
        ("src/a::$DATA", 'U'),
        ("größe/a", 'F'),
    ] {
        assert_eq!(on_value(test, &format!("\"{path}\"")), expected, "{path}");
    }
    for (path, expected) in
        [("Übung/a", 'T'), ("übung/a", 'U'), ("U\u{308}bung/a", 'U'), ("bung/a", 'F'), ("ubung", 'F')]
    {
        assert_eq!(on_value(r#"{"path_under":"Übung"}"#, &format!("\"{path}\"")), expected, "{path}");
    }
    assert_eq!(on_value(r#"{"path_under":"src/app/"}"#, r#""src/app/x""#), 'T');
}

#[test]
fn a_string_over_the_limit_is_unknown() {
    let long = |length: usize| format!("\"{}\"", "a".repeat(length));
    assert_eq!(on_value(r#"{"prefix":"a"}"#, &long(65_534)), 'T');
    assert_eq!(on_value(r#"{"prefix":"a"}"#, &long(65_535)), 'U');
}

#[test]
fn facts_of_the_caller_are_tested_like_arguments() {
    let doc = Shelf::of(Doc::parse(br#"{"org":{"id":7},"a/b":"x"}"#, Limits::MESSAGE).expect("JSON"));
    let (roles, scopes, groups) = (["admin".to_string()], ["read".to_string()], ["eng".to_string()]);
    let facts = Facts {
        claims: Some(&doc),
        roles: &roles,
        scopes: &scopes,
        groups: &groups,
        subject: Some("u1"),
        client: Some("c1"),
        issuer: Some("corp"),
        ..NOBODY
    };
    for (when, known, unknown) in [
        (r#"{"roles":{"contains":"admin"}}"#, 'T', 'F'),
        (r#"{"scopes":{"contains":"read"}}"#, 'T', 'F'),
        (r#"{"groups":{"contains":"eng"}}"#, 'T', 'F'),
        (r#"{"groups":{"equals":"eng"}}"#, 'U', 'U'),
        (r#"{"subject":{"equals":"u1"}}"#, 'T', 'U'),
        (r#"{"subject":{"exists":false}}"#, 'F', 'T'),
        (r#"{"client":{"prefix":"c"}}"#, 'T', 'U'),
        (r#"{"issuer":{"one_of":["corp","x"]}}"#, 'T', 'U'),
        (r#"{"issuer":{"equals":true}}"#, 'U', 'U'),
        (r#"{"claims":{"/org/id":{"equals":7}}}"#, 'T', 'U'),
        (r#"{"claims":{"/a~1b":{"equals":"x"}}}"#, 'T', 'U'),
        (r#"{"not":{"subject":{"equals":"u1"}}}"#, 'F', 'U'),
        (r#"{"subject":{"equals":"u1"},"client":{"equals":"c2"}}"#, 'F', 'U'),
        (r#"{"any":[{"subject":{"equals":"u2"}},{"roles":{"contains":"admin"}}]}"#, 'T', 'U'),
        (r#"{"all":[{"subject":{"equals":"u1"}},{"roles":{"contains":"admin"}}]}"#, 'T', 'F'),
    ] {
        assert_eq!(truth(when, &facts, Arguments::Absent), known, "{when}");
        assert_eq!(truth(when, &NOBODY, Arguments::Absent), unknown, "{when}");
    }
}

#[test]
fn keys_and_certificates_are_tested_like_tokens() {
    let labels = [("team".to_string(), "ops".to_string())];
    let (uris, dns) = (["spiffe://corp/ci".to_string()], ["ci.corp.example".to_string()]);
    let facts = Facts {
        key: Some(KeyFacts { id: "k1", owner: Some("ci"), labels: &labels }),
        certificate: Some(CertificateFacts { uris: &uris, dns: &dns, subject: Some("CN=ci") }),
        ..NOBODY
    };
    for (when, known, unknown) in [
        (r#"{"key":{"id":{"equals":"k1"}}}"#, 'T', 'U'),
        (r#"{"key":{"id":{"exists":false}}}"#, 'F', 'T'),
        (r#"{"key":{"owner":{"one_of":["ci","cd"]},"labels":{"team":{"equals":"ops"}}}}"#, 'T', 'U'),
        (r#"{"key":{"labels":{"team":{"equals":"dev"}}}}"#, 'F', 'U'),
        (r#"{"key":{"labels":{"region":{"equals":"eu"}}}}"#, 'U', 'U'),
        (r#"{"certificate":{"uri":{"contains":"spiffe://corp/ci"}}}"#, 'T', 'U'),
        (r#"{"certificate":{"uri":{"some":{"prefix":"spiffe://corp/"}}}}"#, 'T', 'U'),
        (
            r#"{"certificate":{"dns":{"some":{"suffix":".corp.example"}},"subject":{"equals":"CN=ci"}}}"#,
            'T',
            'U',
        ),
        (r#"{"certificate":{"dns":{"contains":"x"}}}"#, 'F', 'U'),
    ] {
        assert_eq!(truth(when, &facts, Arguments::Absent), known, "{when}");
        assert_eq!(truth(when, &NOBODY, Arguments::Absent), unknown, "{when}");
    }
}

/// The truth of a condition on the circumstances, at a time and from an address.
fn under(when: &str, secs: u64, source: &str) -> Truth {
    let doc = Doc::parse(when.as_bytes(), Limits::CONFIG).expect(when);
    let wire: wire::WhenWire = crate::json::from_value(doc.root()).expect(when);
    let mut classes = Classes::new();
    let condition = condition::compile(&wire, condition::Place::Rule(&mut classes)).expect(when);
    let context = Context::at(UnixTime::from_secs(secs)).from(source.parse().ok());
    let possible = condition.evaluate(&Scene::new(&NOBODY, &context, &classes, None));
    let each = [Truth::True, Truth::False, Truth::Unknown];
    each.into_iter().find(|truth| possible == Possible::only(*truth)).expect(when)
}

#[test]
fn hours_hold_by_the_day_on_which_they_begin() {
    // 2026-11-16 was a Monday.
    let monday = 1_794_787_200;
    for (time, day, clock, holds) in [
        (r#"{"from":"09:00","until":"17:00"}"#, 0, (9, 0), true),
        (r#"{"from":"09:00","until":"17:00"}"#, 0, (8, 59), false),
        (r#"{"from":"09:00","until":"17:00"}"#, 0, (17, 0), false),
        (r#"{"from":"09:00","until":"24:00"}"#, 6, (23, 59), true),
        (r#"{"days":["mon","fri"]}"#, 0, (0, 0), true),
        (r#"{"days":["mon","fri"]}"#, 1, (0, 0), false),
        (r#"{"days":["mon","fri"]}"#, 4, (23, 59), true),
        (r#"{"days":["sun"]}"#, 6, (12, 0), true),
        (r#"{"days":["mon"],"from":"22:00","until":"06:00"}"#, 0, (23, 0), true),
        (r#"{"days":["mon"],"from":"22:00","until":"06:00"}"#, 1, (5, 59), true),
        (r#"{"days":["mon"],"from":"22:00","until":"06:00"}"#, 1, (6, 0), false),
        (r#"{"days":["mon"],"from":"22:00","until":"06:00"}"#, 0, (5, 0), false),
        (r#"{"days":["mon"],"from":"22:00","until":"06:00"}"#, 1, (23, 0), false),
        (r#"{"days":["tue"],"zone":"+02:00"}"#, 0, (22, 0), true),
        (r#"{"days":["tue"],"zone":"+02:00"}"#, 0, (21, 59), false),
        (r#"{"from":"09:00","until":"17:00","zone":"-05:30"}"#, 0, (14, 30), true),
        (r#"{"from":"09:00","until":"17:00","zone":"-05:30"}"#, 0, (14, 29), false),
    ] {
        let secs = monday + day * 86_400 + clock.0 * 3_600 + clock.1 * 60;
        let truth = under(&format!(r#"{{"time":{time}}}"#), secs, "");
        assert_eq!(truth, Truth::from_bool(holds), "{time} on day {day} at {clock:?}");
    }
}

#[test]
fn networks_hold_the_addresses_under_them_in_either_spelling() {
    for (networks, address, expected) in [
        (r#"["10.0.0.0/8"]"#, "10.255.0.1", Truth::True),
        (r#"["10.0.0.0/8"]"#, "11.0.0.1", Truth::False),
        (r#"["10.0.0.0/8"]"#, "::ffff:10.0.0.1", Truth::True),
        (r#"["10.0.0.0/8"]"#, "2001:db8::1", Truth::False),
        (r#"["192.0.2.7"]"#, "192.0.2.7", Truth::True),
        (r#"["192.0.2.7"]"#, "192.0.2.8", Truth::False),
        (r#"["0.0.0.0/0"]"#, "1.2.3.4", Truth::True),
        (r#"["0.0.0.0/0"]"#, "2001:db8::1", Truth::False),
        (r#"["::/0"]"#, "1.2.3.4", Truth::True),
        (r#"["10.0.0.0/8","2001:db8::/32"]"#, "2001:db8:1::1", Truth::True),
        (r#"["2001:db8::/32"]"#, "2001:db9::1", Truth::False),
        (r#"["10.0.0.0/8"]"#, "", Truth::Unknown),
        (r#"["10.0.0.0/8"]"#, "10.0.0.1:80", Truth::Unknown),
    ] {
        assert_eq!(
            under(&format!(r#"{{"source":{networks}}}"#), 0, address),
            expected,
            "{networks} {address}"
        );
    }
}

/// A list shows what some arguments could be allowed for, and hides what none could.
#[test]
fn open_arguments_show_what_could_be_allowed() {
    let test = |when: &str| format!(r#"[{{"id":"x","tools":["t"],"when":{when}}}]"#);
    let all = r#"[{"id":"all","tools":["t"]}]"#;
    let args = test(r#"{"args":{"/p":{"path_under":"src"}}}"#);
    let no_args = test(r#"{"not":{"args":{"/p":{"equals":1}}}}"#);
    let scope = test(r#"{"scopes":{"contains":"w"}}"#);
    let both = test(r#"{"args":{"/p":{"equals":1}},"scopes":{"contains":"w"}}"#);
    let unknown = test(r#"{"args":{"/p":{"equals":1}},"subject":{"equals":"u"}}"#);
    for (allow, deny, expected) in [
        (args.as_str(), "[]", "allow x"),
        (&no_args, "[]", "allow x"),
        (&scope, "[]", "condition_false x"),
        (&both, "[]", "condition_false x"),
        (&unknown, "[]", "condition_unknown x"),
        (all, &args, "allow all"),
        (all, &no_args, "allow all"),
        (all, &both, "allow all"),
        (all, &unknown, "allow all"),
        (all, &test(r#"{"subject":{"equals":"u"}}"#), "deny_rule x"),
        (all, &test(r#"{"any":[{"args":{"/p":{"equals":1}}},{"subject":{"exists":false}}]}"#), "deny_rule x"),
    ] {
        let policy = with_rules(&format!(r#""allow":{allow},"deny":{deny}"#));
        assert_eq!(ask(&policy, "r", TOOL, Arguments::Open), expected, "{allow} {deny}");
        assert!(policy.looks_at_arguments() == [allow, deny].concat().contains("args"));
    }
}
