// SPDX-License-Identifier: Apache-2.0
//! The JSON Schema Test Suite against the part of JSON Schema that the gate checks arguments by.
//!
//! Every case agrees, or stands in `data/schema_suite.json` with its reason, which is checked too; an entry that is of no
//! use any more is a fault. The suite is fetched: `make test-schema`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says what it has counted"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use toolgate_engine::json::{Doc, Limits, Value};
use toolgate_engine::schema::{Schema, SchemaError};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The two dialects that the compiler reads.
const DRAFTS: [&str; 2] = ["draft2020-12", "draft7"];

/// Reasons by `DRAFT/FILE` and then by group: `unsupported: KEYWORD`, `refused: WHY`; or by group and case, with ` / `
/// between: `differs: WHY`. `*` stands for every case of a file.
type Exclusions = BTreeMap<String, BTreeMap<String, String>>;

/// What became of the cases.
#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    agree: usize,
    unsupported: usize,
    refused: usize,
    differ: usize,
    wrong: Vec<String>,
}

fn suite() -> PathBuf {
    let folder = std::env::var_os("TOOLGATE_SCHEMA_SUITE").map(PathBuf::from);
    folder.unwrap_or_else(|| PathBuf::from(format!("{ROOT}/../target/schema-suite")))
}

/// The text of each file of a draft, those of `optional` with it.
fn files(draft: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["", "/optional", "/optional/format"] {
        let path = suite().join("tests").join(format!("{draft}{folder}"));
        let entries = fs::read_dir(&path).unwrap_or_else(|error| {
            panic!("`{}` cannot be read ({error}): run test-harness/fetch-schema-suite", path.display())
        });
        for entry in entries.map(|entry| entry.unwrap().path()) {
            if entry.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let name = entry.file_name().unwrap().to_str().unwrap();
            found.push((format!("{draft}{folder}/{name}"), fs::read_to_string(&entry).unwrap()));
        }
    }
    found.sort_by(|(one, _), (two, _)| one.cmp(two));
    found
}

fn word(error: SchemaError) -> &'static str {
    match error {
        SchemaError::Malformed(keyword) => keyword,
        SchemaError::TooLarge => "too large",
        SchemaError::BadReference => "reference",
    }
}

fn text(value: Value<'_>, name: &str) -> String {
    value.get(name).and_then(|text| text.as_str()).expect(name).into_owned()
}

fn judge(
    (file, group): (&str, Value<'_>),
    reasons: &BTreeMap<String, String>,
    used: &mut BTreeSet<String>,
    tally: &mut Tally,
) {
    let mut excluded = |key: &str| {
        // One reason for a whole file, or one of its own.
        let key = if reasons.contains_key("*") { "*" } else { key };
        let reason = reasons.get(key)?;
        used.insert(format!("{file}: {key}"));
        Some(reason)
    };
    let name = &text(group, "description");
    let tests = group.get("tests").expect("tests");
    tally.cases += tests.items().count();
    let schema = match Schema::compile(group.get("schema").expect("a schema")) {
        Ok(schema) => schema,
        Err(error) => {
            let why = format!("refused: {}", word(error));
            tally.refused += tests.items().count();
            if excluded(name) != Some(&why) {
                tally.wrong.push(format!("{file}: {name}: {why}"));
            }
            return;
        }
    };
    let weaker = !schema.unsupported().is_empty();
    if weaker {
        let why = format!("unsupported: {}", schema.unsupported().join(" "));
        if excluded(name) != Some(&why) {
            tally.wrong.push(format!("{file}: {name}: {why}"));
        }
    }
    for case in tests.items() {
        let got = schema.check(case.get("data").expect("data")).is_ok();
        if Some(got) == case.get("valid").and_then(|valid| valid.as_bool()) {
            tally.agree += 1;
        } else if weaker && got {
            // What is left out lets more pass, never less.
            tally.unsupported += 1;
        } else {
            tally.differ += 1;
            let key = format!("{name} / {}", text(case, "description"));
            if excluded(&key).is_none_or(|why| !why.starts_with("differs: ") || why.len() < 20) {
                tally.wrong.push(format!("{file}: {key}: differs: says {got}"));
            }
        }
    }
}

#[test]
#[ignore = "needs the suite, which is fetched: make test-schema"]
fn every_case_agrees_or_has_its_reason() {
    let text = fs::read_to_string(format!("{ROOT}/tests/data/schema_suite.json")).unwrap();
    let exclusions: Exclusions = serde_json::from_str(&text).unwrap();
    let mut used = BTreeSet::new();
    let none = BTreeMap::new();
    let mut wrong = Vec::new();
    for draft in DRAFTS {
        let mut tally = Tally::default();
        for (file, text) in files(draft) {
            let doc =
                Doc::parse(text.as_bytes(), Limits::CONFIG).unwrap_or_else(|error| panic!("{file}: {error}"));
            let reasons = exclusions.get(&file).unwrap_or(&none);
            doc.root().items().for_each(|group| judge((&file, group), reasons, &mut used, &mut tally));
        }
        let Tally { cases, agree, unsupported, refused, differ, .. } = tally;
        println!(
            "{draft}: {cases} cases: {agree} agree, {unsupported} pass for want of a keyword that is reported, \
             {refused} of schemas that are refused, {differ} differ"
        );
        assert_eq!(cases, agree + unsupported + refused + differ, "every case is counted");
        assert!(cases > 900, "{draft} has {cases} cases only");
        wrong.extend(tally.wrong);
    }
    let all = exclusions.iter().flat_map(|(file, own)| own.keys().map(move |key| format!("{file}: {key}")));
    wrong.extend(all.filter(|key| !used.contains(key)).map(|key| format!("{key}: of no use any more")));
    assert!(wrong.is_empty(), "{} are not as listed:\n{}", wrong.len(), wrong.join("\n"));
}
