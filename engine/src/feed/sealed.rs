// SPDX-License-Identifier: Apache-2.0
//! What goes into the proxy's shared data, and what is believed of what comes out of it.
//!
//! Other plugins may share the namespace and can read, change and replay what stands there, so each value carries a
//! version, the digest of its source and HMAC-SHA256 (RFC 2104) under a secret that only the operator's environment
//! holds. The digest keeps one source's document from being moved under another's name. A head names its body by
//! SHA-256, so that a replayed body does not fit; a replayed head is genuine, and refused for not being newer. What
//! leaves an `open` was written by this plugin for this source.

use super::fetch::Head;
use super::source::SourceId;
use crate::mac::MacKey;
use crate::time::UnixTime;
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::fmt;
use hmac::{Hmac, Mac};
use sha2::Sha256;

const VERSION: u8 = 2;
const HEAD_MAGIC: [u8; 4] = *b"TGhd";
const PAGE_MAGIC: [u8; 4] = *b"TGpg";
const LEASE_MAGIC: [u8; 4] = *b"TGle";
const MAC_LEN: usize = 32;
/// No fetch takes longer, so no lease does: a damaged clock cannot lock a source.
const LONGEST_LEASE_SECS: u64 = 120;
const MIN_SECRET: usize = 16;

/// Whether workers share what they fetch.
#[derive(Clone, Debug)]
pub enum SharedState {
    /// No secret is configured: each worker fetches for itself, and nothing is read from shared data.
    Off,
    /// Values are sealed under this key.
    Keyed(StateKey),
}

/// The key that seals shared data.
#[derive(Clone)]
pub struct StateKey(MacKey);

/// The operator's secret is shorter than 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeakSecret;

impl StateKey {
    /// Derives the key from the operator's secret.
    ///
    /// # Errors
    /// The secret is shorter than 16 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, WeakSecret> {
        if secret.len() < MIN_SECRET {
            return Err(WeakSecret);
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| WeakSecret)?;
        mac.update(b"toolgate shared state v1");
        Ok(StateKey(MacKey::new(&mac.finalize().into_bytes().into())))
    }

    /// A key of its own for another use of the secret.
    pub(crate) fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        self.0.of(purpose).finalize().into_bytes().into()
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateKey(hidden)")
    }
}

/// Why a value is not believed. Each counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Nothing stands there.
    Absent,
    /// Too short, of another kind, or of another version.
    Version,
    /// Of another source.
    Digest,
    /// Not sealed with this key: somebody else wrote it.
    Mac,
}

impl Rejected {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Rejected::Absent => "absent",
            Rejected::Version => "version",
            Rejected::Digest => "digest",
            Rejected::Mac => "mac",
        }
    }
}

/// A feed's head on its way between workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedHead(pub Head);

impl SealedHead {
    /// Magic, version, source, the two times, SHA-256 of the body, entity tag, MAC.
    #[must_use]
    pub fn seal(&self, key: &StateKey, source: SourceId) -> Vec<u8> {
        let head = &self.0;
        let numbers = [head.fetched_at.as_micros(), head.fresh_until.as_micros()];
        let tag = head.etag.as_deref().unwrap_or_default().as_bytes();
        seal_value(key, HEAD_MAGIC, source.digest(), numbers, &[&head.digest, tag])
    }

    /// Reads a sealed head.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn open(bytes: &[u8], key: &StateKey, source: SourceId) -> Result<Self, Rejected> {
        let ([fetched_at, fresh_until], rest) = open_value(bytes, key, HEAD_MAGIC, source.digest())?;
        let (digest, tag) = rest.split_first_chunk::<32>().ok_or(Rejected::Version)?;
        let tag = core::str::from_utf8(tag).map_err(|_| Rejected::Version)?;
        Ok(SealedHead(Head {
            fetched_at: UnixTime::from_micros(fetched_at),
            fresh_until: UnixTime::from_micros(fresh_until),
            digest: *digest,
            etag: (!tag.is_empty()).then(|| tag.to_owned()),
        }))
    }
}

