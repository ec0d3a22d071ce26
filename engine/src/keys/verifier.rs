// SPDX-License-Identifier: Apache-2.0
//! Whether a signature belongs to a message under a key.
//!
//! The engine asks a pure [`SignatureVerifier`]; the shell's asks the proxy first (a quarter of the time that
//! Wasm takes) and falls back to [`Software`]. What enters has passed every other check. Secrets (HS256 and its kin) do not
//! come here: see [`super::SecretSet`].

use super::alg::{Alg, Family};
use super::der::ecdsa_signature;
use super::material::{Ed25519Key, Material, PublicKey};
use alloc::vec::Vec;
use core::fmt;

/// Longest signature that is read: RSA with 8,192 bits.
const MAX_SIGNATURE: usize = 1_024;

/// A signature as the token carries it (RFC 7518 section 3): for ECDSA the two numbers side by side, not DER.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature(Vec<u8>);

impl Signature {
    /// Takes 1 to 1,024 bytes.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (1..=MAX_SIGNATURE).contains(&bytes.len()).then_some(Signature(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as Envoy's `verify_signature` wants them: ECDSA as DER, RSA as it is.
    /// `None` where that function does not verify `alg`, or the length cannot be one of `alg`.
    #[must_use]
    pub fn for_host(&self, alg: Alg) -> Option<Vec<u8>> {
        match (alg, self.0.len()) {
            (Alg::Rs256 | Alg::Rs384 | Alg::Rs512, _) => Some(self.0.clone()),
            (Alg::Es256, 64) | (Alg::Es384, 96) => Some(ecdsa_signature(&self.0)),
            (Alg::Es256 | Alg::Es384, _) => None,
            (Alg::Hs256 | Alg::Hs384 | Alg::Hs512, _) => None,
            (Alg::Ps256 | Alg::Ps384 | Alg::Ps512 | Alg::EdDsa, _) => None,
        }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(hidden)")
    }
}

/// What a verifier says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The signature belongs to the message under the key.
    Verified,
    /// It does not.
    Refused,
    /// This verifier cannot tell: it does not know the algorithm or the key.
    Unsupported,
    /// This verifier could tell, but has spent its budget.
    Throttled {
        /// Whole seconds after which to ask again.
        retry_after_secs: u64,
    },
}

/// Verifies signatures. A pure function of its arguments, apart from budgets.
pub trait SignatureVerifier {
    /// Says whether `signature` belongs to `message` under `key` by `alg`. The caller has made sure that the key is
    /// sound and fits the algorithm, and that the signature has the right length.
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &Signature) -> Verdict;
}

/// Verifies in the engine itself. RSA beyond 4,096 bits is unsupported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Software;

impl SignatureVerifier for Software {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &Signature) -> Verdict {
        match (&key.material, alg.family()) {
            (Material::Rsa(key), Family::Rsa) => key.verify(alg, message, signature.as_bytes()),
            (Material::RsaHostOnly, Family::Rsa) => Verdict::Unsupported,
            (Material::P256(key), Family::P256) => key.verify(message, signature),
            (Material::P384(key), Family::P384) => key.verify(message, signature),
            (Material::Ed25519(key), Family::Ed25519) => ed25519(key, message, signature),
            (
                Material::Rsa(_)
                | Material::RsaHostOnly
                | Material::P256(_)
                | Material::P384(_)
                | Material::Ed25519(_),
                Family::Secret | Family::Rsa | Family::P256 | Family::P384 | Family::Ed25519,
            ) => Verdict::Refused,
        }
    }
}

/// Strictly: no signature that another verifier may refuse (small order, RFC 8032 section 5.1.7 without the cofactor).
fn ed25519(key: &Ed25519Key, message: &[u8], signature: &Signature) -> Verdict {
    let signature = ed25519_dalek::Signature::from_slice(signature.as_bytes());
    match signature.and_then(|signature| key.verify_strict(message, &signature)) {
        Ok(()) => Verdict::Verified,
        Err(_) => Verdict::Refused,
    }
}

/// Asks the first verifier, and the second where the first says [`Verdict::Unsupported`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Fallback<A, B>(pub A, pub B);

impl<A: SignatureVerifier, B: SignatureVerifier> SignatureVerifier for Fallback<A, B> {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &Signature) -> Verdict {
        match self.0.verify(alg, key, message, signature) {
            Verdict::Unsupported => self.1.verify(alg, key, message, signature),
            decided @ (Verdict::Verified | Verdict::Refused | Verdict::Throttled { .. }) => decided,
        }
    }
}

#[cfg(test)]
mod tests;
