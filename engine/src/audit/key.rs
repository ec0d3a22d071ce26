// SPDX-License-Identifier: Apache-2.0
//! What seals a record: HMAC-SHA256 under a key of the environment or, without one, SHA-256.

use super::write::hex;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The shortest key, in bytes: as long as the hash (RFC 2104 section 3).
const LEAST: usize = 32;

/// The name of a key, which tells nothing of it: the first four bytes of HMAC(key, `toolgate audit key id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; 4]);

impl KeyId {
    /// Eight hexadecimal digits.
    #[must_use]
    pub fn text(self) -> String {
        let mut text = String::with_capacity(8);
        hex(&mut text, &self.0);
        text
    }
}

/// A key that seals records. It is never printed.
#[derive(Clone)]
pub struct AuditKey {
    /// Shared: it is large, and seals are handed about.
    mac: Arc<Hmac<Sha256>>,
    id: KeyId,
}

/// A key that is shorter than 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTooShort;

impl AuditKey {
    /// Takes a secret.
    ///
    /// # Errors
    /// When it is shorter than 32 bytes.
    pub fn new(secret: &[u8]) -> Result<AuditKey, KeyTooShort> {
        if secret.len() < LEAST {
            return Err(KeyTooShort);
        }
        let mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| KeyTooShort)?;
        let name = mac.clone().chain_update(b"toolgate audit key id").finalize().into_bytes();
        let id = name.first_chunk().copied().ok_or(KeyTooShort)?;
        Ok(AuditKey { mac: Arc::new(mac), id: KeyId(id) })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// A keyed hash for what must be recognised and not read: sessions and arguments. `what` keeps uses apart.
    #[must_use]
    pub fn hash(&self, what: &str, bytes: &[u8]) -> [u8; 8] {
        let mac =
            Hmac::clone(&self.mac).chain_update(b"toolgate audit ").chain_update(what).chain_update([0]);
        let full = mac.chain_update(bytes).finalize().into_bytes();
        full.first_chunk().copied().unwrap_or_default()
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditKey({})", self.id.text())
    }
}

/// How the records of a stream are sealed.
#[derive(Clone, Debug)]
pub enum Seal {
    /// Under a key: who does not have it cannot write a record that fits.
    Keyed(AuditKey),
    /// Not under a key: shows accidents, and edits by somebody who does not compute the hashes anew.
    Plain,
}

impl Seal {
    pub(super) fn of(&self, bytes: &[u8]) -> [u8; 32] {
        match self {
            Seal::Keyed(key) => Hmac::clone(&key.mac).chain_update(bytes).finalize().into_bytes().into(),
            Seal::Plain => Sha256::digest(bytes).into(),
        }
    }

    /// The word for it in `start`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Seal::Keyed(_) => "hmac-sha256",
            Seal::Plain => "sha256",
        }
    }

    pub(super) fn key_id(&self) -> Option<KeyId> {
        match self {
            Seal::Keyed(key) => Some(key.id),
            Seal::Plain => None,
        }
    }
}
