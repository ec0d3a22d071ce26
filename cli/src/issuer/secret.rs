// SPDX-License-Identifier: Apache-2.0
//! Secrets that are kept as digests, and random ones that are given out.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use rand_core::{OsRng, RngCore};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A secret, kept as its digest: comparing it tells nothing of its length, and it is the key of a map.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Secret([u8; 32]);

impl Secret {
    pub(super) fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// What no text has.
    pub(super) fn nobody() -> Self {
        Self([0; 32])
    }

    pub(super) fn is(&self, given: &str) -> bool {
        self.0.ct_eq(&Self::of(given).0).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// 256 random bits as text, after `prefix`.
pub(super) fn random(prefix: &str) -> String {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    format!("{prefix}{}", Base64UrlUnpadded::encode_string(&bytes))
}
