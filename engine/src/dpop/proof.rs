// SPDX-License-Identifier: Apache-2.0
//! A proof's form, header and claims (RFC 9449 section 4.2), read as strictly as a token's.

use super::fault::Fault;
use crate::json::{Doc, Kind, Limits, Value};
use crate::keys::{Alg, JwkRefusal, PublicKey, Signature, decode_base64url};
use crate::time::UnixTime;
use crate::token::numeric_date;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Longest proof, in bytes: enough for an RSA key of 8,192 bits.
pub const MAX_PROOF_BYTES: usize = 6_144;
/// Longest `jti`, in bytes.
const MAX_JTI: usize = 256;
const MAX_URL: usize = 2_048;
const MAX_WORD: usize = 64;

/// A proof whose form is right and which proves nothing yet.
pub struct Proof<'p> {
    pub(super) alg: Alg,
    pub(super) key: PublicKey,
    pub(super) signing_input: &'p [u8],
    pub(super) signature: Signature,
    pub(super) claims: Claims,
}

/// What a proof says of the request it was made for.
pub(super) struct Claims {
    pub jti: String,
    pub htm: String,
    pub htu: String,
    pub iat: UnixTime,
    pub ath: [u8; 32],
    pub nonce: Option<String>,
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(hidden)")
    }
}

impl<'p> Proof<'p> {
    /// Reads one proof; `algorithms` are those that it may be signed with.
    ///
    /// # Errors
    /// What is not acceptable whatever the request is.
    pub fn parse(bytes: &'p [u8], algorithms: &[Alg]) -> Result<Proof<'p>, Fault> {
        // No character of a JWT is a comma: this is several fields, joined (section 4.3, check 1).
        if bytes.contains(&b',') {
            return Err(Fault::Several);
        }
        if bytes.len() > MAX_PROOF_BYTES {
            return Err(Fault::Malformed);
        }
        let text = core::str::from_utf8(bytes).map_err(|_| Fault::Malformed)?;
        let (signing_input, signature) = text.rsplit_once('.').ok_or(Fault::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Fault::Malformed)?;
        let header = decode(header)?;
        let (alg, key) = read_header(&header, algorithms)?;
        let claims = read_claims(&decode(payload)?)?;
        let signature = Signature::from_bytes(decode(signature)?).ok_or(Fault::Malformed)?;
        Ok(Proof { alg, key, signing_input: signing_input.as_bytes(), signature, claims })
    }
}

fn decode(segment: &str) -> Result<Vec<u8>, Fault> {
    decode_base64url(segment).filter(|bytes| !bytes.is_empty()).ok_or(Fault::Malformed)
}

fn object(bytes: &[u8]) -> Result<Doc<'_>, Fault> {
    let doc = Doc::parse(bytes, Limits::TOKEN).map_err(|_| Fault::Malformed)?;
    match matches!(doc.root().kind(), Kind::Object) {
        true => Ok(doc),
        false => Err(Fault::Malformed),
    }
}

fn text(root: Value<'_>, name: &str, max: usize) -> Result<Option<String>, Fault> {
    let Some(value) = root.get(name) else { return Ok(None) };
    match value.as_str() {
        Some(text) if (1..=max).contains(&text.len()) => Ok(Some(text.into_owned())),
        Some(_) | None => Err(Fault::Malformed),
    }
}

fn read_header(bytes: &[u8], algorithms: &[Alg]) -> Result<(Alg, PublicKey), Fault> {
    let doc = object(bytes)?;
    let root = doc.root();
    // Extensions are not understood, and the key comes from `jwk` alone.
    if ["crit", "b64", "enc", "zip", "jku", "x5u", "x5c"].iter().any(|name| root.get(name).is_some()) {
        return Err(Fault::Malformed);
    }
    let typ = text(root, "typ", MAX_WORD)?;
    if !typ.is_some_and(|typ| typ.eq_ignore_ascii_case("dpop+jwt")) {
        return Err(Fault::Type);
    }
    let alg = text(root, "alg", MAX_WORD)?.ok_or(Fault::Malformed)?;
    let alg = Alg::from_name(&alg).filter(|alg| algorithms.contains(alg)).ok_or(Fault::Alg)?;
    let jwk = root.get("jwk").ok_or(Fault::Key)?;
    let key = PublicKey::from_jwk(jwk).map_err(|refusal| match refusal {
        JwkRefusal::PrivateMember | JwkRefusal::Symmetric => Fault::PrivateKey,
        _ => Fault::Key,
    })?;
    match key.fits(alg) {
        true => Ok((alg, key)),
        false => Err(Fault::Key),
    }
}

fn read_claims(bytes: &[u8]) -> Result<Claims, Fault> {
    let doc = object(bytes)?;
    let root = doc.root();
    let iat = root.get("iat").filter(|iat| matches!(iat.kind(), Kind::Number));
    let ath = text(root, "ath", MAX_WORD)?.ok_or(Fault::Malformed)?;
    let ath = decode_base64url(&ath).and_then(|ath| ath.try_into().ok());
    Ok(Claims {
        jti: text(root, "jti", MAX_JTI)?.ok_or(Fault::Malformed)?,
        htm: text(root, "htm", MAX_WORD)?.ok_or(Fault::Malformed)?,
        htu: text(root, "htu", MAX_URL)?.ok_or(Fault::Malformed)?,
        iat: iat.and_then(|iat| numeric_date(iat.raw())).ok_or(Fault::Malformed)?,
        // What is no digest at all is the digest of no token.
        ath: ath.ok_or(Fault::TokenHash)?,
        nonce: text(root, "nonce", MAX_JTI)?,
    })
}
