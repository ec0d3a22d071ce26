// SPDX-License-Identifier: Apache-2.0
//! `toolgate audit` on files that were tampered with, searched, put away.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use common::{
    Run, run, run_with,
    trail::{Call, Dice, KEY, Maker, key, week},
};
use serde_json::{Value, json};
use std::{fs, io::Write, path::PathBuf};
use tempfile::TempDir;
use toolgate_engine::audit::{Outlet, Seal};

const ENVIRONMENT: [(&str, &str); 2] =
    [("AUDIT_KEY", KEY), ("AUDIT_NEXT", "another key of the environment, for tests")];

fn audit(arguments: &[&str]) -> Run {
    audit_of("", arguments)
}

fn audit_of(input: &str, arguments: &[&str]) -> Run {
    run_with(&[&["audit"], arguments].concat(), input, &ENVIRONMENT)
}

fn keyed() -> Seal {
    Seal::Keyed(key(KEY))
}

/// A stream of its start, five calls, a checkpoint and its end: eight lines.
fn small(id: u8) -> String {
    let mut out = String::new();
    let mut maker = Maker::start(&mut out, id, keyed(), Outlet::AccessLog, &[]);
    for at in 0..5 {
        maker.at(60 * at).call(&mut out, Call::default());
    }
    maker.checkpoint(&mut out, &[]);
    maker.end(&mut out);
    out
}

fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What is found in this text: kind, line and number of the first, and how many there are.
fn found(text: &str, more: &[&str]) -> (Option<i32>, Option<(String, Value, Value)>, u64) {
    let said = audit_of(text, &[&["verify", "-", "--key-env", "AUDIT_KEY", "--json"], more].concat());
    let value = said.json();
    let first = value["findings"]
        .get(0)
        .map(|one| (one["kind"].as_str().unwrap().to_owned(), one["line"].clone(), one["seq"].clone()));
    (said.code, first, value["findings_total"].as_u64().unwrap())
}

fn first(text: &str) -> (String, Value, Value) {
    let (code, first, _) = found(text, &[]);
    assert_eq!(code, Some(2));
    first.unwrap()
}

fn kind(word: &str, line: u64, seq: u64) -> (String, Value, Value) {
    (word.to_owned(), json!(line), json!(seq))
}

