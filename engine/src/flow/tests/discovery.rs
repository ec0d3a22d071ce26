// SPDX-License-Identifier: Apache-2.0
//! Keys that are where the issuer's metadata says.

use super::*;
use crate::feed::{Freshness, Outcome as Fetched, Response};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const KEYS: FeedId = FeedId::Keys(0);
const METADATA: FeedId = FeedId::Discovery(0);

fn world() -> World {
    World::of(&document("", r#""discover":true"#, ""))
}

/// What is to be fetched of a feed now.
fn asked(world: &mut World, id: FeedId) -> Option<String> {
    let now = UnixTime::from_secs(world.now);
    let call = world.memory.feed(id).unwrap().next_fetch(now)?.call;
    Some([&call.cluster, " ", &call.scheme, "://", &call.authority, &call.path].concat())
}

/// Gives a feed an answer, as the shell does.
fn answer(world: &mut World, id: FeedId, status: u16, body: &str) -> &'static str {
    let now = UnixTime::from_secs(world.now);
    let feed = world.memory.feed(id).unwrap();
    feed.fetch_started(0, now);
    let response = Response { status, freshness: Freshness::default(), etag: None, body: body.as_bytes() };
    let outcome = feed.on_response(0, &response, now, 0);
    if !matches!(outcome, Fetched::Failed(_)) {
        world.memory.feed_changed(id, now);
    }
    outcome.label()
}

fn metadata(path: &str) -> String {
    format!(r#"{{"issuer":"https://idp","jwks_uri":"https://idp{path}"}}"#)
}

fn status(world: &mut World) -> u16 {
    world.post(&[("authorization", &engineer())], LIST).status()
}

#[test]
fn keys_are_fetched_once_it_is_known_where_they_are() {
    let mut world = world();
    assert_eq!(world.memory.feeds(), [METADATA, KEYS]);
    assert_eq!(asked(&mut world, KEYS), None);
    let place = "idp https://idp/.well-known/oauth-authorization-server";
    assert_eq!(asked(&mut world, METADATA).as_deref(), Some(place));
    assert_eq!(answer(&mut world, METADATA, 404, ""), "status");
    let place = "idp https://idp/.well-known/openid-configuration";
    assert_eq!(asked(&mut world, METADATA).as_deref(), Some(place));
    assert_eq!(answer(&mut world, METADATA, 200, &metadata("/one")), "fresh");
    assert_eq!(asked(&mut world, KEYS).as_deref(), Some("idp https://idp/one"));
    assert_eq!(answer(&mut world, KEYS, 200, &jwks()), "fresh");
    assert_eq!(status(&mut world), 0);
}

#[test]
fn keys_that_move_are_fetched_from_there_and_the_old_ones_serve_until_then() {
    let mut world = world();
    answer(&mut world, METADATA, 200, &metadata("/one"));
    answer(&mut world, KEYS, 200, &jwks());
    world.now += 10;
    assert_eq!(answer(&mut world, METADATA, 200, &metadata("/two")), "fresh");
    assert_eq!(asked(&mut world, KEYS).as_deref(), Some("idp https://idp/two"));
    assert_eq!(status(&mut world), 0);
    // Metadata that is of no use any more leaves the last place.
    answer(&mut world, KEYS, 200, &jwks());
    assert_eq!(answer(&mut world, METADATA, 200, r#"{"issuer":"https://evil"}"#), "wrong_issuer");
    world.now += 900;
    assert_eq!(asked(&mut world, KEYS).as_deref(), Some("idp https://idp/two"));
}

#[test]
fn nobody_waits_for_metadata_that_will_not_come_in_time() {
    let mut world = world();
    let now = UnixTime::from_secs(NOW);
    assert_eq!(world.memory.keys_back_off(0, now), None);
    for _ in 0..4 {
        // The last place: after it, there is a pause.
        answer(&mut world, METADATA, 404, "");
    }
    assert!(world.memory.keys_back_off(0, now).is_some());
    answer(&mut world, METADATA, 200, &metadata("/one"));
    assert_eq!(world.memory.keys_back_off(0, now), None);
    answer(&mut world, KEYS, 500, "");
    assert!(world.memory.keys_back_off(0, now).is_some());
}
