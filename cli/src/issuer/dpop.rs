// SPDX-License-Identifier: Apache-2.0
//! Proofs of possession at the token endpoint (RFC 9449 sections 4.3, 5 and 8).
//!
//! A nonce is a time under a MAC: nothing is stored for it. What is stored is the `jti` of each proof until it is stale.

use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, StatusCode};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use toolgate_engine::keys::{KeySet, Signature, SignatureVerifier, Software, Verdict};

use crate::{
    issuer::{
        access::{asymmetric, number, text},
        form::Refusal,
        secret,
        settings::Nonce,
        store::Store,
    },
    jws::{self, Object},
};

/// Seconds that a proof may be old or early, and that a nonce is good for.
const WINDOW: i64 = 300;
/// Longest proof.
const LONGEST: usize = 8_192;

/// What proofs are checked with.
#[derive(Debug)]
pub(super) struct Proofs {
    nonce: Nonce,
    secret: Hidden,
    seen: Mutex<Store<[u8; 32], ()>>,
}

struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

/// What a proof must be about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) method: &'static str,
    pub(super) url: &'a str,
    /// The access token that comes with it.
    pub(super) token: Option<&'a str>,
}

impl Proofs {
    pub(super) fn new(nonce: Nonce) -> Self {
        Self { nonce, secret: Hidden(secret::random("")), seen: Mutex::new(Store::new(50_000)) }
    }

    /// The thumbprint of the key that the request proves to hold; nothing where it holds no proof.
    pub(super) fn key(
        &self,
        headers: &HeaderMap,
        about: About<'_>,
        now: i64,
    ) -> Result<Option<String>, Refusal> {
        let mut values = headers.get_all("dpop").iter();
        let Some(proof) = values.next() else { return Ok(None) };
        let proof = proof.to_str().ok().filter(|proof| proof.len() <= LONGEST && values.next().is_none());
        let proof = proof.ok_or_else(|| refused("send one DPoP header with one proof"))?;
        let seen = jws::peek(proof).map_err(|_| refused("the proof is not a signed token"))?;
        let thumbprint = signed(proof, &seen.header)?;
        self.fits(&seen.claims, about, now)?;
        let replay = Sha256::digest(format!("{thumbprint} {}", text(&seen.claims, "jti"))).into();
        let mut known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&replay, now).is_some() {
            return Err(refused("the proof was used before"));
        }
        known.insert(replay, (), now.saturating_add(2 * WINDOW), now).map_err(|_| Refusal::full())?;
        Ok(Some(thumbprint))
    }

    fn fits(&self, claims: &Object, about: About<'_>, now: i64) -> Result<(), Refusal> {
        let jti = text(claims, "jti");
        if jti.is_empty() || jti.len() > 256 {
            return Err(refused("jti is missing or too long"));
        }
        if text(claims, "htm") != about.method || text(claims, "htu") != about.url {
            return Err(refused("htm or htu is not that of this request"));
        }
        if now.abs_diff(number(claims, "iat")) > WINDOW.unsigned_abs() {
            return Err(refused("iat is too old, or in the future"));
        }
        let hash =
            about.token.map(|token| Base64UrlUnpadded::encode_string(&Sha256::digest(token.as_bytes())));
        if hash.is_some_and(|hash| text(claims, "ath") != hash) {
            return Err(refused("ath is not the hash of the token"));
        }
        match claims.get("nonce").and_then(Value::as_str) {
            None if self.nonce == Nonce::Optional => Ok(()),
            Some(nonce) if self.is_fresh(nonce, now) => Ok(()),
            _ => {
                let refusal = Refusal::new("use_dpop_nonce", "put this nonce into the proof");
                Err(Refusal { nonce: Some(self.fresh(now)), ..refusal })
            }
        }
    }

    /// A nonce of this moment.
    pub(super) fn fresh(&self, now: i64) -> String {
        format!("{now}.{}", self.seal(now))
    }

    fn is_fresh(&self, nonce: &str, now: i64) -> bool {
        let Some((time, seal)) = nonce.split_once('.') else { return false };
        let Ok(time) = time.parse::<i64>() else { return false };
        let own: bool = self.seal(time).as_bytes().ct_eq(seal.as_bytes()).into();
        own && (0..=WINDOW).contains(&now.saturating_sub(time))
    }

    /// The hash of secret, message, secret: an outsider extends neither end of it.
    fn seal(&self, time: i64) -> String {
        let secret = &self.secret.0;
        Base64UrlUnpadded::encode_string(&Sha256::digest(format!("{secret}.{time}.{secret}")))
    }
}

