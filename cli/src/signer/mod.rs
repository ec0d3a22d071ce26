// SPDX-License-Identifier: Apache-2.0
//! Private keys: made, read, written, and signing.
//!
//! What enters: PEM text or the randomness of the machine. What leaves: PEM text, the public half as a JWK, signed
//! tokens. `Debug` shows the algorithm and the key id, never the key.

mod private;
mod seal;

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::private::Private;
use crate::diagnostic::Failure;

pub(crate) use self::seal::Passphrase;

/// How a key signs (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Algorithm {
    #[value(name = "RS256")]
    Rs256,
    #[value(name = "RS384")]
    Rs384,
    #[value(name = "RS512")]
    Rs512,
    #[value(name = "PS256")]
    Ps256,
    #[value(name = "PS384")]
    Ps384,
    #[value(name = "PS512")]
    Ps512,
    #[value(name = "ES256")]
    Es256,
    #[value(name = "ES384")]
    Es384,
    #[value(name = "EdDSA")]
    EdDsa,
}

/// What kind of key an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its name in a JOSE header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    fn family(self) -> Family {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => Family::Rsa,
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::EdDsa => Family::Ed25519,
        }
    }
}

impl Family {
    /// What a key of the family signs with where nothing else is said.
    fn usual(self) -> Algorithm {
        match self {
            Self::Rsa => Algorithm::Rs256,
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::Ed25519 => Algorithm::EdDsa,
        }
    }
}

/// A private key with the id of its public half.
pub(crate) struct SigningKey {
    private: Private,
    algorithm: Algorithm,
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
        Ok(Self::of(Private::generate(algorithm.family())?, algorithm))
    }

    /// Reads PKCS#8, PKCS#1 or SEC 1 PEM. An encrypted one is opened with the passphrase in the environment. `name` is
    /// what the text is called in an error.
    pub(crate) fn from_pem(pem: &str, name: &str) -> Result<Self, Failure> {
        let private = match seal::is_sealed(pem) {
            true => Private::from_pem(&Passphrase::from_environment()?.open(pem, name)?, name)?,
            false => Private::from_pem(pem, name)?,
        };
        let algorithm = private.family().usual();
        Ok(Self::of(private, algorithm))
    }

    /// The same key, signing otherwise.
    pub(crate) fn with(self, algorithm: Algorithm, name: &str) -> Result<Self, Failure> {
        if algorithm.family() != self.private.family() {
            let (own, wanted) = (self.algorithm.name(), algorithm.name());
            return Err(Failure::refused(format!("the key in `{name}` cannot sign by {wanted}")).help(
                format!("it is a key for {own}; make one with `toolgate keys generate --algorithm {wanted}`"),
            ));
        }
        Ok(Self { algorithm, ..self })
    }

    fn of(private: Private, algorithm: Algorithm) -> Self {
        let kid = thumbprint(&private.public_members());
        Self { private, algorithm, kid }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The thumbprint of the public half (RFC 7638).
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The private key as PKCS#8 PEM, encrypted where there is a passphrase.
    pub(crate) fn to_pem(&self, passphrase: Option<&Passphrase>) -> Result<String, Failure> {
        let pem = self.private.to_pem()?;
        match passphrase {
            Some(passphrase) => passphrase.seal(&pem),
            None => Ok(pem.as_str().to_owned()),
        }
    }

    /// The public half as a JWK (RFC 7517) with `kid`, `use` and `alg`.
    pub(crate) fn jwk(&self) -> Map<String, Value> {
        let members = self.private.public_members();
        let mut jwk: Map<String, Value> =
            members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        jwk.insert("kid".to_owned(), json!(self.kid));
        jwk.insert("use".to_owned(), json!("sig"));
        jwk.insert("alg".to_owned(), json!(self.algorithm().name()));
        jwk
    }

    /// The signature over `message` as a JWS carries it.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.private.sign(self.algorithm, message)
    }
}

fn thumbprint(members: &[(&'static str, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    let digest = Sha256::digest(format!("{{{}}}", members.join(",")));
    Base64UrlUnpadded::encode_string(&digest)
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
        for algorithm in
            [Algorithm::Rs256, Algorithm::Ps384, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa]
        {
            let key = SigningKey::generate(algorithm).unwrap();
            let pem = key.to_pem(None).unwrap();
            let again = SigningKey::from_pem(&pem, "key").unwrap().with(algorithm, "key").unwrap();
            assert_eq!((key.kid(), algorithm), (again.kid(), again.algorithm()));
            assert_eq!(format!("{key:?}"), format!("SigningKey({}, {})", algorithm.name(), key.kid()));
            assert!(!key.jwk().contains_key("d"));
        }
    }

    #[test]
    fn a_key_signs_only_by_an_algorithm_of_its_family() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        assert!(key.with(Algorithm::Es384, "key").is_err());
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_alone() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let passphrase = Passphrase::new("correct horse battery").unwrap();
        let sealed = key.to_pem(Some(&passphrase)).unwrap();
        assert!(sealed.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
        let again = Private::from_pem(&passphrase.open(&sealed, "key").unwrap(), "key").unwrap();
        assert_eq!(thumbprint(&again.public_members()), key.kid());
        let other = Passphrase::new("another horse battery").unwrap();
        assert!(other.open(&sealed, "key").is_err());
        assert!(Passphrase::new("short").is_err());
        assert_eq!(format!("{passphrase:?}"), "Passphrase(…)");
    }

    #[test]
    fn the_engine_verifies_what_each_algorithm_signs() {
        use toolgate_engine::keys::{Alg, KeySet, Signature, SignatureVerifier, Software, Verdict};
        let rsa = SigningKey::generate(Algorithm::Rs256).unwrap().to_pem(None).unwrap();
        for algorithm in Algorithm::ALL {
            let key = match algorithm.family() {
                Family::Rsa => SigningKey::from_pem(&rsa, "key").unwrap().with(algorithm, "key").unwrap(),
                Family::P256 | Family::P384 | Family::Ed25519 => SigningKey::generate(algorithm).unwrap(),
            };
            let keys = KeySet::parse(json!({ "keys": [key.jwk()] }).to_string().as_bytes()).unwrap();
            let known = Alg::from_name(algorithm.name()).unwrap();
            let public = keys.keys().next().unwrap();
            let signature = Signature::from_bytes(key.sign(b"message")).unwrap();
            let verdict = |message| Software.verify(known, public, message, &signature);
            assert_eq!(verdict(b"message"), Verdict::Verified, "{}", algorithm.name());
            assert_eq!(verdict(b"massage"), Verdict::Refused, "{}", algorithm.name());
        }
    }
}
