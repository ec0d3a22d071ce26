//! What the upstream learns about the caller, and what it must not.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};
use toolgate_harness::{
    client::Call, gate::Gate, in_both_modes, mcp_server::Seen, raw::RawRequest, shared_gate,
};

shared_gate!(gate, |mode| Gate::scripted(mode, |configuration| {
    let server = configuration["servers"][0].clone();
    for (name, authorization) in
        [("keep", json!("keep")), ("replace", json!({ "value": { "env": "UPSTREAM_TOKEN" } }))]
    {
        let mut copy = server.clone();
        copy["name"] = json!(name);
        copy["match"]["path"] = json!(format!("/{name}"));
        copy["upstream"]["authorization"] = authorization;
        if let Some(servers) = configuration["servers"].as_array_mut() {
            servers.push(copy);
        }
    }
    configuration["routes"] =
        json!([{ "name": "health", "match": { "path": "/healthz" }, "allow": "anyone" }]);
}));

in_both_modes!(gate:
    the_upstream_learns_who_calls,
    what_clients_claim_is_removed,
    nominations_do_not_remove_the_truth,
    strange_names_are_encoded,
    the_token_is_stripped_kept_or_replaced,
    routes_are_cleaned_too,
    encodings_are_not_asked_for,
);

const IDENTITY: [&str; 5] = ["subject", "issuer", "client", "roles", "decision-id"];

fn seen(gate: &Gate, mark: &str) -> Seen {
    let seen = gate.upstream.seen().with(mark);
    assert_eq!(seen.len(), 1, "requests marked `{mark}`");
    seen[0].clone()
}

fn call(gate: &Gate, path: &str, mark: &str) -> Result<Call> {
    let call = Call::modern(gate.envoy.url(path), mark, "tools/call", json!({ "name": "echo" }));
    Ok(call.token(&gate.token("alice", &["developer", "readonly"])?))
}

async fn the_upstream_learns_who_calls(gate: &Gate) -> Result<()> {
    assert_eq!(call(gate, "/mcp", "who")?.send().await?.status, 200);
    let seen = seen(gate, "who");
    assert_eq!(seen.all("x-toolgate-subject"), ["alice"]);
    assert_eq!(seen.all("x-toolgate-issuer"), [gate.issuer.issuer()]);
    assert_eq!(seen.all("x-toolgate-client"), ["harness"]);
    let mut roles =
        seen.header("x-toolgate-roles").unwrap_or_default().split(',').map(str::trim).collect::<Vec<_>>();
    roles.sort_unstable();
    assert_eq!(roles, ["developer", "readonly"]);
    assert!(seen.header("x-toolgate-decision-id").is_some_and(|id| id.len() >= 8));
    Ok(())
}

async fn what_clients_claim_is_removed(gate: &Gate) -> Result<()> {
    let mut claims = call(gate, "/mcp", "claims")?;
    for name in IDENTITY {
        claims = claims
            .header(&format!("x-toolgate-{name}"), "forged")
            .header(&format!("x_toolgate_{}", name.replace('-', "_")), "forged")
            .header(&format!("X-Toolgate_{name}"), "forged");
    }
    assert_eq!(claims.header("x-toolgate-else", "forged").send().await?.status, 200);
    let seen = seen(gate, "claims");
    let forged = seen.headers.iter().filter(|(_, value)| value.contains("forged")).collect::<Vec<_>>();
    assert!(forged.is_empty(), "{forged:?}");
    assert_eq!(seen.all("x-toolgate-subject"), ["alice"]);
    Ok(())
}

async fn nominations_do_not_remove_the_truth(gate: &Gate) -> Result<()> {
    let mut params = json!({ "name": "echo" });
    params["_meta"] = toolgate_harness::client::meta();
    let body = toolgate_harness::client::request("nominated", "tools/call", &params).to_string();
    let request = RawRequest::new("POST", "/mcp", "mcp.example.com")
        .header("authorization", format!("Bearer {}", gate.token("alice", &["developer"])?))
        .header("content-type", "application/json")
        .header("mcp-protocol-version", toolgate_harness::client::MODERN)
        .header("mcp-method", "tools/call")
        .header("mcp-name", "echo")
        .header("connection", "x-toolgate-subject, x-toolgate-roles")
        .body(body);
    assert_eq!(request.send(gate.envoy.port()).await?.status, 200);
    let seen = seen(gate, "nominated");
    assert_eq!(seen.all("x-toolgate-subject"), ["alice"]);
    let connection = seen.header("connection").unwrap_or_default();
    assert!(!connection.contains("toolgate"), "{connection}");
    Ok(())
}

async fn strange_names_are_encoded(gate: &Gate) -> Result<()> {
    let token = gate.token("zo\u{eb}\r\nx-evil: 1", &["developer"])?;
    assert_eq!(gate.call("strange", "echo", json!({})).token(&token).send().await?.status, 200);
    let seen = seen(gate, "strange");
    assert_eq!(seen.all("x-toolgate-subject"), ["=?base64?em/Dqw0KeC1ldmlsOiAx?="]);
    assert_eq!(seen.header("x-evil"), None);
    Ok(())
}

async fn the_token_is_stripped_kept_or_replaced(gate: &Gate) -> Result<()> {
    for (path, mark) in [("/mcp", "auth-strip"), ("/keep", "auth-keep"), ("/replace", "auth-replace")] {
        assert_eq!(call(gate, path, mark)?.send().await?.status, 200, "{path}");
    }
    assert_eq!(seen(gate, "auth-strip").header("authorization"), None);
    let kept = seen(gate, "auth-keep");
    assert!(kept.header("authorization").is_some_and(|value| value.starts_with("Bearer ey")));
    assert_eq!(seen(gate, "auth-replace").all("authorization"), ["Bearer the-upstream-credential"]);
    let dump = gate.envoy.ask("/config_dump").await?;
    assert!(!dump.contains("the-upstream-credential"), "the secret is in the configuration dump");
    Ok(())
}

async fn routes_are_cleaned_too(gate: &Gate) -> Result<()> {
    let call = Call::new(Method::GET, gate.envoy.url("/healthz")).header("x-mark", "clean-route");
    let call = call.header("x-toolgate-subject", "forged").header("x_toolgate_roles", "forged");
    call.send().await?;
    let seen = seen(gate, "clean-route");
    assert_eq!((seen.header("x-toolgate-subject"), seen.header("x_toolgate_roles")), (None, None));
    Ok(())
}

async fn encodings_are_not_asked_for(gate: &Gate) -> Result<()> {
    call(gate, "/mcp", "encodings")?.header("accept-encoding", "gzip, br").send().await?;
    assert_eq!(seen(gate, "encodings").header("accept-encoding"), None);
    let body: Value = seen(gate, "encodings").json();
    assert_eq!(body["id"], "encodings", "the body arrives as it was sent");
    Ok(())
}
