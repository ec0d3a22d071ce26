// SPDX-License-Identifier: Apache-2.0
//! RSA keys (RFC 7518 section 6.3): long enough, not too long, odd where they must be.

use super::{JwkRefusal, key, octets, thumbprint};
use crate::json::Value;
use crate::keys::alg::Family;
use crate::keys::der::rsa_spki;
use crate::keys::material::{Material, PublicKey};
use crate::keys::rsa::RsaKey;

const MIN_BITS: usize = 2_048;
const MAX_BITS: usize = 8_192;
/// Largest modulus that the software verifier takes.
const MAX_SOFTWARE_BITS: usize = 4_096;

pub(super) fn read(value: Value<'_>) -> Result<PublicKey, JwkRefusal> {
    let (modulus, exponent) = (octets(value, "n")?, octets(value, "e")?);
    let bits = modulus_bits(&modulus)?;
    check_exponent(&exponent)?;
    let thumbprint = thumbprint(&[("e", value), ("kty", value), ("n", value)]);
    let spki = rsa_spki(&modulus, &exponent);
    let signature_len = modulus.len();
    let material = match bits {
        0..=MAX_SOFTWARE_BITS => {
            Material::Rsa(RsaKey::new(&modulus, &exponent).ok_or(JwkRefusal::BadExponent)?)
        }
        _ => Material::RsaHostOnly,
    };
    Ok(key(Family::Rsa, thumbprint, spki, signature_len, material))
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
        0..MIN_BITS => Err(JwkRefusal::WeakModulus),
        MIN_BITS..=MAX_BITS if last % 2 == 1 => Ok(bits),
        MIN_BITS..=MAX_BITS => Err(JwkRefusal::EvenModulus),
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
