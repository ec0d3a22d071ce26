// SPDX-License-Identifier: Apache-2.0
//! One fetched document: its places, its schedule, and the content read out of it.

use super::Feed;
use super::fetch::{Adopted, Failure, Fetch, Head, Outcome, Response};
use super::schedule::{Age, RefreshPolicy, Schedule};
use super::source::{Endpoint, SourceId};
use crate::time::UnixTime;
use alloc::borrow::ToOwned;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// Longest entity tag that is kept, in bytes.
const MAX_ETAG: usize = 128;

/// What a document holds, read strictly from its bytes.
pub trait Content: Sized {
    /// What reading needs besides the bytes, such as a public key or a name that must stand there.
    type Rules;

    /// Largest document that is read, in bytes.
    const MAX_BYTES: usize;

    /// Reads it. `held` is what is there now: content that may not go back compares its version.
    ///
    /// # Errors
    /// A metric label from a closed set: why it is of no use.
    fn read(
        bytes: &[u8],
        rules: &Self::Rules,
        held: Option<&Self>,
        now: UnixTime,
    ) -> Result<Self, &'static str>;

    /// Equal for equal content, on every worker and after every fetch.
    fn generation(&self) -> u64;
}

/// A document of one source in one VM.
#[derive(Clone, Debug)]
pub struct Document<C: Content> {
    id: SourceId,
    /// Where it may be; tried in this order.
    targets: Vec<Endpoint>,
    /// Which of them is asked.
    at: usize,
    rules: C::Rules,
    schedule: Schedule,
    held: Option<Held<C>>,
}

#[derive(Clone, Debug)]
struct Held<C> {
    content: Rc<C>,
    digest: [u8; 32],
    etag: Option<String>,
}

impl<C: Content> Document<C> {
    /// A document that was not fetched yet. Without a target nothing is fetched until [`Document::move_to`].
    #[must_use]
    pub fn new(id: SourceId, targets: Vec<Endpoint>, policy: RefreshPolicy, rules: C::Rules) -> Document<C> {
        Document { id, targets, at: 0, rules, schedule: Schedule::new(policy), held: None }
    }

    /// From now on it is there. What is held stays; another place makes a fetch due.
    pub fn move_to(&mut self, target: Endpoint, now: UnixTime) {
        if self.targets.as_slice() == [target.clone()] {
            return;
        }
        let moved = !self.targets.is_empty();
        self.targets.clear();
        self.targets.push(target);
        self.at = 0;
        if let (true, Some(held)) = (moved, &mut self.held) {
            // The tag was another place's.
            held.etag = None;
            self.schedule.want(now);
        }
    }

    fn read(&mut self, response: &Response<'_>, now: UnixTime) -> Result<Outcome, Failure> {
        if response.body.len() > C::MAX_BYTES {
            return Err(Failure::TooLarge);
        }
        let plain =
            |tag: &&str| tag.len() <= MAX_ETAG && tag.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        let etag = response.etag.filter(plain).map(ToOwned::to_owned);
        self.take(response.body, digest(response.body), etag, now).map_err(Failure::Content)
    }

    fn take(
        &mut self,
        body: &[u8],
        digest: [u8; 32],
        etag: Option<String>,
        now: UnixTime,
    ) -> Result<Outcome, &'static str> {
        if let Some(held) = self.held.as_mut().filter(|held| held.digest == digest) {
            held.etag = etag;
            return Ok(Outcome::Unchanged);
        }
        let before = self.held.as_ref().map(|held| &held.content);
        let read = C::read(body, &self.rules, before.map(Rc::as_ref), now)?;
        let same = before.filter(|before| before.generation() == read.generation()).cloned();
        let (content, outcome) = match same {
            Some(content) => (content, Outcome::Unchanged),
            None => (Rc::new(read), Outcome::Fresh),
        };
        self.held = Some(Held { content, digest, etag });
        Ok(outcome)
    }

    /// Its times.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Its times, to want a newer one.
    pub fn schedule_mut(&mut self) -> &mut Schedule {
        &mut self.schedule
    }

    /// What is held, however old.
    #[must_use]
    pub fn held(&self) -> Option<&Rc<C>> {
        self.held.as_ref().map(|held| &held.content)
    }

    /// What is held and may still be used.
    #[must_use]
    pub fn usable(&self, now: UnixTime) -> Option<&Rc<C>> {
        match self.schedule.age(now) {
            Age::Fresh | Age::Aging => self.held(),
            Age::Absent | Age::Stale => None,
        }
    }
}

