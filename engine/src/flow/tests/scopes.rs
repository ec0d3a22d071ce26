// SPDX-License-Identifier: Apache-2.0
//! Tokens whose scopes open too little, and what the challenge names.

use super::*;

const SCOPED: &str = r#"{"version":1,"roles":{
    "reads":{"allow":[{"id":"r","tools":["echo"]},{"id":"l","methods":["tools/list"]}]},
    "writes":{"inherits":["reads"],"allow":[{"id":"w","tools":["code_edit"]}]},
    "people":{"allow":[{"id":"p","tools":["meet"],"routes":["site"]}]}},
  "bindings":[{"role":"reads","when":{"scopes":{"contains":"mcp:read"}}},
    {"role":"writes","when":{"scopes":{"contains":"mcp:write"}}},
    {"role":"people","when":{"groups":{"contains":"people"}}}]}"#;

fn world(server: &str, issuer: &str) -> World {
    let text =
        document(server, &format!(r#""inline":{}"#, jwks()), r#","host":{"headers_stop_iteration":true}"#);
    let text = text.replace(r#""algorithms""#, &format!(r#"{issuer}"algorithms""#));
    World::of(&text.replace(POLICY, SCOPED))
}

fn scoped(scopes: &str) -> String {
    token(Alg::Es256, "e", &format!(r#","scope":"{scopes}""#))
}

/// Status, challenge and reason of a call.
fn told(world: &mut World, token: &str, tool: &str) -> (u16, String, &'static str) {
    let outcome = world.post(&[("authorization", token)], &call(tool, "{}"));
    match outcome {
        Outcome::Pass(_) => (0, String::new(), "allowed"),
        Outcome::Answer(answer) => {
            let challenge = header(&answer, "www-authenticate").unwrap_or_default().to_string();
            (answer.status, challenge, answer.details)
        }
    }
}

fn challenge(scope: &str) -> String {
    format!(
        r#"Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error="insufficient_scope", scope="{scope}""#
    )
}

#[test]
fn a_token_that_opens_too_little_is_told_what_would_do() {
    let mut world = world("", "");
    let read = scoped("openid mcp:read");
    assert_eq!(told(&mut world, &read, "echo").2, "allowed");
    assert_eq!(told(&mut world, &read, "code_edit"), (403, challenge("mcp:write"), "insufficient_scope"));
    assert_eq!(world.verdict(), "main tools/call code_edit deny insufficient_scope");
    assert_eq!(
        told(&mut world, &scoped("openid"), "echo"),
        (403, challenge("mcp:read"), "insufficient_scope")
    );
    // No better token helps: no challenge, and the policy's own reason.
    assert_eq!(told(&mut world, &read, "meet"), (403, String::new(), "no_rule"));
}

#[test]
fn the_challenge_is_as_configured() {
    let read = scoped("openid mcp:read offline_access");
    let with = r#","scope_challenge":"with_granted""#;
    let all = challenge("mcp:write mcp:read openid");
    assert_eq!(told(&mut world(with, ""), &read, "code_edit"), (403, all, "insufficient_scope"));
    for quiet in [r#","scope_challenge":"off""#, r#","denial":"hidden""#] {
        let (_, challenge, reason) = told(&mut world(quiet, ""), &read, "code_edit");
        assert_eq!((challenge.as_str(), reason), ("", "no_rule"), "{quiet}");
    }
    // Clients step up on 403 alone.
    let readable = told(&mut world(r#","denial":"readable""#, ""), &read, "code_edit");
    assert_eq!(readable, (403, challenge("mcp:write"), "insufficient_scope"));
}

#[test]
fn a_wide_scope_includes_the_narrower_ones() {
    let mut world = world("", r#""scope_hierarchy":{"mcp:admin":["mcp:write"],"mcp:write":["mcp:read"]},"#);
    assert_eq!(told(&mut world, &scoped("mcp:admin"), "code_edit").2, "allowed");
    assert_eq!(told(&mut world, &scoped("mcp:write"), "echo").2, "allowed");
    assert_eq!(told(&mut world, &scoped("mcp:read"), "code_edit").1, challenge("mcp:write"));
}

#[test]
fn servers_and_tools_may_require_scopes() {
    let server = r#","require":{"scopes":["mcp:use"]}"#;
    let text = document(server, &format!(r#""inline":{}"#, jwks()), "").replace(POLICY, SCOPED);
    let tool = r#"{"name":"code_edit","require":{"scopes":["code"]}}"#;
    let mut world = World::of(&text.replace(r#"{"name":"code_edit"}"#, tool));
    let missing = told(&mut world, "", "echo");
    assert_eq!(missing.0, 401);
    assert!(missing.1.ends_with(r#", scope="mcp:use""#) && !missing.1.contains("error="), "{}", missing.1);
    let (status, text, reason) = told(&mut world, &scoped("mcp:write"), "echo");
    assert_eq!((status, text, reason), (403, challenge("mcp:use"), "insufficient_scope"));
    let (status, text, _) = told(&mut world, &scoped("mcp:write mcp:use"), "code_edit");
    assert_eq!((status, text), (403, challenge("code mcp:use")));
    assert_eq!(told(&mut world, &scoped("mcp:write mcp:use code"), "code_edit").2, "allowed");
    // Whom the policy does not let through learns nothing of it.
    let stranger = token(Alg::Es256, "e", r#","scope":"mcp:use","groups":["people"]"#);
    assert_eq!(told(&mut world, &stranger, "code_edit").1, challenge("mcp:write"));
}

#[test]
fn headers_that_leave_first_are_told_the_same() {
    let text = document("", &format!(r#""inline":{}"#, jwks()), "").replace(POLICY, SCOPED);
    let mut world = World::of(&text);
    let token = scoped("mcp:read");
    let fields = merged(&POST, &modern("tools/call", "code_edit", &token));
    let answer = answered(world.head(&fields, BodyFollows::Yes, Attempt::First));
    assert_eq!((answer.status, answer.details), (403, "insufficient_scope"));
    assert_eq!(header(&answer, "www-authenticate"), Some(challenge("mcp:write").as_str()));
    // GET opens a stream for whoever holds a role.
    let nobody = scoped("openid");
    let answer = answered(world.get("/mcp", &nobody));
    assert_eq!(header(&answer, "www-authenticate"), Some(challenge("mcp:read").as_str()));
}

#[test]
fn no_challenge_asks_for_offline_access() {
    for bad in [
        r#","require":{"scopes":["offline_access"]}"#,
        r#","scopes_supported":["offline_access"]"#,
        r#","require":{"scopes":["two words"]}"#,
        r#","require":{"scopes":["quo\"te"]}"#,
    ] {
        let text = document(bad, &format!(r#""inline":{}"#, jwks()), "");
        let error = Config::compile(text.as_bytes(), &Environment).expect_err(bad);
        assert!(error.help().is_some(), "{error:?}");
    }
    let circle = document("", &format!(r#""inline":{}"#, jwks()), "")
        .replace(r#""algorithms""#, r#""scope_hierarchy":{"a":["b"],"b":["a"]},"algorithms""#);
    let error = Config::compile(circle.as_bytes(), &Environment).expect_err("a circle");
    assert_eq!(error.message(), "scope `a` includes itself");
}
