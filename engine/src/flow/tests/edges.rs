// SPDX-License-Identifier: Apache-2.0
//! What lies exactly on a bound, and what only one of two conditions holds for.

use super::*;
use crate::deny::Door;
use crate::feed::{Freshness, Response};
use crate::flow::{Outcome as Became, locate};
use crate::metrics::Place;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const FACTS: &str = r#","audit":{"filter_state":true}"#;
const STATE: &str = r#","secrets":{"shared_state":{"env":"STATE_KEY"}}"#;
const JSON: &[(&[u8], &[u8])] = &[(b":status", b"200"), (b"content-type", b"application/json")];

fn fact(answer: &Answer, name: &str) -> String {
    let own = answer.facts.iter().find(|(own, _)| *own == name);
    own.map(|(_, value)| value.clone()).unwrap_or_default()
}

/// What is removed of a request that goes on.
fn removed(passage: &Passage) -> Vec<String> {
    let name = |edit: &Edit| match edit {
        Edit::Remove(name) => Some(String::from_utf8_lossy(name).into_owned()),
        Edit::Set(..) => None,
    };
    passage.edits.iter().filter_map(name).collect()
}

#[test]
fn only_what_a_client_must_not_send_is_removed() {
    let mut world = World::new(r#","client_certificates":"identity""#, "");
    let token = engineer();
    for (name, value, goes) in [
        ("x-custom", "1", false),
        // As long as the name of the header that is meant.
        ("x-forwarded-client-curt", "1", false),
        ("X_Forwarded_Client-Cert", "1", true),
        ("connection", "keep-alive", false),
        ("connection", "x-toolgate-subject", true),
    ] {
        let passage = world.post(&[("authorization", &token), (name, value)], LIST).passage();
        assert_eq!(removed(&passage).iter().any(|own| own == name), goes, "{name}: {value}");
    }
}

#[test]
fn a_place_can_be_found_without_a_request() {
    let routes =
        r#","routes":[{"name":"up","match":{"path":"/healthz","methods":["GET"]},"allow":"anyone"}]"#;
    let world = World::new("", routes);
    let host = "mcp.example.com";
    for (method, host, path, place) in [
        ("POST", host, "/mcp", Ok(Place::Server(0))),
        ("GET", host, "/healthz", Ok(Place::Route(0))),
        ("POST", host, "/healthz", Err(Door::MethodNotAllowed)),
        ("POST", host, "/mcp/", Err(Door::AmbiguousPath)),
        ("POST", "else.example.com", "/mcp", Err(Door::HostNotAllowed)),
        ("POST", host, "/else", Err(Door::Unmatched)),
    ] {
        assert_eq!(locate(&world.config, method, host, path), place, "{method} {path}");
    }
}

#[test]
fn get_and_delete_are_of_the_older_versions() {
    let token = engineer();
    for (versions, answered) in [(r#","versions":["2026-07-28"]"#, true), ("", false)] {
        let mut world = World::new(versions, "");
        for method in ["GET", "DELETE"] {
            let fields = [
                (":method", method),
                (":path", "/mcp"),
                (":authority", "mcp.example.com"),
                ("authorization", &token),
            ];
            match world.head(&fields, BodyFollows::No, Attempt::First) {
                Step::Answer(answer) => {
                    assert_eq!(answer.details == "method_not_allowed", answered, "{method}")
                }
                step => assert!(matches!(step, Step::Pass(_)) && !answered, "{method} {step:?}"),
            }
        }
    }
}

#[test]
fn what_headers_forbid_is_refused_without_a_body_too() {
    let token = engineer();
    for (more, status, details) in [
        (&[("mcp-session-id", "a"), ("mcp-session-id", "b")][..], 400, "header_repeated"),
        (&[("mcp-protocol-version", "2027-01-01")], 400, "unsupported_version"),
        (
            &[("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "echo")],
            405,
            "method_not_allowed",
        ),
    ] {
        let mut world = World::new("", "");
        let usual = [
            (":method", "GET"),
            (":path", "/mcp"),
            (":authority", "mcp.example.com"),
            ("authorization", &*token),
        ];
        let fields: Vec<(&str, &str)> = usual.iter().chain(more).copied().collect();
        let answer = answered(world.head(&fields, BodyFollows::No, Attempt::First));
        assert_eq!((answer.status, answer.details), (status, details));
    }
}

#[test]
fn a_denial_tells_logs_as_much_as_was_known() {
    // The caller, where the body's head is refused; and the method, where there is no body.
    let mut world = World::new("", FACTS);
    let token = engineer();
    let answer = world.post(&[("authorization", &token), ("content-type", "text/plain")], LIST).answer();
    assert_eq!(
        (fact(&answer, "toolgate_subject"), fact(&answer, "toolgate_method")),
        ("user-1".into(), String::new())
    );
    let guest = token_of_nobody();
    let answer = answered(world.get("/mcp", &guest));
    assert_eq!(answer.details, "no_role");
    assert_eq!(fact(&answer, "toolgate_method"), "stream");
    // Where headers leave first, what they claim.
    let fields = modern("tools/call", "x_delete", &token);
    let body = modern_body("tools/call", r#""name":"x_delete","arguments":{},"#);
    let answer = world.post(&fields, &body).answer();
    assert_eq!(
        ["toolgate_method", "toolgate_tool", "toolgate_subject"].map(|name| fact(&answer, name)),
        ["tools/call", "x_delete", "user-1"]
    );
}

fn token_of_nobody() -> String {
    token(Alg::Es256, "e", "")
}

const SITE: &str = r#","routes":[{"name":"site","match":{"path":"/site"},"policy":"default","issuers":["corp"],"resource":"https://mcp.example.com/mcp"}]"#;

#[test]
fn a_route_tells_who_calls_and_what_would_do() {
    let top = [SITE, FACTS].concat();
    let mut world = World::new("", &top);
    let passage = passed(world.get("/site", &engineer()));
    assert!(passage.facts.iter().any(|(name, value)| *name == "toolgate_subject" && value == "user-1"));
    let answer = answered(world.get("/site", &token_of_nobody()));
    assert_eq!((answer.details, fact(&answer, "toolgate_subject")), ("no_role", "user-1".into()));
    // The scope, or the login, that is lacking.
    for (rule, status, details, challenge) in [
        (
            r#""require":{"scopes":["pages"]}"#,
            403,
            "insufficient_scope",
            r#"error="insufficient_scope", scope="pages""#,
        ),
        (
            r#""require":{"acr":["urn:mfa"]}"#,
            401,
            "insufficient_user_authentication",
            r#"error="insufficient_user_authentication", acr_values="urn:mfa""#,
        ),
        (
            r#""when":{"scopes":{"contains":"pages"}}"#,
            403,
            "insufficient_scope",
            r#"error="insufficient_scope", scope="pages""#,
        ),
    ] {
        let json = document("", &format!(r#""inline":{}"#, jwks()), &top);
        let ruled = json.replace(
            r#"{"id":"site","routes":["site"]}"#,
            &format!(r#"{{"id":"site","routes":["site"],{rule}}}"#),
        );
        let answer = answered(World::of(&ruled).get("/site", &engineer()));
        let told = header(&answer, "www-authenticate").unwrap_or_default();
        assert_eq!((answer.status, answer.details), (status, details), "{rule}");
        assert!(told.ends_with(challenge), "{rule}: {told}");
        assert_eq!(fact(&answer, "toolgate_subject"), "user-1");
    }
}

/// What one place has accepted is not remembered for another one.
#[test]
fn a_token_that_a_server_has_accepted_is_judged_anew_by_a_route() {
    let second = r#"https://mcp.example.com/site"#;
    let site = SITE.replace("https://mcp.example.com/mcp", second);
    let json = document("", &format!(r#""inline":{}"#, jwks()), &site);
    let audiences = format!(r#""audiences":["{AUDIENCE}","{second}"]"#);
    let mut world = World::of(&json.replace(&format!(r#""audiences":["{AUDIENCE}"]"#), &audiences));
    let token = engineer();
    drop(world.post(&[("authorization", &token)], LIST).passage());
    assert_eq!(answered(world.get("/site", &token)).details, "wrong_audience");
}

#[test]
fn looks_into_keys_are_counted_and_a_wait_that_is_too_long_is_not_begun() {
    let mut world = World::of(&document("", r#""uri":"https://idp/jwks""#, ""));
    let token = engineer();
    let fields = [
        (":method", "POST"),
        (":path", "/mcp"),
        (":authority", "mcp.example.com"),
        ("content-type", "application/json"),
        ("authorization", &*token),
    ];
    let looks = |world: &World| world.counted(Metric::JwksLookups);
    assert!(matches!(world.head(&fields, BodyFollows::Yes, Attempt::First), Step::Wait));
    assert!(matches!(world.head(&fields, BodyFollows::Yes, Attempt::Again), Step::Wait));
    assert_eq!(looks(&world), ["toolgate_jwks_lookups_total;issuer=corp;result=no_keys"]);
    let now = UnixTime::from_secs(NOW);
    let mut back_off = None;
    for _ in 0..12 {
        let source = world.memory.feed(FeedId::Keys(0)).expect("a source");
        source.fetch_started(0, now);
        let response = Response { status: 500, freshness: Freshness::default(), etag: None, body: b"" };
        source.on_response(0, &response, now, u64::MAX);
        back_off = world.memory.keys_back_off(0, now);
    }
    let retry = back_off.expect("a time to try again");
    let wait = u64::from(world.config.limits.wait_millis);
    // As long as it may wait it waits, and no microsecond longer.
    for (early, waits) in [(wait * 1_000, true), (wait * 1_000 + 1, false), (wait * 2_000, false)] {
        let source = core::mem::take(&mut world.samples);
        drop(source);
        let desk_now = UnixTime::from_micros(retry.as_micros() - early);
        let fields: Vec<(&[u8], &[u8])> =
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let connection = Facts::default();
        let head = crate::flow::Head {
            fields: &fields,
            body: BodyFollows::Yes,
            route_server: None,
            attempt: Attempt::Again,
            connection: &connection,
        };
        let step = start(&head, &mut Desk { now: desk_now, ..world.desk() });
        assert_eq!(matches!(step, Step::Wait), waits, "{early}");
    }
    let mut inline = World::new("", "");
    drop(inline.post(&[("authorization", &token)], LIST).passage());
    assert_eq!(looks(&inline), ["toolgate_jwks_lookups_total;issuer=corp;result=hit"]);
}

#[test]
fn a_body_and_an_answer_may_be_as_long_as_the_limit() {
    let text = call("echo", "{}");
    for (limit, status) in [(text.len(), 0), (text.len() - 1, 413)] {
        let mut world = World::new("", &format!(r#","limits":{{"max_body_bytes":{limit}}}"#));
        assert_eq!(world.post(&[("authorization", &engineer())], &text).status(), status, "{limit}");
    }
    let mut world = World::new("", r#","limits":{"max_answer_bytes":1024}"#);
    for (bytes, fits) in [(1_024, true), (1_025, false)] {
        let reply = world.post(&[("authorization", &engineer())], LIST).passage().reply;
        let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply.start(JSON, &mut world.desk()) else {
            panic!("filtered")
        };
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#;
        let text = [text, &" ".repeat(bytes - text.len())].concat();
        assert_eq!(filter.whole(text.as_bytes(), &mut world.desk()).is_ok(), fits, "{bytes}");
    }
}

#[test]
fn a_method_that_is_not_known_is_counted_as_another() {
    let mut world = World::new("", "");
    for (body, verdict) in [
        (LIST.replace("tools/list", "tools/fly"), "main other none deny unknown_method"),
        (LIST.replace("tools/list", "server/discover"), "main other none deny method_not_in_version"),
        (LIST.replace("2.0", "1.0"), "main none none deny bad_jsonrpc"),
    ] {
        world.post(&[("authorization", &engineer())], &body).answer();
        assert_eq!(world.verdict(), verdict);
    }
}

#[test]
fn a_status_is_of_its_class() {
    for (status, became) in [
        (100, Became::Ok),
        (200, Became::Ok),
        (304, Became::Ok),
        (399, Became::Ok),
        (400, Became::ClientError),
        (499, Became::ClientError),
        (500, Became::ServerError),
        (99, Became::ServerError),
        (0, Became::ServerError),
    ] {
        assert_eq!(Became::of_status(status), became, "{status}");
    }
}

#[test]
fn two_content_types_are_refused_where_the_answer_is_a_good_one() {
    let mut world = World::new("", "");
    for (status, refused) in [("200", true), ("399", true), ("400", false), ("500", false)] {
        let reply = world.post(&[("authorization", &engineer())], LIST).passage().reply;
        let head: [(&[u8], &[u8]); 3] = [
            (b":status", status.as_bytes()),
            (b"content-type", b"application/json"),
            (b"content-type", b"text/plain"),
        ];
        let step = reply.start(&head, &mut world.desk());
        let told = matches!(&step, ReplyStep::Answer(answer) if answer.details == "answer_content_type");
        assert_eq!(told, refused, "{status} {step:?}");
    }
}

#[test]
fn a_session_that_cannot_be_an_id_is_the_messages_fault_or_is_not_known() {
    let mut world = World::new("", STATE);
    let token = engineer();
    let answer = world.post(&[("authorization", &token), ("mcp-session-id", "a b")], LIST).answer();
    assert_eq!((answer.status, answer.details), (400, "bad_session"));
    let fields = [
        (":method", "DELETE"),
        (":path", "/mcp"),
        (":authority", "mcp.example.com"),
        ("authorization", &*token),
        ("mcp-session-id", "a b"),
    ];
    let answer = answered(world.head(&fields, BodyFollows::No, Attempt::First));
    assert!(["session_unknown", "bad_session"].contains(&answer.details), "{}", answer.details);
}

#[test]
fn a_foreign_task_is_hidden_as_one_that_is_not_there() {
    let json = document(r#","denial":"hidden""#, &format!(r#""inline":{}"#, jwks()), STATE);
    let more = r#"{"id":"listen","methods":["tasks/get","#;
    let mut world = World::of(&json.replace(r#"{"id":"listen","methods":["#, more));
    let token = engineer();
    let late = [("authorization", &*token), ("mcp-protocol-version", "2025-11-25")];
    for (method, told) in [
        ("tasks/get", r#""code":-32602,"message":"Task not found""#),
        // Nothing allows it: there is no such method.
        ("tasks/cancel", r#""code":-32601,"message":"Method not found""#),
    ] {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":2,"method":"{method}","params":{{"taskId":"foreign"}}}}"#);
        let answer = world.post(&late, &body).answer();
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains(told), "{method}: {}", answer.body);
    }
}

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
        match world.account.record(sizes, now, config) {
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
        world.account.record(sizes, UnixTime::from_secs(NOW), &world.config),
        Recorded::Nothing
    ));
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
    match world.account.record(sizes, UnixTime::from_secs(NOW), &world.config) {
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
fn logs_learn_the_rule_that_lacks_a_scope() {
    let top = [SITE, FACTS].concat();
    let json = document("", &format!(r#""inline":{}"#, jwks()), &top);
    let json = json.replace(
        r#""tools":["code_*"],"when":{"#,
        r#""tools":["code_*"],"when":{"scopes":{"contains":"code"},"#,
    );
    let mut world = World::of(&json);
    let answer = world.call("code_edit", r#"{"path":"src/a"}"#).answer();
    assert_eq!((answer.details, fact(&answer, "toolgate_rule")), ("insufficient_scope", "code".into()));
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
    exchange(&mut world, 1, &call, r#"{"content":[],"structuredContent":{"tokens":0}}"#);
    assert_eq!(world.counted(Metric::ClassTokens), [""; 0]);
    exchange(&mut world, 1, &call, r#"{"content":[],"structuredContent":{"tokens":1}}"#);
    let now = UnixTime::from_secs(world.now);
    world.account.after(now, || now, &world.config, &mut world.samples);
    assert_eq!(world.counted(Metric::ClassTokens).len(), 1);
}
