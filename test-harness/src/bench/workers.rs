//! Two workers beside one: what a request costs, and how many there are.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use serde::Serialize;

use super::{
    Plan,
    chains::Chain,
    report::{median, rounded},
    stage::{Props, Sent, Stage},
};

/// Over those of one worker, the median of all rounds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Two {
    /// CPU of the process per request: above 1, workers are in each other's way. Free cores do not matter to it.
    pub cpu: f64,
    /// Requests per second: needs a core for each worker beside those of load and upstream.
    pub rps: f64,
}

/// One Envoy with one worker and one with two, each chain in turns.
pub(super) async fn measure(props: &Props, plan: Plan) -> Result<BTreeMap<&'static str, Two>> {
    let chains = [Chain::Bare, Chain::Native, Chain::Toolgate];
    let mut one = Stage::start(props, &chains, 1).await?;
    let mut two = Stage::start(props, &chains, 2).await?;
    let mut all = BTreeMap::new();
    for chain in chains {
        for stage in [&mut one, &mut two] {
            stage.first_verdict(chain).await?;
            stage.measure(chain, Sent::USUAL, Duration::from_secs(1))?;
        }
        let (mut cpu, mut rps) = (Vec::new(), Vec::new());
        for _ in 0..plan.sweeps {
            let (single, double) =
                (one.measure(chain, Sent::USUAL, plan.turn)?, two.measure(chain, Sent::USUAL, plan.turn)?);
            cpu.push(double.cpu_us / single.cpu_us);
            rps.push(double.rps / single.rps);
        }
        all.insert(chain.name(), Two { cpu: rounded(median(cpu)), rps: rounded(median(rps)) });
    }
    Ok(all)
}
