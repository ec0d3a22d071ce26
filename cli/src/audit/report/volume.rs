// SPDX-License-Identifier: Apache-2.0
//! Counts over time, in at most [`MOST`] buckets: where there would be more, they get wider.

use std::collections::BTreeMap;

use crate::audit::time::SECOND;

const MOST: usize = 400;

/// Widths in seconds: a minute to thirty days; beyond, the double.
const WIDTHS: [i64; 9] = [60, 300, 900, 3_600, 10_800, 21_600, 86_400, 604_800, 2_592_000];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) allowed: u64,
    pub(crate) denied: u64,
    /// Requests refused before it was known who calls.
    pub(crate) unauthenticated: u64,
}

impl Bucket {
    pub(crate) fn total(self) -> u64 {
        self.allowed + self.denied + self.unauthenticated
    }

    fn join(&mut self, other: Self) {
        self.allowed += other.allowed;
        self.denied += other.denied;
        self.unauthenticated += other.unauthenticated;
    }
}

#[derive(Debug)]
pub(crate) struct Volume {
    width: i64,
    buckets: BTreeMap<i64, Bucket>,
}

impl Default for Volume {
    fn default() -> Self {
        Self { width: 60, buckets: BTreeMap::new() }
    }
}

impl Volume {
    /// Adds to the bucket of a time in microseconds.
    pub(crate) fn add(&mut self, at: i64, what: Bucket) {
        let bucket = at.div_euclid(SECOND).div_euclid(self.width);
        self.buckets.entry(bucket).or_default().join(what);
        while self.span() > MOST {
            self.widen();
        }
    }

    /// How many buckets there are from the first to the last, the empty ones too.
    fn span(&self) -> usize {
        let ends = self.buckets.first_key_value().zip(self.buckets.last_key_value());
        ends.map_or(0, |((first, _), (last, _))| usize::try_from(last - first + 1).unwrap_or(usize::MAX))
    }

    fn widen(&mut self) {
        let wider =
            WIDTHS.into_iter().find(|width| *width > self.width).unwrap_or(self.width.saturating_mul(2));
        let old = std::mem::take(&mut self.buckets);
        for (at, bucket) in old {
            self.buckets.entry((at * self.width).div_euclid(wider)).or_default().join(bucket);
        }
        self.width = wider;
    }

    /// In seconds.
    pub(crate) fn width(&self) -> i64 {
        self.width
    }

    /// Every bucket from the first to the last, with its beginning in seconds since 1970.
    pub(crate) fn all(&self) -> Vec<(i64, Bucket)> {
        let ends = self.buckets.first_key_value().zip(self.buckets.last_key_value());
        let Some(((first, _), (last, _))) = ends else { return Vec::new() };
        let each = |at: i64| (at * self.width, self.buckets.get(&at).copied().unwrap_or_default());
        (*first..=*last).map(each).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_get_wider_and_lose_nothing() {
        let mut volume = Volume::default();
        for minute in 0..1_000 {
            volume.add(minute * 60 * SECOND, Bucket { allowed: 1, ..Bucket::default() });
        }
        assert_eq!(volume.width(), 300);
        let all = volume.all();
        assert_eq!((all.len(), all.iter().map(|(_, bucket)| bucket.allowed).sum::<u64>()), (200, 1_000));
        volume.add(i64::MAX / 2, Bucket::default());
        assert!(volume.all().len() <= MOST);
    }
}
