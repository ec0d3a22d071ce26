//! `make bench`: what Toolgate costs a request, beside Envoy's own filters, in one run on one machine.
//!
//! Every chain is a listener of one Envoy process with one worker. Load comes from `wrk` in a closed loop; cost is the
//! CPU time of the Envoy process over the requests it served. `h2load` adds latency at fixed rates. Chains take turns in every round, so that what else the
//! machine does meets all of them, and ratios are made within a round.

pub mod authz;
pub mod chains;
pub mod counts;
mod curves;
pub mod haproxy;
pub mod load;
pub mod outlets;
pub mod paced;
pub mod picture;
pub mod report;
pub mod stage;
pub mod stages;
pub mod start_up;
pub mod tokens;
pub mod upstream;
pub mod workers;

use std::{collections::BTreeMap, env, fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};

use self::{
    chains::Chain,
    load::Sample,
    report::{Report, Round},
    stage::{Props, Sent, Stage},
    tokens::Signed,
};
use crate::paths;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often every chain has its turn.
    pub rounds: usize,
    /// How many turns a round has of the chains that a claim is made about; of the others a fourth.
    pub turns: usize,
    /// How long a turn is.
    pub turn: Duration,
    /// How often each other body and algorithm, and HAProxy, has its turn.
    pub sweeps: usize,
    /// The fixed rates, in hundredths of what `bare` carries.
    pub shares: &'static [u32],
    /// How long a fixed rate is kept up.
    pub paced: Duration,
    /// How often Envoy starts with a policy of each size.
    pub starts: usize,
    /// The stages of the engine in a VM of Envoy: those whose name holds one of these texts.
    pub stages: &'static str,
}

impl Plan {
    /// `QUICK=1` asks for three short rounds; `ROUNDS`, `TURNS` and `SECONDS_PER_TURN` say it exactly.
    #[must_use]
    pub fn from_environment() -> Self {
        let quick = env::var("QUICK").is_ok_and(|quick| quick == "1");
        let plan = if quick { Self::QUICK } else { Self::WHOLE };
        let number = |name: &str| env::var(name).ok()?.parse::<u32>().ok().filter(|number| *number > 0);
        let count = |name: &str| usize::try_from(number(name)?).ok();
        let (rounds, turns) = (count("ROUNDS").unwrap_or(plan.rounds), count("TURNS").unwrap_or(plan.turns));
        let seconds = env::var("SECONDS_PER_TURN").ok().and_then(|seconds| seconds.parse::<f64>().ok());
        let turn = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let turn = turn.map_or(plan.turn, |turn| turn.max(SHORTEST));
        Self { rounds, turns, turn, ..plan }
    }

    /// How often every chain has its turn at each of the fixed rates.
    fn paced_rounds(self) -> usize {
        (self.rounds / 2).max(1)
    }

    /// The rounds alone are 1,548 turns: in each fourteen chains thrice, six of them nine times more, and `bare` between.
    const WHOLE: Self = Self {
        rounds: 12,
        turns: 12,
        turn: Duration::from_millis(250),
        sweeps: 20,
        shares: &[25, 50, 75],
        paced: Duration::from_secs(1),
        starts: 3,
        stages: "",
    };

    /// Some three minutes.
    const QUICK: Self = Self {
        rounds: 3,
        turns: 4,
        sweeps: 2,
        shares: &[50],
        starts: 1,
        stages: "request/,jwks_parse/,tokens/,swap/",
        ..Self::WHOLE
    };
}

/// Below this a turn says more of its beginning than of what is measured.
const SHORTEST: Duration = Duration::from_millis(100);
/// So long a chain is loaded before anything of it is measured: caches fill, and pages are touched.
const UNTIL_WARM: Duration = Duration::from_secs(1);
/// After so many turns `bare` has one.
const BARE_EVERY: usize = 3;
/// Every so many passes over the chains that a claim is made about, the others have a turn too.
const OTHERS_EVERY: usize = 4;

/// Other bodies and algorithms: the ratio's name, what is sent, the chain and what it is compared with.
const SWEEPS: [(&str, Sent, Chain, Chain); 4] = [
    ("warm_2k", Sent { body: 2_048, ..Sent::USUAL }, Chain::Toolgate, Chain::Native),
    ("warm_64k", Sent { body: 65_536, ..Sent::USUAL }, Chain::Toolgate, Chain::Native),
    ("warm_es256", Sent { signed: Signed::Es256, ..Sent::USUAL }, Chain::Toolgate, Chain::Native),
    ("cold_es256", Sent { signed: Signed::Es256, ..Sent::USUAL }, Chain::ToolgateCold, Chain::NativeUncached),
];