#[test]
fn whole_streams_are_good_however_they_are_mixed_and_packed() {
    let (one, two) = (small(1), small(2));
    let mixed: String = one.lines().zip(two.lines()).flat_map(|(one, two)| [one, "\n", two, "\n"]).collect();
    assert_eq!(found(&mixed, &["--complete"]), (Some(0), None, 0));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl.gz");
    let mut packed =
        flate2::write::GzEncoder::new(fs::File::create(&path).unwrap(), flate2::Compression::fast());
    packed.write_all(mixed.as_bytes()).unwrap();
    packed.finish().unwrap();
    let said = audit(&["verify", path.to_str().unwrap(), "--key-env", "AUDIT_KEY"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.ends_with("Nothing was changed, removed, added or moved.\n"), "{}", said.stdout);
    assert!(said.stdout.contains("records 1 to 8, ended"), "{}", said.stdout);
}

#[test]
fn a_trail_without_a_record_is_not_a_good_one() {
    for text in ["", "\n\n", "{\"level\":\"info\"}\n", "\u{1}\u{2}\u{3}"] {
        let (code, first, count) = found(text, &[]);
        assert_eq!(
            (code, first, count),
            (Some(2), Some(("no_records".to_owned(), Value::Null, Value::Null)), 1)
        );
        assert_eq!(found(text, &["--partial"]).0, Some(2));
        let keyless = audit_of(text, &["verify", "-"]);
        assert_eq!(keyless.code, Some(2), "{keyless:?}");
    }
    let said = audit_of("junk\n", &["verify", "-", "--key-env", "AUDIT_KEY"]).stdout;
    assert!(
        said.contains("no_records: no record was found in 1 lines") && said.contains("1 finding."),
        "{said}"
    );
    assert!(!said.contains("Nothing was changed"), "{said}");
}

#[test]
fn records_are_found_inside_other_logs() {
    let mut log = String::from("[2026-11-21 08:00:00.000][17][info][main] starting\n");
    for (at, line) in small(1).lines().enumerate() {
        let quoted = Value::from(line).to_string();
        log.push_str(&match at % 3 {
            0 => format!("[2026-11-21 08:00:00.000][17][info][wasm] [source/x.cc:1] wasm log gate: {line}\n"),
            1 => format!("{{\"status\":200,\"audit\":{quoted}}}\n"),
            _ => format!("10.1.2.3 \"POST /mcp\" {line} 200\n"),
        });
        log.push_str("10.1.2.3 \"GET /healthz\" - 200\n");
    }
    assert_eq!(found(&log, &["--complete"]), (Some(0), None, 0));
    let said = audit_of(&log, &["verify", "-", "--key-env", "AUDIT_KEY", "--json"]).json();
    assert_eq!((&said["records"], &said["other_lines"]), (&json!(8), &json!(9)));
    let changed = log.replace("\\\"subject\\\":\\\"alice\\\"", "\\\"subject\\\":\\\"mallory\\\"");
    assert_eq!(first(&changed).0, "changed");
}

#[test]
fn every_way_of_tampering_is_named_at_its_line() {
    let whole = small(1);
    let lines: Vec<&str> = whole.lines().collect();
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        joined(&lines)
    };
    assert_eq!(first(&without(3)), kind("missing", 4, 5), "deletion");
    assert_eq!(first(&without(0)), kind("not_started", 1, 2), "deletion of the start");
    assert_eq!(
        first(&whole.replacen("\"tool\":\"code_edit\"", "\"tool\":\"code_read\"", 1)),
        kind("changed", 2, 2)
    );
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    assert_eq!(first(&joined(&swapped)), kind("missing", 3, 4), "swap");
    let mut twice = lines.clone();
    twice.insert(4, lines[3]);
    assert_eq!(first(&joined(&twice)), kind("repeated", 5, 4), "insertion");
    let forged = lines[3].replace("\"seq\":4", "\"seq\":5");
    let mut inserted = lines.clone();
    inserted.insert(4, &forged);
    assert_eq!(first(&joined(&inserted)), kind("changed", 5, 5), "insertion of a forged record");
    let cut = whole.split_at(whole.len() - 20).0;
    assert_eq!(first(cut).0, "malformed", "truncation inside a record");
    let restarted = [whole.as_str(), &joined(&lines[..3])].concat();
    assert_eq!(first(&restarted), kind("repeated", 9, 1), "restart under the same id");
    let after = joined(&[&lines[..], &[&lines[4].replace("\"seq\":5", "\"seq\":9")]].concat());
    assert_eq!(first(&after), kind("after_end", 9, 9), "a record after the end");
}

#[test]
fn streams_that_were_mixed_or_spliced_are_seen() {
    let (one, two) = (small(1), small(2));
    let renamed = two.replace(&"02".repeat(16), &"01".repeat(16));
    let merged = [one.as_str(), &renamed].concat();
    assert_eq!(first(&merged), kind("repeated", 9, 1), "two streams under one id");
    let spliced: Vec<&str> = one.lines().take(4).chain(renamed.lines().skip(4)).collect();
    assert_eq!(first(&joined(&spliced)), kind("changed", 5, 5));
    // A stream by somebody with another key, and one without any.
    let mut forged = String::new();
    let mut maker = Maker::start(&mut forged, 3, Seal::Keyed(key(ENVIRONMENT[1].1)), Outlet::Log, &[]);
    maker.call(&mut forged, Call::default());
    assert_eq!(found(&forged, &[]), (Some(2), Some(kind("unknown_key", 1, 1)), 1), "said once for a stream");
    let mut forged = String::new();
    Maker::start(&mut forged, 3, Seal::Plain, Outlet::Log, &[]);
    assert_eq!(first(&forged), kind("unkeyed", 1, 1));
    let alone = audit_of(&forged, &["verify", "-"]);
    assert_eq!(alone.code, Some(0));
    assert!(alone.stdout.contains("without a key: whoever can write the files"), "{}", alone.stdout);
}

