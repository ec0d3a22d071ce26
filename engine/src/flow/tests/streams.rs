// SPDX-License-Identifier: Apache-2.0
//! Event streams that outlive the right to them.

use super::*;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// The body of an event stream in answer to a list, for this caller.
fn stream(world: &mut World, fields: &[(&str, &str)]) -> ReplyBody {
    let passage = world.post(fields, LIST).passage();
    let head: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"content-type", b"text/event-stream")];
    match passage.reply.start(&head, &mut world.desk()) {
        ReplyStep::Filter(_, body) => body,
        other => panic!("{other:?}"),
    }
}

fn ended(world: &mut World, body: &mut ReplyBody, now: u64) -> Option<StreamEnd> {
    world.now = now;
    body.end(&mut world.desk())
}

#[test]
fn a_stream_ends_when_its_token_does() {
    let mut world = World::new("", "");
    let token = engineer();
    let mut body = stream(&mut world, &[("authorization", &token)]);
    // `exp` and the leeway.
    assert_eq!(body.ends_at(), Some(UnixTime::from_secs(NOW + 160)));
    assert_eq!(ended(&mut world, &mut body, NOW + 159), None);
    assert!(world.counted(Metric::StreamsEnded).is_empty());
    assert_eq!(ended(&mut world, &mut body, NOW + 160), Some(StreamEnd::Expired));
    assert_eq!(
        world.counted(Metric::StreamsEnded),
        ["toolgate_streams_ended_total;server=main;reason=expired"]
    );
}

#[test]
fn a_stream_ends_when_a_binding_does() {
    let document = document("", &format!(r#""inline":{}"#, jwks()), "")
        .replace(r#"{"contains":"eng"}}}"#, r#"{"contains":"eng"}},"until":"2027-01-15T08:00:30Z"}"#);
    let mut world = World::of(&document);
    let token = engineer();
    let mut body = stream(&mut world, &[("authorization", &token)]);
    assert_eq!(body.ends_at(), Some(UnixTime::from_secs(NOW + 30)));
    assert_eq!(ended(&mut world, &mut body, NOW + 30), Some(StreamEnd::Grants));
}

#[test]
fn who_needs_no_credentials_keeps_the_stream() {
    let mut world = World::new(r#","anonymous":{"role":"guest"}"#, "");
    let mut body = stream(&mut world, &[]);
    assert_eq!(body.ends_at(), None);
    assert_eq!(ended(&mut world, &mut body, u64::MAX / 1_000_000), None);
}
