// SPDX-License-Identifier: Apache-2.0
//! The little DER (ITU-T X.690) that Envoy's `verify_signature` wants: keys as SubjectPublicKeyInfo (RFC 5280 section
//! 4.1), ECDSA signatures as a pair of integers (RFC 3279 section 2.2.3).

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

/// SEQUENCE { rsaEncryption, NULL } (RFC 8017 appendix A.1).
const RSA_ALGORITHM: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING { 04 x y } } up to the coordinates (RFC 5480).
const P256_HEAD: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The same for secp384r1.
const P384_HEAD: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
    0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
];

/// SEQUENCE { SEQUENCE { id-Ed25519 }, BIT STRING { x } } up to the point (RFC 8410 section 4).
const ED25519_HEAD: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Of minimal, non-empty numbers.
pub(super) fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let numbers = [unsigned(modulus), unsigned(exponent)].concat();
    let bits = [&[0][..], &der(0x30, &numbers)].concat();
    der(0x30, &[RSA_ALGORITHM.to_owned(), der(0x03, &bits)].concat())
}

/// Of coordinates of 32 bytes each.
pub(super) fn p256_spki(x: &[u8], y: &[u8]) -> Vec<u8> {
    [P256_HEAD, x, y].concat()
}

/// Of coordinates of 48 bytes each.
pub(super) fn p384_spki(x: &[u8], y: &[u8]) -> Vec<u8> {
    [P384_HEAD, x, y].concat()
}

/// Of a point of 32 bytes.
pub(super) fn ed25519_spki(x: &[u8]) -> Vec<u8> {
    [ED25519_HEAD, x].concat()
}

/// Turns the `r || s` of RFC 7518 section 3.4 into DER, integers minimal. Zero and too large numbers are passed on: the
/// verifier refuses them.
pub(super) fn ecdsa_signature(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    der(0x30, &[unsigned(minimal(r)), unsigned(minimal(s))].concat())
}

/// Without leading zeros; zero itself keeps one.
fn minimal(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count().min(number.len().saturating_sub(1));
    number.get(zeros..).unwrap_or_default()
}

/// An INTEGER of minimal, non-empty big-endian octets.
fn unsigned(octets: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if octets.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    der(0x02, &[sign, octets].concat())
}

/// Tag, definite length, content; contents here stay below 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
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
mod tests {
    use super::*;
    use crate::xorshift::Xorshift;

    /// Numbers with leading zeros and leading ones, where minimal integers are decided.
    fn numbers(round: usize, random: &mut Xorshift, half: usize) -> Vec<u8> {
        let mut raw = alloc::vec![0_u8; 2 * half];
        for byte in &mut raw {
            *byte = random.next().to_le_bytes()[0];
        }
        raw[..round % (half + 1)].fill(0);
        raw[half..half + (round / (half + 1)) % (half + 1)].fill(0);
        raw
    }

    #[test]
    fn signatures_are_what_the_curve_crates_write() {
        let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
        let mut compared = 0;
        for round in 0..2_000 {
            let raw = numbers(round, &mut random, 32);
            if let Ok(theirs) = p256::ecdsa::Signature::from_slice(&raw) {
                compared += 1;
                assert_eq!(ecdsa_signature(&raw), theirs.to_der().as_bytes());
            }
            let raw = numbers(round, &mut random, 48);
            if let Ok(theirs) = p384::ecdsa::Signature::from_slice(&raw) {
                compared += 1;
                assert_eq!(ecdsa_signature(&raw), theirs.to_der().as_bytes());
            }
        }
        assert!(compared > 3_000, "{compared}");
        assert_eq!(ecdsa_signature(&[0; 64]), [0x30, 6, 2, 1, 0, 2, 1, 0]);
        assert_eq!(ecdsa_signature(&[0xFF; 64]).len(), 72);
        assert_eq!(ecdsa_signature(&[0xFF; 96]).len(), 104);
    }
}
