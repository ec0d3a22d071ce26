// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::keys::fixtures::*;
use crate::keys::{KeySet, decode_base64url};
use alloc::format;
use alloc::string::String;
use p256::ecdsa::Signature as P256Signature;

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
fn der_is_what_the_p256_crate_writes() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut compared = 0;
    for round in 0..2_000 {
        let mut raw = [0_u8; 64];
        for byte in &mut raw {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state.to_le_bytes()[0];
        }
        // Leading zeros and leading ones, where minimal integers are decided.
        raw[..round % 33].fill(0);
        raw[32..32 + (round / 33) % 33].fill(0);
        if let Ok(theirs) = P256Signature::from_slice(&raw) {
            compared += 1;
            assert_eq!(es256_der(&raw), theirs.to_der().as_bytes());
        }
    }
    assert!(compared > 1_500, "{compared}");
    assert_eq!(es256_der(&[0; 64]), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    assert_eq!(es256_der(&[0xFF; 64]).len(), 72);
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
fn fallback_and_meter() {
    let set = one_key(ec_jwk(RFC7515_A3_X, RFC7515_A3_Y, ""));
    let key = set.keys().next().unwrap();
    let (message, signature) = parts(RFC7515_A3_TOKEN);
    let meter = RefCell::new(Meter::per_second(1, 1));
    let now = UnixTime::from_secs(100);
    let verifier = Fallback(Never, Metered { inner: Software, meter: &meter, now });
    assert_eq!(verifier.verify(Alg::Es256, key, message, &signature), Verdict::Verified);
    let throttled = Verdict::Throttled { retry_after_secs: 1 };
    assert_eq!(verifier.verify(Alg::Es256, key, message, &signature), throttled);
    assert_eq!(Fallback(Never, Never).verify(Alg::Es256, key, message, &signature), Verdict::Unsupported);
}

#[test]
fn signatures_are_bounded_and_hidden() {
    assert!(Signature::from_bytes(Vec::new()).is_none());
    assert!(Signature::from_bytes(alloc::vec![0; 1_025]).is_none());
    assert_eq!(format!("{:?}", Signature(alloc::vec![7; 3])), "Signature(hidden)");
    assert_eq!(Signature(alloc::vec![7; 63]).for_host(Alg::Es256), None);
}
