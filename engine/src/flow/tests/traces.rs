// SPDX-License-Identifier: Apache-2.0
//! What is left of a request: its record, what is counted, what is remembered.

use super::*;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const STATE: &str = r#","secrets":{"shared_state":{"env":"STATE_KEY"}}"#;
const JSON: &[(&[u8], &[u8])] = &[(b":status", b"200"), (b"content-type", b"application/json")];

#[test]
fn the_record_of_a_request_is_kept_by_its_verdict() {
    let audited = |per_mille: u32| {
        let audit = format!(
            r#","audit":{{"outlets":["access_log"],"allows_per_mille":{per_mille}}},"secrets":{{"audit":{{"env":"AUDIT"}}}}"#
        );
        World::new("", &audit)
    };
    let sizes = crate::flow::Sizes { request: 1, answer: 2 };
    let told = |per_mille: u32, tool: &str| {
        let mut world = audited(per_mille);
        let _ = world.call(tool, r#"{"path":"src/a"}"#);
        world.account.status(299);
        let (config, now) = (&world.config, UnixTime::from_secs(NOW));
        match world.account.record(sizes, || now, config) {
            Recorded::Nothing => "nothing".to_string(),
            Recorded::SampledOut => "sampled out".to_string(),
            Recorded::Record(_, text) => {
                let record: serde_json::Value =
                    serde_json::from_str(&format!("{{\"at\":0{text}}}")).expect("JSON");
                assert_eq!(record["status"], 299, "{record}");
                format!("{} {}", record["decision"], record["sampled_per_mille"])
            }
        }
    };
    assert_eq!(told(1_000, "code_edit"), "\"allow\" null");
    assert_eq!(told(0, "code_edit"), "sampled out");
    // Denials are kept, and no share is told of them.
    assert_eq!(told(0, "other"), "\"deny\" null");
    assert_eq!(told(999, "other"), "\"deny\" null");
    let shares: alloc::collections::BTreeSet<String> = (0..2).map(|_| told(999, "code_edit")).collect();
    assert!(shares.iter().all(|told| told == "\"allow\" 999" || told == "sampled out"), "{shares:?}");
    let mut world = audited(1_000);
    assert!(matches!(
        world.account.record(sizes, || UnixTime::from_secs(NOW), &world.config),
        Recorded::Nothing
    ));
}

/// What the operator has written is not learned beside it.
#[test]
fn a_schema_that_is_written_is_not_learned() {
    let list =
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}}"#;
    for (written, learned) in [(r#","input_schema":{"type":"object"}"#, false), ("", true)] {
        let catalogue = r#""catalogue":[{"name":"echo"}"#;
        let json = document("", &format!(r#""inline":{}"#, jwks()), "");
        let with = format!(r#""schemas":"check","catalogue":[{{"name":"echo"{written}}}"#);
        let mut world = World::of(&json.replace(catalogue, &with));
        let reply = world.post(&[("authorization", &engineer())], LIST).passage().reply;
        let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply.start(JSON, &mut world.desk()) else {
            panic!("read")
        };
        assert!(filter.whole(list.as_bytes(), &mut world.desk()).is_ok());
        assert_eq!(format!("{:?}", world.memory.schemas).contains("echo"), learned, "{written}");
    }
}

#[test]
fn a_feed_is_named_for_people() {
    let json = document("", r#""uri":"https://idp/jwks""#, "");
    let world = World::of(&json);
    for (feed, title) in [
        (FeedId::Keys(0), "the keys of issuer `corp`"),
        (FeedId::Discovery(0), "the metadata of issuer `corp`"),
        (FeedId::Policy(0), "the bundle of policy `default`"),
        (FeedId::Revocation(7), "the revocation list ``"),
    ] {
        assert_eq!(feed.title(&world.config), title);
    }
}

#[test]
fn spreads_follow_one_another_within_48_bits() {
    let mut worlds = [World::new("", ""), World::new("", "")];
    let [one, same] =
        worlds.each_mut().map(|world| core::array::from_fn::<u64, 3, _>(|_| world.memory.next_spread()));
    assert_eq!(one, same);
    assert!(one.iter().all(|spread| *spread > 1 && *spread < 1 << 48), "{one:?}");
    assert!(one[0] != one[1] && one[1] != one[2] && one[0] != one[2]);
}

/// Two servers, the second under another policy, which knows `echo` alone.
fn two() -> World {
    let second = r#"},{"name":"two","match":{"hosts":["mcp.example.com"],"path":"/two"},"resource":"https://mcp.example.com/mcp","issuers":["corp"],"policy":"small""#;
    let small = r#""small":{"inline":{"version":1,"roles":{"r":{"allow":[{"id":"only","tools":["echo"]},{"methods":["tools/list"]}]}},"bindings":[{"role":"r","when":{"groups":{"contains":"eng"}}}]}},"default""#;
    let audit = r#","audit":{"outlets":["access_log"]},"secrets":{"audit":{"env":"AUDIT"}}"#;
    let json = document(second, &format!(r#""inline":{}"#, jwks()), audit);
    World::of(&json.replace(r#""default":{"inline""#, &format!(r#"{small}:{{"inline""#)))
}

fn record(world: &mut World) -> serde_json::Value {
    let sizes = crate::flow::Sizes { request: 1, answer: 2 };
    match world.account.record(sizes, || UnixTime::from_secs(NOW), &world.config) {
        Recorded::Record(_, text) => serde_json::from_str(&format!("{{\"at\":0{text}}}")).expect("JSON"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_names_the_policy_of_its_place() {
    let mut world = two();
    let token = engineer();
    for (path, policy) in [("/mcp", "default"), ("/two", "small")] {
        world.account = Account::default();
        let _ = world.post(&[("authorization", &token), (":path", path)], &call("echo", "{}")).passage();
        assert_eq!(record(&mut world)["policy"]["name"], policy);
    }
    world.account = Account::default();
    let _ = world.post(&[(":path", "/else")], LIST).answer();
    assert!(record(&mut world).get("policy").is_none());
}

#[test]
fn a_stream_is_of_its_server() {
    let mut world = two();
    let token = engineer();
    for (path, name) in [("/mcp", "main"), ("/two", "two")] {
        let reply = world.post(&[("authorization", &token), (":path", path)], LIST).passage().reply;
        let head: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"content-type", b"text/event-stream")];
        let ReplyStep::Filter(_, mut body) = reply.start(&head, &mut world.desk()) else { panic!("read") };
        world.now = NOW + 200;
        assert_eq!(body.end(&mut world.desk()), Some(StreamEnd::Expired));
        world.now = NOW;
        let ended = world.counted(Metric::StreamsEnded).pop();
        assert_eq!(ended, Some(format!("toolgate_streams_ended_total;server={name};reason=expired")));
    }
}

#[test]
fn what_a_client_has_not_asked_to_be_a_task_is_none() {
    let mut world = World::new("", STATE);
    let token = engineer();
    let late = [("authorization", &*token), ("mcp-protocol-version", "2025-11-25")];
    for (task, shown) in [("", false), (r#","task":{"ttl":1}"#, true)] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{}}{task}}}}}"#
        );
        let reply = world.post(&late, &body).passage().reply;
        let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply.start(JSON, &mut world.desk()) else {
            panic!("read")
        };
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"upstream-1","status":"working"}}}"#;
        let Ok(crate::mcp::Body::Changed(bytes)) = filter.whole(text.as_bytes(), &mut world.desk()) else {
            panic!("changed")
        };
        let told: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(told["result"]["task"]["taskId"].is_string(), shown, "{told}");
        assert_eq!(told["error"]["data"]["reason"] == "task_not_yours", !shown, "{told}");
    }
}

#[test]
fn what_nobody_trusts_is_not_kept() {
    let mut world = World::new("", "");
    let reply = world.post(&[("authorization", &engineer())], LIST).passage().reply;
    let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply.start(JSON, &mut world.desk()) else {
        panic!("read")
    };
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo","annotations":{"readOnlyHint":true}}]}}"#;
    assert!(filter.whole(text.as_bytes(), &mut world.desk()).is_ok());
    assert!(!format!("{:?}", world.memory.hints).contains("echo"));
}

/// A task that was sent at one time and named at another began when it was sent.
#[test]
fn a_task_begins_when_it_is_sent() {
    let metered = r#""tools":{"catalogue":[{"name":"echo","class":"task","metrics":{"tokens":"/structuredContent/tokens"}},{"name":"code_edit"}]}"#;
    let json = document("", &format!(r#""inline":{}"#, jwks()), STATE)
        .replace(r#""tools":{"catalogue":[{"name":"echo"},{"name":"code_edit"}]}"#, metered)
        .replace(r#"{"id":"listen","methods":["#, r#"{"id":"listen","methods":["tasks/result","#);
    let mut world = World::of(&json);
    let token = engineer();
    let late = [("authorization", &*token), ("mcp-protocol-version", "2025-11-25")];
    let exchange = |world: &mut World, took: u64, message: &str, result: &str| -> serde_json::Value {
        world.account = Account::default();
        let reply = world.post(&late, message).passage().reply;
        let now = UnixTime::from_secs(world.now);
        world.account.after(now, || now, &world.config, &mut world.samples);
        world.now += took;
        let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply.start(JSON, &mut world.desk()) else {
            panic!("read")
        };
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        match filter.whole(text.as_bytes(), &mut world.desk()) {
            Ok(crate::mcp::Body::Changed(bytes)) => serde_json::from_slice(&bytes).expect("JSON"),
            Ok(crate::mcp::Body::Unchanged) => serde_json::from_str(&text).expect("JSON"),
            Err(answer) => panic!("{answer:?}"),
        }
    };
    let call =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},"task":{}}}"#;
    let made = exchange(&mut world, 7, call, r#"{"task":{"taskId":"upstream-1","status":"working"}}"#);
    let id = made["result"]["task"]["taskId"].as_str().expect("an id").to_string();
    let asked = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tasks/result","params":{{"taskId":"{id}"}}}}"#);
    exchange(&mut world, 3, &asked, r#"{"content":[],"structuredContent":{"tokens":0}}"#);
    let took = world.samples.iter().find(|sample| sample.series.metric == Metric::ClassTaskDuration);
    assert_eq!(took.map(|sample| sample.value), Some(10_000));
    // Nothing was spent, so there is nothing to count.
    assert_eq!(world.counted(Metric::ClassTokens), [""; 0]);
    let call = call.replace(r#","task":{}"#, "");
    for (tokens, counted) in [(0, 0), (1, 1)] {
        let result = format!(r#"{{"content":[],"structuredContent":{{"tokens":{tokens}}}}}"#);
        exchange(&mut world, 1, &call, &result);
        let now = UnixTime::from_secs(world.now);
        world.account.after(now, || now, &world.config, &mut world.samples);
        assert_eq!(world.counted(Metric::ClassTokens).len(), counted, "{tokens}");
    }
}
