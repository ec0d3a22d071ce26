// SPDX-License-Identifier: Apache-2.0
//! HMAC-SHA256 (RFC 2104) under a key that is used often.

use alloc::sync::Arc;
use core::fmt;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// A key that was taken in once, which saves every use two blocks of SHA-256.
#[derive(Clone)]
pub(crate) struct MacKey(Arc<Hmac<Sha256>>);

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(hidden)")
    }
}

impl MacKey {
    pub(crate) fn new(key: &[u8; 32]) -> MacKey {
        // A short key is filled up with zeros to a block (RFC 2104 section 2), which is a key that always fits.
        let mut block = [[0; 32]; 2];
        if let Some(first) = block.first_mut() {
            *first = *key;
        }
        MacKey(Arc::new(hmac::digest::KeyInit::new(block.as_flattened().into())))
    }

    /// To be given the bytes.
    pub(crate) fn begin(&self) -> Hmac<Sha256> {
        Hmac::clone(&self.0)
    }

    /// Of these bytes.
    pub(crate) fn of(&self, bytes: &[u8]) -> Hmac<Sha256> {
        self.begin().chain_update(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn it_is_what_the_crate_makes_of_the_same_key() {
        let key: [u8; 32] = core::array::from_fn(|at| u8::try_from(at).unwrap());
        let mac = MacKey::new(&key);
        for message in [&b""[..], b"a message", &[7; 1_000]] {
            let other = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(message);
            assert_eq!(mac.of(message).finalize().into_bytes(), other.finalize().into_bytes());
        }
        assert_eq!(format!("{mac:?}"), "MacKey(hidden)");
    }
}
