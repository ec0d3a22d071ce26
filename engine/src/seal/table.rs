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
    notes: BTreeMap<u64, Entry>,
    order: VecDeque<u64>,
}

struct Entry {
    note: Arc<str>,
    /// One bit for each [`Mark`].
    marks: u8,
}

/// What may have become of what an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is over.
    Over,
    /// Its result has gone to the client.
    Fetched,
}

impl Mark {
    const fn bit(self) -> u8 {
        match self {
            Mark::Over => 1,
            Mark::Fetched => 2,
        }
    }
}

/// Whether this VM has seen it before, as far as it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It has not.
    First,
    /// It has.
    Again,
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

    /// Remembers an id. Under another note it is another thing, of which nothing is known yet.
    pub fn add(&mut self, bond: &Bond<'_>, id: &str, note: &str) -> Seen {
        let key = self.hash(bond, id);
        self.remember(key, note)
    }

    /// Marks an id, which is remembered from now on if it was not.
    pub fn mark(&mut self, bond: &Bond<'_>, id: &str, note: &str, mark: Mark) -> Seen {
        let key = self.hash(bond, id);
        self.remember(key, note);
        let Some(entry) = self.notes.get_mut(&key) else { return Seen::First };
        let before = entry.marks;
        entry.marks |= mark.bit();
        if before & mark.bit() == 0 { Seen::First } else { Seen::Again }
    }

    fn remember(&mut self, key: u64, note: &str) -> Seen {
        if self.notes.get(&key).is_some_and(|entry| *entry.note == *note) {
            return Seen::Again;
        }
        if self.notes.insert(key, Entry { note: Arc::from(note), marks: 0 }).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > self.capacity {
            let oldest = self.order.pop_front();
            oldest.and_then(|oldest| self.notes.remove(&oldest));
        }
        Seen::First
    }

    /// The note of an id that is remembered under this bond.
    #[must_use]
    pub fn note(&self, bond: &Bond<'_>, id: &str) -> Option<Arc<str>> {
        self.notes.get(&self.hash(bond, id)).map(|entry| entry.note.clone())
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
