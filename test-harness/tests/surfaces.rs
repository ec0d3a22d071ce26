//! What a server asks of its clients, in every place where it may travel, and answers to what asked for no list.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use toolgate_harness::{
    client::{Call, LEGACY, events},
    gate::Gate,
    in_both_modes,
    scripted::Script,
    serve::wait_for,
    shared_gate,
};

fn configure(configuration: &mut Value) {
    configuration["servers"][0]["server_requests"] = json!({ "sampling": "deny" });
    configuration["servers"][0]["tools"]["schemas"] = json!("check");
    configuration["servers"][0]["tools"]["drift"] = json!("withhold");
    if let Some(catalogue) = configuration["servers"][0]["tools"]["catalogue"].as_array_mut() {
        // Of another definition than any that is listed here.
        let pin = format!("sha256:{}", "0".repeat(64));
        catalogue.push(json!({ "name": "get_pinned", "pin": pin }));
        for tool in catalogue.iter_mut().filter(|tool| tool["name"] == "echo") {
            tool["class"] = json!("task");
        }
    }
    let allow = &mut configuration["policies"]["default"]["inline"]["roles"]["readonly"]["allow"];
    if let Some(rules) = allow.as_array_mut() {
        rules.push(json!({ "methods": ["tasks/get", "tasks/cancel"] }));
    }
}

shared_gate!(gate, |mode| Gate::scripted(mode, configure));

in_both_modes!(gate:
    a_forbidden_request_is_dropped_from_a_stream,
    a_result_that_asks_for_what_is_forbidden_becomes_an_error,
    a_forbidden_capability_does_not_reach_the_server,
    an_answer_to_what_was_forbidden_is_refused,
    a_list_that_nobody_asked_for_is_filtered,
    a_task_belongs_to_its_caller,
    a_learned_schema_and_a_pin_hold,
);

async fn answered(gate: &Gate, name: &str, script: Script) -> Result<toolgate_harness::client::Answer> {
    let name = format!("{name}-{:?}", gate.mode);
    gate.script()?.on(&name, script);
    let call = gate.call(&name, "echo", json!({})).header("x-script", &name);
    call.token(&gate.token("alice", &["developer"])?).send().await
}

async fn a_forbidden_request_is_dropped_from_a_stream(gate: &Gate) -> Result<()> {
    let asks = |id: u32, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": {} });
    let result = json!({ "jsonrpc": "2.0", "id": "x", "result": { "content": [] } });
    let stream = format!(
        "event: message\ndata: {}\n\ndata: {}\n\ndata: {}\n\ndata: {result}\n\n",
        asks(1, "sampling/createMessage"),
        asks(2, "elicitation/create"),
        asks(3, "secrets/dump"),
    );
    let answer = answered(gate, "asks", Script::new("text/event-stream").in_pieces(stream, 17)).await?;
    let seen = events(&answer.text());
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen[0].contains("elicitation/create") && seen[1].contains("content"), "{seen:?}");
    Ok(())
}

async fn a_result_that_asks_for_what_is_forbidden_becomes_an_error(gate: &Gate) -> Result<()> {
    let result = |method: &str| {
        let requests = json!({ "a": { "method": method, "params": {} } });
        json!({ "jsonrpc": "2.0", "id": "r", "result": { "resultType": "input_required", "inputRequests": requests } })
    };
    for kind in ["application/json", "text/event-stream"] {
        let text = |method: &str| match kind {
            "application/json" => result(method).to_string(),
            _ => format!("data: {}\n\n", result(method)),
        };
        let script = Script::new(kind).piece(text("sampling/createMessage")).with_length();
        let answer = answered(gate, &format!("forbidden-{kind}"), script).await?;
        assert_eq!((answer.status, answer.code()), (200, Some(403)), "{kind}: {}", answer.text());
        assert_eq!(answer.message()["id"], "r");
        assert_eq!(answer.reason().as_deref(), Some("server_request_denied"));
        let script = Script::new(kind).piece(text("elicitation/create")).with_length();
        let answer = answered(gate, &format!("allowed-{kind}"), script).await?;
        assert_eq!(answer.message(), result("elicitation/create"), "{kind}");
    }
    Ok(())
}

async fn a_forbidden_capability_does_not_reach_the_server(gate: &Gate) -> Result<()> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"blank-{:?}","method":"initialize","params":{{"protocolVersion":"{LEGACY}","capabilities":{{"roots":{{}},"sampling":{{"tools":{{}}}}}},"clientInfo":{{"name":"x","version":"0"}}}}}}"#,
        gate.mode
    );
    let call = Call::post(gate.url(), body.as_str()).token(&gate.token("alice", &["developer"])?);
    assert_eq!(call.send().await?.status, 200);
    let seen = gate.upstream.seen().with(&format!("blank-{:?}", gate.mode));
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].json()["params"]["capabilities"], json!({ "roots": {} }));
    assert_eq!(seen[0].body.len(), body.len());
    Ok(())
}

async fn an_answer_to_what_was_forbidden_is_refused(gate: &Gate) -> Result<()> {
    let mark = format!("sampled-{:?}", gate.mode);
    let post = |result: Value| {
        let body = json!({ "jsonrpc": "2.0", "id": mark, "result": result }).to_string();
        Call::post(gate.url(), body).header("mcp-protocol-version", LEGACY)
    };
    let token = gate.token("alice", &["developer"])?;
    let sampled =
        post(json!({ "role": "assistant", "content": {}, "model": "m" })).token(&token).send().await?;
    assert_eq!((sampled.status, sampled.reason().as_deref()), (403, Some("server_request_denied")));
    assert!(gate.upstream.seen().with(&mark).is_empty());
    let accepted = post(json!({ "action": "accept" })).token(&token).send().await?;
    assert!(accepted.status < 300, "{}", accepted.text());
    Ok(())
}

