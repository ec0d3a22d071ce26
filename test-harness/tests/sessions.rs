//! Sessions stay with who began them, whatever token says who that is.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::timeout;
use toolgate_harness::{
    client::{Call, LEGACY},
    gate::{Gate, Mode},
    in_both_modes,
    jwks::now,
    scripted::Script,
    shared_gate,
};

const PATIENCE: Duration = Duration::from_secs(20);

shared_gate!(gate, |mode| Gate::scripted(mode, |_: &mut Value| ()));

in_both_modes!(gate: a_session_is_its_callers, a_renewed_token_keeps_its_session);

/// Begins a session at the upstream under this id; gives the id as the client sees it.
async fn begin(gate: &Gate, id: &str, token: &str) -> Result<String> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string();
    let script = Script::new("application/json").header("mcp-session-id", id).piece(body).with_length();
    gate.script()?.on(id, script);
    let answer = legacy(gate, id, token).header("x-script", id).send().await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(answer.header("mcp-session-id").context("no session")?.to_owned())
}

fn legacy(gate: &Gate, mark: &str, token: &str) -> Call {
    let params = json!({ "name": "echo", "arguments": {} });
    Call::legacy(gate.url(), mark, "tools/call", params).token(token)
}

/// A short token of `subject` for a client, by the how-manieth renewal.
fn token(gate: &Gate, subject: &str, client: &str, renewal: u64) -> Result<String> {
    let mut claims = gate.claims(subject, &["developer"]);
    claims["client_id"] = json!(client);
    claims["iat"] = json!(now() - renewal);
    claims["exp"] = json!(now() + 60);
    claims["jti"] = json!(format!("{subject}-{renewal}"));
    gate.issuer.key()?.sign(&claims)
}

async fn a_session_is_its_callers(gate: &Gate) -> Result<()> {
    let alice = token(gate, "alice", "agent", 0)?;
    let own = format!("own-{:?}", gate.mode);
    let id = begin(gate, &own, &alice).await?;
    assert!(!id.contains(&own), "{id}");
    let mark = format!("seen-{:?}", gate.mode);
    let answer = legacy(gate, &mark, &alice).header("mcp-session-id", &id).send().await?;
    assert_eq!(answer.status, 200);
    let seen = gate.upstream.seen().with(&mark);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("mcp-session-id"), Some(own.as_str()));
    let others = [token(gate, "mallory", "agent", 0)?, token(gate, "alice", "another", 0)?];
    let stolen = format!("stolen-{:?}", gate.mode);
    for other in &others {
        let answer = legacy(gate, &stolen, other).header("mcp-session-id", &id).send().await?;
        assert_eq!((answer.status, answer.reason().as_deref()), (404, Some("session_unknown")));
    }
    let raw = legacy(gate, &stolen, &alice).header("mcp-session-id", &own).send().await?;
    assert_eq!(raw.status, 404, "an id of the upstream opens nothing");
    assert!(gate.upstream.seen().with(&stolen).is_empty());
    Ok(())
}

async fn a_renewed_token_keeps_its_session(gate: &Gate) -> Result<()> {
    let first = token(gate, "bob", "agent", 0)?;
    let id = begin(gate, &format!("renewed-{:?}", gate.mode), &first).await?;
    for renewal in 1..=30 {
        let token = token(gate, "bob", "agent", renewal)?;
        let answer = legacy(gate, "renewal", &token).header("mcp-session-id", &id).send().await?;
        assert_eq!(answer.status, 200, "renewal {renewal}: {}", answer.text());
    }
    Ok(())
}

/// Beyond its time a session is one that never was, whatever token is shown, and its open stream ends.
async fn ends(mode: Mode) -> Result<()> {
    let gate = Gate::scripted(mode, |configuration: &mut Value| {
        configuration["limits"] = json!({ "max_session_seconds": 4 });
    })
    .await?;
    let token = token(&gate, "alice", "agent", 0)?;
    let id = begin(&gate, "brief", &token).await?;
    let event = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
    gate.script()?.on("endless", Script::new("text/event-stream").piece(event).held());
    let client = reqwest::Client::builder().no_proxy().build()?;
    let call = client.get(gate.url()).bearer_auth(&token).header("accept", "text/event-stream");
    let call = call.header("mcp-protocol-version", LEGACY).header("x-script", "endless");
    let mut stream = timeout(PATIENCE, call.header("mcp-session-id", &id).send()).await??;
    assert_eq!(stream.status(), 200);
    assert!(timeout(PATIENCE, stream.chunk()).await??.is_some_and(|first| first == event));
    let used = || async { legacy(&gate, "brief", &token).header("mcp-session-id", &id).send().await };
    assert_eq!(used().await?.status, 200);
    let rest = timeout(PATIENCE, stream.chunk()).await.context("the stream is still open")?;
    assert!(rest.is_err(), "{rest:?}");
    let answer = used().await?;
    assert_eq!((answer.status, answer.reason().as_deref()), (404, Some("session_unknown")));
    let metrics = gate.envoy.metrics().await?;
    let ended = metrics.metric("toolgate_streams_ended_total").label("reason", "session").value();
    assert!((ended - 1.0).abs() < 0.1, "{ended}");
    let next = begin(&gate, "brief", &token).await?;
    assert_ne!(next, id);
    assert_eq!(legacy(&gate, "brief", &token).header("mcp-session-id", &next).send().await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_session_ends_held() -> Result<()> {
    ends(Mode::Held).await
}

#[tokio::test]
async fn a_session_ends_streamed() -> Result<()> {
    ends(Mode::Streamed).await
}
