// SPDX-License-Identifier: Apache-2.0
//! The metric catalogue: name, kind, unit, help and labels of everything that is counted.
//!
//! Label values come from closed sets (the configuration, the methods of MCP, reasons of this crate), so that nobody
//! outside can make series grow. What enters: indices and static words. What leaves: names and values for the host.
//! Deliberately absent: any text of a request.

mod catalogue;
mod kept;
mod label;
mod series;

pub use catalogue::{Kind, Metric};
pub use kept::{Kept, Room};
pub use label::{Label, MethodLabel, Place, RuleLabel, ToolLabel};
pub use series::{Handing, Series};

use alloc::vec::Vec;

/// A value for a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The series.
    pub series: Series,
    /// Added to a counter, set on a gauge, recorded in a histogram.
    pub value: u64,
}

/// Samples of one step.
pub type Samples = Vec<Sample>;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn names_are_unique_prefixed_and_end_in_their_unit() {
        let names: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        for metric in Metric::ALL.iter().copied() {
            assert!(metric.name().starts_with("toolgate_"));
            assert_eq!(
                metric.name().ends_with("_total"),
                metric.kind() == Kind::Counter,
                "{}",
                metric.name()
            );
            assert!(!metric.help().is_empty());
        }
    }

    /// The row of a metric in docs/metrics.md, up to what it says.
    fn row(metric: Metric) -> String {
        let labels: Vec<String> = metric.labels().iter().map(|label| format!("`{}`", label.name())).collect();
        let kind = format!("{:?}", metric.kind()).to_lowercase();
        format!("| `{}` | {kind} | {} |", metric.name(), labels.join(" ")).replace("|  |", "| |")
    }

    #[test]
    fn the_page_has_every_metric_and_no_other() {
        let page = include_str!("../../../docs/metrics.md");
        for metric in Metric::ALL.iter().copied() {
            assert!(page.contains(&row(metric)), "docs/metrics.md lacks the row `{}`", row(metric));
        }
        let rows = page.lines().filter(|line| line.starts_with("| `toolgate_")).count();
        assert_eq!(rows, Metric::ALL.len(), "docs/metrics.md has rows of metrics that are not there");
    }

    #[test]
    fn what_is_refused_is_told_at_once_and_what_goes_well_on_the_tick() {
        let verdict = |decision| Series { decision, ..Series::new(Metric::Requests, "a reason") }.handing();
        assert_eq!(["allow", "deny"].map(verdict), [Handing::OnTick, Handing::AtOnce]);
        let attempt = |result| Series::new(Metric::AuthAttempts, result).handing();
        let expected = [Handing::OnTick, Handing::OnTick, Handing::AtOnce, Handing::AtOnce];
        assert_eq!(["success", "anonymous", "missing_token", "revoked"].map(attempt), expected);
    }

    #[test]
    fn histograms_wait_for_the_tick_and_nothing_that_is_set_does() {
        for metric in Metric::ALL.iter().copied() {
            let expected = match metric.kind() {
                Kind::Histogram => Handing::OnTick,
                Kind::Gauge | Kind::Level => Handing::AtOnce,
                Kind::Counter => continue,
            };
            assert_eq!(Series::new(metric, "").handing(), expected, "{}", metric.name());
        }
    }

    #[test]
    fn every_label_has_a_stats_tag_and_no_tag_is_left_over() {
        let bootstrap = include_str!("../../../envoy/bootstrap.yaml");
        let mut known = BTreeSet::new();
        for label in Metric::ALL.iter().flat_map(|metric| metric.labels()) {
            let name = label.name();
            let tag =
                format!(r"- {{ tag_name: {name}, regex: '^wasmcustom\.toolgate_.*?(;{name}=([^;]+))' }}");
            assert!(bootstrap.contains(&tag), "envoy/bootstrap.yaml lacks the line `{tag}`");
            known.insert(name);
        }
        let tags = bootstrap.lines().filter(|line| line.contains("wasmcustom\\.toolgate_.*?(;")).count();
        assert_eq!(tags, known.len(), "envoy/bootstrap.yaml has tags of labels that are not there");
    }

    #[test]
    fn every_histogram_has_its_buckets() {
        let bootstrap = include_str!("../../../envoy/bootstrap.yaml");
        for metric in Metric::ALL.iter().filter(|metric| metric.kind() == Kind::Histogram) {
            let line = format!("- match: {{ prefix: wasmcustom.{} }}\n    buckets: [", metric.name());
            assert!(bootstrap.contains(&line), "envoy/bootstrap.yaml lacks buckets for {}", metric.name());
        }
    }
}
