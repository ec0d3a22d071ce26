// SPDX-License-Identifier: Apache-2.0

use super::*;

mod vectors;

use crate::keys::fixtures::*;
use crate::keys::{Family, KeySet, decode_base64url};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use p256::ecdsa::Signature as P256Signature;
use serde_json::Value;

fn one_key(jwk: String) -> KeySet {
    KeySet::parse(set_of(&[jwk]).as_bytes()).unwrap()
}

fn parts(token: &str) -> (&[u8], Signature) {
    let (input, signature) = token.rsplit_once('.').unwrap();
    (input.as_bytes(), Signature::from_bytes(decode_base64url(signature).unwrap()).unwrap())
}

fn verdict(set: &KeySet, alg: Alg, message: &[u8], signature: &Signature) -> Verdict {
    Software.verify(alg, set.keys().next().unwrap(), message, signature)
}

#[test]
fn the_examples_of_rfc_7515_verify_and_every_flipped_bit_does_not() {
    for (set, alg, token) in [
        (one_key(rsa_jwk(RFC7515_A2_N, "")), Alg::Rs256, RFC7515_A2_TOKEN),
        (one_key(ec_jwk(RFC7515_A3_X, RFC7515_A3_Y, "")), Alg::Es256, RFC7515_A3_TOKEN),
    ] {
        let (message, signature) = parts(token);
        assert_eq!(verdict(&set, alg, message, &signature), Verdict::Verified);
        assert_eq!(verdict(&set, alg, &message[1..], &signature), Verdict::Refused);
        for bit in 0..signature.0.len() * 8 {
            let mut bytes = signature.0.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verdict(&set, alg, message, &Signature(bytes)), Verdict::Refused, "{bit}");
        }
    }
}

#[test]
fn keys_of_another_family_refuse() {
    let rsa = one_key(rsa_jwk(RFC7515_A2_N, ""));
    let ec = one_key(ec_jwk(RFC7515_A3_X, RFC7515_A3_Y, ""));
    let (message, signature) = parts(RFC7515_A3_TOKEN);
    assert_eq!(verdict(&rsa, Alg::Es256, message, &signature), Verdict::Refused);
    let (message, signature) = parts(RFC7515_A2_TOKEN);
    assert_eq!(verdict(&ec, Alg::Rs256, message, &signature), Verdict::Refused);
}

#[test]
fn zero_and_overlong_numbers_are_refused() {
    let set = one_key(ec_jwk(RFC7515_A3_X, RFC7515_A3_Y, ""));
    let (message, good) = parts(RFC7515_A3_TOKEN);
    let halves = good.0.split_at(32);
    for (r, s) in
        [(&[0; 32][..], halves.1), (halves.0, &[0; 32][..]), (&[0; 32], &[0; 32]), (&[0xFF; 32], halves.1)]
    {
        let signature = Signature([r, s].concat());
        assert_eq!(verdict(&set, Alg::Es256, message, &signature), Verdict::Refused);
    }
    let (raw, _) = parts(RFC7515_A3_TOKEN);
    let der = Signature(good.for_host(Alg::Es256).unwrap());
    assert_eq!(verdict(&set, Alg::Es256, raw, &der), Verdict::Refused);
}

#[test]
fn high_s_is_accepted_as_jose_allows() {
    let set = one_key(ec_jwk(RFC7515_A3_X, RFC7515_A3_Y, ""));
    let (message, signature) = parts(RFC7515_A3_TOKEN);
    let own = P256Signature::from_slice(signature.as_bytes()).unwrap();
    let other = P256Signature::from_scalars(own.r().to_bytes(), (-*own.s()).to_bytes()).unwrap();
    let other = Signature(other.to_bytes().to_vec());
    assert_eq!(verdict(&set, Alg::Es256, message, &other), Verdict::Verified);
}

struct Never;

impl SignatureVerifier for Never {
    fn verify(&self, _: Alg, _: &PublicKey, _: &[u8], _: &Signature) -> Verdict {
        Verdict::Unsupported
    }
}

#[test]
fn the_second_is_asked_where_the_first_cannot_tell() {
    let set = one_key(ec_jwk(RFC7515_A3_X, RFC7515_A3_Y, ""));
    let key = set.keys().next().unwrap();
    let (message, signature) = parts(RFC7515_A3_TOKEN);
    assert_eq!(Fallback(Never, Software).verify(Alg::Es256, key, message, &signature), Verdict::Verified);
    assert_eq!(Fallback(Never, Never).verify(Alg::Es256, key, message, &signature), Verdict::Unsupported);
}