#[test]
fn an_end_that_was_cut_off_is_seen_by_what_others_say() {
    let mut one = String::new();
    let mut first_vm = Maker::start(&mut one, 1, keyed(), Outlet::Log, &[]);
    for _ in 0..4 {
        first_vm.call(&mut one, Call::default());
    }
    let mut two = String::new();
    Maker::start(&mut two, 2, keyed(), Outlet::Log, &[first_vm.chain.head()]).end(&mut two);
    assert_eq!(found(&[one.as_str(), &two].concat(), &[]), (Some(0), None, 0), "open, and whole");
    assert_eq!(found(&[one.as_str(), &two].concat(), &["--complete"]).1.unwrap().0, "no_end");
    let lines: Vec<&str> = one.lines().collect();
    let cut = [joined(&lines[..3]), two.clone()].concat();
    assert_eq!(found(&cut, &[]).1, Some(("truncated".to_owned(), Value::Null, json!(3))));
    assert_eq!(
        found(&two, &[]).1,
        Some(("truncated".to_owned(), Value::Null, json!(0))),
        "all of it is gone"
    );
    assert_eq!(found(&two, &["--partial"]), (Some(0), None, 0));
}

#[test]
fn a_batch_that_a_collector_got_twice_counts_once() {
    let trail = |outlet| {
        let mut out = String::new();
        let mut maker = Maker::start(&mut out, 1, keyed(), outlet, &[]);
        (0..6).for_each(|_| maker.call(&mut out, Call::default()));
        out
    };
    let twice = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        joined(&[&lines[..5], &lines[2..5], &lines[5..]].concat())
    };
    let collected = twice(&trail(Outlet::Collector));
    assert_eq!(found(&collected, &[]), (Some(0), None, 0));
    let said = audit_of(&collected, &["verify", "-", "--key-env", "AUDIT_KEY"]);
    assert!(said.stdout.contains("records 1 to 7, open, 3 came twice"), "{}", said.stdout);
    let report = audit_of(&collected, &["report", "-", "--key-env", "AUDIT_KEY", "--json"]).json();
    assert_eq!(report["sections"]["decisions"]["rows"][1], json!({ "name": "allowed", "count": 6 }));
    let at = collected.rfind("\"seq\":4").unwrap();
    let (head, tail) = collected.split_at(at);
    let changed = [head, &tail.replacen("code_edit", "code_read", 1)].concat();
    assert_eq!(found(&changed, &[]).1, Some(kind("repeated", 7, 4)), "a copy is one to the byte");
    assert_eq!(first(&twice(&trail(Outlet::Log))), kind("repeated", 6, 3), "a log has each line once");
}

#[test]
fn an_earlier_run_bears_witness_to_how_far_streams_had_come() {
    let mut out = String::new();
    let mut maker = Maker::start(&mut out, 1, keyed(), Outlet::Log, &[]);
    maker.call(&mut out, Call::default());
    maker.call(&mut out, Call::default());
    let earlier = audit_of(&out, &["verify", "-", "--key-env", "AUDIT_KEY", "--json"]).stdout;
    let (_folder, anchor) = written(&earlier);
    assert_eq!(found(&out, &["--anchor", &anchor]), (Some(0), None, 0));
    let lines: Vec<&str> = out.lines().collect();
    let cut = joined(&lines[..2]);
    assert_eq!(found(&cut, &[]).2, 0, "a stream alone does not show it");
    assert_eq!(found(&cut, &["--anchor", &anchor]).1, Some(("truncated".to_owned(), Value::Null, json!(2))));
    let (_folder, other) = written("{}");
    assert_eq!(audit_of(&out, &["verify", "-", "--anchor", &other]).code, Some(2));
}

#[test]
fn a_part_of_a_trail_is_verified_from_its_first_record_on() {
    let whole = small(1);
    let lines: Vec<&str> = whole.lines().collect();
    let part = joined(&lines[2..6]);
    assert_eq!(first(&part), kind("not_started", 1, 3));
    assert_eq!(found(&part, &["--partial"]), (Some(0), None, 0));
    let changed = part.replacen("code_edit", "code_read", 1);
    assert_eq!(found(&changed, &["--partial"]), (Some(2), Some(kind("unknown_key", 1, 3)), 1));
    let later = part.replacen("code_edit", "code_read", 2);
    assert_eq!(found(&later, &["--partial"]).2, 1, "nothing is certain before a record that is");
    let last = [lines[2], &lines[3].replace("code_edit", "code_read"), lines[4]];
    assert_eq!(found(&joined(&last), &["--partial"]).1, Some(kind("changed", 2, 4)));
    let keyless = audit_of(&part, &["verify", "-", "--partial"]);
    assert!(
        keyless.stdout.contains("sealed under no key that was given")
            && keyless.stdout.contains("1 finding.")
    );
    let missing = joined(&[lines[2], lines[4]]);
    assert_eq!(found(&missing, &["--partial"]).1, Some(kind("missing", 2, 5)));
}

