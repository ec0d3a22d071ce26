// SPDX-License-Identifier: Apache-2.0
//! One sort for all that is short, or sorted only when something is read in.
//!
//! The standard library compiles its sorts anew for each type, five to nine kilobytes of the filter each time. This one
//! asks through a pointer which of two comes first, and is there once; what it costs more is a call for each
//! comparison. It is stable.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// Runs of this length are sorted by insertion before they are merged.
const RUN: usize = 12;

/// Sorts `items` by `compare`; equal ones stay in their order.
pub(crate) fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    // What is in order already, as most of it is, costs no call through a pointer.
    if !items.is_sorted_by(|one, two| compare(one, two) != Ordering::Greater) {
        run(&mut Row { items, compare });
    }
}

/// Sorts `items` by their own order.
pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// A set of `items`. (`collect` would sort them by a sort of their type's own.)
pub(crate) fn set<T: Ord>(items: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut all = BTreeSet::new();
    items.for_each(|item| {
        all.insert(item);
    });
    all
}

/// What is sorted, with its type forgotten.
trait Line {
    fn count(&self) -> usize;
    /// Whether what is at `one` comes behind what is at `two`.
    fn behind(&mut self, one: usize, two: usize) -> bool;
    fn swap(&mut self, one: usize, two: usize);
}

struct Row<'i, T, F> {
    items: &'i mut [T],
    compare: F,
}

impl<T, F: FnMut(&T, &T) -> Ordering> Line for Row<'_, T, F> {
    fn count(&self) -> usize {
        self.items.len()
    }

    fn behind(&mut self, one: usize, two: usize) -> bool {
        match (self.items.get(one), self.items.get(two)) {
            (Some(one), Some(two)) => (self.compare)(one, two) == Ordering::Greater,
            _ => false,
        }
    }

    fn swap(&mut self, one: usize, two: usize) {
        self.items.swap(one, two);
    }
}

#[inline(never)]
fn run(line: &mut dyn Line) {
    let count = line.count();
    for start in (0..count).step_by(RUN) {
        insertion(line, start, count.min(start.saturating_add(RUN)));
    }
    if count > RUN {
        let mut order = merged(line);
        rearrange(&mut order, line);
    }
}

fn insertion(line: &mut dyn Line, start: usize, end: usize) {
    for next in start..end {
        let mut at = next;
        while let Some(before) =
            at.checked_sub(1).filter(|before| *before >= start && line.behind(*before, at))
        {
            line.swap(before, at);
            at = before;
        }
    }
}

/// Which position belongs at each place, where runs are sorted in themselves.
fn merged(line: &mut dyn Line) -> Vec<usize> {
    let count = line.count();
    let mut order: Vec<usize> = (0..count).collect();
    let mut longer = Vec::with_capacity(count);
    let mut length = RUN;
    while length < count {
        for pair in order.chunks(length.saturating_mul(2)) {
            let (one, two) = pair.split_at(length.min(pair.len()));
            merge(line, one, two, &mut longer);
        }
        core::mem::swap(&mut order, &mut longer);
        longer.clear();
        length = length.saturating_mul(2);
    }
    order
}

fn merge(line: &mut dyn Line, mut one: &[usize], mut two: &[usize], out: &mut Vec<usize>) {
    let apart = matches!((one.last(), two.first()), (Some(last), Some(first)) if !line.behind(*last, *first));
    while let (false, Some((first, rest)), Some((second, others))) =
        (apart, one.split_first(), two.split_first())
    {
        if line.behind(*first, *second) {
            out.push(*second);
            two = others;
        } else {
            out.push(*first);
            one = rest;
        }
    }
    out.extend_from_slice(one);
    out.extend_from_slice(two);
}

/// Brings to each place what `order` names for it, one cycle after the other.
fn rearrange(order: &mut [usize], line: &mut dyn Line) {
    for start in 0..order.len() {
        let mut at = start;
        while let Some(place) = order.get_mut(at) {
            let from = core::mem::replace(place, at);
            if from == start {
                break;
            }
            line.swap(at, from);
            at = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern, the same in each run.
    fn numbers(count: usize, below: u64) -> Vec<u64> {
        let mut random = crate::xorshift::Xorshift(0x9E37_79B9_7F4A_7C15);
        (0..count).map(|_| random.below(below)).collect()
    }

    /// The judge is the standard library's stable sort. With few different keys stability shows.
    #[test]
    fn it_sorts_as_the_standard_library_does() {
        for count in (0..60).chain([97, 256, 1_000, 4_097]) {
            for below in [1, 3, 10, u64::MAX] {
                let given: Vec<(u64, usize)> =
                    numbers(count, below).into_iter().enumerate().map(|(at, key)| (key, at)).collect();
                let (mut ours, mut theirs) = (given.clone(), given);
                sort_by(&mut ours, |one, two| one.0.cmp(&two.0));
                theirs.sort_by_key(|(key, _)| *key);
                assert_eq!(ours, theirs, "{count} below {below}");
            }
        }
    }

    #[test]
    fn what_is_sorted_already_or_backwards_ends_sorted() {
        for count in [2, 11, 12, 13, 24, 25, 500] {
            let mut upwards: Vec<usize> = (0..count).collect();
            sort(&mut upwards);
            assert!(upwards.iter().copied().eq(0..count));
            let mut downwards: Vec<usize> = (0..count).rev().collect();
            sort(&mut downwards);
            assert!(downwards.iter().copied().eq(0..count));
        }
    }

    #[test]
    fn a_set_has_each_item_once_and_in_order() {
        let given = numbers(300, 40);
        assert!(set(given.iter().copied()).into_iter().eq(given.into_iter().collect::<BTreeSet<_>>()));
    }
}
