//! The same Envoy in a container, if a docker daemon answers.

use std::io::Write as _;

use anyhow::Result;
use serde_json::json;
use toolgate_harness::{
    bootstrap::Runner,
    docker,
    gate::{Gate, Mode, Upstream},
    mcp_server::McpServer,
};

#[tokio::test]
async fn the_gate_stands_in_a_container() -> Result<()> {
    if !docker::available() {
        // Past the test runner's capture: a skipped test must not look like one that ran.
        writeln!(std::io::stderr(), "the_gate_stands_in_a_container: skipped, no docker daemon answers")?;
        return Ok(());
    }
    for mode in [Mode::Held, Mode::Streamed] {
        let upstream = Upstream::Mcp(McpServer::start()?);
        let gate = Gate::start(mode, upstream, |_| (), |gateway| gateway.runner = Runner::Docker).await?;
        let token = gate.token("alice", &["developer"])?;
        for (tool, status) in [("echo", 200), ("admin_reset", 403)] {
            let answer = gate.call("docker", tool, json!({})).token(&token).send().await?;
            assert_eq!(answer.status, status, "{mode:?} {tool}: {}", answer.text());
        }
        assert_eq!(gate.call("docker", "echo", json!({})).send().await?.status, 401);
    }
    Ok(())
}
