// SPDX-License-Identifier: Apache-2.0
//! What is in shadow is counted beside every verdict, and changes none.

use super::*;
use crate::config::HostMode;

/// A configuration with a candidate beside the policy, and with one rule of the policy in shadow.
pub(super) fn world(server: &str, top: &str) -> World {
    let candidate = r#"{"version":1,"mode":"shadow","roles":{"guest":{"allow":[{"id":"list","methods":["tools/list"]}]},
        "eng":{"allow":[{"id":"c-echo","tools":["echo"]},{"id":"c-del","tools":["code_delete"]}]}},
        "bindings":[{"role":"eng","when":{"groups":{"contains":"eng"}}}]}"#;
    let text = document(server, &format!(r#""inline":{}"#, jwks()), top);
    let text = text.replace(
        r#"{"id":"site","routes":["site"]}],"#,
        r#"{"id":"site","routes":["site"]},{"id":"soon","tools":["new_*"],"mode":"shadow"}],"#,
    );
    let text = text.replace(
        r#"{"id":"no-cancel""#,
        r#"{"id":"no-echo","tools":["echo"],"mode":"shadow","when":{"args":{"/loud":{"equals":true}}}},{"id":"no-cancel""#,
    );
    World::of(&text.replace(r#""policies":{"#, &format!(r#""policies":{{"next":{{"inline":{candidate}}},"#)))
}

/// `policy live shadow rule`, each.
fn shadows(world: &World) -> Vec<String> {
    let names = world.counted(Metric::Shadow);
    let labels = |name: &String| {
        let labels = name.split(';').skip(2).filter_map(|label| label.split_once('='));
        let labels = labels.filter(|(name, _)| *name != "revision").map(|(_, value)| value);
        labels.collect::<Vec<_>>().join(" ")
    };
    names.iter().map(labels).collect()
}

#[test]
fn a_rule_and_a_policy_in_shadow_are_counted_and_change_nothing() {
    let cases: [(&str, &str, u16, &[&str]); 6] = [
        ("echo", r#"{"loud":false}"#, 0, &["default allow allow guest-echo", "next allow allow c-echo"]),
        ("echo", r#"{"loud":true}"#, 0, &["default allow deny no-echo", "next allow allow c-echo"]),
        ("new_x", "{}", 403, &["default deny allow soon", "next deny deny none"]),
        ("code_delete", "{}", 403, &["default deny deny no-delete", "next deny allow c-del"]),
        ("code_edit", r#"{"path":"src/a"}"#, 0, &["default allow allow code", "next allow deny none"]),
        ("other", "{}", 403, &["default deny deny none", "next deny deny none"]),
    ];
    for (tool, arguments, status, expected) in cases {
        let mut with = world(r#","shadow_policy":"next""#, r#","audit":{"filter_state":true}"#);
        let outcome = with.call(tool, arguments);
        assert_eq!(outcome.status(), status, "{tool}");
        assert_eq!(shadows(&with), expected, "{tool}");
        let facts = match outcome {
            Outcome::Pass(passage) => passage.facts,
            Outcome::Answer(answer) => answer.facts,
        };
        let note = facts.iter().find(|(name, _)| *name == "toolgate_shadow").map(|(_, value)| value.as_str());
        let (_, last) = expected[1].split_once(' ').unwrap_or_default();
        let wanted = last.split_once(' ').unwrap_or_default().1.replace("none", "-");
        assert_eq!(note, Some(wanted.as_str()), "{tool}");

        let mut without = World::new("", "");
        assert_eq!(without.call(tool, arguments).status(), status, "{tool}");
        assert_eq!(without.counted(Metric::Shadow), [""; 0]);
        assert_eq!(with.verdict(), without.verdict(), "{tool}");
    }
}

#[test]
fn what_is_refused_by_its_headers_is_compared_too() {
    for (mode, candidates) in [(HostMode::Streamed, 1), (HostMode::Held, 1)] {
        let mut world = world(r#","shadow_policy":"next""#, "");
        world.config.host_mode = mode;
        let token = engineer();
        let fields = modern("tools/call", "code_delete", &token);
        let body = modern_body("tools/call", r#""name":"code_delete","arguments":{},"#);
        let fields = merged(&POST, &fields);
        match world.head(&fields, BodyFollows::Yes, Attempt::First) {
            Step::Answer(answer) => assert_eq!((mode, answer.status), (HostMode::Streamed, 403)),
            Step::Body(waiting) => {
                assert_eq!(mode, HostMode::Held);
                let step = waiting.finish(body.as_bytes(), &mut world.desk());
                assert!(matches!(step, BodyStep::Answer(answer) if answer.status == 403));
            }
            other => panic!("{other:?}"),
        }
        let found = shadows(&world);
        assert_eq!(
            found.iter().filter(|line| *line == "next deny allow c-del").count(),
            candidates,
            "{found:?}"
        );
    }
}

#[test]
fn callers_without_credentials_have_the_candidates_role() {
    let anonymous = r#","shadow_policy":"next","anonymous":{"role":"guest"}"#;
    let mut world = world(anonymous, "");
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    assert_eq!(world.post(&[], list).status(), 0);
    assert_eq!(world.post(&[], &call("echo", "{}")).status(), 0);
    assert_eq!(
        shadows(&world),
        [
            "default allow allow guest-list",
            "next allow allow list",
            "default allow allow guest-echo",
            "next allow deny none"
        ]
    );
}

#[test]
fn streams_and_routes_are_compared_with_the_rules_in_shadow() {
    let routes = r#","routes":[{"name":"site","match":{"path":"/site"},"policy":"default","issuers":["corp"],"resource":"https://mcp.example.com/mcp"}]"#;
    let mut world = world("", routes);
    let token = engineer();
    for path in ["/mcp", "/site"] {
        passed(world.get(path, &token));
    }
    assert_eq!(shadows(&world), ["default allow allow none", "default allow allow site"]);
}