impl<C: Content> Feed for Document<C> {
    fn source(&self) -> SourceId {
        self.id
    }

    fn next_fetch(&self, now: UnixTime) -> Option<Fetch> {
        let target = self.targets.get(self.at)?;
        let reason = self.schedule.due(now)?;
        let etag = self.held.as_ref().and_then(|held| held.etag.as_deref());
        Some(Fetch { page: 0, reason, call: target.call(etag) })
    }

    fn fetch_started(&mut self, _: u16, now: UnixTime) {
        self.schedule.started(now);
    }

    fn max_bytes(&self, _: u16) -> usize {
        C::MAX_BYTES
    }

    fn on_response(&mut self, page: u16, response: &Response<'_>, now: UnixTime, entropy: u64) -> Outcome {
        let lifetime = response.freshness.lifetime_secs(&self.schedule.policy().freshness, now.as_secs());
        let read = match response.status {
            200 => self.read(response, now),
            304 if self.held.as_ref().is_some_and(|held| held.etag.is_some()) => Ok(Outcome::Unchanged),
            0 => Err(Failure::Transport),
            504 => Err(Failure::Timeout),
            status => Err(Failure::Status(status)),
        };
        match read {
            Ok(outcome) => {
                self.schedule.succeeded(now, lifetime, entropy);
                outcome
            }
            Err(failure) => {
                self.on_failure(page, failure, now, entropy);
                Outcome::Failed(failure)
            }
        }
    }

    // A place that does not have the document is followed by the next one.
    fn on_failure(&mut self, _: u16, failure: Failure, now: UnixTime, entropy: u64) {
        let missing = match failure {
            Failure::Status(status) => status < 500,
            Failure::Content(_) => true,
            Failure::Transport | Failure::Timeout | Failure::TooLarge => false,
        };
        let next = self.at.saturating_add(1);
        if missing && next < self.targets.len() {
            self.at = next;
            self.schedule.try_elsewhere(now);
        } else {
            if missing {
                self.at = 0;
            }
            self.schedule.failed(now, entropy);
        }
    }

    fn head(&self) -> Option<Head> {
        let (held, (fetched_at, fresh_until)) = (self.held.as_ref()?, self.schedule.fetched()?);
        Some(Head { fetched_at, fresh_until, digest: held.digest, etag: held.etag.clone() })
    }

    fn adopt(&mut self, head: &Head, body: Option<&[u8]>, now: UnixTime, entropy: u64) -> Adopted {
        if !self.schedule.is_older_than(head.fetched_at, now) {
            return Adopted::NotNewer;
        }
        let known = self.held.as_ref().is_some_and(|held| held.digest == head.digest);
        let body = match body {
            _ if known => &[],
            None => return Adopted::NeedsBody,
            Some(body) if body.len() > C::MAX_BYTES || digest(body) != head.digest => {
                return Adopted::Unusable;
            }
            Some(body) => body,
        };
        match self.take(body, head.digest, head.etag.clone(), now) {
            Ok(outcome) => {
                self.schedule.adopted(head.fetched_at, head.fresh_until, entropy);
                if outcome == Outcome::Fresh { Adopted::Taken } else { Adopted::Renewed }
            }
            Err(_) => Adopted::Unusable,
        }
    }
}

/// SHA-256.
pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
