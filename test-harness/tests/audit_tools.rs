//! The records of a real gate, read by the command line: verified, tampered with, reported, held against policies.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use toolgate_harness::{
    bootstrap::Gateway,
    gate::{Gate, Mode, Upstream, tour_policy},
    paths,
    scripted::Scripted,
    serve::wait_for,
};

const KEY: &str = "an-end-to-end-audit-key-of-32-bytes-or-more";
const PATIENCE: Duration = Duration::from_secs(20);

/// What a run of the command left.
struct Said {
    code: Option<i32>,
    text: String,
}

impl Said {
    fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.text).with_context(|| self.text.clone())
    }
}

fn toolgate(arguments: &[&str]) -> Result<Said> {
    let output = Command::new(paths::toolgate()?).args(arguments).env("AUDIT_KEY", KEY).output()?;
    let text = String::from_utf8(output.stdout)?;
    let text = if text.is_empty() { String::from_utf8(output.stderr)? } else { text };
    Ok(Said { code: output.status.code(), text })
}

/// Records of the access log are texts inside JSON documents, beside requests of which there is none.
fn access_log(bootstrap: &mut Value) {
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    if let Some(manager) = bootstrap.pointer_mut(manager) {
        manager["access_log"] = json!([{ "name": "envoy.access_loggers.stdout", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": { "json_format": {
                "status": "%RESPONSE_CODE%",
                "audit": "%FILTER_STATE(wasm.toolgate_audit:PLAIN)%",
            } },
        } }]);
    }
}

fn tune(gateway: &mut Gateway) {
    gateway.concurrency = 2;
    gateway.patch = Some(access_log);
}

async fn gate() -> Result<Gate> {
    let audit = |configuration: &mut Value| {
        configuration["secrets"]["audit"] = json!({ "env": "TOOLGATE_AUDIT_KEY" });
        configuration["audit"] =
            json!({ "outlets": ["log", "access_log"], "arguments": "hashes", "checkpoint_seconds": 1 });
    };
    Gate::start(Mode::Held, Upstream::Scripted(Scripted::start()?), audit, tune).await
}

/// Three calls that are allowed, one that hangs on its arguments, two that are denied, one by a stranger.
async fn traffic(gate: &Gate) -> Result<()> {
    let alice = gate.token("alice", &["developer"])?;
    let mut calls = vec![
        (gate.call("a", "code_edit", json!({ "path": "src/a.rs" })).token(&alice), 200),
        (gate.call("b", "code_delete", json!({})).token(&alice), 403),
        (gate.call("c", "admin_reset", json!({})).token(&alice), 403),
        (gate.call("d", "echo", json!({})), 401),
    ];
    for id in ["e", "f", "g"] {
        calls.push((gate.call(id, "echo", json!({ "message": "hello" })).token(&alice), 200));
    }
    for (call, status) in calls {
        assert_eq!(call.send().await?.status, status);
    }
    Ok(())
}

/// The log once every decision is in it, in both outlets.
async fn log(gate: &Gate, path: &Path) -> Result<()> {
    let file = path.to_str().context("a path")?;
    let whole = || async {
        std::fs::write(path, gate.envoy.log()).ok()?;
        let said =
            toolgate(&["audit", "query", file, "--kind", "decision", "--kind", "authentication", "--json"]);
        (said.ok()?.text.lines().count() >= 14).then_some(())
    };
    wait_for("seven requests in two outlets", PATIENCE, whole).await
}

#[tokio::test]
async fn records_of_a_real_gate_are_verified_reported_and_held_against_policies() -> Result<()> {
    let gate = gate().await?;
    traffic(&gate).await?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (file, policy) = (path("envoy.log"), path("policy.json"));
    log(&gate, Path::new(&file)).await?;
    verified(&file)?;
    tampered(&file, &path("edited.log"))?;
    cut(&gate, &path("cut.log")).await?;
    reported(&file, &path("report.html"))?;
    replayed(&file, &policy)
}

fn verified(file: &str) -> Result<()> {
    let said = toolgate(&["audit", "verify", file, "--key-env", "AUDIT_KEY", "--json"])?;
    let value = said.json()?;
    ensure!(said.code == Some(0), "{value}");
    let outlets: Vec<&Value> =
        value["streams"].as_array().into_iter().flatten().map(|stream| &stream["outlet"]).collect();
    for outlet in ["log", "access_log"] {
        ensure!(outlets.contains(&&json!(outlet)), "{outlet}: {value}");
    }
    ensure!(value["other_lines"].as_u64() > Some(0), "Envoy's own lines are passed over");
    let other = toolgate(&["audit", "verify", file])?;
    ensure!(other.code == Some(2) && other.text.contains("which was not given"), "{}", other.text);
    Ok(())
}

