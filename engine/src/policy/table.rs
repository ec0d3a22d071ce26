// SPDX-License-Identifier: Apache-2.0
//! A hash table that is filled once: from texts to what is filed under them. One pass over a name finds what is filed
//! under the whole of it and under each of its beginnings, however many texts there are.
//!
//! The texts are the operator's; a caller chooses only what is looked up, so the hash needs no secret.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

const EMPTY: u32 = u32::MAX;

/// FNV-1a, which can be told after each byte.
#[derive(Clone, Copy)]
pub(super) struct Hash(u64);

impl Hash {
    pub(super) const START: Hash = Hash(0xcbf2_9ce4_8422_2325);

    pub(super) fn then(self, byte: u8) -> Hash {
        Hash((self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    /// The low bits of FNV-1a are good, the high ones are folded in.
    fn slot(self, mask: usize) -> usize {
        let low = u32::try_from((self.0 ^ self.0 >> 32) & u64::from(u32::MAX)).unwrap_or(0);
        usize::try_from(low).unwrap_or(0) & mask
    }
}

/// What is filed under one text, ascending.
#[derive(Debug)]
struct Bucket {
    text: String,
    entries: Vec<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<u32>,
    buckets: Vec<Bucket>,
    /// The lengths of the texts, ascending, each once.
    lengths: Vec<usize>,
}

impl Table {
    /// `reading` gives the bytes of a text in the order in which look-ups hash them.
    pub(super) fn build(filed: BTreeMap<String, Vec<u32>>, reading: Reading) -> Table {
        let buckets: Vec<Bucket> =
            filed.into_iter().map(|(text, entries)| Bucket { text, entries }).collect();
        let mut slots = alloc::vec![EMPTY; (buckets.len() * 2).next_power_of_two()];
        let mut lengths: Vec<usize> = Vec::new();
        for length in buckets.iter().map(|bucket| bucket.text.len()) {
            if let Err(at) = lengths.binary_search(&length) {
                lengths.insert(at, length);
            }
        }
        let mask = slots.len() - 1;
        for (at, bucket) in (0_u32..).zip(&buckets) {
            let mut slot = reading.hash(&bucket.text).slot(mask);
            while slots.get(slot).is_some_and(|taken| *taken != EMPTY) {
                slot = (slot + 1) & mask;
            }
            if let Some(free) = slots.get_mut(slot) {
                *free = at;
            }
        }
        Table { slots, buckets, lengths }
    }

    pub(super) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    pub(super) fn find(&self, hash: Hash, text: &[u8]) -> Option<&[u32]> {
        if self.buckets.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash.slot(mask);
        // Half of the slots are empty, so this ends.
        loop {
            let at = *self.slots.get(slot).filter(|at| **at != EMPTY)?;
            let bucket = self.buckets.get(usize::try_from(at).ok()?)?;
            if bucket.text.as_bytes() == text {
                return Some(&bucket.entries);
            }
            slot = (slot + 1) & mask;
        }
    }
}

/// From which end texts are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Forward,
    Backward,
}

impl Reading {
    fn hash(self, text: &str) -> Hash {
        match self {
            Reading::Forward => text.bytes().fold(Hash::START, Hash::then),
            Reading::Backward => text.bytes().rev().fold(Hash::START, Hash::then),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn the_hash_is_fnv_1a_folded() {
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8_u64)]
        {
            assert_eq!(Reading::Forward.hash(text).0, hash, "{text}");
        }
        assert_eq!(Hash(0x0000_0006_0000_0005).slot(0xFFFF), 3);
        assert_eq!(Hash(0x0000_0006_0000_0005).slot(1), 1);
        assert_eq!(Hash(0x0000_0000_0001_0004).slot(0xFFFF), 4);
    }

    #[test]
    fn what_was_filed_is_found_and_nothing_else() {
        for reading in [Reading::Forward, Reading::Backward] {
            for count in [0_u32, 1, 2, 100, 5_000] {
                let filed = (0..count).map(|at| (format!("t{at}"), alloc::vec![at])).collect();
                let table = Table::build(filed, reading);
                for at in 0..count + 10 {
                    let text = format!("t{at}");
                    let found = table.find(reading.hash(&text), text.as_bytes());
                    assert_eq!(found, (at < count).then_some(&[at][..]), "{text} of {count}");
                }
            }
        }
    }
}
