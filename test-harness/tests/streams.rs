//! Event streams end with the right to them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, Response};
use serde_json::json;
use tokio::time::timeout;
use toolgate_harness::{
    client::{LEGACY, request},
    gate::Gate,
    in_both_modes,
    jwks::now,
    scripted::Script,
    shared_gate,
};

const PATIENCE: Duration = Duration::from_secs(20);
const EVENT: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";

shared_gate!(gate, |mode| Gate::scripted(mode, |configuration| {
    configuration["issuers"]["corp"]["leeway_seconds"] = json!(0);
}));

in_both_modes!(gate: a_stream_ends_with_its_token, an_answer_ends_with_its_token);

/// A stream of the upstream that never ends by itself.
async fn open(gate: &Gate, method: Method, seconds: u64) -> Result<Response> {
    gate.script()?.on("endless", Script::new("text/event-stream").piece(EVENT).held());
    let mut claims = gate.claims("alice", &["developer", "readonly"]);
    claims["exp"] = json!(now() + seconds);
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
    let body = request("7", "tools/call", &json!({ "name": "echo", "arguments": {} })).to_string();
    let mut call = client
        .request(method.clone(), gate.url())
        .bearer_auth(gate.issuer.key()?.sign(&claims)?)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", LEGACY)
        .header("x-script", "endless");
    if method == Method::POST {
        call = call.header("content-type", "application/json").body(body);
    }
    let answer = timeout(PATIENCE, call.send()).await.context("no answer")??;
    ensure!(answer.status() == 200, "{}", answer.text().await?);
    Ok(answer)
}

/// Reads the first event.
async fn first(answer: &mut Response) -> Result<()> {
    let mut text = String::new();
    while !text.ends_with("\n\n") {
        let chunk = timeout(PATIENCE, answer.chunk()).await.context("no event")??;
        text.push_str(&String::from_utf8_lossy(&chunk.context("the stream ended before its event")?));
    }
    assert_eq!(text, EVENT);
    Ok(())
}

async fn ended(gate: &Gate) -> Result<f64> {
    let metrics = gate.envoy.metrics().await?;
    let ended = metrics.metric("toolgate_streams_ended_total").label("server", "everything");
    Ok(ended.label("reason", "expired").value())
}

async fn ends(gate: &Gate, method: Method) -> Result<()> {
    let mut long = open(gate, method.clone(), 300).await?;
    first(&mut long).await?;
    let mut short = open(gate, method, 2).await?;
    first(&mut short).await?;
    let before = now();
    // A reset in the middle of a body: nothing more comes, and nobody takes what came for whole.
    let rest = timeout(PATIENCE, short.chunk()).await.context("the stream is still open")?;
    assert!(rest.is_err(), "{rest:?}");
    assert!(now() <= before + 10, "it took {} seconds", now() - before);
    assert!(ended(gate).await? >= 1.0);
    // The other goes on.
    let quiet = timeout(Duration::from_millis(1_500), long.chunk()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    Ok(())
}

async fn a_stream_ends_with_its_token(gate: &Gate) -> Result<()> {
    ends(gate, Method::GET).await
}

async fn an_answer_ends_with_its_token(gate: &Gate) -> Result<()> {
    ends(gate, Method::POST).await
}

/// A worker that has ended streams goes on serving, and forgets those that ended by themselves.
#[tokio::test]
async fn what_ended_is_forgotten() -> Result<()> {
    let gate = gate(toolgate_harness::gate::Mode::Streamed).await?;
    gate.script()?.on("brief", Script::new("text/event-stream").piece(EVENT));
    for _ in 0..20 {
        let answer = gate.call("brief", "echo", json!({})).token(&gate.token("alice", &["developer"])?);
        let answer = answer.header("x-script", "brief").send().await?;
        assert_eq!((answer.status, answer.text().as_str()), (200, EVENT));
    }
    assert_eq!(
        gate.call("after", "echo", json!({}))
            .token(&gate.token("alice", &["developer"])?)
            .send()
            .await?
            .status,
        200
    );
    Ok(())
}
