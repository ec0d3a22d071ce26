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

#[test]
fn of_two_that_are_alike_the_first_is_named() {
    let text = r#"{"version":1,"roles":{"r":{"allow":[{"tools":["get"]}]}},"bindings":[
        {"role":"r","when":{"scopes":{"contains":"z"}}},{"role":"r","when":{"scopes":{"contains":"a"}}}]}"#;
    assert_eq!(fewest(&policy(text), &[], "get"), "z");
}

/// A role that this many scopes can open, one of a binding or of a rule, and a tool that none of them opens.
#[test]
fn the_work_of_the_search_is_bounded_by_the_size_of_the_policy() {
    let tried = |bindings: usize, scopes: usize| {
        let scope = |at: usize| alloc::format!(r#"{{"scopes":{{"contains":"s{at}"}}}}"#);
        let rules: Vec<String> = (0..scopes)
            .map(|at| alloc::format!(r#"{{"id":"a{at}","tools":["get"],"when":{}}}"#, scope(at)))
            .collect();
        let all: Vec<String> =
            (0..bindings).map(|_| r#"{"role":"r","when":{"subject":{"exists":true}}}"#.to_string()).collect();
        let policy = policy(&alloc::format!(
            r#"{{"version":1,"roles":{{"r":{{"allow":[{}]}}}},"bindings":[{}]}}"#,
            rules.join(","),
            all.join(",")
        ));
        let asked = core::cell::Cell::new(0);
        // Only all of them together would do.
        let permits = |_: &RoleSet, facts: &Facts<'_>| {
            asked.set(asked.get() + 1);
            facts.scopes.len() >= scopes.min(32)
        };
        let found = policy.fewest_scopes(&NOBODY, UnixTime::from_secs(0), &permits);
        (asked.get(), found.map(|found| found.len()))
    };
    // All; each; each pair of the first eight; and each left out once.
    assert_eq!(tried(0, 10), (1 + 10 + 28 + 10, Some(10)));
    // No more than 32 are tried.
    assert_eq!(tried(0, 40), (1 + 32 + 28 + 32, Some(32)));
    // The more bindings, the fewer questions: twenty thousand bindings are looked at, not more.
    assert_eq!(tried(1_999, 10).0, 10);
}
