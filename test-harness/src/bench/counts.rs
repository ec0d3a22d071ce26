//! `toolgate-bench counts`: what a request takes, counted in place of timed.
//!
//! Envoy runs under callgrind, which counts instructions and plays the processor's caches: a first level as that of this
//! machine, and a second one of 512 KiB. So figures are those of a model, and nearly the same on every machine and under
//! any load. Time is made of all of them: where one says that a chain is cheap, another may say why it is dear.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Serialize;

use super::{
    chains::Chain,
    load,
    stage::{self, Props, Sent, Stage},
    tokens::WARM,
};
use crate::paths;

/// What is counted, by the Envoys that run it: under callgrind there is address space for the VMs of a few chains only.
const GROUPS: [&[Chain]; 2] = [
    &[Chain::Bare, Chain::Noop, Chain::Calls, Chain::ToolgatePresence],
    &[
        Chain::Bare,
        Chain::Native,
        Chain::NativeUncached,
        Chain::NativeFull,
        Chain::Toolgate,
        Chain::ToolgateCold,
        Chain::ToolgateFull,
    ],
];
/// What is claimed to be cheaper than what.
const CLAIMS: [(&str, Chain, Chain); 3] = [
    ("warm", Chain::Toolgate, Chain::Native),
    ("cold", Chain::ToolgateCold, Chain::NativeUncached),
    ("full", Chain::ToolgateFull, Chain::NativeFull),
];
/// The second level: bytes, ways, bytes of a line.
const SECOND_LEVEL: &str = "--LL=524288,8,64";
/// V8 compiles each module under callgrind, which takes a minute for each.
const PATIENCE: Duration = Duration::from_secs(3_600);
const WARM_UP: Duration = Duration::from_secs(4);
const TURN: Duration = Duration::from_secs(15);
/// Requests before anything is counted: every token that a cache keeps has come several times, however slow the machine is.
const WARMED: f64 = 5.0 * WARM as f64;
/// Requests that are counted, at least: of fewer each stands for too much.
const COUNTED: f64 = 1_000.0;
/// Turns until there have to be so many.
const TURNS: usize = 20;

/// One turn, or one request of a chain on the average of its turn.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Counts {
    /// Instructions.
    pub instructions: f64,
    /// Lines of code that the first level did not have.
    pub code: f64,
    /// Lines of data, read or written, that the first level did not have.
    pub data: f64,
    /// Lines of code that the second did not have either.
    pub code_beyond: f64,
    /// Lines of data that the second did not have either.
    pub data_beyond: f64,
}

impl Counts {
    const NAMES: [&'static str; 5] = ["instructions", "code", "data", "code beyond", "data beyond"];

    fn each(self) -> [f64; 5] {
        [self.instructions, self.code, self.data, self.code_beyond, self.data_beyond]
    }

    fn of_each(self, work: impl Fn(f64, usize) -> f64) -> Counts {
        let [instructions, code, data, code_beyond, data_beyond] = {
            let each = self.each();
            std::array::from_fn(|at| work(each[at], at))
        };
        Counts { instructions, code, data, code_beyond, data_beyond }
    }

    /// What is above another's.
    fn less(self, other: Counts) -> Counts {
        let other = other.each();
        self.of_each(|count, at| count - other[at])
    }

    /// What one of so many requests takes.
    fn over(self, requests: f64) -> Result<Counts> {
        ensure!(requests > 0.0, "no request was answered");
        Ok(self.of_each(|count, _| count / requests))
    }
}

/// Counts every chain; `say` is told how far it is. Gives a table.
///
/// # Errors
/// If something it needs is missing, or a chain does not judge as it has to.
pub async fn run(say: impl Fn(&str)) -> Result<String> {
    let props = Props::prepare(load::wrk()?, stage::build_noop()?).await?;
    let mut all = Vec::new();
    for group in GROUPS {
        say(&format!("starting Envoy under callgrind with {} chains, which takes minutes", group.len()));
        all.extend(together(&props, group, &say).await?);
    }
    let folder = paths::repository().join("target/bench");
    fs::create_dir_all(&folder)?;
    let named: BTreeMap<_, _> = all.iter().map(|(chain, above)| (chain.name(), above)).collect();
    fs::write(folder.join("counts.json"), serde_json::to_string_pretty(&named)? + "\n")?;
    Ok(table(&all))
}

/// What each chain of one Envoy takes above the first of them, which stands for itself.
async fn together(props: &Props, chains: &[Chain], say: &impl Fn(&str)) -> Result<Vec<(Chain, Counts)>> {
    let out = props.folder().join("callgrind.out");
    let mut stage = Stage::launch(props, chains, 1, 0, callgrind(&out)?, PATIENCE).await?;
    for chain in chains {
        stage.verify(*chain).await?;
    }
    // What Envoy and the filters do without requests: under callgrind there are few of them to share it.
    control(stage.id(), "--zero")?;
    tokio::time::sleep(TURN).await;
    control(stage.id(), "--dump")?;
    let idle = dumped(&out, 1)?;
    let mut all: Vec<(Chain, Counts)> = Vec::with_capacity(chains.len());
    for (at, chain) in chains.iter().copied().enumerate() {
        answered(&mut stage, chain, WARM_UP, WARMED).await?;
        control(stage.id(), "--zero")?;
        let (turns, requests) = answered(&mut stage, chain, TURN, COUNTED).await?;
        control(stage.id(), "--dump")?;
        let own = dumped(&out, at + 2)?.less(idle.of_each(|count, _| count * turns)).over(requests)?;
        let bare = all.first().map(|(_, bare)| *bare);
        all.push((chain, bare.map_or(own, |bare| own.less(bare))));
        say(&format!("counted {}", chain.name()));
    }
    Ok(all)
}

/// Sends until so many requests were answered; in how many turns, and how many there were.
async fn answered(stage: &mut Stage<'_>, chain: Chain, turn: Duration, wanted: f64) -> Result<(f64, f64)> {
    let before = stage.completed(chain).await?;
    let mut turns = 0.0;
    for _ in 0..TURNS {
        stage.measure(chain, Sent::USUAL, turn)?;
        turns += 1.0;
        let requests = stage.completed(chain).await? - before;
        if requests >= wanted {
            return Ok((turns, requests));
        }
    }
    bail!("{}: fewer than {wanted} requests were answered in {TURNS} turns", chain.name())
}

fn callgrind(out: &Path) -> Result<Command> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--cache-sim=yes", SECOND_LEVEL]);
    // Code that V8 makes and moves.
    command.arg("--smc-check=all-non-file").arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(paths::envoy()?);
    Ok(command)
}

