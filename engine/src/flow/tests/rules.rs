// SPDX-License-Identifier: Apache-2.0
//! Rules that require more of a caller than its role.

use super::*;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const RULES: &str = r#"{"version":1,"roles":{"dev":{"allow":[
    {"id":"list","methods":["tools/list"]},
    {"id":"echo","tools":["echo"],"require":{"acr":["urn:mfa"],"max_age_seconds":300}},
    {"id":"code","tools":["code_edit"],"require":{"scopes":["code"]}},
    {"id":"both","tools":["code_*"],"require":{"credentials":["certificate"]},"when":{"args":{"/path":{"equals":"x"}}}},
    {"id":"free","tools":["code_edit"],"when":{"args":{"/path":{"equals":"free"}}}},
    {"id":"site","routes":["site"],"require":{"amr":["hwk"]}}]}},
  "bindings":[{"role":"dev","when":{"groups":{"contains":"eng"}}}]}"#;

fn world(top: &str) -> World {
    let text = document("", &format!(r#""inline":{}"#, jwks()), top).replace(POLICY, RULES);
    World::of(&text)
}

/// Status, reason, and challenge.
fn told(world: &mut World, claims: &str, tool: &str, arguments: &str) -> (u16, &'static str, String) {
    let token = token(Alg::Es256, "e", &format!(r#","groups":["eng"]{claims}"#));
    match world.post(&[("authorization", &token)], &call(tool, arguments)) {
        Outcome::Pass(_) => (0, "allowed", String::new()),
        Outcome::Answer(answer) => {
            let challenge = header(&answer, "www-authenticate").unwrap_or_default();
            let end = challenge.split_once("error=").map_or("", |(_, end)| end);
            (answer.status, answer.details, end.to_string())
        }
    }
}

#[test]
fn who_has_to_show_more_is_told_what() {
    let mut world = world("");
    let step_up = r#""insufficient_user_authentication", acr_values="urn:mfa", max_age="300""#.to_string();
    let login = (401, "insufficient_user_authentication", step_up);
    assert_eq!(told(&mut world, "", "echo", "{}"), login);
    assert_eq!(world.verdict(), "main tools/call echo deny insufficient_user_authentication");
    assert_eq!(
        told(&mut world, &format!(r#","acr":"urn:mfa","auth_time":{}"#, NOW - 900), "echo", "{}"),
        login
    );
    assert_eq!(
        told(&mut world, &format!(r#","acr":"urn:mfa","auth_time":{}"#, NOW - 200), "echo", "{}").1,
        "allowed"
    );
    let scope = (403, "insufficient_scope", r#""insufficient_scope", scope="code""#.to_string());
    assert_eq!(told(&mut world, "", "code_edit", "{}"), scope);
    assert_eq!(told(&mut world, r#","scope":"code""#, "code_edit", "{}").1, "allowed");
    assert_eq!(told(&mut world, "", "code_run", r#"{"path":"x"}"#).1, "certificate_required");
    // Nothing to show makes up for a condition that does not hold.
    assert_eq!(told(&mut world, "", "code_run", r#"{"path":"y"}"#), (403, "condition_false", String::new()));
}

#[test]
fn another_rule_may_allow_it_without() {
    let mut world = world("");
    assert_eq!(told(&mut world, "", "code_edit", r#"{"path":"free"}"#).1, "allowed");
}

#[test]
fn lists_show_what_a_better_login_would_open() {
    let mut world = world("");
    let reply = world.post(&[("authorization", &engineer())], LIST).passage().reply;
    let fields = [(&b":status"[..], &b"200"[..]), (b"content-type", b"application/json")];
    let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply.start(&fields, &mut world.desk()) else {
        panic!("filtered")
    };
    let list = br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo"},{"name":"other"}]}}"#;
    let Ok(crate::mcp::Body::Changed(bytes)) = filter.whole(list, &mut world.desk()) else {
        panic!("changed")
    };
    assert!(String::from_utf8_lossy(&bytes).contains(r#"[{"name":"echo"}]"#));
}

#[test]
fn routes_are_told_too_and_headers_that_leave_first_wait_for_the_body() {
    let route = r#","routes":[{"name":"site","match":{"path":"/site"},"policy":"default","issuers":["corp"],"resource":"https://mcp.example.com/mcp"}]"#;
    let mut world = world(route);
    let token = engineer();
    let answer = answered(world.get("/site", &token));
    assert_eq!((answer.status, answer.details), (401, "insufficient_user_authentication"));
    let fields = modern("tools/call", "echo", &token);
    let answer = world.post(&fields, &modern_body("tools/call", r#""name":"echo","arguments":{},"#)).answer();
    assert_eq!((answer.status, answer.details), (401, "insufficient_user_authentication"));
    assert!(answer.body.contains(r#""id":"a""#), "{}", answer.body);
}

#[test]
fn a_rule_that_denies_requires_nothing() {
    let text = document("", &format!(r#""inline":{}"#, jwks()), "")
        .replace(POLICY, &RULES.replace(r#""bindings""#, r#""permissions":{},"bindings""#))
        .replace(
            r#""dev":{"allow""#,
            r#""dev":{"deny":[{"id":"d","tools":["x"],"require":{"acr":["y"]}}],"allow""#,
        );
    let error = Config::compile(text.as_bytes(), &Environment).expect_err("a requirement of a denial");
    assert_eq!(error.message(), "a rule that denies requires nothing");
}

/// A server that has the argument as optional takes null for nothing; the official Python SDK reads `"null"` as null too.
#[test]
fn null_is_no_argument_that_is_there() {
    let rule = r#""when":{"args":{"/path":{"path_under":"src"}}}"#;
    let keys = format!(r#""inline":{}"#, jwks());
    for test in [r#"{"exists":true}"#, r#"{"regex":"[a-z]+"}"#] {
        let policy = POLICY.replace(rule, &format!(r#""when":{{"args":{{"/path":{test}}}}}"#));
        for (arguments, passes) in [
            (r#"{"path":"x"}"#, true),
            (r#"{"path":null}"#, false),
            (r#"{"path":" null "}"#, false),
            ("{}", false),
        ] {
            if test.contains("regex") && arguments.contains(' ') {
                continue;
            }
            let mut world = World::of(&document("", &keys, "").replace(POLICY, &policy));
            let arguments = if test.contains("regex") {
                arguments.replace("null", r#""null""#)
            } else {
                arguments.into()
            };
            assert_eq!(world.call("code_edit", &arguments).status() == 0, passes, "{test} {arguments}");
        }
    }
}
