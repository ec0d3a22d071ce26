//! Dashboards and alerts against live data: a real Prometheus scrapes a real Envoy under the tour's traffic.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Result;
use axum::{Router, extract::State, http::Uri};
use serde_json::{Value, json};
use toolgate_harness::{
    observe::{self, Mail, Query, Setup, Watch, crowd, panels, rules, traffic},
    paths,
    serve::{Server, wait_for},
};

type Heard = Arc<Mutex<Vec<(String, String)>>>;

async fn hear(State(heard): State<Heard>, uri: Uri, body: String) {
    heard.lock().unwrap().push((uri.path().to_owned(), body));
}

fn document(path: &str) -> String {
    fs::read_to_string(paths::repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The metrics of the page, which the engine's tests compare with the catalogue.
fn catalogue() -> BTreeSet<String> {
    let page = document("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `toolgate_")?.split('`').next());
    rows.map(|name| format!("toolgate_{name}")).collect()
}

/// The names of metrics in a query.
fn names(query: &str) -> BTreeSet<String> {
    let outside: String = query.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let words = outside.split(|char: char| !(char.is_ascii_alphanumeric() || "_:".contains(char)));
    let ours = |word: &&str| {
        word.starts_with("toolgate")
            || word.starts_with("envoy_") && !word.contains("_conn_manager_prefix")
            || *word == "up"
    };
    let labels = ["envoy_cluster_name", "envoy_rbac_http_prefix"];
    words.filter(ours).filter(|word| !labels.contains(word)).map(str::to_owned).collect()
}

fn known(name: &str, catalogue: &BTreeSet<String>) -> bool {
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|ending| name.strip_suffix(ending));
    catalogue.contains(name) || base.is_some_and(|base| catalogue.contains(base))
}

/// What has no data: no series, or only numbers that are none.
async fn empty(watch: &Watch, queries: &[Query]) -> Result<Vec<String>> {
    let mut empty = Vec::new();
    for query in queries {
        let values = watch.query(&query.text).await?;
        if !values.iter().any(|value| value.is_finite()) {
            empty.push(format!("{}: `{}` gives {values:?}", query.place, query.text));
        }
    }
    Ok(empty)
}

#[tokio::test]
async fn every_panel_has_data_and_every_alert_can_be_asked() -> Result<()> {
    let heard = Heard::default();
    let sink = Server::axum(Router::new().fallback(hear).with_state(Arc::clone(&heard)))?;
    let mail = Mail::start()?;
    let (stage, sources) = observe::stage().await?;
    let setup = Setup {
        target: stage.envoy.admin("").trim_start_matches("http://").to_owned(),
        hook: format!("http://{}", sink.address()),
        mail: mail.address(),
        // One failed attempt is enough to see an alert travel.
        values: BTreeMap::from([("auth_failures_per_hour", "0.5")]),
        interval: "1s",
    };
    let watch = Watch::start(&setup).await?;
    traffic(&stage, &sources).await?;
    let first = wait_for("the first scrape", Duration::from_secs(10), || async {
        watch.query("sum(toolgate_answers_total)").await.ok().filter(|values| !values.is_empty())
    });
    first.await?;
    traffic(&stage, &sources).await?;
    crowd(&stage, &sources).await?;
    for severity in ["critical", "warning", "info"] {
        watch.alert(json!({ "alertname": "Trial", "severity": severity, "server": severity })).await?;
    }
    let queries = panels("1m")?;
    assert!(queries.len() >= 20, "{} queries", queries.len());
    let filled = wait_for("data in every panel", Duration::from_secs(20), || async {
        empty(&watch, &queries).await.ok().filter(Vec::is_empty)
    });
    if filled.await.is_err() {
        panic!("panels without data:\n{}", empty(&watch, &queries).await?.join("\n"));
    }
    let catalogue = catalogue();
    let loaded = rules(&watch.rules())?;
    assert!(loaded.len() >= 25, "{} rules", loaded.len());
    for query in loaded.iter().chain(&queries) {
        watch.query(&query.text).await?;
        for name in names(&query.text) {
            if name.starts_with("toolgate_") {
                assert!(known(&name, &catalogue), "{}: `{name}` is not in the catalogue", query.place);
            } else {
                let there = watch.query(&format!("count({name})")).await?;
                assert!(!there.is_empty(), "{}: nothing is called `{name}`", query.place);
            }
        }
    }
    let compat =
        loaded.iter().filter(|query| query.place.starts_with("compat:")).cloned().collect::<Vec<_>>();
    assert_eq!(empty(&watch, &compat).await?, Vec::<String>::new());
    let told = |path: &str, what: &str| {
        heard.lock().unwrap().iter().any(|(at, body)| at == path && body.contains(what))
    };
    let wanted = [
        ("/warning", "ToolgateAuthFailuresHour"),
        ("/warning", "docs/runbooks.md#toolgateauthfailureshour"),
        ("/critical", "Trial"),
        ("/warning", "Trial"),
        ("/info", "Trial"),
        ("/slack", "Trial"),
    ];
    let arrived = wait_for("alerts at the hook, and a mail", Duration::from_secs(20), || async {
        wanted.iter().all(|(path, what)| told(path, what)).then_some(())?;
        let mails = mail.taken();
        let critical =
            |mail: &String| mail.contains("RCPT TO:<operator@localhost>") && mail.contains("Trial");
        // Mail is for what is critical alone.
        assert!(mails.iter().all(|mail| !mail.contains("severity = warning")), "{mails:?}");
        mails.iter().any(critical).then_some(())
    });
    arrived.await.map_err(|error| error.context(format!("{:?}\n{}", heard.lock().unwrap(), watch.log())))
}

