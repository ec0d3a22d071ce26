//! The audit trail under Envoy: every decision once in every outlet, chains that verify, nothing that must not be there.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use toolgate_harness::{
    audit::{Collector, records_in, verified},
    bootstrap::{Delivery, Gateway},
    client::Call,
    envoy::{Envoy, Update},
    gate::{Mode, configuration},
    jwks::TestIssuer,
    scripted::Scripted,
    serve::wait_for,
};

const KEY: &str = "an-end-to-end-audit-key-of-32-bytes-or-more";
const PATIENCE: Duration = Duration::from_secs(20);

struct Stage {
    envoy: Envoy,
    issuer: TestIssuer,
    collector: Collector,
    configuration: Value,
    _upstream: Scripted,
}

fn access_log(bootstrap: &mut Value) {
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    if let Some(manager) = bootstrap.pointer_mut(manager) {
        manager["access_log"] = json!([{ "name": "envoy.access_loggers.stdout", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": { "text_format_source": { "inline_string": "AUDIT %FILTER_STATE(wasm.toolgate_audit:PLAIN)%\n" } },
        } }]);
    }
}

impl Stage {
    async fn start(outlets: Value, workers: u8) -> Result<Self> {
        let (issuer, upstream, collector) = (TestIssuer::start()?, Scripted::start()?, Collector::start()?);
        let mut configuration = configuration(&issuer, Mode::Held)?;
        configuration["secrets"]["audit"] = json!({ "env": "TOOLGATE_AUDIT_KEY" });
        configuration["audit"] = json!({
            "outlets": outlets, "arguments": "hashes", "redact": ["/secret_name"], "checkpoint_seconds": 1,
        });
        if outlets.as_array().is_some_and(|outlets| outlets.contains(&json!("collector"))) {
            let authority = collector.address().to_string();
            configuration["audit"]["collector"] = json!({
                "uri": format!("http://{authority}/audit"), "batch_bytes": 65536, "queue_bytes": 65536,
            });
            configuration["clusters"][&authority] = json!("audit");
        }
        let mut gateway =
            Gateway::new(upstream.address(), issuer.address()).with_plugin(configuration.clone())?;
        gateway.concurrency = workers;
        gateway.delivery = Delivery::Lds;
        gateway.patch = Some(access_log);
        gateway.clusters.insert("audit".to_owned(), collector.address());
        let envoy = Envoy::start(gateway).await?;
        Ok(Self { envoy, issuer, collector, configuration, _upstream: upstream })
    }

    fn token(&self, roles: &[&str]) -> Result<String> {
        self.issuer.token("alice", &self.envoy.url("/mcp"), roles)
    }

    fn call(&self, tool: &str, arguments: Value) -> Call {
        let params = json!({ "name": tool, "arguments": arguments });
        Call::modern(self.envoy.url("/mcp"), "audit", "tools/call", params)
    }

    /// Records that went to the log, and to the access log: they are told apart by what their `start` says.
    fn logged(&self, outlet: &str) -> Result<BTreeMap<String, Vec<Value>>> {
        let mut streams = verified(&records_in(&self.envoy.log()), KEY)?;
        streams.retain(|_, records| records.first().is_some_and(|start| start["outlet"] == outlet));
        Ok(streams)
    }

    fn collected(&self) -> Result<BTreeMap<String, Vec<Value>>> {
        verified(&self.collector.lines(), KEY)
    }
}

