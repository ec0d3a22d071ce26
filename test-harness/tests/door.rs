//! The door: hosts, paths, origins, content types, sizes, hostile requests.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};
use toolgate_harness::{
    client::{Answer, Call},
    gate::Gate,
    in_both_modes,
    raw::{RawRequest, RawResponse},
    shared_gate,
};

shared_gate!(gate, |mode| Gate::scripted(mode, |configuration| {
    configuration["limits"] = json!({ "max_body_bytes": 65536 });
    configuration["routes"] = json!([
        { "name": "health", "match": { "path": "/healthz", "methods": ["GET"] }, "allow": "anyone" },
    ]);
}));

in_both_modes!(gate:
    a_good_call_passes,
    an_unknown_path_is_not_found,
    an_unknown_host_is_refused,
    hosts_are_compared_as_names,
    ambiguous_paths_are_refused,
    a_query_is_no_other_path,
    a_route_lets_anyone_pass,
    other_methods_are_not_allowed,
    origins_are_checked,
    a_preflight_is_answered,
    answers_are_readable_for_allowed_pages,
    one_content_type_is_taken,
    encoded_bodies_are_refused,
    large_bodies_are_refused,
    refusals_are_not_kept,
    hostile_requests_do_not_stop_the_worker,
);

fn good(gate: &Gate, mark: &str) -> Result<Call> {
    Ok(gate.call(mark, "echo", json!({})).token(&gate.token("alice", &["developer"])?))
}

/// A good request, byte by byte, with another target and host.
async fn raw(gate: &Gate, target: &str, host: &str, mark: &str) -> Result<RawResponse> {
    let mut params = json!({ "name": "echo", "arguments": {} });
    params["_meta"] = toolgate_harness::client::meta();
    let body = toolgate_harness::client::request(mark, "tools/call", &params).to_string();
    RawRequest::new("POST", target, host)
        .header("authorization", format!("Bearer {}", gate.token("alice", &["developer"])?))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", toolgate_harness::client::MODERN)
        .header("mcp-method", "tools/call")
        .header("mcp-name", "echo")
        .body(body)
        .send(gate.envoy.port())
        .await
}

fn unseen(gate: &Gate, mark: &str) {
    assert!(gate.upstream.seen().with(mark).is_empty(), "the upstream saw `{mark}`");
}

async fn a_good_call_passes(gate: &Gate) -> Result<()> {
    let answer = good(gate, "good")?.send().await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.message()["id"], "good");
    assert_eq!(gate.upstream.seen().with("good").len(), 1);
    Ok(())
}

async fn an_unknown_path_is_not_found(gate: &Gate) -> Result<()> {
    for path in ["/", "/elsewhere", "/mcpx", "/m/cp"] {
        let answer = raw(gate, path, "mcp.example.com", "unknown-path").await?;
        assert_eq!(answer.status, 404, "{path}");
    }
    unseen(gate, "unknown-path");
    Ok(())
}

async fn an_unknown_host_is_refused(gate: &Gate) -> Result<()> {
    for host in ["other.example.com", "mcp.example.com.evil.example", "localhost", "[::1]"] {
        let answer = raw(gate, "/mcp", host, "unknown-host").await?;
        assert_eq!(answer.status, 403, "{host}");
    }
    unseen(gate, "unknown-host");
    Ok(())
}

async fn hosts_are_compared_as_names(gate: &Gate) -> Result<()> {
    for host in
        ["mcp.example.com", "MCP.Example.COM", "mcp.example.com.", "mcp.example.com:8443", "127.0.0.1:1"]
    {
        let answer = raw(gate, "/mcp", host, "host-name").await?;
        assert_eq!(answer.status, 200, "{host}: {}", String::from_utf8_lossy(&answer.body));
    }
    Ok(())
}