async fn a_list_that_nobody_asked_for_is_filtered(gate: &Gate) -> Result<()> {
    let tools = json!([{ "name": "echo" }, { "name": "admin_reset" }]);
    let body = json!({ "jsonrpc": "2.0", "id": "u", "result": { "tools": tools } }).to_string();
    let answer = answered(gate, "unasked", Script::new("application/json").piece(body).with_length()).await?;
    assert_eq!(answer.listed("tools", "name"), ["echo"]);
    Ok(())
}

async fn a_task_belongs_to_its_caller(gate: &Gate) -> Result<()> {
    let upstream = format!("upstream-task-{:?}", gate.mode);
    let name = format!("task-{:?}", gate.mode);
    let result = json!({ "task": { "taskId": upstream, "status": "working" } });
    let body = json!({ "jsonrpc": "2.0", "id": "t", "result": result }).to_string();
    gate.script()?.on(&name, Script::new("application/json").piece(body).with_length());
    let (alice, bob) = (gate.token("alice", &["developer"])?, gate.token("bob", &["developer"])?);
    let params = json!({ "name": "echo", "task": { "ttl": 60_000 } });
    let start = Call::legacy(gate.url(), "t", "tools/call", params).header("x-script", &name);
    let started = start.token(&alice).send().await?.message();
    let id = started["result"]["task"]["taskId"].as_str().unwrap_or_default().to_owned();
    assert!(id.starts_with("tg1.") && id != upstream, "{started}");
    let get = Call::legacy(gate.url(), &format!("get-{name}"), "tasks/get", json!({ "taskId": id }));
    assert_eq!(get.clone().token(&alice).send().await?.status, 200);
    let modern = |mark: &str| {
        let call = Call::modern(gate.url(), mark, "tasks/get", json!({ "taskId": id }));
        call.header("mcp-name", &id)
    };
    assert_eq!(modern(&format!("modern-{name}")).token(&alice).send().await?.status, 200);
    for (mark, named) in [(format!("get-{name}"), None), (format!("modern-{name}"), Some(upstream.as_str()))]
    {
        let seen = gate.upstream.seen().with(&mark);
        assert_eq!(seen.len(), 1, "{mark}");
        assert_eq!(seen[0].json()["params"]["taskId"], upstream.as_str());
        assert_eq!(seen[0].header("mcp-name"), named);
        assert_eq!(seen[0].header("content-length"), Some(seen[0].body.len().to_string().as_str()));
    }
    for (token, id) in [(&bob, id.as_str()), (&alice, upstream.as_str())] {
        let get = Call::legacy(gate.url(), &format!("foreign-{name}"), "tasks/get", json!({ "taskId": id }));
        let refused = get.token(token).send().await?;
        assert_eq!((refused.status, refused.reason().as_deref()), (403, Some("task_not_yours")));
    }
    assert!(gate.upstream.seen().with(&format!("foreign-{name}")).is_empty());
    // Its end is counted once, however often its client asks, with the time since its call.
    let over = json!({ "taskId": upstream, "status": "completed" });
    let over = json!({ "jsonrpc": "2.0", "id": "o", "result": over }).to_string();
    gate.script()?.on(&format!("over-{name}"), Script::new("application/json").piece(over).with_length());
    for _ in 0..3 {
        let get = Call::legacy(gate.url(), "o", "tasks/get", json!({ "taskId": id }));
        let get = get.header("x-script", format!("over-{name}")).token(&alice).send().await?;
        assert_eq!(get.message()["result"]["taskId"], id.as_str(), "{}", get.text());
    }
    let counted = || async {
        let metrics = gate.envoy.metrics().await.ok()?;
        let tasks = |status: &str| {
            let all = metrics.metric("toolgate_class_tasks_total").label("class", "task");
            all.label("status", status).value()
        };
        let took = metrics.metric("toolgate_class_task_duration_milliseconds_count").value();
        ([tasks("started"), tasks("completed"), took] == [1.0, 1.0, 1.0]).then_some(())
    };
    wait_for("the end of the task", Duration::from_secs(15), counted).await
}

async fn a_learned_schema_and_a_pin_hold(gate: &Gate) -> Result<()> {
    let token = gate.token("alice", &["developer"])?;
    let call = |tool: &str, arguments: Value| gate.call("learned", tool, arguments).token(&token);
    assert_eq!(call("get_learned", json!({ "city": 1 })).send().await?.status, 200);
    let name = format!("learned-{:?}", gate.mode);
    let city = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let tools = json!([{ "name": "get_learned", "inputSchema": city }, { "name": "get_pinned" }]);
    let body = json!({ "jsonrpc": "2.0", "id": "l", "result": { "tools": tools } }).to_string();
    gate.script()?.on(&name, Script::new("application/json").piece(body).with_length());
    let list = Call::modern(gate.url(), "l", "tools/list", json!({})).header("x-script", &name);
    assert_eq!(list.token(&token).send().await?.listed("tools", "name"), ["get_learned"]);
    let misfit = call("get_learned", json!({ "city": 1 })).send().await?;
    assert_eq!((misfit.status, misfit.code()), (400, Some(-32602)), "{}", misfit.text());
    assert_eq!(misfit.reason().as_deref(), Some("arguments_do_not_fit"));
    assert_eq!(call("get_learned", json!({ "city": "Berlin" })).send().await?.status, 200);
    let withheld = call("get_pinned", json!({})).send().await?;
    assert_eq!((withheld.status, withheld.reason().as_deref()), (403, Some("tool_withheld")));
    Ok(())
}