/// A denial is turned into an allow, where it stands escaped in the access log.
fn tampered(file: &str, edited: &str) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().position(|line| line.contains("\\\"deny_rule\\\"")).context("the denial")?;
    let changed: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(at, one)| match at == line {
            true => one.replace("\\\"decision\\\":\\\"deny\\\"", "\\\"decision\\\":\\\"allow\\\""),
            false => one.to_owned(),
        })
        .collect();
    std::fs::write(edited, changed.join("\n"))?;
    let said = toolgate(&["audit", "verify", edited, "--key-env", "AUDIT_KEY", "--json"])?;
    let first = &said.json()?["findings"][0];
    ensure!(said.code == Some(2) && first["kind"] == "changed" && first["line"] == line + 1, "{first}");
    Ok(())
}

/// A record is cut out of Envoy's log: the checkpoint that follows within its interval, or a record before it, shows it.
async fn cut(gate: &Gate, path: &str) -> Result<()> {
    let shown = || async {
        let log = gate.envoy.log();
        let denial = log.lines().position(|line| line.contains("\"deny_rule\""))?;
        let rest: Vec<&str> =
            log.lines().enumerate().filter(|(at, _)| *at != denial).map(|(_, one)| one).collect();
        std::fs::write(path, rest.join("\n")).ok()?;
        let said = toolgate(&["audit", "verify", path, "--key-env", "AUDIT_KEY", "--json"]).ok()?;
        let found = said.json().ok()?["findings"][0]["kind"].clone();
        (said.code == Some(2) && (found == "missing" || found == "truncated")).then_some(())
    };
    wait_for("the missing record to show", PATIENCE, shown).await
}

fn reported(file: &str, page: &str) -> Result<()> {
    let more = ["--framework", "iso27001", "--html", page, "--json"];
    let said = toolgate(&[&["audit", "report", file, "--key-env", "AUDIT_KEY"], more.as_slice()].concat())?;
    let value = said.json()?;
    ensure!(said.code == Some(0), "{value}");
    let count = |section: &str, name: &str| {
        let rows = value["sections"][section]["rows"].as_array();
        let named = rows.into_iter().flatten().find(|row| row["name"] == name);
        named.and_then(|row| row["count"].as_u64()).unwrap_or_default()
    };
    // Both outlets have every request.
    for (section, name, expected) in [
        ("decisions", "allowed", 8),
        ("decisions", "denied", 4),
        ("decisions", "not_authenticated", 2),
        ("denials_by_rule", "no-delete", 2),
        ("denials_by_reason", "no_rule", 2),
        ("authentication", "missing_token", 2),
        ("principals", "alice", 12),
        ("tools", "echo", 6),
    ] {
        ensure!(count(section, name) == expected, "{section} {name}: {value}");
    }
    ensure!(std::fs::read_to_string(page)?.contains("</html>"), "the page is whole");
    Ok(())
}

fn replayed(file: &str, policy: &str) -> Result<()> {
    let replay = |changed: &Value| -> Result<(Option<i32>, Value)> {
        std::fs::write(policy, changed.to_string())?;
        let said = toolgate(&["policy", "replay", policy, file, "--key-env", "AUDIT_KEY", "--json"])?;
        Ok((said.code, said.json()?))
    };
    let figures = |said: &Value| ["same", "gains", "loses", "cannot_be_told"].map(|name| said[name].as_u64());
    let same = tour_policy()?;
    let (code, said) = replay(&same)?;
    ensure!(code == Some(0) && figures(&said) == [10, 0, 0, 2].map(Some), "{said}");
    let open = said["groups"][0]["now"].as_str().unwrap_or_default();
    ensure!(open == "cannot be told: hangs on args./path", "{said}");
    let mut tighter = same.clone();
    tighter["roles"]["readonly"]["allow"][1]["tools"] = json!(["get_*"]);
    let (code, said) = replay(&tighter)?;
    ensure!(code == Some(2) && figures(&said) == [4, 0, 6, 2].map(Some), "{said}");
    std::fs::write(policy, same.to_string())?;
    let said = toolgate(&["policy", "least-privilege", policy, file, "--key-env", "AUDIT_KEY", "--json"])?;
    let unused = said.json()?["unused_rules"].to_string();
    ensure!(unused.contains("everything") && !unused.contains("read-tools"), "{unused}");
    let review = toolgate(&["policy", "access-review", policy, file, "--key-env", "AUDIT_KEY"])?;
    let row = review.text.lines().find(|line| line.starts_with("developer,echo,")).context("a row")?;
    ensure!(row.starts_with("developer,echo,,yes,6,0,1,20"), "{row}");
    Ok(())
}
