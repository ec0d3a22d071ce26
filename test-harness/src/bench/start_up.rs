//! What a start costs by the size of the policy: time to the first verdict, and memory.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::{
    chains::Chain,
    load, report,
    stage::{Props, Stage},
};

/// How many rules policies have.
const RULES: [usize; 3] = [10, 1_000, 10_000];

/// Of an Envoy with Toolgate alone; medians over its starts.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StartUp {
    /// Milliseconds from Envoy's start to the first request that is let through.
    pub first_verdict_ms: f64,
    /// Resident memory then, in bytes.
    pub resident_bytes: u64,
}

/// Starts Envoy so often with each policy, in turn.
///
/// # Errors
/// If one does not let a good request through.
pub async fn measure(props: &Props, starts: usize) -> Result<BTreeMap<usize, StartUp>> {
    let mut found: BTreeMap<usize, Vec<(f64, u64)>> = BTreeMap::new();
    for _ in 0..starts {
        for rules in RULES {
            let mut stage = Stage::with_rules(props, &[Chain::Toolgate], 1, rules).await?;
            let first = stage.first_verdict(Chain::Toolgate).await?;
            found.entry(rules).or_default().push((first, load::resident(stage.id())?));
        }
    }
    Ok(found.into_iter().map(|(rules, starts)| (rules, middle(starts))).collect())
}

/// The lower median of each by itself.
fn middle(starts: Vec<(f64, u64)>) -> StartUp {
    let (times, mut sizes): (Vec<f64>, Vec<u64>) = starts.into_iter().unzip();
    sizes.sort_unstable();
    let resident_bytes = sizes.get(sizes.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    StartUp { first_verdict_ms: report::median(times).round(), resident_bytes }
}
