// SPDX-License-Identifier: Apache-2.0
//! `toolgate audit report`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use common::{
    Run, run_with,
    trail::{Call, KEY, MONDAY, Maker, key, week},
};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;
use toolgate_engine::audit::{Outlet, Seal};

fn report(text: &str, more: &[&str]) -> Run {
    let all = [&["audit", "report", "-", "--key-env", "AUDIT_KEY", "--json"], more].concat();
    run_with(&all, text, &[("AUDIT_KEY", KEY)])
}

fn rows<'r>(report: &'r Value, section: &str) -> &'r Vec<Value> {
    report["sections"][section]["rows"].as_array().unwrap()
}

fn count(report: &Value, section: &str, name: &str) -> u64 {
    let named = rows(report, section).iter().find(|row| row["name"] == name);
    named.map_or(0, |row| row["count"].as_u64().unwrap())
}

fn start(out: &mut String) -> Maker {
    Maker::start(out, 1, Seal::Keyed(key(KEY)), Outlet::Log, &[])
}

const DAY: u64 = 86_400;

/// Two days: on the second bob comes, deletes a table, and a stranger tries.
fn two_days() -> String {
    let mut out = String::new();
    let mut maker = start(&mut out);
    for at in 0..10 {
        maker.at(at * 60).call(&mut out, Call::default());
    }
    let bob = Call {
        subject: Some("bob"),
        tool: Some("table_delete"),
        class: Some("destructive"),
        roles: &["admin"],
        rule: Some("everything"),
        ..Call::default()
    };
    maker.at(DAY + 60).call(&mut out, bob);
    maker.at(DAY + 120).call(&mut out, Call::default());
    let denied = Call { decision: "deny", reason: "no_rule", rule: None, ..Call::default() };
    maker.at(DAY + 180).call(&mut out, denied);
    let by_rule = Call {
        decision: "deny",
        reason: "deny_rule",
        rule: Some("no-delete"),
        tool: Some("x_delete"),
        ..Call::default()
    };
    maker.at(DAY + 240).call(&mut out, by_rule);
    maker
        .at(DAY + 300)
        .call(&mut out, Call { decision: "deny", reason: "expired", rule: None, ..Call::default() });
    maker.at(DAY + 360).policy_change(&mut out, "18");
    maker.end(&mut out);
    out
}

