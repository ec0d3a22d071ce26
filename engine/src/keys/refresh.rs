// SPDX-License-Identifier: Apache-2.0
//! One issuer's key set: a [`Document`] that unknown key ids may ask to be fetched sooner. Performs no input or output.
//!
//! What enters: the time, the answers, unknown key ids, sets that another worker fetched, and entropy for jitter.
//! What leaves: a [`Feed`], and the keys with how good they are.

use super::bucket::Meter;
use super::set::{KeySet, MAX_KEY_SET_BYTES};
use super::unknown::{Unknown, UnknownKid};
use crate::feed::{Age, Content, Document, Endpoint, Feed, RefreshPolicy, SourceId};
use crate::time::UnixTime;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// Refetches for unknown key ids: burst, and seconds until one more is allowed.
const UNKNOWN_KID: (u32, u64) = (2, 30);
/// How long one unknown key id causes no second refetch, in seconds.
const UNKNOWN_REMEMBERED_SECS: u64 = 60;

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

impl Content for KeySet {
    type Rules = ();
    const MAX_BYTES: usize = MAX_KEY_SET_BYTES;

    fn read(bytes: &[u8], (): &(), _: Option<&KeySet>, _: UnixTime) -> Result<KeySet, &'static str> {
        KeySet::parse(bytes).map_err(|error| error.label())
    }

    fn generation(&self) -> u64 {
        KeySet::generation(self)
    }
}

/// The state of one issuer's key set in one VM.
#[derive(Clone, Debug)]
pub struct Source {
    document: Document<KeySet>,
    unknown: Unknown,
}

impl Source {
    /// A source without keys. `hash_key` is random: it keeps outsiders from choosing colliding key ids.
    #[must_use]
    pub fn new(id: SourceId, targets: Vec<Endpoint>, policy: RefreshPolicy, hash_key: [u8; 16]) -> Self {
        let (burst, every_secs) = UNKNOWN_KID;
        let meter = Meter::new(burst, every_secs.saturating_mul(1_000_000));
        Source {
            document: Document::new(id, targets, policy, ()),
            unknown: Unknown::new(hash_key, UNKNOWN_REMEMBERED_SECS, meter),
        }
    }

    /// The set as something that is fetched.
    pub fn feed(&mut self) -> &mut dyn Feed {
        &mut self.document
    }

    /// From now on the set is there; what is held stays.
    pub fn move_to(&mut self, endpoint: Endpoint, now: UnixTime) {
        self.document.move_to(endpoint, now);
    }

    /// After a failure: the time before which no fetch goes out, so that nobody need wait for one.
    #[must_use]
    pub fn backing_off(&self, now: UnixTime) -> Option<UnixTime> {
        self.document.schedule().backing_off(now)
    }

    /// The keys, and how good they are.
    #[must_use]
    pub fn status(&self, now: UnixTime) -> KeyStatus {
        match (self.document.schedule().age(now), self.document.held()) {
            (Age::Absent, _) | (_, None) => KeyStatus::Absent,
            (Age::Fresh, Some(keys)) => KeyStatus::Fresh(Rc::clone(keys)),
            (Age::Aging, Some(keys)) => KeyStatus::Aging(Rc::clone(keys)),
            (Age::Stale, Some(_)) => KeyStatus::Stale,
        }
    }

    /// The generation of the set held; 0 without one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.document.held().map_or(0, |keys| keys.generation())
    }

    /// When the set was fetched and until when it is fresh; for metrics.
    #[must_use]
    pub fn fetched(&self) -> Option<(UnixTime, UnixTime)> {
        self.document.schedule().fetched()
    }

    /// A token names a key that the set does not have.
    pub fn on_unknown_kid(&mut self, kid: &str, now: UnixTime) -> UnknownKid {
        let schedule = self.document.schedule_mut();
        if schedule.is_in_flight(now) || schedule.is_wanted() {
            self.unknown.wait(kid, now);
            return UnknownKid::UnderWay;
        }
        if schedule.backing_off(now).is_some() {
            return UnknownKid::Throttled;
        }
        let answer = self.unknown.ask(kid, now);
        if answer == UnknownKid::Refetch {
            schedule.want(now);
        }
        answer
    }
}

#[cfg(test)]
mod tests;
