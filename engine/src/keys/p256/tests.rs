// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::keys::pairs;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature as Theirs, SigningKey, VerifyingKey};
use p256::elliptic_curve::sec1::ToEncodedPoint;

fn scalar(domain: &str, number: u64) -> Scalar {
    let bytes: [u8; 32] = pairs::bytes(domain, number, 32).try_into().unwrap();
    <Scalar as Reduce<U256>>::reduce_bytes(&bytes.into())
}

fn key(point: AffinePoint) -> P256Key {
    let encoded = point.to_encoded_point(false);
    let coordinate = |bytes: Option<&FieldBytes>| <[u8; 32]>::from(*bytes.unwrap());
    P256Key::from_coordinates(&coordinate(encoded.x()), &coordinate(encoded.y())).unwrap()
}

#[test]
fn sums_are_those_of_the_curve_crate() {
    // A key for sixteen pairs: the tables are what many signatures share.
    let mut shared = None;
    for number in 0..pairs::count() {
        if number % 16 == 0 {
            let point = ProjectivePoint::GENERATOR * (scalar("secret", number) + Scalar::ONE);
            shared = Some((point, key(point.to_affine())));
        }
        let (point, key) = shared.as_ref().unwrap();
        let (base, other) = (scalar("base", number), scalar("other", number));
        let expected = ProjectivePoint::GENERATOR * base + *point * other;
        assert_eq!(key.combine(&base, &other), expected, "pair {number}");
    }
}

#[test]
fn sums_of_opposite_and_equal_points_are_exact() {
    // Where other formulas than complete ones fail.
    for number in 0..pairs::count() / 16 {
        let secret = scalar("secret", number) + Scalar::ONE;
        let key = key((ProjectivePoint::GENERATOR * secret).to_affine());
        let base = scalar("base", number);
        let inverse = secret.invert_vartime().unwrap();
        assert_eq!(key.combine(&base, &-(base * inverse)), ProjectivePoint::IDENTITY);
        assert_eq!(key.combine(&base, &(base * inverse)), ProjectivePoint::GENERATOR * (base + base));
    }
}

#[test]
fn small_and_large_scalars_find_their_teeth() {
    let key = key((ProjectivePoint::GENERATOR * Scalar::from(7_u64)).to_affine());
    let edges = [Scalar::ZERO, Scalar::ONE, Scalar::from(2_u64), -Scalar::ONE, -Scalar::from(2_u64)];
    let bits = (0..256).map(|bit| (0..bit).fold(Scalar::ONE, |power, _| power + power));
    for one in edges.into_iter().chain(bits) {
        for other in edges {
            let expected = ProjectivePoint::GENERATOR * (one + other * Scalar::from(7_u64));
            assert_eq!(key.combine(&one, &other), expected);
        }
    }
}

#[test]
fn verdicts_are_those_of_the_reference() {
    for number in 0..pairs::count() / 4 {
        let secret = scalar("signer", number / 8) + Scalar::ONE;
        let signer = SigningKey::from_bytes(&secret.to_repr()).unwrap();
        let theirs = VerifyingKey::from(&signer);
        let ours = key(*theirs.as_affine());
        let message = pairs::bytes("message", number, 40);
        let digest: [u8; 32] = Sha256::digest(&message).into();
        let (good, _) = signer.sign_prehash_recoverable(&digest).unwrap();
        let mut bent = good.to_bytes().to_vec();
        bent[usize::try_from(number % 64).unwrap()] ^= 1 << (number % 8);
        for signature in [good.to_bytes().to_vec(), bent, pairs::bytes("signature", number, 64)] {
            let reference = Theirs::from_slice(&signature)
                .is_ok_and(|signature| theirs.verify(&message, &signature).is_ok());
            let own = ours.check(&digest, &signature).is_some();
            assert_eq!(own, reference, "pair {number}");
        }
        assert!(ours.check(&digest, &good.to_bytes()).is_some());
    }
}
