// SPDX-License-Identifier: Apache-2.0
//! When one issuer's key set is fetched, and what becomes of the answer. Performs no input or output.
//!
//! What enters: the time, the answers, unknown key ids, sets that another worker fetched, and entropy for jitter.
//! What leaves: [`Fetch`] orders with their reason, and the keys with how good they are.
//! The shell asks [`Source::next_fetch`] on each tick, first looks whether shared data has a newer set
//! ([`Source::adopt`]), takes the lease, says [`Source::fetch_started`], and brings the answer.

use super::bucket::Meter;
use super::fetch::{Adopted, Fetch, FetchFailure, FetchReason, KeyStatus, Outcome, Response};
use super::freshness::FreshnessRules;
use super::set::{KeySet, MAX_KEY_SET_BYTES};
use super::unknown::{Unknown, UnknownKid};
use crate::time::UnixTime;
use alloc::rc::Rc;

/// How one source is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// Bounds of the lifetime of an answer.
    pub freshness: FreshnessRules,
    /// How long after its fetch a set may be used while no new one comes, in seconds. Default one day.
    pub max_stale_secs: u64,
    /// How long a fetch may take, in seconds. Default 5.
    pub timeout_secs: u64,
    /// First and longest wait after a failure, in seconds. Default 1 and 60.
    pub retry_secs: (u64, u64),
    /// Refetches for unknown key ids: burst, and seconds until one more is allowed. Default 2 and 30.
    pub unknown_kid: (u32, u64),
    /// How long one unknown key id causes no second refetch, in seconds. Default 60.
    pub unknown_remembered_secs: u64,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        RefreshPolicy {
            freshness: FreshnessRules::default(),
            max_stale_secs: 86_400,
            timeout_secs: 5,
            retry_secs: (1, 60),
            unknown_kid: (2, 30),
            unknown_remembered_secs: 60,
        }
    }
}

#[derive(Clone, Debug)]
struct Held {
    keys: Rc<KeySet>,
    fetched_at: UnixTime,
    fresh_until: UnixTime,
    refresh_at: UnixTime,
}

/// The state of one issuer's key set in one VM.
#[derive(Clone, Debug)]
pub struct Source {
    policy: RefreshPolicy,
    held: Option<Held>,
    /// A fetch of this VM is under way until then at the latest.
    in_flight: Option<UnixTime>,
    failures: u32,
    retry_at: UnixTime,
    /// A refetch for an unknown key id was granted then.
    wanted_since: Option<UnixTime>,
    unknown: Unknown,
}

/// A set from shared data may be that much ahead of this worker's clock.
const SKEW_SECS: u64 = 5;

impl Source {
    /// A source without keys. `hash_key` is random: it keeps outsiders from choosing colliding key ids.
    #[must_use]
    pub fn new(policy: RefreshPolicy, hash_key: [u8; 16]) -> Self {
        let (burst, every_secs) = policy.unknown_kid;
        let meter = Meter::new(burst, every_secs.saturating_mul(1_000_000));
        Source {
            policy,
            held: None,
            in_flight: None,
            failures: 0,
            retry_at: UnixTime::default(),
            wanted_since: None,
            unknown: Unknown::new(hash_key, policy.unknown_remembered_secs, meter),
        }
    }

    /// Whether the set is to be fetched now, and why. Stays `Some` until [`Source::fetch_started`].
    #[must_use]
    pub fn next_fetch(&self, now: UnixTime) -> Option<Fetch> {
        if self.is_in_flight(now) {
            return None;
        }
        let reason = self.reason(now)?;
        Some(Fetch { reason, timeout_secs: self.policy.timeout_secs })
    }

    fn reason(&self, now: UnixTime) -> Option<FetchReason> {
        if self.failures > 0 || self.in_flight.is_some() {
            return (now >= self.retry_at).then_some(FetchReason::Retry);
        }
        match &self.held {
            None => Some(FetchReason::First),
            Some(_) if self.wanted_since.is_some() => Some(FetchReason::UnknownKid),
            Some(held) => {
                let clock_went_back = held.fetched_at > now.plus_secs(SKEW_SECS);
                (clock_went_back || now >= held.refresh_at).then_some(FetchReason::Refresh)
            }
        }
    }

    fn is_in_flight(&self, now: UnixTime) -> bool {
        self.in_flight.is_some_and(|until| now < until)
    }

    /// The call went out.
    pub fn fetch_started(&mut self, now: UnixTime) {
        self.in_flight = Some(now.plus_secs(self.policy.timeout_secs.saturating_add(1)));
    }

    /// The answer came. `entropy` spreads refreshes and retries of many proxies.
    pub fn on_response(&mut self, response: Response<'_>, now: UnixTime, entropy: u64) -> Outcome {
        match read(&response) {
            Err(failure) => self.on_failure(failure, now, entropy),
            Ok(keys) => {
                let lifetime = response.freshness.lifetime_secs(&self.policy.freshness, now.as_secs());
                self.hold(keys, now, now.plus_secs(lifetime), entropy)
            }
        }
    }

