// SPDX-License-Identifier: Apache-2.0
//! The private halves, by family.

use base64ct::{Base64UrlUnpadded, Encoding};
use pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rand_core::{OsRng, RngCore};
use rsa::{
    RsaPrivateKey,
    pkcs1::DecodeRsaPrivateKey,
    pkcs1v15, pss,
    sha2::{Sha256, Sha384, Sha512},
    signature::{RandomizedSigner, SignatureEncoding, Signer},
    traits::PublicKeyParts,
};

use crate::{
    diagnostic::Failure,
    signer::{Algorithm, Family, seal::Pem},
};

/// RFC 7518 section 3.3: 2048 bits or more.
const RSA_BITS: usize = 2048;

/// A private key.
pub(super) enum Private {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl Private {
    pub(super) fn generate(family: Family) -> Result<Self, Failure> {
        match family {
            Family::P256 => Ok(Self::P256(p256::SecretKey::random(&mut OsRng))),
            Family::P384 => Ok(Self::P384(p384::SecretKey::random(&mut OsRng))),
            Family::Ed25519 => {
                let mut seed = [0; 32];
                OsRng.fill_bytes(&mut seed);
                Ok(Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed))))
            }
            Family::Rsa => RsaPrivateKey::new(&mut OsRng, RSA_BITS)
                .map(|key| Self::Rsa(Box::new(key)))
                .map_err(|error| Failure::new(format!("cannot make an RSA key: {error}"))),
        }
    }

    /// Reads unencrypted PKCS#8, PKCS#1 or SEC 1 PEM.
    pub(super) fn from_pem(pem: &str, name: &str) -> Result<Self, Failure> {
        let rsa = RsaPrivateKey::from_pkcs8_pem(pem).ok().or_else(|| RsaPrivateKey::from_pkcs1_pem(pem).ok());
        if let Some(key) = rsa {
            if key.size() * 8 < RSA_BITS {
                let what = format!("the RSA key in `{name}` has fewer than {RSA_BITS} bits");
                return Err(Failure::refused(what).help("make a new one with `toolgate keys generate`"));
            }
            return Ok(Self::Rsa(Box::new(key)));
        }
        let p256 =
            || p256::SecretKey::from_pkcs8_pem(pem).ok().or_else(|| p256::SecretKey::from_sec1_pem(pem).ok());
        let p384 =
            || p384::SecretKey::from_pkcs8_pem(pem).ok().or_else(|| p384::SecretKey::from_sec1_pem(pem).ok());
        let ed25519 = || ed25519_dalek::SigningKey::from_pkcs8_pem(pem).ok();
        p256()
            .map(Self::P256)
            .or_else(|| p384().map(Self::P384))
            .or_else(|| ed25519().map(|key| Self::Ed25519(Box::new(key))))
            .ok_or_else(|| not_a_key(pem, name))
    }

    pub(super) fn to_pem(&self) -> Result<Pem, Failure> {
        let pem = match self {
            Self::Rsa(key) => key.to_pkcs8_pem(LineEnding::LF),
            Self::P256(key) => key.to_pkcs8_pem(LineEnding::LF),
            Self::P384(key) => key.to_pkcs8_pem(LineEnding::LF),
            Self::Ed25519(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        pem.map_err(|error| Failure::new(format!("cannot write the key as PEM: {error}")))
    }

    pub(super) fn family(&self) -> Family {
        match self {
            Self::Rsa(_) => Family::Rsa,
            Self::P256(_) => Family::P256,
            Self::P384(_) => Family::P384,
            Self::Ed25519(_) => Family::Ed25519,
        }
    }

    /// The signature as a JWS carries it. For RSA `algorithm` chooses padding and digest.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(key) => rsa_signature(key, algorithm, message),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from(key).sign(message);
                signature.to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = p384::ecdsa::SigningKey::from(key).sign(message);
                signature.to_vec()
            }
            Self::Ed25519(key) => key.sign(message).to_vec(),
        }
    }

    /// The members of a thumbprint (RFC 7638 section 3.2, RFC 8037 section 2), in its order.
    pub(super) fn public_members(&self) -> Vec<(&'static str, String)> {
        let text = Base64UrlUnpadded::encode_string;
        let coordinate = |bytes: Option<&[u8]>| bytes.map(text).unwrap_or_default();
        match self {
            Self::Rsa(key) => vec![
                ("e", text(&key.e().to_bytes_be())),
                ("kty", "RSA".to_owned()),
                ("n", text(&key.n().to_bytes_be())),
            ],
            Self::P256(key) => {
                let point = p256::EncodedPoint::from(key.public_key());
                let (x, y) = (point.x().map(AsRef::as_ref), point.y().map(AsRef::as_ref));
                on_curve("P-256", coordinate(x), coordinate(y))
            }
            Self::P384(key) => {
                let point = p384::EncodedPoint::from(key.public_key());
                let (x, y) = (point.x().map(AsRef::as_ref), point.y().map(AsRef::as_ref));
                on_curve("P-384", coordinate(x), coordinate(y))
            }
            Self::Ed25519(key) => vec![
                ("crv", "Ed25519".to_owned()),
                ("kty", "OKP".to_owned()),
                ("x", text(key.verifying_key().as_bytes())),
            ],
        }
    }
}

fn on_curve(curve: &str, x: String, y: String) -> Vec<(&'static str, String)> {
    vec![("crv", curve.to_owned()), ("kty", "EC".to_owned()), ("x", x), ("y", y)]
}

fn rsa_signature(key: &RsaPrivateKey, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
    let (key, random) = (key.clone(), &mut OsRng);
    match algorithm {
        Algorithm::Rs384 => pkcs1v15::SigningKey::<Sha384>::new(key).sign_with_rng(random, message).to_vec(),
        Algorithm::Rs512 => pkcs1v15::SigningKey::<Sha512>::new(key).sign_with_rng(random, message).to_vec(),
        Algorithm::Ps256 => pss::SigningKey::<Sha256>::new(key).sign_with_rng(random, message).to_vec(),
        Algorithm::Ps384 => pss::SigningKey::<Sha384>::new(key).sign_with_rng(random, message).to_vec(),
        Algorithm::Ps512 => pss::SigningKey::<Sha512>::new(key).sign_with_rng(random, message).to_vec(),
        // The others are not of this family; `SigningKey` never lets them come here.
        Algorithm::Rs256 | Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => {
            pkcs1v15::SigningKey::<Sha256>::new(key).sign_with_rng(random, message).to_vec()
        }
    }
}

fn not_a_key(pem: &str, name: &str) -> Failure {
    let (what, help) = match pem {
        _ if pem.contains("BEGIN PUBLIC KEY") => ("a public key", "a private key is needed here"),
        _ => (
            "no RSA, P-256, P-384 or Ed25519 private key in PEM form",
            "make one with `toolgate keys generate`",
        ),
    };
    Failure::refused(format!("`{name}` holds {what}")).help(help)
}
