// SPDX-License-Identifier: Apache-2.0
//! How denials are worded.

use super::*;

/// The body without its decision id, which differs from call to call.
fn body(answer: &Answer) -> String {
    match answer.body.split_once(r#","decision_id":""#) {
        Some((head, tail)) => {
            let (id, rest) = tail.split_once('"').expect("an id");
            assert_eq!((id.len(), id.as_bytes()[12]), (21, b'-'), "{id}");
            format!("{head}{rest}")
        }
        None => answer.body.clone(),
    }
}

const EXPLICIT: &str = r#"{"jsonrpc":"2.0","id":7,"error":{"code":403,"message":"the policy does not allow this","data":{"reason":"no_rule"}}}"#;

#[test]
fn denials_are_explicit_readable_or_hidden() {
    let unknown = |what: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":-32602,"message":"Unknown {what}"}}}}"#)
    };
    let get = r#"{"jsonrpc":"2.0","id":7,"method":"prompts/get","params":{"name":"p"}}"#;
    let read = r#"{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"x://y"}}"#;
    let list = r#"{"jsonrpc":"2.0","id":7,"method":"resources/templates/list"}"#;
    let missing = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32002,"message":"Resource not found: x://y"}}"#;
    let method = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"Method not found"}}"#;
    for (style, message, status, expected) in [
        ("explicit", call("nope", "{}"), 403, EXPLICIT.to_string()),
        ("readable", call("nope", "{}"), 200, EXPLICIT.to_string()),
        ("hidden", call("nope", "{}"), 200, unknown("tool: nope")),
        ("explicit", get.to_string(), 403, EXPLICIT.to_string()),
        ("hidden", get.to_string(), 200, unknown("prompt: p")),
        ("hidden", read.to_string(), 200, missing.to_string()),
        ("hidden", list.to_string(), 200, method.to_string()),
    ] {
        let mut world = World::new(&format!(r#","denial":"{style}""#), "");
        let answer = world.post(&[("authorization", &engineer())], &message).answer();
        assert_eq!((answer.status, body(&answer)), (status, expected), "{style} {message}");
        assert_eq!((answer.details, world.verdict().ends_with("deny no_rule")), ("no_rule", true));
        assert_eq!(header(&answer, "www-authenticate"), None);
        assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    }
}

#[test]
fn a_hidden_method_is_unknown_in_the_way_of_its_era() {
    let mut world = World::new(r#","denial":"hidden""#, "");
    let token = engineer();
    let answer = world
        .post(&modern("resources/templates/list", "", &token), &modern_body("resources/templates/list", ""))
        .answer();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (404, r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32601,"message":"Method not found"}}"#)
    );
    let answer = world
        .post(&modern("resources/read", "x://y", &token), &modern_body("resources/read", r#""uri":"x://y","#))
        .answer();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32602,"message":"Resource not found: x://y"}}"#)
    );
}

#[test]
fn ids_are_echoed_as_they_were_written() {
    for id in ["7", "-1", r#""a b""#, r#""\u0041""#, "18446744073709551615"] {
        let message = call("nope", "{}").replace(r#""id":7"#, &format!(r#""id":{id}"#));
        let answer = World::new("", "").post(&[("authorization", &engineer())], &message).answer();
        assert!(
            answer.body.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":"#)),
            "{}",
            answer.body
        );
    }
}

/// Nobody reads a body in answer to a notification: the status says it, whatever the style.
#[test]
fn a_denied_notification_is_403_without_an_id() {
    for style in ["explicit", "readable", "hidden"] {
        let mut world = World::new(&format!(r#","denial":"{style}""#), "");
        let message = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
        let answer = world.post(&[("authorization", &engineer())], message).answer();
        assert_eq!(answer.status, 403, "{style}");
        assert_eq!(
            body(&answer),
            r#"{"jsonrpc":"2.0","error":{"code":403,"message":"the policy does not allow this","data":{"reason":"deny_rule"}}}"#
        );
    }
}

#[test]
fn the_rule_is_shown_only_where_the_configuration_says_so() {
    for (top, shown) in [("", false), (r#","audit":{"show_rule":true}"#, true)] {
        let answer = World::new("", top).call("code_delete", "{}").answer();
        assert_eq!(answer.body.contains(r#""rule":"no-delete""#), shown, "{}", answer.body);
    }
}

#[test]
fn every_decision_has_an_id_of_its_own() {
    let mut world = World::new("", "");
    let ids: alloc::collections::BTreeSet<String> = (0..20)
        .map(|_| {
            world
                .call("nope", "{}")
                .answer()
                .body
                .split(r#""decision_id":""#)
                .nth(1)
                .expect("an id")
                .to_string()
        })
        .collect();
    assert_eq!(ids.len(), 20);
}
