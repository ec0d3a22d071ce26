//! Traffic that has something for every panel: the tour, and tools of each class.

use anyhow::Result;
use serde_json::{Value, json};

use super::Sources;
use crate::{
    client::Call,
    issuer::Client,
    tour::{self, Stage},
};

/// Puts tools of each class into a configuration's catalogue.
pub fn metered(configuration: &mut Value) {
    let kinds = |argument: &str, values: [&str; 2]| json!({ "argument": argument, "values": values });
    let agents = kinds("/type", ["coder", "tester"]);
    let more = [
        json!({ "name": "agent_spawn", "class": "agent", "metrics": { "operation": "spawn", "type": agents } }),
        json!({ "name": "agent_stop", "class": "agent", "metrics": { "operation": "stop", "type": agents } }),
        json!({ "name": "task_submit", "class": "task", "metrics": { "operation": "pending" } }),
        json!({ "name": "task_run", "class": "task" }),
        json!({ "name": "memory_store", "class": "memory", "metrics": { "bytes": "/structuredContent/bytes" } }),
        json!({ "name": "neural_infer", "class": "neural", "metrics": {
            "type": kinds("/model", ["small", "large"]), "tokens": "/structuredContent/usage/total_tokens" } }),
        json!({ "name": "test_error_handling" }),
    ];
    if let Some(catalogue) = configuration["servers"][0]["tools"]["catalogue"].as_array_mut() {
        catalogue.extend(more);
    }
}

/// Walks the tour and calls each class; rows that do not match are not looked at here.
///
/// # Errors
/// If there is no answer at all.
pub async fn traffic(stage: &Stage, sources: &Sources) -> Result<()> {
    tour::walk(stage, |_| ()).await?;
    let token = stage.issuer.token(Client::Root, &stage.url()).await?;
    let calls = [
        ("agent_spawn", json!({ "type": "coder" })),
        ("agent_spawn", json!({ "type": "tester" })),
        ("agent_spawn", json!({ "type": "coder", "fail": true })),
        ("agent_stop", json!({ "type": "coder" })),
        ("task_submit", json!({})),
        ("task_submit", json!({})),
        ("task_run", json!({})),
        ("memory_store", json!({ "text": "something" })),
        ("neural_infer", json!({ "model": "small" })),
        ("neural_infer", json!({ "model": "large" })),
        ("test_error_handling", json!({})),
        ("no_such_tool", json!({})),
    ];
    for (tool, arguments) in calls {
        stage.call("observed", tool, arguments).token(&token).send().await?;
    }
    let (url, opaque) = sources.door(&stage.url());
    for token in [opaque, "nobody-knows-it"] {
        let params = json!({ "name": "echo", "arguments": {} });
        Call::modern(url.clone(), "observed", "tools/call", params).token(token).send().await?;
    }
    Ok(())
}
