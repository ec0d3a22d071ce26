// SPDX-License-Identifier: Apache-2.0
//! Guessing passwords gets slow: after a few failures a name and an address have to wait, each time longer.

use std::{
    array,
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Failures that cost no waiting: people mistype.
const FREE_FOR_A_NAME: u32 = 5;
const FREE_FOR_AN_ADDRESS: u32 = 20;
/// Longest wait, in seconds; failures are forgotten after twice as long.
const LONGEST: i64 = 300;
const SLOTS: usize = 1_024;
const SLOTS_U64: u64 = 1_024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// An attempt that was let through: what it did to the slots of its name and of its address.
#[derive(Debug)]
pub(super) struct Attempt {
    name: Mark,
    address: Mark,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at: usize,
    before: Slot,
    after: Slot,
}

type Slots = [Slot; SLOTS];

/// A fixed table of failures. Two names that share a slot share their waiting; which ones do, only this process knows.
#[derive(Debug)]
pub(super) struct Throttle {
    keys: RandomState,
    slots: Mutex<Slots>,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self { keys: RandomState::new(), slots: Mutex::new(array::from_fn(|_| Slot::default())) }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, key: impl Hash) -> usize {
        // The remainder is smaller than the table, so it always fits.
        usize::try_from(self.keys.hash_one(key) % SLOTS_U64).unwrap_or_default()
    }

    /// Lets an attempt through, or says how many seconds it has to wait. It counts as a failure from here on, so that
    /// attempts at once, and those whose sender does not wait for the answer, count as attempts in turn do.
    pub(super) fn begin(&self, name: &str, address: IpAddr, now: i64) -> Result<Attempt, i64> {
        let (name, address) = (self.slot(name), self.slot(address));
        let mut slots = self.slots();
        let wait = |at: usize, free| slots.get(at).map_or(0, |slot| slot.wait(free, now));
        match wait(name, FREE_FOR_A_NAME).max(wait(address, FREE_FOR_AN_ADDRESS)) {
            0 => Ok(Attempt { name: count(&mut slots, name, now), address: count(&mut slots, address, now) }),
            wait => Err(wait),
        }
    }

    /// Takes back an attempt whose password was not looked at.
    pub(super) fn withdraw(&self, attempt: &Attempt) {
        let mut slots = self.slots();
        // The other way round than they were counted: name and address may share a slot.
        take_back(&mut slots, attempt.address);
        take_back(&mut slots, attempt.name);
    }

    /// Forgets the failures of a name that has logged in. Those of the address stay, but for this attempt: one may know
    /// one password and guess others.
    pub(super) fn passed(&self, attempt: &Attempt) {
        let mut slots = self.slots();
        take_back(&mut slots, attempt.address);
        if let Some(slot) = slots.get_mut(attempt.name.at) {
            *slot = Slot::default();
        }
    }
}

fn count(slots: &mut Slots, at: usize, now: i64) -> Mark {
    let before = slots.get(at).copied().unwrap_or_default();
    let forgotten = now.saturating_sub(before.last) > 2 * LONGEST;
    let failures = if forgotten { 1 } else { before.failures.saturating_add(1) };
    let after = Slot { failures, last: now };
    if let Some(slot) = slots.get_mut(at) {
        *slot = after;
    }
    Mark { at, before, after }
}

fn take_back(slots: &mut Slots, mark: Mark) {
    let Some(slot) = slots.get_mut(mark.at) else { return };
    // Where others came between, the time of the last one stays: they may have failed.
    *slot = match *slot == mark.after {
        true => mark.before,
        false => Slot { failures: slot.failures.saturating_sub(1), ..*slot },
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Attempts of `ann` until one has to wait: how many were let through, and how long that one waits.
    fn exhaust(throttle: &Throttle, now: i64) -> (usize, i64) {
        let mut through = 0;
        loop {
            match throttle.begin("ann", HERE, now) {
                Ok(_) => through += 1,
                Err(wait) => return (through, wait),
            }
        }
    }

    #[test]
    fn waiting_doubles_after_a_few_failures_and_ends() {
        let throttle = Throttle::new();
        assert_eq!(exhaust(&throttle, 100), (5, 1));
        let mut now = 100;
        for wait in [2, 4, 8, 16, 32, 64, 128, 256, LONGEST, LONGEST] {
            now += exhaust(&throttle, now).1;
            assert_eq!(exhaust(&throttle, now), (1, wait));
        }
        // Forgotten after twice the longest wait.
        assert_eq!(exhaust(&throttle, now + 2 * LONGEST + 1), (5, 1));
    }

    #[test]
    fn who_logs_in_starts_anew_and_the_address_does_not() {
        let throttle = Throttle::new();
        for number in 0..19 {
            throttle.begin(&format!("user-{number}"), HERE, 7).unwrap();
        }
        for _ in 0..10 {
            let attempt = throttle.begin("ann", HERE, 7).unwrap();
            throttle.passed(&attempt);
        }
        throttle.begin("eve", HERE, 7).unwrap();
        assert_eq!(throttle.begin("ann", HERE, 7).unwrap_err(), 1);
        // A login does not make the others behind the address wait.
        let attempt = throttle.begin("ann", HERE, 8).unwrap();
        throttle.passed(&attempt);
        assert!(throttle.begin("somebody-else", HERE, 8).is_ok());
    }

    #[test]
    fn what_is_taken_back_hides_no_failure_beside_it() {
        let throttle = Throttle::new();
        for _ in 0..4 {
            throttle.begin("ann", HERE, 7).unwrap();
        }
        let attempt = throttle.begin("ann", HERE, 7).unwrap();
        throttle.withdraw(&attempt);
        let attempt = throttle.begin("ann", HERE, 8).unwrap();
        assert_eq!(throttle.begin("ann", HERE, 8).unwrap_err(), 1);
        throttle.withdraw(&attempt);
        throttle.begin("ann", HERE, 8).unwrap();
        assert_eq!(throttle.begin("ann", HERE, 8).unwrap_err(), 1);
        // Of attempts at once, each is taken back by itself.
        let throttle = Throttle::new();
        let attempts: Vec<_> = (0..5).map(|_| throttle.begin("ann", HERE, 7).unwrap()).collect();
        for attempt in &attempts[..4] {
            throttle.withdraw(attempt);
        }
        assert_eq!(exhaust(&throttle, 7), (4, 1));
    }

    #[test]
    fn one_address_that_tries_many_names_waits() {
        let throttle = Throttle::new();
        for number in 0..20 {
            throttle.begin(&format!("user-{number}"), HERE, 7).unwrap();
        }
        assert_eq!(throttle.begin("somebody-else", HERE, 7).unwrap_err(), 1);
    }
}