/// A body on its way between workers: the bytes as they came, still to be read as strictly as if they came from there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Page<'a> {
    /// Which page of the feed.
    pub number: u16,
    /// The bytes.
    pub body: &'a [u8],
}

impl fmt::Debug for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({}, {} bytes)", self.number, self.body.len())
    }
}

impl<'a> Page<'a> {
    /// Magic, version, source, number, body, MAC.
    #[must_use]
    pub fn seal(&self, key: &StateKey, source: SourceId) -> Vec<u8> {
        seal_value(key, PAGE_MAGIC, source.digest(), [u64::from(self.number), 0], &[self.body])
    }

    /// Reads the sealed page of that number.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn open(bytes: &'a [u8], key: &StateKey, source: SourceId, number: u16) -> Result<Self, Rejected> {
        let ([own, _], body) = open_value(bytes, key, PAGE_MAGIC, source.digest())?;
        if own == u64::from(number) { Ok(Page { number, body }) } else { Err(Rejected::Digest) }
    }
}

/// Who may fetch for all workers, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Until when; not longer than the fetch timeout and a second.
    pub until: UnixTime,
    /// The random number of the VM that holds it.
    pub owner: u64,
}

/// Whether a lease can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// It has run out, or claims to run for longer than any fetch takes.
    Free,
    /// Another fetch is under way.
    Held,
}

impl Lease {
    /// Magic, version, source, end and owner, MAC.
    #[must_use]
    pub fn seal(&self, key: &StateKey, source: SourceId) -> Vec<u8> {
        seal_value(key, LEASE_MAGIC, source.digest(), [self.until.as_micros(), self.owner], &[])
    }

    /// Reads a sealed lease. Whatever is not believed is to be treated as free, and overwritten.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn open(bytes: &[u8], key: &StateKey, source: SourceId) -> Result<Self, Rejected> {
        match open_value(bytes, key, LEASE_MAGIC, source.digest())? {
            ([until, owner], []) => Ok(Lease { until: UnixTime::from_micros(until), owner }),
            (_, [..]) => Err(Rejected::Version),
        }
    }

    /// Whether it can be taken at `now`.
    #[must_use]
    pub fn state(&self, now: UnixTime) -> LeaseState {
        match now < self.until && self.until <= now.plus_secs(LONGEST_LEASE_SECS) {
            true => LeaseState::Held,
            false => LeaseState::Free,
        }
    }
}

/// Magic, version, digest of the source, two numbers, body, MAC.
pub(crate) fn seal_value(
    key: &StateKey,
    magic: [u8; 4],
    digest: [u8; 8],
    numbers: [u64; 2],
    body: &[&[u8]],
) -> Vec<u8> {
    let [one, two] = numbers.map(u64::to_be_bytes);
    let size = body.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Vec::with_capacity(size.saturating_add(HEAD + MAC_LEN));
    let head: [&[u8]; 5] = [&magic, &[VERSION], &digest, &one, &two];
    for part in head.iter().chain(body) {
        out.extend_from_slice(part);
    }
    let mac = key.0.of(&out).finalize().into_bytes();
    out.extend_from_slice(&mac);
    out
}

const HEAD: usize = 4 + 1 + 8 + 8 + 8;

