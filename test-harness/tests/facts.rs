//! What access logs see of decisions: filter state under `wasm.toolgate_*`, of what is allowed and of what is not.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};
use toolgate_harness::{
    gate::{Gate, Mode, Upstream},
    in_both_modes,
    scripted::Scripted,
    serve::wait_for,
    shared_gate,
};

const NAMES: [&str; 11] = [
    "decision",
    "reason",
    "decision_id",
    "server",
    "method",
    "tool",
    "rule",
    "subject",
    "issuer",
    "client",
    "roles",
];

fn access_log(bootstrap: &mut Value) {
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let pairs =
        NAMES.map(|name| (name.to_owned(), json!(format!("%FILTER_STATE(wasm.toolgate_{name}:PLAIN)%"))));
    let format = Value::Object(pairs.into_iter().collect());
    if let Some(manager) = bootstrap.pointer_mut(manager) {
        manager["access_log"] = json!([{ "name": "envoy.access_loggers.stdout", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": { "json_format": format },
        } }]);
    }
}

async fn start(mode: Mode) -> Result<Gate> {
    let change = |configuration: &mut Value| configuration["audit"] = json!({ "filter_state": true });
    let upstream = Upstream::Scripted(Scripted::start()?);
    Gate::start(mode, upstream, change, |gateway| gateway.patch = Some(access_log)).await
}

shared_gate!(gate, start);

in_both_modes!(gate: an_access_log_sees_what_was_decided);

/// The line of the access log for a decision.
async fn line(gate: &Gate, decision: &str) -> Result<BTreeMap<String, String>> {
    let found = || async {
        let log = gate.envoy.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<BTreeMap<String, Value>>(line).ok());
        let mut ours = lines.filter(|line| line.get("decision_id").is_some_and(|id| id == decision));
        let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
        ours.next().map(|line| line.into_iter().filter_map(text).collect())
    };
    wait_for("the access log", Duration::from_secs(20), found).await
}

async fn an_access_log_sees_what_was_decided(gate: &Gate) -> Result<()> {
    let mark = format!("facts-{:?}", gate.mode);
    let token = gate.token("alice", &["developer"])?;
    let issuer = gate.issuer.issuer();
    assert_eq!(gate.call(&mark, "echo", json!({})).token(&token).send().await?.status, 200);
    let seen = gate.upstream.seen().with(&mark);
    let allowed = line(gate, seen[0].header("x-toolgate-decision-id").unwrap_or_default()).await?;
    let denied = gate.call("denied", "code_delete", json!({})).token(&token).send().await?;
    assert_eq!(denied.status, 403);
    let id = denied.message()["error"]["data"]["decision_id"].as_str().unwrap_or_default().to_owned();
    let denied = line(gate, &id).await?;
    for (line, decision, tool) in [(&allowed, "allow", "echo"), (&denied, "deny", "code_delete")] {
        for (name, expected) in [
            ("decision", decision),
            ("server", "everything"),
            ("method", "tools/call"),
            ("tool", tool),
            ("subject", "alice"),
            ("issuer", issuer.as_str()),
            ("client", "harness"),
            ("roles", "developer"),
        ] {
            assert_eq!(line.get(name).map(String::as_str), Some(expected), "{decision} {name}: {line:?}");
        }
        assert!(line.contains_key("reason"), "{line:?}");
    }
    assert!(allowed.contains_key("rule"), "{allowed:?}");
    let nobody = gate.call("nobody", "echo", json!({})).send().await?;
    let id = nobody.message()["error"]["data"]["decision_id"].as_str().unwrap_or_default().to_owned();
    let nobody = line(gate, &id).await?;
    assert_eq!(nobody.get("reason").map(String::as_str), Some("missing_token"));
    assert_eq!((nobody.get("server").map(String::as_str), nobody.get("subject")), (Some("everything"), None));
    Ok(())
}