async fn ambiguous_paths_are_refused(gate: &Gate) -> Result<()> {
    let paths = [
        "/mcp/",
        "/./mcp",
        "/x/../mcp",
        "/%6dcp",
        "/%6Dcp",
        "/mcp%2f",
        "/mcp%2F",
        "/mcp;a=1",
        "/mcp%00",
        "//mcp",
        "/mcp/.",
        "/mcp//",
        "/mcp/x/..",
        "/x/%2e%2e/mcp",
        "/;/mcp",
        "/healthz/",
        "/%68ealthz",
    ];
    for path in paths {
        let answer = raw(gate, path, "mcp.example.com", "ambiguous").await?;
        assert_eq!(answer.status, 400, "{path}");
    }
    unseen(gate, "ambiguous");
    Ok(())
}

async fn a_query_is_no_other_path(gate: &Gate) -> Result<()> {
    assert_eq!(raw(gate, "/mcp?x=/../y", "mcp.example.com", "query").await?.status, 200);
    Ok(())
}

async fn a_route_lets_anyone_pass(gate: &Gate) -> Result<()> {
    let answer = Call::new(Method::GET, gate.envoy.url("/healthz")).send().await?;
    assert_eq!(answer.status, 202, "the scripted upstream answers what is no JSON-RPC with 202");
    let answer =
        Call::new(Method::POST, gate.envoy.url("/healthz")).header("x-mark", "route-post").send().await?;
    assert_eq!(answer.status, 405);
    unseen(gate, "route-post");
    Ok(())
}

async fn other_methods_are_not_allowed(gate: &Gate) -> Result<()> {
    for method in [Method::PUT, Method::PATCH, Method::HEAD] {
        let call = Call::new(method.clone(), gate.url()).header("x-mark", "other-method");
        let answer = call.token(&gate.token("alice", &["developer"])?).send().await?;
        assert_eq!(answer.status, 405, "{method}");
    }
    unseen(gate, "other-method");
    Ok(())
}

async fn origins_are_checked(gate: &Gate) -> Result<()> {
    let port = gate.envoy.port();
    let foreign = [
        "https://evil.example.com".to_owned(),
        "null".to_owned(),
        "http://app.example.com".to_owned(),
        "https://app.example.com.evil.example".to_owned(),
        format!("http://127.0.0.1:{}", port.wrapping_add(1)),
    ];
    for origin in foreign {
        let answer = good(gate, "bad-origin")?.header("origin", &origin).send().await?;
        assert_eq!(answer.status, 403, "{origin}");
    }
    unseen(gate, "bad-origin");
    let answer = good(gate, "good-origin")?.header("origin", "https://app.example.com").send().await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(())
}

fn preflight(gate: &Gate, origin: &str) -> Call {
    Call::new(Method::OPTIONS, gate.url())
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization, content-type, mcp-protocol-version, mcp-name",
        )
}

async fn a_preflight_is_answered(gate: &Gate) -> Result<()> {
    let answer = preflight(gate, "https://app.example.com").send().await?;
    assert!(matches!(answer.status, 200 | 204), "{}", answer.status);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    let headers = answer.header("access-control-allow-headers").unwrap_or_default().to_ascii_lowercase();
    for header in
        ["authorization", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id"]
    {
        assert!(headers.contains(header), "{header} is not in {headers}");
    }
    let methods = answer.header("access-control-allow-methods").unwrap_or_default();
    assert!(methods.contains("POST"), "{methods}");
    let answer = preflight(gate, "https://evil.example.com").send().await?;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.status, 403);
    Ok(())
}

async fn answers_are_readable_for_allowed_pages(gate: &Gate) -> Result<()> {
    let answer = good(gate, "cors")?.header("origin", "https://app.example.com").send().await?;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    let refused = good(gate, "cors")?.without("authorization").header("origin", "https://app.example.com");
    let refused = refused.send().await?;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://app.example.com"));
    let exposed = refused.header("access-control-expose-headers").unwrap_or_default().to_ascii_lowercase();
    assert!(exposed.contains("www-authenticate"), "{exposed}");
    Ok(())
}

async fn one_content_type_is_taken(gate: &Gate) -> Result<()> {
    for taken in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""]
    {
        let answer = good(gate, "type")?.replace("content-type", taken).send().await?;
        assert_eq!(answer.status, 200, "{taken}: {}", answer.text());
    }
    for refused in [
        "text/plain",
        "application/json; charset=latin1",
        "application/json-rpc",
        "application/json, text/plain",
    ] {
        let answer = good(gate, "bad-type")?.replace("content-type", refused).send().await?;
        assert_eq!(answer.status, 415, "{refused}");
    }
    assert_eq!(good(gate, "bad-type")?.without("content-type").send().await?.status, 415);
    unseen(gate, "bad-type");
    Ok(())
}

