// SPDX-License-Identifier: Apache-2.0
//! Tasks belong to who started them, and to the tool.

use super::*;
use crate::mcp::Body;

const SECRET: &str = r#","secrets":{"shared_state":{"env":"STATE_KEY"}}"#;
const JSON: &[(&[u8], &[u8])] = &[(b":status", b"200"), (b"content-type", b"application/json")];
const EVENTS: &[(&[u8], &[u8])] = &[(b":status", b"200"), (b"content-type", b"text/event-stream")];

/// The usual policy, and engineers may use tasks.
fn world(server: &str, top: &str) -> World {
    let json = document(server, &format!(r#""inline":{}"#, jwks()), top);
    let more =
        r#"{"id":"listen","methods":["tasks/get","tasks/result","tasks/list","tasks/cancel","tasks/update","#;
    World::of(&json.replace(r#"{"id":"listen","methods":["#, more))
}

fn other_engineer() -> String {
    token(Alg::Es256, "e", r#","groups":["eng"],"client_id":"other""#)
}

/// The fields of a request under the version that has tasks at its core.
fn late(token: &str) -> Vec<(&str, &str)> {
    Vec::from([("authorization", token), ("mcp-protocol-version", "2025-11-25")])
}

/// What goes on to the client.
fn answered(world: &mut World, reply: Reply, text: &str) -> String {
    let ReplyStep::Filter(_, ReplyBody::Whole(filter)) = reply.start(JSON, &mut world.desk()) else {
        panic!("read")
    };
    match filter.whole(text.as_bytes(), &mut world.desk()) {
        Ok(Body::Unchanged) => text.to_string(),
        Ok(Body::Changed(bytes)) => String::from_utf8(bytes).expect("text"),
        Err(answer) => panic!("{answer:?}"),
    }
}

/// Starts a task with `tool`; gives its id as the client knows it.
fn started(world: &mut World, token: &str, tool: &str) -> String {
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"path":"src/a"}},"task":{{"ttl":1}}}}}}"#
    );
    let reply = world.post(&late(token), &call).passage().reply;
    let text = answered(
        world,
        reply,
        r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"upstream-1","status":"working"}}}"#,
    );
    let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    answer["result"]["task"]["taskId"].as_str().expect("an id").to_string()
}

fn about(method: &str, id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":2,"method":"{method}","params":{{"taskId":"{id}"}}}}"#)
}

fn sent(outcome: Outcome) -> serde_json::Value {
    serde_json::from_slice(&outcome.passage().body.expect("rewritten")).expect("JSON")
}

#[test]
fn a_task_is_its_callers() {
    let mut world = world("", SECRET);
    let id = started(&mut world, &engineer(), "echo");
    assert!(id.starts_with("tg1."), "{id}");
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        let body = about(method, &id);
        let outcome = world.post(&late(&engineer()), &body);
        let Outcome::Pass(passage) = outcome else { panic!("{method}") };
        let rewritten = passage.body.as_ref().expect("rewritten");
        assert_eq!(rewritten.len(), body.len());
        let message: serde_json::Value = serde_json::from_slice(rewritten).expect("JSON");
        assert_eq!(message["params"]["taskId"], "upstream-1");
        // What comes back is named as the client knows it.
        let status = r#"{"jsonrpc":"2.0","id":2,"result":{"taskId":"upstream-1","status":"working"}}"#;
        assert!(answered(&mut world, passage.reply, status).contains(&id));
        for stranger in [other_engineer(), token(Alg::Es256, "e", r#","groups":["eng"]"#)] {
            let refused = world.post(&late(&stranger), &body).answer();
            assert_eq!((refused.status, refused.details), (403, "task_not_yours"), "{method}");
        }
        for unsealed in ["upstream-1", id.get(1..).unwrap_or_default(), "tg1.x.y"] {
            let refused = world.post(&late(&engineer()), &about(method, unsealed)).answer();
            assert_eq!(refused.details, "task_not_yours", "{unsealed}");
        }
    }
}