#[test]
fn keys_may_be_handed_over_and_gaps_are_told() {
    let mut out = String::new();
    let mut maker = Maker::start(&mut out, 1, keyed(), Outlet::Collector, &[]);
    maker.call(&mut out, Call::default());
    maker.gap(&mut out, 12);
    maker.hand_over(&mut out, ENVIRONMENT[1].1);
    maker.call(&mut out, Call::default());
    maker.end(&mut out);
    let both = ["verify", "-", "--key-env", "AUDIT_KEY", "--key-env", "AUDIT_NEXT", "--complete"];
    let said = audit_of(&out, &both);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout.contains("12 lost in 1 gaps") && said.stdout.contains("it lost 12 records"),
        "{}",
        said.stdout
    );
    assert_eq!(found(&out, &[]).1, Some(kind("unknown_key", 5, 5)));
}

#[test]
fn single_bytes_of_a_thousand_records_are_edited_and_every_edit_is_found() {
    let mut whole = String::new();
    week(1_000, |lines| whole.push_str(lines));
    let lines: Vec<&str> = whole.lines().collect();
    let mut dice = Dice::new(4);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    // One file with an edit in every tenth record: each must be named at its line.
    for round in 0..10 {
        let mut expected = Vec::new();
        let mut text = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let mut bytes = line.as_bytes().to_vec();
            if at % 10 == round {
                let place = usize::try_from(dice.roll(bytes.len().try_into().unwrap())).unwrap();
                let flip = 1 << dice.roll(8);
                let edited = bytes[place] ^ flip;
                bytes[place] = if edited == b'\n' { b'x' } else { edited };
                expected.push(json!(at + 1));
            }
            text.extend_from_slice(&bytes);
            text.push(b'\n');
        }
        fs::write(&path, &text).unwrap();
        let said = audit(&["verify", path.to_str().unwrap(), "--key-env", "AUDIT_KEY", "--json"]).json();
        let named: Vec<&Value> =
            said["findings"].as_array().unwrap().iter().map(|one| &one["line"]).collect();
        for line in &expected {
            assert!(named.contains(&line), "an edit of line {line} was not found in round {round}");
        }
    }
}

