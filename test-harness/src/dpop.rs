//! Proofs of possession (RFC 9449), made here and signed by `jsonwebtoken`.

use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::jwks::{Key, now};

/// A client's key.
#[derive(Clone, Debug)]
pub struct ProofKey {
    key: Key,
    jwk: Value,
}

impl ProofKey {
    /// A fresh P-256 key.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn generate() -> Result<Self> {
        let key = Key::generate("proof", Algorithm::ES256)?;
        let mut jwk = key.jwk.clone();
        for name in ["kid", "use", "alg"] {
            jwk.as_object_mut().map(|jwk| jwk.remove(name));
        }
        Ok(Self { key, jwk })
    }

    /// The key's thumbprint (RFC 7638): what `cnf.jkt` holds.
    ///
    /// # Errors
    /// If the key has lost a coordinate.
    pub fn thumbprint(&self) -> Result<String> {
        let member = |name: &str| self.jwk[name].as_str().context("a coordinate");
        let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, member("x")?, member("y")?);
        Ok(URL.encode(Sha256::digest(text)))
    }

    /// The claims of a good proof for a POST.
    #[must_use]
    pub fn claims(&self, url: &str, token: &str, jti: &str) -> Value {
        json!({ "jti": jti, "htm": "POST", "htu": url, "iat": now(), "ath": URL.encode(Sha256::digest(token)) })
    }

    /// Signs a proof with these claims.
    ///
    /// # Errors
    /// If signing fails.
    pub fn prove(&self, claims: &Value) -> Result<String> {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk });
        self.key.sign_raw(&header.to_string(), &claims.to_string())
    }
}