/// Grafana imports a board that has these members; each panel has a place, a unit and queries with a source.
#[test]
fn boards_have_the_form_that_grafana_imports() -> Result<()> {
    let mut count = 0;
    let mut linked = 0;
    let runbooks = document("docs/runbooks.md").to_lowercase();
    let boards = observe::boards()?;
    assert_eq!(boards.len(), 4);
    let uids: BTreeSet<&str> = boards.iter().filter_map(|(_, board)| board["uid"].as_str()).collect();
    assert_eq!(uids.len(), 4);
    for (name, board) in &boards {
        assert!(board["schemaVersion"].as_u64() >= Some(36) && board["title"].is_string(), "{name}");
        let variables = board["templating"]["list"].as_array().cloned().unwrap_or_default();
        let defined: BTreeSet<&str> = variables.iter().filter_map(|one| one["name"].as_str()).collect();
        assert!(defined.is_superset(&BTreeSet::from(["datasource", "instance", "server"])), "{name}");
        let mut ids = BTreeSet::new();
        let mut places = Vec::new();
        for panel in board["panels"].as_array().into_iter().flatten() {
            let title = &panel["title"];
            count += 1;
            assert!(ids.insert(panel["id"].as_u64().unwrap_or_default()), "{name}: {title} has another's id");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{name}: {title} has no unit");
            let number = |field: &str| panel["gridPos"][field].as_u64().expect("a place in the grid");
            let (x, y, w, h) = (number("x"), number("y"), number("w"), number("h"));
            assert!(w > 0 && h > 0 && x + w <= 24, "{name}: {title} is outside the grid");
            let apart =
                |&(a, b, c, d): &(u64, u64, u64, u64)| x >= a + c || a >= x + w || y >= b + d || b >= y + h;
            assert!(places.iter().all(apart), "{name}: {title} lies on another");
            places.push((x, y, w, h));
            let targets = panel["targets"].as_array().cloned().unwrap_or_default();
            assert!(!targets.is_empty(), "{name}: {title} asks for nothing");
            for target in &targets {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{name}: {title}");
                for used in target["expr"].as_str().unwrap_or_default().split('$').skip(1) {
                    let used = used.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_')).next();
                    assert!(
                        used == Some("__rate_interval") || used.is_some_and(|used| defined.contains(used)),
                        "{name}: {title} uses {used:?}"
                    );
                }
            }
            for link in panel["links"].as_array().into_iter().flatten() {
                linked += 1;
                let anchor =
                    link["url"].as_str().and_then(|url| url.strip_prefix("${runbooks}#")).expect("a runbook");
                assert!(
                    runbooks.contains(&format!("\n### {anchor}\n")),
                    "{name}: {title} links to `{anchor}`"
                );
            }
        }
    }
    assert!(count >= 20 && linked >= 15, "{count} panels, {linked} links");
    Ok(())
}

/// Every alert has its section, says what to look at and what to do, and no section is left over.
#[test]
fn every_alert_has_its_runbook() -> Result<()> {
    let page = document("docs/runbooks.md");
    let sections: BTreeMap<&str, &str> =
        page.split("\n### ").skip(1).filter_map(|section| section.split_once('\n')).collect();
    let mut alerts = BTreeSet::new();
    let mut groups = 0;
    for (name, severity) in [
        ("requests", "critical"),
        ("authentication", "critical"),
        ("keys", "critical"),
        ("policy", "critical"),
        ("classes", "warning"),
        ("limits", "critical"),
        ("proxy", "critical"),
        ("availability", "critical"),
    ] {
        let text = document(&format!("alerts/rules/{name}.yml"));
        let tests = document(&format!("alerts/tests/{name}.yml"));
        groups += 1;
        assert!(text.contains(&format!("severity: {severity}")), "{name}");
        for rule in text.split("- alert: ").skip(1) {
            let alert = rule.lines().next().unwrap_or_default();
            let section = sections.get(alert).unwrap_or_else(|| panic!("docs/runbooks.md lacks {alert}"));
            assert!(section.contains("Look at: ") && section.contains("Do: "), "{alert}");
            assert!(rule.contains(&format!("runbook_url: '@runbooks@#{}'", alert.to_lowercase())), "{alert}");
            for part in ["severity: ", "summary: ", "description: "] {
                assert!(rule.contains(part), "{alert} has no {part}");
            }
            for test in ["fires", "stays silent"] {
                assert!(
                    tests.contains(&format!("- name: {alert} {test}\n")),
                    "{alert}: no test that it {test}"
                );
            }
            alerts.insert(alert.to_owned());
        }
    }
    assert!(alerts.len() >= 25 && groups == 8, "{} alerts", alerts.len());
    assert_eq!(alerts.len(), sections.len(), "docs/runbooks.md has sections of alerts that are not there");
    Ok(())
}

/// The compose file mounts what is there, and opens nothing to other machines.
#[test]
fn the_compose_file_mounts_what_is_there() -> Result<()> {
    let folder = paths::repository().join("dashboards/compose");
    let compose: Value = serde_norway::from_str(&document("dashboards/compose/compose.yaml"))?;
    let services = compose["services"].as_object().expect("services");
    assert_eq!(services.len(), 3);
    for (name, service) in services {
        assert!(
            service["image"].as_str().is_some_and(|image| image.contains(':')),
            "{name} has no fixed image"
        );
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().is_some_and(|port| port.starts_with("127.0.0.1:")), "{name}: {port}");
        }
        for volume in service["volumes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let from = volume.strip_prefix("${ALERTMANAGER_CONFIG:-").unwrap_or(volume);
            let from = from.split([':', '}']).next().unwrap_or_default();
            // What alerts/render leaves is made, not checked in.
            assert!(
                from.contains("target/alerts") || folder.join(from).exists(),
                "{name}: `{from}` is not there"
            );
        }
    }
    Ok(())
}
