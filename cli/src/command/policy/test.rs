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
    policy::cases::{self, Row, RowOutcome},
};

/// The name of a file of cases.
const CASES: &str = "cases.yaml";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files of cases, or folders that hold a `cases.yaml` or folders with one
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let mut files = Vec::new();
    for path in &args.paths {
        find(path, &mut files)?;
    }
    let mut done: Vec<(PathBuf, Vec<Row>)> = Vec::new();
    for file in files {
        let rows = cases::run(&file)?;
        done.push((file, rows));
    }
    let all = || done.iter().flat_map(|(_, rows)| rows);
    let differed = all().filter(|row| row.outcome == RowOutcome::Differed).count();
    let answer = json!({ "ok": differed == 0, "rows": all().count(), "differed": differed, "files": files_json(&done) });
    out.either(&answer, || text(&done, all().count(), differed))?;
    Ok(if differed == 0 { Exit::Success } else { Exit::Refused })
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

fn files_json(done: &[(PathBuf, Vec<Row>)]) -> Vec<Value> {
    let file = |(path, rows): &(PathBuf, Vec<Row>)| {
        let rows: Vec<Value> = rows.iter().map(Row::to_json).collect();
        json!({ "file": path.display().to_string(), "rows": rows })
    };
    done.iter().map(file).collect()
}

/// Only what differs is shown row by row.
fn text(done: &[(PathBuf, Vec<Row>)], count: usize, differed: usize) -> String {
    let mut text = String::new();
    for (path, rows) in done {
        for row in rows.iter().filter(|row| row.outcome == RowOutcome::Differed) {
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
