// SPDX-License-Identifier: Apache-2.0
//! Copies: a collector may get a batch twice, because an answer was lost. A line that is the same to the byte as one of
//! the last thousand of its stream is no tampering, and counts once.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, RandomState},
};

use toolgate_engine::audit::StreamId;

/// More than a batch holds.
const RECENT: usize = 1_024;

/// The last lines of streams, as hashes under a key of this run.
#[derive(Debug, Default)]
pub(super) struct Copies {
    hasher: RandomState,
    recent: BTreeMap<StreamId, VecDeque<u64>>,
}

impl Copies {
    /// Whether copies may come in this stream.
    pub(super) fn may_be(outlet: Option<&str>) -> bool {
        outlet.is_none_or(|outlet| outlet == "collector")
    }

    /// Whether no stream is one in which copies may come.
    pub(super) fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }

    /// Whether this very line was there.
    pub(super) fn has(&self, stream: StreamId, line: &[u8]) -> bool {
        let hash = self.hasher.hash_one(line);
        self.recent.get(&stream).is_some_and(|recent| recent.contains(&hash))
    }

    pub(super) fn note(&mut self, stream: StreamId, line: &[u8]) {
        let recent = self.recent.entry(stream).or_default();
        if recent.len() >= RECENT {
            recent.pop_front();
        }
        recent.push_back(self.hasher.hash_one(line));
    }
}
