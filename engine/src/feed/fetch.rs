// SPDX-License-Identifier: Apache-2.0
//! What a feed is told and what it says: orders, answers, outcomes.

use super::freshness::Freshness;
use crate::time::UnixTime;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// An HTTP request through a cluster of the proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// The cluster.
    pub cluster: String,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// `https` or `http`.
    pub scheme: String,
    /// Host and port.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Other headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take, in milliseconds.
    pub timeout_millis: u32,
}

impl fmt::Debug for Call {
    /// Headers and body may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {}{} by {})", self.method, self.authority, self.path, self.cluster)
    }
}

/// An order to fetch a page of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Which page; 0 is the document itself.
    pub page: u16,
    /// Why.
    pub reason: Reason,
    /// The call to make.
    pub call: Call,
}

/// Why something is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is none yet.
    First,
    /// What is there is about to expire.
    Refresh,
    /// The last fetch failed, or another place is tried.
    Retry,
    /// Somebody asked for a newer one: for keys, a token names one that is not in the set.
    Wanted,
    /// A page that the document names.
    Page,
}

impl Reason {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Reason::First => "first",
            Reason::Refresh => "refresh",
            Reason::Retry => "retry",
            Reason::Wanted => "wanted",
            Reason::Page => "page",
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
    /// `ETag`.
    pub etag: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// New content; what was derived from the old one is to be looked at again.
    Fresh,
    /// The same content as before, by status 304 or by comparison.
    Unchanged,
    /// The last good content stays.
    Failed(Failure),
}

/// Why a fetch brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer: the call could not be made, or was reset.
    Transport,
    /// No answer in time.
    Timeout,
    /// A status other than 200, or 304 where it was not asked for. Redirects are not followed.
    Status(u16),
    /// The body is larger than the feed's bound.
    TooLarge,
    /// The body is not what it should be; the word says what is wrong, from the closed set of its [`super::Content`].
    Content(&'static str),
}

impl Outcome {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Outcome::Fresh => "fresh",
            Outcome::Unchanged => "unchanged",
            Outcome::Failed(failure) => failure.label(),
        }
    }
}

impl Failure {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Failure::Transport => "transport",
            Failure::Timeout => "timeout",
            Failure::Status(_) => "status",
            Failure::TooLarge => "too_large",
            Failure::Content(label) => label,
        }
    }
}

/// What one worker tells the others about what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// When it was fetched, or last confirmed.
    pub fetched_at: UnixTime,
    /// Until when it is fresh.
    pub fresh_until: UnixTime,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
    /// The body's entity tag.
    pub etag: Option<String>,
}

/// What became of another worker's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// Taken.
    Taken,
    /// It is what is held already, and now as fresh as there.
    Renewed,
    /// It is newer: give the body too.
    NeedsBody,
    /// Not newer than what is here, or from the future.
    NotNewer,
    /// The body is not the one that the head names, or cannot be read.
    Unusable,
}
