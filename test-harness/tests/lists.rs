//! Lists: filtered in JSON and in SSE, however the answer is cut into pieces.

use anyhow::Result;
use serde_json::{Value, json};
use toolgate_harness::{
    client::{Answer, Call, events},
    gate::Gate,
    in_both_modes,
    scripted::Script,
    shared_gate,
};

shared_gate!(gate, |mode| Gate::scripted(mode, |_| ()));

in_both_modes!(gate:
    json_is_filtered_under_a_length,
    json_is_filtered_in_odd_pieces,
    sse_is_filtered_with_every_line_end,
    sse_keeps_what_is_no_list,
    data_over_several_lines_is_read,
    every_kind_of_list_is_filtered,
    each_caller_sees_their_own,
    public_caches_become_private,
    long_lists_are_filtered,
    encoded_lists_do_not_pass,
    errors_pass,
);

/// `limits.max_list_ttl_milliseconds`, as nobody has written it.
const TTL: u64 = 60_000;

const SEEN: [&str; 3] = ["echo", "get_weather", "code_edit"];

fn tools() -> Value {
    let names = ["echo", "code_delete", "get_weather", "admin_reset", "code_edit", "get_weather_delete"];
    json!(
        names.map(
            |name| json!({ "name": name, "inputSchema": { "type": "object", "x": [1, 2.50, "\u{e9}"] } })
        )
    )
}

fn result(id: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": {
        "tools": tools(), "nextCursor": "more", "extra": { "kept": true }, "ttlMs": 1000, "cacheScope": "public",
    } })
}

async fn list(gate: &Gate, script: &str, what: Script) -> Result<Answer> {
    let name = format!("{script}-{:?}", gate.mode);
    gate.script()?.on(&name, what);
    let call = Call::modern(gate.url(), "list", "tools/list", json!({})).header("x-script", &name);
    call.token(&gate.token("alice", &["developer"])?).send().await
}

fn filtered(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.listed("tools", "name"), SEEN, "{}", answer.text());
    let message = answer.message();
    assert_eq!(message["id"], "list");
    assert_eq!(message["result"]["nextCursor"], "more");
    assert_eq!(message["result"]["extra"]["kept"], true);
    assert_eq!(message["result"]["tools"][0]["inputSchema"]["x"], json!([1, 2.50, "\u{e9}"]));
    for hidden in ["code_delete", "admin_reset", "get_weather_delete"] {
        assert!(!answer.text().contains(hidden), "{hidden} is in {}", answer.text());
    }
}

async fn json_is_filtered_under_a_length(gate: &Gate) -> Result<()> {
    let script = Script::new("application/json").piece(result("list").to_string()).with_length();
    filtered(&list(gate, "length", script).await?);
    let pretty = serde_json::to_string_pretty(&result("list"))?;
    filtered(
        &list(gate, "pretty", Script::new("application/json; charset=utf-8").piece(pretty).with_length())
            .await?,
    );
    Ok(())
}

async fn json_is_filtered_in_odd_pieces(gate: &Gate) -> Result<()> {
    for size in [1, 7, 64] {
        let script = Script::new("application/json").in_pieces(result("list").to_string(), size);
        filtered(&list(gate, &format!("pieces-{size}"), script).await?);
    }
    Ok(())
}

async fn sse_is_filtered_with_every_line_end(gate: &Gate) -> Result<()> {
    for (name, end) in [("lf", "\n"), ("crlf", "\r\n"), ("cr", "\r")] {
        let stream = format!("event: message{end}id: 1{end}data: {}{end}{end}", result("list"));
        for size in [1, 5, 4096] {
            let script = Script::new("text/event-stream").in_pieces(&stream, size);
            let answer = list(gate, &format!("sse-{name}-{size}"), script).await?;
            filtered(&answer);
            assert!(answer.text().contains("id: 1") || answer.text().contains("id:1"), "{}", answer.text());
        }
    }
    Ok(())
}

async fn sse_keeps_what_is_no_list(gate: &Gate) -> Result<()> {
    let progress =
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progress": 1 } });
    let stream =
        format!(": hello\n\nretry: 10\nid: 0\ndata:\n\ndata: {progress}\n\ndata: {}\n\n", result("list"));
    let answer = list(gate, "sse-mixed", Script::new("text/event-stream").in_pieces(stream, 11)).await?;
    filtered(&answer);
    let text = answer.text();
    assert!(text.starts_with(": hello"), "{text}");
    assert!(text.contains("retry: 10"), "{text}");
    let first = events(&text).into_iter().find(|data| data.contains("notifications/progress"));
    assert_eq!(first.map(|data| serde_json::from_str::<Value>(&data)).transpose()?, Some(progress));
    Ok(())
}

async fn data_over_several_lines_is_read(gate: &Gate) -> Result<()> {
    let pretty = serde_json::to_string_pretty(&result("list"))?;
    let stream = pretty.lines().map(|line| format!("data:{line}\r\n")).collect::<String>() + "\r\n";
    filtered(&list(gate, "sse-lines", Script::new("text/event-stream").in_pieces(&stream, 13)).await?);
    let last = format!("\u{feff}data: {}\n\n", result("list"));
    filtered(&list(gate, "sse-bom", Script::new("text/event-stream").in_pieces(last, 3)).await?);
    Ok(())
}

