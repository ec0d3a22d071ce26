// SPDX-License-Identifier: Apache-2.0
//! One JSON Web Key (RFC 7517, RFC 7518 section 6), read strictly.
//!
//! What enters: a JSON value. What leaves: a [`PublicKey`], or why the key is of no use.
//! Deliberately absent: certificates (`x5c`, `x5u` are not read; the set's address is what is trusted).

use super::alg::{Alg, Family};
use super::base64url;
use super::material::{Material, P256Key, PublicKey, Thumbprint};
use crate::json::{Kind, Value};
use crate::time::UnixTime;
use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use jwt_compact::alg::RsaPublicKey;
use jwt_compact::jwk::JsonWebKey;
use sha2::{Digest, Sha256};

/// Longest key id, in bytes.
pub(crate) const MAX_KID: usize = 256;
const MIN_RSA_BITS: usize = 2_048;
const MAX_RSA_BITS: usize = 8_192;
/// Largest modulus that the software verifier takes.
const MAX_SOFTWARE_RSA_BITS: usize = 4_096;
const COORDINATE: usize = 32;
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
    /// The point is not on the curve (RFC 8725 section 3.4).
    NotOnCurve,
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
        "RSA" => read_rsa(value)?,
        "EC" => read_ec(value)?,
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

fn octets(value: Value<'_>, name: &str) -> Result<Vec<u8>, JwkRefusal> {
    let text = value.get(name).and_then(|member| member.as_str()).ok_or(JwkRefusal::BadMember)?;
    base64url::decode(&text).ok_or(JwkRefusal::BadMember)
}

fn read_rsa(value: Value<'_>) -> Result<PublicKey, JwkRefusal> {
    let (modulus, exponent) = (octets(value, "n")?, octets(value, "e")?);
    let bits = modulus_bits(&modulus)?;
    check_exponent(&exponent)?;
    let thumbprint = thumbprint(&[("e", value), ("kty", value), ("n", value)]);
    let spki = rsa_spki(&modulus, &exponent);
    let signature_len = modulus.len();
    let material = match bits {
        0..=MAX_SOFTWARE_RSA_BITS => Material::Rsa(rsa_key(modulus, exponent)?),
        _ => Material::RsaHostOnly,
    };
    Ok(key(Family::Rsa, thumbprint, spki, signature_len, material))
}

fn key(
    family: Family,
    thumbprint: Thumbprint,
    spki: Vec<u8>,
    signature_len: usize,
    material: Material,
) -> PublicKey {
    PublicKey { kid: None, alg: None, family, created: None, thumbprint, spki, signature_len, material }
}

fn modulus_bits(modulus: &[u8]) -> Result<usize, JwkRefusal> {
    let (Some(first), Some(last)) = (modulus.first(), modulus.last()) else {
        return Err(JwkRefusal::NotMinimal);
    };
    if *first == 0 {
        return Err(JwkRefusal::NotMinimal);
    }
    let unused = first.leading_zeros() as usize;
    let bits = modulus.len().saturating_mul(8).saturating_sub(unused);
    match bits {
        0..MIN_RSA_BITS => Err(JwkRefusal::WeakModulus),
        MIN_RSA_BITS..=MAX_RSA_BITS if last % 2 == 1 => Ok(bits),
        MIN_RSA_BITS..=MAX_RSA_BITS => Err(JwkRefusal::EvenModulus),
        _ => Err(JwkRefusal::HugeModulus),
    }
}

fn check_exponent(exponent: &[u8]) -> Result<(), JwkRefusal> {
    match exponent {
        [] | [0, ..] => Err(JwkRefusal::NotMinimal),
        [_, _, _, _, _, ..] => Err(JwkRefusal::BadExponent),
        bytes => match bytes.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte)) {
            value if value >= 3 && value % 2 == 1 => Ok(()),
            _ => Err(JwkRefusal::BadExponent),
        },
    }
}

fn rsa_key(modulus: Vec<u8>, exponent: Vec<u8>) -> Result<RsaPublicKey, JwkRefusal> {
    let jwk = JsonWebKey::Rsa {
        modulus: Cow::Owned(modulus),
        public_exponent: Cow::Owned(exponent),
        private_parts: None,
    };
    RsaPublicKey::try_from(&jwk).map_err(|_| JwkRefusal::BadExponent)
}

fn read_ec(value: Value<'_>) -> Result<PublicKey, JwkRefusal> {
    if !value.get("crv").is_some_and(|curve| curve.is_str("P-256")) {
        return Err(JwkRefusal::UnknownCurve);
    }
    let (x, y) = (octets(value, "x")?, octets(value, "y")?);
    if x.len() != COORDINATE || y.len() != COORDINATE {
        return Err(JwkRefusal::BadCoordinate);
    }
    let spki = [P256_SPKI_HEAD, &x, &y].concat();
    let jwk =
        JsonWebKey::EllipticCurve { curve: "P-256".into(), x: Cow::Owned(x), y: Cow::Owned(y), secret: None };
    let point = P256Key::try_from(&jwk).map_err(|_| JwkRefusal::NotOnCurve)?;
    let thumbprint = thumbprint(&[("crv", value), ("kty", value), ("x", value), ("y", value)]);
    Ok(key(Family::P256, thumbprint, spki, 2 * COORDINATE, Material::P256(point)))
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

/// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING { 04 x y } } up to the coordinates (RFC 5480).
const P256_SPKI_HEAD: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// SEQUENCE { rsaEncryption, NULL } (RFC 8017 appendix A.1).
const RSA_ALGORITHM: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let numbers = [der_unsigned(modulus), der_unsigned(exponent)].concat();
    let bits = [&[0][..], &der(0x30, &numbers)].concat();
    der(0x30, &[RSA_ALGORITHM.to_owned(), der(0x03, &bits)].concat())
}

/// An INTEGER of minimal, non-empty big-endian octets.
pub(super) fn der_unsigned(octets: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if octets.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    der(0x02, &[sign, octets].concat())
}

/// Tag, definite length, content; contents here stay below 64 KiB.
pub(super) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let mut out = Vec::with_capacity(content.len().saturating_add(4));
    out.push(tag);
    match (high, low) {
        (0, 0..=0x7F) => out.push(low),
        (0, _) => out.extend_from_slice(&[0x81, low]),
        _ => out.extend_from_slice(&[0x82, high, low]),
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests;
