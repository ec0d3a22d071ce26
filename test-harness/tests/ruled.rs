//! Rules on answers, in event streams, as metrics and in the record; and the word of servers that nobody trusts.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use toolgate_harness::{
    audit::{records_in, verified},
    client::Call,
    gate::{Gate, Mode, Upstream},
    in_both_modes,
    scripted::{Script, Scripted},
    serve::wait_for,
    shared_gate,
};

const KEY: &str = "an-end-to-end-audit-key-of-32-bytes-or-more";
const PATIENCE: Duration = Duration::from_secs(10);

shared_gate!(gate, start);

in_both_modes!(gate:
    an_answer_is_withheld_in_json_and_in_events,
    an_answer_is_withheld_where_others_are_not_read,
    what_an_untrusted_server_says_is_nothing,
);

fn policy() -> Value {
    json!({
        "version": 1,
        "trusted_servers": ["everything"],
        "roles": { "developer": {
            "allow": [
                { "id": "lists", "methods": ["tools/list"] },
                { "id": "tools", "tools": ["echo", "code_edit"] },
                { "id": "reads", "tools": ["r_*"], "when": { "annotations": { "readOnlyHint": { "equals": true } } } },
            ],
            "deny": [
                { "id": "no-pictures", "tools": ["echo"], "on": ["answer"],
                  "when": { "answer": { "types": { "contains": "image" } } } },
                { "id": "no-private", "tools": ["echo"], "on": ["answer"],
                  "when": { "args": { "/path": { "exists": true, "path_under": "private" } } } },
                { "id": "no-failures", "tools": ["*"], "on": ["answer"], "mode": "shadow",
                  "when": { "answer": { "outcome": { "equals": "tool_error" } } } },
            ],
        } },
        "bindings": [{ "role": "developer", "when": { "claims": { "/roles": { "contains": "developer" } } } }],
    })
}

/// `/mcp` is `everything`, `/lists` reads lists only, `/other` is a server that the policy does not trust.
async fn start(mode: Mode) -> Result<Gate> {
    let configure = |configuration: &mut Value| {
        let usual = configuration["servers"][0].clone();
        let server = |name: &str| {
            let mut server = usual.clone();
            server["name"] = json!(name);
            server["match"]["path"] = json!(format!("/{name}"));
            server
        };
        let (mut lists, other) = (server("lists"), server("other"));
        lists["answers"] = json!("lists");
        configuration["servers"] = json!([usual, lists, other]);
        configuration["policies"]["default"] = json!({ "inline": policy() });
        configuration["secrets"]["audit"] = json!({ "env": "TOOLGATE_AUDIT_KEY" });
        configuration["audit"] = json!({ "outlets": ["log"], "allows_per_mille": 0, "show_rule": true });
    };
    Gate::start(mode, Upstream::Scripted(Scripted::start()?), configure, |_| ()).await
}

