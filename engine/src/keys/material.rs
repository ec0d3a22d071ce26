// SPDX-License-Identifier: Apache-2.0
//! A public key that passed every check, in the forms its verifiers need.

use super::alg::{Alg, Family};
use super::decode_base64url;
use super::jwk::{self, JwkRefusal};
use super::p256::P256Key;
use super::p384::P384Key;
use super::rsa::RsaKey;
use super::verifier::{Signature, SignatureVerifier, Verdict};
use crate::json::{Doc, Limits, Value};
use crate::time::UnixTime;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A point on edwards25519.
pub(super) type Ed25519Key = ed25519_dalek::VerifyingKey;

/// SHA-256 over the required members of a JWK (RFC 7638).
pub type Thumbprint = [u8; 32];

/// The key as the software verifier needs it.
#[derive(Clone)]
pub(super) enum Material {
    /// RSA up to 4,096 bits.
    Rsa(RsaKey),
    /// RSA beyond 4,096 bits: only the host verifies with it; in software it would stall a worker.
    RsaHostOnly,
    /// A point on P-256.
    P256(P256Key),
    /// A point on P-384.
    P384(P384Key),
    /// A point on edwards25519, of large order.
    Ed25519(Ed25519Key),
}

/// A sound public key: large enough, on its curve, meant for signatures.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) kid: Option<String>,
    pub(super) alg: Option<Alg>,
    pub(super) family: Family,
    pub(super) created: Option<UnixTime>,
    pub(super) thumbprint: Thumbprint,
    pub(super) spki: Vec<u8>,
    pub(super) signature_len: usize,
    pub(super) material: Material,
}

impl PublicKey {
    /// Reads a JWK (RFC 7517), wherever it comes from; whether to trust it is the caller's business.
    ///
    /// # Errors
    /// Why the key is of no use.
    pub fn from_jwk(value: Value<'_>) -> Result<PublicKey, JwkRefusal> {
        jwk::read(value)
    }

    /// The Ed25519 key whose `x` (RFC 8037 section 2) this is, as operators write the keys of those who sign documents.
    #[must_use]
    pub fn from_ed25519(x: &str) -> Option<PublicKey> {
        // What decodes has no quote that could end the member.
        if decode_base64url(x)?.len() != 32 {
            return None;
        }
        let jwk = [r#"{"kty":"OKP","crv":"Ed25519","x":""#, x, r#""}"#].concat();
        let document = Doc::parse(jwk.as_bytes(), Limits::TOKEN).ok()?;
        PublicKey::from_jwk(document.root()).ok()
    }

    /// Says whether `signature` belongs to `message` under this key by `alg`. A key of another family, a key bound to
    /// another algorithm and a signature of impossible length are refused without asking the verifier.
    pub fn verify(
        &self,
        alg: Alg,
        message: &[u8],
        signature: &Signature,
        verifier: &dyn SignatureVerifier,
    ) -> Verdict {
        match self.fits(alg) && self.length_fits(signature) {
            true => verifier.verify(alg, self, message, signature),
            false => Verdict::Refused,
        }
    }

    /// The key id that the issuer gave it.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm that the key is bound to (RFC 7517 section 4.4), where the issuer bound it.
    #[must_use]
    pub const fn alg(&self) -> Option<Alg> {
        self.alg
    }

    /// The kind of key.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// When the issuer made it (member `iat`, which the development issuer writes).
    #[must_use]
    pub const fn created(&self) -> Option<UnixTime> {
        self.created
    }

    /// The key's thumbprint (RFC 7638): the same for the same key under any name.
    #[must_use]
    pub const fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// The key as a DER SubjectPublicKeyInfo (RFC 5280 section 4.1), as Envoy's `verify_signature` wants it.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether the key may be used with `alg`: the family must fit, and so must the binding if there is one.
    pub(crate) fn fits(&self, alg: Alg) -> bool {
        self.family == alg.family() && self.alg.is_none_or(|bound| bound == alg)
    }

    /// Whether a signature by this key can have that length at all: the length of the modulus (RFC 8017 section
    /// 8.2.2), or twice the length of the curve's field (RFC 7518 section 3.4, RFC 8032 section 5.1.6).
    pub(crate) fn length_fits(&self, signature: &Signature) -> bool {
        signature.as_bytes().len() == self.signature_len
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?})", self.family)
    }
}
