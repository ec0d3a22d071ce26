// SPDX-License-Identifier: Apache-2.0
//! Where one feature meets another: what each holds by itself must hold for both.

use super::*;
use crate::connection::ConnectionFact as F;
use crate::identity::Callers;
use crate::mcp::Body;

const SECRET: &str = r#","secrets":{"shared_state":{"env":"STATE_KEY"}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const LATE: (&str, &str) = ("mcp-protocol-version", "2025-11-25");
const DIGEST: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The usual policy; engineers and holders of certificates of `spiffe://corp` may use tasks.
fn world(server: &str, top: &str, change: impl Fn(String) -> String) -> World {
    let policy =
        POLICY.replace(r#"{"id":"listen","methods":["#, r#"{"id":"listen","methods":["tasks/get","#).replace(
            r#""bindings":["#,
            r#""bindings":[{"role":"dev","when":{"certificate":{"subject":{"equals":"O=SPIRE,C=US"}}}},"#,
        );
    let json = document(server, &format!(r#""inline":{}"#, jwks()), &[SECRET, top].concat());
    World::of(&change(json.replace(POLICY, &policy)))
}

fn workload(world: &mut World, uri: &str) {
    world.connection =
        Facts::of(&[(F::PeerDigest, DIGEST), (F::PeerUri, uri), (F::PeerSubject, "O=SPIRE,C=US")]);
}

/// Starts a task; gives its id as the client knows it.
fn started(world: &mut World, fields: &[(&str, &str)]) -> String {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","task":{"ttl":1}}}"#;
    let reply = world.post(fields, call).passage().reply;
    let head: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"content-type", b"application/json")];
    let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply.start(&head, &mut world.desk()) else {
        panic!("read")
    };
    let text = br#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"upstream-1","status":"working"}}}"#;
    let Ok(Body::Changed(bytes)) = filter.whole(text, &mut world.desk()) else { panic!("renamed") };
    let answer: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    answer["result"]["task"]["taskId"].as_str().expect("an id").to_string()
}

fn ask_for(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tasks/get","params":{{"taskId":"{id}"}}}}"#)
}

fn details(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass(_) => "allowed",
        Outcome::Answer(answer) => answer.details,
    }
}

