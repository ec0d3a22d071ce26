// SPDX-License-Identifier: Apache-2.0
//! Which ids this VM has sealed or opened of late: what an upstream mentions without being asked can be known by it.

use super::{Bond, Purpose};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::fmt;
use core::hash::Hasher;
use siphasher::sip::SipHasher24;

/// A bounded memory of ids with their notes, by keyed hash; the oldest makes room.
pub struct Remembered {
    key: [u8; 16],
    capacity: usize,
    notes: BTreeMap<u64, Arc<str>>,
    order: VecDeque<u64>,
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remembered({} of {})", self.notes.len(), self.capacity)
    }
}

impl Remembered {
    /// For `capacity` ids, hashed under a key of the VM's own.
    #[must_use]
    pub fn new(capacity: usize, key: [u8; 16]) -> Remembered {
        Remembered { key, capacity, notes: BTreeMap::new(), order: VecDeque::new() }
    }

    /// Remembers an id.
    pub fn add(&mut self, bond: &Bond<'_>, id: &str, note: &str) {
        let key = self.hash(bond, id);
        if self.notes.insert(key, Arc::from(note)).is_some() {
            return;
        }
        self.order.push_back(key);
        while self.order.len() > self.capacity {
            let oldest = self.order.pop_front();
            oldest.and_then(|oldest| self.notes.remove(&oldest));
        }
    }

    /// The note of an id that is remembered under this bond.
    #[must_use]
    pub fn note(&self, bond: &Bond<'_>, id: &str) -> Option<Arc<str>> {
        self.notes.get(&self.hash(bond, id)).cloned()
    }

    fn hash(&self, bond: &Bond<'_>, id: &str) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        for part in [bond.server.as_bytes(), bond.principal, id.as_bytes()] {
            hasher.write_u64(u64::try_from(part.len()).unwrap_or(u64::MAX));
            hasher.write(part);
        }
        hasher.write_u8(match bond.purpose {
            Purpose::Task => 0,
            Purpose::Session => 1,
        });
        hasher.finish()
    }
}
