// SPDX-License-Identifier: Apache-2.0
//! Shared secrets for HS256, HS384 and HS512 (RFC 7518 section 3.2): a list, so that one can follow another.
//!
//! What enters: bytes of the environment with an id and an end date. What leaves: a [`SecretSet`] that says which of
//! them made a tag. Deliberately absent: secrets out of a key set (`oct`), and printing.

use super::alg::Alg;
use super::set::KeySet;
use super::verifier::{Signature, Verdict};
use crate::time::UnixTime;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384, Sha512};

/// One secret.
#[derive(Clone)]
pub struct Secret {
    id: Option<String>,
    ends: Option<UnixTime>,
    bytes: Vec<u8>,
}

impl Secret {
    /// A secret with the `kid` that tokens name it by, and the time from which it counts no more.
    #[must_use]
    pub const fn new(id: Option<String>, ends: Option<UnixTime>, bytes: Vec<u8>) -> Secret {
        Secret { id, ends, bytes }
    }

    /// Its `kid`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// From when it counts no more.
    #[must_use]
    pub const fn ends(&self) -> Option<UnixTime> {
        self.ends
    }

    /// Whether it is as long as the hash at least (RFC 7518 section 3.2).
    #[must_use]
    pub fn is_long_enough(&self, alg: Alg) -> bool {
        min_bytes(alg).is_some_and(|least| self.bytes.len() >= least)
    }

    fn made(&self, alg: Alg, message: &[u8], tag: &[u8]) -> Verdict {
        let good = match alg {
            Alg::Hs256 => tag_fits::<Hmac<Sha256>>(&self.bytes, message, tag),
            Alg::Hs384 => tag_fits::<Hmac<Sha384>>(&self.bytes, message, tag),
            Alg::Hs512 => tag_fits::<Hmac<Sha512>>(&self.bytes, message, tag),
            Alg::Rs256 | Alg::Rs384 | Alg::Rs512 | Alg::Es256 | Alg::Es384 => false,
            Alg::Ps256 | Alg::Ps384 | Alg::Ps512 | Alg::EdDsa => false,
        };
        if good { Verdict::Verified } else { Verdict::Refused }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// The length of the hash in bytes; `None` for what needs no secret.
const fn min_bytes(alg: Alg) -> Option<usize> {
    match alg {
        Alg::Hs256 => Some(32),
        Alg::Hs384 => Some(48),
        Alg::Hs512 => Some(64),
        Alg::Rs256 | Alg::Rs384 | Alg::Rs512 | Alg::Es256 | Alg::Es384 => None,
        Alg::Ps256 | Alg::Ps384 | Alg::Ps512 | Alg::EdDsa => None,
    }
}

/// In constant time, and only for the whole tag.
fn tag_fits<M: Mac + hmac::digest::KeyInit>(key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    let Ok(mut mac) = <M as Mac>::new_from_slice(key) else { return false };
    mac.update(message);
    mac.verify_slice(tag).is_ok()
}

/// The secrets of one issuer.
#[derive(Clone, Default)]
pub struct SecretSet(Vec<Secret>);

/// The secret that made a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Maker {
    /// From when it counts no more.
    pub ends: Option<UnixTime>,
    /// The secret's own `kid`.
    pub kid: Option<String>,
}

/// Most secrets of one issuer: a token that names none is tried against all.
pub const MAX_SECRETS: usize = 4;

impl SecretSet {
    /// In the order in which they are tried.
    #[must_use]
    pub const fn new(secrets: Vec<Secret>) -> SecretSet {
        SecretSet(secrets)
    }

    /// The secrets.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }

    /// The secret that made `tag` over `message`: among those of that key id or, for a token that names none, all.
    /// A secret that has ended, and one that is too short for `alg`, made nothing.
    pub(crate) fn maker(
        &self,
        kid: Option<&str>,
        alg: Alg,
        message: &[u8],
        tag: &Signature,
        now: UnixTime,
    ) -> Option<Maker> {
        let named = |secret: &&Secret| kid.is_none() || secret.id() == kid;
        let counts = |secret: &&Secret| secret.ends.is_none_or(|ends| now < ends);
        let tried = self.0.iter().filter(|secret| named(secret) && counts(secret));
        let mut makers = tried.filter(|secret| {
            secret.is_long_enough(alg) && secret.made(alg, message, tag.as_bytes()) == Verdict::Verified
        });
        makers.next().map(|secret| Maker { kid: secret.id.clone(), ends: secret.ends })
    }

    /// Whether any secret has that key id.
    pub(crate) fn knows(&self, kid: &str) -> bool {
        self.0.iter().any(|secret| secret.id() == Some(kid))
    }
}

impl fmt::Debug for SecretSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretSet({} secrets)", self.0.len())
    }
}

/// What an issuer's tokens are verified with: one kind or the other, never both, so that no public key can be taken for
/// a secret (RFC 8725 section 3.1).
#[derive(Clone, Debug)]
pub enum Keys {
    /// Public keys.
    Public(Rc<KeySet>),
    /// Shared secrets.
    Secret(Rc<SecretSet>),
}

impl From<KeySet> for Keys {
    fn from(keys: KeySet) -> Keys {
        Keys::Public(Rc::new(keys))
    }
}