fn refused(why: &str) -> Refusal {
    Refusal::new("invalid_dpop_proof", why)
}

/// The thumbprint of the key in the header, if that key signed the proof.
fn signed(proof: &str, header: &Object) -> Result<String, Refusal> {
    if text(header, "typ") != "dpop+jwt" || header.contains_key("crit") || header.contains_key("b64") {
        return Err(refused("typ is not dpop+jwt, or the header demands an extension"));
    }
    let Some(Value::Object(jwk)) = header.get("jwk") else { return Err(refused("the header holds no jwk")) };
    if ["d", "p", "q", "k"].iter().any(|private| jwk.contains_key(*private)) {
        return Err(refused("jwk holds a private key"));
    }
    let algorithm = asymmetric().find(|known| known.name() == text(header, "alg"));
    let algorithm = algorithm.ok_or_else(|| refused("alg is not one that is taken"))?;
    // Of the key only its own members count: no name, use or algorithm that it brings along.
    let members = ["kty", "crv", "x", "y", "n", "e"];
    let bare: Object = jwk.iter().filter(|(name, _)| members.contains(&name.as_str())).map(clone).collect();
    let keys = KeySet::parse(json!({ "keys": [bare] }).to_string().as_bytes());
    let keys = keys.map_err(|_| refused("jwk is not a sound public key"))?;
    let candidates = keys.candidates(None, algorithm).map_err(|_| refused("alg does not fit jwk"))?;
    let (message, signature) = proof.rsplit_once('.').unwrap_or_default();
    let signature = Base64UrlUnpadded::decode_vec(signature).ok().and_then(Signature::from_bytes);
    let signature = signature.ok_or_else(|| refused("the signature is malformed"))?;
    let mut keys = candidates.iter();
    let key = keys.next().ok_or_else(|| refused("alg does not fit jwk"))?;
    match Software.verify(algorithm, key, message.as_bytes(), &signature) {
        Verdict::Verified => Ok(Base64UrlUnpadded::encode_string(key.thumbprint())),
        Verdict::Refused | Verdict::Unsupported | Verdict::Throttled { .. } => {
            Err(refused("the signature does not belong to the proof"))
        }
    }
}

