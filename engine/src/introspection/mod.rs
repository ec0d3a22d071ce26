// SPDX-License-Identifier: Apache-2.0
//! Opaque tokens: what their issuer says of them (RFC 7662).
//!
//! What enters: a token that is no JWT, the answers of introspection endpoints, the time. What leaves: calls to make,
//! and what was answered, for as long as that may be believed. One call for each token is under way at most; whoever
//! shows the token meanwhile waits for the same answer.
//! Deliberately absent: the call itself, and whether the token is good at a place.

mod answer;

pub use answer::{Heard, Lifetimes, hear};

use crate::config::{Config, KeyOrigin};
use crate::cost;
use crate::feed::{Call, Endpoint};
use crate::time::UnixTime;
use crate::token::{CacheKey, Claims, Lookup, Reading, TokenCache, Weighed};
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// Most tokens about which one VM asks at once.
const MAX_QUESTIONS: usize = 256;
/// As many of them at most are asked for requests: anybody may send any token, and the rest is for open streams.
const MAX_OF_REQUESTS: usize = 192;
/// Largest answer, in bytes.
pub const MAX_ANSWER: usize = 65_536;

/// Where an issuer answers what its tokens are, and how the gate shows itself there.
pub struct Endpoints {
    /// Where.
    pub target: Endpoint,
    /// The value of `Authorization` (RFC 6749 section 2.3.1).
    pub authorization: String,
    /// How long answers count.
    pub lifetimes: Lifetimes,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoints({:?}, {:?})", self.target, self.lifetimes)
    }
}

impl Endpoints {
    fn call(&self, token: &str) -> Call {
        let mut call = self.target.call(None);
        call.method = "POST";
        call.headers.push(("content-type", "application/x-www-form-urlencoded".to_string()));
        call.headers.push(("authorization", self.authorization.clone()));
        call.body = ["token=", &form_encoded(token), "&token_type_hint=access_token"].concat().into_bytes();
        call
    }
}

/// A text as a form writes it.
#[must_use]
pub fn form_encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'*') {
            out.push(char::from(byte));
            continue;
        }
        out.push('%');
        for nibble in [byte >> 4, byte & 15] {
            out.push(HEX.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit)));
        }
    }
    out
}

/// What is known of a token.
#[derive(Clone, Debug)]
pub enum Seen {
    /// Its issuer vouches for it, until then.
    Active(Rc<Claims>, UnixTime),
    /// Its issuer does not know it, or not any more; or answered what cannot be believed.
    Refused(&'static str),
    /// Nobody answered.
    Unavailable,
}

impl Seen {
    /// What it takes of the heap.
    fn cost(&self) -> usize {
        match self {
            Seen::Active(claims, _) => cost::counted::<Claims>() + claims.cost(Reading::Often),
            Seen::Refused(_) | Seen::Unavailable => 0,
        }
    }
}

/// A token that is asked about.
struct Question {
    key: CacheKey,
    issuer: usize,
    token: String,
    /// Of its call, too.
    number: u64,
    asker: Asker,
    sent: Sent,
}

/// For whom a token is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A request: nobody knows yet whether the token was ever good.
    Request,
    /// An open stream: its issuer has vouched for the token.
    Stream,
}

/// Whether the call of a question was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Yes,
    No,
}

/// Whether a question is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The answer will come.
    Open,
    /// It was answered, or there was no answer.
    Over,
}

/// What became of a wish to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The answer to the question of this number will come.
    Waits(u64),
    /// Too many are asked about.
    Full,
}

/// What one VM asks and has heard.
pub struct Introspection {
    seen: TokenCache<Seen>,
    /// In the order of their numbers.
    questions: VecDeque<Question>,
    /// The number of the last question.
    last: u64,
}

impl fmt::Debug for Introspection {
    /// Tokens are not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Introspection({} asked)", self.questions.len())
    }
}

