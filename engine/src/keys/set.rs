// SPDX-License-Identifier: Apache-2.0
//! A JWK Set (RFC 7517 section 5): the sound keys of one issuer, found by key id.
//!
//! What enters: bytes. What leaves: a [`KeySet`] of at least one key, indexed by the hash of its key id so that a
//! look-up costs the same for ten keys and a thousand. One bad key does not take down the others: it is skipped
//! and counted.

use super::alg::Alg;
use super::jwk::{self, JwkRefusal};
use super::material::PublicKey;
use crate::json::{Doc, JsonErrorKind, Kind, Limits};
use crate::sort::sort;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::hash::Hasher;
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher13;

/// Largest key set that is read, in bytes.
pub const MAX_KEY_SET_BYTES: usize = 512 * 1024;
/// Most keys that a set may hold.
pub const MAX_KEYS: usize = 1_000;
/// How many skipped keys are told one by one; all are counted.
const MAX_SKIPPED: usize = 32;
/// How many keys are tried for one token.
const MAX_TRIED: usize = 4;
const LIMITS: Limits = Limits { depth: 8, nodes: 65_536 };

/// Why a key set as a whole is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySetError {
    /// More than 512 KiB.
    TooLarge,
    /// Not JSON, or JSON that two readers could read differently.
    NotJson(JsonErrorKind),
    /// Not an object with a list `keys`.
    NoKeys,
    /// More than 1,000 keys.
    TooManyKeys,
    /// Not one key is usable.
    NoUsableKey,
}

impl KeySetError {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            KeySetError::TooLarge => "too_large",
            KeySetError::NotJson(_) => "not_json",
            KeySetError::NoKeys => "no_keys",
            KeySetError::TooManyKeys => "too_many_keys",
            KeySetError::NoUsableKey => "no_usable_key",
        }
    }
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySetError::TooLarge => write!(f, "the key set is larger than {MAX_KEY_SET_BYTES} bytes"),
            KeySetError::NotJson(kind) => write!(f, "the key set is not JSON: {}", kind.message()),
            KeySetError::NoKeys => f.write_str("the key set is not an object with a list `keys`"),
            KeySetError::TooManyKeys => write!(f, "the key set holds more than {MAX_KEYS} keys"),
            KeySetError::NoUsableKey => f.write_str("the key set holds no usable key"),
        }
    }
}

impl core::error::Error for KeySetError {}

/// A key that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its position in `keys`.
    pub index: usize,
    /// Why.
    pub reason: JwkRefusal,
}

/// The usable keys of one issuer.
#[derive(Clone)]
pub struct KeySet {
    keys: Vec<PublicKey>,
    /// `starts[bucket]..starts[bucket + 1]` are the places in `order` whose key ids fall into the bucket.
    starts: Vec<u16>,
    order: Vec<u16>,
    skipped: Vec<Skipped>,
    skipped_count: usize,
    generation: u64,
}

impl KeySet {
    /// Reads a key set.
    ///
    /// # Errors
    /// Why the set as a whole is of no use; single bad keys are skipped instead.
    pub fn parse(bytes: &[u8]) -> Result<KeySet, KeySetError> {
        if bytes.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let doc = Doc::parse(bytes, LIMITS).map_err(|error| KeySetError::NotJson(error.kind))?;
        let list = doc.root().get("keys").ok_or(KeySetError::NoKeys)?;
        if !matches!(list.kind(), Kind::Array) {
            return Err(KeySetError::NoKeys);
        }
        let (mut keys, mut skipped, mut skipped_count) = (Vec::new(), Vec::new(), 0_usize);
        for (index, value) in list.items().enumerate() {
            if index >= MAX_KEYS {
                return Err(KeySetError::TooManyKeys);
            }
            match jwk::read(value) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    skipped_count = skipped_count.saturating_add(1);
                    if skipped.len() < MAX_SKIPPED {
                        skipped.push(Skipped { index, reason });
                    }
                }
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok(KeySet::index(keys, skipped, skipped_count))
    }

