// SPDX-License-Identifier: Apache-2.0
//! Guessing passwords gets slow: after a few failures a name and an address have to wait, each time longer.

use std::{
    array,
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// Failures that cost no waiting: people mistype.
const FREE_FOR_A_NAME: u32 = 5;
const FREE_FOR_AN_ADDRESS: u32 = 20;
/// Longest wait, in seconds; failures are forgotten after twice as long.
const LONGEST: i64 = 300;
const SLOTS: usize = 1_024;
const SLOTS_U64: u64 = 1_024;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    failures: u32,
    last: i64,
}

impl Slot {
    fn wait(self, free: u32, now: i64) -> i64 {
        let Some(over) = self.failures.checked_sub(free) else { return 0 };
        let span = 1_i64.checked_shl(over.min(16)).unwrap_or(LONGEST).min(LONGEST);
        self.last.saturating_add(span).saturating_sub(now).max(0)
    }
}

/// A fixed table of failures. Two names that share a slot share their waiting; which ones do, only this process knows.
#[derive(Debug)]
pub(super) struct Throttle {
    keys: RandomState,
    slots: Mutex<[Slot; SLOTS]>,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self { keys: RandomState::new(), slots: Mutex::new(array::from_fn(|_| Slot::default())) }
    }

    fn slot(&self, key: impl Hash) -> usize {
        // The remainder is smaller than the table, so it always fits.
        usize::try_from(self.keys.hash_one(key) % SLOTS_U64).unwrap_or_default()
    }

    /// Seconds to wait before the next attempt; 0 lets it through.
    pub(super) fn wait(&self, name: &str, address: IpAddr, now: i64) -> i64 {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = |at: usize, free| slots.get(at).map_or(0, |slot| slot.wait(free, now));
        wait(self.slot(name), FREE_FOR_A_NAME).max(wait(self.slot(address), FREE_FOR_AN_ADDRESS))
    }

    /// Notes a failed attempt.
    pub(super) fn failed(&self, name: &str, address: IpAddr, now: i64) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for at in [self.slot(name), self.slot(address)] {
            if let Some(slot) = slots.get_mut(at) {
                let forgotten = now.saturating_sub(slot.last) > 2 * LONGEST;
                slot.failures = if forgotten { 1 } else { slot.failures.saturating_add(1) };
                slot.last = now;
            }
        }
    }

    /// Forgets the failures of a name that has logged in. Those of the address stay: one may know one password and
    /// guess others.
    pub(super) fn passed(&self, name: &str) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get_mut(self.slot(name)) {
            *slot = Slot::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn waiting_doubles_after_a_few_failures_and_ends() {
        let throttle = Throttle::new();
        for _ in 0..4 {
            throttle.failed("ann", HERE, 100);
        }
        assert_eq!(throttle.wait("ann", HERE, 100), 0);
        let waits: Vec<i64> = (0..3)
            .map(|_| {
                throttle.failed("ann", HERE, 100);
                throttle.wait("ann", HERE, 100)
            })
            .collect();
        assert_eq!(waits, [1, 2, 4]);
        assert_eq!(throttle.wait("ann", HERE, 104), 0);
        for _ in 0..40 {
            throttle.failed("ann", HERE, 104);
        }
        assert_eq!(throttle.wait("ann", HERE, 104), LONGEST);
        throttle.passed("ann");
        assert!(throttle.wait("ann", HERE, 104) > 0, "the address still waits");
        assert_eq!(throttle.wait("ann", HERE, 104 + LONGEST), 0);
    }

    #[test]
    fn one_address_that_tries_many_names_waits() {
        let throttle = Throttle::new();
        for number in 0..20 {
            throttle.failed(&format!("user-{number}"), HERE, 7);
        }
        assert!(throttle.wait("somebody-else", HERE, 7) > 0);
    }
}