async fn encoded_bodies_are_refused(gate: &Gate) -> Result<()> {
    for encoding in ["gzip", "br", "deflate, gzip"] {
        let answer = good(gate, "encoded")?.header("content-encoding", encoding).send().await?;
        assert_eq!(answer.status, 415, "{encoding}");
    }
    unseen(gate, "encoded");
    Ok(())
}

async fn large_bodies_are_refused(gate: &Gate) -> Result<()> {
    let token = gate.token("alice", &["developer"])?;
    let filler = "x".repeat(70_000);
    let call = gate.call("too-large", "echo", json!({ "filler": filler })).token(&token);
    let answer = call.send().await?;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.code(), Some(413));
    unseen(gate, "too-large");
    let filler = "x".repeat(60_000);
    let answer = gate.call("large", "echo", json!({ "filler": filler })).token(&token).send().await?;
    assert_eq!(answer.status, 200);
    Ok(())
}

fn sealed(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.text());
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let content = answer.header("content-type").unwrap_or_default();
    assert!(content.starts_with("application/json"), "{content}: {}", answer.text());
    assert_eq!(answer.message()["jsonrpc"], "2.0", "{}", answer.text());
}

async fn refusals_are_not_kept(gate: &Gate) -> Result<()> {
    let no_token = good(gate, "sealed")?.without("authorization").send().await?;
    assert_eq!(no_token.status, 401);
    sealed(&no_token);
    let token = gate.token("alice", &["developer"])?;
    let denied = gate.call("sealed", "admin_reset", json!({})).token(&token).send().await?;
    assert_eq!(denied.status, 403);
    sealed(&denied);
    let nonsense = good(gate, "sealed")?.body("{").send().await?;
    assert_eq!(nonsense.status, 400);
    sealed(&nonsense);
    Ok(())
}

async fn hostile_requests_do_not_stop_the_worker(gate: &Gate) -> Result<()> {
    let port = gate.envoy.port();
    let bearer = format!("Bearer {}", gate.token("alice", &["developer"])?);
    let post =
        || RawRequest::new("POST", "/mcp", "mcp.example.com").header("content-type", "application/json");
    let body = good(gate, "hostile")?;
    let list = json!({ "jsonrpc": "2.0", "id": "hostile", "method": "tools/list", "params": {} }).to_string();
    let list = || list.clone();
    let strange =
        post().header("authorization", &bearer).header("x-a", b"a\xff\xfe").body(list()).send(port).await?;
    assert_eq!(strange.status, 200, "a header that nobody reads may hold any bytes");
    let token = post().header("authorization", b"Bearer \xff\xfe.a.b").body(list()).send(port).await?;
    assert_eq!(token.status, 400, "what is no token is no credential (RFC 6750 3.1)");
    let two = post().header("authorization", &bearer).header("authorization", &bearer).body(list());
    assert_eq!(two.send(port).await?.status, 400, "two credentials");
    let long = post().header("x-long", "x".repeat(100 * 1024)).body(list()).send(port).await?;
    assert_eq!(long.status, 431, "100 KB of headers");
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":"deep","method":"tools/call","params":{{"name":"echo","arguments":{deep}}}}}"#
    );
    let deep = post().header("authorization", &bearer).body(deep).send(port).await?;
    assert_eq!(deep.status, 400);
    assert_eq!(deep.json().and_then(|answer: Value| answer["error"]["code"].as_i64()), Some(-32600));
    post().header("authorization", &bearer).body(list()).claim(4000).send_and_leave(port).await?;
    assert_eq!(body.send().await?.status, 200, "the worker serves on");
    let reloads = gate.envoy.ask("/stats?filter=vm_reload").await?;
    assert!(!reloads.lines().any(|line| line.contains("success") && !line.ends_with(": 0")), "{reloads}");
    Ok(())
}