/// Reads what [`seal_value`] wrote.
///
/// # Errors
/// Why it is not believed.
pub(crate) fn open_value<'a>(
    bytes: &'a [u8],
    key: &StateKey,
    magic: [u8; 4],
    digest: [u8; 8],
) -> Result<([u64; 2], &'a [u8]), Rejected> {
    if bytes.is_empty() {
        return Err(Rejected::Absent);
    }
    let (sealed, tag) = bytes.split_last_chunk::<MAC_LEN>().ok_or(Rejected::Version)?;
    let (own_magic, rest) = sealed.split_first_chunk::<4>().ok_or(Rejected::Version)?;
    let (version, rest) = rest.split_first().ok_or(Rejected::Version)?;
    let (own_digest, rest) = rest.split_first_chunk::<8>().ok_or(Rejected::Version)?;
    let (one, rest) = rest.split_first_chunk::<8>().ok_or(Rejected::Version)?;
    let (two, body) = rest.split_first_chunk::<8>().ok_or(Rejected::Version)?;
    if *own_magic != magic || *version != VERSION {
        return Err(Rejected::Version);
    }
    if *own_digest != digest {
        return Err(Rejected::Digest);
    }
    // Compares in constant time.
    key.0.of(sealed).verify_slice(tag).map_err(|_| Rejected::Mac)?;
    Ok(([u64::from_be_bytes(*one), u64::from_be_bytes(*two)], body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> SourceId {
        SourceId::new(&["jwks", "https://idp.example.com"])
    }

    fn other_source() -> SourceId {
        SourceId::new(&["jwks", "https://other.example.com"])
    }

    fn key() -> StateKey {
        StateKey::from_secret(b"0123456789abcdef").unwrap()
    }

    fn sample() -> SealedHead {
        SealedHead(Head {
            fetched_at: UnixTime::from_secs(1),
            fresh_until: UnixTime::from_secs(2),
            digest: [9; 32],
            etag: Some("\"a\"".to_owned()),
        })
    }

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let sealed = sample().seal(&key(), source());
        let open = |bytes: &[u8]| SealedHead::open(bytes, &key(), source());
        assert_eq!(open(&sealed), Ok(sample()));
        assert_eq!(open(&[]), Err(Rejected::Absent));
        assert_eq!(SealedHead::open(&sealed, &key(), other_source()), Err(Rejected::Digest));
        let other = StateKey::from_secret(b"0123456789abcdeg").unwrap();
        assert_eq!(SealedHead::open(&sealed, &other, source()), Err(Rejected::Mac));
        for length in 0..sealed.len() {
            assert!(open(&sealed[..length]).is_err());
        }
        for bit in 0..sealed.len() * 8 {
            let mut bytes = sealed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&bytes).is_err(), "{bit}");
        }
    }

    #[test]
    fn a_page_opens_under_its_own_number() {
        let page = Page { number: 3, body: b"ids" };
        let sealed = page.seal(&key(), source());
        assert_eq!(Page::open(&sealed, &key(), source(), 3), Ok(page));
        assert_eq!(Page::open(&sealed, &key(), source(), 4), Err(Rejected::Digest));
        assert_eq!(Page::open(&sealed, &key(), other_source(), 3), Err(Rejected::Digest));
        assert_eq!(SealedHead::open(&sealed, &key(), source()), Err(Rejected::Version));
    }

    #[test]
    fn a_lease_is_no_head() {
        let lease = Lease { until: UnixTime::from_secs(100), owner: 7 };
        let sealed = lease.seal(&key(), source());
        assert_eq!(Lease::open(&sealed, &key(), source()), Ok(lease));
        assert_eq!(SealedHead::open(&sealed, &key(), source()), Err(Rejected::Version));
        assert_eq!(Lease::open(&sample().seal(&key(), source()), &key(), source()), Err(Rejected::Version));
    }

    #[test]
    fn a_lease_ends() {
        let lease = Lease { until: UnixTime::from_secs(1_000), owner: 7 };
        assert_eq!(lease.state(UnixTime::from_secs(999)), LeaseState::Held);
        assert_eq!(lease.state(UnixTime::from_secs(1_000)), LeaseState::Free);
        assert_eq!(lease.state(UnixTime::from_secs(10)), LeaseState::Free);
    }

    #[test]
    fn short_secrets_are_refused_and_hidden() {
        assert_eq!(StateKey::from_secret(b"short").map(|_| ()), Err(WeakSecret));
        assert_eq!(alloc::format!("{:?}", key()), "StateKey(hidden)");
    }
}
