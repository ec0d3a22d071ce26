//! The address of the caller, as Envoy tells it, in the rules of a policy.

use anyhow::Result;
use serde_json::json;
use toolgate_harness::{client::Call, gate::Gate, in_both_modes, shared_gate};

shared_gate!(gate, |mode| Gate::mcp(mode, |configuration| {
    configuration["policies"]["default"]["inline"]["roles"]["developer"]["allow"] = json!([
        { "id": "see", "methods": ["tools/list"] },
        { "id": "near", "tools": ["echo"], "when": { "source": ["127.0.0.0/8", "::1"] } },
        { "id": "far", "tools": ["get_weather"], "when": { "source": ["192.0.2.0/24"] } },
    ]);
    configuration["policies"]["default"]["inline"]["roles"]["developer"]["inherits"] = json!([]);
}));

in_both_modes!(gate: calls_and_lists_know_the_address);

async fn calls_and_lists_know_the_address(gate: &Gate) -> Result<()> {
    let token = gate.token("alice", &["developer"])?;
    for (tool, status) in [("get_weather", 403), ("echo", 200)] {
        let params = json!({ "name": tool, "arguments": {} });
        let answer = Call::modern(gate.url(), "1", "tools/call", params).token(&token).send().await?;
        assert_eq!(answer.status, status, "{tool}: {}", answer.text());
    }
    let list = Call::modern(gate.url(), "2", "tools/list", json!({})).token(&token).send().await?;
    assert_eq!(list.listed("tools", "name"), ["echo"], "{}", list.text());
    Ok(())
}
