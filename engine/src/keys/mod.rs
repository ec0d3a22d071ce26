// SPDX-License-Identifier: Apache-2.0
//! Public keys: read strictly, kept fresh, asked whether a signature is theirs.
//!
//! What enters: the bytes of a JWKS (inline, or as [`crate::feed`] brings them), and the time.
//! What leaves: a [`KeySet`] whose keys are all sound, when to fetch next and why, and the [`Verdict`] of a
//! [`SignatureVerifier`].
//! Deliberately absent: fetching (the shell does), private keys, and any key that a token brings along. Shared secrets
//! are kept apart ([`SecretSet`]): no key set can hold one.

mod alg;
pub(crate) mod base64url;
mod bucket;
mod der;
mod discovery;
mod jwk;
mod material;
mod meter;
mod montgomery;
mod p256;
mod p384;
mod refresh;
mod rsa;
mod secret;
mod set;
mod unknown;
mod verifier;

pub use alg::{Alg, Family};
pub use bucket::{Meter, Take};
pub use discovery::{ACCEPT_KEYS, DiscoveryRules, Located, metadata_places};
pub use jwk::JwkRefusal;
pub use material::{PublicKey, Thumbprint};
pub use meter::{Budget, Metered, Place, SlowCurve};
pub use p384::ES384_IN_MODULE;
pub use refresh::{KeyStatus, Source};
pub use secret::{Keys, MAX_SECRETS, Secret, SecretSet};
pub use set::{Candidates, KeySet, KeySetError, MAX_KEY_SET_BYTES, MAX_KEYS, NoCandidate, Skipped};
pub use unknown::UnknownKid;
pub use verifier::{Fallback, Signature, SignatureVerifier, Software, Verdict};

pub(crate) use base64url::{decode as decode_base64url, decode_bytes as decode_base64url_bytes};
pub(crate) use jwk::MAX_KID;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod pairs;
