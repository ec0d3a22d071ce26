// SPDX-License-Identifier: Apache-2.0
//! What the refresh scheduler is told and what it says: orders, answers, outcomes and the state of the keys.

use super::freshness::Freshness;
use super::set::{KeySet, KeySetError};
use alloc::rc::Rc;

/// An order to fetch the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Why.
    pub reason: FetchReason,
    /// How long it may take, in seconds.
    pub timeout_secs: u64,
}

/// Why a set is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchReason {
    /// There is none yet.
    First,
    /// The set is about to expire.
    Refresh,
    /// The last fetch failed.
    Retry,
    /// A token names a key that is not in the set.
    UnknownKid,
}

impl FetchReason {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            FetchReason::First => "first",
            FetchReason::Refresh => "refresh",
            FetchReason::Retry => "retry",
            FetchReason::UnknownKid => "unknown_kid",
        }
    }
}

/// An answer as the proxy gives it.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// `:status`; 0 where there was no answer at all.
    pub status: u16,
    /// The freshness headers.
    pub freshness: Freshness<'a>,
    /// The body.
    pub body: &'a [u8],
}

/// What became of an answer.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A new set; what was verified under another generation is to be verified again.
    Fresh(Rc<KeySet>),
    /// The same keys as before.
    Unchanged(Rc<KeySet>),
    /// The last good set stays.
    Failed(FetchFailure),
}

/// Why a fetch brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchFailure {
    /// No answer: the call could not be made, or was reset.
    Transport,
    /// No answer in time.
    Timeout,
    /// A status other than 200. Redirects are not followed.
    Status(u16),
    /// The body is larger than 512 KiB.
    TooLarge,
    /// The body is not a usable key set.
    KeySet(KeySetError),
}

impl Outcome {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Outcome::Fresh(_) => "fresh",
            Outcome::Unchanged(_) => "unchanged",
            Outcome::Failed(failure) => failure.label(),
        }
    }
}

impl FetchFailure {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            FetchFailure::Transport => "transport",
            FetchFailure::Timeout => "timeout",
            FetchFailure::Status(_) => "status",
            FetchFailure::TooLarge => "too_large",
            FetchFailure::KeySet(error) => error.label(),
        }
    }
}

/// How good the keys are.
#[derive(Clone, Debug)]
pub enum KeyStatus {
    /// None was ever fetched: requests may wait for the first.
    Absent,
    /// As fresh as the issuer promised.
    Fresh(Rc<KeySet>),
    /// Past their lifetime but within `max_stale`: still used.
    Aging(Rc<KeySet>),
    /// Too old to be used.
    Stale,
}

/// What became of another worker's set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// Taken.
    Taken,
    /// Not newer than what is here, or from the future.
    NotNewer,
}
