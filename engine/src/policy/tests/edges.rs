// SPDX-License-Identifier: Apache-2.0
//! What lies exactly on a bound, and one beyond it.

use super::*;
use crate::policy::lint::Catalogue;
use crate::policy::wire::Mode;
use alloc::format;
use alloc::vec::Vec;
use core::cell::Cell;

fn when(when: &str) -> String {
    format!(r#"{{"version":1,"roles":{{"r":{{"allow":[{{"id":"x","tools":["t"],"when":{when}}}]}}}}}}"#)
}

fn on_argument(test: &str) -> String {
    when(&format!(r#"{{"args":{{"/v":{test}}}}}"#))
}

/// `inner` in so many of `open` and `close`.
fn nested(levels: usize, open: &str, inner: &str, close: &str) -> String {
    [&open.repeat(levels), inner, &close.repeat(levels)].concat()
}

#[test]
fn a_bound_belongs_to_what_it_bounds() {
    let roles = |count: usize| {
        let roles: Vec<String> = (0..count).map(|at| format!(r#""r{at}":{{}}"#)).collect();
        format!(r#"{{"version":1,"roles":{{{}}}}}"#, roles.join(","))
    };
    let grants = |count: usize| {
        let grant = r#"{"subject":"u","allow":[{"tools":["t"]}]}"#;
        format!(r#"{{"version":1,"roles":{{"r":{{}}}},"grants":[{}]}}"#, [grant].repeat(count).join(","))
    };
    let subject = r#"{"subject":{"exists":true}}"#;
    for (good, bad, complains) in [
        (roles(4_096), roles(4_097), "more than 4096 roles"),
        (grants(10_000), grants(10_001), "more than 10000 grants"),
        (
            when(&nested(7, r#"{"all":["#, subject, "]}")),
            when(&nested(8, r#"{"all":["#, subject, "]}")),
            "conditions nest deeper than 8 levels",
        ),
        (
            when(&nested(7, r#"{"any":["#, subject, "]}")),
            when(&nested(8, r#"{"any":["#, subject, "]}")),
            "conditions nest deeper than 8 levels",
        ),
        (
            on_argument(&nested(7, r#"{"some":"#, r#"{"equals":1}"#, "}")),
            on_argument(&nested(9, r#"{"every":"#, r#"{"equals":1}"#, "}")),
            "deeper than 8 levels",
        ),
        (on_argument(r#"{"min":2,"max":2}"#), on_argument(r#"{"min":2,"max":1}"#), "`max` is below `min`"),
        (
            on_argument(r#"{"length":{"min":2,"max":2}}"#),
            on_argument(r#"{"length":{"min":2,"max":1}}"#),
            "`max` is below `min`",
        ),
        (
            on_argument(&format!(r#"{{"regex":"{}"}}"#, "a".repeat(512))),
            on_argument(&format!(r#"{{"regex":"{}"}}"#, "a".repeat(513))),
            "longer than 512 bytes",
        ),
        (on_argument(r#"{"equals":1.5}"#), on_argument(r#"{"equals":1e300}"#), "too large to be compared"),
        (on_argument(r#"{"equals":1.5}"#), on_argument(r#"{"equals":9007199254740992.0}"#), "too large"),
        (
            on_argument(r#"{"equals":true}"#),
            on_argument(r#"{"equals":[]}"#),
            "a string, a number or a boolean",
        ),
        (
            when(subject).replace(r#"["t"]"#, r#"[{"regex":"t"}]"#),
            when(subject).replace(r#"["t"]"#, "[5]"),
            "a pattern or `{ regex: EXPRESSION }`",
        ),
        (when(r#"{"source":["10.0.0.0/8"]}"#), when(r#"{"source":["10.0.0.0/+8"]}"#), "is not a network"),
        (when(r#"{"source":["10.0.0.0/008"]}"#), when(r#"{"source":["10.0.0.0/0008"]}"#), "is not a network"),
    ] {
        let shown = bad.get(..200).unwrap_or(&bad);
        assert!(compile(&good).is_ok(), "{shown}: {:?}", compile(&good).err());
        let complaint = complaint(&bad);
        assert!(complaint.contains(complains), "{shown}: {complaint}");
    }
}

#[test]
fn a_circle_beside_other_roles_is_still_named_by_what_stands_on_it() {
    let circle = complaint(
        r#"{"version":1,"roles":{"a":{"inherits":["b"]},"b":{"inherits":["c"]},"c":{"inherits":["b"]}}}"#,
    );
    assert!(["roles.b.inherits", "roles.c.inherits"].iter().any(|on| circle.starts_with(on)), "{circle}");
}

#[test]
fn texts_up_to_the_bound_are_tested() {
    const MOST: usize = 65_536;
    let said = |value: &str, test: &str| {
        let doc = format!(r#"{{"v":{value}}}"#);
        let doc = Doc::parse(doc.as_bytes(), Limits::CONFIG).expect("JSON");
        ask(&policy(&on_argument(test)), "r", Ask::Tool("tools/call", "t"), Arguments::Given(doc.root()))
    };
    // With its quotes it has two bytes more.
    let text = |bytes: usize| format!(r#""{}""#, "a".repeat(bytes - 2));
    for test in [r#"{"prefix":"a"}"#, r#"{"length":{"min":1}}"#] {
        assert_eq!(said(&text(MOST), test), "allow x", "{test}");
        assert_eq!(said(&text(MOST + 1), test), "condition_unknown x", "{test}");
    }
    let policy = |test: &str| policy(&when(&format!(r#"{{"subject":{test}}}"#)));
    for test in [r#"{"prefix":"a"}"#, r#"{"length":{"min":1}}"#] {
        for (bytes, expected) in [(MOST, "allow x"), (MOST + 1, "condition_unknown x")] {
            let policy = policy(test);
            let subject = "a".repeat(bytes);
            let facts = Facts { subject: Some(&subject), ..NOBODY };
            let roles = policy.role("r").unwrap_or_default();
            let told = policy.decide(&roles, &facts, Ask::Tool("tools/call", "t"), &now(Arguments::Absent));
            assert_eq!(word(&told), expected, "{test} {bytes}");
        }
    }
}

#[test]
fn roles_of_another_policy_are_none_in_shadow_too() {
    let rules = r#""allow":[{"id":"all","tools":["*"]}]"#;
    let (policy, other) = (with_rules(rules), with_rules(r#""allow":[{"id":"other","tools":["*"]}]"#));
    let roles = other.role("r").expect("the role");
    let supposed = policy.suppose_one(&roles, &NOBODY, Ask::Tool("tools/call", "t"), &now(Arguments::Absent));
    assert_eq!(supposed, Supposed { effect: Effect::Deny, rule: None });
    assert_eq!(policy.mode, Mode::Enforce);
}

#[test]
fn one_of_is_told_from_equals() {
    for (test, word) in [(r#"{"equals":"a"}"#, "equals"), (r#"{"one_of":["a","b"]}"#, "one_of")] {
        let policy = policy(&on_argument(test));
        let roles = policy.role("r").unwrap_or_default();
        let target = crate::mcp::Target::Tool("t".into());
        let context = now(Arguments::Absent);
        let told = policy.explain(&roles, &NOBODY, crate::mcp::Method::ToolsCall, &target, &context);
        assert_eq!(told.questions[0].rules[0].findings[0].path, format!("when.args./v.{word}"));
    }
}

#[test]
fn a_subject_is_clear_where_there_is_one_issuer() {
    let json = r#"{"version":1,"roles":{"r":{}},"grants":[{"subject":"u","allow":[{"tools":["t"]}]},
        {"subject":"v","issuer":"corp","allow":[{"tools":["t"]}]}]}"#;
    let doc = Doc::parse(json.as_bytes(), Limits::CONFIG).expect("JSON");
    for (issuers, expected) in [(&["corp"][..], 0), (&["corp", "lab"], 1), (&["lab"], 1)] {
        let catalogue = Catalogue { issuers: Some(issuers), ..Catalogue::default() };
        let found = Policy::lint(doc.root(), &catalogue).expect("a policy");
        let unclear = found.iter().filter(|lint| lint.kind == crate::policy::lint::LintKind::UnclearSubject);
        assert_eq!(unclear.count(), expected, "{issuers:?}");
    }
}

/// Counts how often it is asked.
#[derive(Debug, Default)]
struct Counted(Cell<u32>);

impl Witness for Counted {
    fn facts(&self) -> Facts<'_> {
        self.0.set(self.0.get() + 1);
        Facts { subject: Some("ann"), client: Some("cli"), ..NOBODY }
    }
}

/// Facts are put together where a rule reads them, and once for a question.
#[test]
fn who_calls_is_asked_only_where_a_rule_reads_it() {
    let both = r#"{"all":[{"subject":{"equals":"ann"}},{"client":{"equals":"cli"}}]}"#;
    for (when, verdict, asked) in [
        (String::new(), "allow g", 0),
        (format!(r#","when":{both}"#), "allow g", 1),
        (r#","when":{"subject":{"equals":"bob"}}"#.to_string(), "condition_false g", 1),
        (r#","when":{"args":{"/a":{"exists":false}}}"#.to_string(), "allow g", 0),
        (r#","require":{"scopes":["s"]}"#.to_string(), "more_required g", 1),
    ] {
        let policy = with_rules(&format!(r#""allow":[{{"id":"g","tools":["t"]{when}}}]"#));
        let (who, role) = (Counted::default(), policy.role("r").unwrap());
        let judged = policy.decide(&role, &who, Ask::Tool("tools/call", "t"), &now(Arguments::Absent));
        assert_eq!((word(&judged).as_str(), who.0.get()), (verdict, asked), "{when}");
    }
}
