// SPDX-License-Identifier: Apache-2.0
//! What goes into the proxy's shared data, and what is believed of what comes out of it.
//!
//! Other plugins may share the namespace and can read, change and replay what stands there, so each value carries a
//! version, the digest of the configuration it was made under, and HMAC-SHA256 (RFC 2104) under a secret that only
//! the operator's environment holds. The digest must name the source (issuer and address) too: it keeps one issuer's
//! keys from being moved under another's name. A replayed old value is genuine; [`super::Source::adopt`] refuses what
//! is not newer. What leaves [`Shared::open`] was written by this plugin under this configuration.

use crate::time::UnixTime;
use alloc::vec::Vec;
use core::fmt;
use hmac::{Hmac, Mac};
use sha2::Sha256;

const VERSION: u8 = 1;
const KEYS_MAGIC: [u8; 4] = *b"TGks";
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
pub struct StateKey([u8; 32]);

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
        Ok(StateKey(mac.finalize().into_bytes().into()))
    }

    /// A key of its own for another use of the secret.
    pub(crate) fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        self.mac(&[purpose]).map(|mac| mac.finalize().into_bytes().into()).unwrap_or_default()
    }

    /// `None` cannot happen: HMAC takes keys of every length. The type says so without a panic.
    fn mac(&self, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in parts {
            mac.update(part);
        }
        Some(mac)
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
    /// Made under another configuration.
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

/// A fetched key set on its way between workers.
#[derive(Clone, PartialEq, Eq)]
pub struct Shared<'a> {
    /// When it was fetched.
    pub fetched_at: UnixTime,
    /// Until when it is fresh.
    pub fresh_until: UnixTime,
    /// The bytes as the issuer sent them; still to be parsed as strictly as if they came from there.
    pub body: &'a [u8],
}

impl fmt::Debug for Shared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({:?} to {:?}, {} bytes)", self.fetched_at, self.fresh_until, self.body.len())
    }
}

impl<'a> Shared<'a> {
    /// Magic, version, digest, the two times, body, MAC.
    #[must_use]
    pub fn seal(&self, key: &StateKey, digest: [u8; 8]) -> Vec<u8> {
        seal_value(
            key,
            KEYS_MAGIC,
            digest,
            [self.fetched_at.as_micros(), self.fresh_until.as_micros()],
            self.body,
        )
    }

    /// Reads a sealed value.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn open(bytes: &'a [u8], key: &StateKey, digest: [u8; 8]) -> Result<Self, Rejected> {
        let ([fetched_at, fresh_until], body) = open_value(bytes, key, KEYS_MAGIC, digest)?;
        let (fetched_at, fresh_until) =
            (UnixTime::from_micros(fetched_at), UnixTime::from_micros(fresh_until));
        Ok(Shared { fetched_at, fresh_until, body })
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
    /// Magic, version, digest, end and owner, MAC.
    #[must_use]
    pub fn seal(&self, key: &StateKey, digest: [u8; 8]) -> Vec<u8> {
        seal_value(key, LEASE_MAGIC, digest, [self.until.as_micros(), self.owner], &[])
    }

    /// Reads a sealed lease. Whatever is not believed is to be treated as free, and overwritten.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn open(bytes: &[u8], key: &StateKey, digest: [u8; 8]) -> Result<Self, Rejected> {
        match open_value(bytes, key, LEASE_MAGIC, digest)? {
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

/// Magic, version, digest, two numbers, body, MAC.
pub(crate) fn seal_value(
    key: &StateKey,
    magic: [u8; 4],
    digest: [u8; 8],
    numbers: [u64; 2],
    body: &[u8],
) -> Vec<u8> {
    let [one, two] = numbers.map(u64::to_be_bytes);
    let parts: [&[u8]; 6] = [&magic, &[VERSION], &digest, &one, &two, body];
    let mut out = Vec::with_capacity(body.len().saturating_add(HEAD + MAC_LEN));
    for part in parts {
        out.extend_from_slice(part);
    }
    if let Some(mac) = key.mac(&parts) {
        out.extend_from_slice(&mac.finalize().into_bytes());
    }
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
    let mac = key.mac(&[sealed]).ok_or(Rejected::Mac)?;
    // Compares in constant time.
    mac.verify_slice(tag).map_err(|_| Rejected::Mac)?;
    Ok(([u64::from_be_bytes(*one), u64::from_be_bytes(*two)], body))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: [u8; 8] = *b"digest01";

    fn key() -> StateKey {
        StateKey::from_secret(b"0123456789abcdef").unwrap()
    }

    fn sample() -> Shared<'static> {
        Shared {
            fetched_at: UnixTime::from_secs(1),
            fresh_until: UnixTime::from_secs(2),
            body: b"{\"keys\":[]}",
        }
    }

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let sealed = sample().seal(&key(), DIGEST);
        assert_eq!(Shared::open(&sealed, &key(), DIGEST).unwrap(), sample());
        assert_eq!(Shared::open(&[], &key(), DIGEST), Err(Rejected::Absent));
        assert_eq!(Shared::open(&sealed, &key(), *b"digest02"), Err(Rejected::Digest));
        let other = StateKey::from_secret(b"0123456789abcdeg").unwrap();
        assert_eq!(Shared::open(&sealed, &other, DIGEST), Err(Rejected::Mac));
        for length in 0..sealed.len() {
            assert!(Shared::open(&sealed[..length], &key(), DIGEST).is_err());
        }
        for bit in 0..sealed.len() * 8 {
            let mut bytes = sealed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Shared::open(&bytes, &key(), DIGEST).is_err(), "{bit}");
        }
    }

    #[test]
    fn a_lease_is_no_key_set() {
        let lease = Lease { until: UnixTime::from_secs(100), owner: 7 };
        let sealed = lease.seal(&key(), DIGEST);
        assert_eq!(Lease::open(&sealed, &key(), DIGEST), Ok(lease));
        assert_eq!(Shared::open(&sealed, &key(), DIGEST), Err(Rejected::Version));
        assert_eq!(Lease::open(&sample().seal(&key(), DIGEST), &key(), DIGEST), Err(Rejected::Version));
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
