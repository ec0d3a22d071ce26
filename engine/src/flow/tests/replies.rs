// SPDX-License-Identifier: Apache-2.0
//! What comes back from the upstream.

use super::*;
use crate::mcp::Body;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const TOOLS: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo"},{"name":"code_edit"},{"name":"code_delete"},{"name":"other"}],"ttlMs":999999}}"#;
const JSON: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/json")];
const EVENTS: &[(&str, &str)] = &[(":status", "200"), ("content-type", "text/event-stream; charset=utf-8")];

fn reply(world: &mut World, message: &str, token: &str, head: &[(&str, &str)]) -> ReplyStep {
    let reply = world.post(&[("authorization", token)], message).passage().reply;
    receive(world, reply, head)
}

fn receive(world: &mut World, reply: Reply, head: &[(&str, &str)]) -> ReplyStep {
    let fields: Vec<(&[u8], &[u8])> =
        head.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    reply.start(&fields, &mut world.desk())
}

fn answer_of(step: ReplyStep) -> Answer {
    match step {
        ReplyStep::Answer(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

fn edits_of(step: ReplyStep) -> Vec<Edit> {
    match step {
        ReplyStep::Pass(edits) | ReplyStep::Filter(edits, _) => edits,
        ReplyStep::Answer(answer) => panic!("{answer:?}"),
    }
}

const NOTIFICATION: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

#[test]
fn a_list_shows_what_its_reader_may_call() {
    let guest = token(Alg::Es256, "e", "");
    for (token, anonymous, names, removed) in [
        (engineer(), "", &["echo", "code_edit"][..], 2),
        (String::new(), r#","anonymous":{"role":"guest"}"#, &["echo"], 3),
    ] {
        let mut world = World::new(anonymous, "");
        let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply(&mut world, LIST, &token, JSON) else {
            panic!("filtered")
        };
        let Ok(Body::Changed(bytes)) = filter.whole(TOOLS.as_bytes(), &mut world.desk()) else {
            panic!("changed")
        };
        let items: Vec<String> = names.iter().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect();
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}],"ttlMs":60000}}}}"#, items.join(","))
        );
        assert_eq!(
            world.counted(Metric::ListItems),
            [
                "toolgate_list_items_total;server=main;result=kept",
                "toolgate_list_items_total;server=main;result=removed"
            ]
        );
        assert_eq!(
            world
                .samples
                .iter()
                .filter(|sample| sample.series.word == "removed")
                .map(|sample| sample.value)
                .collect::<Vec<_>>(),
            [removed]
        );
    }
    // A caller without a role gets no list at all.
    assert_eq!(World::new("", "").post(&[("authorization", &guest)], LIST).answer().details, "no_role");
}