    fn index(keys: Vec<PublicKey>, skipped: Vec<Skipped>, skipped_count: usize) -> KeySet {
        let buckets = keys.len().saturating_mul(2).next_power_of_two();
        let mut placed: Vec<(usize, u16)> = (0_u16..)
            .zip(&keys)
            .filter_map(|(place, key)| key.kid().map(|kid| (bucket(kid, buckets), place)))
            .collect();
        sort(&mut placed);
        let mut starts = vec![0_u16; buckets.saturating_add(1)];
        for (bucket, _) in &placed {
            if let Some(count) = starts.get_mut(bucket.saturating_add(1)) {
                *count = count.saturating_add(1);
            }
        }
        let mut sum = 0_u16;
        for start in &mut starts {
            sum = sum.saturating_add(*start);
            *start = sum;
        }
        let order = placed.into_iter().map(|(_, place)| place).collect();
        let generation = generation(&keys);
        KeySet { keys, starts, order, skipped, skipped_count, generation }
    }

    /// How many keys are usable; at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// The usable keys, in the order of the set.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter()
    }

    /// The first 32 keys that were not taken, and why.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// How many keys were not taken.
    #[must_use]
    pub const fn skipped_count(&self) -> usize {
        self.skipped_count
    }

    /// A hash over keys, key ids and algorithms: equal for equal sets, on every worker and after every refetch, so
    /// that tokens verified under one may be kept while it lasts.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The keys to try for a token: those of its key id that fit its algorithm; without a key id, those that fit.
    /// At most four.
    ///
    /// # Errors
    /// Why there is none.
    pub fn candidates(&self, kid: Option<&str>, alg: Alg) -> Result<Candidates<'_>, NoCandidate> {
        match kid {
            Some(kid) => self.named(kid, alg),
            None => Candidates::of(self.keys.iter().filter(|key| key.fits(alg))).ok_or(NoCandidate::NoneFits),
        }
    }

    fn named(&self, kid: &str, alg: Alg) -> Result<Candidates<'_>, NoCandidate> {
        let mut known = self.in_bucket(kid).filter(|key| key.kid() == Some(kid)).peekable();
        if known.peek().is_none() {
            return Err(NoCandidate::UnknownKid);
        }
        Candidates::of(known.filter(|key| key.fits(alg))).ok_or(NoCandidate::NoneFits)
    }

    fn in_bucket(&self, kid: &str) -> impl Iterator<Item = &PublicKey> {
        let bucket = bucket(kid, self.starts.len().saturating_sub(1));
        let edge = |at: usize| self.starts.get(at).copied().map_or(0, usize::from);
        let places = self.order.get(edge(bucket)..edge(bucket.saturating_add(1))).unwrap_or_default();
        places.iter().filter_map(|place| self.keys.get(usize::from(*place)))
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys, {} skipped)", self.keys.len(), self.skipped_count)
    }
}

/// `buckets` is a power of two, at most 2,048. Only the issuer chooses key ids that are stored, so the hash needs
/// no secret: at worst it costs its own tokens a walk over its own keys.
fn bucket(kid: &str, buckets: usize) -> usize {
    let mut hasher = SipHasher13::new();
    hasher.write(kid.as_bytes());
    let mask = u64::try_from(buckets).unwrap_or(1).saturating_sub(1);
    usize::try_from(hasher.finish() & mask).unwrap_or(0)
}

fn generation(keys: &[PublicKey]) -> u64 {
    let mut hash = Sha256::new();
    for key in keys {
        hash.update(key.thumbprint());
        hash.update(key.alg().map_or("", Alg::name));
        hash.update([0]);
        let kid = key.kid().unwrap_or_default();
        hash.update([u8::from(key.kid().is_some())]);
        hash.update(u64::try_from(kid.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(kid);
    }
    hash.finalize().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// Why no key can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCandidate {
    /// No key has that key id: the issuer may have rotated, so a refetch may help.
    UnknownKid,
    /// There are keys, but none fits the algorithm.
    NoneFits,
}

/// One to four keys to try.
#[derive(Clone, Debug)]
pub struct Candidates<'s> {
    keys: [Option<&'s PublicKey>; MAX_TRIED],
}

impl<'s> Candidates<'s> {
    fn of(mut fitting: impl Iterator<Item = &'s PublicKey>) -> Option<Self> {
        let mut keys = [None; MAX_TRIED];
        for place in &mut keys {
            *place = fitting.next();
        }
        keys.iter().any(Option::is_some).then_some(Candidates { keys })
    }

    /// The keys, in the order of the set.
    pub fn iter(&self) -> impl Iterator<Item = &'s PublicKey> {
        self.keys.iter().copied().flatten()
    }
}

#[cfg(test)]
mod tests;