fn clone((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Why a token that is bound to a key, or came with a proof, is not taken.
pub(super) fn unauthorized(challenge: &'static str) -> Refusal {
    let refusal =
        Refusal::new("invalid_token", "the token is not good here").with_status(StatusCode::UNAUTHORIZED);
    Refusal { challenge: Some(challenge), ..refusal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::{Algorithm, SigningKey};

    const URL: &str = "https://idp.example.com/token";

    fn proof(key: &SigningKey, change: impl Fn(&mut Object, &mut Object)) -> HeaderMap {
        let mut jwk = key.jwk();
        jwk.retain(|name, _| ["kty", "crv", "x", "y", "n", "e"].contains(&name.as_str()));
        let mut header: Object =
            serde_json::from_value(json!({ "typ": "dpop+jwt", "alg": key.algorithm().name(), "jwk": jwk }))
                .unwrap();
        let mut claims: Object = serde_json::from_value(
            json!({ "jti": jws::random_id(), "htm": "POST", "htu": URL, "iat": 1_000 }),
        )
        .unwrap();
        change(&mut header, &mut claims);
        let mut headers = HeaderMap::new();
        headers.insert("dpop", jws::sign(key, &header, &claims).parse().unwrap());
        headers
    }

    fn about(token: Option<&'static str>) -> About<'static> {
        About { method: "POST", url: URL, token }
    }

    #[test]
    fn a_good_proof_gives_the_thumbprint_once() {
        let proofs = Proofs::new(Nonce::Optional);
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let headers = proof(&key, |_, _| ());
        assert_eq!(proofs.key(&headers, about(None), 1_000).unwrap().as_deref(), Some(key.kid()));
        assert_eq!(proofs.key(&headers, about(None), 1_001).unwrap_err().error, "invalid_dpop_proof");
        assert_eq!(proofs.key(&HeaderMap::new(), about(None), 1_000).unwrap(), None);
    }

    #[test]
    fn each_fault_of_a_proof_is_refused() {
        type Change = fn(&mut Object, &mut Object);
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let faults: [(&str, Change); 12] = [
            ("typ", |header, _| drop(header.insert("typ".into(), json!("jwt")))),
            ("alg none", |header, _| drop(header.insert("alg".into(), json!("none")))),
            ("alg of another family", |header, _| drop(header.insert("alg".into(), json!("RS256")))),
            ("no jwk", |header, _| drop(header.remove("jwk"))),
            ("a private jwk", |header, _| header["jwk"]["d"] = json!("AAAA")),
            ("another key", |header, _| {
                let other = SigningKey::generate(Algorithm::Es256).unwrap().jwk();
                header["jwk"] = json!({ "kty": "EC", "crv": "P-256", "x": other["x"], "y": other["y"] });
            }),
            ("crit", |header, _| drop(header.insert("crit".into(), json!(["exp"])))),
            ("htm", |_, claims| drop(claims.insert("htm".into(), json!("GET")))),
            ("htu", |_, claims| drop(claims.insert("htu".into(), json!("https://idp.example.com/token?x")))),
            ("iat too old", |_, claims| drop(claims.insert("iat".into(), json!(699)))),
            ("iat too early", |_, claims| drop(claims.insert("iat".into(), json!(1_301)))),
            ("no jti", |_, claims| drop(claims.remove("jti"))),
        ];
        for (fault, change) in faults {
            let refusal =
                Proofs::new(Nonce::Optional).key(&proof(&key, change), about(None), 1_000).unwrap_err();
            assert_eq!(refusal.error, "invalid_dpop_proof", "{fault}");
        }
        let mut twice = proof(&key, |_, _| ());
        twice.append("dpop", "x".parse().unwrap());
        assert!(Proofs::new(Nonce::Optional).key(&twice, about(None), 1_000).is_err());
        let without_hash = proof(&key, |_, _| ());
        assert!(Proofs::new(Nonce::Optional).key(&without_hash, about(Some("token")), 1_000).is_err());
    }

    #[test]
    fn a_nonce_is_asked_for_and_ages() {
        let proofs = Proofs::new(Nonce::Required);
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let refusal = proofs.key(&proof(&key, |_, _| ()), about(None), 1_000).unwrap_err();
        assert_eq!(refusal.error, "use_dpop_nonce");
        let nonce = refusal.nonce.unwrap();
        let with = |nonce: &str| {
            let nonce = json!(nonce);
            proof(&key, move |_, claims| drop(claims.insert("nonce".into(), nonce.clone())))
        };
        assert!(proofs.key(&with(&nonce), about(None), 1_200).unwrap().is_some());
        let late = proof(&key, |_, claims| {
            claims.insert("nonce".into(), json!(nonce));
            claims.insert("iat".into(), json!(1_301));
        });
        assert_eq!(proofs.key(&late, about(None), 1_301).unwrap_err().error, "use_dpop_nonce");
        for wrong in ["1000.AAAA", "x", "", "9999999999999999999.AAAA"] {
            assert_eq!(
                proofs.key(&with(wrong), about(None), 1_000).unwrap_err().error,
                "use_dpop_nonce",
                "{wrong}"
            );
        }
        let elsewhere = Proofs::new(Nonce::Required).fresh(1_000);
        assert!(proofs.key(&with(&elsewhere), about(None), 1_000).is_err());
    }
}