#[test]
fn a_period_is_counted_and_what_came_before_tells_who_is_new() {
    let said = report(&two_days(), &["--from", "2026-11-17", "--to", "2026-11-18"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = said.json();
    assert_eq!(said["period"], json!("2026-11-17T00:00:00Z to 2026-11-18T00:00:00Z"));
    for (section, name, expected) in [
        ("decisions", "allowed", 2),
        ("decisions", "denied", 2),
        ("decisions", "not_authenticated", 1),
        ("decisions", "privileged", 1),
        ("decisions", "destructive", 1),
        ("decisions", "records_before", 11),
        ("denials_by_reason", "no_rule", 1),
        ("denials_by_rule", "no-delete", 1),
        ("authentication", "expired", 1),
        ("principals", "alice", 3),
        ("chain", "findings", 0),
    ] {
        assert_eq!(count(&said, section, name), expected, "{section} {name}: {said}");
    }
    assert_eq!(*rows(&said, "new_principals"), [json!({ "name": "bob", "first": "2026-11-17T00:01:00Z" })]);
    let used = &rows(&said, "privileged")[0];
    assert_eq!(
        (&used["principal"], &used["tool"], &used["class"]),
        (&json!("bob"), &json!("table_delete"), &json!("destructive"))
    );
    assert_eq!(rows(&said, "changes")[0]["what"], json!("policy default, version 18, digest 5a5a5a5a5a5a"));
    let first: Vec<&Value> = rows(&said, "anomalies").iter().map(|row| &row["method"]).collect();
    assert_eq!(first, ["first_privileged_use"]);
    // Without what came before nobody can be new, and the report says so.
    let whole = report(&two_days(), &[]).json();
    assert!(whole["sections"]["new_principals"]["note"].as_str().unwrap().contains("no records before"));
    assert_eq!(rows(&whole, "anomalies").len(), 0);
}

#[test]
fn only_genuine_records_are_counted() {
    let changed = two_days().replacen("\"tool\":\"table_delete\"", "\"tool\":\"table_select\"", 1);
    let said = report(&changed, &[]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let value = said.json();
    assert_eq!((count(&value, "decisions", "destructive"), count(&value, "chain", "findings")), (0, 1));
    assert!(value["sections"]["chain"]["note"].as_str().unwrap().starts_with("1 findings"));
    let keyless = run_with(&["audit", "report", "-"], &two_days(), &[]);
    assert_eq!(keyless.code, Some(2));
    assert!(keyless.stderr.contains("--unverified"), "{}", keyless.stderr);
    let unverified = run_with(&["audit", "report", "-", "--unverified", "--json"], &changed, &[]);
    assert_eq!(unverified.code, Some(0), "{unverified:?}");
    assert_eq!(unverified.json()["sections"]["chain"]["note"], json!("the records were not verified"));
}

#[test]
fn what_stands_out_is_named_by_its_method() {
    let mut out = String::new();
    let mut maker = start(&mut out);
    for minute in 0..30 {
        for at in 0..5 {
            maker.at(minute * 60 + at).call(&mut out, Call::default());
        }
    }
    let probing =
        Call { subject: Some("mallory"), decision: "deny", reason: "no_rule", rule: None, ..Call::default() };
    for at in 0..50 {
        maker.at(20 * 60 + at).call(&mut out, probing);
    }
    let value = report(&out, &[]).json();
    let found: Vec<String> = rows(&value, "anomalies")
        .iter()
        .map(|row| format!("{}: {}", row["method"].as_str().unwrap(), row["what"].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            "volume: 55 requests from 2026-11-16T00:20:00Z on, where 5 are usual",
            "denials: 50 denials from 2026-11-16T00:20:00Z on, where 0 are usual",
            "mostly_denied: mallory: 50 of 50 requests were denied",
        ]
    );
    assert!(value["sections"]["anomalies"]["note"].as_str().unwrap().contains("median absolute deviations"));
}

#[test]
fn the_page_stands_alone_and_names_from_outside_stay_text() {
    let mut out = String::new();
    let mut maker = start(&mut out);
    let evil = "<script>alert(1)</script>";
    maker.call(
        &mut out,
        Call {
            subject: Some(evil),
            tool: Some("\"><img src=x>"),
            decision: "deny",
            reason: "no_rule",
            ..Call::default()
        },
    );
    maker.call(&mut out, Call { tool: Some("=cmd()"), ..Call::default() });
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (html, csv) = (file("report.html"), file("report.csv"));
    let said = report(&out, &["--html", &html, "--csv", &csv, "--framework", "soc2"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let page = fs::read_to_string(&html).unwrap();
    for never in ["<script", "<img", " src=\"", "http:", "https:", "@import", "url("] {
        assert!(!page.contains(never), "{never}");
    }
    assert!(page.contains("&lt;script&gt;") && page.contains("default-src 'none'"));
    assert!(page.matches("<svg").count() >= 5 && page.contains("CC6.1") && page.contains("no certification"));
    let csv = fs::read_to_string(&csv).unwrap();
    assert!(csv.starts_with("section,row,column,value\r\n") && csv.contains("\"'=cmd()\""), "{csv}");
    assert!(csv.contains("controls,1,id,CC6.1"), "{csv}");
}

#[test]
fn controls_get_their_figures_and_no_certificate() {
    for framework in ["soc2", "sox", "iso27001"] {
        let value = report(&two_days(), &["--framework", framework]).json();
        let controls = value["framework"]["controls"].as_array().unwrap();
        assert!(
            controls.len() > 5 && value["framework"]["note"].as_str().unwrap().contains("no certification")
        );
        assert!(
            controls.iter().all(|control| !control["evidence"].as_array().unwrap().is_empty()),
            "{framework}"
        );
        assert!(
            value["framework"].to_string().contains("every record was verified under its key"),
            "{framework}"
        );
    }
}

#[test]
fn tables_are_cut_and_the_rest_is_counted() {
    let mut out = String::new();
    week(3_000, |lines| out.push_str(lines));
    let value = report(&out, &["--top", "5"]).json();
    let principals = rows(&value, "principals");
    assert_eq!((principals.len(), &principals[5]["name"]), (6, &json!("other")));
    let all: u64 = principals.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    let judged = count(&value, "decisions", "allowed") + count(&value, "decisions", "denied");
    assert_eq!(all, judged);
    let spans = rows(&value, "volume");
    assert!(spans.len() <= 400, "{}", spans.len());
    let allowed: u64 = spans.iter().map(|row| row["allowed"].as_u64().unwrap()).sum();
    assert_eq!(allowed, count(&value, "decisions", "allowed"));
    let first = toolgate_engine::time::UnixTime::from_secs(MONDAY);
    assert_eq!((first.as_secs(), spans[0]["from"].as_str()), (MONDAY, Some("2026-11-16T00:00:00Z")));
}

/// A trail that is many times larger than what the command may hold in memory, with a new caller in each record.
#[cfg(target_os = "linux")]
#[test]
fn a_long_trail_is_read_in_little_memory() {
    use std::{io::Write, process::Command};

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("trail.jsonl");
    let mut file = fs::File::create(&path).unwrap();
    let mut out = String::new();
    let mut maker = start(&mut out);
    for number in 0..60_000_u64 {
        let subject = format!("somebody-{number}");
        maker.at(number).call(&mut out, Call { subject: Some(&subject), ..Call::default() });
        if out.len() > 1 << 20 {
            file.write_all(out.as_bytes()).unwrap();
            out.clear();
        }
    }
    maker.end(&mut out);
    file.write_all(out.as_bytes()).unwrap();
    drop(file);
    let size = fs::metadata(&path).unwrap().len();
    assert!(size > 40 << 20, "{size}");
    // `ulimit -d` bounds heap and anonymous mappings, in KiB.
    let bounded = "ulimit -d 24576; exec \"$0\" audit report \"$1\" --key-env AUDIT_KEY --json";
    let run = Command::new("sh")
        .args(["-c", bounded, env!("CARGO_BIN_EXE_toolgate")])
        .arg(&path)
        .env("AUDIT_KEY", KEY)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(count(&report, "decisions", "allowed"), 60_000);
}

/// A wiped file is no quiet week.
#[test]
fn files_without_a_record_are_no_report() {
    for text in ["", "nothing\nof ours\n"] {
        let verified = report(text, &[]);
        assert_eq!(verified.code, Some(2), "{verified:?}");
        assert_eq!(count(&verified.json(), "chain", "findings"), 1, "{verified:?}");
        let counted = run_with(&["audit", "report", "-", "--unverified", "--json"], text, &[]);
        assert_eq!(counted.code, Some(2), "{counted:?}");
        assert!(counted.stdout.contains("no record was found"), "{counted:?}");
    }
}