impl Introspection {
    /// Remembers answers within `bytes`, under a key of the VM's own; none where no issuer is asked.
    #[must_use]
    pub fn new(config: &Config, bytes: usize, key: [u8; 16]) -> Introspection {
        let asks = config.asks_issuers();
        // Coalescing needs an answer to be kept until those that wait have read it.
        let capacity = if asks { config.limits.token_cache.max(MAX_QUESTIONS) } else { 0 };
        Introspection { seen: TokenCache::new(capacity, bytes, key), questions: VecDeque::new(), last: 0 }
    }

    /// The name under which a token of this issuer is remembered.
    #[must_use]
    pub fn key(&self, issuer: usize, token: &str) -> CacheKey {
        self.seen.key(u32::try_from(issuer).unwrap_or(u32::MAX), token.as_bytes())
    }

    /// What was heard of a token, while it counts.
    pub fn seen(&mut self, key: CacheKey, now: UnixTime) -> Option<Seen> {
        match self.seen.get(key, now, |_| 0) {
            Lookup::Hit(seen) => Some(seen),
            Lookup::Miss | Lookup::Expired | Lookup::Outdated => None,
        }
    }

    /// Asks about a token, unless that is under way.
    pub fn ask(&mut self, key: CacheKey, issuer: usize, token: &str, asker: Asker) -> Asked {
        if let Some(open) = self.questions.iter().find(|question| question.key == key) {
            return Asked::Waits(open.number);
        }
        let of_requests = || self.questions.iter().filter(|open| open.asker == Asker::Request).count();
        let its_share_is_full = match asker {
            Asker::Request => of_requests() >= MAX_OF_REQUESTS,
            Asker::Stream => false,
        };
        if its_share_is_full || self.questions.len() >= MAX_QUESTIONS {
            return Asked::Full;
        }
        self.last = self.last.saturating_add(1);
        let (token, number) = (token.to_string(), self.last);
        self.questions.push_back(Question { key, issuer, token, number, asker, sent: Sent::No });
        Asked::Waits(number)
    }

    /// What has become of the question of this number. Many may ask at every tick: it takes a few comparisons.
    #[must_use]
    pub fn fate(&self, number: u64) -> Fate {
        match self.place(number) {
            Some(_) => Fate::Open,
            None => Fate::Over,
        }
    }

    fn place(&self, number: u64) -> Option<usize> {
        self.questions.binary_search_by_key(&number, |question| question.number).ok()
    }

    /// The next call to make, and its number.
    pub fn next_call(&mut self, config: &Config) -> Option<(u64, Call)> {
        let next = self.questions.iter_mut().find(|question| question.sent == Sent::No)?;
        next.sent = Sent::Yes;
        let endpoints = endpoints(config, next.issuer)?;
        Some((next.number, endpoints.call(&next.token)))
    }

    /// Takes the answer to a call, or that there is none; says whose token it was about, and what to count.
    pub fn on_answer(
        &mut self,
        call: u64,
        answer: Option<(u16, &[u8])>,
        config: &Config,
        now: UnixTime,
    ) -> Option<(usize, &'static str)> {
        let at = self.place(call)?;
        let Question { key, issuer, .. } = self.questions.remove(at)?;
        let endpoints = endpoints(config, issuer)?;
        let heard = hear(answer, &config.issuers.get(issuer)?.rules, endpoints.lifetimes, now);
        let label = heard.label;
        let bytes = heard.seen.cost();
        let _ = self.seen.insert(key, Weighed { value: heard.seen, bytes }, heard.until, 0, now);
        Some((issuer, label))
    }
}

fn endpoints(config: &Config, issuer: usize) -> Option<&Endpoints> {
    match &config.issuers.get(issuer)?.keys {
        KeyOrigin::Introspection(endpoints) => Some(endpoints),
        KeyOrigin::Inline(_) | KeyOrigin::Secrets(_) | KeyOrigin::Remote { .. } => None,
    }
}

/// The value of `Authorization` by which the gate shows itself (RFC 6749 section 2.3.1).
#[must_use]
pub fn basic(client: &str, secret: &str) -> String {
    use base64ct::Encoding;
    let pair: Vec<u8> = [&form_encoded(client), ":", &form_encoded(secret)].concat().into_bytes();
    ["Basic ", &base64ct::Base64::encode_string(&pair)].concat()
}

#[cfg(test)]
mod tests;