fn message(id: &str, result: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

fn events(id: &str, result: &Value) -> Script {
    let progress = r#"data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    let text = format!("{progress}\n\nevent: message\ndata: {}\n\n", message(id, result));
    Script::new("text/event-stream").in_pieces(text, 40)
}

fn picture() -> Value {
    json!({ "content": [{ "type": "image", "data": "cGljdHVyZQ==", "mimeType": "image/png" }] })
}

async fn ask(gate: &Gate, path: &str, id: &str, tool: &str, script: Script) -> Result<(u16, String)> {
    gate.script()?.on(id, script);
    let arguments = if id.contains("private") { json!({ "path": "private/a" }) } else { json!({}) };
    let params = json!({ "name": tool, "arguments": arguments });
    let call = Call::modern(gate.envoy.url(path), id, "tools/call", params).header("x-script", id);
    let answer = call.token(&gate.token("alice", &["developer"])?).send().await?;
    Ok((answer.status, answer.text().to_owned()))
}

async fn counted(gate: &Gate, metric: &str, labels: &[(&str, &str)]) -> Result<f64> {
    let metrics = gate.envoy.metrics().await?;
    Ok(labels.iter().fold(metrics.metric(metric), |all, (name, value)| all.label(name, value)).value())
}

/// The records that speak of this decision.
fn record(gate: &Gate, decision: &str) -> Result<Option<Value>> {
    let streams = verified(&records_in(&gate.envoy.log()), KEY)?;
    Ok(streams.into_values().flatten().find(|record| record["id"] == decision))
}

fn decision_of(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("\"decision_id\":\"")?;
    rest.split_once('"').map(|(id, _)| id.to_owned())
}

async fn an_answer_is_withheld_in_json_and_in_events(gate: &Gate) -> Result<()> {
    let text = json!({ "content": [{ "type": "text", "text": "plain" }] });
    let json = |id: &str, result: &Value| Script::new("application/json").piece(message(id, result));
    let denied = [("server", "everything"), ("policy", "default"), ("rule", "no-pictures")];
    for (id, script, shown) in [
        ("json-text", json("json-text", &text), "plain"),
        ("json-picture", json("json-picture", &picture()), ""),
        ("json-length", json("json-length", &picture()).with_length(), ""),
        ("sse-text", events("sse-text", &text), "plain"),
        ("sse-picture", events("sse-picture", &picture()), ""),
    ] {
        let before = counted(gate, "toolgate_answers_denied_total", &denied).await?;
        let (status, got) = ask(gate, "/mcp", id, "echo", script).await?;
        assert_eq!(status, 200, "{id}: {got}");
        assert_eq!(got.contains("progress"), id.starts_with("sse"), "{id}: {got}");
        assert!(got.contains(&format!("\"id\":\"{id}\"")), "{id}: {got}");
        let after = counted(gate, "toolgate_answers_denied_total", &denied).await?;
        if !shown.is_empty() {
            assert!(got.contains(shown) && after == before, "{id}: {got}");
            continue;
        }
        assert!(!got.contains("cGljdHVyZQ"), "{id}: {got}");
        assert!(got.contains(r#""code":403"#) && got.contains(r#""rule":"no-pictures""#), "{id}: {got}");
        assert_eq!(after, before + 1.0, "{id}");
        // No allow is to be kept; the call whose answer was denied is.
        let decision = decision_of(&got).unwrap_or_default();
        let found = || async { record(gate, &decision).ok()? };
        let record = wait_for("the record", PATIENCE, found).await?;
        assert_eq!(record["decision"], "allow", "{record}");
        assert_eq!(record["answer"], json!({ "decision": "deny", "rules": ["no-pictures"] }), "{record}");
        assert_eq!(record["outcome"], "withheld", "{record}");
    }
    // The arguments are gone, what a rule said of them is not.
    for (id, script) in [("private", json("private", &text)), ("sse-private", events("sse-private", &text))] {
        let (_, got) = ask(gate, "/mcp", id, "echo", script).await?;
        assert!(!got.contains("plain") && got.contains(r#""rule":"no-private""#), "{id}: {got}");
    }
    // A rule in shadow is counted.
    let failed = json!({ "content": [], "isError": true });
    let shadow = [("live", "allow"), ("shadow", "deny"), ("rule", "no-failures")];
    let before = counted(gate, "toolgate_shadow_total", &shadow).await?;
    let (_, got) = ask(gate, "/mcp", "failed", "echo", json("failed", &failed)).await?;
    assert!(got.contains("isError"), "{got}");
    assert_eq!(counted(gate, "toolgate_shadow_total", &shadow).await?, before + 1.0);
    Ok(())
}

async fn an_answer_is_withheld_where_others_are_not_read(gate: &Gate) -> Result<()> {
    for (id, tool, shown) in [("lists-echo", "echo", false), ("lists-code", "code_edit", true)] {
        let script = Script::new("application/json").piece(message(id, &picture()));
        let (status, got) = ask(gate, "/lists", id, tool, script).await?;
        assert_eq!((status, got.contains("cGljdHVyZQ")), (200, shown), "{id}: {got}");
    }
    Ok(())
}

async fn what_an_untrusted_server_says_is_nothing(gate: &Gate) -> Result<()> {
    let tools = json!({ "tools": [
        { "name": "r_yes", "inputSchema": {}, "annotations": { "readOnlyHint": true } },
        { "name": "r_no", "inputSchema": {}, "annotations": { "readOnlyHint": false } },
    ] });
    let token = gate.token("alice", &["developer"])?;
    for (path, expected) in [("/mcp", &["r_yes"][..]), ("/other", &[])] {
        let id = format!("list{path}");
        gate.script()?.on(&id, Script::new("application/json").piece(message(&id, &tools)));
        let plain = |id: &str| Script::new("application/json").piece(message(id, &json!({ "content": [] })));
        if path == "/mcp" {
            assert_eq!(ask(gate, path, "unknown", "r_yes", plain("unknown")).await?.0, 403);
        }
        let list = Call::modern(gate.envoy.url(path), &id, "tools/list", json!({})).header("x-script", &id);
        let answer = list.token(&token).send().await?;
        assert_eq!(answer.listed("tools", "name"), expected, "{path}: {}", answer.text());
        for tool in ["r_yes", "r_no"] {
            let status = if expected.contains(&tool) { 200 } else { 403 };
            assert_eq!(ask(gate, path, tool, tool, plain(tool)).await?.0, status, "{path} {tool}");
        }
    }
    Ok(())
}
