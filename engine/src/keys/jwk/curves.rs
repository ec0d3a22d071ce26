// SPDX-License-Identifier: Apache-2.0
//! Keys on curves: P-256 and P-384 (RFC 7518 section 6.2), Ed25519 (RFC 8037 section 2).

use super::{JwkRefusal, key, octets, thumbprint};
use crate::json::Value;
use crate::keys::alg::Family;
use crate::keys::der::{ed25519_spki, p256_spki, p384_spki};
use crate::keys::material::{Ed25519Key, Material, PublicKey};
use crate::keys::p256::{P256_FIELD, P256Key};
use crate::keys::p384::{P384_FIELD, P384Key};

const ED25519_POINT: usize = 32;

pub(super) fn read_ec(value: Value<'_>) -> Result<PublicKey, JwkRefusal> {
    let family = match value.get("crv") {
        Some(curve) if curve.is_str("P-256") => Family::P256,
        Some(curve) if curve.is_str("P-384") => Family::P384,
        Some(_) | None => return Err(JwkRefusal::UnknownCurve),
    };
    let field = if family == Family::P256 { P256_FIELD } else { P384_FIELD };
    let (x, y) = (octets(value, "x")?, octets(value, "y")?);
    if x.len() != field || y.len() != field {
        return Err(JwkRefusal::BadCoordinate);
    }
    let (spki, material) = match family == Family::P256 {
        true => (p256_spki(&x, &y), p256_point(&x, &y)),
        false => (p384_spki(&x, &y), p384_point(&x, &y)),
    };
    let material = material.ok_or(JwkRefusal::NotOnCurve)?;
    let thumbprint = thumbprint(&[("crv", value), ("kty", value), ("x", value), ("y", value)]);
    Ok(key(family, thumbprint, spki, 2 * field, material))
}

fn p256_point(x: &[u8], y: &[u8]) -> Option<Material> {
    P256Key::from_coordinates(x.try_into().ok()?, y.try_into().ok()?).map(Material::P256)
}

fn p384_point(x: &[u8], y: &[u8]) -> Option<Material> {
    P384Key::from_coordinates(x.try_into().ok()?, y.try_into().ok()?).map(Material::P384)
}

pub(super) fn read_okp(value: Value<'_>) -> Result<PublicKey, JwkRefusal> {
    if !value.get("crv").is_some_and(|curve| curve.is_str("Ed25519")) {
        return Err(JwkRefusal::UnknownCurve);
    }
    let bytes = octets(value, "x")?;
    let x = <[u8; ED25519_POINT]>::try_from(bytes.as_slice()).map_err(|_| JwkRefusal::BadCoordinate)?;
    if !canonical(&x) {
        return Err(JwkRefusal::NotOnCurve);
    }
    let point = Ed25519Key::from_bytes(&x).map_err(|_| JwkRefusal::NotOnCurve)?;
    if point.is_weak() {
        return Err(JwkRefusal::SmallOrder);
    }
    let thumbprint = thumbprint(&[("crv", value), ("kty", value), ("x", value)]);
    let spki = ed25519_spki(&x);
    Ok(key(Family::Ed25519, thumbprint, spki, 2 * ED25519_POINT, Material::Ed25519(point)))
}

/// Whether the coordinate, little-endian with the sign on top, is below 2^255 - 19 (RFC 8032 section 5.1.3): decoders
/// would reduce a larger one, and one key would have two texts.
fn canonical(x: &[u8; ED25519_POINT]) -> bool {
    let [lowest, middle @ .., highest] = x;
    let top = highest & 0x7F == 0x7F && middle.iter().all(|byte| *byte == 0xFF);
    !(top && *lowest >= 0xED)
}
