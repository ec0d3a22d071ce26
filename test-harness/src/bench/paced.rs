//! Latency at fixed rates, by `h2load`: chains take turns in every round, and medians are over the rounds.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::{
    Plan, UNTIL_WARM,
    chains::Chain,
    load::{self, Paced},
    report::{self, Ratio},
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
    /// The 99th percentile of `toolgate` over that of `native`, each round by itself.
    pub p99: Ratio,
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
    let turns = |share: u32, chain: Chain| found.get(&(share, chain)).into_iter().flatten();
    let latency = |share| Latency {
        percent_of_bare: share,
        requests_per_second: (bare * f64::from(share) / 100.0).round(),
        by_chain: of(share),
        p99: p99(turns(share, Chain::Toolgate), turns(share, Chain::Native)),
    };
    Ok(plan.shares.iter().copied().map(latency).collect())
}

/// Verdicts are tried first.
async fn warm(stage: &mut Stage<'_>, chain: Chain) -> Result<()> {
    stage.verify(chain).await?;
    stage.measure(chain, Sent::USUAL, UNTIL_WARM).map(|_| ())
}

/// The 99th percentiles of one chain over those of another in the same rounds.
fn p99<'t>(own: impl Iterator<Item = &'t Paced>, other: impl Iterator<Item = &'t Paced>) -> Ratio {
    Ratio::of(own.zip(other).map(|(own, other)| own.p99_us / other.p99_us).collect())
}

fn middle(turns: &[load::Paced]) -> Paced {
    let of = |part: fn(&Paced) -> f64| report::median(turns.iter().map(part).collect()).round();
    Paced { p50_us: of(|turn| turn.p50_us), p99_us: of(|turn| turn.p99_us), rps: of(|turn| turn.rps) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_compared_round_by_round() {
        let turns = |p99: [f64; 3]| p99.map(|p99_us| Paced { p50_us: 1.0, p99_us, rps: 1.0 });
        // Medians over medians would be 3 over 2.
        let (own, other) = (turns([1.0, 3.0, 4.0]), turns([1.0, 8.0, 2.0]));
        let ratio = p99(own.iter(), other.iter());
        assert_eq!((ratio.low, ratio.median, ratio.high), (0.375, 1.0, 2.0));
    }
}
