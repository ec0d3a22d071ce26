// SPDX-License-Identifier: Apache-2.0
//! Tokens whose scopes open too little: what the challenge names, in both host modes.

use anyhow::Result;
use serde_json::{Value, json};
use toolgate_harness::{client::Answer, gate::Gate, in_both_modes, shared_gate};

fn configure(configuration: &mut Value) {
    configuration["issuers"]["corp"]["scope_hierarchy"] = json!({ "mcp:admin": ["mcp:read", "mcp:write"] });
    for tool in configuration["servers"][0]["tools"]["catalogue"].as_array_mut().into_iter().flatten() {
        if tool["name"] == "get_weather" {
            tool["require"] = json!({ "scopes": ["weather"] });
        }
    }
    configuration["policies"]["default"]["inline"] = json!({
        "version": 1,
        "roles": {
            "reads": { "allow": [{ "tools": ["echo", "get_weather"] }] },
            "writes": { "inherits": ["reads"], "allow": [{ "tools": ["code_edit"] }] },
            "people": { "allow": [{ "tools": ["admin_reset"] }] },
        },
        "bindings": [
            { "role": "reads", "when": { "scopes": { "contains": "mcp:read" } } },
            { "role": "writes", "when": { "scopes": { "contains": "mcp:write" } } },
            { "role": "people", "when": { "roles": { "contains": "people" } } },
        ],
    });
}

shared_gate!(gate, |mode| Gate::scripted(mode, configure));

in_both_modes!(gate: a_challenge_names_what_would_have_done);

async fn asked(gate: &Gate, scopes: &str, tool: &str) -> Result<Answer> {
    let mut claims = gate.claims("alice", &[]);
    claims["scope"] = json!(scopes);
    let token = gate.issuer.key()?.sign(&claims)?;
    gate.call(tool, tool, json!({})).token(&token).send().await
}

async fn a_challenge_names_what_would_have_done(gate: &Gate) -> Result<()> {
    for (scopes, tool, named) in [
        ("openid", "echo", "mcp:read"),
        ("openid mcp:read", "code_edit", "mcp:write"),
        ("mcp:write", "get_weather", "weather"),
    ] {
        let answer = asked(gate, scopes, tool).await?;
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert_eq!((answer.status, answer.reason().as_deref()), (403, Some("insufficient_scope")), "{tool}");
        assert!(challenge.starts_with("Bearer resource_metadata=\""), "{challenge}");
        let end = format!("error=\"insufficient_scope\", scope=\"{named}\"");
        assert!(challenge.ends_with(&end), "{tool}: {challenge}");
    }
    for (scopes, tool) in
        [("mcp:read", "echo"), ("mcp:admin", "code_edit"), ("mcp:read weather", "get_weather")]
    {
        assert_eq!(asked(gate, scopes, tool).await?.status, 200, "{scopes} {tool}");
    }
    let hopeless = asked(gate, "mcp:read", "admin_reset").await?;
    assert_eq!((hopeless.status, hopeless.reason().as_deref()), (403, Some("no_rule")));
    assert_eq!(hopeless.header("www-authenticate"), None);
    Ok(())
}
