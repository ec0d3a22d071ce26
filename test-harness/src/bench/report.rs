//! What was measured, as a file for machines and a table for people.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use serde::Serialize;

use super::{chains::Chain, load::Sample, outlets::Added, paced::Latency, start_up::StartUp, workers::Two};

/// `target/bench/report.json`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Its version.
    pub envoy: String,
    /// How often every chain was measured.
    pub rounds: usize,
    /// Medians by chain.
    pub chains: BTreeMap<&'static str, Cost>,
    /// By name.
    pub ratios: BTreeMap<&'static str, Ratio>,
    /// At fixed rates; none without `h2load`.
    pub latency: Vec<Latency>,
    /// Microseconds of CPU that each outlet of audit records adds to `toolgate_defaults`.
    pub outlets: BTreeMap<&'static str, Added>,
    /// Two workers over one, by chain.
    pub workers: BTreeMap<&'static str, Two>,
    /// Nanoseconds by benchmark of the engine, as `make bench-scale` of this run left them.
    pub engine: BTreeMap<String, f64>,
    /// Bytes that the engine allocates, as `make bench-scale` of this run left them.
    pub engine_memory: BTreeMap<String, u64>,
    /// Nanoseconds by stage of the engine in a VM of Envoy.
    pub in_wasm: BTreeMap<String, f64>,
    /// What HAProxy's `jwt_verify` adds to a request of HAProxy, in µs of its CPU; none without HAProxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub haproxy_jwt_verify_us: Option<Ratio>,
    /// Bytes by name.
    pub memory: BTreeMap<&'static str, u64>,
    /// Size of the filter.
    pub wasm_bytes: u64,
    /// Milliseconds from Envoy's start to the first request that Toolgate lets through.
    pub first_verdict_ms: f64,
    /// The same and memory, by the number of rules.
    pub start_up: BTreeMap<usize, StartUp>,
    /// The share of token look-ups that the chain's cache answered.
    pub cache_hits: BTreeMap<&'static str, f64>,
}

/// Medians over the rounds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// CPU of the Envoy process per request.
    pub cpu_us_per_request: f64,
    /// Median latency in the closed loop.
    pub p50_us: f64,
    /// Its 99th percentile.
    pub p99_us: f64,
    /// Requests per second.
    pub rps: f64,
}

/// One chain's added cost over another's, each round by itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ratio {
    /// Over all rounds.
    pub median: f64,
    /// Where the interval of the median begins: 95 % sure where there are six rounds or more, else the lowest round.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

impl Ratio {
    /// From the ratios of all rounds.
    #[must_use]
    pub fn of(mut each: Vec<f64>) -> Self {
        each.sort_by(f64::total_cmp);
        let outer = outer_rank(each.len());
        let at = |place: Option<usize>| place.and_then(|at| each.get(at)).copied().unwrap_or(f64::NAN);
        let (low, high) = (at(Some(outer)), at(each.len().checked_sub(outer + 1)));
        Self { median: rounded(median(each)), low: rounded(low), high: rounded(high) }
    }
}

/// The sorted place between which and its mirror the true median lies with 95 % confidence: each round is above it or
/// below it like a coin, so the number below is binomial.
fn outer_rank(rounds: usize) -> usize {
    let mut chance = 0.5_f64.powi(i32::try_from(rounds).unwrap_or(i32::MAX));
    let (mut sum, mut rank) = (0.0, 0_usize);
    loop {
        sum += chance;
        if sum > 0.025 {
            return rank.saturating_sub(1);
        }
        rank += 1;
        #[allow(clippy::cast_precision_loss, reason = "a count of rounds is exact in f64")]
        let step = (rounds + 1).saturating_sub(rank) as f64 / rank as f64;
        chance *= step;
    }
}

/// What criterion has left in its folder: the mean of each benchmark, in nanoseconds.
#[must_use]
pub fn criterion(folder: &Path) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        open.extend(
            fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.is_dir()),
        );
        let read = |name: &str| {
            let text = fs::read_to_string(folder.join(name)).ok()?;
            serde_json::from_str::<serde_json::Value>(&text).ok()
        };
        let (Some(about), Some(estimates)) = (read("benchmark.json"), read("estimates.json")) else {
            continue;
        };
        let name = about.pointer("/full_id").and_then(serde_json::Value::as_str);
        let mean = estimates.pointer("/mean/point_estimate").and_then(serde_json::Value::as_f64);
        if let (true, Some(name), Some(mean)) = (folder.ends_with("new"), name, mean) {
            found.insert(name.to_owned(), rounded(mean));
        }
    }
    found
}

