//! Rows of raw requests: the policy, the messages, the door.

use anyhow::Result;
use serde_json::json;

use super::{Row, Stage};
use crate::{
    client::{Call, MODERN, meta},
    issuer::Client,
    raw::RawRequest,
};

const DENIED: &str = "403 (code 403)";

pub(super) async fn policy(stage: &Stage) -> Result<Vec<Row>> {
    let path = |path: &str| json!({ "path": path });
    let calls = [
        (Client::Carol, "no role: calls echo", "carol-echo", "echo", json!({}), DENIED),
        (Client::Bob, "allowed: calls test_simple_text", "bob-text", "test_simple_text", json!({}), "200"),
        (Client::Bob, "denied: calls code_edit", "bob-edit", "code_edit", path("src/a.rs"), DENIED),
        (Client::Alice, "inherited from readonly: calls echo", "alice-echo", "echo", json!({}), "200"),
        (Client::Alice, "edits src/main.rs", "alice-edit", "code_edit", path("src/main.rs"), "200"),
        (Client::Alice, "edits ../etc/passwd", "alice-escape", "code_edit", path("../etc/passwd"), DENIED),
        (
            Client::Alice,
            "edits src/../../etc/passwd",
            "alice-dots",
            "code_edit",
            path("src/../../etc/passwd"),
            DENIED,
        ),
        (
            Client::Alice,
            "deny beats allow: calls code_delete",
            "alice-delete",
            "code_delete",
            path("src/a"),
            DENIED,
        ),
        (Client::Root, "calls admin_reset", "root-reset", "admin_reset", json!({}), "200"),
    ];
    let mut rows = Vec::new();
    for (who, what, mark, tool, arguments, expected) in calls {
        let call = stage.call(mark, tool, arguments).token(stage.token(who));
        rows.push(stage.row(who.id(), what, expected, mark, &call).await?);
    }
    rows.push(identity(stage).await?);
    Ok(rows)
}

/// Who the server believes to be talking to, when the client says it is somebody else.
async fn identity(stage: &Stage) -> Result<Row> {
    let call = stage.call("who-am-i", "echo", json!({})).token(stage.token(Client::Alice));
    call.header("x-toolgate-subject", "root").header("x_toolgate_subject", "root").send().await?;
    let seen = stage.mcp.seen().with("who-am-i");
    let got = match seen.first() {
        Some(seen) => {
            let subjects =
                [seen.all("x-toolgate-subject"), seen.all("x_toolgate_subject")].concat().join(" ");
            let token = seen.header("authorization").map_or("no token", |_| "a token");
            format!("server sees {subjects}, {token}")
        }
        None => "server sees nothing".to_owned(),
    };
    Ok(Row::new("alice", "claims to be root in a header", "server sees alice, no token", got))
}

pub(super) async fn messages(stage: &Stage) -> Result<Vec<Row>> {
    let bob = stage.token(Client::Bob);
    let alice = stage.token(Client::Alice);
    let post = |body: String| Call::post(stage.url(), body).token(bob);
    let batch = json!([{ "jsonrpc": "2.0", "id": "batched", "method": "tools/list", "params": {} }]);
    let batch = post(batch.to_string()).header("mcp-protocol-version", "2025-11-25");
    let meta = meta();
    let twice = format!(
        r#"{{"jsonrpc":"2.0","id":"twice","method":"tools/call","params":{{"_meta":{meta},"name":"echo","arguments":{{}},"name":"admin_reset"}}}}"#
    );
    let twice = modern(post(twice), "echo");
    let other = stage.call("mismatch", "admin_reset", json!({})).token(bob).replace("mcp-name", "echo");
    let gzip = stage.call("gzip", "echo", json!({})).token(bob).header("content-encoding", "gzip");
    let gzip = gzip.body(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
    let long = |mark: &str, tool: &str| {
        let filler = "x".repeat(20 * 1024);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"{mark}","method":"tools/call","params":{{"arguments":{{"filler":"{filler}"}},"_meta":{meta},"name":"{tool}"}}}}"#
        );
        modern(Call::post(stage.url(), body).token(alice), tool)
    };
    let broken = modern(post(r#"{"jsonrpc":"2.0","id":"broken","method":"#.to_owned()), "echo");
    let calls = [
        ("bob", "a batch", "400 (code -32600)", "batched", batch),
        ("bob", "`name` twice: echo, then admin_reset", "400 (code -32600)", "twice", twice),
        ("bob", "header says echo, body says admin_reset", "400 (code -32020)", "mismatch", other),
        ("alice", "`name` after 20 KiB of arguments: echo", "200", "late-echo", long("late-echo", "echo")),
        (
            "alice",
            "`name` after 20 KiB: code_delete",
            DENIED,
            "late-delete",
            long("late-delete", "code_delete"),
        ),
        ("bob", "half a JSON document", "400 (code -32700)", "broken", broken),
    ];
    let mut rows = Vec::new();
    for (who, what, expected, mark, call) in calls {
        rows.push(stage.row(who, what, expected, mark, &call).await?);
    }
    let answer = gzip.send().await?;
    let got = answer.status.to_string();
    rows.push(Row::new("bob", "a gzip body", "415", got).because(answer.reason()));
    Ok(rows)
}

fn modern(call: Call, name: &str) -> Call {
    call.header("mcp-protocol-version", MODERN).header("mcp-method", "tools/call").header("mcp-name", name)
}

pub(super) async fn door(stage: &Stage) -> Result<Vec<Row>> {
    let bearer = format!("Bearer {}", stage.token(Client::Root));
    let port = stage.envoy.port();
    let host = format!("127.0.0.1:{port}");
    let mut rows = Vec::new();
    for (what, target, expected) in [
        ("an unknown path: /elsewhere", "/elsewhere", "404"),
        ("an ambiguous path: /mcp/", "/mcp/", "400"),
        ("an ambiguous path: /x/../mcp", "/x/../mcp", "400"),
        ("an ambiguous path: /%6dcp", "/%6dcp", "400"),
    ] {
        let request = RawRequest::new("POST", target, &host)
            .header("authorization", &bearer)
            .header("content-type", "application/json")
            .body(json!({ "jsonrpc": "2.0", "id": "astray", "method": "ping" }).to_string());
        let got = request.send(port).await?.status.to_string();
        let reached = !stage.mcp.seen().with("astray").is_empty();
        let got = if reached { format!("{got}, but the server saw it") } else { got };
        rows.push(Row::new("root", what, expected, got));
    }
    let call = stage.call("bad-origin", "echo", json!({})).token(stage.token(Client::Root));
    let answer = call.header("origin", "https://evil.example.com").send().await?;
    let got = answer.status.to_string();
    rows.push(Row::new("a web page", "a foreign Origin", "403", got).because(answer.reason()));
    let preflight = Call::new(http::Method::OPTIONS, stage.url())
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, content-type, mcp-method")
        .send()
        .await?;
    let allowed = preflight.header("access-control-allow-origin").unwrap_or("no origin");
    let got = format!("{}, allows {allowed}", if preflight.status < 300 { "2xx" } else { "refused" });
    rows.push(Row::new("a web page", "a CORS preflight", "2xx, allows https://app.example.com", got));
    Ok(rows)
}
