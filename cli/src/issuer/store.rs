// SPDX-License-Identifier: Apache-2.0
//! A map of a bounded number of entries, each kept until its time.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

/// Entries by key. Nothing that an outsider sends makes it larger than its limit.
#[derive(Debug)]
pub(super) struct Store<K, V> {
    entries: HashMap<K, (V, i64)>,
    limit: usize,
}

/// Every place is taken by an entry whose time is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<K: Eq + Hash, V> Store<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), limit }
    }

    /// Puts an entry in until `until`; those whose time is over make room.
    pub(super) fn insert(&mut self, key: K, value: V, until: i64, now: i64) -> Result<(), Full> {
        if self.entries.len() >= self.limit {
            self.entries.retain(|_, (_, until)| *until > now);
        }
        if self.entries.len() >= self.limit && !self.entries.contains_key(&key) {
            return Err(Full);
        }
        self.entries.insert(key, (value, until));
        Ok(())
    }

    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: i64) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).filter(|(_, until)| *until > now).map(|(value, _)| value)
    }

    pub(super) fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, now: i64) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key).filter(|(_, until)| *until > now).map(|(value, _)| value)
    }

    pub(super) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, now: i64) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.entries.remove(key).filter(|(_, until)| *until > now).map(|(value, _)| value)
    }

    /// Takes out what `wanted` says, of those whose time is not over.
    pub(super) fn take(&mut self, now: i64, wanted: impl Fn(&V) -> bool) -> Vec<V> {
        self.entries
            .extract_if(|_, (value, until)| *until > now && wanted(value))
            .map(|(_, (value, _))| value)
            .collect()
    }

    /// The entries whose time is not over.
    pub(super) fn live(&self, now: i64) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().filter(move |(_, (_, until))| *until > now).map(|(key, (value, _))| (key, value))
    }

    /// How many entries are held, those whose time is over included.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_end_at_their_time_and_make_room() {
        let mut store = Store::new(2);
        store.insert("a", 1, 10, 0).unwrap();
        store.insert("b", 2, 20, 0).unwrap();
        assert_eq!(store.insert("c", 3, 30, 9), Err(Full));
        assert_eq!((store.get("a", 9), store.get("a", 10)), (Some(&1), None));
        store.insert("b", 4, 20, 9).unwrap();
        store.insert("c", 3, 30, 10).unwrap();
        assert_eq!((store.len(), store.remove("b", 19), store.remove("b", 19)), (2, Some(4), None));
        assert_eq!(store.remove("c", 30), None);
    }

    #[test]
    fn what_is_taken_out_is_gone() {
        let mut store = Store::new(4);
        for number in 0..4 {
            store.insert(number, number, 10 + number, 0).unwrap();
        }
        assert_eq!(store.take(12, |value| *value < 3), Vec::<i64>::new());
        assert_eq!(store.take(11, |value| *value < 3), [2]);
        assert_eq!(store.live(0).count(), 3);
    }
}
