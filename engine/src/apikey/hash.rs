// SPDX-License-Identifier: Apache-2.0
//! What is kept of a key: `sha256:<salt>:<hash>`, both in base64url.

use super::KeyText;
use crate::keys::base64url;
use alloc::format;
use alloc::string::String;
use base64ct::{Base64UrlUnpadded, Encoding};
use core::fmt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Goes in before the salt, so that no hash made for another purpose is one of ours.
const PURPOSE: &[u8] = b"toolgate api key v1\0";

/// A salted SHA-256 of a key. The salt keeps equal keys of two documents from showing as equal.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHash {
    salt: [u8; 16],
    hash: [u8; 32],
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(hidden)")
    }
}

impl KeyHash {
    /// What an unknown id is compared with: no key is known to have this hash.
    pub(super) const NOBODYS: KeyHash = KeyHash { salt: [0; 16], hash: [0; 32] };

    /// Of a key, with 16 random bytes.
    #[must_use]
    pub fn of(key: KeyText<'_>, salt: [u8; 16]) -> KeyHash {
        KeyHash { salt, hash: digest(&salt, key) }
    }

    /// Reads the text of a document.
    #[must_use]
    pub fn parse(text: &str) -> Option<KeyHash> {
        let (salt, hash) = text.strip_prefix("sha256:")?.split_once(':')?;
        let salt = base64url::decode(salt)?.try_into().ok()?;
        let hash = base64url::decode(hash)?.try_into().ok()?;
        Some(KeyHash { salt, hash })
    }

    /// The text for a document.
    #[must_use]
    pub fn text(&self) -> String {
        let encode = Base64UrlUnpadded::encode_string;
        format!("sha256:{}:{}", encode(&self.salt), encode(&self.hash))
    }

    /// Whether it is this key's. Takes the same time for every hash.
    #[must_use]
    pub fn fits(&self, key: KeyText<'_>) -> bool {
        digest(&self.salt, key).ct_eq(&self.hash).into()
    }
}

fn digest(salt: &[u8; 16], key: KeyText<'_>) -> [u8; 32] {
    let hash = Sha256::new().chain_update(PURPOSE).chain_update(salt).chain_update(key.as_bytes());
    hash.finalize().into()
}
