// SPDX-License-Identifier: Apache-2.0
//! What a trail holds of a stream, beside its chain.

use toolgate_engine::audit::Head;

use super::entries::Spot;

/// What is known of a stream beside its chain.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) outlet: Option<String>,
    pub(crate) first: Option<Spot>,
    pub(crate) first_time: Option<String>,
    pub(crate) last_time: Option<String>,
    /// `gap` records, and how many records they say were lost.
    pub(crate) gaps: u64,
    pub(crate) lost: u64,
    pub(crate) sampled_out: u64,
    /// Lines that came twice.
    pub(crate) copies: u64,
    pub(crate) begins: Begins,
    /// Whether it was said that its key is not known.
    pub(super) foreign: Said,
    pub(crate) last: Option<Head>,
}

/// Whether something was said already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Yes,
    No,
}

/// Where what was read of a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    Start,
    Archive,
    Middle,
}

impl Begins {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Archive => "archive",
            Self::Middle => "middle",
        }
    }
}

impl Seen {
    pub(super) fn new(begins: Begins) -> Self {
        Self {
            outlet: None,
            first: None,
            first_time: None,
            last_time: None,
            gaps: 0,
            lost: 0,
            sampled_out: 0,
            copies: 0,
            begins,
            foreign: Said::No,
            last: None,
        }
    }
}
