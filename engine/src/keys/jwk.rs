// SPDX-License-Identifier: Apache-2.0
//! One JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037 section 2), read strictly.
//!
//! What enters: a JSON value. What leaves: a [`PublicKey`], or why the key is of no use.
//! Deliberately absent: certificates (`x5c`, `x5u` are not read; the set's address is what is trusted).

use super::alg::{Alg, Family};
use super::base64url;
use super::material::{Material, PublicKey, Thumbprint};
use crate::json::{Kind, Value};
use crate::time::UnixTime;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

mod curves;
mod rsa;

/// Longest key id, in bytes.
pub(crate) const MAX_KID: usize = 256;
/// Members that only a private or symmetric key has (RFC 7518 sections 6.2.2, 6.3.2, 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why a key is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwkRefusal {
    /// The element of `keys` is not an object.
    NotAnObject,
    /// `kty` is missing or not a string.
    NoKeyType,
    /// A `kty` that Toolgate does not know.
    UnknownKeyType,
    /// `kty` is `oct`: a secret does not belong into a public key set.
    Symmetric,
    /// A member of a private key is there: the issuer published its secret.
    PrivateMember,
    /// `use` is not `sig`.
    WrongUse,
    /// `key_ops` does not hold `verify`, or is malformed.
    WrongKeyOps,
    /// `alg` is not an algorithm that Toolgate verifies.
    UnknownAlg,
    /// `alg` does not belong to the key's type.
    AlgMismatch,
    /// `kid` is not a string, or longer than 256 bytes.
    BadKid,
    /// `crv` is not a curve that Toolgate knows.
    UnknownCurve,
    /// `n`, `e`, `x` or `y` is missing, or not canonical base64url.
    BadMember,
    /// `n` or `e` begins with a zero byte or is empty (RFC 7518 section 6.3.1: the minimum number of octets).
    NotMinimal,
    /// The modulus is shorter than 2,048 bits (RFC 7518 section 3.3).
    WeakModulus,
    /// The modulus is longer than 8,192 bits.
    HugeModulus,
    /// The modulus is even.
    EvenModulus,
    /// The exponent is even, below 3 or above 2^32.
    BadExponent,
    /// A coordinate has not the length of the curve's field (RFC 7518 section 6.2.1.2).
    BadCoordinate,
    /// The point is not on the curve (RFC 8725 section 3.4), or not written in its one canonical form.
    NotOnCurve,
    /// The point has a small order: a signature under it would fit every message (RFC 8725 section 3.4).
    SmallOrder,
}

impl JwkRefusal {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            JwkRefusal::NotAnObject => "not_an_object",
            JwkRefusal::NoKeyType => "no_key_type",
            JwkRefusal::UnknownKeyType => "unknown_key_type",
            JwkRefusal::Symmetric => "symmetric",
            JwkRefusal::PrivateMember => "private_member",
            JwkRefusal::WrongUse => "wrong_use",
            JwkRefusal::WrongKeyOps => "wrong_key_ops",
            JwkRefusal::UnknownAlg => "unknown_alg",
            JwkRefusal::AlgMismatch => "alg_mismatch",
            JwkRefusal::BadKid => "bad_kid",
            JwkRefusal::UnknownCurve => "unknown_curve",
            JwkRefusal::BadMember => "bad_member",
            JwkRefusal::NotMinimal => "not_minimal",
            JwkRefusal::WeakModulus => "weak_modulus",
            JwkRefusal::HugeModulus => "huge_modulus",
            JwkRefusal::EvenModulus => "even_modulus",
            JwkRefusal::BadExponent => "bad_exponent",
            JwkRefusal::BadCoordinate => "bad_coordinate",
            JwkRefusal::NotOnCurve => "not_on_curve",
            JwkRefusal::SmallOrder => "small_order",
        }
    }
}

/// Reads one key.
pub(super) fn read(value: Value<'_>) -> Result<PublicKey, JwkRefusal> {
    if !matches!(value.kind(), Kind::Object) {
        return Err(JwkRefusal::NotAnObject);
    }
    let key_type = value.get("kty").and_then(|kty| kty.as_str()).ok_or(JwkRefusal::NoKeyType)?;
    if key_type == "oct" {
        return Err(JwkRefusal::Symmetric);
    }
    if PRIVATE.iter().any(|name| value.get(name).is_some()) {
        return Err(JwkRefusal::PrivateMember);
    }
    check_purpose(value)?;
    let kid = read_kid(value)?;
    let key = match key_type.as_ref() {
        "RSA" => rsa::read(value)?,
        "EC" => curves::read_ec(value)?,
        "OKP" => curves::read_okp(value)?,
        _ => return Err(JwkRefusal::UnknownKeyType),
    };
    let alg = read_alg(value, key.family)?;
    Ok(PublicKey { kid, alg, created: read_created(value), ..key })
}

fn check_purpose(value: Value<'_>) -> Result<(), JwkRefusal> {
    if value.get("use").is_some_and(|purpose| !purpose.is_str("sig")) {
        return Err(JwkRefusal::WrongUse);
    }
    let Some(operations) = value.get("key_ops") else { return Ok(()) };
    match operations.items().any(|operation| operation.is_str("verify")) {
        true => Ok(()),
        false => Err(JwkRefusal::WrongKeyOps),
    }
}

fn read_kid(value: Value<'_>) -> Result<Option<String>, JwkRefusal> {
    let Some(kid) = value.get("kid") else { return Ok(None) };
    match kid.as_str() {
        Some(kid) if kid.len() <= MAX_KID => Ok(Some(kid.into_owned())),
        Some(_) | None => Err(JwkRefusal::BadKid),
    }
}

fn read_alg(value: Value<'_>, family: Family) -> Result<Option<Alg>, JwkRefusal> {
    let Some(alg) = value.get("alg") else { return Ok(None) };
    let alg = alg.as_str().and_then(|name| Alg::from_name(&name)).ok_or(JwkRefusal::UnknownAlg)?;
    match alg.family() == family {
        true => Ok(Some(alg)),
        false => Err(JwkRefusal::AlgMismatch),
    }
}

/// Informative only, so a malformed one counts as absent.
fn read_created(value: Value<'_>) -> Option<UnixTime> {
    value.get("iat")?.as_i64().and_then(|secs| u64::try_from(secs).ok()).map(UnixTime::from_secs)
}

/// A key without what is read from members that all types share.
fn key(
    family: Family,
    thumbprint: Thumbprint,
    spki: Vec<u8>,
    signature_len: usize,
    material: Material,
) -> PublicKey {
    PublicKey { kid: None, alg: None, family, created: None, thumbprint, spki, signature_len, material }
}

fn octets(value: Value<'_>, name: &str) -> Result<Vec<u8>, JwkRefusal> {
    let text = value.get(name).and_then(|member| member.as_str()).ok_or(JwkRefusal::BadMember)?;
    base64url::decode(&text).ok_or(JwkRefusal::BadMember)
}

/// RFC 7638: the required members in lexicographic order, without white space. The values are base64url and names
/// that were just compared, so nothing in them needs escaping.
fn thumbprint(members: &[(&str, Value<'_>)]) -> Thumbprint {
    let mut text = String::from("{");
    for (name, value) in members {
        let content =
            value.get(name).and_then(|member| member.as_str()).map(Cow::into_owned).unwrap_or_default();
        let comma = if text.len() > 1 { "," } else { "" };
        text.push_str(&format!("{comma}\"{name}\":\"{content}\""));
    }
    text.push('}');
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests;