#[test]
fn a_stream_is_filtered_event_by_event_wherever_it_is_cut() {
    let text = format!(
        ": hello\n\nid: 1\ndata:\n\nevent: message\ndata: {TOOLS}\n\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}}\n\n"
    );
    let expected = text.replace(r#",{"name":"code_delete"},{"name":"other"}"#, "").replace("999999", "60000");
    for size in [1, 7, 64, text.len()] {
        let mut world = World::new("", "");
        let ReplyStep::Filter(edits, ReplyBody::Stream(filter, mut stream)) =
            reply(&mut world, LIST, &engineer(), EVENTS)
        else {
            panic!("filtered")
        };
        assert_eq!(edits, [Edit::remove("content-length")]);
        let mut out = Vec::new();
        for chunk in text.as_bytes().chunks(size) {
            let (bytes, result) = filter.chunk(&mut stream, chunk, &mut world.desk());
            assert!(result.is_ok());
            out.extend(bytes);
        }
        assert_eq!(String::from_utf8_lossy(&out), expected, "{size}");
    }
    // Lists are known by their form: one that answers another request, or comes over GET, is filtered too.
    let mut world = World::new("", "");
    let token = engineer();
    let reply = passed(world.get("/mcp", &token)).reply;
    let ReplyStep::Filter(_, ReplyBody::Stream(filter, mut stream)) = receive(&mut world, reply, EVENTS)
    else {
        panic!("filtered")
    };
    let (bytes, _) = filter.chunk(&mut stream, format!("data: {TOOLS}\n\n").as_bytes(), &mut world.desk());
    assert!(!String::from_utf8_lossy(&bytes).contains("code_delete"));
    // What cannot be filtered ends the stream, and nothing of it or behind it goes on.
    let (bytes, result) = filter.chunk(&mut stream, b"data: {\"tools\n\ndata: {}\n\n", &mut world.desk());
    assert_eq!(
        (bytes.len(), result.map_err(|answer| (answer.status, answer.details))),
        (0, Err((502, "answer_not_json")))
    );
    let (bytes, result) = filter.chunk(&mut stream, b"data: x\n\n", &mut world.desk());
    assert!(bytes.is_empty() && result.is_err());
}

#[test]
fn what_cannot_be_filtered_does_not_go_on() {
    for (head, label) in [
        (
            &[(":status", "200"), ("content-type", "application/json"), ("content-encoding", "gzip")][..],
            "answer_encoded",
        ),
        (
            &[(":status", "200"), ("content-type", "text/event-stream"), ("content-encoding", "br")],
            "answer_encoded",
        ),
        (&[(":status", "200"), ("content-type", "text/html")], "answer_content_type"),
        (&[(":status", "200")], "answer_content_type"),
        (
            &[(":status", "200"), ("content-type", "application/json"), ("content-type", "text/plain")],
            "answer_content_type",
        ),
    ] {
        let mut world = World::new("", "");
        let answer = answer_of(reply(&mut world, LIST, &engineer(), head));
        assert_eq!((answer.status, answer.details), (502, label), "{head:?}");
        assert!(answer.body.contains(r#""reason":"upstream_answer""#) && !answer.body.contains(label));
        if label == "answer_content_type" && head.len() == 3 {
            assert_eq!(answer_of(reply(&mut world, &call("echo", "{}"), &engineer(), head)).details, label);
            continue;
        }
        assert_eq!(
            world.counted(Metric::AnswerFaults),
            [format!("toolgate_answer_faults_total;server=main;reason={label}")]
        );
    }
    for (body, label) in [
        ("<html>", "answer_not_json"),
        ("{}", "answer_not_a_message"),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"tools":{}}}"#, "answer_not_a_list"),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[]}}"#, "answer_not_json"),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"Tools":[]}}"#, "answer_look_alike_key"),
    ] {
        let mut world = World::new("", "");
        let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply(&mut world, LIST, &engineer(), JSON)
        else {
            panic!("filtered")
        };
        let answer = filter.whole(body.as_bytes(), &mut world.desk()).expect_err(body);
        assert_eq!((answer.status, answer.details), (502, label), "{body}");
    }
    let mut world = World::new("", r#","limits":{"max_answer_bytes":1024}"#);
    let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply(&mut world, LIST, &engineer(), JSON) else {
        panic!("filtered")
    };
    assert_eq!(
        filter.whole(&[b' '; 1_025], &mut world.desk()).map_err(|answer| answer.details),
        Err("answer_too_large")
    );
}

#[test]
fn other_answers_go_on_untouched() {
    for message in [call("echo", "{}").as_str(), NOTIFICATION] {
        let mut world = World::new("", "");
        let ReplyStep::Pass(edits) = reply(&mut world, message, &engineer(), &[(":status", "204")]) else {
            panic!("{message}")
        };
        assert_eq!(edits, []);
    }
}

/// What nobody has asked for is nothing, or no message.
#[test]
fn an_answer_to_a_notification_may_be_anything_but_a_message() {
    let gzip = ("content-encoding", "gzip");
    for (head, body, expected) in [
        (&[(":status", "202")][..], "", Ok(Body::Unchanged)),
        (&[(":status", "202")], "Accepted", Ok(Body::Unchanged)),
        (&[(":status", "200"), ("content-type", "application/json")], "{}", Ok(Body::Unchanged)),
        (&[(":status", "200"), ("content-type", "text/html")], "<p>", Ok(Body::Unchanged)),
        (&[(":status", "202"), gzip], "", Ok(Body::Unchanged)),
        (&[(":status", "202"), gzip], "x", Err("answer_encoded")),
    ] {
        let mut world = World::new("", "");
        let ReplyStep::Filter(edits, ReplyBody::Whole(filter)) =
            reply(&mut world, NOTIFICATION, &engineer(), head)
        else {
            panic!("{head:?}")
        };
        assert_eq!(edits, [Edit::remove("content-length")], "what is read may be replaced");
        let told = filter.whole(body.as_bytes(), &mut world.desk());
        assert_eq!(told.map_err(|answer| answer.details), expected, "{head:?} {body}");
    }
}

/// Some clients take a message out of a failure, whatever its type says.
#[test]
fn a_failure_shows_no_more_than_an_answer() {
    const ASKS: &str =
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32042,"message":"","data":{"elicitations":[{}]}}}"#;
    let hidden = TOOLS.replace(r#",{"name":"code_delete"},{"name":"other"}"#, "").replace("999999", "60000");
    let marked = format!("\u{feff} {TOOLS}");
    let wide: String = TOOLS.chars().flat_map(|character| ['\0', character]).collect();
    for (status, kind, body, expected) in [
        ("500", "text/plain", TOOLS, Ok(hidden.as_str())),
        ("404", "application/json", TOOLS, Ok(&hidden)),
        ("202", "", TOOLS, Ok(&hidden)),
        ("500", "text/plain", marked.as_str(), Err("answer_not_json")),
        ("500", "text/plain", &wide, Err("answer_not_json")),
        ("500", "text/html; charset=iso-8859-1", "[{}]", Err("answer_not_a_message")),
        ("500", "text/html", r#"[{},{"result":{}}]"#, Err("answer_not_a_message")),
        ("500", "", r#"{"Result":{}}"#, Err("answer_look_alike_key")),
        ("500", "", r#"{"jsonrpc":"2.0","id":1,"method":"x/y"}"#, Err("answer_server_request")),
        ("400", "application/json", ASKS, Ok("withheld")),
        // What is no message is nobody's to filter.
        ("502", "text/html", "<html>{}</html>", Ok("")),
        ("503", "text/plain", "upstream connect error", Ok("")),
        ("404", "application/json", r#"{"message":"not found","status":404}"#, Ok("")),
        ("401", "application/json", r#"{"error":"invalid_token"}"#, Ok("")),
        ("500", "application/json", r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"x"}}"#, Ok("")),
        ("404", "", "", Ok("")),
    ] {
        for message in [LIST.to_string(), call("echo", "{}")] {
            let mut world = World::new(r#","server_requests":{"elicitation":"deny"}"#, "");
            let head = [(":status", status), ("content-type", kind)];
            let head = if kind.is_empty() { &head[..1] } else { &head };
            let ReplyStep::Filter(_, ReplyBody::Whole(filter)) =
                reply(&mut world, &message, &engineer(), head)
            else {
                panic!("{status} {body}")
            };
            let shown = match filter.whole(body.as_bytes(), &mut world.desk()) {
                Ok(Body::Unchanged) => Ok(String::new()),
                Ok(Body::Changed(bytes)) => Ok(String::from_utf8(bytes).expect("text")),
                Err(answer) => Err(answer.details),
            };
            match expected {
                Ok("withheld") => assert!(shown.is_ok_and(|shown| shown.contains("server_request_denied"))),
                expected => assert_eq!(shown, expected.map(String::from), "{status} {body}"),
            }
        }
    }
    let encoded = [(":status", "500"), ("content-encoding", "gzip")];
    let mut world = World::new("", "");
    let answer = answer_of(reply(&mut world, &call("echo", "{}"), &engineer(), &encoded));
    assert_eq!(answer.details, "answer_encoded");
}

/// Some clients read whatever answers a GET as an event stream.
#[test]
fn what_answers_a_get_is_an_event_stream_or_a_failure() {
    for answers in ["", r#","answers":"lists""#] {
        for (head, passes) in [
            (&[(":status", "200"), ("content-type", "text/plain")][..], false),
            (&[(":status", "200"), ("content-type", "application/json")], false),
            (&[(":status", "202")], false),
            (&[(":status", "200"), ("content-type", "text/event-stream; charset=utf-16be")], false),
            (&[(":status", "405"), ("content-type", "application/json")], true),
            (&[(":status", "204")], true),
        ] {
            let mut world = World::new(answers, "");
            let token = engineer();
            let reply = passed(world.get("/mcp", &token)).reply;
            match receive(&mut world, reply, head) {
                ReplyStep::Pass(_) => assert!(passes, "{head:?}"),
                ReplyStep::Answer(answer) => {
                    assert_eq!((passes, answer.details), (false, "answer_content_type"), "{head:?}");
                }
                ReplyStep::Filter(..) => panic!("{head:?}"),
            }
        }
    }
}

/// The client's authorization server, and whose pages may read answers, are the gate's to say.
#[test]
fn challenges_and_cors_of_the_upstream_are_replaced() {
    let mut world = World::new("", "");
    let head = [
        (":status", "401"),
        ("www-authenticate", "Basic"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("vary", "accept"),
    ];
    let remove = |name: &str| Edit::remove(name.as_bytes().to_vec());
    let gone =
        ["www-authenticate", "access-control-allow-origin", "access-control-allow-credentials"].map(remove);
    assert_eq!(edits_of(reply(&mut world, &call("echo", "{}"), &engineer(), &head))[..3], gone);
    let mut world = World::new(r#","cors":{"origins":["https://page.example.com"]}"#, "");
    let token = engineer();
    let reply = world
        .post(&[("authorization", &token), ("origin", "https://page.example.com")], &call("echo", "{}"))
        .passage()
        .reply;
    let edits = edits_of(receive(&mut world, reply, &head));
    assert_eq!(edits[..3], gone);
    let set = |name: &'static str, value: &str| Edit::set(name, value.as_bytes().to_vec());
    assert_eq!(edits[3], set("access-control-allow-origin", "https://page.example.com"));
    assert_eq!(edits[5], set("vary", "accept, origin"));
}

#[test]
fn the_length_of_a_filtered_list_depends_on_the_host_mode() {
    for (held, expected) in [(false, &[Edit::remove("content-length")][..]), (true, &[])] {
        let mut world = World::new("", &format!(r#","host":{{"headers_stop_iteration":{held}}}"#));
        assert_eq!(edits_of(reply(&mut world, LIST, &engineer(), JSON)), expected);
    }
}

/// Resources have no arguments: a list must not show what every read is denied.
#[test]
fn lists_of_resources_and_prompts_agree_with_reads() {
    let mut world = World::new("", "");
    for (method, text, expected) in [
        (
            "resources/list",
            r#"{"jsonrpc":"2.0","id":1,"result":{"resources":[{"uri":"docs://a"},{"uri":"file:///etc"},{"uri":"docs://%61"}]}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"resources":[{"uri":"docs://a"},{"uri":"docs://%61"}]}}"#,
        ),
        (
            "prompts/list",
            r#"{"jsonrpc":"2.0","id":1,"result":{"prompts":[{"name":"other"},{"name":"hello"}]}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"prompts":[{"name":"hello"}]}}"#,
        ),
    ] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply(&mut world, &message, &engineer(), JSON)
        else {
            panic!("filtered")
        };
        let Ok(Body::Changed(bytes)) = filter.whole(text.as_bytes(), &mut world.desk()) else {
            panic!("changed")
        };
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }
}

/// Lists are known by their shape: an answer to a call is read too, unless the server's configuration says otherwise.
#[test]
fn an_answer_to_a_call_is_looked_into() {
    let mut world = World::new("", "");
    let ReplyStep::Filter(_, ReplyBody::Whole(filter)) =
        reply(&mut world, &call("echo", "{}"), &engineer(), JSON)
    else {
        panic!("filtered")
    };
    let Ok(Body::Changed(bytes)) = filter.whole(TOOLS.as_bytes(), &mut world.desk()) else {
        panic!("changed")
    };
    assert!(!String::from_utf8_lossy(&bytes).contains("code_delete"));
    let result = br#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#;
    assert_eq!(filter.whole(result, &mut world.desk()).ok(), Some(Body::Unchanged));
    let request = br#"{"jsonrpc":"2.0","id":1,"method":"x/y"}"#;
    assert_eq!(
        filter.whole(request, &mut world.desk()).map_err(|answer| (answer.status, answer.details)),
        Err((502, "answer_server_request"))
    );
    for (head, label) in [
        (&[(":status", "200"), ("content-type", "text/html")][..], "answer_content_type"),
        (
            &[(":status", "200"), ("content-type", "application/json"), ("content-encoding", "gzip")],
            "answer_encoded",
        ),
    ] {
        assert_eq!(answer_of(reply(&mut world, &call("echo", "{}"), &engineer(), head)).details, label);
    }
    let mut world = World::new(r#","answers":"lists""#, "");
    for head in [JSON, &[(":status", "200"), ("content-type", "text/html")]] {
        assert!(matches!(reply(&mut world, &call("echo", "{}"), &engineer(), head), ReplyStep::Pass(_)));
    }
}

const NO_SAMPLING: &str = r#","server_requests":{"sampling":"deny"}"#;

/// What the server asks of the client is judged wherever it travels.
#[test]
fn what_a_server_asks_is_judged_wherever_it_travels() {
    const REQUEST: &str = r#"{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}"#;
    const ROOTS: &str = r#"{"jsonrpc":"2.0","id":9,"method":"roots/list"}"#;
    const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},"b":{"method":"sampling/createMessage"}}}}"#;
    let mut world = World::new(NO_SAMPLING, "");
    let ReplyStep::Filter(_, ReplyBody::Stream(filter, mut stream)) =
        reply(&mut world, &call("echo", "{}"), &engineer(), EVENTS)
    else {
        panic!("filtered")
    };
    let text = format!("data: {REQUEST}\n\ndata: {ROOTS}\n\ndata: [{REQUEST},{ROOTS}]\n\ndata: {RESULT}\n\n");
    let (out, result) = filter.chunk(&mut stream, text.as_bytes(), &mut world.desk());
    assert!(result.is_ok());
    let out = String::from_utf8_lossy(&out).into_owned();
    let expected = format!(
        "data: {ROOTS}\n\ndata: [{ROOTS}]\n\ndata: {{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{{\"code\":403,"
    );
    assert!(out.starts_with(&expected) && !out.contains("sampling"), "{out}");
    assert!(out.contains(r#""reason":"server_request_denied""#));
    let mut counted = world.counted(Metric::ServerRequests);
    counted.sort();
    counted.dedup();
    assert_eq!(
        counted,
        [
            "toolgate_server_requests_total;server=main;decision=allow;result=roots",
            "toolgate_server_requests_total;server=main;decision=deny;result=sampling"
        ]
    );
}

/// A server may not ask for what is not declared, so it does not learn of what it may not ask for.
#[test]
fn denied_capabilities_are_blanked_and_answers_to_them_refused() {
    let mut world = World::new(NO_SAMPLING, "");
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"sampling":{"tools":{}}, "roots":{}},"clientInfo":{"name":"x","version":"1"}}}"#;
    let passage = world.post(&[("authorization", &engineer())], body).passage();
    let sent = String::from_utf8(passage.body.expect("rewritten")).expect("text");
    assert_eq!(sent, body.replace(r#""sampling":{"tools":{}}, "#, &" ".repeat(25)));
    assert_eq!(sent.len(), body.len());
    let declared = body.replace(r#""sampling":{"tools":{}}, "#, "");
    assert_eq!(world.post(&[("authorization", &engineer())], &declared).passage().body, None);
    let sampled = r#"{"jsonrpc":"2.0","id":9,"result":{"role":"assistant","content":{},"model":"m"}}"#;
    let denied = world.post(&[("authorization", &engineer())], sampled).answer();
    assert_eq!((denied.status, denied.details), (403, "server_request_denied"));
    let mixed = r#"{"jsonrpc":"2.0","id":9,"result":{"role":"assistant","action":"accept"}}"#;
    assert_eq!(world.post(&[("authorization", &engineer())], mixed).answer().details, "bad_params");
    let pong = r#"{"jsonrpc":"2.0","id":9,"result":{}}"#;
    world.post(&[("authorization", &engineer())], pong).passage();
    let token = engineer();
    let fields = modern("tools/call", "echo", &token);
    let retry = |response: &str| {
        modern_body("tools/call", &format!(r#""name":"echo","inputResponses":{{"a":{response}}},"#))
    };
    assert_eq!(
        world.post(&fields, &retry(r#"{"role":"assistant","model":"m"}"#)).answer().details,
        "server_request_denied"
    );
    assert_eq!(world.post(&fields, &retry("{}")).answer().details, "server_request_denied");
    world.post(&fields, &retry(r#"{"action":"accept"}"#)).passage();
    let capable = modern_body("tools/call", r#""name":"echo","#)
        .replace(r#"Capabilities":{}"#, r#"Capabilities":{"roots":{},"sampling":{}}"#);
    let sent = world.post(&fields, &capable).passage().body.expect("rewritten");
    assert!(!String::from_utf8_lossy(&sent).contains("sampling"));
    assert_eq!(sent.len(), capable.len());
}

/// Some clients (rmcp) hand on what JSON answers a notification.
#[test]
fn an_answer_to_a_notification_shows_no_more_than_another() {
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    for message in [NOTIFICATION, response] {
        for kind in ["application/json", "text/event-stream-x", "application/jsonp"] {
            let mut world = World::new("", "");
            let head = [(":status", "200"), ("content-type", kind)];
            match reply(&mut world, message, &engineer(), &head) {
                ReplyStep::Filter(_, ReplyBody::Whole(filter)) => {
                    let told = filter.whole(TOOLS.as_bytes(), &mut world.desk());
                    assert!(!matches!(told, Ok(Body::Unchanged)), "{message} {kind}");
                }
                ReplyStep::Answer(_) => {}
                other => panic!("{message} {kind}: {other:?}"),
            }
        }
    }
}

/// Clients that follow redirects (fetch, httpx with follow_redirects) would take the next answer from elsewhere.
#[test]
fn a_redirect_leads_nowhere() {
    for (message, kind) in [
        (LIST.to_string(), "application/json"),
        (LIST.to_string(), "text/event-stream"),
        (NOTIFICATION.to_string(), "text/html"),
    ] {
        let mut world = World::new("", "");
        let head = [(":status", "307"), ("content-type", kind), ("location", "https://evil.example/mcp")];
        match reply(&mut world, &message, &engineer(), &head) {
            ReplyStep::Answer(_) => {}
            step => assert!(edits_of(step).contains(&Edit::remove("location")), "{message} {kind}"),
        }
    }
}

/// What has no usable id is a notification to readers that ignore an id they cannot use.
#[test]
fn a_notification_with_an_id_is_judged_as_one() {
    for id in ["null", "1.5", "{}", "7"] {
        let mut world = World::new(r#","server_requests":{"other":"allow"}"#, "");
        let token = engineer();
        let reply = passed(world.get("/mcp", &token)).reply;
        let ReplyStep::Filter(_, ReplyBody::Stream(filter, mut stream)) = receive(&mut world, reply, EVENTS)
        else {
            panic!("filtered")
        };
        let text = format!(
            "data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"notifications/resources/updated\",\"params\":{{\"uri\":\"secret://x\"}}}}\n\n"
        );
        let (out, _) = filter.chunk(&mut stream, text.as_bytes(), &mut world.desk());
        assert!(out.is_empty(), "{id}: {}", String::from_utf8_lossy(&out));
    }
}

/// An answer may ask for as much as it has room for, and be as long: what it costs has a bound.
#[test]
fn what_an_answer_holds_is_bounded() {
    let requests =
        |count: usize| format!("[{}]", [r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#].repeat(count).join(","));
    let tools = |count: usize| {
        let all: Vec<_> = (0..count).map(|at| format!(r#"{{"name":"{at:x}"}}"#)).collect();
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#, all.join(","))
    };
    for (body, expected) in [
        (requests(1_024), None),
        (requests(1_025), Some("answer_too_many")),
        (tools(16_384), None),
        (tools(16_385), Some("answer_too_many")),
    ] {
        let mut world = World::new("", "");
        let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply(&mut world, LIST, &engineer(), JSON)
        else {
            panic!("filtered")
        };
        let before = world.samples.len();
        let told = filter.whole(body.as_bytes(), &mut world.desk());
        assert_eq!(told.err().map(|answer| answer.details), expected);
        assert!(world.samples.len() - before <= 4, "{}", world.samples.len() - before);
    }
}
