// SPDX-License-Identifier: Apache-2.0
//! Every rule, and why it fired or did not.

use super::*;
use crate::mcp::{Method, Target};
use alloc::vec::Vec;

#[test]
fn every_rule_is_there_with_what_became_of_it() {
    let policy = policy(
        r#"{"version":1,"permissions":{"p":{"tools":["code_*"],"operations":["read"]}},
          "roles":{
            "base":{"allow":[{"id":"echo","tools":["echo"]},{"id":"seen","tools":["code_edit"],"on":["list"]}]},
            "dev":{"inherits":["base"],"permissions":["p"],
              "allow":[{"id":"edit","tools":["code_edit"],"when":{"args":{"/path":{"path_under":"src","length":{"max":20}}},
                "any":[{"subject":{"equals":"x"}},{"not":{"scopes":{"contains":"frozen"}}}],"all":[{"time":{"from":"00:00"}}]}}],
              "deny":[{"id":"no-net","tools":["*"],"when":{"source":["192.0.2.0/24"]}}]},
            "admin":{"allow":[{"id":"all","tools":["*"]}]}}}"#,
    );
    let doc = Doc::parse(br#"{"path":"src/a"}"#, Limits::MESSAGE).expect("JSON");
    let roles = policy.role("dev").unwrap_or_default();
    let context = now(Arguments::Given(doc.root())).from("10.0.0.1".parse().ok());
    let explain = |context: &Context<'_>| {
        policy.explain(&roles, &NOBODY, Method::ToolsCall, &Target::Tool("code_edit".into()), context)
    };
    let explanation = explain(&context);
    assert_eq!(word(&explanation.verdict), "allow edit");
    let [question] = explanation.questions.as_slice() else { panic!("one question") };
    assert_eq!(question.asked, "tool code_edit");
    let outcomes = |explained: &Explained| -> Vec<String> {
        explained.rules.iter().map(|rule| [&rule.rule, " ", rule.outcome.word()].concat()).collect()
    };
    assert_eq!(
        outcomes(question),
        [
            "all not_held",
            "echo other_target",
            "seen other_use",
            "edit fired",
            "no-net condition_false",
            "p condition_unknown"
        ]
    );
    assert_eq!(question.rules[3].roles, ["dev"]);
    let findings = |rule: &Considered| -> Vec<(String, Option<Truth>)> {
        rule.findings.iter().map(|finding| (finding.path.clone(), finding.truth)).collect()
    };
    let expected = |first| {
        [
            ("when.args./path.path_under", first),
            ("when.args./path.length", first),
            ("when.all[0].time", Some(Truth::True)),
            ("when.any[0].subject.equals", Some(Truth::Unknown)),
            ("when.any[1].not.scopes.contains", Some(Truth::False)),
        ]
        .map(|(path, truth)| (path.to_string(), truth))
    };
    assert_eq!(findings(&question.rules[3]), expected(Some(Truth::True)));
    assert_eq!(findings(&question.rules[5]), [("operations".to_string(), Some(Truth::Unknown))]);
    let listed = explain(&context.listed());
    assert_eq!(word(&listed.verdict), "allow seen");
    assert_eq!(findings(&listed.questions[0].rules[3]), expected(None));
    // Without an address the deny rule fires.
    let nowhere = explain(&context.from(None));
    assert_eq!(word(&nowhere.verdict), "deny_rule no-net");
    assert_eq!(nowhere.questions[0].rules[4].outcome, Outcome::Fired);
}

#[test]
fn the_outcome_of_a_rule_says_what_it_lacked() {
    let unknown = r#"{"subject":{"equals":"x"}}"#;
    for (rule, outcome) in [
        (r#""allow":[{"id":"x","tools":["t"]}]"#.to_string(), "fired"),
        (r#""allow":[{"id":"x","tools":["t"],"require":{"acr":["mfa"]}}]"#.to_string(), "more_required"),
        (alloc::format!(r#""allow":[{{"id":"x","tools":["t"],"when":{unknown}}}]"#), "condition_unknown"),
        (alloc::format!(r#""deny":[{{"id":"x","tools":["t"],"when":{unknown}}}]"#), "fired"),
        (
            r#""allow":[{"id":"x","tools":["t"],"when":{"source":["192.0.2.0/24"]}}]"#.to_string(),
            "condition_false",
        ),
        (
            r#""deny":[{"id":"x","tools":["t"],"when":{"source":["192.0.2.0/24"]}}]"#.to_string(),
            "condition_false",
        ),
        // In a list the arguments are open, which leaves what is unknown or false.
        (
            alloc::format!(
                r#""allow":[{{"id":"x","tools":["t"],"when":{{"all":[{unknown},{{"args":{{"/a":{{"equals":1}}}}}}]}}}}]"#
            ),
            "condition_unknown",
        ),
    ] {
        let policy = with_rules(&rule);
        let roles = policy.role("r").unwrap_or_default();
        let arguments = if rule.contains("args") { Arguments::Open } else { Arguments::Absent };
        let context = now(arguments).from("10.0.0.1".parse().ok());
        let explanation =
            policy.explain(&roles, &NOBODY, Method::ToolsCall, &Target::Tool("t".into()), &context);
        assert_eq!(explanation.questions[0].rules[0].outcome.word(), outcome, "{rule}");
    }
}

#[test]
fn a_call_of_several_questions_explains_each() {
    let policy = with_rules(
        r#""allow":[{"id":"m","methods":["subscriptions/listen"]},{"id":"u","resources":["a://*"]}]"#,
    );
    let roles = policy.role("r").unwrap_or_default();
    let target = Target::Listen { uris: alloc::vec!["a://1".into(), "b://1".into()], tasks: Vec::new() };
    let explanation =
        policy.explain(&roles, &NOBODY, Method::SubscriptionsListen, &target, &now(Arguments::Absent));
    assert_eq!(word(&explanation.verdict), "no_rule -");
    let asked: Vec<&str> = explanation.questions.iter().map(|question| question.asked.as_str()).collect();
    assert_eq!(asked, ["method subscriptions/listen", "resource a://1", "resource b://1"]);
}
