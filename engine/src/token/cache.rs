// SPDX-License-Identifier: Apache-2.0
//! A bounded memory of verified tokens.
//!
//! What enters: the 128-bit keyed hash of server and token, never the token. What leaves: the value put there, while
//! it is in time and its issuer's keys are still the ones that proved it; both are asked on every look-up.
//! Sets of eight, the least recently used makes room: all memory is taken at the start, and no outsider can make a
//! look-up slower than eight comparisons. The hash key is random per VM, so nobody can aim at a set.

use crate::time::UnixTime;
use alloc::vec::Vec;
use core::fmt;
use core::hash::Hasher;
use siphasher::sip128::{Hasher128, SipHasher24};

const WAYS: usize = 8;

/// The keyed hash of a token as one server sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CacheKey(u128);

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheKey(hidden)")
    }
}

/// What a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<V> {
    /// A value that is still good.
    Hit(V),
    /// Nothing.
    Miss,
    /// A value whose time is over; removed.
    Expired,
    /// A value proved by keys that the issuer has replaced; removed.
    Outdated,
}

/// What became of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// In a free place, or in one whose value was over.
    Added,
    /// In place of the value under the same key.
    Replaced,
    /// In place of the least recently used value of its set.
    Evicted,
    /// Nowhere: the cache is off, or the value is over already.
    Ignored,
}

impl<V> Lookup<V> {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Lookup::Hit(_) => "hit",
            Lookup::Miss => "miss",
            Lookup::Expired => "expired",
            Lookup::Outdated => "outdated",
        }
    }
}

#[derive(Clone)]
struct Entry<V> {
    key: CacheKey,
    valid_until: UnixTime,
    generation: u64,
    used: u64,
    value: V,
}

/// The memory. `V` is cheap to clone, such as an `Rc`.
pub struct TokenCache<V> {
    hash_key: [u8; 16],
    entries: Vec<Option<Entry<V>>>,
    ways: usize,
    clock: u64,
}

impl<V: Clone> TokenCache<V> {
    /// A cache of at most `capacity` values (rounded down to a multiple of eight where it is more than eight);
    /// 0 switches it off. `hash_key` is random.
    #[must_use]
    pub fn new(capacity: usize, hash_key: [u8; 16]) -> Self {
        let ways = capacity.min(WAYS);
        let places = capacity.checked_div(ways).unwrap_or(0).saturating_mul(ways);
        let mut entries = Vec::new();
        entries.resize_with(places, || None);
        TokenCache { hash_key, entries, ways, clock: 0 }
    }

    /// How many values fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// How many values are there, in time or not. Walks through all of them: for metrics, on a tick.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.iter().flatten().count()
    }

    /// The key of a token at a server (its place in the configuration).
    #[must_use]
    pub fn key(&self, server: u32, token: &[u8]) -> CacheKey {
        let mut hasher = SipHasher24::new_with_key(&self.hash_key);
        hasher.write(&server.to_le_bytes());
        hasher.write(token);
        CacheKey(hasher.finish128().as_u128())
    }

    /// The key of a token beside something else that says who sends it, in parts.
    #[must_use]
    pub fn key_beside<'p>(
        &self,
        server: u32,
        token: &[u8],
        parts: impl Iterator<Item = &'p [u8]>,
    ) -> CacheKey {
        let mut hasher = SipHasher24::new_with_key(&self.hash_key);
        hasher.write(&server.to_le_bytes());
        hasher.write(token);
        for part in parts {
            // No token has a zero byte, and with its length before it no part runs into the next.
            hasher.write(&[0]);
            hasher.write(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.write(part);
        }
        CacheKey(hasher.finish128().as_u128())
    }

    /// Looks a token up. `generation_of` says which generation of keys the value's issuer has now; a value that was
    /// put under another is gone.
    pub fn get(&mut self, key: CacheKey, now: UnixTime, generation_of: impl FnOnce(&V) -> u64) -> Lookup<V> {
        self.clock = self.clock.wrapping_add(1);
        let clock = self.clock;
        let Some(place) = self.set(key).iter_mut().find(|place| holds(place, key)) else {
            return Lookup::Miss;
        };
        let Some(entry) = place else { return Lookup::Miss };
        if now >= entry.valid_until {
            *place = None;
            return Lookup::Expired;
        }
        if generation_of(&entry.value) != entry.generation {
            *place = None;
            return Lookup::Outdated;
        }
        entry.used = clock;
        Lookup::Hit(entry.value.clone())
    }

    /// Puts a value there until `valid_until`, proved under `generation`.
    pub fn insert(
        &mut self,
        key: CacheKey,
        value: V,
        valid_until: UnixTime,
        generation: u64,
        now: UnixTime,
    ) -> Inserted {
        if now >= valid_until {
            return Inserted::Ignored;
        }
        self.clock = self.clock.wrapping_add(1);
        let entry = Entry { key, valid_until, generation, used: self.clock, value };
        let best = self.set(key).iter_mut().min_by_key(|place| claim(place, key, now));
        let Some(place) = best else { return Inserted::Ignored };
        let inserted = match claim(place, key, now) {
            (Claim::Same, _) => Inserted::Replaced,
            (Claim::Free, _) => Inserted::Added,
            (Claim::InUse, _) => Inserted::Evicted,
        };
        *place = Some(entry);
        inserted
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.fill(None);
    }

    fn set(&mut self, key: CacheKey) -> &mut [Option<Entry<V>>] {
        let sets = self.entries.len().checked_div(self.ways).unwrap_or(0);
        let high = u64::try_from(key.0 >> 64).unwrap_or(0);
        let spread = high.checked_rem(u64::try_from(sets).unwrap_or(0)).unwrap_or(0);
        let start = usize::try_from(spread).unwrap_or(0).saturating_mul(self.ways);
        self.entries.get_mut(start..start.saturating_add(self.ways)).unwrap_or_default()
    }
}

/// Which place of a set a new value takes: the smallest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Same,
    Free,
    InUse,
}

fn holds<V>(place: &Option<Entry<V>>, key: CacheKey) -> bool {
    place.as_ref().is_some_and(|entry| entry.key == key)
}

fn claim<V>(place: &Option<Entry<V>>, key: CacheKey, now: UnixTime) -> (Claim, u64) {
    match place {
        None => (Claim::Free, 0),
        Some(entry) if entry.key == key => (Claim::Same, 0),
        Some(entry) if now >= entry.valid_until => (Claim::Free, entry.used),
        Some(entry) => (Claim::InUse, entry.used),
    }
}

impl<V> fmt::Debug for TokenCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenCache({} places)", self.entries.len())
    }
}

#[cfg(test)]
mod tests;
