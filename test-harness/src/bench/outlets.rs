//! What each outlet of the audit trail adds to a request: the same chain without records, and with each outlet alone.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use serde::Serialize;

use super::{
    Plan,
    chains::Chain,
    report,
    stage::{Props, Sent, Stage},
};

/// What one outlet adds, in microseconds of CPU a request.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Added {
    /// Over the chain without records, each round by itself.
    pub cpu_us: report::Ratio,
    /// Records that were lost, of all: a collector has a bound, and a closed loop is more than any service gets.
    pub dropped: f64,
}

/// Measures all outlets in turn, on an Envoy of their own.
///
/// # Errors
/// If a chain does not judge as it has to, or a load fails.
pub async fn measure(props: &Props, plan: Plan) -> Result<BTreeMap<&'static str, Added>> {
    let mut stage = Stage::start(props, &Chain::OUTLETS, 1).await?;
    for chain in Chain::OUTLETS {
        stage.verify(chain).await?;
        stage.measure(chain, Sent::USUAL, Duration::from_secs(1))?;
    }
    let mut costs: BTreeMap<Chain, Vec<f64>> = BTreeMap::new();
    for _ in 0..plan.sweeps {
        for chain in Chain::OUTLETS {
            costs.entry(chain).or_default().push(stage.measure(chain, Sent::USUAL, plan.turn)?.cpu_us);
        }
    }
    let base = costs.remove(&Chain::ToolgateDefaults).unwrap_or_default();
    let mut added = BTreeMap::new();
    for (chain, each) in costs {
        let Some(outlet) = chain.outlet() else { continue };
        let over = each.iter().zip(&base).map(|(cost, base)| cost - base).collect();
        added
            .insert(outlet, Added { cpu_us: report::Ratio::of(over), dropped: stage.dropped(outlet).await? });
    }
    Ok(added)
}
