// SPDX-License-Identifier: Apache-2.0
//! How often each branch went which way.

use anyhow::{Context as _, Result};

/// How often one branch went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ways {
    pub(crate) not_taken: u64,
    pub(crate) taken: u64,
}

/// What a hint says of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    Unlikely,
    Likely,
}

impl Ways {
    /// A branch that was not reached, or that went both ways, has none.
    pub(crate) fn hint(self) -> Option<Hint> {
        match (self.not_taken, self.taken) {
            (0, 0) => None,
            (_, 0) => Some(Hint::Unlikely),
            (0, _) => Some(Hint::Likely),
            (_, _) => None,
        }
    }
}

/// Reads what a run of a marked filter wrote: a line for each branch, how often it was not taken and how often it was.
///
/// # Errors
/// With the first line that is something else.
pub(crate) fn read(text: &str) -> Result<Vec<Ways>> {
    let line = |line: &str| {
        let (not_taken, taken) = line.split_once(' ')?;
        Some(Ways { not_taken: not_taken.parse().ok()?, taken: taken.parse().ok()? })
    };
    let each = text.lines().enumerate();
    each.map(|(at, text)| line(text).with_context(|| format!("line {}: `{text}` is not two numbers", at + 1)))
        .collect()
}
