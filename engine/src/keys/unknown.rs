// SPDX-License-Identifier: Apache-2.0
//! Key ids that nobody knows: when one is worth a refetch.
//!
//! Anybody can make up key ids, so a storm of them must not become a storm of fetches: each id asks once a minute,
//! and all together have one bucket.

use super::bucket::{Meter, Take};
use crate::time::UnixTime;
use alloc::collections::VecDeque;
use core::fmt;
use core::hash::Hasher;
use siphasher::sip::SipHasher13;

/// How many unknown ids are remembered; the oldest makes room.
const REMEMBERED: usize = 256;

/// What an unknown key id leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum UnknownKid {
    /// The set will be fetched again: the request may wait.
    Refetch,
    /// A fetch is due or under way: the request may wait for it.
    UnderWay,
    /// This id asked a short while ago, and the set fetched since then does not have it.
    AskedBefore,
    /// Too many different unknown ids asked lately, or the issuer has just failed to answer.
    Throttled,
}

impl UnknownKid {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            UnknownKid::Refetch => "refetch",
            UnknownKid::UnderWay => "under_way",
            UnknownKid::AskedBefore => "asked_before",
            UnknownKid::Throttled => "throttled",
        }
    }
}

/// The memory of unknown ids: hashes only.
#[derive(Clone)]
pub(super) struct Unknown {
    hash_key: [u8; 16],
    recent: VecDeque<(u64, UnixTime)>,
    remember_secs: u64,
    meter: Meter,
}

impl fmt::Debug for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unknown({} remembered)", self.recent.len())
    }
}

impl Unknown {
    pub(super) fn new(hash_key: [u8; 16], remember_secs: u64, meter: Meter) -> Self {
        Unknown { hash_key, recent: VecDeque::with_capacity(REMEMBERED), remember_secs, meter }
    }

    /// Whether this id may cause a fetch now; if so it is remembered.
    pub(super) fn ask(&mut self, kid: &str, now: UnixTime) -> UnknownKid {
        let hash = self.hash(kid);
        let remember = self.remember_secs.saturating_mul(1_000_000);
        let fresh = |at: UnixTime| at <= now && now.micros_since(at) < remember;
        if self.recent.iter().any(|(other, at)| *other == hash && fresh(*at)) {
            return UnknownKid::AskedBefore;
        }
        match self.meter.try_take(now) {
            Take::Exhausted { .. } => UnknownKid::Throttled,
            Take::Granted => {
                self.remember(hash, now);
                UnknownKid::Refetch
            }
        }
    }

    /// Remembers an id that waits for a fetch that others caused: when it comes back, it had its fetch.
    pub(super) fn wait(&mut self, kid: &str, now: UnixTime) {
        let hash = self.hash(kid);
        if !self.recent.iter().any(|(other, _)| *other == hash) {
            self.remember(hash, now);
        }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.recent.len()
    }

    fn remember(&mut self, hash: u64, now: UnixTime) {
        if self.recent.len() >= REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((hash, now));
    }

    fn hash(&self, kid: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        hasher.write(kid.as_bytes());
        hasher.finish()
    }
}
