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
    let fields = post_by(&token);
    let looks = |world: &World| world.counted(Metric::JwksLookups);
    for attempt in [Attempt::First, Attempt::Again] {
        assert!(matches!(world.head(&fields, BodyFollows::Yes, attempt), Step::Wait(_)));
        assert_eq!(looks(&world), ["toolgate_jwks_lookups_total;issuer=corp;result=no_keys"]);
    }
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
        world.samples.clear();
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
        assert_eq!(matches!(step, Step::Wait(_)), waits, "{early}");
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
    for (status, refused) in [("200", true), ("299", true), ("400", false), ("500", false)] {
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

/// Of places that fit alike, the first is meant; one that only looks like the path does not take it from one that is it.
#[test]
fn of_places_that_fit_alike_the_first_is_meant() {
    let routes = r#","routes":[
        {"name":"reads","match":{"path":"/a","methods":["GET"]},"allow":"anyone"},
        {"name":"heads","match":{"path":"/a","methods":["HEAD"]},"allow":"anyone"},
        {"name":"loud","match":{"path":"/A","methods":["GET"]},"allow":"anyone"}]"#;
    let mut world = World::new("", routes);
    for (method, path, expected) in [
        ("GET", "/a", "reads none none allow allowed"),
        ("HEAD", "/a", "heads none none allow allowed"),
        ("POST", "/a", "reads none none deny method_not_allowed"),
        ("GET", "/A", "loud none none allow allowed"),
    ] {
        let fields = [(":method", method), (":path", path), (":authority", "mcp.example.com")];
        let _ = world.head(&fields, BodyFollows::No, Attempt::First);
        assert_eq!(world.verdict(), expected, "{method} {path}");
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
fn a_version_may_have_white_space_around_it() {
    let good = engineer();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for version in ["2025-11-25", " 2025-11-25", "2025-11-25\t"] {
        let fields = [("authorization", good.as_str()), ("mcp-protocol-version", version)];
        World::new("", "").post(&fields, ping).passage();
    }
}

#[test]
fn a_version_that_knows_neither_get_nor_delete_is_refused_whatever_else_the_head_says() {
    let token = engineer();
    for method in ["GET", "DELETE"] {
        let fields = [
            (":method", method),
            (":path", "/mcp"),
            (":authority", "mcp.example.com"),
            ("authorization", &*token),
            ("mcp-protocol-version", "2026-07-28"),
        ];
        let answer = answered(World::new("", "").head(&fields, BodyFollows::No, Attempt::First));
        assert_eq!((answer.status, answer.details), (405, "method_not_allowed"), "{method}");
    }
}

#[test]
fn a_denied_capability_is_blanked_in_every_spelling_that_a_server_may_take_for_it() {
    let server = r#","server_requests":{"sampling":"deny"}"#;
    for name in ["sampling", "Sampling", "sampling "] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{"{name}":{{}}}},"clientInfo":{{"name":"a","version":"1"}}}}}}"#
        );
        let passage = World::new(server, "").post(&[("authorization", &engineer())], &body).passage();
        assert!(passage.body.is_some(), "{name}");
    }
}
