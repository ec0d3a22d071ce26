//! Metrics: named, labelled, and true, at Envoy's own scrape.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use toolgate_harness::{
    gate::{Gate, Mode},
    scrape::Metrics,
    serve::wait_for,
};

const REQUESTS: &str = "toolgate_requests_total";

/// Scrapes until `sees` is content: a histogram shows up one flush after it was recorded.
async fn scrape(gate: &Gate, what: &str, sees: impl Fn(&Metrics) -> bool) -> Result<Metrics> {
    let last = std::cell::RefCell::new(String::new());
    let found = wait_for(what, Duration::from_secs(10), || async {
        let metrics = gate.envoy.metrics().await.ok()?;
        last.replace(metrics.lines("toolgate_").collect::<Vec<_>>().join("\n"));
        sees(&metrics).then_some(metrics)
    })
    .await;
    found.map_err(|error| error.context(last.into_inner()))
}

async fn metrics_in(mode: Mode) -> Result<()> {
    let gate = Gate::scripted(mode, |_| ()).await?;
    let alice = gate.token("alice", &["developer"])?;
    let call = |tool: &str| gate.call("metrics", tool, json!({ "path": "src/a" })).token(&alice);
    for _ in 0..3 {
        assert_eq!(call("echo").send().await?.status, 200);
    }
    assert_eq!(call("code_delete").send().await?.status, 403);
    for number in 0..5 {
        assert_eq!(call(&format!("invented_{number}")).send().await?.status, 403);
    }
    assert_eq!(gate.call("metrics", "echo", json!({})).send().await?.status, 401);
    // Where headers leave first, their denials need no body and are not timed.
    let timed = if mode == Mode::Held { 9.0 } else { 3.0 };
    let metrics = scrape(&gate, "the decision histogram", |metrics| {
        metrics.metric("toolgate_decision_duration_microseconds_count").value() >= timed
            && metrics.metric("toolgate_jwks_keys").value() > 0.0
    })
    .await?;
    let requests = || metrics.metric(REQUESTS).label("server", "everything").label("method", "tools/call");
    assert_eq!(requests().label("tool", "echo").label("decision", "allow").value(), 3.0);
    assert_eq!(requests().label("tool", "code_delete").label("decision", "deny").value(), 1.0);
    assert_eq!(requests().label("tool", "other").label("decision", "deny").value(), 5.0);
    let series = metrics.metric(REQUESTS);
    assert!(series.count() <= 6, "{}", metrics.lines(REQUESTS).collect::<Vec<_>>().join("\n"));
    for sample in metrics.samples().iter().filter(|sample| sample.name.starts_with("toolgate_")) {
        assert!(!sample.name.contains(';') && !sample.name.contains("__"), "{} is not labelled", sample.name);
        assert!(sample.labels.values().all(|value| !value.contains("invented")), "{sample:?}");
    }
    let reasons = metrics.samples().iter().filter(|sample| sample.name == REQUESTS);
    assert!(reasons.clone().all(|sample| sample.labels.contains_key("reason")));
    let attempts =
        |result: &str| metrics.metric("toolgate_auth_attempts_total").label("result", result).value();
    assert_eq!(attempts("success"), 9.0, "{}", metrics.lines("toolgate_auth").collect::<Vec<_>>().join("\n"));
    assert_eq!(attempts("missing_token"), 1.0);
    let denied = metrics.metric(REQUESTS).label("decision", "deny").label("reason", "missing_token");
    assert_eq!(denied.value(), 1.0);
    assert_eq!(
        metrics
            .metric("toolgate_jwks_fetches_total")
            .label("issuer", "corp")
            .label("result", "fresh")
            .value(),
        1.0
    );
    assert_eq!(metrics.metric("toolgate_jwks_keys").label("issuer", "corp").value(), 2.0);
    Ok(())
}

#[tokio::test]
async fn metrics_are_labelled_and_bounded_held() -> Result<()> {
    metrics_in(Mode::Held).await
}

#[tokio::test]
async fn metrics_are_labelled_and_bounded_streamed() -> Result<()> {
    metrics_in(Mode::Streamed).await
}

/// The cap on series holds, and what it drops is counted.
#[tokio::test]
async fn series_are_capped() -> Result<()> {
    let gate =
        Gate::scripted(Mode::Held, |configuration| configuration["metrics"] = json!({ "max_series": 8 }))
            .await?;
    let token = gate.token("root", &["admin"])?;
    for tool in ["echo", "get_weather", "code_edit", "code_delete", "admin_reset", "invented"] {
        assert_eq!(gate.call("capped", tool, json!({})).token(&token).send().await?.status, 200, "{tool}");
    }
    let metrics = scrape(&gate, "the overflow", |metrics| {
        metrics.metric("toolgate_series_overflow_total").value() > 0.0
    })
    .await?;
    // Each of the VMs (main thread and worker) defines at most eight.
    assert!(
        metrics.metric(REQUESTS).count() <= 8,
        "{}",
        metrics.lines(REQUESTS).collect::<Vec<_>>().join("\n")
    );
    Ok(())
}