/// What `engine/benches/memory.rs` has left in its file; nothing if it has not run.
#[must_use]
pub fn engine_memory(file: &Path) -> BTreeMap<String, u64> {
    fs::read_to_string(file).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// The ratios: name, the chain, and what it is compared with; `bare` is taken off both.
const RATIOS: [(&str, Chain, Chain); 8] = [
    ("warm", Chain::Toolgate, Chain::Native),
    ("full", Chain::ToolgateFull, Chain::NativeFull),
    ("full_inspected", Chain::ToolgateInspected, Chain::NativeFull),
    ("warm_defaults", Chain::ToolgateDefaults, Chain::Native),
    ("warm_streamed", Chain::ToolgateStreamed, Chain::Native),
    ("cold", Chain::ToolgateCold, Chain::NativeUncached),
    ("noop", Chain::Noop, Chain::Native),
    ("calls", Chain::Calls, Chain::Native),
];

/// What one round found.
pub type Round = BTreeMap<Chain, Sample>;

/// Medians by chain.
#[must_use]
pub fn chains(rounds: &[Round]) -> BTreeMap<&'static str, Cost> {
    let cost = |chain: Chain| {
        let of = |part: fn(&Sample) -> f64| {
            median(rounds.iter().filter_map(|round| round.get(&chain)).map(part).collect())
        };
        let cost = Cost {
            cpu_us_per_request: rounded(of(|sample| sample.cpu_us)),
            p50_us: rounded(of(|sample| sample.p50_us)),
            p99_us: rounded(of(|sample| sample.p99_us)),
            rps: of(|sample| sample.rps).round(),
        };
        (chain.name(), cost)
    };
    Chain::ALL.into_iter().map(cost).collect()
}

/// The ratios of section 7 of the design.
#[must_use]
pub fn ratios(rounds: &[Round]) -> BTreeMap<&'static str, Ratio> {
    let ratio = |(name, chain, other): (&'static str, Chain, Chain)| {
        let each = rounds.iter().filter_map(|round| {
            let bare = round.get(&Chain::Bare)?.cpu_us;
            Some((round.get(&chain)?.cpu_us - bare) / (round.get(&other)?.cpu_us - bare))
        });
        (name, Ratio::of(each.collect()))
    };
    RATIOS.into_iter().map(ratio).collect()
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 { at(middle) } else { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) }
}

/// A number of bytes.
pub(super) fn to_f64(bytes: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a number of bytes that fits into memory is exact in f64")]
    let bytes = bytes as f64;
    bytes
}

pub(super) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

