// SPDX-License-Identifier: Apache-2.0
//! Whether the gate works: in a word for anyone, by parts for a role.

use super::*;
use crate::flow::{Health, Reported};

const ROUTES: &str = r#","routes":[{"name":"up","match":{"path":"/healthz","methods":["GET"]},"allow":"anyone","answer":"health"},
    {"name":"site","match":{"path":"/health","methods":["GET"]},"policy":"default","issuers":["corp"],"resource":"https://mcp.example.com/mcp","answer":"health"}]"#;

fn ask(world: &mut World, path: &str, more: &[(&str, &str)]) -> (u16, String) {
    let fields = merged(&[(":method", "GET"), (":path", path), (":authority", "mcp.example.com")], more);
    let answer = answered(world.head(&fields, BodyFollows::No, Attempt::First));
    (answer.status, answer.body)
}

#[test]
fn anyone_sees_a_word_and_a_role_sees_the_parts() {
    let mut world = World::new("", ROUTES);
    let token = engineer();
    let role = [("authorization", token.as_str())];
    assert_eq!(ask(&mut world, "/healthz", &[]), (200, r#"{"status":"ok"}"#.into()));
    let (status, parts) = ask(&mut world, "/health", &role);
    assert_eq!(status, 200);
    assert_eq!(
        parts,
        r#"{"status":"ok","components":{"keys":"ok","revocation":"ok","audit":"ok","shared_data":"ok"}}"#
    );
    assert_eq!(ask(&mut world, "/health", &[]).0, 401);
    world.memory.reported = Reported { audit: Health::Unhealthy, ..Reported::default() };
    assert_eq!(ask(&mut world, "/healthz", &[]), (200, r#"{"status":"degraded"}"#.into()));
    assert!(ask(&mut world, "/health", &role).1.contains(r#""audit":"unhealthy""#));
}

#[test]
fn without_keys_it_is_closed() {
    let mut world = World::of(&document("", r#""uri":"https://idp/jwks""#, ROUTES));
    assert_eq!(ask(&mut world, "/healthz", &[]), (503, r#"{"status":"unhealthy"}"#.into()));
}
