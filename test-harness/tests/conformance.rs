//! The public MCP conformance suites: through the gate as directly, on two servers of different SDKs, in both host modes.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use toolgate_harness::{
    gate::{Gate, Mode, Upstream},
    mcp_server::McpServer,
    node::{Check, EverythingServer, Results, SUITES, Suite, conformance},
    paths,
};

/// Checks that fail directly and succeed through the gate, which has an opinion of its own.
const BETTER: &[&str] = &["localhost-host-rebinding-rejected"];

/// Nobody is asked for a token, and nobody is denied.
fn open(configuration: &mut Value) {
    let server = &mut configuration["servers"][0];
    server["anonymous"] = json!({ "role": "anyone" });
    server["match"]["hosts"] = json!(["127.0.0.1", "localhost"]);
    let everything = json!({ "methods": ["*"], "tools": ["*"], "prompts": ["*"], "resources": ["*"] });
    let policy = json!({ "version": 1, "roles": { "anyone": { "allow": [everything] } } });
    configuration["policies"]["default"]["inline"] = policy;
}

async fn run(suite: Suite, url: &str, name: &str) -> Result<Results> {
    let kind = suite.arguments.last().unwrap_or(&"");
    let folder = paths::repository().join(format!("target/conformance/{name}-{kind}"));
    conformance(suite, url, &folder).await.with_context(|| format!("{suite:?} against {name}"))
}

/// What differs, check by check.
fn differences(direct: &Results, gated: &Results) -> Vec<String> {
    let mut found = Vec::new();
    for scenario in direct.keys().chain(gated.keys().filter(|name| !direct.contains_key(*name))) {
        let none = Vec::new();
        let (one, other) = (direct.get(scenario).unwrap_or(&none), gated.get(scenario).unwrap_or(&none));
        for at in 0..one.len().max(other.len()) {
            let (one, other) = (one.get(at), other.get(at));
            let status = |check: Option<&Check>| check.map(|check| (check.id.clone(), check.status.clone()));
            let better = one.zip(other).is_some_and(|(one, other)| {
                one.id == other.id && other.status == "SUCCESS" && BETTER.contains(&one.id.as_str())
            });
            if status(one) != status(other) && !better {
                found.push(format!("{scenario}:\n  directly {one:?}\n  gated {other:?}"));
            }
        }
    }
    found
}

async fn compare(name: &str, suites: &[Suite], mode: Mode, upstream: Upstream) -> Result<()> {
    let server = format!("http://{}/mcp", upstream.address());
    let gate = Gate::start(mode, upstream, open, |_| ()).await?;
    for suite in suites.iter().copied() {
        let direct = run(suite, &server, &format!("{name}-{mode:?}-direct")).await?;
        let gated = run(suite, &gate.url(), &format!("{name}-{mode:?}")).await?;
        let differences = differences(&direct, &gated);
        let succeeded =
            |results: &Results| results.values().flatten().filter(|check| check.status == "SUCCESS").count();
        eprintln!("{name} {mode:?} {suite:?}: {} directly, {} gated", succeeded(&direct), succeeded(&gated));
        ensure!(differences.is_empty(), "{name} {mode:?} {suite:?}:\n{}", differences.join("\n"));
        ensure!(succeeded(&direct) > 0, "nothing succeeded directly: {direct:?}");
    }
    Ok(())
}

/// The TypeScript server speaks no modern version: most of that suite is about its own refusals.
const LEGACY: &[Suite] = &[SUITES[0], SUITES[1]];

#[tokio::test]
async fn the_rust_server_held() -> Result<()> {
    compare("rmcp", &SUITES, Mode::Held, Upstream::Mcp(McpServer::start()?)).await
}

#[tokio::test]
async fn the_rust_server_streamed() -> Result<()> {
    compare("rmcp", &SUITES, Mode::Streamed, Upstream::Mcp(McpServer::start()?)).await
}

#[tokio::test]
async fn the_typescript_server_held() -> Result<()> {
    compare("everything", LEGACY, Mode::Held, Upstream::Everything(EverythingServer::start().await?)).await
}

#[tokio::test]
async fn the_typescript_server_streamed() -> Result<()> {
    compare("everything", LEGACY, Mode::Streamed, Upstream::Everything(EverythingServer::start().await?))
        .await
}
