// SPDX-License-Identifier: Apache-2.0
//! What became of the mutants: remembered between runs, and told at the end.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::list::Mutant;
use crate::run::Met;

/// What became of a mutant.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// A test failed.
    Caught,
    /// A test did not end.
    TimedOut,
    /// It is no program.
    Unviable,
    /// All tests that reach it pass: so many.
    Missed(usize),
}

impl From<Met> for Verdict {
    fn from(met: Met) -> Self {
        match met {
            Met::Caught => Self::Caught,
            Met::TimedOut => Self::TimedOut,
            Met::Missed(tests) => Self::Missed(tests),
        }
    }
}

/// A verdict, and the text for which it holds.
#[derive(Deserialize, Serialize)]
struct Entry {
    name: String,
    text: u64,
    verdict: Verdict,
}

/// The verdicts of earlier runs over the same text of a mutant's file, and those of this one.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    known: BTreeMap<(String, u64), Verdict>,
}

impl Book {
    /// Opens the book; a fresh one forgets.
    pub(crate) fn open(path: &Path, fresh: bool) -> Result<Self> {
        if fresh && path.exists() {
            fs::remove_file(path)?;
        }
        let text = fs::read_to_string(path).unwrap_or_default();
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok());
        let known = entries.map(|entry| ((entry.name, entry.text), entry.verdict)).collect();
        Ok(Self { path: path.to_owned(), known })
    }

    /// What is known of a mutant in that text. A survivor is met again: there may be a test now.
    pub(crate) fn known(&self, mutant: &Mutant, text: u64) -> Option<Verdict> {
        let verdict = self.known.get(&(mutant.name.clone(), text)).copied();
        verdict.filter(|verdict| !matches!(verdict, Verdict::Missed(_)))
    }

    /// Writes a verdict down.
    pub(crate) fn write(&self, mutant: &Mutant, text: u64, verdict: Verdict) -> Result<()> {
        let entry = Entry { name: mutant.name.clone(), text, verdict };
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        // In one piece: several are written at a time.
        Ok(file.write_all(format!("{}\n", serde_json::to_string(&entry)?).as_bytes())?)
    }
}

/// The mark of a text.
pub(crate) fn mark(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A table of the rooms, and the survivors.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rooms: BTreeMap<String, Row>,
    /// The mutants that no test noticed.
    pub(crate) survivors: Vec<String>,
}

#[derive(Debug, Default)]
struct Row {
    caught: usize,
    timed_out: usize,
    unviable: usize,
    missed: usize,
}

impl Report {
    pub(crate) fn add(&mut self, mutant: &Mutant, verdict: Verdict) {
        let row = self.rooms.entry(mutant.room().to_owned()).or_default();
        match verdict {
            Verdict::Caught => row.caught += 1,
            Verdict::TimedOut => row.timed_out += 1,
            Verdict::Unviable => row.unviable += 1,
            Verdict::Missed(tests) => {
                row.missed += 1;
                self.survivors.push(match tests {
                    0 => format!("{} (no test reaches it)", mutant.name),
                    _ => format!("{} ({tests} tests reach it)", mutant.name),
                });
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| room | mutants | caught | did not end | do not compile | survivors |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        let mut all = String::new();
        let mut sum = Row::default();
        for (room, row) in &self.rooms {
            writeln!(all, "| `{room}` {row}")?;
            sum.caught += row.caught;
            sum.timed_out += row.timed_out;
            sum.unviable += row.unviable;
            sum.missed += row.missed;
        }
        write!(f, "{all}| all {sum}")
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caught, timed_out, unviable, missed } = self;
        let mutants = caught + timed_out + unviable + missed;
        write!(f, "| {mutants} | {caught} | {timed_out} | {unviable} | {missed} |")
    }
}
