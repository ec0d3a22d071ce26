// SPDX-License-Identifier: Apache-2.0
//! Private keys: made, read, written, and signing.
//!
//! What enters: PEM text or the randomness of the machine. What leaves: PEM text, the public half as a JWK, signed
//! tokens. `Debug` shows the algorithm and the key id, never the key.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use rand_core::OsRng;
use rsa::{
    RsaPrivateKey,
    pkcs1::DecodeRsaPrivateKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey as _, LineEnding},
    signature::{RandomizedSigner, SignatureEncoding, Signer},
    traits::PublicKeyParts,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::diagnostic::Failure;

/// RFC 7518 section 3.3: 2048 bits or more.
const RSA_BITS: usize = 2048;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Algorithm {
    #[value(name = "RS256")]
    Rs256,
    #[value(name = "ES256")]
    Es256,
}

impl Algorithm {
    /// Its name in a JOSE header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// The algorithm of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

enum Private {
    Rsa(Box<RsaPrivateKey>),
    Ec(p256::SecretKey),
}

/// A private key with the id of its public half.
pub(crate) struct SigningKey {
    private: Private,
    kid: String,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({}, {})", self.algorithm().name(), self.kid)
    }
}

impl SigningKey {
    /// A new key from the randomness of the machine.
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, Failure> {
        match algorithm {
            Algorithm::Es256 => Ok(Self::of(Private::Ec(p256::SecretKey::random(&mut OsRng)))),
            Algorithm::Rs256 => RsaPrivateKey::new(&mut OsRng, RSA_BITS)
                .map(|key| Self::of(Private::Rsa(Box::new(key))))
                .map_err(|error| Failure::new(format!("cannot make an RSA key: {error}"))),
        }
    }

    /// Reads PKCS#8, PKCS#1 or SEC 1 PEM. `name` is what the text is called in an error.
    pub(crate) fn from_pem(pem: &str, name: &str) -> Result<Self, Failure> {
        let rsa = RsaPrivateKey::from_pkcs8_pem(pem).ok().or_else(|| RsaPrivateKey::from_pkcs1_pem(pem).ok());
        if let Some(key) = rsa {
            if key.size() * 8 < RSA_BITS {
                return Err(Failure::refused(format!(
                    "the RSA key in `{name}` has fewer than {RSA_BITS} bits"
                ))
                .help("make a new one with `toolgate keys generate`"));
            }
            return Ok(Self::of(Private::Rsa(Box::new(key))));
        }
        p256::SecretKey::from_pkcs8_pem(pem)
            .ok()
            .or_else(|| p256::SecretKey::from_sec1_pem(pem).ok())
            .map(|key| Self::of(Private::Ec(key)))
            .ok_or_else(|| not_a_key(pem, name))
    }

    fn of(private: Private) -> Self {
        let kid = thumbprint(&public_members(&private));
        Self { private, kid }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self.private {
            Private::Rsa(_) => Algorithm::Rs256,
            Private::Ec(_) => Algorithm::Es256,
        }
    }

    /// The thumbprint of the public half (RFC 7638).
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The private key as PKCS#8 PEM.
    pub(crate) fn to_pem(&self) -> Result<String, Failure> {
        let pem = match &self.private {
            Private::Rsa(key) => key.to_pkcs8_pem(LineEnding::LF),
            Private::Ec(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        pem.map(|pem| pem.as_str().to_owned())
            .map_err(|error| Failure::new(format!("cannot write the key as PEM: {error}")))
    }

    /// The public half as a JWK (RFC 7517) with `kid`, `use` and `alg`.
    pub(crate) fn jwk(&self) -> Map<String, Value> {
        let mut jwk: Map<String, Value> = public_members(&self.private)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        jwk.insert("kid".to_owned(), json!(self.kid));
        jwk.insert("use".to_owned(), json!("sig"));
        jwk.insert("alg".to_owned(), json!(self.algorithm().name()));
        jwk
    }

    /// The signature over `message` as a JWS carries it.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.private {
            Private::Rsa(key) => {
                let signer = rsa::pkcs1v15::SigningKey::<Sha256>::new(key.as_ref().clone());
                signer.sign_with_rng(&mut OsRng, message).to_vec()
            }
            Private::Ec(key) => {
                let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from(key).sign(message);
                signature.to_vec()
            }
        }
    }
}

/// The members of a thumbprint, in its order.
fn public_members(private: &Private) -> Vec<(&'static str, String)> {
    let text = Base64UrlUnpadded::encode_string;
    match private {
        Private::Rsa(key) => vec![
            ("e", text(&key.e().to_bytes_be())),
            ("kty", "RSA".to_owned()),
            ("n", text(&key.n().to_bytes_be())),
        ],
        Private::Ec(key) => {
            let point = p256::EncodedPoint::from(key.public_key());
            let coordinate =
                |bytes: Option<&p256::FieldBytes>| bytes.map(|bytes| text(bytes)).unwrap_or_default();
            vec![
                ("crv", "P-256".to_owned()),
                ("kty", "EC".to_owned()),
                ("x", coordinate(point.x())),
                ("y", coordinate(point.y())),
            ]
        }
    }
}

fn thumbprint(members: &[(&'static str, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    let digest = Sha256::digest(format!("{{{}}}", members.join(",")));
    Base64UrlUnpadded::encode_string(&digest)
}

fn not_a_key(pem: &str, name: &str) -> Failure {
    let (what, help) = match pem {
        _ if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") => {
            ("an encrypted key", "decrypt it first, for example with `openssl pkcs8`")
        }
        _ if pem.contains("BEGIN PUBLIC KEY") => ("a public key", "a private key is needed here"),
        _ => ("no RSA or P-256 private key in PEM form", "make one with `toolgate keys generate`"),
    };
    Failure::refused(format!("`{name}` holds {what}")).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638_section_3_1() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let members = [("e", "AQAB".to_owned()), ("kty", "RSA".to_owned()), ("n", n.to_owned())];
        assert_eq!(thumbprint(&members), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn a_key_survives_its_pem_and_does_not_show_itself() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
            let key = SigningKey::generate(algorithm).unwrap();
            let pem = key.to_pem().unwrap();
            let again = SigningKey::from_pem(&pem, "key").unwrap();
            assert_eq!((key.kid(), algorithm), (again.kid(), again.algorithm()));
            assert_eq!(format!("{key:?}"), format!("SigningKey({}, {})", algorithm.name(), key.kid()));
            assert!(!key.jwk().contains_key("d"));
        }
    }
}