fn written(text: &str) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn records_are_found_by_what_they_say() {
    let mut out = String::new();
    let mut maker = Maker::start(&mut out, 1, keyed(), Outlet::Log, &[]);
    maker.at(10).call(&mut out, Call::default());
    let denied = Call {
        subject: Some("bob"),
        tool: Some("table_delete"),
        decision: "deny",
        reason: "deny_rule",
        rule: Some("no-delete"),
        ..Call::default()
    };
    maker.at(20).call(&mut out, denied);
    maker.at(30).call(&mut out, Call { reason: "expired", decision: "deny", rule: None, ..Call::default() });
    let (_folder, path) = written(&out);
    let count = |more: &[&str]| {
        let said = audit(&[&["query", &path, "--json"], more].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        said.stdout.lines().count()
    };
    for (arguments, expected) in [
        (vec![], 4),
        (vec!["--decision", "deny"], 2),
        (vec!["--principal", "bob"], 1),
        (vec!["--principal", "bob", "--principal", "ali*"], 2),
        (vec!["--tool", "*_delete"], 1),
        (vec!["--rule", "no-delete", "--server", "everything"], 1),
        (vec!["--rule", "no-delete", "--server", "other"], 0),
        (vec!["--kind", "authentication"], 1),
        (vec!["--kind", "decision", "--kind", "start"], 3),
        (vec!["--reason", "expired"], 1),
        (vec!["--text", "table_"], 1),
        (vec!["--from", "2026-11-16T00:00:20Z"], 2),
        (vec!["--from", "2026-11-16", "--to", "2026-11-16T00:00:20Z"], 2),
        (vec!["--limit", "1"], 1),
    ] {
        assert_eq!(count(&arguments), expected, "{arguments:?}");
    }
    let typo = audit(&["query", &path, "--kind", "decisions"]);
    assert_eq!(typo.code, Some(64));
    assert!(typo.stderr.contains("did you mean `decision`?"), "{}", typo.stderr);
}

#[test]
fn records_are_shown_as_tables_and_in_the_words_of_others() {
    let mut out = String::new();
    let mut maker = Maker::start(&mut out, 1, keyed(), Outlet::Log, &[]);
    maker.call(&mut out, Call { tool: Some("=cmd()\u{1b}[31m"), ..Call::default() });
    let (_folder, path) = written(&out);
    let shown = |more: &[&str]| audit(&[&["query", &path, "--kind", "decision"], more].concat()).stdout;
    assert!(!shown(&[]).contains('\u{1b}') && shown(&[]).contains("allow"), "{}", shown(&[]));
    let csv = shown(&["--output", "csv"]);
    assert!(csv.contains(",\"'=cmd()") && csv.starts_with("time,kind,decision"), "{csv}");
    let ocsf: Value = serde_json::from_str(&shown(&["--format", "ocsf"])).unwrap();
    assert_eq!((&ocsf["class_uid"], &ocsf["actor"]["user"]["uid"]), (&json!(6003), &json!("alice")));
    let ecs: Value = serde_json::from_str(&shown(&["--format", "ecs"])).unwrap();
    assert_eq!(ecs["event"]["type"], json!(["access", "allowed"]));
}

#[test]
fn with_a_key_only_genuine_records_are_shown() {
    let changed = small(1).replacen("alice", "mallo", 1);
    let (_folder, path) = written(&changed);
    let said = audit(&["query", &path, "--kind", "decision", "--json", "--key-env", "AUDIT_KEY"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(!said.stdout.contains("mallo") && said.stdout.lines().count() == 4, "{}", said.stdout);
    assert!(said.stderr.contains("changed") && said.stderr.contains(":2:"), "{}", said.stderr);
}

#[test]
fn what_is_added_is_shown_while_one_follows() {
    use std::io::{BufRead, BufReader};
    let (_folder, path) = written(&small(1));
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .args(["audit", "query", &path, "--follow", "--kind", "decision", "--json", "--limit", "6"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let head: Vec<String> = lines.by_ref().take(5).map(Result::unwrap).collect();
    assert!(head[4].contains("\"seq\":6"), "{head:?}");
    let second = small(2);
    // A line may come in two parts.
    let (half, rest) = second.split_at(second.find("\"seq\":2").unwrap());
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(half.as_bytes()).unwrap();
    file.write_all(rest.as_bytes()).unwrap();
    assert!(lines.next().unwrap().unwrap().contains("02020202"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A folder of archives of one long stream, in two steps; and what is not in it yet.
fn archived() -> (TempDir, PathBuf, String) {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut out = String::new();
    let mut maker = Maker::start(&mut out, 1, keyed(), Outlet::Log, &[]);
    maker.call(&mut out, Call::default());
    maker.checkpoint(&mut out, &[]);
    maker.call(&mut out, Call::default());
    fs::write(path("one.log"), &out).unwrap();
    out.clear();
    maker.call(&mut out, Call::default());
    maker.checkpoint(&mut out, &[]);
    maker.call(&mut out, Call::default());
    fs::write(path("two.log"), &out).unwrap();
    let archive = |files: &[&str], rest: &str| {
        let to = path("kept");
        let more = ["--out", &to, "--rest", rest, "--key-env", "AUDIT_KEY", "--json"];
        let said = audit(&[&["archive"], files, &more].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        (said.json()["records"].clone(), said.json()["rest"].clone())
    };
    let (one, two, rest) = (path("one.log"), path("two.log"), path("rest.log"));
    assert_eq!(archive(&[&one], &rest), (json!(3), json!(1)), "cut at the checkpoint");
    let last = path("last.log");
    assert_eq!(archive(&[&rest, &two], &last), (json!(3), json!(1)));
    let kept = folder.path().join("kept");
    (folder, kept, last)
}

#[test]
fn archives_are_cut_at_checkpoints_and_what_follows_is_verified_by_their_manifests() {
    let (_folder, kept, last) = archived();
    let kept = kept.to_str().unwrap();
    let verify = |more: &[&str]| audit(&[&["verify", "--key-env", "AUDIT_KEY", "--json"], more].concat());
    assert_eq!(verify(&[&last]).json()["findings"][0]["kind"], json!("not_started"));
    let said = verify(&[&last, "--archive", kept]);
    assert_eq!((said.code, &said.json()["streams"][0]["begins"]), (Some(0), &json!("archive")), "{said:?}");
    // The archives are ordinary trails too.
    let one = format!("{kept}/audit-000001-2026-11-16.jsonl.gz");
    let two = format!("{kept}/audit-000002-2026-11-16.jsonl.gz");
    assert_eq!(verify(&[&one, &two, &last]).code, Some(0));
    // Nothing need have been written since.
    assert_eq!(verify(&["--archive", kept]).code, Some(0));
    let none = TempDir::new().unwrap();
    assert_eq!(verify(&["--archive", none.path().to_str().unwrap()]).code, Some(2));
    let text = fs::read_to_string(&last).unwrap();
    fs::write(&last, text.replace("\"seq\":7", "\"seq\":8")).unwrap();
    assert_eq!(verify(&[&last, "--archive", kept]).code, Some(2));
}

#[test]
fn archives_cannot_be_changed_or_left_out() {
    let (_folder, kept, last) = archived();
    let file = |name: &str| kept.join(format!("audit-{name}"));
    let verify = || audit(&["verify", &last, "--key-env", "AUDIT_KEY", "--archive", kept.to_str().unwrap()]);
    let packed = file("000001-2026-11-16.jsonl.gz");
    let bytes = fs::read(&packed).unwrap();
    fs::write(&packed, [bytes.as_slice(), b"x"].concat()).unwrap();
    assert!(verify().stdout.contains("archive_changed"), "{:?}", verify());
    fs::remove_file(&packed).unwrap();
    assert!(verify().stderr.contains("is not there, and was not pruned"), "{:?}", verify());
    fs::write(&packed, bytes).unwrap();
    assert_eq!(verify().code, Some(0));
    let manifest = file("000001-2026-11-16.manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"records\":3", "\"records\":2")).unwrap();
    assert!(verify().stderr.contains("it is not what was sealed"), "{:?}", verify());
    fs::remove_file(&manifest).unwrap();
    assert!(verify().stderr.contains("number 1 is due"), "{:?}", verify());
}

#[test]
fn a_trail_with_a_fault_or_without_a_record_is_not_put_away() {
    for (text, fault) in
        [(small(1).replacen("alice", "mallo", 1), "changed"), ("junk\n".to_owned(), "no record")]
    {
        let (folder, path) = written(&text);
        let (to, rest) = (folder.path().join("kept"), folder.path().join("rest"));
        let places = ["--out", to.to_str().unwrap(), "--rest", rest.to_str().unwrap()];
        let said = audit(&[&["archive", &path, "--key-env", "AUDIT_KEY"], &places[..]].concat());
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains("the trail has a fault") && said.stderr.contains(fault), "{said:?}");
        assert!(fs::read_dir(&to).unwrap().count() == 0 && !rest.exists(), "{said:?}");
    }
}

#[test]
fn old_archives_are_removed_and_the_rest_is_still_verified() {
    let (_folder, kept, last) = archived();
    let kept = kept.to_str().unwrap();
    let prune = |keep: &str, more: &[&str]| {
        let said =
            audit(&[&["prune", kept, "--keep", keep, "--key-env", "AUDIT_KEY", "--json"], more].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        said.json()["pruned"].as_array().unwrap().len()
    };
    // The records are of a fixed day.
    assert_eq!(prune("36500d", &[]), 0);
    assert_eq!(prune("0s", &["--dry-run"]), 2);
    assert_eq!(prune("0s", &[]), 2);
    assert_eq!(prune("0s", &[]), 0, "once");
    let said = audit(&["verify", &last, "--key-env", "AUDIT_KEY", "--archive", kept, "--json"]);
    assert_eq!(
        (said.code, &said.json()["archives"]),
        (Some(0), &json!({ "here": 0, "pruned": 2 })),
        "{said:?}"
    );
}

#[test]
fn the_name_of_a_key_is_asked_for_and_never_the_key() {
    let secret = "not-a-name: the key itself, by mistake";
    let said = audit(&["verify", "-", "--key-env", secret]);
    assert_eq!(said.code, Some(64));
    assert!(!said.stderr.contains("by mistake"), "{said:?}");
    assert_eq!(run(&["audit", "verify", "-", "--key-env", "NO_SUCH_VARIABLE"]).code, Some(1));
}
