// SPDX-License-Identifier: Apache-2.0
//! Counts by name in bounded memory.
//!
//! Up to [`MOST`] names are counted exactly. When there are more, the least frequent quarter is folded into `other`
//! (lossy counting): a name that is shown may then have been counted too low, by [`Top::short`] at most.

use std::collections::HashMap;

/// So many names are kept.
pub(crate) const MOST: usize = 20_000;

/// What is counted of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) total: u64,
    pub(crate) denied: u64,
    /// Times of the first and of the last, in microseconds since 1970.
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Count {
    fn add(&mut self, denied: u64, at: i64) {
        self.first = if self.total == 0 { at } else { self.first.min(at) };
        self.last = if self.total == 0 { at } else { self.last.max(at) };
        self.total += 1;
        self.denied += denied;
    }

    fn join(&mut self, other: Self) {
        self.first = if self.total == 0 { other.first } else { self.first.min(other.first) };
        self.last = if self.total == 0 { other.last } else { self.last.max(other.last) };
        self.total += other.total;
        self.denied += other.denied;
    }
}

/// Counts by name.
#[derive(Debug, Default)]
pub(crate) struct Top {
    names: HashMap<String, Count>,
    /// Of names that were folded.
    pub(crate) other: Count,
    /// By so much a count may be too low.
    pub(crate) short: u64,
}

impl Top {
    pub(crate) fn add(&mut self, name: &str, denied: u64, at: i64) {
        if let Some(count) = self.names.get_mut(name) {
            return count.add(denied, at);
        }
        if self.names.len() >= MOST {
            self.fold();
        }
        self.names.entry(name.to_owned()).or_default().add(denied, at);
    }

    fn fold(&mut self) {
        let mut totals: Vec<u64> = self.names.values().map(|count| count.total).collect();
        let (_, least, _) = totals.select_nth_unstable(MOST / 4);
        let least = *least;
        let other = &mut self.other;
        self.names.retain(|_, count| {
            let stays = count.total > least;
            if !stays {
                other.join(*count);
            }
            stays
        });
        self.short += least;
    }

    /// How many names are known; with folding, there were more.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The most frequent, and the rest in one; names of the same count in their order.
    pub(crate) fn first(&self, most: usize) -> (Vec<(&str, Count)>, Count) {
        self.by(most, |count| count.total)
    }

    /// Those with the most denials, and only those that have any.
    pub(crate) fn most_denied(&self, most: usize) -> Vec<(&str, Count)> {
        let (mut listed, _) = self.by(most, |count| count.denied);
        listed.retain(|(_, count)| count.denied > 0);
        listed
    }

    fn by(&self, most: usize, weight: impl Fn(&Count) -> u64) -> (Vec<(&str, Count)>, Count) {
        let mut all: Vec<(&str, Count)> =
            self.names.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        all.sort_by(|(one, left), (two, right)| weight(right).cmp(&weight(left)).then(one.cmp(two)));
        let mut other = self.other;
        all.iter().skip(most).for_each(|(_, count)| other.join(*count));
        all.truncate(most);
        (all, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_below_the_bound_and_frequent_names_survive_above_it() {
        let mut top = Top::default();
        for at in 0..10 {
            top.add("a", 1, at);
        }
        top.add("b", 0, 3);
        let (listed, other) = top.first(1);
        assert_eq!(listed, [("a", Count { total: 10, denied: 10, first: 0, last: 9 })]);
        assert_eq!((other.total, top.short), (1, 0));
        for at in 0..100_000_i64 {
            top.add(&format!("rare-{at}"), 0, at);
            top.add("frequent", 0, at);
        }
        assert!(top.len() <= MOST);
        let (listed, other) = top.first(1);
        assert_eq!(listed.first().map(|(name, count)| (*name, count.total)), Some(("frequent", 100_000)));
        assert_eq!(other.total, 100_000 + 11, "nothing is lost");
        assert!(top.short > 0);
    }
}
