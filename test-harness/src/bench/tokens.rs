//! One RSA key, its JWKS, and tokens under it.

use std::{fs, path::Path};

use anyhow::Result;
use jsonwebtoken::Algorithm;
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

/// An issuer's key and what it signed.
#[derive(Debug)]
pub struct Tokens {
    key: Key,
    all: Vec<String>,
}

impl Tokens {
    /// Makes a key and signs [`COLD`] tokens, each for another subject.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn make() -> Result<Self> {
        let key = Key::generate("bench-1", Algorithm::RS256)?;
        let all = (0..COLD)
            .map(|at| sign(&key, &format!("user-{at:04}"), &["developer"]))
            .collect::<Result<_>>()?;
        Ok(Self { key, all })
    }

    /// The JWKS.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.key.jwk] })
    }

    /// A good token.
    #[must_use]
    pub fn first(&self) -> &str {
        self.all.first().map_or("", String::as_str)
    }

    /// A good token of a caller without a role.
    ///
    /// # Errors
    /// If signing fails.
    pub fn without_role(&self) -> Result<String> {
        sign(&self.key, "nobody", &[])
    }

    /// A good token with the signature of another.
    #[must_use]
    pub fn forged(&self) -> String {
        let signed =
            |at: usize| self.all.get(at).and_then(|token| token.rsplit_once('.')).unwrap_or_default();
        format!("{}.{}", signed(0).0, signed(1).1)
    }

    /// Writes the first `count` tokens to `file`, one a line.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, count: usize, file: &Path) -> Result<()> {
        let mut text = self.all.iter().take(count).cloned().collect::<Vec<_>>().join("\n");
        text.push('\n');
        Ok(fs::write(file, text)?)
    }
}

fn sign(key: &Key, subject: &str, roles: &[&str]) -> Result<String> {
    let claims = json!({
        "iss": ISSUER,
        "sub": subject,
        "aud": RESOURCE,
        "iat": now(),
        "exp": now() + 3_600,
        "jti": format!("bench-{subject}"),
        "client_id": "bench",
        "scope": "mcp:tools mcp:resources",
        "roles": roles,
    });
    let header = json!({ "typ": "at+jwt", "alg": "RS256", "kid": key.id });
    key.sign_raw(&header.to_string(), &claims.to_string())
}