fn control(process: u32, what: &str) -> Result<()> {
    let output = Command::new("callgrind_control")
        .args([what, &process.to_string()])
        .output()
        .context("cannot start callgrind_control: install it with `apt-get install valgrind`")?;
    ensure!(
        output.status.success(),
        "callgrind_control failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Reads the dump of this number.
fn dumped(out: &Path, number: usize) -> Result<Counts> {
    let file = out.with_extension(format!("out.{number}"));
    let text = fs::read_to_string(&file).with_context(|| format!("no counts in `{}`", file.display()))?;
    read(&text)
}

/// Reads the totals of a dump.
fn read(text: &str) -> Result<Counts> {
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let names = line("events:").context("a dump without `events:`")?.split_whitespace();
    let totals = line("totals:").or_else(|| line("summary:")).context("a dump without `totals:`")?;
    let counted: Vec<(&str, f64)> =
        names.zip(totals.split_whitespace().filter_map(|number| number.parse().ok())).collect();
    let of = |wanted: &[&str]| {
        counted.iter().filter(|(name, _)| wanted.contains(name)).map(|(_, count)| count).sum::<f64>()
    };
    if counted.len() < 9 {
        bail!("a dump with {} events in place of nine", counted.len());
    }
    Ok(Counts {
        instructions: of(&["Ir"]),
        code: of(&["I1mr"]),
        data: of(&["D1mr", "D1mw"]),
        code_beyond: of(&["ILmr"]),
        data_beyond: of(&["DLmr", "DLmw"]),
    })
}

fn table(all: &[(Chain, Counts)]) -> String {
    let find =
        |wanted: Chain| all.iter().find(|(chain, _)| *chain == wanted).map(|(_, counts)| counts.each());
    let row = |name: &str, numbers: [f64; 5], digits: usize| {
        let numbers = numbers.map(|number| format!("{number:>13.digits$}")).concat();
        format!("{name:<18}{numbers}\n")
    };
    let mut text =
        format!("{:<18}{}\n", "a request", Counts::NAMES.map(|name| format!("{name:>13}")).concat());
    for (chain, counts) in all {
        let name = if *chain == Chain::Bare { "(bare itself)" } else { chain.name() };
        text += &row(name, counts.each(), 0);
    }
    for (name, chain, other) in CLAIMS {
        if let (Some(one), Some(two)) = (find(chain), find(other)) {
            text += &row(name, std::array::from_fn(|at| one[at] / two[at]), 2);
        }
    }
    text
}

/// Says that valgrind is missing before anything is built.
///
/// # Errors
/// If it is.
pub fn ready() -> Result<PathBuf> {
    load::find("valgrind")
        .ok_or_else(|| anyhow!("`valgrind` is not on PATH: install it with `apt-get install valgrind`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "version: 1\nevents: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\nfn=(1)\n1 2\ntotals: 1000 9 9 40 20 10 8 6 4\n";

    const IDLE: &str = "events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\ntotals: 100 9 9 4 2 1 1 1 1\n";

    #[test]
    fn counts_are_those_of_one_request() -> Result<()> {
        let found = read(DUMP)?.less(read(IDLE)?).over(10.0)?.each();
        assert_eq!(found.map(|number| format!("{number:.1}")), ["90.0", "3.6", "2.7", "0.7", "0.8"]);
        assert!(read(DUMP)?.over(0.0).is_err());
        assert!(read("events: Ir\ntotals: 5\n").is_err() && read("").is_err());
        Ok(())
    }

    #[test]
    fn ratios_are_those_of_what_is_claimed() -> Result<()> {
        let times = |by: f64| read(DUMP)?.over(1.0 / by);
        let all = [(Chain::Bare, times(9.0)?), (Chain::Native, times(2.0)?), (Chain::Toolgate, times(1.0)?)];
        let table = table(&all);
        let warm = table.lines().find(|line| line.starts_with("warm")).context("no line for `warm`")?;
        assert_eq!(warm.split_whitespace().skip(1).collect::<Vec<_>>(), ["0.50"; 5]);
        assert!(!table.contains("cold"), "there is none to compare");
        Ok(())
    }
}
