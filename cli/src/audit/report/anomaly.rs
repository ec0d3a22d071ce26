// SPDX-License-Identifier: Apache-2.0
//! What stands out, by simple rules that are said in the report. No learning: medians, shares and first times.

use super::{tally::Tally, volume::Bucket};
use crate::audit::time;

/// Something that stands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anomaly {
    pub(crate) method: &'static str,
    pub(crate) what: String,
}

/// The methods, in the words of the report.
pub(crate) const METHODS: [(&str, &str); 4] = [
    (
        "volume",
        "a span of time with more requests than the median of all spans plus six median absolute deviations (times 1.4826), and at least 20 more than the median; from eight spans on",
    ),
    ("denials", "the same, of requests that were denied or not authenticated"),
    ("mostly_denied", "a principal with at least 20 denials, and more denied than allowed"),
    (
        "first_privileged_use",
        "a privileged tool that a principal was allowed to use for the first time; only where the records go back before the period",
    ),
];

/// A median says nothing of fewer spans.
const LEAST_SPANS: usize = 8;

const LEAST_MORE: u64 = 20;

/// So many are listed of each method.
const MOST: usize = 50;

pub(crate) fn anomalies(tally: &Tally) -> Vec<Anomaly> {
    let buckets = tally.volume.all();
    let mut found = spikes("volume", "requests", &buckets, Bucket::total);
    found.extend(spikes("denials", "denials", &buckets, |bucket| bucket.denied + bucket.unauthenticated));
    let denied = tally.principals.most_denied(MOST);
    let mostly =
        denied.into_iter().filter(|(_, count)| count.denied >= LEAST_MORE && count.denied * 2 > count.total);
    found.extend(mostly.map(|(name, count)| Anomaly {
        method: "mostly_denied",
        what: format!("{name}: {} of {} requests were denied", count.denied, count.total),
    }));
    if tally.has_history() {
        let uses = tally.new_uses.listed.iter().take(MOST);
        found.extend(uses.map(|(name, at)| {
            let parts: Vec<&str> = name.split(super::tally::BETWEEN).collect();
            let (who, tool) = (parts.first().unwrap_or(&"-"), parts.get(1).unwrap_or(&"-"));
            Anomaly {
                method: "first_privileged_use",
                what: format!("{who} used {tool} first at {}", time::say(*at)),
            }
        }));
    }
    found
}

fn spikes(
    method: &'static str,
    word: &str,
    buckets: &[(i64, Bucket)],
    value: impl Fn(Bucket) -> u64,
) -> Vec<Anomaly> {
    if buckets.len() < LEAST_SPANS {
        return Vec::new();
    }
    let middle = median(buckets.iter().map(|(_, bucket)| value(*bucket)).collect());
    let spread = median(buckets.iter().map(|(_, bucket)| value(*bucket).abs_diff(middle)).collect());
    // 6 × 1.4826, in whole numbers.
    let bound = middle + (spread.saturating_mul(88_956) / 10_000).max(LEAST_MORE);
    let over = buckets.iter().filter(|(_, bucket)| value(*bucket) > bound).take(MOST);
    over.map(|(at, bucket)| Anomaly {
        method,
        what: format!(
            "{} {word} from {} on, where {middle} are usual",
            value(*bucket),
            crate::clock::rfc3339(*at)
        ),
    })
    .collect()
}

fn median(mut values: Vec<u64>) -> u64 {
    let middle = values.len() / 2;
    if values.is_empty() { 0 } else { *values.select_nth_unstable(middle).1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_far_over_the_median_stands_out_and_a_little_more_does_not() {
        let with = |last: u64| {
            let counts = [100, 110, 90, 105, 95, 100, 102, 98, last];
            let buckets: Vec<(i64, Bucket)> = counts
                .into_iter()
                .zip(0..)
                .map(|(allowed, at)| (at * 60, Bucket { allowed, ..Bucket::default() }))
                .collect();
            spikes("volume", "requests", &buckets, Bucket::total)
        };
        assert_eq!(with(130), []);
        assert_eq!(
            with(900).first().map(|one| one.what.as_str()),
            Some("900 requests from 1970-01-01T00:08:00Z on, where 100 are usual")
        );
        assert_eq!(
            spikes("volume", "requests", &[(0, Bucket { allowed: 900, ..Bucket::default() })], Bucket::total),
            []
        );
    }
}