/// `reason tool` of every verdict, sorted.
fn verdicts(streams: &BTreeMap<String, Vec<Value>>) -> Vec<String> {
    let kinds = ["decision", "authentication"];
    let records =
        streams.values().flatten().filter(|record| kinds.iter().any(|kind| record["kind"] == *kind));
    let mut all: Vec<String> = records
        .map(|record| {
            let text = |name: &str| record[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", text("reason"), text("tool"), record["status"])
        })
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn every_decision_is_told_once_everywhere_and_nothing_else() -> Result<()> {
    let mut stage = Stage::start(json!(["log", "access_log", "collector"]), 2).await?;
    reqwest::Client::new().post(stage.envoy.admin("/logging?wasm=trace")).send().await?.error_for_status()?;
    let token = stage.token(&["developer"])?;
    let mut expected = Vec::new();
    let arguments = json!({ "path": "src/argument-value-5ea", "secret_name": "hidden-9d1" });
    // Each on a connection of its own: both workers take some.
    for number in 0..20 {
        assert_eq!(stage.call("echo", arguments.clone()).token(&token).send().await?.status, 200);
        let other = format!("invented_{number}");
        assert_eq!(stage.call(&other, arguments.clone()).token(&token).send().await?.status, 403);
        expected.extend(["allowed echo 200".to_owned(), format!("no_rule {other} 403")]);
    }
    // One character in the middle of the signature is another.
    let (head, tail) = token.split_at(token.len() - 20);
    let flipped = if tail.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}{flipped}{}", tail.get(1..).unwrap_or_default());
    for (call, line) in [
        (stage.call("echo", json!({})), "missing_token - 401"),
        (stage.call("echo", json!({})).token(&forged), "bad_signature - 401"),
        (stage.call("echo", json!({})).token(&token).body("not json"), "bad_json - 400"),
        (stage.call("code_delete", json!({})).token(&token), "deny_rule code_delete 403"),
        (Call::post(stage.envoy.url("/mcp/"), "{}").token(&token), "ambiguous_path - 400"),
        (
            stage.call("echo", json!({})).token(&token).header("mcp-session-id", "session-77aa"),
            "allowed echo 200",
        ),
    ] {
        let answer = call.send().await?;
        ensure!(line.ends_with(&answer.status.to_string()), "{line}: {} {}", answer.status, answer.text());
        expected.push(line.to_owned());
    }
    expected.sort();
    for outlet in ["log", "access_log", "collector"] {
        let read = || match outlet {
            "collector" => stage.collected(),
            other => stage.logged(other),
        };
        wait_for(outlet, PATIENCE, || async {
            read().is_ok_and(|all| verdicts(&all) == expected).then_some(())
        })
        .await
        .with_context(|| format!("{:#?}\n{:?}", read().map(|all| verdicts(&all)), expected))?;
        let streams = read()?;
        let told =
            streams.values().filter(|records| records.iter().any(|record| record["kind"] == "decision"));
        ensure!(told.count() == 2, "each worker has a stream of its own: {outlet}");
    }
    let kept = stage.logged("access_log")?;
    let one = kept.values().flatten().find(|record| record["tool"] == "echo").context("an allowed call")?;
    assert_eq!(one["principal"]["subject"], "alice");
    assert_eq!(one["rules"].as_array().map(Vec::len), Some(1));
    assert!(one["arguments"]["/path"].is_string() && one["arguments"].get("/secret_name").is_none());
    assert!(one["request_id"].is_string() && one["duration_us"].as_u64() > Some(0), "{one}");
    let everything = stage.envoy.log() + &stage.collector.lines().join("\n");
    let signature = token.rsplit('.').next().unwrap_or_default();
    for hidden in [signature, "argument-value-5ea", "hidden-9d1", "secret_name", "session-77aa", KEY] {
        ensure!(!everything.contains(hidden), "{hidden}");
    }
    another_configuration(&mut stage).await
}

/// A new configuration is a new stream, which bears witness to how far the old ones had come.
async fn another_configuration(stage: &mut Stage) -> Result<()> {
    let before = stage.collected()?;
    let mut next = stage.configuration.clone();
    next["audit"]["filter_state"] = json!(true);
    ensure!(matches!(stage.envoy.reconfigure(next).await?, Update::Taken), "the update is taken");
    let token = stage.token(&["developer"])?;
    let continued = || async {
        stage.call("echo", json!({})).token(&token).send().await.ok()?;
        let after = stage.collected().ok()?;
        let fresh = after.iter().filter(|(stream, _)| !before.contains_key(*stream));
        let starts: Vec<&Value> = fresh.filter_map(|(_, records)| records.first()).collect();
        let named = |stream: &String| {
            starts.iter().any(|start| {
                let heads = start["continues"].as_array();
                heads.is_some_and(|heads| heads.iter().any(|head| head["stream"] == *stream))
            })
        };
        (!starts.is_empty() && before.keys().all(named)).then_some(())
    };
    wait_for("streams that continue", PATIENCE, continued).await
}

#[tokio::test]
async fn a_collector_that_is_down_costs_records_and_says_which() -> Result<()> {
    let stage = Stage::start(json!(["collector"]), 1).await?;
    let (began, asked) = (Instant::now(), AtomicU64::new(0));
    let ask = || async {
        assert_eq!(stage.call("echo", json!({})).send().await?.status, 401, "and nobody waits");
        asked.fetch_add(1, Ordering::SeqCst);
        anyhow::Ok(())
    };
    // Records that came, and records that gaps name.
    let accounted = || -> Option<(u64, u64)> {
        let records: Vec<Value> = stage.collected().ok()?.into_values().flatten().collect();
        let came = records.iter().filter(|record| record["kind"] == "authentication").count();
        let gaps = records.iter().filter(|record| record["kind"] == "gap");
        Some((u64::try_from(came).ok()?, gaps.filter_map(|record| record["records"].as_u64()).sum()))
    };
    stage.collector.answer_with(503);
    let dropped = || async {
        let metrics = stage.envoy.metrics().await.ok()?;
        let dropped = metrics.metric("toolgate_audit_records_total").label("result", "dropped").value();
        (dropped > 0.0).then_some(dropped)
    };
    while dropped().await.is_none() {
        ensure!(asked.load(Ordering::SeqCst) < 20_000, "nothing is ever dropped");
        for _ in 0..50 {
            ask().await?;
        }
    }
    let metrics = stage.envoy.metrics().await?;
    let failed = metrics.metric("toolgate_audit_batches_total").label("result", "unreachable").value();
    ensure!(failed > 0.0, "{:?}", metrics.lines("toolgate_audit").collect::<Vec<_>>());
    stage.collector.answer_with(200);
    let gap = || async {
        // Something has to follow a gap: it is said with the next record.
        ask().await.ok()?;
        accounted().filter(|(_, missing)| *missing > 0).map(drop)
    };
    wait_for("the gap", PATIENCE, gap).await?;
    let total = asked.load(Ordering::SeqCst);
    // A gap counts lost records of every kind, and a checkpoint is made once a second.
    let whole = || async {
        let (came, missing) = accounted()?;
        let checkpoints = began.elapsed().as_secs() + 1;
        (total..=total + checkpoints).contains(&(came + missing)).then_some(())
    };
    wait_for("every record, or its gap", PATIENCE, whole)
        .await
        .with_context(|| format!("{:?} of {total}", accounted()))
}
