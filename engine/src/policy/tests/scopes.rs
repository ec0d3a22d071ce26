// SPDX-License-Identifier: Apache-2.0
//! The fewest scopes with which a token would have been let through.

use super::*;

/// What a challenge would name to a caller with these scopes who asks for a tool.
fn fewest(policy: &Policy, scopes: &[&str], tool: &str) -> String {
    let own: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let facts = Facts { scopes: &own, ..NOBODY };
    let context = now(Arguments::Absent);
    let (roles, _) = policy.resolve(&facts, context.now);
    let again = |roles: &RoleSet, facts: &Facts<'_>| {
        policy.decide(roles, facts, Ask::Tool("tools/call", tool), &context).is_ok()
    };
    assert!(!again(&roles, &facts), "{scopes:?} may call {tool}");
    let found = policy.fewest_scopes(&facts, context.now, &again);
    found.map_or_else(|| "-".to_string(), |found| found.join(" "))
}

const LADDER: &str = r#"{"version":1,"roles":{
    "admins":{"inherits":["writes"],"allow":[{"id":"a","tools":["drop"]}]},
    "reads":{"allow":[{"id":"r","tools":["get"]}]},
    "writes":{"inherits":["reads"],"allow":[{"id":"w","tools":["put"]},
        {"id":"both","tools":["sign"],"when":{"scopes":{"contains":"keys"}}}]},
    "people":{"allow":[{"id":"p","tools":["meet"]}]}},
  "bindings":[
    {"role":"admins","when":{"scopes":{"contains":"admin"}}},
    {"role":"writes","when":{"any":[{"scopes":{"contains":"write"}},{"groups":{"contains":"ops"}}]}},
    {"role":"reads","when":{"scopes":{"some":{"one_of":["read","offline_access","not one"]}}}},
    {"role":"people","when":{"groups":{"contains":"people"}}}]}"#;

#[test]
fn the_narrowest_scope_that_opens_it_is_named() {
    let policy = policy(LADDER);
    for (scopes, tool, expected) in [
        (&[][..], "get", "read"),
        (&["openid"], "get", "read"),
        (&[], "put", "write"),
        (&["read"], "put", "write"),
        (&[], "drop", "admin"),
        (&["write"], "drop", "admin"),
        // Two are needed, whichever of them the token has.
        (&[], "sign", "keys write"),
        (&["keys", "read"], "sign", "keys write"),
        (&["write"], "sign", "keys write"),
        // No scope helps.
        (&["admin"], "unknown", "-"),
        (&[], "meet", "-"),
    ] {
        let mut found: Vec<String> =
            fewest(&policy, scopes, tool).split(' ').map(ToString::to_string).collect();
        found.sort();
        assert_eq!(found.join(" "), expected, "{scopes:?} {tool}");
    }
}

#[test]
fn what_denies_is_not_overcome_and_shadow_does_not_count() {
    let denied = r#"{"version":1,"roles":{"r":{
        "allow":[{"id":"a","tools":["get","put"]},{"id":"s","tools":["see"],"mode":"shadow","when":{"scopes":{"contains":"shadow"}}}],
        "deny":[{"id":"d","tools":["put"]},{"id":"n","tools":["get"],"when":{"scopes":{"contains":"blocked"}}}]}},
      "bindings":[{"role":"r","when":{"scopes":{"contains":"r"}}}]}"#;
    let policy = policy(denied);
    assert_eq!(fewest(&policy, &[], "get"), "r");
    assert_eq!(fewest(&policy, &[], "put"), "-");
    assert_eq!(fewest(&policy, &["blocked"], "get"), "-");
    assert_eq!(fewest(&policy, &["r"], "see"), "-");
}

#[test]
fn many_scopes_and_bindings_end_the_search() {
    let rules: Vec<String> = (0..40)
        .map(|at| {
            alloc::format!(r#"{{"role":"r","when":{{"all":[{{"scopes":{{"contains":"a{at}"}}}},{{"scopes":{{"contains":"b{at}"}}}}]}}}}"#)
        })
        .collect();
    let text = alloc::format!(
        r#"{{"version":1,"roles":{{"r":{{"allow":[{{"id":"a","tools":["get"]}}]}}}},"bindings":[{}]}}"#,
        rules.join(",")
    );
    assert_eq!(fewest(&policy(&text), &[], "get").split(' ').count(), 2);
}
