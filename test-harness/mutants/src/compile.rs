// SPDX-License-Identifier: Apache-2.0
//! The copy, compiled until it compiles: what the compiler refuses leads back to the mutant that caused it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::edit::Region;

/// What of a compilation is needed.
#[derive(Debug)]
pub(crate) enum Compiled {
    /// The test program.
    Program(PathBuf),
    /// Mutants that are in the way.
    Refused(Refused),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    /// No program: with another way to build it, it would not compile either.
    pub(crate) unviable: BTreeSet<u32>,
    /// The switch itself may be in the way: constants, loans, moves.
    pub(crate) unswitchable: BTreeSet<u32>,
}

/// What the compiler says of loans, moves, lifetimes and constants: two branches may be more than it allows.
const CAUSED_BY_SWITCHES: [&str; 31] = [
    "E0004", "E0015", "E0381", "E0382", "E0384", "E0499", "E0501", "E0502", "E0503", "E0504", "E0505",
    "E0506", "E0507", "E0508", "E0509", "E0510", "E0515", "E0521", "E0594", "E0595", "E0596", "E0597",
    "E0626", "E0658", "E0700", "E0712", "E0713", "E0716", "E0744", "E0764", "E0010",
];

#[derive(Deserialize)]
struct Line {
    message: Option<Message>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    message: String,
    rendered: Option<String>,
    code: Option<Code>,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    byte_start: usize,
    byte_end: usize,
    is_primary: bool,
    expansion: Option<Box<Expansion>>,
}

#[derive(Deserialize)]
struct Expansion {
    span: Span,
}

impl Span {
    /// Where it is written: a macro's text is elsewhere.
    fn written(&self) -> &Span {
        self.expansion.as_ref().map_or(self, |expansion| expansion.span.written())
    }
}

/// Builds the engine's tests of the copy, with the dependencies that are in `target` already.
pub(crate) fn compile(
    tree: &Path,
    target: &Path,
    regions: &BTreeMap<String, Vec<Region>>,
) -> Result<Compiled> {
    let output = Command::new("cargo")
        .args([
            "test",
            "--locked",
            "--package",
            "toolgate-engine",
            "--lib",
            "--no-run",
            "--message-format",
            "json",
        ])
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "1")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .stderr(Stdio::piped())
        .output()
        .context("cargo cannot be started")?;
    let lines = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    let (mut program, mut refused) = (None, Refused::default());
    let mut foreign = String::new();
    for line in lines {
        program = line.executable.or(program);
        let Some(message) =
            line.message.filter(|message| message.level == "error" && !message.spans.is_empty())
        else {
            continue;
        };
        if !blame(&message, regions, &mut refused) {
            foreign.push_str(message.rendered.as_deref().unwrap_or_default());
        }
    }
    refused.unviable.retain(|id| !refused.unswitchable.contains(id));
    match program.filter(|_| output.status.success()) {
        Some(program) => Ok(Compiled::Program(program)),
        None if refused != Refused::default() => Ok(Compiled::Refused(refused)),
        // Without switches, errors are the mutant's.
        None if regions.is_empty() && !foreign.is_empty() => Ok(Compiled::Refused(refused)),
        None => bail!("the copy does not compile:\n{foreign}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Whether the message leads to a mutant.
fn blame(message: &Message, regions: &BTreeMap<String, Vec<Region>>, refused: &mut Refused) -> bool {
    let code = message.code.as_ref().map(|code| code.code.as_str());
    // What is not in scope has no code if it is a macro; lifetimes that are too short never have one.
    let by_switch =
        code.map_or(!message.message.starts_with("cannot find"), |code| CAUSED_BY_SWITCHES.contains(&code));
    let found = |primary: bool, place: fn(&Region) -> &std::ops::Range<usize>| {
        let spans = message.spans.iter().filter(move |span| span.is_primary == primary).map(Span::written);
        spans.filter_map(move |span| {
            let there = regions.get(&span.file_name)?.iter().filter(move |region| {
                place(region).start <= span.byte_start && span.byte_end <= place(region).end
            });
            let narrowest = there.clone().map(|region| place(region).len()).min()?;
            Some(there.filter(move |region| place(region).len() == narrowest).map(|region| region.id))
        })
    };
    let changed: BTreeSet<u32> = found(true, |region| &region.changed).flatten().collect();
    if !changed.is_empty() {
        if by_switch {
            refused.unswitchable.extend(changed)
        } else {
            refused.unviable.extend(changed)
        }
        return true;
    }
    let mut around: BTreeSet<u32> = found(false, |region| &region.changed).flatten().collect();
    if around.is_empty() {
        around = found(true, |region| &region.whole).flatten().collect();
    }
    if around.is_empty() {
        around = found(false, |region| &region.whole).flatten().collect();
    }
    if around.is_empty() && !regions.is_empty() {
        eprintln!("mutants: an error that is in none of them: {}", message.message);
        around = message
            .spans
            .iter()
            .filter(|span| span.is_primary)
            .filter_map(|span| nearest(span.written(), regions))
            .collect();
    }
    refused.unswitchable.extend(&around);
    !around.is_empty()
}

/// What stands last before an error that is in no mutant.
fn nearest(span: &Span, regions: &BTreeMap<String, Vec<Region>>) -> Option<u32> {
    let before = regions.get(&span.file_name)?.iter().filter(|region| region.whole.start <= span.byte_start);
    before.max_by_key(|region| region.whole.start).map(|region| region.id)
}
