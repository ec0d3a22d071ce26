// SPDX-License-Identifier: Apache-2.0
//! Identity onward: a short-lived token of the gate's own for the upstream, which can check who calls without knowing
//! the issuers outside.
//!
//! What enters: seeds of the environment, once; then who calls, and the time. What leaves: a JWT by Ed25519 (RFC 8037),
//! and the public keys as a JWKS. A token is made for one place and one identity and kept until half its life, so
//! that a warm request signs nothing.
//! Deliberately absent: the client's token. What it was is not what goes on.

use crate::json::quoted;
use crate::time::UnixTime;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64UrlUnpadded, Encoding};
use core::cell::RefCell;
use core::fmt;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest, Sha256};

/// The gate's own signer.
pub struct Signer {
    key: SigningKey,
    header: String,
    issuer: String,
    lifetime_secs: u64,
    jwks_path: String,
    jwks: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.jwks_path)
    }
}

/// What a token says of a caller.
#[derive(Debug)]
pub(crate) struct Subject<'s> {
    pub audience: &'s str,
    pub subject: Option<&'s str>,
    pub issuer: &'s str,
    pub client: Option<&'s str>,
    pub roles: Vec<&'s str>,
    /// The token is good no longer than what it was made of.
    pub until: UnixTime,
    /// Names this token.
    pub id: String,
}

impl Signer {
    /// A signer that signs with the first seed; the public keys of all stand in the key set, so that a key can be
    /// replaced: first published behind the old one, then put before it. Nothing without a seed.
    #[must_use]
    pub fn new(seeds: &[[u8; 32]], issuer: &str, lifetime_secs: u64, jwks_path: &str) -> Option<Signer> {
        let key = SigningKey::from_bytes(seeds.first()?);
        let header = format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{}"}}"#, thumbprint(&public(&key)));
        let keys: Vec<String> = seeds.iter().map(|seed| jwk(&SigningKey::from_bytes(seed))).collect();
        Some(Signer {
            key,
            header: Base64UrlUnpadded::encode_string(header.as_bytes()),
            issuer: issuer.into(),
            lifetime_secs,
            jwks_path: jwks_path.into(),
            jwks: format!(r#"{{"keys":[{}]}}"#, keys.join(",")),
        })
    }

    /// Where the public keys are served.
    #[must_use]
    pub fn jwks_path(&self) -> &str {
        &self.jwks_path
    }

    /// The public keys.
    #[must_use]
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// Makes a token.
    pub(crate) fn mint(&self, subject: &Subject<'_>, now: UnixTime) -> String {
        let until = now.plus_secs(self.lifetime_secs).min(subject.until);
        let roles: Vec<String> = subject.roles.iter().map(|role| quoted(role)).collect();
        let mut claims = format!(
            r#"{{"iss":{},"aud":{},"iat":{},"exp":{},"jti":{},"sub_iss":{},"roles":[{}]"#,
            quoted(&self.issuer),
            quoted(subject.audience),
            now.as_secs(),
            until.as_secs(),
            quoted(&subject.id),
            quoted(subject.issuer),
            roles.join(",")
        );
        for (name, value) in [("sub", subject.subject), ("client_id", subject.client)] {
            if let Some(value) = value {
                claims.push_str(&format!(",\"{name}\":{}", quoted(value)));
            }
        }
        claims.push('}');
        let input = format!("{}.{}", self.header, Base64UrlUnpadded::encode_string(claims.as_bytes()));
        let signature = self.key.sign(input.as_bytes());
        format!("{input}.{}", Base64UrlUnpadded::encode_string(&signature.to_bytes()))
    }
}

fn public(key: &SigningKey) -> String {
    Base64UrlUnpadded::encode_string(key.verifying_key().as_bytes())
}

/// RFC 8037 appendix A.3.
fn thumbprint(x: &str) -> String {
    let text = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    Base64UrlUnpadded::encode_string(&Sha256::digest(text.as_bytes()))
}

fn jwk(key: &SigningKey) -> String {
    let x = public(key);
    let kid = thumbprint(&x);
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"{kid}","use":"sig","alg":"EdDSA"}}"#)
}

/// Reads a seed as an operator writes it: 32 bytes in 64 hexadecimal digits, as `openssl rand -hex 32` prints them.
#[must_use]
pub fn seed(text: &[u8]) -> Option<[u8; 32]> {
    let digits = |pair: &[u8]| {
        let text =
            core::str::from_utf8(pair).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u8::from_str_radix(text, 16).ok()
    };
    let bytes: Option<Vec<u8>> = text.trim_ascii().chunks(2).map(digits).collect();
    bytes.filter(|_| text.trim_ascii().len() == 64)?.try_into().ok()
}

/// The token that was made last for an identity.
#[derive(Default)]
pub(crate) struct Kept(RefCell<Option<Minted>>);

struct Minted {
    renew_at: UnixTime,
    value: Rc<[u8]>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(hidden)")
    }
}

impl Kept {
    /// The header value for now; `make` makes it where there is none, or the last is in the second half of its life.
    pub(crate) fn get(&self, signer: &Signer, now: UnixTime, make: impl FnOnce() -> String) -> Rc<[u8]> {
        if let Ok(kept) = self.0.try_borrow()
            && let Some(minted) = kept.as_ref().filter(|minted| now < minted.renew_at)
        {
            return minted.value.clone();
        }
        let value: Rc<[u8]> = Rc::from(make().into_bytes());
        if let Ok(mut kept) = self.0.try_borrow_mut() {
            let renew_at = now.plus_millis(signer.lifetime_secs.saturating_mul(500));
            *kept = Some(Minted { renew_at, value: value.clone() });
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_32_bytes_in_hexadecimal() {
        assert_eq!(seed("0f".repeat(32).as_bytes()), Some([15; 32]));
        assert_eq!(seed(format!("{}\n", "0F".repeat(32)).as_bytes()), Some([15; 32]));
        for text in [
            "",
            "0f",
            &"0f".repeat(31),
            &"0f".repeat(33),
            &"0g".repeat(32),
            &"+f".repeat(32),
            &"0".repeat(63),
        ] {
            assert_eq!(seed(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        // RFC 8037 appendices A.1 to A.3.
        let d = crate::keys::decode_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let signer = Signer::new(&[d.try_into().unwrap()], "https://gate", 60, "/keys").unwrap();
        assert!(signer.jwks().contains(r#""x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#));
        assert!(signer.jwks().contains(r#""kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k""#));
        assert_eq!(format!("{signer:?}"), "Signer(/keys)");
        assert!(Signer::new(&[], "https://gate", 60, "/keys").is_none());
    }
}
