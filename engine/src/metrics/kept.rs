// SPDX-License-Identifier: Apache-2.0
//! Values of histograms on their way to the host. They cannot be added up, so each takes a call of its own: kept until the
//! tick, they are told in one loop, which costs the host a tenth of what as many calls within requests do.

use alloc::vec::{Drain, Vec};

/// Values that wait for the tick, each with the host's number of its series.
#[derive(Debug)]
pub struct Kept(Vec<(u32, u64)>);

/// Whether there is room for another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Left,
    /// The list is full: everything has to be taken now.
    None,
}

impl Default for Kept {
    /// The memory is taken once, so that it does not grow within requests.
    fn default() -> Kept {
        Kept(Vec::with_capacity(Kept::MOST))
    }
}

impl Kept {
    /// As many are kept: 16 KiB of them.
    pub const MOST: usize = 1_024;

    /// Keeps a value.
    #[must_use]
    pub fn push(&mut self, id: u32, value: u64) -> Room {
        self.0.push((id, value));
        if self.0.len() < Kept::MOST { Room::Left } else { Room::None }
    }

    /// Takes all values, in the order in which they came.
    pub fn take(&mut self) -> Drain<'_, (u32, u64)> {
        self.0.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_list_says_so_and_gives_everything_in_its_order() {
        let mut kept = Kept::default();
        let capacity = kept.0.capacity();
        for round in 0..3 {
            for at in 1..Kept::MOST as u64 {
                assert_eq!(kept.push(round, at), Room::Left, "{at}");
            }
            assert_eq!(kept.push(round, Kept::MOST as u64), Room::None);
            assert!(kept.take().eq((1..=Kept::MOST as u64).map(|at| (round, at))));
            assert_eq!(kept.take().len(), 0, "nothing is told twice");
        }
        assert_eq!(kept.0.capacity(), capacity, "the memory is that of the beginning");
    }
}