    /// No answer came, or the call could not be made.
    pub fn on_failure(&mut self, failure: FetchFailure, now: UnixTime, entropy: u64) -> Outcome {
        self.in_flight = None;
        self.wanted_since = None;
        let (first, longest) = self.policy.retry_secs;
        let wait = first.saturating_mul(1 << self.failures.min(16)).min(longest).max(1);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now.plus_millis(spread(wait.saturating_mul(1_000), entropy));
        Outcome::Failed(failure)
    }

    /// Takes a set that another worker fetched, if it is newer than what is here.
    pub fn adopt(
        &mut self,
        keys: KeySet,
        fetched_at: UnixTime,
        fresh_until: UnixTime,
        now: UnixTime,
        entropy: u64,
    ) -> Adopted {
        let older = self.held.as_ref().is_some_and(|held| fetched_at <= held.fetched_at);
        if older || fetched_at > now.plus_secs(SKEW_SECS) {
            return Adopted::NotNewer;
        }
        let latest = fetched_at.plus_secs(self.policy.freshness.ceiling_secs);
        let wanted_since = self.wanted_since;
        let _ = self.hold(keys, fetched_at, fresh_until.min(latest), entropy);
        // A set from before the unknown key id was seen does not answer the question.
        self.wanted_since = wanted_since.filter(|since| fetched_at < *since);
        Adopted::Taken
    }

    fn hold(&mut self, keys: KeySet, fetched_at: UnixTime, fresh_until: UnixTime, entropy: u64) -> Outcome {
        self.in_flight = None;
        self.failures = 0;
        self.wanted_since = None;
        let lifetime = fresh_until.micros_since(fetched_at);
        // At 75 to 80 % of the lifetime.
        let refresh_at =
            fetched_at.plus_millis((lifetime / 1_000 / 10) * 7 + spread(lifetime / 10_000, entropy));
        let before = self.held.take().map(|held| held.keys);
        let unchanged = before.filter(|before| before.generation() == keys.generation());
        let (keys, is_new) = match unchanged {
            Some(before) => (before, false),
            None => (Rc::new(keys), true),
        };
        self.held = Some(Held { keys: Rc::clone(&keys), fetched_at, fresh_until, refresh_at });
        if is_new { Outcome::Fresh(keys) } else { Outcome::Unchanged(keys) }
    }

    /// After a failure: the time before which no fetch goes out, so that nobody need wait for one.
    #[must_use]
    pub fn backing_off(&self, now: UnixTime) -> Option<UnixTime> {
        (self.failures > 0 && now < self.retry_at).then_some(self.retry_at)
    }

    /// The keys, and how good they are.
    #[must_use]
    pub fn status(&self, now: UnixTime) -> KeyStatus {
        let Some(held) = &self.held else { return KeyStatus::Absent };
        if now < held.fresh_until {
            return KeyStatus::Fresh(Rc::clone(&held.keys));
        }
        match now < held.fetched_at.plus_secs(self.policy.max_stale_secs) {
            true => KeyStatus::Aging(Rc::clone(&held.keys)),
            false => KeyStatus::Stale,
        }
    }

    /// The generation of the set held; 0 without one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.keys.generation())
    }

    /// When the set was fetched and until when it is fresh; for shared data and metrics.
    #[must_use]
    pub fn fetched(&self) -> Option<(UnixTime, UnixTime)> {
        self.held.as_ref().map(|held| (held.fetched_at, held.fresh_until))
    }

    /// A token names a key that the set does not have.
    pub fn on_unknown_kid(&mut self, kid: &str, now: UnixTime) -> UnknownKid {
        if self.is_in_flight(now) || self.wanted_since.is_some() {
            self.unknown.wait(kid, now);
            return UnknownKid::UnderWay;
        }
        if self.backing_off(now).is_some() {
            return UnknownKid::Throttled;
        }
        let answer = self.unknown.ask(kid, now);
        if answer == UnknownKid::Refetch {
            self.wanted_since = Some(now);
        }
        answer
    }
}

/// Half of `whole` and a random part of the other half; all of it for the largest entropy.
fn spread(whole: u64, entropy: u64) -> u64 {
    let half = whole / 2;
    half.saturating_add(entropy % whole.saturating_sub(half).saturating_add(1))
}

fn read(response: &Response<'_>) -> Result<KeySet, FetchFailure> {
    match response.status {
        200 => {}
        0 => return Err(FetchFailure::Transport),
        504 => return Err(FetchFailure::Timeout),
        status => return Err(FetchFailure::Status(status)),
    }
    if response.body.len() > MAX_KEY_SET_BYTES {
        return Err(FetchFailure::TooLarge);
    }
    KeySet::parse(response.body).map_err(FetchFailure::KeySet)
}

#[cfg(test)]
mod tests;
