//! `make bench`: what Toolgate costs a request, beside Envoy's own filters, in one run on one machine.
//!
//! Every chain is a listener of one Envoy process with one worker. Load comes from `wrk` in a closed loop; cost is the
//! CPU time of the Envoy process over the requests it served. Chains take turns in every round, so that what else the
//! machine does meets all of them, and ratios are made within a round.

pub mod chains;
pub mod load;
pub mod report;
pub mod stage;
pub mod tokens;
pub mod upstream;

use std::{collections::BTreeMap, env, fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};

use self::{
    chains::Chain,
    report::{Report, Round},
    stage::{Props, Stage},
};
use crate::paths;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often every chain has its turn.
    pub rounds: usize,
    /// How long a turn is.
    pub turn: Duration,
}

impl Plan {
    /// `QUICK=1` asks for three rounds; `ROUNDS` and `SECONDS_PER_TURN` say it exactly.
    #[must_use]
    pub fn from_environment() -> Self {
        let quick = env::var("QUICK").is_ok_and(|quick| quick == "1");
        let (rounds, seconds) = if quick { (3, 2) } else { (15, 2) };
        let number = |name: &str| env::var(name).ok()?.parse::<u32>().ok().filter(|number| *number > 0);
        let rounds = number("ROUNDS").and_then(|rounds| usize::try_from(rounds).ok()).unwrap_or(rounds);
        let seconds = number("SECONDS_PER_TURN").map_or(seconds, u64::from);
        Self { rounds, turn: Duration::from_secs(seconds) }
    }
}

/// Runs the benchmark; `say` is told how far it is.
///
/// # Errors
/// If something it needs is missing, or a chain does not judge as it has to.
pub async fn run(plan: Plan, say: impl Fn(&str)) -> Result<Report> {
    let props = Props::prepare(load::wrk()?, stage::build_noop()?).await?;
    let mut memory = BTreeMap::new();
    memory.insert("rss_bare", alone(&props, Chain::Bare, plan).await?.0);
    let (resident, first_verdict_ms) = alone(&props, Chain::Toolgate, plan).await?;
    memory.insert("rss_toolgate", resident);

    let mut stage = Stage::start(&props, &Chain::ALL).await?;
    let measured = together(&mut stage, plan, &say).await;
    let (rounds, cache_hits) =
        measured.with_context(|| format!("the benchmark's Envoy:\n{}", stage.log()))?;
    memory.insert("rss_all_chains", load::resident(stage.id())?);
    Ok(Report {
        envoy: paths::envoy_version(),
        rounds: rounds.len(),
        chains: report::chains(&rounds),
        ratios: report::ratios(&rounds),
        engine: BTreeMap::new(),
        memory,
        wasm_bytes: fs::metadata(props.wasm())?.len(),
        first_verdict_ms: first_verdict_ms.round(),
        cache_hits,
    })
}

/// Memory after load, and the time to the first verdict, of an Envoy with this chain only.
async fn alone(props: &Props, chain: Chain, plan: Plan) -> Result<(u64, f64)> {
    let mut stage = Stage::start(props, &[chain]).await?;
    let first = stage.first_verdict(chain).await?;
    stage.measure(chain, plan.turn)?;
    Ok((load::resident(stage.id())?, first))
}

async fn together(
    stage: &mut Stage<'_>,
    plan: Plan,
    say: &impl Fn(&str),
) -> Result<(Vec<Round>, BTreeMap<&'static str, f64>)> {
    for chain in Chain::ALL {
        stage.verify(chain).await?;
    }
    say("every chain judges as it has to");
    let mut cache_hits = BTreeMap::new();
    for chain in Chain::ALL {
        // Caches fill, and pages are touched; then one look at how often the cache answers.
        stage.measure(chain, Duration::from_secs(1))?;
        let before = stage.lookups().await?;
        stage.measure(chain, Duration::from_secs(1))?;
        if let Some(share) = stage.lookups().await?.share_since(before) {
            cache_hits.insert(chain.name(), share);
        }
    }
    let mut rounds = Vec::with_capacity(plan.rounds);
    for number in 0..plan.rounds {
        let mut round = Round::new();
        for chain in order(number) {
            round.insert(chain, stage.measure(chain, plan.turn)?);
        }
        let costs = Chain::ALL.map(|chain| round.get(&chain).map_or(f64::NAN, |sample| sample.cpu_us));
        say(&format!(
            "round {} of {}: {}",
            number + 1,
            plan.rounds,
            costs.map(|cost| format!("{cost:.1}")).join(" ")
        ));
        rounds.push(round);
    }
    Ok((rounds, cache_hits))
}

/// Every round begins with another chain, and every other round runs backwards.
fn order(round: usize) -> Vec<Chain> {
    let mut chains = Chain::ALL.to_vec();
    chains.rotate_left(round % Chain::ALL.len());
    if round % 2 == 1 {
        chains.reverse();
    }
    chains
}

/// Writes the report to `target/bench/report.json`.
///
/// # Errors
/// If it cannot be written.
pub fn write(report: &Report) -> Result<PathBuf> {
    let folder = paths::repository().join("target/bench");
    fs::create_dir_all(&folder)?;
    let file = folder.join("report.json");
    fs::write(&file, serde_json::to_string_pretty(report)? + "\n")?;
    Ok(file)
}
