// SPDX-License-Identifier: Apache-2.0
//! Credentials that ended before their time: by token id, subject, client or key, or because they are too old.
//!
//! What enters: lists as the configuration or a feed has them, a credential that is otherwise good, the time.
//! What leaves: a [`Standing`]. Deliberately absent: the fetch, and what an answer says (always the uniform 401).
//!
//! A list keeps 64-bit keyed hashes, not names; the key is random in each VM, or in each packed list, so nobody can aim at
//! a collision. With `n` entries, a credential that is on no list is taken for a revoked one with a probability of about `n` in 2^64 for each
//! name it shows.

mod feed;
mod list;
mod manifest;
mod search;
mod shards;

pub use feed::{ListFeed, OnFailure};
pub use list::{Credential, HashKey, List, ListWire, MAX_IDS};
pub use manifest::{
    MAX_BITS, MAX_SHARD_IDS, MAX_TIMES, Manifest, PackTimes, Packed, Packers, ShardNote, pack, signed,
};

use crate::config::{Config, RevocationFeed};
use crate::identity::Identity;
use crate::time::UnixTime;
use alloc::vec::Vec;

/// The metric label of what a list ends.
pub const REVOKED: &str = "revoked";

/// What the lists say of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing against it.
    Good,
    /// It is over.
    Revoked,
    /// A list that must be there is missing, or too old.
    Unknown,
}

/// All lists of one configuration in one VM.
#[derive(Debug)]
pub struct Revocation {
    lists: Vec<Scoped>,
    feeds: Vec<ListFeed>,
    epoch: u64,
}

#[derive(Debug)]
struct Scoped {
    issuer: Option<usize>,
    list: List,
}

impl Revocation {
    /// For a fresh VM; the key is random.
    #[must_use]
    pub fn new(config: &Config, key: HashKey) -> Revocation {
        let lists = config.revocation.lists.iter();
        let feeds = config.revocation.feeds.iter();
        Revocation {
            lists: lists
                .map(|written| Scoped { issuer: written.issuer, list: List::new(&written.list, key) })
                .collect(),
            feeds: feeds.map(|feed: &RevocationFeed| ListFeed::new(feed, key)).collect(),
            epoch: 1,
        }
    }

    /// The feeds, in the order of the configuration.
    #[must_use]
    pub fn feeds(&self) -> &[ListFeed] {
        &self.feeds
    }

    /// One of them.
    pub fn feed_mut(&mut self, at: usize) -> Option<&mut ListFeed> {
        self.feeds.get_mut(at)
    }

    /// Another number whenever a list has changed; never 0.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A feed has brought something.
    pub fn changed(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
    }

    /// What the lists say of a caller. Who was found good is not looked up again until a list has changed.
    #[must_use]
    pub fn judge(&self, identity: &Identity, now: UnixTime) -> Standing {
        if (self.lists.is_empty() && self.feeds.is_empty()) || identity.is_anonymous() {
            return Standing::Good;
        }
        let credential = Credential::of(identity);
        let concerns = |issuer: Option<usize>| issuer.is_none_or(|issuer| credential.issuer == Some(issuer));
        let missing = |feed: &ListFeed| concerns(feed.issuer()) && !feed.suffices(now);
        let unknown = self.feeds.iter().any(missing);
        if identity.asked().get() != self.epoch {
            let lists = self.lists.iter().map(|scoped| (scoped.issuer, &scoped.list));
            let fetched = self.feeds.iter().filter_map(|feed| Some((feed.issuer(), feed.list()?)));
            let revoked =
                |(issuer, list): (Option<usize>, &List)| concerns(issuer) && list.revokes(&credential);
            if lists.chain(fetched).any(revoked) {
                return Standing::Revoked;
            }
            identity.asked().set(self.epoch);
        }
        if unknown { Standing::Unknown } else { Standing::Good }
    }
}

#[cfg(test)]
mod tests;