impl Report {
    /// The same for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("{} · {} rounds · medians\n\n", self.envoy, self.rounds);
        let bare = self.chains.get(Chain::Bare.name()).map_or(f64::NAN, |cost| cost.cpu_us_per_request);
        // Writing to a String cannot fail.
        let mut line =
            |args: std::fmt::Arguments<'_>| text.write_fmt(format_args!("{args}\n")).unwrap_or_default();
        line(format_args!(
            "{:<18} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
            "chain", "cpu µs", "+ bare", "p50 µs", "p99 µs", "rps", "hits"
        ));
        for chain in Chain::ALL {
            let Some(cost) = self.chains.get(chain.name()) else { continue };
            let added = cost.cpu_us_per_request - bare;
            let hits = self
                .cache_hits
                .get(chain.name())
                .map_or(String::new(), |share| format!("{:.1} %", share * 100.0));
            line(format_args!(
                "{:<18} {:>9.2} {:>+9.2} {:>9.0} {:>9.0} {:>9.0} {:>8}",
                chain.name(),
                cost.cpu_us_per_request,
                added,
                cost.p50_us,
                cost.p99_us,
                cost.rps,
                hits
            ));
        }
        line(format_args!("\n{:<18} {:>9} {:>9} {:>9}", "ratio", "median", "low", "high"));
        for (name, ratio) in &self.ratios {
            line(format_args!("{name:<18} {:>9.3} {:>9.3} {:>9.3}", ratio.median, ratio.low, ratio.high));
        }
        for latency in &self.latency {
            let Latency { percent_of_bare, requests_per_second, by_chain, p99 } = latency;
            line(format_args!("\n{percent_of_bare} % of bare: {requests_per_second:.0} requests/s"));
            line(format_args!("{:<18} {:>9} {:>9} {:>9}", "chain", "p50 µs", "p99 µs", "sent/s"));
            for (name, own) in by_chain {
                line(format_args!("{name:<18} {:>9.0} {:>9.0} {:>9.0}", own.p50_us, own.p99_us, own.rps));
            }
            line(format_args!(
                "p99 of toolgate over that of native: {:.3} ({:.3} to {:.3})",
                p99.median, p99.low, p99.high
            ));
        }
        line(format_args!(
            "\n{:<18} {:>9} {:>9} {:>9} {:>9}",
            "audit outlet", "+ cpu µs", "low", "high", "dropped"
        ));
        for (name, added) in &self.outlets {
            let Added { cpu_us, dropped } = added;
            let (median, low, high) = (cpu_us.median, cpu_us.low, cpu_us.high);
            line(format_args!(
                "{name:<18} {median:>+9.2} {low:>+9.2} {high:>+9.2} {:>7.1} %",
                dropped * 100.0
            ));
        }
        line(format_args!(""));
        for (name, Two { cpu, rps }) in &self.workers {
            line(format_args!(
                "{:<28} {cpu:>11.2} times the CPU per request of one, {rps:.2} times the requests/s",
                format!("two workers, {name}")
            ));
        }
        for (name, bytes) in &self.memory {
            line(format_args!("{:<28} {:>11} KiB", name, bytes / 1_024));
        }
        line(format_args!("{:<28} {:>11} bytes", "toolgate.wasm", self.wasm_bytes));
        line(format_args!("{:<28} {:>11.0} ms", "start to first verdict", self.first_verdict_ms));
        for (rules, start) in &self.start_up {
            let name = format!("{rules} rules: first verdict");
            line(format_args!("{name:<28} {:>11.0} ms", start.first_verdict_ms));
            line(format_args!("{:<28} {:>11} KiB", "  resident then", start.resident_bytes / 1_024));
        }
        if let Some(added) = self.haproxy_jwt_verify_us {
            let Ratio { median, low, high } = added;
            line(format_args!("{:<28} {median:>+11.2} µs ({low:+.2} to {high:+.2})", "haproxy, jwt_verify"));
        }
        line(format_args!("\nthe engine in a VM of Envoy"));
        for (name, nanoseconds) in &self.in_wasm {
            line(format_args!("{name:<28} {:>11.2} µs", nanoseconds / 1_000.0));
        }
        if !self.engine.is_empty() {
            line(format_args!("\nthe engine alone, natively"));
        }
        for (name, nanoseconds) in &self.engine {
            line(format_args!("{name:<28} {:>11.2} µs", nanoseconds / 1_000.0));
        }
        for (name, bytes) in &self.engine_memory {
            line(format_args!("{name:<28} {:>11.1} KiB", rounded(to_f64(*bytes) / 1_024.0)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(costs: &[(Chain, f64)]) -> Round {
        let sample = |cpu_us: f64| Sample { cpu_us, p50_us: 1.0, p99_us: 2.0, rps: 3.0 };
        costs.iter().map(|(chain, cpu)| (*chain, sample(*cpu))).collect()
    }

    #[test]
    fn ratios_are_made_round_by_round() {
        let rounds =
            [(37.0, 53.0, 45.0), (40.0, 50.0, 50.0), (30.0, 50.0, 42.0)].map(|(bare, native, toolgate)| {
                round(&[(Chain::Bare, bare), (Chain::Native, native), (Chain::Toolgate, toolgate)])
            });
        let warm = ratios(&rounds).remove("warm").map(|ratio| (ratio.low, ratio.median, ratio.high));
        assert_eq!(warm, Some((0.5, 0.6, 1.0)));
    }

    #[test]
    fn the_interval_of_a_median_has_the_ranks_of_the_tables() {
        for (rounds, rank) in
            [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (15, 3), (20, 5), (25, 7)]
        {
            assert_eq!(outer_rank(rounds), rank, "{rounds}");
        }
    }

    #[test]
    fn medians() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }
}
