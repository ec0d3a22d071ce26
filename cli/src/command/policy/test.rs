// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy test`.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    command::Outcome,
    diagnostic::{Exit, Failure},
    out::Out,
    policy::cases::{self, Report, Row, RowOutcome},
};

/// The name of a file of cases.
const CASES: &str = "cases.yaml";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files of cases, or folders that hold a `cases.yaml` or folders with one
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Also say which rules no case decided by
    #[arg(long)]
    coverage: bool,
    /// Fail if there is a rule that no case decided by
    #[arg(long)]
    full_coverage: bool,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let mut files = Vec::new();
    for path in &args.paths {
        find(path, &mut files)?;
    }
    let mut done: Vec<(PathBuf, Report)> = Vec::new();
    for file in files {
        let report = cases::run(&file)?;
        done.push((file, report));
    }
    let all = || done.iter().flat_map(|(_, report)| &report.rows);
    let differed = all().filter(|row| row.outcome == RowOutcome::Differed).count();
    let idle: usize = done.iter().map(|(_, report)| report.coverage.idle.len()).sum();
    let good = differed == 0 && (idle == 0 || !args.full_coverage);
    let answer =
        json!({ "ok": good, "rows": all().count(), "differed": differed, "files": files_json(&done) });
    out.either(&answer, || {
        let mut text = text(&done, all().count(), differed);
        if args.coverage || args.full_coverage {
            text.push_str(&coverage(&done));
        }
        text
    })?;
    Ok(if good { Exit::Success } else { Exit::Refused })
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let unreadable = |error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
    let mut found = vec![path.join(CASES)];
    for entry in fs::read_dir(path).map_err(unreadable)? {
        found.push(entry.map_err(unreadable)?.path().join(CASES));
    }
    found.retain(|file| file.is_file());
    found.sort();
    if found.is_empty() {
        return Err(Failure::new(format!("`{}` holds no `{CASES}`", path.display()))
            .help("name a file of cases, or a folder that holds one"));
    }
    files.append(&mut found);
    Ok(())
}

fn files_json(done: &[(PathBuf, Report)]) -> Vec<Value> {
    let file = |(path, report): &(PathBuf, Report)| {
        let rows: Vec<Value> = report.rows.iter().map(Row::to_json).collect();
        let idle: Vec<&String> = report.coverage.idle.iter().map(|(rule, _)| rule).collect();
        let coverage = json!({ "rules": report.coverage.rules, "idle": idle });
        json!({ "file": path.display().to_string(), "rows": rows, "coverage": coverage })
    };
    done.iter().map(file).collect()
}

/// Only what differs is shown row by row.
fn text(done: &[(PathBuf, Report)], count: usize, differed: usize) -> String {
    let mut text = String::new();
    for (path, report) in done {
        for row in report.rows.iter().filter(|row| row.outcome == RowOutcome::Differed) {
            let line = row.place.as_ref().map_or(0, |place| place.line);
            let _ = writeln!(text, "{}:{line}: {} {}", path.display(), row.who, row.what);
            let _ = writeln!(text, "  expected {}\n  got      {}", row.expected, row.got);
        }
    }
    let _ = match differed {
        0 => writeln!(text, "{count} cases, all as expected"),
        _ => writeln!(text, "{differed} of {count} cases differ"),
    };
    text
}

/// Rules that decided no case, at their lines.
fn coverage(done: &[(PathBuf, Report)]) -> String {
    let mut text = String::new();
    for (path, Report { coverage, .. }) in done {
        let decided = coverage.rules - coverage.idle.len();
        let _ = writeln!(text, "{}: {decided} of {} rules decided a case", path.display(), coverage.rules);
        for (rule, place) in &coverage.idle {
            let place = place.as_ref().map(|place| format!("{}:{}: ", place.file, place.line));
            let _ = writeln!(text, "  {}no case for `{rule}`", place.unwrap_or_default());
        }
    }
    text
}