/// The tool is judged again: a task must not outlive the right to its tool.
#[test]
fn a_task_needs_the_right_to_its_tool() {
    let mut world = world("", SECRET);
    let id = started(&mut world, &engineer(), "code_edit");
    sent(world.post(&late(&engineer()), &about("tasks/get", &id)));
    let changed = document("", &format!(r#""inline":{}"#, jwks()), SECRET)
        .replace(r#"{"id":"listen","methods":["#, r#"{"id":"listen","methods":["tasks/get","#)
        .replace("code_*", "other_*");
    let mut world = World::of(&changed);
    let refused = world.post(&late(&engineer()), &about("tasks/get", &id)).answer();
    assert_eq!((refused.status, refused.details), (403, "no_rule"));
}

#[test]
fn a_list_of_tasks_shows_the_callers_own() {
    let mut world = world("", SECRET);
    let id = started(&mut world, &engineer(), "echo");
    let list = r#"{"jsonrpc":"2.0","id":3,"method":"tasks/list"}"#;
    let tasks =
        r#"{"jsonrpc":"2.0","id":3,"result":{"tasks":[{"taskId":"upstream-0"},{"taskId":"upstream-1"}]}}"#;
    for (token, expected) in
        [(engineer(), format!(r#"[{{"taskId":"{id}"}}]"#)), (other_engineer(), "[]".to_string())]
    {
        let reply = world.post(&late(&token), list).passage().reply;
        let shown = answered(&mut world, reply, tasks);
        assert_eq!(shown, format!(r#"{{"jsonrpc":"2.0","id":3,"result":{{"tasks":{expected}}}}}"#));
    }
}

/// The extension of 2026-07-28: the server decides that there is a task, and the header names it too.
#[test]
fn tasks_of_the_modern_era() {
    let mut world = world("", SECRET);
    let token = engineer();
    let call = modern_body("tools/call", r#""name":"echo","#).replace(
        r#"Capabilities":{}"#,
        r#"Capabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#,
    );
    let reply = world.post(&modern("tools/call", "echo", &token), &call).passage().reply;
    let created = r#"{"jsonrpc":"2.0","id":"a","result":{"resultType":"task","taskId":"upstream-7","status":"working"}}"#;
    let answer: serde_json::Value =
        serde_json::from_str(&answered(&mut world, reply, created)).expect("JSON");
    let id = answer["result"]["taskId"].as_str().expect("an id").to_string();
    let passage = world
        .post(&modern("tasks/get", &id, &token), &modern_body("tasks/get", &format!(r#""taskId":"{id}","#)))
        .passage();
    assert!(passage.edits.contains(&Edit::set("mcp-name", b"upstream-7".to_vec())), "{:?}", passage.edits);
    let body: serde_json::Value = serde_json::from_slice(&passage.body.expect("rewritten")).expect("JSON");
    assert_eq!(body["params"]["taskId"], "upstream-7");
    // Who listens to a task hears of it under the same name, and of no other task.
    let listen = modern_body("subscriptions/listen", &format!(r#""notifications":{{"taskIds":["{id}"]}},"#));
    let passage = world.post(&modern("subscriptions/listen", "", &token), &listen).passage();
    let body: serde_json::Value =
        serde_json::from_slice(passage.body.as_deref().expect("rewritten")).expect("JSON");
    assert_eq!(body["params"]["notifications"]["taskIds"], serde_json::json!(["upstream-7"]));
    let ReplyStep::Filter(_, ReplyBody::Stream(filter, mut stream)) =
        passage.reply.start(EVENTS, &mut world.desk())
    else {
        panic!("a stream")
    };
    let news = |id: &str| {
        format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks\",\"params\":{{\"taskId\":\"{id}\"}}}}\n\n"
        )
    };
    let text = [news("upstream-8"), news("upstream-7")].concat();
    let (out, _) = filter.chunk(&mut stream, text.as_bytes(), &mut world.desk());
    assert_eq!(String::from_utf8_lossy(&out), news(&id));
    let foreign = listen.replace(&id, "upstream-8");
    assert_eq!(
        world.post(&modern("subscriptions/listen", "", &token), &foreign).answer().details,
        "task_not_yours"
    );
}

#[test]
fn without_a_secret_there_are_no_tasks_unless_somebody_says_so() {
    let mut closed = world("", "");
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","task":{}}}"#;
    for message in
        [&about("tasks/get", "upstream-1"), r#"{"jsonrpc":"2.0","id":3,"method":"tasks/list"}"#, call]
    {
        let refused = closed.post(&late(&engineer()), message).answer();
        assert_eq!((refused.status, refused.details), (403, "tasks_not_bound"), "{message}");
    }
    let created = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"task","taskId":"upstream-7"}}"#;
    let reply = closed.call("echo", "{}").passage().reply;
    assert!(answered(&mut closed, reply, created).contains(r#""reason":"tasks_not_bound""#));
    let mut open = world(r#","tasks":"unbound""#, "");
    let passage = open.post(&late(&engineer()), &about("tasks/get", "upstream-1")).passage();
    assert_eq!(passage.body, None);
    assert_eq!(answered(&mut open, passage.reply, created), created);
    // Callers without credentials have nothing that a task could be bound to.
    let mut anonymous = world(r#","anonymous":{"role":"dev"}"#, SECRET);
    assert_eq!(
        anonymous
            .post(&[("mcp-protocol-version", "2025-11-25")], &about("tasks/get", "upstream-1"))
            .answer()
            .details,
        "tasks_not_bound"
    );
}

#[test]
fn a_message_may_belong_to_a_task() {
    let mut world = world("", SECRET);
    let id = started(&mut world, &engineer(), "echo");
    let answer = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":9,"result":{{"action":"accept","_meta":{{"io.modelcontextprotocol/related-task":{{"taskId":"{id}"}}}}}}}}"#
        )
    };
    let message = sent(world.post(&late(&engineer()), &answer(&id)));
    assert_eq!(message["result"]["_meta"]["io.modelcontextprotocol/related-task"]["taskId"], "upstream-1");
    assert_eq!(world.post(&late(&other_engineer()), &answer(&id)).answer().details, "task_not_yours");
    // A task of the client's own.
    assert_eq!(world.post(&late(&engineer()), &answer("mine")).passage().body, None);
}

const METERED: &str = r#""tools":{"catalogue":[{"name":"echo","class":"task","metrics":{
    "type":{"argument":"/kind","values":["build","deploy"]},"tokens":"/structuredContent/tokens","bytes":"/structuredContent/bytes"}},
    {"name":"code_edit"}]}"#;

/// A worker: one of several under the same configuration.
fn worker(now: u64) -> World {
    let json = document("", &format!(r#""inline":{}"#, jwks()), SECRET)
        .replace(r#""tools":{"catalogue":[{"name":"echo"},{"name":"code_edit"}]}"#, METERED)
        .replace(
            r#"{"id":"listen","methods":["#,
            r#"{"id":"listen","methods":["tasks/get","tasks/result","tasks/list","tasks/cancel","#,
        );
    World { now, ..World::of(&json) }
}

/// One request and its answer at a time; the answer as the client has it.
fn exchange(world: &mut World, message: &str, result: &str) -> serde_json::Value {
    world.account = Account::default();
    let reply = world.post(&late(&engineer()), message).passage().reply;
    let now = UnixTime::from_secs(world.now);
    world.account.after(now, || now, &world.config, &mut world.samples);
    let text = answered(world, reply, &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
    serde_json::from_str(&text).expect("JSON")
}

/// The samples of a metric: its labels behind the class, and the value.
fn measured(world: &World, metric: Metric) -> Vec<(String, u64)> {
    let samples = world.samples.iter().filter(|sample| sample.series.metric == metric);
    let named =
        samples.map(|sample| (sample.series.host_name(&world.config, &world.memory.policies), sample.value));
    named
        .map(|(name, value)| (name.split_once("class=task;").expect("a class").1.to_string(), value))
        .collect()
}

fn metered_task(world: &mut World) -> String {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"kind":"deploy"},"task":{}}}"#;
    let answer = exchange(world, call, r#"{"task":{"taskId":"upstream-1","status":"working"}}"#);
    answer["result"]["task"]["taskId"].as_str().expect("an id").to_string()
}

#[test]
fn whoever_sees_the_end_of_a_task_knows_how_long_it_took() {
    let mut first = worker(NOW);
    let id = metered_task(&mut first);
    let started = ("operation=run;type=deploy;status=started".to_string(), 1);
    assert_eq!(measured(&first, Metric::ClassTasks), [started]);
    // Another worker knows nothing but what the id says.
    let mut other = worker(NOW + 90);
    let status = |word: &str| format!(r#"{{"taskId":"upstream-1","status":"{word}"}}"#);
    for word in ["working", "input_required"] {
        let same = exchange(&mut other, &about("tasks/get", &id), &status(word));
        assert_eq!(same["result"]["taskId"], id, "a task keeps its name");
    }
    assert_eq!(measured(&other, Metric::ClassTasks), []);
    other.now = NOW + 95;
    for _ in 0..3 {
        exchange(&mut other, &about("tasks/get", &id), &status("completed"));
        let result = r#"{"content":[],"structuredContent":{"tokens":17,"bytes":512}}"#;
        exchange(&mut other, &about("tasks/result", &id), result);
    }
    let once = |label: &str, value: u64| [(label.to_string(), value)];
    assert_eq!(measured(&other, Metric::ClassTasks), once("operation=run;type=deploy;status=completed", 1));
    assert_eq!(measured(&other, Metric::ClassTaskDuration), once("type=deploy", 95_000));
    assert_eq!(measured(&other, Metric::ClassTokens), once("type=deploy", 17));
    assert_eq!(measured(&other, Metric::ClassMemory), once("type=deploy", 512));
}

/// A client may wait for the result without a look at the status; and a list shows the end too.
#[test]
fn every_way_to_the_end_of_a_task_counts() {
    let ends: [(&str, &str, &str); 5] = [
        ("tasks/result", r#"{"content":[]}"#, "completed"),
        ("tasks/result", r#"{"content":[],"isError":true}"#, "failed"),
        ("tasks/cancel", r#"{"taskId":"upstream-1","status":"cancelled"}"#, "cancelled"),
        ("tasks/get", r#"{"taskId":"upstream-1","status":"failed"}"#, "failed"),
        ("tasks/list", r#"{"tasks":[{"taskId":"upstream-1","status":"completed"}]}"#, "completed"),
    ];
    for (method, result, word) in ends {
        let mut world = worker(NOW);
        let id = metered_task(&mut world);
        world.now = NOW + 3;
        exchange(&mut world, &about(method, &id), result);
        let (labels, count) = measured(&world, Metric::ClassTasks).pop().expect("counted");
        assert_eq!((labels.rsplit_once('=').map(|(_, word)| word), count), (Some(word), 1), "{method}");
        assert_eq!(
            measured(&world, Metric::ClassTaskDuration),
            [("type=deploy".to_string(), 3_000)],
            "{method}"
        );
    }
    // A tool that is not metered has no series, and its tasks go on like all others.
    let mut world = worker(NOW);
    let id = started(&mut world, &engineer(), "code_edit");
    exchange(&mut world, &about("tasks/get", &id), r#"{"taskId":"upstream-1","status":"completed"}"#);
    assert!(world.samples.iter().all(|sample| sample.series.metric != Metric::ClassTasks));
}
