// SPDX-License-Identifier: Apache-2.0
//! `make mutants`: would a test notice?
//!
//! What enters: the engine's sources and the mutants that cargo-mutants lists for its deciding rooms. What leaves: for
//! each whether a test fails with it, in `target/mutants`, as a table and as a list of survivors. All mutants are built
//! at once, each behind a switch ([`edit`]), and each meets the tests that reach it ([`run`]).
//! Deliberately absent: mutants of its own, and ways to explain one: `.cargo/mutants.toml` does both.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

mod alone;
mod compile;
mod edit;
mod list;
mod run;
mod site;
#[cfg(test)]
mod tests;
mod tree;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};

use compile::{Compiled, Refused};
use list::Mutant;
use run::{Program, Test};
use verdict::{Book, Report, Verdict};

/// The rooms that decide.
const ROOMS: [&str; 5] = ["token", "policy", "mcp", "flow", "limit"];
const LIB: &str = "engine/src/lib.rs";

fn main() -> ExitCode {
    match Options::read(env::args().skip(1)).and_then(|options| options.all()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutants: {error:#}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    root: PathBuf,
    rooms: Vec<String>,
    fresh: bool,
    jobs: usize,
}

impl Options {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no workspace")?.to_owned();
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self { root, rooms: Vec::new(), fresh: false, jobs };
        for argument in arguments {
            match argument.strip_prefix("--") {
                Some("fresh") => options.fresh = true,
                Some(other) => match other.strip_prefix("jobs=").map(str::parse) {
                    Some(Ok(jobs)) if jobs > 0 => options.jobs = jobs,
                    _ => bail!(
                        "usage: toolgate-mutants [--fresh] [--jobs=N] [ROOM or FILE]..., such as token/verify"
                    ),
                },
                None => options.rooms.push(argument),
            }
        }
        if options.rooms.is_empty() {
            options.rooms = ROOMS.map(str::to_owned).to_vec();
        }
        Ok(options)
    }

    /// Whether there is no survivor.
    fn all(&self) -> Result<bool> {
        list::ensure_installed()?;
        let work = self.root.join("target/mutants");
        fs::create_dir_all(&work)?;
        let mutants = Mutants::read(&self.root, list::of(&self.root, &self.rooms)?)?;
        let book = Book::open(&work.join("verdicts.jsonl"), self.fresh)?;
        println!("{} mutants", mutants.all.len());

        let copy = work.join("switched");
        let (path, refused) = mutants.build(&self.root, &copy)?;
        println!(
            "{} do not compile, {} cannot be switched",
            refused.unviable.len(),
            refused.unswitchable.len()
        );

        let began = Instant::now();
        let program = Program { path, folder: copy.join("engine"), jobs: self.jobs };
        let tests = program.baseline(&work.join("reached"))?;
        println!("{} tests, by themselves, in {} s", tests.len(), began.elapsed().as_secs());

        let verdicts = mutants.judge(&program, &tests, &refused, &book)?;
        println!("met with their tests {} s after the build", began.elapsed().as_secs());
        let report = self.tell(&mutants, verdicts, &tests, &copy, &book)?;
        println!("\n{report}\n");
        fs::write(work.join("survivors.txt"), report.survivors.join("\n"))?;
        report.survivors.iter().for_each(|survivor| println!("{survivor}"));
        Ok(report.survivors.is_empty())
    }

    /// Judges what has no verdict yet alone, and makes the report.
    fn tell(
        &self,
        mutants: &Mutants,
        mut verdicts: BTreeMap<u32, Verdict>,
        tests: &[Test],
        copy: &Path,
        book: &Book,
    ) -> Result<Report> {
        let left: Vec<(u32, &Mutant)> = mutants.ids().filter(|(id, _)| !verdicts.contains_key(id)).collect();
        if !left.is_empty() {
            println!("{} one at a time", left.len());
            mutants.without_switches(copy)?;
        }
        for (id, mutant) in left {
            println!("  {}", mutant.name);
            let source = mutants.sources.get(&mutant.file).context("a mutant without a file")?;
            let verdict = alone::judge(&self.root, copy, (mutant, source), tests)?;
            book.write(mutant, mutants.mark(mutant), verdict)?;
            verdicts.insert(id, verdict);
        }
        let mut report = Report::default();
        for (id, mutant) in mutants.ids() {
            if let Some(verdict) = verdicts.get(&id) {
                report.add(mutant, *verdict);
            }
        }
        Ok(report)
    }
}

/// The mutants, whose number is their place, from 1; and the text of their files.
struct Mutants {
    all: Vec<Mutant>,
    sources: BTreeMap<String, String>,
    lib: String,
}

impl Mutants {
    fn read(root: &Path, all: Vec<Mutant>) -> Result<Self> {
        let mut sources = BTreeMap::new();
        for mutant in &all {
            if !sources.contains_key(&mutant.file) {
                sources.insert(mutant.file.clone(), fs::read_to_string(root.join(&mutant.file))?);
            }
        }
        Ok(Self { all, sources, lib: fs::read_to_string(root.join(LIB))? })
    }

    fn ids(&self) -> impl Iterator<Item = (u32, &Mutant)> {
        (1..).zip(&self.all)
    }

    fn mutant(&self, id: u32) -> Option<&Mutant> {
        self.all.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    fn mark(&self, mutant: &Mutant) -> u64 {
        self.sources.get(&mutant.file).map_or(0, |text| verdict::mark(text))
    }

    /// Makes the copy what it was: the tree may have changed since.
    fn without_switches(&self, copy: &Path) -> Result<()> {
        for (file, text) in self.sources.iter().chain([(&LIB.to_owned(), &self.lib)]) {
            tree::write(&copy.join(file), text.as_bytes())?;
        }
        Ok(())
    }

    /// Builds the copy with all mutants that can be built, and says which cannot.
    fn build(&self, root: &Path, copy: &Path) -> Result<(PathBuf, Refused)> {
        let mut refused = Refused::default();
        loop {
            let (mut texts, mut regions) = (BTreeMap::new(), BTreeMap::new());
            for (file, source) in &self.sources {
                let out = |id: &u32| refused.unviable.contains(id) || refused.unswitchable.contains(id);
                let here = self.ids().filter(|(id, mutant)| &mutant.file == file && !out(id));
                let edited = edit::edit(source, here).with_context(|| file.clone())?;
                refused.unswitchable.extend(edited.left);
                texts.insert(file.clone(), edited.text);
                regions.insert(file.clone(), edited.regions);
            }
            let text = texts.remove(LIB).unwrap_or_else(|| self.lib.clone());
            texts.insert(
                LIB.to_owned(),
                text.replacen("#![no_std]", "#![no_std]\n#![allow(warnings)]", 1) + "\nmod mutant;\n",
            );
            let count = format!("COUNT: usize = {}", self.all.len() + 1);
            let switch = include_str!("switch.rs.in").replacen("COUNT: usize = 0", &count, 1);
            texts.insert("engine/src/mutant.rs".to_owned(), switch);
            tree::copy(root, copy, &texts)?;
            match compile::compile(copy, &root.join("target"), &regions)? {
                Compiled::Program(path) => return Ok((path, refused)),
                Compiled::Refused(more) => {
                    println!("the compiler refuses {} and {}", more.unviable.len(), more.unswitchable.len());
                    refused.unviable.extend(more.unviable);
                    refused.unswitchable.extend(more.unswitchable);
                }
            }
        }
    }

    /// Meets the mutants that are in the program with their tests, but for those of which is known what becomes of them.
    fn judge(
        &self,
        program: &Program,
        tests: &[Test],
        refused: &Refused,
        book: &Book,
    ) -> Result<BTreeMap<u32, Verdict>> {
        let mut verdicts: BTreeMap<u32, Verdict> =
            refused.unviable.iter().map(|id| (*id, Verdict::Unviable)).collect();
        for (id, mutant) in self.ids() {
            if let Some(verdict) = book.known(mutant, self.mark(mutant)) {
                verdicts.insert(id, verdict);
            }
        }
        let done: BTreeSet<u32> = verdicts.keys().chain(&refused.unswitchable).copied().collect();
        let open: Vec<u32> = self.ids().map(|(id, _)| id).filter(|id| !done.contains(id)).collect();
        let met = program.meet(&open, tests, |id, met| match self.mutant(id) {
            Some(mutant) => book.write(mutant, self.mark(mutant), Verdict::from(met)),
            None => Ok(()),
        })?;
        verdicts.extend(open.into_iter().zip(met.into_iter().map(Verdict::from)));
        Ok(verdicts)
    }
}
