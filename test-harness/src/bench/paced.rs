//! Latency at fixed rates, by `h2load`: chains take turns in every round, and medians are over the rounds.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::{
    Plan, UNTIL_WARM,
    chains::Chain,
    load::{self, Paced},
    report,
    stage::{Lookups, Props, Sent, Stage},
};

/// Latency in an open loop.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// What was asked for, in hundredths of what `bare` carries in the closed loop.
    pub percent_of_bare: u32,
    /// The same as a rate.
    pub requests_per_second: f64,
    /// By chain.
    pub by_chain: BTreeMap<&'static str, Paced>,
}

/// Latency at shares of `bare`'s rate, on an Envoy of its own. Where every token is to be new, the chain has no cache:
/// `h2load` sends one token.
///
/// # Errors
/// If a chain does not judge as it has to, `h2load` fails, or a token cache answered where there is none.
pub async fn measure(props: &Props, plan: Plan, h2load: &Path, bare: f64) -> Result<Vec<Latency>> {
    let mut stage = Stage::start(props, &Chain::PACED, 1).await?;
    // First of all, for look-ups of all chains are counted together.
    warm(&mut stage, Chain::ToolgateUncached).await?;
    let hits = stage.lookups().await?.share_since(Lookups::default()).context("no token was looked up")?;
    ensure!(hits < f64::EPSILON, "{}: the cache that is off answered", Chain::ToolgateUncached.name());
    for chain in Chain::PACED {
        warm(&mut stage, chain).await?;
    }
    let mut found: BTreeMap<(u32, Chain), Vec<Paced>> = BTreeMap::new();
    for round in 0..plan.paced_rounds() {
        for share in plan.shares.iter().copied() {
            let mut chains = Chain::PACED.to_vec();
            chains.rotate_left(round % Chain::PACED.len());
            for chain in chains {
                let turn = stage.at_rate(h2load, chain, bare * f64::from(share) / 100.0, plan.paced)?;
                found.entry((share, chain)).or_default().push(turn);
            }
        }
    }
    let of = |share: u32| {
        let own = found.iter().filter(|((at, _), _)| *at == share);
        own.map(|((_, chain), turns)| (chain.name(), middle(turns))).collect()
    };
    let latency = |share| Latency {
        percent_of_bare: share,
        requests_per_second: (bare * f64::from(share) / 100.0).round(),
        by_chain: of(share),
    };
    Ok(plan.shares.iter().copied().map(latency).collect())
}

/// Verdicts are tried first.
async fn warm(stage: &mut Stage<'_>, chain: Chain) -> Result<()> {
    stage.verify(chain).await?;
    stage.measure(chain, Sent::USUAL, UNTIL_WARM).map(|_| ())
}

fn middle(turns: &[load::Paced]) -> Paced {
    let of = |part: fn(&Paced) -> f64| report::median(turns.iter().map(part).collect()).round();
    Paced { p50_us: of(|turn| turn.p50_us), p99_us: of(|turn| turn.p99_us), rps: of(|turn| turn.rps) }
}
