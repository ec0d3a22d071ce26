// SPDX-License-Identifier: Apache-2.0
//! Identity onward: the gate's own token, its keys, and who am I.

use super::*;
use crate::json::Doc;
use crate::keys::{KeySet, PublicKey, Signature, Software, Verdict, decode_base64url};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const SIGNER: &str = r#","signer":{"keys":[{"env":"SEED"},{"env":"SEED_B"}],"issuer":"https://gate"}"#;
const JWT: &str = r#","upstream":{"internal_jwt":{"audience":"https://inner"}}"#;
const OWN: &str = r#","upstream":{"internal_jwt":{"audience":"https://inner","header":"x-toolgate-token"}}"#;

/// The value of a header that the upstream gets.
fn given(passage: &Passage, header: &str) -> Option<String> {
    let mut found = passage.edits.iter().filter_map(|edit| match edit {
        Edit::Set(name, value) if *name == header => String::from_utf8(value.to_vec()).ok(),
        Edit::Set(..) | Edit::Remove(_) => None,
    });
    let first = found.next();
    assert_eq!(found.next(), None);
    first
}

fn onward(world: &mut World, header: &str) -> Option<String> {
    let token = engineer();
    given(&world.post(&[("authorization", &token)], LIST).passage(), header)
}

/// The claims of a token that verifies under the first published key.
fn verified(world: &World, token: &str) -> String {
    let doc = Doc::parse(
        world.config.signer.as_ref().expect("a signer").jwks().as_bytes(),
        crate::json::Limits::TOKEN,
    )
    .expect("JSON");
    let jwk = doc.root().pointer("/keys/0").expect("a key");
    let key = PublicKey::from_jwk(jwk).expect("a sound key");
    let (input, signature) = token.rsplit_once('.').expect("three parts");
    let signature = decode_base64url(signature).and_then(Signature::from_bytes).expect("a signature");
    assert_eq!(key.verify(Alg::EdDsa, input.as_bytes(), &signature, &Software), Verdict::Verified);
    let (header, claims) = input.split_once('.').expect("three parts");
    let text = |part: &str| String::from_utf8(decode_base64url(part).expect("base64url")).expect("UTF-8");
    assert_eq!(
        text(header),
        format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{}"}}"#, key.kid().expect("a kid"))
    );
    text(claims)
}

#[test]
fn the_upstream_gets_a_token_that_says_who_calls() {
    for (server, header, scheme) in [(JWT, "authorization", "Bearer "), (OWN, "x-toolgate-token", "")] {
        let mut world = World::new(server, SIGNER);
        let value = onward(&mut world, header).expect("a token");
        let claims = verified(&world, value.strip_prefix(scheme).expect("the scheme"));
        let id = claims.split(r#""jti":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
        assert_eq!(
            claims,
            format!(
                r#"{{"iss":"https://gate","aud":"https://inner","iat":{NOW},"exp":{},"jti":"{id}","sub_iss":"https://idp","roles":["dev"],"sub":"user-1","client_id":"cli"}}"#,
                NOW + 60
            )
        );
    }
}

#[test]
fn it_is_made_anew_in_the_second_half_of_its_life_and_never_outlives_its_cause() {
    let mut world = World::new(JWT, SIGNER);
    let first = onward(&mut world, "authorization");
    world.now = NOW + 29;
    assert_eq!(onward(&mut world, "authorization"), first);
    world.now = NOW + 30;
    let second = onward(&mut world, "authorization");
    assert!(second.is_some() && second != first);
    // The client's token ends at NOW + 160, leeway included.
    world.now = NOW + 150;
    let last = onward(&mut world, "authorization").expect("a token");
    assert!(
        verified(&world, last.trim_start_matches("Bearer ")).contains(&format!(r#""exp":{},"#, NOW + 160))
    );
}

#[test]
fn who_showed_no_credentials_gets_none() {
    let mut world = World::new(&format!(r#"{JWT},"anonymous":{{"role":"guest"}}"#), SIGNER);
    let passage = world.post(&[], LIST).passage();
    assert_eq!(given(&passage, "authorization"), None);
    // Nor can a client bring one.
    let mut world = World::new(&format!(r#"{OWN},"anonymous":{{"role":"guest"}}"#), SIGNER);
    let passage = world.post(&[("x-toolgate-token", "made.up.x")], LIST).passage();
    assert_eq!(
        passage.edits,
        [Edit::remove("x-toolgate-token")].into_iter().chain(passage.edits[1..].to_vec()).collect::<Vec<_>>()
    );
    assert_eq!(given(&passage, "x-toolgate-token"), None);
}

#[test]
fn the_public_keys_are_there_for_everyone() {
    let mut world = World::new(JWT, SIGNER);
    let path = "/.well-known/toolgate/jwks.json";
    for (method, status) in [("GET", 200), ("HEAD", 200), ("OPTIONS", 204)] {
        let fields = [(":method", method), (":path", path), (":authority", "any.example.com")];
        let answer = answered(world.head(&fields, BodyFollows::No, Attempt::First));
        assert_eq!(answer.status, status);
        assert_eq!(super::header(&answer, "cache-control"), Some("public, max-age=3600"));
        assert_eq!(super::header(&answer, "access-control-allow-origin"), Some("*"));
        if status == 200 {
            let keys = KeySet::parse(answer.body.as_bytes()).expect("a key set");
            assert_eq!(keys.count(), 2);
            assert!(!answer.body.contains(r#""d""#));
        }
    }
    let fields = [(":method", "POST"), (":path", path), (":authority", "mcp.example.com")];
    assert_eq!(answered(world.head(&fields, BodyFollows::No, Attempt::First)).status, 404);
    let fields = [(":method", "GET"), (":path", path), (":authority", "mcp.example.com")];
    assert_eq!(answered(World::new("", "").head(&fields, BodyFollows::No, Attempt::First)).status, 404);
}

#[test]
fn who_am_i() {
    let top = r#","routes":[{"name":"site","match":{"path":"/me","methods":["GET"]},"policy":"default","issuers":["corp"],"resource":"https://mcp.example.com/mcp","answer":"whoami"}]"#;
    let mut world = World::new("", top);
    let token = engineer();
    let fields = [
        (":method", "GET"),
        (":path", "/me"),
        (":authority", "mcp.example.com"),
        ("authorization", token.as_str()),
    ];
    let answer = answered(world.head(&fields, BodyFollows::No, Attempt::First));
    assert_eq!(
        (answer.status, answer.body.as_str(), super::header(&answer, "cache-control")),
        (
            200,
            format!(
                r#"{{"subject":"user-1","issuer":"corp","client":"cli","roles":["dev"],"scopes":[],"groups":["eng"],"expires_at":{0},"valid_until":{0},"tools":{{"main":["code_edit","echo"]}}}}"#,
                NOW + 160
            )
            .as_str(),
            Some("no-store")
        )
    );
    assert_eq!(world.verdict(), "site none none allow allowed");
    let answer = answered(world.head(&fields[..3], BodyFollows::No, Attempt::First));
    assert_eq!((answer.status, answer.details), (401, "missing_token"));
}