/// RFC 7515 appendix A, RFC 7520 section 4, RFC 8037 appendix A.4.
#[test]
fn the_examples_of_the_rfcs() {
    let rows: Value = serde_json::from_str(include_str!("../testdata/rfc.json")).unwrap();
    let rows = rows.as_array().unwrap();
    for row in rows.iter().filter(|row| row.get("key").is_some()) {
        let name = row["name"].as_str().unwrap();
        let set = one_key(row["key"].to_string());
        let alg = Alg::from_name(row["alg"].as_str().unwrap()).unwrap();
        let (message, signature) = parts(row["token"].as_str().unwrap());
        assert_eq!(verdict(&set, alg, message, &signature), Verdict::Verified, "{name}");
        assert_eq!(verdict(&set, alg, &message[1..], &signature), Verdict::Refused, "{name}");
        for other in Alg::ALL.into_iter().filter(|other| *other != alg) {
            assert_eq!(verdict(&set, other, message, &signature), Verdict::Refused, "{name} {other:?}");
        }
    }
}

#[test]
fn an_algorithm_fits_one_family_only() {
    let set = key_set();
    for alg in Alg::ALL.into_iter().filter(|alg| alg.family() != Family::Secret) {
        let signature = decode_base64url(&sign_input(alg, "input")).unwrap();
        let signature = Signature::from_bytes(signature).unwrap();
        for key in set.keys() {
            let expected = if key.kid() == Some(kid_for(alg)) { Verdict::Verified } else { Verdict::Refused };
            assert_eq!(key.verify(alg, b"input", &signature, &Software), expected, "{alg:?} {:?}", key.kid());
            assert_eq!(Software.verify(alg, key, b"input", &signature), expected, "{alg:?} {:?}", key.kid());
            assert_eq!(key.verify(alg, b"inpuT", &signature, &Software), Verdict::Refused, "{alg:?}");
        }
    }
}

/// With the neutral element as R, a signer can make one signature that lax verifiers take and strict ones do not
/// (RFC 8032 section 8.4 leaves it open). A token has one verdict.
#[test]
fn ed25519_is_strict_about_small_orders() {
    use curve25519_dalek::scalar::Scalar;
    use ed25519_dalek::Verifier;
    use sha2::{Digest, Sha512};
    let der = include_bytes!("../testdata/ed25519.pkcs8.der");
    let signer = ed25519_dalek::SigningKey::from_bytes(der[16..].try_into().unwrap());
    let public = signer.verifying_key();
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut hash = Sha512::new();
    hash.update(neutral);
    hash.update(public.as_bytes());
    hash.update(b"message");
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let response = challenge * signer.to_scalar();
    let raw = [neutral, response.to_bytes()].concat();
    let lax = ed25519_dalek::Signature::from_slice(&raw).unwrap();
    assert!(public.verify(b"message", &lax).is_ok());
    let key = one_key(ed25519_jwk(ED25519_X, ""));
    assert_eq!(verdict(&key, Alg::EdDsa, b"message", &Signature(raw)), Verdict::Refused);
}

#[test]
fn the_host_gets_what_it_knows() {
    let bytes = |length| Signature(alloc::vec![7; length]);
    for alg in Alg::ALL {
        let known = [64, 96, 256].into_iter().filter(|length| bytes(*length).for_host(alg).is_some());
        let expected: &[usize] = match alg {
            Alg::Rs256 | Alg::Rs384 | Alg::Rs512 => &[64, 96, 256],
            Alg::Es256 => &[64],
            Alg::Es384 => &[96],
            _ => &[],
        };
        assert_eq!(known.collect::<Vec<_>>(), expected, "{alg:?}");
        assert_eq!(alg.host_digest().is_some(), !expected.is_empty(), "{alg:?}");
    }
}

#[test]
fn signatures_are_bounded_and_hidden() {
    assert!(Signature::from_bytes(Vec::new()).is_none());
    assert!(Signature::from_bytes(alloc::vec![0; 1_025]).is_none());
    assert_eq!(format!("{:?}", Signature(alloc::vec![7; 3])), "Signature(hidden)");
    assert_eq!(Signature(alloc::vec![7; 63]).for_host(Alg::Es256), None);
}
