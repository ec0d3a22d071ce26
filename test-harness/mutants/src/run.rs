// SPDX-License-Identifier: Apache-2.0
//! Tests met by mutants: first which test reaches which mutant, then each mutant with the tests that reach it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A mutant may allocate without end: what a test may have, in KiB.
const MEMORY: &str = "ulimit -v 4194304; exec \"$0\" \"$@\"";
/// What a batch of tests may take longer than without a mutant before it counts as endless.
const PATIENCE: u32 = 10;
const LEAST_PATIENCE: Duration = Duration::from_secs(10);
/// Batches of the tests that reach a mutant, from the cheapest, by what they take together.
const BATCHES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(600), Duration::from_millis(3000), Duration::MAX];

/// A test, alone and without a mutant.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) took: Duration,
    pub(crate) reached: BTreeSet<u32>,
}

/// How a mutant met its tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    Caught,
    TimedOut,
    /// By that many tests.
    Missed(usize),
}

enum Ended {
    Well,
    Badly,
    Never,
}

/// A test program and where it runs.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) jobs: usize,
}

impl Program {
    /// Runs every test by itself, and takes down what it reaches. `notes` is a folder for that.
    pub(crate) fn baseline(&self, notes: &Path) -> Result<Vec<Test>> {
        fs::create_dir_all(notes)?;
        let listed = Command::new(&self.path).args(["--list", "--format", "terse"]).output()?;
        let listed = String::from_utf8(listed.stdout)?;
        let ignored = Command::new(&self.path).args(["--list", "--format", "terse", "--ignored"]).output()?;
        let ignored = String::from_utf8(ignored.stdout)?;
        let names = |text: &str| {
            text.lines().filter_map(|line| line.strip_suffix(": test").map(str::to_owned)).collect()
        };
        let ignored: BTreeSet<String> = names(&ignored);
        let names: BTreeSet<String> = names(&listed);
        let names: Vec<String> = names.difference(&ignored).cloned().collect();
        let tests = self.each(&names, |at, name| self.alone(name, &notes.join(at.to_string())))?;
        tests.into_iter().collect()
    }

    fn alone(&self, name: &str, notes: &Path) -> Result<Test> {
        let _ = fs::remove_file(notes);
        let began = Instant::now();
        let ended = self.run(
            &[name],
            ("TOOLGATE_MUTANT_REACHED", &notes.to_string_lossy()),
            Duration::from_secs(600),
        )?;
        let took = began.elapsed();
        if !matches!(ended, Ended::Well) {
            bail!("{name} does not pass without a mutant: mend it first");
        }
        let reached = fs::read_to_string(notes).unwrap_or_default();
        let reached = reached
            .lines()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .context("notes of a test are damaged")?;
        Ok(Test { name: name.to_owned(), took, reached })
    }

    /// Meets each mutant with its tests; `tell` hears of each as soon as it is known.
    pub(crate) fn meet(
        &self,
        ids: &[u32],
        tests: &[Test],
        tell: impl Fn(u32, Met) -> Result<()> + Sync,
    ) -> Result<Vec<Met>> {
        let all = self.each(ids, |_, id| {
            let met = self.one(*id, tests)?;
            tell(*id, met).map(|()| met)
        })?;
        all.into_iter().collect()
    }

    fn one(&self, id: u32, tests: &[Test]) -> Result<Met> {
        let reaching = tests.iter().filter(|test| test.reached.contains(&id)).collect();
        self.cheapest_first(reaching, ("TOOLGATE_MUTANT", &id.to_string()))
    }

    /// Meets what was built with all tests.
    pub(crate) fn all(&self, tests: &[Test]) -> Result<Met> {
        self.cheapest_first(tests.iter().collect(), ("TOOLGATE_MUTANT", "0"))
    }

    fn cheapest_first(&self, mut tests: Vec<&Test>, switch: (&str, &str)) -> Result<Met> {
        tests.sort_by_key(|test| test.took);
        let missed = Met::Missed(tests.len());
        let mut rest = tests.into_iter().peekable();
        for limit in BATCHES {
            let (mut batch, mut together) = (Vec::new(), Duration::ZERO);
            while let Some(test) = rest.next_if(|test| together.saturating_add(test.took) <= limit) {
                together += test.took;
                batch.push(test.name.as_str());
            }
            if batch.is_empty() {
                continue;
            }
            let patience = LEAST_PATIENCE + together * PATIENCE;
            match self.run(&batch, switch, patience)? {
                Ended::Well => {}
                Ended::Badly => return Ok(Met::Caught),
                Ended::Never => return Ok(Met::TimedOut),
            }
        }
        Ok(missed)
    }

    fn run(&self, tests: &[&str], switch: (&str, &str), patience: Duration) -> Result<Ended> {
        let mut child = Command::new("sh")
            .args(["-c", MEMORY])
            .arg(&self.path)
            .args(["--test-threads=1", "--exact"])
            .args(tests)
            .current_dir(&self.folder)
            .env(switch.0, switch.1)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the test program cannot be started")?;
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(if status.success() { Ended::Well } else { Ended::Badly });
            }
            if began.elapsed() > patience {
                child.kill()?;
                child.wait()?;
                return Ok(Ended::Never);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Does something with each, as many at a time as there are jobs; the answers are in the order of what was given.
    fn each<T: Sync, A: Send>(&self, all: &[T], work: impl Fn(usize, &T) -> A + Sync) -> Result<Vec<A>> {
        let next = AtomicUsize::new(0);
        let answers = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(one) = all.get(at) else { break };
                        let answer = work(at, one);
                        if let Ok(mut answers) = answers.lock() {
                            answers.push((at, answer));
                        }
                    }
                });
            }
        });
        let mut answers = answers.into_inner().ok().context("a worker ended early")?;
        answers.sort_by_key(|(at, _)| *at);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }
}
