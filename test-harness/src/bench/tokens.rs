//! An RSA and a P-256 key, their JWKS, and tokens under them.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL};
use jsonwebtoken::Algorithm;
use rsa::{
    BigUint, RsaPublicKey,
    pkcs8::{EncodePublicKey, LineEnding},
};
use serde_json::{Value, json};

use crate::jwks::{Key, now};

/// The issuer's name.
pub const ISSUER: &str = "https://idp.example.com";
/// What the tokens are for.
pub const RESOURCE: &str = "https://mcp.example.com/mcp";

/// Tokens that rotate while everything is warm.
pub const WARM: usize = 100;
/// Tokens that rotate where every request has to be verified anew.
pub const COLD: usize = 1_000;

/// What tokens are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// RSA-2048.
    Rs256,
    /// P-256.
    Es256,
}

/// An issuer's keys and what it signed.
#[derive(Debug)]
pub struct Tokens {
    rsa: Key,
    curve: Key,
    by_rsa: Vec<String>,
    by_curve: Vec<String>,
}

impl Tokens {
    /// Makes keys and signs [`COLD`] tokens with each, every one for another subject.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn make() -> Result<Self> {
        let (rsa, curve) =
            (Key::generate("bench-1", Algorithm::RS256)?, Key::generate("bench-2", Algorithm::ES256)?);
        let all = |key: &Key| {
            (0..COLD)
                .map(|at| sign(key, &format!("user-{at:04}"), &["developer"]))
                .collect::<Result<Vec<_>>>()
        };
        let (by_rsa, by_curve) = (all(&rsa)?, all(&curve)?);
        Ok(Self { rsa, curve, by_rsa, by_curve })
    }

    /// The JWKS.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.rsa.jwk, self.curve.jwk] })
    }

    fn all(&self, signed: Signed) -> &[String] {
        match signed {
            Signed::Rs256 => &self.by_rsa,
            Signed::Es256 => &self.by_curve,
        }
    }

    /// A good token.
    #[must_use]
    pub fn first(&self, signed: Signed) -> &str {
        self.all(signed).first().map_or("", String::as_str)
    }

    /// The RSA key as a SubjectPublicKeyInfo in PEM.
    ///
    /// # Errors
    /// If it cannot be written so.
    pub fn rsa_pem(&self) -> Result<String> {
        let number = |name: &str| -> Result<BigUint> {
            let text = self.rsa.jwk[name].as_str().context("no RSA key")?;
            Ok(BigUint::from_bytes_be(&URL.decode(text)?))
        };
        Ok(RsaPublicKey::new(number("n")?, number("e")?)?.to_public_key_pem(LineEnding::LF)?)
    }

    /// A good token of a caller without a role.
    ///
    /// # Errors
    /// If signing fails.
    pub fn without_role(&self) -> Result<String> {
        sign(&self.rsa, "nobody", &[])
    }

    /// A good token with the signature of another.
    #[must_use]
    pub fn forged(&self) -> String {
        let signed =
            |at: usize| self.by_rsa.get(at).and_then(|token| token.rsplit_once('.')).unwrap_or_default();
        format!("{}.{}", signed(0).0, signed(1).1)
    }

    /// Writes the first `count` tokens to `file`, one a line.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, signed: Signed, count: usize, file: &Path) -> Result<()> {
        let mut text = self.all(signed).iter().take(count).cloned().collect::<Vec<_>>().join("\n");
        text.push('\n');
        Ok(fs::write(file, text)?)
    }
}

fn sign(key: &Key, subject: &str, roles: &[&str]) -> Result<String> {
    key.sign(&json!({
        "iss": ISSUER,
        "sub": subject,
        "aud": RESOURCE,
        "iat": now(),
        "exp": now() + 3_600,
        "jti": format!("bench-{subject}"),
        "client_id": "bench",
        "scope": "mcp:tools mcp:resources",
        "roles": roles,
    }))
}
