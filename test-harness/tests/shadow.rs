//! Rules and policies in shadow: the matrix of what was said and what would have been, as metrics and in the record.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};
use toolgate_harness::{
    audit::{records_in, verified},
    gate::{Gate, Mode},
    serve::wait_for,
};

const KEY: &str = "an-end-to-end-audit-key-of-32-bytes-or-more";
const METRIC: &str = "toolgate_shadow_total";

/// The tools, each called another number of times, so that no two cells of the matrix can be taken for each other.
const CALLS: [(&str, usize); 4] = [("echo", 1), ("code_edit", 2), ("get_weather", 3), ("code_delete", 4)];

/// What a rule in shadow makes of each: live, shadow, the rule that would have decided.
const BY_RULE: [(&str, &str, &str); 4] = [
    ("allow", "deny", "s-no-echo"),
    ("allow", "allow", "tools"),
    ("deny", "allow", "s-weather"),
    ("deny", "deny", "none"),
];

/// What the candidate makes of each.
const BY_POLICY: [(&str, &str, &str); 4] = [
    ("allow", "allow", "c-tools"),
    ("allow", "deny", "none"),
    ("deny", "allow", "c-tools"),
    ("deny", "deny", "c-no-delete"),
];

fn binding() -> Value {
    json!([{ "role": "developer", "when": { "claims": { "/roles": { "contains": "developer" } } } }])
}

fn live() -> Value {
    json!({ "version": 1, "bindings": binding(), "roles": { "developer": {
        "allow": [
            { "id": "tools", "tools": ["echo", "code_edit"] },
            { "id": "s-weather", "tools": ["get_weather"], "mode": "shadow" },
        ],
        "deny": [{ "id": "s-no-echo", "tools": ["echo"], "mode": "shadow" }],
    } } })
}

fn candidate() -> Value {
    json!({ "version": 1, "mode": "shadow", "revision": "next-1", "bindings": binding(), "roles": { "developer": {
        "allow": [{ "id": "c-tools", "tools": ["echo", "get_weather"] }],
        "deny": [{ "id": "c-no-delete", "tools": ["code_delete"] }],
    } } })
}

/// A cell is told by policy, live, shadow and rule.
type Cells = BTreeMap<[String; 4], usize>;

fn cells(policy: &str, all: &[(&str, &str, &str); 4]) -> Cells {
    let each = all.iter().zip(CALLS);
    each.map(|((live, shadow, rule), (_, calls))| ([policy, live, shadow, rule].map(str::to_owned), calls))
        .collect()
}

/// The whole matrix, as Envoy tells it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
async fn scraped(gate: &Gate) -> Result<Cells> {
    let metrics = gate.envoy.metrics().await?;
    let own = metrics.samples().iter().filter(|sample| sample.name == METRIC);
    let cell = |labels: &BTreeMap<String, String>| {
        ["policy", "live", "shadow", "rule"].map(|name| labels.get(name).cloned().unwrap_or_default())
    };
    Ok(own.map(|sample| (cell(&sample.labels), sample.value as usize)).collect())
}

/// `decision tool shadow rule policy` of the records of calls, as often as they stand.
fn recorded(gate: &Gate) -> Result<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    for record in verified(&records_in(&gate.envoy.log()), KEY)?.into_values().flatten() {
        if record["kind"] != "decision" {
            continue;
        }
        let text =
            |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or("none").to_owned();
        let line = ["/decision", "/tool", "/shadow/decision", "/shadow/rules/0", "/shadow/policy"].map(text);
        *found.entry(line.join(" ")).or_default() += 1;
    }
    Ok(found)
}

async fn the_matrix_is_whole(mode: Mode, with_candidate: bool) -> Result<()> {
    let gate = Gate::scripted(mode, |configuration| {
        configuration["policies"]["default"] = json!({ "inline": live() });
        if with_candidate {
            configuration["policies"]["next"] = json!({ "inline": candidate() });
            configuration["servers"][0]["shadow_policy"] = json!("next");
        }
        configuration["secrets"]["audit"] = json!({ "env": "TOOLGATE_AUDIT_KEY" });
        configuration["audit"] = json!({ "outlets": ["log"] });
    })
    .await?;
    let token = gate.token("alice", &["developer"])?;
    for ((tool, calls), (live, _, _)) in CALLS.iter().zip(BY_RULE) {
        for _ in 0..*calls {
            let status = gate.call("shadow", tool, json!({})).token(&token).send().await?.status;
            assert_eq!(status, if live == "allow" { 200 } else { 403 }, "{tool}: shadow changes nothing");
        }
    }
    let mut expected = cells("default", &BY_RULE);
    if with_candidate {
        expected.append(&mut cells("next", &BY_POLICY));
    }
    assert_eq!(scraped(&gate).await?, expected);

    // A record has room for one comparison: the candidate's, where there is one.
    let (name, all) = if with_candidate { ("next", BY_POLICY) } else { ("default", BY_RULE) };
    let lines = CALLS.iter().zip(all).map(|((tool, calls), (live, shadow, rule))| {
        (format!("{live} {tool} {shadow} {rule} {name}"), *calls)
    });
    let expected: BTreeMap<String, usize> = lines.collect();
    let all: usize = expected.values().sum();
    let complete = || async { recorded(&gate).ok().filter(|found| found.values().sum::<usize>() == all) };
    assert_eq!(wait_for("the records", Duration::from_secs(10), complete).await?, expected);
    Ok(())
}

#[tokio::test]
async fn rules_held() -> Result<()> {
    the_matrix_is_whole(Mode::Held, false).await
}

#[tokio::test]
async fn rules_streamed() -> Result<()> {
    the_matrix_is_whole(Mode::Streamed, false).await
}

#[tokio::test]
async fn a_policy_held() -> Result<()> {
    the_matrix_is_whole(Mode::Held, true).await
}

#[tokio::test]
async fn a_policy_streamed() -> Result<()> {
    the_matrix_is_whole(Mode::Streamed, true).await
}