impl Keys {
    /// Changes whenever public keys do. Secrets change with the configuration only, and a secret's end is part of what
    /// it proves.
    #[must_use]
    pub fn generation(&self) -> u64 {
        match self {
            Keys::Public(keys) => keys.generation(),
            Keys::Secret(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::decode_base64url;
    use alloc::borrow::ToOwned;
    use alloc::format;
    use alloc::vec;
    use serde_json::Value;

    const NOW: UnixTime = UnixTime::from_secs(1_000);

    fn tag(alg: Alg, secret: &[u8], message: &[u8]) -> Signature {
        let bytes = match alg {
            Alg::Hs256 => Hmac::<Sha256>::new_from_slice(secret)
                .unwrap()
                .chain_update(message)
                .finalize()
                .into_bytes()
                .to_vec(),
            Alg::Hs384 => Hmac::<Sha384>::new_from_slice(secret)
                .unwrap()
                .chain_update(message)
                .finalize()
                .into_bytes()
                .to_vec(),
            _ => Hmac::<Sha512>::new_from_slice(secret)
                .unwrap()
                .chain_update(message)
                .finalize()
                .into_bytes()
                .to_vec(),
        };
        Signature::from_bytes(bytes).unwrap()
    }

    fn secret(id: Option<&str>, ends: Option<u64>, bytes: &[u8]) -> Secret {
        Secret::new(id.map(ToOwned::to_owned), ends.map(UnixTime::from_secs), bytes.to_vec())
    }

    /// RFC 7515 appendix A.1, RFC 7520 section 4.4.
    #[test]
    fn the_examples_of_the_rfcs() {
        let rows: Value = serde_json::from_str(include_str!("testdata/rfc.json")).unwrap();
        let mut seen = 0;
        for row in rows.as_array().unwrap().iter().filter(|row| row.get("secret").is_some()) {
            seen += 1;
            let bytes = decode_base64url(row["secret"].as_str().unwrap()).unwrap();
            let set = SecretSet::new(vec![secret(None, None, &bytes)]);
            let (input, tag) = row["token"].as_str().unwrap().rsplit_once('.').unwrap();
            let tag = Signature::from_bytes(decode_base64url(tag).unwrap()).unwrap();
            assert!(set.maker(None, Alg::Hs256, input.as_bytes(), &tag, NOW).is_some());
            assert!(set.maker(None, Alg::Hs384, input.as_bytes(), &tag, NOW).is_none());
            assert!(set.maker(None, Alg::Hs256, &input.as_bytes()[1..], &tag, NOW).is_none());
        }
        assert_eq!(seen, 2);
    }

    #[test]
    fn the_right_secret_in_its_time() {
        let (old, new) = ([1; 64], [2; 64]);
        let set =
            SecretSet::new(vec![secret(Some("old"), Some(1_010), &old), secret(Some("new"), None, &new)]);
        let made = |kid: Option<&str>, key: &[u8], at: u64| {
            set.maker(kid, Alg::Hs512, b"m", &tag(Alg::Hs512, key, b"m"), UnixTime::from_secs(at))
        };
        assert_eq!(made(Some("old"), &old, 1_009).unwrap().ends, Some(UnixTime::from_secs(1_010)));
        assert_eq!(made(Some("old"), &old, 1_010), None);
        assert_eq!(made(None, &old, 1_010), None);
        assert_eq!(made(Some("new"), &new, 1_010).unwrap().ends, None);
        assert_eq!(made(None, &new, 1_010), made(Some("new"), &new, 1_010));
        assert_ne!(made(None, &new, 1_000).unwrap().kid, made(None, &old, 1_000).unwrap().kid);
        assert_eq!(made(Some("old"), &new, 1_000), None);
        assert_eq!(made(Some("other"), &new, 1_000), None);
        assert!(set.knows("old") && !set.knows("other"));
    }

    #[test]
    fn short_secrets_and_short_tags_prove_nothing() {
        for (alg, length) in [(Alg::Hs256, 32), (Alg::Hs384, 48), (Alg::Hs512, 64)] {
            let long = vec![7; length];
            let short = &long[1..];
            assert!(secret(None, None, &long).is_long_enough(alg));
            assert!(!secret(None, None, short).is_long_enough(alg));
            let good = tag(alg, &long, b"m");
            let set = SecretSet::new(vec![secret(None, None, &long)]);
            assert!(set.maker(None, alg, b"m", &good, NOW).is_some());
            for bit in 0..8 * length {
                let mut bytes = good.as_bytes().to_vec();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(set.maker(None, alg, b"m", &Signature::from_bytes(bytes).unwrap(), NOW).is_none());
            }
            for cut in 1..length {
                let part = Signature::from_bytes(good.as_bytes()[..cut].to_vec()).unwrap();
                assert!(set.maker(None, alg, b"m", &part, NOW).is_none());
            }
            let weak = SecretSet::new(vec![secret(None, None, short)]);
            assert!(weak.maker(None, alg, b"m", &tag(alg, short, b"m"), NOW).is_none());
            assert!(!secret(None, None, &long).is_long_enough(Alg::Rs256));
        }
        let printed = format!("{:?} {:?}", secret(Some("id"), None, b"s3cr3t"), SecretSet::default());
        assert_eq!(printed, "Secret(hidden) SecretSet(0 secrets)");
    }
}
