// SPDX-License-Identifier: Apache-2.0
//! Requests that wait for something, and whose turn it is to be looked at again.
//!
//! A look reads the whole head, and strangers can have many requests wait. So each is looked at again only when what it
//! waits for may have come, and few of them at one tick; the others keep their place before those that came later.

use super::Attempt;
use crate::introspection::{Fate, Introspection};
use crate::time::UnixTime;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Heads that are looked at again in one round at most, besides those whose time is over: these have one look left.
pub(super) const AGAIN_PER_ROUND: usize = 128;
/// Heads whose time is over that are looked at in one round at most: the others have theirs some milliseconds later.
pub(super) const LAST_PER_ROUND: usize = 384;

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Something that is fetched: keys, where keys are, or a policy.
    Feed,
    /// The answer to the question of this number about an opaque token.
    Answer(u64),
}

/// How long a request waits, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The time after which it waits no more.
    pub deadline: UnixTime,
    /// What it waits for.
    pub wanted: Wanted,
    /// The epoch of what is fetched, as of the last look.
    pub epoch: u64,
}

impl Parked {
    fn turn(&self, now: UnixTime, epoch: u64, questions: &Introspection) -> Option<Attempt> {
        if now >= self.deadline {
            return Some(Attempt::Last);
        }
        let may_have_come = match self.wanted {
            Wanted::Feed => self.epoch != epoch,
            Wanted::Answer(question) => questions.fate(question) == Fate::Over,
        };
        may_have_come.then_some(Attempt::Again)
    }
}

/// Takes those out of the line whose turn it is; whoever still waits after the look goes to its end. `parked_as` says
/// how one waits; one that waits no more leaves the line.
#[must_use]
pub fn turns<T>(
    line: &mut VecDeque<T>,
    parked_as: impl Fn(&T) -> Option<Parked>,
    (now, epoch): (UnixTime, u64),
    questions: &Introspection,
) -> Vec<(T, Attempt)> {
    let (mut again, mut last) = (AGAIN_PER_ROUND, LAST_PER_ROUND);
    let mut taken = Vec::new();
    for _ in 0..line.len() {
        let Some(request) = line.pop_front() else { break };
        let Some(parked) = parked_as(&request) else { continue };
        let Some(attempt) = parked.turn(now, epoch, questions) else {
            line.push_back(request);
            continue;
        };
        let left = if attempt == Attempt::Last { &mut last } else { &mut again };
        match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                taken.push((request, attempt));
            }
            None => line.push_back(request),
        }
    }
    taken
}
