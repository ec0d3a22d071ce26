// SPDX-License-Identifier: Apache-2.0
//! Whether a signature belongs to a message under a key.
//!
//! The engine asks a pure [`SignatureVerifier`]; the shell's asks the proxy first (15 µs for RS256 against 500 in
//! Wasm) and falls back to [`Software`]. What enters has passed every other check.

use super::alg::Alg;
use super::bucket::{Meter, Take};
use super::jwk::{der, der_unsigned};
use super::material::{Material, PublicKey};
use crate::time::UnixTime;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use jwt_compact::alg::{Es256, Rsa};
use jwt_compact::{Algorithm, AlgorithmSignature};

/// Longest signature that is read: RSA with 8,192 bits.
const MAX_SIGNATURE: usize = 1_024;

/// A signature as the token carries it (RFC 7518 section 3): for ES256 the two numbers side by side, not DER.
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
    /// `None` where the length cannot be one of `alg`.
    #[must_use]
    pub fn for_host(&self, alg: Alg) -> Option<Vec<u8>> {
        match alg {
            Alg::Rs256 => Some(self.0.clone()),
            Alg::Es256 => <&[u8; 64]>::try_from(self.0.as_slice()).ok().map(es256_der),
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

/// Verifies in the engine itself, through jwt-compact's algorithms. RSA beyond 4,096 bits is unsupported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Software;

impl SignatureVerifier for Software {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &Signature) -> Verdict {
        match (alg, &key.material) {
            (Alg::Rs256, Material::Rsa(rsa)) => check(&Rsa::rs256(), rsa, message, signature),
            (Alg::Rs256, Material::RsaHostOnly) => Verdict::Unsupported,
            (Alg::Es256, Material::P256(point)) => check(&Es256, point, message, signature),
            (Alg::Rs256, Material::P256(_)) => Verdict::Refused,
            (Alg::Es256, Material::Rsa(_) | Material::RsaHostOnly) => Verdict::Refused,
        }
    }
}

fn check<A: Algorithm>(alg: &A, key: &A::VerifyingKey, message: &[u8], signature: &Signature) -> Verdict {
    let Ok(signature) = A::Signature::try_from_slice(signature.as_bytes()) else { return Verdict::Refused };
    match alg.verify_signature(&signature, key, message) {
        true => Verdict::Verified,
        false => Verdict::Refused,
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

/// A verifier whose every use takes a token from a bucket: for what costs more than 100 µs.
#[derive(Debug)]
pub struct Metered<'m, V> {
    /// Who verifies.
    pub inner: V,
    /// The bucket of this VM.
    pub meter: &'m RefCell<Meter>,
    /// The time of the request.
    pub now: UnixTime,
}

impl<V: SignatureVerifier> SignatureVerifier for Metered<'_, V> {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &Signature) -> Verdict {
        let Ok(mut meter) = self.meter.try_borrow_mut() else {
            return Verdict::Throttled { retry_after_secs: 1 };
        };
        match meter.try_take(self.now) {
            Take::Granted => self.inner.verify(alg, key, message, signature),
            Take::Exhausted { retry_after_secs } => Verdict::Throttled { retry_after_secs },
        }
    }
}

/// Turns the `r || s` of RFC 7518 section 3.4 into the DER of RFC 3279 section 2.2.3, at most 72 bytes, integers
/// minimal. Zero and too large numbers are passed on: the verifier refuses them.
#[must_use]
pub fn es256_der(raw: &[u8; 64]) -> Vec<u8> {
    let (r, s) = raw.split_at(32);
    der(0x30, &[der_unsigned(minimal(r)), der_unsigned(minimal(s))].concat())
}

/// Without leading zeros; zero itself keeps one.
fn minimal(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count().min(number.len().saturating_sub(1));
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
