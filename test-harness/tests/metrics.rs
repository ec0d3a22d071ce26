//! Metrics: named, labelled, and true, at Envoy's own scrape.

use anyhow::Result;
use serde_json::{Value, json};
use toolgate_harness::{
    gate::{Gate, Mode, Upstream},
    scrape::Metrics,
    scripted::{Script, Scripted},
};

/// Names of tools that nobody knows; the engine's tests take 100,000.
const INVENTED: u32 = 200;

/// One request of so many is timed, the first of a worker among them.
const ONE_OF: u32 = 8;

const REQUESTS: &str = "toolgate_requests_total";

async fn metrics_in(mode: Mode) -> Result<()> {
    let gate = Gate::scripted(mode, |_| ()).await?;
    let alice = gate.token("alice", &["developer"])?;
    let call = |tool: &str| gate.call("metrics", tool, json!({ "path": "src/a" })).token(&alice);
    for _ in 0..3 {
        assert_eq!(call("echo").send().await?.status, 200);
    }
    assert_eq!(call("code_delete").send().await?.status, 403);
    for number in 0..INVENTED {
        assert_eq!(call(&format!("invented_{number}")).send().await?.status, 403);
    }
    assert_eq!(gate.call("metrics", "echo", json!({})).send().await?.status, 401);
    let attempts = |metrics: &Metrics, result: &str| {
        metrics.metric("toolgate_auth_attempts_total").label("result", result).value()
    };
    // With the four before and the one after; there is one worker.
    let timed = f64::from((INVENTED + 5).div_ceil(ONE_OF));
    let metrics = gate
        .envoy
        .metrics_with("the decision histogram", |metrics| {
            metrics.metric("toolgate_decision_duration_microseconds_count").value() >= timed
                && metrics.metric("toolgate_jwks_keys").value() > 0.0
                && metrics.metric(REQUESTS).label("decision", "allow").value() >= 3.0
                && attempts(metrics, "success") >= 4.0 + f64::from(INVENTED)
        })
        .await?;
    assert_eq!(metrics.metric("toolgate_decision_duration_microseconds_count").value(), timed);
    let requests = || metrics.metric(REQUESTS).label("server", "everything").label("method", "tools/call");
    assert_eq!(requests().label("tool", "echo").label("decision", "allow").value(), 3.0);
    assert_eq!(requests().label("tool", "code_delete").label("decision", "deny").value(), 1.0);
    assert_eq!(requests().label("tool", "other").label("decision", "deny").value(), f64::from(INVENTED));
    let series = metrics.metric(REQUESTS);
    assert!(series.count() <= 6, "{}", metrics.lines(REQUESTS).collect::<Vec<_>>().join("\n"));
    for sample in metrics.samples().iter().filter(|sample| sample.name.starts_with("toolgate_")) {
        assert!(!sample.name.contains(';') && !sample.name.contains("__"), "{} is not labelled", sample.name);
        assert!(sample.labels.values().all(|value| !value.contains("invented")), "{sample:?}");
    }
    let reasons = metrics.samples().iter().filter(|sample| sample.name == REQUESTS);
    assert!(reasons.clone().all(|sample| sample.labels.contains_key("reason")));
    assert_eq!(
        attempts(&metrics, "success"),
        4.0 + f64::from(INVENTED),
        "{}",
        metrics.lines("toolgate_auth").collect::<Vec<_>>().join("\n")
    );
    assert_eq!(attempts(&metrics, "missing_token"), 1.0);
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

/// The cap on series holds; what has no series of its own is counted as `other`, and nothing is lost.
#[tokio::test]
async fn series_are_capped() -> Result<()> {
    let gate =
        Gate::scripted(Mode::Held, |configuration| configuration["metrics"] = json!({ "max_series": 8 }))
            .await?;
    let token = gate.token("root", &["admin"])?;
    for tool in ["echo", "get_weather", "code_edit", "code_delete", "admin_reset", "invented"] {
        assert_eq!(gate.call("capped", tool, json!({})).token(&token).send().await?.status, 200, "{tool}");
    }
    let metrics = gate
        .envoy
        .metrics_with("the overflow", |metrics| {
            metrics.metric("toolgate_series_overflow_total").value() > 0.0
                && metrics.metric(REQUESTS).value() >= 6.0
        })
        .await?;
    // Each of the VMs (main thread and worker) defines at most eight, and one more for what is over.
    assert!(metrics.metric(REQUESTS).label("tool", "other").label("server", "other").value() > 0.0);
    assert!((metrics.metric(REQUESTS).value() - 6.0).abs() < 0.5, "six requests were sent");
    assert!(
        metrics.metric(REQUESTS).count() <= 9,
        "{}",
        metrics.lines(REQUESTS).collect::<Vec<_>>().join("\n")
    );
    Ok(())
}

/// Istio's bootstrap has one rule for each extra stat tag, in this form.
fn istio_tags(bootstrap: &mut Value) {
    let names = bootstrap["stats_config"]["stats_tags"].as_array().cloned().unwrap_or_default();
    let tag = |name: &Value| {
        let name = name["tag_name"].as_str().unwrap_or_default();
        json!({ "tag_name": name, "regex": format!(r"({name}=\.=(.*?);\.;)") })
    };
    bootstrap["stats_config"]["stats_tags"] = names.iter().map(tag).collect();
}

async fn one_call(syntax: &str, patch: Option<fn(&mut Value)>) -> Result<Gate> {
    let upstream = Upstream::Scripted(Scripted::start()?);
    let change = |configuration: &mut Value| configuration["metrics"] = json!({ "syntax": syntax });
    let gate = Gate::start(Mode::Held, upstream, change, |gateway| gateway.patch = patch).await?;
    let alice = gate.token("alice", &["developer"])?;
    let call = gate.call("metrics", "echo", json!({})).token(&alice);
    assert_eq!(call.send().await?.status, 200);
    Ok(gate)
}

#[tokio::test]
async fn istios_syntax_comes_out_as_labels_under_istios_rules() -> Result<()> {
    let gate = one_call("istio", Some(istio_tags)).await?;
    let metrics = gate
        .envoy
        .metrics_with("a labelled request", |metrics| {
            metrics.samples().iter().any(|sample| sample.name.starts_with(REQUESTS) && sample.value > 0.0)
        })
        .await?;
    let requests = metrics.metric(REQUESTS).label("server", "everything").label("method", "tools/call");
    let lines = metrics.lines(REQUESTS).collect::<Vec<_>>().join("\n");
    assert_eq!(requests.label("tool", "echo").label("reason", "allowed").value(), 1.0, "{lines}");
    Ok(())
}

#[tokio::test]
async fn flat_names_need_no_rules() -> Result<()> {
    let gate = one_call("flat", Some(|bootstrap| bootstrap["stats_config"] = json!({}))).await?;
    let name =
        "toolgate_requests_total_server_everything_method_tools_call_tool_echo_decision_allow_reason_allowed";
    let metrics =
        gate.envoy.metrics_with("a flat name", |metrics| metrics.metric(name).value() > 0.0).await?;
    assert_eq!(metrics.metric(name).value(), 1.0);
    Ok(())
}

/// What became of requests: the status of answers, their time and their size, each once.
#[tokio::test]
async fn answers_are_counted_by_status() -> Result<()> {
    let gate = Gate::scripted(Mode::Held, |_| ()).await?;
    let script = |body: &str| Script::new("application/json").piece(body.to_owned()).with_length();
    let scripts = [
        ("ok", r#"{"jsonrpc":"2.0","id":"m","result":{"content":[]}}"#, 200),
        ("tool_error", r#"{"jsonrpc":"2.0","id":"m","result":{"content":[],"isError":true}}"#, 200),
        ("rpc_error", r#"{"jsonrpc":"2.0","id":"m","error":{"code":-32603,"message":"no"}}"#, 200),
        ("http_5xx", "{", 502),
    ];
    let alice = gate.token("alice", &["developer"])?;
    for (name, body, status) in scripts {
        gate.script()?.on(name, script(body));
        let call = gate.call("m", "echo", json!({})).token(&alice).header("x-script", name);
        assert_eq!(call.send().await?.status, status, "{name}");
    }
    gate.script()?.on("http_4xx", Script::new("text/plain").status(http::StatusCode::NOT_FOUND));
    gate.call("m", "echo", json!({})).token(&alice).header("x-script", "http_4xx").send().await?;
    gate.call("m", "code_delete", json!({})).token(&alice).send().await?;
    let answers = "toolgate_answers_total";
    let took = "toolgate_upstream_duration_milliseconds_count";
    let metrics = gate
        .envoy
        .metrics_with("all answers", |metrics| {
            metrics.metric(answers).value() >= 6.0 && metrics.metric(took).value() >= 5.0
        })
        .await?;
    let lines = metrics.lines(answers).collect::<Vec<_>>().join("\n");
    for status in ["ok", "tool_error", "rpc_error", "http_4xx", "http_5xx", "denied"] {
        let found = metrics.metric(answers).label("status", status).label("route", "mcp");
        assert_eq!(found.value(), 1.0, "{status}\n{lines}");
    }
    assert_eq!(metrics.metric(took).label("tool", "echo").value(), 5.0);
    assert!(metrics.metric("toolgate_request_bytes_total").value() > 100.0);
    assert!(metrics.metric("toolgate_answer_bytes_total").value() > 100.0);
    let denied = metrics.metric("toolgate_errors_total").label("class", "authorization");
    assert_eq!(denied.value(), 1.0);
    Ok(())
}
