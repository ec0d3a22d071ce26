// SPDX-License-Identifier: Apache-2.0
//! Rules on answers, from the call to what its caller is told; and what trusted servers say of their tools.

use super::*;
use crate::mcp::Body;
use serde_json::Value as Json;

const JSON: &[(&[u8], &[u8])] = &[(b":status", b"200"), (b"content-type", b"application/json")];
const EVENTS: &[(&[u8], &[u8])] = &[(b":status", b"200"), (b"content-type", b"text/event-stream")];
const SECRET: &str = r#","secrets":{"shared_state":{"env":"STATE_KEY"},"audit":{"env":"AUDIT"}},"audit":{"outlets":["access_log"],"allows_per_mille":0}"#;
const IMAGE: &str = r#"{"content":[{"type":"image","data":"","mimeType":"image/png"}]}"#;
const TEXT: &str = r#"{"content":[{"type":"text","text":"x"}]}"#;
const NO_IMAGES: &str = r#"{"id":"no-images","tools":["code_*"],"on":["answer"],"when":{"answer":{"types":{"contains":"image"}}}}"#;

/// The usual policy with another deny rule, and tasks.
fn world(rule: &str, server: &str) -> World {
    let json = document(server, &format!(r#""inline":{}"#, jwks()), SECRET);
    let json = json
        .replace(r#"{"id":"listen","methods":["#, r#"{"id":"listen","methods":["tasks/get","tasks/result","#);
    World::of(&json.replace(r#""deny":[{"id":"no-delete""#, &format!(r#""deny":[{rule},{{"id":"no-delete""#)))
}

fn message(result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#)
}

/// What the client gets of a JSON answer, byte by byte the one that came or not.
fn told(world: &mut World, reply: Reply, text: &str) -> Option<Json> {
    let filter = match reply.start(JSON, &mut world.desk()) {
        ReplyStep::Filter(_, ReplyBody::Whole(filter)) => filter,
        ReplyStep::Pass(_) => return None,
        other => panic!("{other:?}"),
    };
    match filter.whole(text.as_bytes(), &mut world.desk()) {
        Ok(Body::Unchanged) => None,
        Ok(Body::Changed(bytes)) => Some(serde_json::from_slice(&bytes).expect("JSON")),
        Err(answer) => panic!("{answer:?}"),
    }
}

fn call_code(world: &mut World) -> Reply {
    world.call("code_edit", r#"{"path":"src/a"}"#).passage().reply
}

#[test]
fn an_answer_that_a_rule_denies_is_replaced_counted_and_recorded() {
    for (style, code, text) in [
        ("explicit", 403, "the policy does not allow this"),
        ("readable", 403, "the policy does not allow this"),
        ("hidden", -32602, "Unknown tool: code_edit"),
    ] {
        let mut world = world(NO_IMAGES, &format!(r#","denial":"{style}""#));
        let reply = call_code(&mut world);
        let decision = world.account.trail.judged().expect("a verdict");
        assert_eq!(decision.keep, Keep::SampledOut);
        assert_eq!(told(&mut world, reply, &message(TEXT)), None);
        assert_eq!(world.counted(Metric::AnswersDenied), [""; 0]);

        let reply = call_code(&mut world);
        let got = told(&mut world, reply, &message(IMAGE)).expect("replaced");
        assert_eq!((&got["id"], &got["result"]), (&Json::from(7), &Json::Null), "{got}");
        assert_eq!((&got["error"]["code"], &got["error"]["message"]), (&Json::from(code), &Json::from(text)));
        let counted = world.counted(Metric::AnswersDenied);
        let [counted] = counted.as_slice() else { panic!("{counted:?}") };
        assert!(
            counted.starts_with("toolgate_answers_denied_total;server=main;policy=default;"),
            "{counted}"
        );
        assert!(counted.ends_with(";rule=no-images"), "{counted}");
        let kept = world.account.trail.judged().expect("a verdict");
        assert_eq!((kept.keep, kept.effect), (Keep::Kept, crate::policy::Effect::Deny));
        let record = recorded(&mut world);
        assert_eq!(record["decision"], "allow");
        assert_eq!(record["answer"], serde_json::json!({ "decision": "deny", "rules": ["no-images"] }));
        if style == "explicit" {
            assert_eq!(got["error"]["data"]["reason"], "deny_rule");
            assert_eq!(got["error"]["data"]["decision_id"], record["id"]);
        }
    }
}

/// The members of the record as it is at the end.
fn recorded(world: &mut World) -> Json {
    let ending = crate::audit::Ending {
        status: Some(200),
        outcome: crate::flow::Outcome::Withheld,
        decision_micros: 1,
        duration_micros: 2,
        request_bytes: 3,
        response_bytes: 4,
        sampled_per_mille: None,
    };
    let text = world.account.trail.close(&ending);
    serde_json::from_str(&format!("{{\"at\":0{text}}}")).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn an_event_stream_goes_on_behind_an_answer_that_is_denied() {
    let mut world = world(NO_IMAGES, r#","answers":"lists""#);
    let reply = call_code(&mut world);
    let ReplyStep::Filter(_, ReplyBody::Stream(filter, mut stream)) = reply.start(EVENTS, &mut world.desk())
    else {
        panic!("a stream")
    };
    let progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n";
    let text = format!("{progress}id: 1\ndata: {}\n\n{progress}", message(IMAGE));
    let (out, result) = filter.chunk(&mut stream, text.as_bytes(), &mut world.desk());
    let out = String::from_utf8(out).expect("text");
    assert!(result.is_ok() && !out.contains("image") && out.contains("\"code\":403"), "{out}");
    assert_eq!((out.matches("progress").count(), out.matches("id: 1\n").count()), (2, 1));
}

/// `answers: lists` reads no other answer, except where a rule is on it.
#[test]
fn answers_are_read_where_a_rule_is_on_them_and_only_there() {
    let mut with = world(NO_IMAGES, r#","answers":"lists""#);
    let reply = call_code(&mut with);
    assert!(told(&mut with, reply, &message(IMAGE)).is_some());
    let mut without = world(r#"{"id":"x","tools":["x"]}"#, r#","answers":"lists""#);
    let reply = call_code(&mut without);
    assert!(matches!(reply.start(JSON, &mut without.desk()), ReplyStep::Pass(_)));
    // What cannot be read is no answer to tell.
    for head in [
        &[(&b":status"[..], &b"200"[..]), (b"content-type", b"text/plain")][..],
        &[(b":status", b"200"), (b"content-type", b"application/json"), (b"content-encoding", b"gzip")],
    ] {
        let reply = call_code(&mut with);
        assert!(
            matches!(reply.start(head, &mut with.desk()), ReplyStep::Answer(answer) if answer.status == 502)
        );
    }
}

/// A resumed stream brings answers to calls that nobody here has seen.
#[test]
fn an_answer_to_an_unknown_call_is_one_that_every_rule_may_be_about() {
    let token = engineer();
    for (result, rule, shown) in [
        (IMAGE, NO_IMAGES, false),
        (TEXT, NO_IMAGES, true),
        (TEXT, r#"{"id":"no","tools":["other"],"on":["answer"]}"#, false),
        (TEXT, r#"{"id":"no","tools":["other"]}"#, true),
    ] {
        let mut world = world(rule, "");
        let reply = passed(world.get("/mcp", &token)).reply;
        let ReplyStep::Filter(_, ReplyBody::Stream(filter, mut stream)) =
            reply.start(EVENTS, &mut world.desk())
        else {
            panic!("a stream")
        };
        let text = format!("data: {}\n\n", message(result));
        let (out, _) = filter.chunk(&mut stream, text.as_bytes(), &mut world.desk());
        assert_eq!(out == text.as_bytes(), shown, "{rule} {result}");
    }
}

#[test]
fn what_a_task_comes_to_is_an_answer_of_its_tool() {
    let version = "2025-11-25";
    for (tasks, bound) in [("", true), (r#","tasks":"unbound""#, false)] {
        let mut world = world(NO_IMAGES, tasks);
        let token = engineer();
        let late = [("authorization", token.as_str()), ("mcp-protocol-version", version)];
        let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"code_edit","arguments":{"path":"src/a"},"task":{"ttl":1}}}"#;
        let created = message(r#"{"task":{"taskId":"t-1","status":"working"}}"#);
        let reply = world.post(&late, body).passage().reply;
        let answer = told(&mut world, reply, &created);
        let id = match &answer {
            Some(answer) => answer["result"]["task"]["taskId"].as_str().expect("an id").to_string(),
            None => "t-1".to_string(),
        };
        assert_eq!(answer.is_some(), bound);
        let ask = |world: &mut World, method: &str| {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{"taskId":"{id}"}}}}"#);
            world.post(&late, &body).passage().reply
        };
        let denied = |answer: Option<Json>| answer.is_some_and(|answer| answer["error"]["code"] == 403);
        let reply = ask(&mut world, "tasks/result");
        assert!(denied(told(&mut world, reply, &message(IMAGE))), "{tasks}");
        let reply = ask(&mut world, "tasks/result");
        assert!(!denied(told(&mut world, reply, &message(TEXT))), "{tasks}");
        // The extension has the result inside the task.
        for (inner, expected) in [("", false), (TEXT, false), (IMAGE, true)] {
            let inner = if inner.is_empty() { String::new() } else { format!(r#","result":{inner}"#) };
            let text = message(&format!(r#"{{"taskId":"t-1","status":"x"{inner}}}"#));
            let reply = ask(&mut world, "tasks/get");
            assert_eq!(denied(told(&mut world, reply, &text)), expected, "{tasks} {inner}");
        }
        // So have notifications, which nobody has asked for.
        let reply = ask(&mut world, "tasks/get");
        let ReplyStep::Filter(_, ReplyBody::Stream(filter, mut stream)) =
            reply.start(EVENTS, &mut world.desk())
        else {
            panic!("a stream")
        };
        for (result, shown) in [(TEXT, true), (IMAGE, false)] {
            let text = format!(
                "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks\",\"params\":{{\"taskId\":\"t-1\",\"result\":{result}}}}}\n\n"
            );
            let (out, _) = filter.chunk(&mut stream, text.as_bytes(), &mut world.desk());
            assert_eq!(!out.is_empty(), shown, "{tasks} {result}");
        }
    }
}

/// Arguments are gone when the answer comes; what the rules said of them is not. A task's later answers are of a call
/// whose arguments nobody here knows any more.
#[test]
fn an_answer_may_be_denied_for_what_the_call_was_made_with() {
    let rule = r#"{"id":"no","tools":["code_*"],"on":["answer"],"when":{"args":{"/path":{"path_under":"src/private"}}}}"#;
    let mut world = world(rule, r#","tasks":"unbound""#);
    for (path, shown) in [("src/a", true), ("src/private/a", false)] {
        let reply = world.call("code_edit", &format!(r#"{{"path":"{path}"}}"#)).passage().reply;
        assert_eq!(told(&mut world, reply, &message(TEXT)).is_none(), shown, "{path}");
    }
    let token = engineer();
    let late = [("authorization", token.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"tasks/result","params":{"taskId":"t-1"}}"#;
    let reply = world.post(&late, body).passage().reply;
    assert!(told(&mut world, reply, &message(TEXT)).is_some(), "a task's answer is not known to be meant");
}

#[test]
fn a_rule_on_answers_in_shadow_is_counted_and_changes_nothing() {
    let mut world = world(&NO_IMAGES.replace(r#""on""#, r#""mode":"shadow","on""#), "");
    let before = |world: &World| world.counted(Metric::Shadow).len();
    let reply = call_code(&mut world);
    let at_call = before(&world);
    assert_eq!(told(&mut world, reply, &message(IMAGE)), None);
    let all = world.counted(Metric::Shadow);
    let [counted] = &all[at_call..] else { panic!("{all:?}") };
    assert!(counted.ends_with(";live=allow;shadow=deny;rule=no-images"), "{counted}");
    assert_eq!(world.counted(Metric::AnswersDenied), [""; 0]);
    let record = recorded(&mut world);
    assert_eq!(record["answer"], Json::Null);
    let shadow = serde_json::json!({ "decision": "deny", "rules": ["no-images"], "policy": "default" });
    assert_eq!(record["answer_shadow"], shadow);
}

/// The usual policy, which trusts `trusted`, and lets read-only tools be called.
fn trusting(trusted: &str) -> World {
    let json = document("", &format!(r#""inline":{}"#, jwks()), "");
    let json = json.replace(
        r#"{"version":1,"roles""#,
        &format!(r#"{{"version":1,"trusted_servers":["{trusted}"],"roles""#),
    );
    let rules = r#""allow":[{"id":"reads","tools":["r_*"],"when":{"annotations":{"readOnlyHint":{"equals":true}}}},
        {"id":"all-m","tools":["m_*"]},"#;
    let deny = r#""deny":[{"id":"no-loss","tools":["m_*"],"when":{"annotations":{"destructiveHint":{"equals":true}}}},"#;
    let (head, tail) = json.split_once(r#""dev":{"#).expect("the role");
    let tail = tail.replacen(r#""allow":["#, rules, 1).replacen(r#""deny":["#, deny, 1);
    World::of(&[head, r#""dev":{"#, &tail].concat())
}

#[test]
fn what_a_trusted_server_says_counts_once_it_was_seen() {
    let tools = r#"{"tools":[{"name":"r_yes","annotations":{"readOnlyHint":true}},{"name":"r_no","annotations":{"readOnlyHint":false}},
        {"name":"r_mute"},{"name":"m_yes","annotations":{"destructiveHint":true}},{"name":"m_no","annotations":{"destructiveHint":false}},{"name":"m_mute"}]}"#;
    let list = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
    let all = ["r_yes", "r_no", "r_mute", "m_yes", "m_no", "m_mute"];
    let calls = |world: &mut World| -> Vec<&str> {
        all.into_iter().filter(|tool| world.call(tool, "{}").status() == 0).collect()
    };
    for (trusted, expected) in [("main", &["r_yes", "m_no"][..]), ("other", &[])] {
        let mut world = trusting(trusted);
        assert_eq!(calls(&mut world), [""; 0], "nothing is known yet");
        let reply = world.post(&[("authorization", &engineer())], list).passage().reply;
        let shown = told(&mut world, reply, &message(tools)).expect("filtered");
        let names = shown["result"]["tools"].as_array().expect("a list");
        let names: Vec<&str> = names.iter().filter_map(|tool| tool["name"].as_str()).collect();
        assert_eq!(names, expected, "{trusted}");
        assert_eq!(calls(&mut world), expected, "{trusted}");
    }
    // The last word counts.
    let mut world = trusting("main");
    for (says, status) in [("true", 0), ("false", 403), ("true", 0), ("\"true\"", 403)] {
        let tools = format!(r#"{{"tools":[{{"name":"r_x","annotations":{{"readOnlyHint":{says}}}}}]}}"#);
        let reply = world.post(&[("authorization", &engineer())], list).passage().reply;
        told(&mut world, reply, &message(&tools));
        assert_eq!(world.call("r_x", "{}").status(), status, "{says}");
    }
}

/// What one policy may believe of a server, another one need not.
#[test]
fn a_candidate_that_trusts_another_server_knows_nothing_of_this_one() {
    let candidate = r#"{"version":1,"mode":"shadow","trusted_servers":["other"],"roles":{"dev":{"allow":[
        {"id":"c-reads","tools":["*"],"when":{"annotations":{"readOnlyHint":{"equals":true}}}}]}},
        "bindings":[{"role":"dev","when":{"groups":{"contains":"eng"}}}]}"#;
    let live = POLICY.replace(r#"{"version":1,"roles""#, r#"{"version":1,"trusted_servers":["main"],"roles""#).replace(
        r#""deny":[{"id":"no-delete""#,
        r#""deny":[{"id":"no-loss","tools":["*"],"when":{"annotations":{"readOnlyHint":{"equals":false}}}},{"id":"no-delete""#,
    );
    let json =
        document(r#","shadow_policy":"next""#, &format!(r#""inline":{}"#, jwks()), "").replace(POLICY, &live);
    let mut world = World::of(
        &json.replace(r#""policies":{"#, &format!(r#""policies":{{"next":{{"inline":{candidate}}},"#)),
    );
    let list = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
    let reply = world.post(&[("authorization", &engineer())], list).passage().reply;
    let tools = r#"{"tools":[{"name":"echo","annotations":{"readOnlyHint":true}}]}"#;
    assert_eq!(told(&mut world, reply, &message(tools)), None);
    assert_eq!(world.call("echo", "{}").status(), 0);
    let shadow = world.counted(Metric::Shadow).pop().expect("compared");
    assert!(shadow.contains(";live=allow;shadow=deny;"), "{shadow}");
}

#[test]
fn a_task_is_judged_by_the_rules_of_its_own_tool() {
    let mut world = world(r#"{"id":"no","tools":["other"],"on":["answer"]}"#, "");
    let token = engineer();
    let late = [("authorization", token.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"code_edit","arguments":{"path":"src/a"},"task":{"ttl":1}}}"#;
    let reply = world.post(&late, body).passage().reply;
    let made =
        told(&mut world, reply, &message(r#"{"task":{"taskId":"t-1","status":"working"}}"#)).expect("bound");
    let id = made["result"]["task"]["taskId"].as_str().expect("an id");
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tasks/result","params":{{"taskId":"{id}"}}}}"#);
    let reply = world.post(&late, &body).passage().reply;
    assert_eq!(told(&mut world, reply, &message(TEXT)), None);
}

#[test]
fn a_candidates_rules_on_answers_are_compared_and_nothing_else_of_it_reads_answers() {
    let candidate = |rule: &str| {
        format!(
            r#"{{"version":1,"mode":"shadow","roles":{{"dev":{{"allow":[{{"id":"all","tools":["*"]}}],"deny":[{rule}]}}}},
            "bindings":[{{"role":"dev","when":{{"groups":{{"contains":"eng"}}}}}}]}}"#
        )
    };
    for (rule, reads) in [(NO_IMAGES, true), (r#"{"id":"x","tools":["x"]}"#, false)] {
        let server = r#","answers":"lists","shadow_policy":"next""#;
        let json = document(server, &format!(r#""inline":{}"#, jwks()), "");
        let next = format!(r#""policies":{{"next":{{"inline":{}}},"#, candidate(rule));
        let mut world = World::of(&json.replace(r#""policies":{"#, &next));
        let reply = call_code(&mut world);
        let at_call = world.counted(Metric::Shadow).len();
        let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply.start(JSON, &mut world.desk()) else {
            assert!(!reads);
            continue;
        };
        assert!(reads);
        assert!(matches!(filter.whole(message(IMAGE).as_bytes(), &mut world.desk()), Ok(Body::Unchanged)));
        let all = world.counted(Metric::Shadow);
        let [counted] = &all[at_call..] else { panic!("{all:?}") };
        assert!(counted.ends_with(";live=allow;shadow=deny;rule=no-images"), "{counted}");
    }
}

/// Clients and servers of the SDKs know answers by their ids: one to another request is no answer to this one.
#[test]
fn an_answer_with_another_id_is_not_judged_by_this_call() {
    let mut world = world(NO_IMAGES, "");
    // The call is of a tool on whose answers no rule is; the answer says that it is another call's.
    let reply = world.call("echo", "{}").passage().reply;
    let other = format!(r#"{{"jsonrpc":"2.0","id":8,"result":{IMAGE}}}"#);
    assert!(told(&mut world, reply, &other).is_some(), "an answer to request 8 in the answer to request 7");
}

/// `tasks/get` is answered with a task; what is none is an answer of nobody knows what.
#[test]
fn what_is_no_task_is_judged_where_a_task_is_awaited() {
    let everything =
        r#"{"id":"none","tools":["*"],"on":["answer"],"when":{"answer":{"types":{"contains":"image"}}}}"#;
    let mut world = world(everything, r#","tasks":"unbound""#);
    let token = engineer();
    let late = [("authorization", token.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"tasks/get","params":{"taskId":"t-1"}}"#;
    for result in [
        IMAGE.to_string(),
        format!(r#"{{"taskId":"t-1","status":"working","error":{{}},"result":{IMAGE}}}"#),
        format!(r#"{{"tasks":[{{"taskId":"t-2"}},{{"taskId":"t-1","result":{IMAGE}}}]}}"#),
    ] {
        let reply = world.post(&late, body).passage().reply;
        assert!(told(&mut world, reply, &message(&result)).is_some(), "{result}");
    }
}