/// An authority for workloads gives all of them one subject; what tells them apart is the URI.
#[test]
fn a_task_is_one_workloads_and_not_all_that_share_a_subject() {
    let mut world = world(r#","client_certificates":"identity""#, "", |json| json);
    workload(&mut world, "spiffe://corp/one");
    let id = started(&mut world, &[LATE]);
    assert_eq!(details(world.post(&[LATE], &ask_for(&id))), "allowed");
    workload(&mut world, "spiffe://corp/two");
    assert_eq!(details(world.post(&[LATE], &ask_for(&id))), "task_not_yours");
    // A certificate without a subject has a holder all the same.
    world.connection = Facts::of(&[(F::PeerDigest, DIGEST), (F::PeerUri, "spiffe://corp/one")]);
    assert_eq!(details(world.post(&[LATE], &ask_for(&id))), "no_role");
}

/// What lists may show is not what may be called.
#[test]
fn a_task_needs_the_right_to_call_its_tool_and_not_to_see_it() {
    let engineer = engineer();
    let fields = [("authorization", engineer.as_str()), LATE];
    let id = started(&mut world("", "", |json| json), &fields);
    for (on, expected) in [("list", "no_rule"), ("call", "allowed")] {
        let echo = format!(r#""tools":["echo"],"on":["{on}"]"#);
        let mut world = world("", "", |json| json.replace(r#""tools":["echo"]"#, &echo));
        assert_eq!(details(world.post(&fields, &ask_for(&id))), expected, "{on}");
    }
}

/// A task brings what its tool has answered, so it asks for the same login.
#[test]
fn a_task_requires_what_its_tool_requires() {
    let better = token(Alg::Es256, "e", r#","groups":["eng"],"client_id":"cli","acr":"urn:mfa""#);
    let strict = |json: String| {
        json.replace(r#"[{"name":"echo"}"#, r#"[{"name":"echo","require":{"acr":["urn:mfa"]}}"#)
    };
    let mut world = world("", "", strict);
    let id = started(&mut world, &[("authorization", &better), LATE]);
    assert_eq!(details(world.post(&[("authorization", &better), LATE], &ask_for(&id))), "allowed");
    let answer = world.post(&[("authorization", &engineer()), LATE], &ask_for(&id)).answer();
    assert_eq!((answer.status, answer.details), (401, "insufficient_user_authentication"));
    let challenge = header(&answer, "www-authenticate").expect("a challenge");
    assert!(challenge.contains(r#"acr_values="urn:mfa""#), "{challenge}");
    assert_eq!(world.verdict(), "main tasks/get none deny insufficient_user_authentication");
}

/// A login that is too old for the next call is too old for a stream.
#[test]
fn a_stream_ends_when_its_login_grows_old() {
    let mut world = World::new(r#","require":{"max_age_seconds":60}"#, "");
    let token = token(Alg::Es256, "e", &format!(r#","groups":["eng"],"auth_time":{}"#, NOW - 40));
    let passage = world.post(&[("authorization", &token)], LIST).passage();
    let head: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"content-type", b"text/event-stream")];
    let ReplyStep::Filter(_, mut body) = passage.reply.start(&head, &mut world.desk()) else {
        panic!("read")
    };
    // The age, and a minute for the clocks.
    assert_eq!(body.ends_at(), Some(UnixTime::from_secs(NOW + 80)));
    world.now = NOW + 80;
    assert_eq!(body.end(&mut world.desk()), Some(StreamEnd::Login));
    assert_eq!(
        world.counted(Metric::StreamsEnded),
        ["toolgate_streams_ended_total;server=main;reason=login"]
    );
}

const HOPS: &str = r#","client_certificates":{"forwarded":{"trusted_hops":[{"uri":"spiffe://corp/gate"}]}}"#;

/// A proxy that adds its peer to the header puts the hop last, where an unchanged configuration looks.
#[test]
fn a_hop_is_not_its_clients() {
    let mut world = world(r#","client_certificates":"identity""#, HOPS, |json| json);
    world.connection = Facts::of(&[(F::PeerDigest, OTHER), (F::PeerUri, "spiffe://corp/gate")]);
    let one = format!("Hash={DIGEST};Subject=\"O=SPIRE,C=US\";URI=spiffe://corp/one");
    let hop = format!("Hash={OTHER};Subject=\"O=SPIRE,C=US\";URI=spiffe://corp/gate");
    for (told, expected) in [
        (one.as_str(), "allowed"),
        (&hop, "certificate_unreadable"),
        (&[&one, ",", &hop].concat(), "certificate_unreadable"),
    ] {
        assert_eq!(details(world.post(&[("x-forwarded-client-cert", told)], LIST)), expected, "{told}");
    }
}

/// Upstreams that read `_` as `-` must not be told of certificates either.
#[test]
fn no_spelling_of_the_certificate_header_gets_through() {
    let names = ["x_forwarded_client_cert", "X-Forwarded_Client-Cert"];
    let engineer = engineer();
    for (server, top, goes) in
        [("", "", false), (r#","client_certificates":"factor""#, "", true), ("", HOPS, true)]
    {
        for name in names {
            let mut world = world(server, top, |json| json);
            let fields = [("authorization", engineer.as_str()), (name, "URI=spiffe://corp/boss")];
            let edits = world.post(&fields, LIST).passage().edits;
            assert_eq!(edits.contains(&Edit::remove(name.as_bytes().to_vec())), goes, "{server}{top} {name}");
        }
    }
}

/// Access logs in plain text have a line for each request, whatever somebody is called.
#[test]
fn a_subject_breaks_no_log() {
    let mut world = World::new("", r#","audit":{"filter_state":true}"#);
    let payload = format!(
        r#"{{"iss":"https://idp","aud":"{AUDIENCE}","sub":"user-1\nallow root","exp":{},"groups":["eng"]}}"#,
        NOW + 100
    );
    let token = sign(Alg::Es256, r#"{"alg":"ES256","typ":"at+jwt","kid":"e"}"#, &payload);
    let passage = world.post(&[("authorization", &format!("Bearer {token}"))], LIST).passage();
    let subject = passage.facts.iter().find(|(name, _)| *name == "toolgate_subject").map(|(_, value)| value);
    assert_eq!(subject.map(String::as_str), Some("=?base64?dXNlci0xCmFsbG93IHJvb3Q=?="));
}

/// Names of callers are written out where anybody may be told of them, and nowhere else.
#[test]
fn callers_are_named_where_anybody_is_told() {
    let withheld = r#","upstream":{"identity_headers":false}"#;
    let outlets = r#","audit":{"outlets":["log"]},"secrets":{"audit":{"env":"AUDIT"}}"#;
    let route = r#","routes":[{"name":"open","match":{"hosts":["h"],"path":"/open"},"allow":"anyone"}]"#;
    for (server, top, callers) in [
        ("", "", Callers::Told),
        (withheld, "", Callers::Untold),
        (withheld, r#","audit":{"filter_state":true}"#, Callers::Told),
        (withheld, outlets, Callers::Told),
        (withheld, route, Callers::Told),
    ] {
        let mut world = World::new(server, top);
        assert_eq!(world.memory.callers, callers, "{server} {top}");
        let Outcome::Pass(passage) = world.call("echo", "{}") else { panic!("{server} {top}") };
        let identity = world.account.who().unwrap();
        assert_eq!(identity.headers().is_empty(), callers == Callers::Untold, "{server} {top}");
        let named = passage.edits.iter().any(|edit| matches!(edit, Edit::Set("x-toolgate-roles", _)));
        assert_eq!(named, server.is_empty(), "{server} {top}");
    }
}