/// Runs the benchmark; `say` is told how far it is.
///
/// # Errors
/// If something it needs is missing, or a chain does not judge as it has to.
pub async fn run(plan: Plan, say: impl Fn(&str)) -> Result<Report> {
    let props = Props::prepare(load::wrk()?, stage::build_noop()?).await?;
    let mut memory = BTreeMap::new();
    memory.insert("rss_bare", alone(&props, Chain::Bare).await?.0);
    let (resident, first_verdict_ms) = alone(&props, Chain::Toolgate).await?;
    memory.insert("rss_toolgate", resident);

    let mut stage = Stage::start(&props, &Chain::ALL, 1).await?;
    let measured = together(&mut stage, plan, &say).await;
    let (rounds, cache_hits) =
        measured.with_context(|| format!("the benchmark's Envoy:\n{}", stage.log()))?;
    let mut ratios = report::ratios(&rounds);
    for (name, sent, chain, other) in SWEEPS {
        ratios.insert(name, sweep(&stage, plan, sent, [chain, other])?);
        say(&format!("measured {name}"));
    }
    let chains = report::chains(&rounds);
    memory.insert("rss_all_chains", load::resident(stage.id())?);
    drop(stage);
    let latency = match load::h2load() {
        Some(h2load) => {
            let bare = chains.get(Chain::Bare.name()).map_or(1_000.0, |cost| cost.rps);
            paced::measure(&props, plan, &h2load, bare).await?
        }
        None => {
            say(
                "skipped: latency at fixed rates (`h2load` is not on PATH: `apt-get install nghttp2-client`)",
            );
            Vec::new()
        }
    };
    say("measured latency at fixed rates");
    let jwt_verify = haproxy::run(&props, plan.sweeps, plan.turn).await?;
    if jwt_verify.is_none() {
        say("skipped: HAProxy's `jwt_verify` (`haproxy` is not installed: `apt-get install haproxy`)");
    }
    say("measuring the engine's stages in a VM of Envoy");
    Ok(Report {
        envoy: paths::envoy_version(),
        rounds: rounds.len(),
        chains,
        ratios,
        latency,
        outlets: outlets::measure(&props, plan).await?,
        workers: workers::measure(&props, plan).await?,
        engine: report::criterion(&paths::repository().join("target/bench/criterion")),
        in_wasm: stages::run(plan.stages).await?,
        haproxy_jwt_verify_us: jwt_verify.map(report::Ratio::of),
        engine_memory: report::engine_memory(&paths::repository().join("target/bench/engine-memory.json")),
        memory,
        wasm_bytes: fs::metadata(props.wasm())?.len(),
        first_verdict_ms: first_verdict_ms.round(),
        start_up: start_up::measure(&props, plan.starts).await?,
        cache_hits,
    })
}

/// Memory after load, and the time to the first verdict, of an Envoy with this chain only.
async fn alone(props: &Props, chain: Chain) -> Result<(u64, f64)> {
    let mut stage = Stage::start(props, &[chain], 1).await?;
    let first = stage.first_verdict(chain).await?;
    stage.measure(chain, Sent::USUAL, UNTIL_WARM)?;
    Ok((load::resident(stage.id())?, first))
}

/// One ratio over rounds of its own.
fn sweep(stage: &Stage<'_>, plan: Plan, sent: Sent, pair: [Chain; 2]) -> Result<report::Ratio> {
    let mut each = Vec::with_capacity(plan.sweeps);
    for _ in 0..plan.sweeps {
        let [before, chain, other, after] = [Chain::Bare, pair[0], pair[1], Chain::Bare]
            .map(|chain| stage.measure(chain, sent, plan.turn).map(|sample| sample.cpu_us));
        let bare = f64::midpoint(before?, after?);
        each.push((chain? - bare) / (other? - bare));
    }
    Ok(report::Ratio::of(each))
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
        // Then one look at how often the cache answers, where there is one.
        stage.measure(chain, Sent::USUAL, UNTIL_WARM)?;
        if !chain.has_cache() {
            continue;
        }
        let before = stage.lookups().await?;
        stage.measure(chain, Sent::USUAL, UNTIL_WARM)?;
        if let Some(share) = stage.lookups().await?.share_since(before) {
            cache_hits.insert(chain.name(), share);
        }
    }
    let mut rounds = Vec::with_capacity(plan.rounds);
    for number in 0..plan.rounds {
        let round = round(stage, plan, number)?;
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

/// Turns of every chain: of those that a claim is made about several, and of `bare`, which every ratio takes off both its
/// sides, one before every few others. Their medians count: one unlucky second would bend the round's ratios.
fn round(stage: &Stage<'_>, plan: Plan, number: usize) -> Result<Round> {
    let mut turns: BTreeMap<Chain, Vec<Sample>> = BTreeMap::new();
    let mut turn = |chain: Chain| -> Result<()> {
        turns.entry(chain).or_default().push(stage.measure(chain, Sent::USUAL, plan.turn)?);
        Ok(())
    };
    for pass in 0..plan.turns {
        let chains = order(number * plan.turns + pass);
        let all = pass % OTHERS_EVERY == 0;
        let due = chains.into_iter().filter(|chain| *chain != Chain::Bare && (all || chain.is_claimed()));
        for (at, chain) in due.enumerate() {
            if at % BARE_EVERY == 0 {
                turn(Chain::Bare)?;
            }
            turn(chain)?;
        }
    }
    Ok(turns.into_iter().filter_map(|(chain, samples)| Some((chain, middle(samples)?))).collect())
}

/// The turn whose cost is the median.
fn middle(mut samples: Vec<Sample>) -> Option<Sample> {
    samples.sort_by(|one, other| one.cpu_us.total_cmp(&other.cpu_us));
    samples.get(samples.len() / 2).copied()
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

/// Writes the report and its picture to `target/bench`.
///
/// # Errors
/// If they cannot be written.
pub fn write(report: &Report) -> Result<[PathBuf; 2]> {
    let folder = paths::repository().join("target/bench");
    fs::create_dir_all(&folder)?;
    let files = [folder.join("report.json"), folder.join("report.svg")];
    fs::write(&files[0], serde_json::to_string_pretty(report)? + "\n")?;
    fs::write(&files[1], picture::draw(report))?;
    Ok(files)
}
