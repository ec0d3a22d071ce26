// SPDX-License-Identifier: Apache-2.0
//! API keys: their form, what is kept of them, and whether one that is shown is one of them.
//!
//! What enters: entries of the configuration, a presented key, the time. What leaves: the [`ApiKey`] that was shown,
//! or one [`KeyFault`]. Deliberately absent: the keys themselves. Of a key only a salted hash is kept; it has 256
//! random bits, so nobody can try all of them and a fast hash is right where a password would want a slow one.

mod hash;
mod text;

pub use hash::KeyHash;
pub use text::{DEFAULT_PREFIX, KeyText, MAX_ID, SECRET_CHARS, compose, is_id, is_note, is_prefix};

use crate::metrics::{Metric, Sample, Series};
use crate::sort::sort_by;
use crate::time::UnixTime;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// A key of the configuration.
pub struct ApiKey {
    /// Its public id, which stands in the key: a metric label.
    pub id: Arc<str>,
    /// The set it belongs to, by index.
    pub set: usize,
    /// Whose it is.
    pub owner: Arc<str>,
    /// What is kept of the key.
    pub hash: KeyHash,
    /// The roles that conditions read as the caller's.
    pub roles: Vec<String>,
    /// From when it is refused.
    pub expires: Option<UnixTime>,
    /// Whether it was withdrawn.
    pub state: KeyState,
    /// What the configuration says of it besides, as name and value.
    pub labels: Vec<(String, String)>,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id)
    }
}

/// Whether a key was withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It serves until it expires.
    Live,
    /// It is refused, whatever its time.
    Revoked,
}

/// Keys that are shown in the same way.
#[derive(Debug)]
pub struct KeySetRules {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// The header that carries a key, in lower case.
    pub header: String,
    /// What its keys begin with, before the first `_`.
    pub prefix: String,
}

/// Every key of the configuration, sorted by id.
#[derive(Debug, Default)]
pub struct ApiKeys {
    /// The sets, in the order of their names.
    pub sets: Vec<KeySetRules>,
    keys: Vec<ApiKey>,
}

/// Why a presented key is refused. For metrics and audit: the caller gets the 401 of every refused credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// Not in the form of a key, or its check characters do not fit: cut off, or mistyped.
    Malformed,
    /// No key here has this id.
    Unknown,
    /// The id is known; the rest is not that key's.
    Wrong,
    /// The key was withdrawn.
    Revoked,
    /// Its time is over.
    Expired,
}

impl KeyFault {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            KeyFault::Malformed => "api_key_malformed",
            KeyFault::Unknown => "api_key_unknown",
            KeyFault::Wrong => "api_key_wrong",
            KeyFault::Revoked => "api_key_revoked",
            KeyFault::Expired => "api_key_expired",
        }
    }
}

impl ApiKeys {
    /// All keys of the configuration; ids are unique among them.
    #[must_use]
    pub fn new(sets: Vec<KeySetRules>, mut keys: Vec<ApiKey>) -> ApiKeys {
        sort_by(&mut keys, |one, two| one.id.cmp(&two.id));
        ApiKeys { sets, keys }
    }

    /// The keys, sorted by id.
    #[must_use]
    pub fn all(&self) -> &[ApiKey] {
        &self.keys
    }

    /// The key at an index.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&ApiKey> {
        self.keys.get(at)
    }

    /// When each key ends, for the metrics: told once, since it never changes. A key that was withdrawn says 0: the series
    /// of the configuration before, where it still had an end, lives on in the proxy.
    pub fn ends(&self) -> impl Iterator<Item = Sample> {
        let ends = self.keys.iter().enumerate().filter_map(|(at, key)| Some((at, key.expires?, key.state)));
        ends.map(|(at, end, state)| Sample {
            series: Series::new(Metric::ApiKeyExpires, "").of_key(at),
            value: match state {
                KeyState::Live => end.as_secs(),
                KeyState::Revoked => 0,
            },
        })
    }

    /// The index of the key that was shown, if it is one of these sets and good at `now`.
    ///
    /// An id that nobody has costs what a known one does: one hash, one comparison in constant time. Whether a key
    /// is withdrawn or over is told only about a key that was really shown.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn judge(&self, shown: KeyText<'_>, sets: &[usize], now: UnixTime) -> Result<usize, KeyFault> {
        let found = self.keys.binary_search_by(|key| (*key.id).cmp(shown.id())).ok();
        let here = found
            .and_then(|at| self.keys.get(at).map(|key| (at, key)))
            .filter(|(_, key)| sets.contains(&key.set));
        let fits = here.map_or(&KeyHash::NOBODYS, |(_, key)| &key.hash).fits(shown);
        let Some((at, key)) = here else { return Err(KeyFault::Unknown) };
        if !fits {
            return Err(KeyFault::Wrong);
        }
        match (key.state, key.expires) {
            (KeyState::Revoked, _) => Err(KeyFault::Revoked),
            (KeyState::Live, Some(end)) if now >= end => Err(KeyFault::Expired),
            (KeyState::Live, Some(_) | None) => Ok(at),
        }
    }
}

#[cfg(test)]
mod tests;