async fn every_kind_of_list_is_filtered(gate: &Gate) -> Result<()> {
    let cases = [
        ("prompts/list", "prompts", "name", json!(["test_simple_prompt", "test_prompt_with_image"]), 1),
        ("resources/list", "resources", "uri", json!(["test://static-text", "test://static-binary"]), 1),
        (
            "resources/templates/list",
            "resourceTemplates",
            "uriTemplate",
            json!(["test://static-text", "secret://{x}"]),
            1,
        ),
    ];
    for (method, kind, field, names, left) in cases {
        let items = names.as_array().into_iter().flatten();
        let items = items.map(|name| json!({ field: name, "description": "d" })).collect::<Vec<_>>();
        let body = json!({ "jsonrpc": "2.0", "id": "kinds", "result": { kind: items } }).to_string();
        let name = format!("{kind}-{:?}", gate.mode);
        gate.script()?.on(&name, Script::new("application/json").piece(body));
        let call = Call::modern(gate.url(), "kinds", method, json!({})).header("x-script", &name);
        let answer = call.token(&gate.token("bob", &["readonly"])?).send().await?;
        assert_eq!(answer.listed(kind, field).len(), left, "{method}: {}", answer.text());
        assert_eq!(answer.listed(kind, field).first().map(String::as_str), names[0].as_str(), "{method}");
    }
    Ok(())
}

async fn each_caller_sees_their_own(gate: &Gate) -> Result<()> {
    let name = format!("each-{:?}", gate.mode);
    gate.script()?.on(&name, Script::new("application/json").piece(result("each").to_string()));
    let all = ["echo", "code_delete", "get_weather", "admin_reset", "code_edit", "get_weather_delete"];
    for (role, expected) in [
        ("readonly", &["echo", "get_weather", "get_weather_delete"][..]),
        ("developer", &SEEN[..]),
        ("admin", &all[..]),
    ] {
        let call = Call::modern(gate.url(), "each", "tools/list", json!({})).header("x-script", &name);
        let answer = call.token(&gate.token(role, &[role])?).send().await?;
        assert_eq!(answer.listed("tools", "name"), expected, "{role}");
        let call = Call::legacy(gate.url(), "each", "tools/list", json!({})).header("x-script", &name);
        let answer = call.token(&gate.token(role, &[role])?).send().await?;
        assert_eq!(answer.listed("tools", "name"), expected, "legacy {role}");
    }
    Ok(())
}

async fn public_caches_become_private(gate: &Gate) -> Result<()> {
    let answer =
        list(gate, "cache", Script::new("application/json").piece(result("list").to_string())).await?;
    assert_eq!(answer.message()["result"]["cacheScope"], "private");
    assert_eq!(answer.message()["result"]["ttlMs"], 1000);
    let mut day = result("list");
    day["result"]["ttlMs"] = json!(86_400_000);
    for (name, what) in [
        ("day", Script::new("application/json").piece(day.to_string())),
        ("day-sse", Script::new("text/event-stream").piece(format!("data: {day}\n\n"))),
    ] {
        let kept = list(gate, name, what).await?.message()["result"]["ttlMs"].clone();
        assert_eq!(kept, TTL, "{name}");
    }
    Ok(())
}

async fn long_lists_are_filtered(gate: &Gate) -> Result<()> {
    let tool = |number: usize| {
        let name =
            if number.is_multiple_of(2) { format!("get_{number}") } else { format!("secret_{number}") };
        json!({ "name": name, "description": "d".repeat(400), "inputSchema": { "type": "object" } })
    };
    let tools = (0..1000).map(tool).collect::<Vec<_>>();
    let body = json!({ "jsonrpc": "2.0", "id": "list", "result": { "tools": tools } }).to_string();
    for (kind, text) in
        [("application/json", body.clone()), ("text/event-stream", format!("data: {body}\n\n"))]
    {
        let answer = list(gate, &format!("long-{kind}"), Script::new(kind).in_pieces(text, 60_000)).await?;
        assert_eq!(answer.listed("tools", "name").len(), 500, "{kind}");
        assert!(!answer.text().contains("secret_"), "{kind}");
    }
    Ok(())
}

async fn encoded_lists_do_not_pass(gate: &Gate) -> Result<()> {
    let script = Script::new("application/json").header("content-encoding", "gzip");
    let script = script.piece(result("list").to_string()).with_length();
    match list(gate, "gzip", script).await {
        Ok(answer) => assert_eq!(answer.status, 502, "{}", answer.text()),
        // Headers that left already can only be followed by a reset.
        Err(error) => assert_eq!(gate.mode, toolgate_harness::gate::Mode::Streamed, "{error:#}"),
    }
    let name = format!("list-{:?}", gate.mode);
    gate.script()?.on(&name, Script::new("application/json").piece(result("list").to_string()));
    let call = Call::modern(gate.url(), "no-encoding", "tools/list", json!({})).header("x-script", &name);
    call.header("accept-encoding", "gzip").token(&gate.token("alice", &["developer"])?).send().await?;
    let seen = gate.upstream.seen().with("no-encoding");
    assert_eq!(seen.first().and_then(|seen| seen.header("accept-encoding")), None);
    Ok(())
}

async fn errors_pass(gate: &Gate) -> Result<()> {
    let error = json!({ "jsonrpc": "2.0", "id": "list", "error": { "code": -32603, "message": "broken" } });
    let answer =
        list(gate, "error", Script::new("application/json").piece(error.to_string()).with_length()).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.message(), error);
    Ok(())
}
