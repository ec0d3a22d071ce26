// SPDX-License-Identifier: Apache-2.0
//! Points on P-384 (FIPS 186-5, SEC 2 section 2.5.1) and signatures under them.
//!
//! The curve's arithmetic weighs more than all of the gate's flow, and takes 10 ms a signature in a module. So it is
//! compiled in only with the feature `es384-in-module`; without it a point is checked to be on its curve with the
//! arithmetic of RSA, and the host verifies or nobody does.

#[cfg(not(feature = "es384-in-module"))]
pub(super) use lean::P384Key;
#[cfg(feature = "es384-in-module")]
pub(super) use whole::P384Key;

use super::verifier::{Signature, Verdict};

/// Whether this build verifies ES384 by itself.
pub const ES384_IN_MODULE: bool = cfg!(feature = "es384-in-module");

/// Bytes of a coordinate.
pub(super) const P384_FIELD: usize = 48;

#[cfg(feature = "es384-in-module")]
mod whole {
    use super::{P384_FIELD, Signature, Verdict};
    use p384::ecdsa::VerifyingKey;
    use p384::ecdsa::signature::Verifier;

    /// A point on the curve.
    #[derive(Clone)]
    pub(in crate::keys) struct P384Key(VerifyingKey);

    impl P384Key {
        /// From its coordinates, if it is on the curve.
        pub(in crate::keys) fn from_coordinates(
            x: &[u8; P384_FIELD],
            y: &[u8; P384_FIELD],
        ) -> Option<P384Key> {
            let point = [&[4][..], x, y].concat();
            VerifyingKey::from_sec1_bytes(&point).ok().map(P384Key)
        }

        pub(in crate::keys) fn verify(&self, message: &[u8], signature: &Signature) -> Verdict {
            let signature = p384::ecdsa::Signature::from_slice(signature.as_bytes());
            match signature.and_then(|signature| self.0.verify(message, &signature)) {
                Ok(()) => Verdict::Verified,
                Err(_) => Verdict::Refused,
            }
        }
    }
}

#[cfg(any(test, not(feature = "es384-in-module")))]
mod lean {
    use super::{P384_FIELD, Signature, Verdict};
    use crate::keys::montgomery::Modulus;

    /// The field's prime: 2^384 - 2^128 - 2^96 + 2^32 - 1.
    const PRIME: [u8; P384_FIELD] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0xFF,
        0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF,
    ];

    /// The curve's constant `b`.
    const B: [u8; P384_FIELD] = [
        0xB3, 0x31, 0x2F, 0xA7, 0xE2, 0x3E, 0xE7, 0xE4, 0x98, 0x8E, 0x05, 0x6B, 0xE3, 0xF8, 0x2D, 0x19, 0x18,
        0x1D, 0x9C, 0x6E, 0xFE, 0x81, 0x41, 0x12, 0x03, 0x14, 0x08, 0x8F, 0x50, 0x13, 0x87, 0x5A, 0xC6, 0x56,
        0x39, 0x8D, 0x8A, 0x2E, 0xD1, 0x9D, 0x2A, 0x85, 0xC8, 0xED, 0xD3, 0xEC, 0x2A, 0xEF,
    ];

    /// That a point is on the curve; the point itself stands in the key's DER form.
    #[derive(Clone)]
    pub(in crate::keys) struct P384Key(());

    impl P384Key {
        /// From its coordinates, if both are in the field and `y² + 3x = x³ + b` there.
        pub(in crate::keys) fn from_coordinates(
            x: &[u8; P384_FIELD],
            y: &[u8; P384_FIELD],
        ) -> Option<P384Key> {
            let field = Modulus::new(&PRIME)?;
            let square = field.square_of_r();
            let form = |bytes: &[u8; P384_FIELD]| Some(field.multiply(&field.residue(bytes)?, &square));
            let (x, y, b) = (form(x)?, form(y)?, form(&B)?);
            let mut left = field.multiply(&y, &y);
            (0..3).for_each(|_| field.add(&mut left, &x));
            let mut right = field.multiply(&field.multiply(&x, &x), &x);
            field.add(&mut right, &b);
            (left == right).then_some(P384Key(()))
        }

        /// Only the host can tell.
        #[cfg_attr(feature = "es384-in-module", expect(dead_code, reason = "tests compare the points alone"))]
        pub(in crate::keys) fn verify(&self, _: &[u8], _: &Signature) -> Verdict {
            Verdict::Unsupported
        }
    }
}

#[cfg(all(test, feature = "es384-in-module"))]
mod tests {
    use super::{P384_FIELD, lean, whole};
    use p384::elliptic_curve::sec1::ToEncodedPoint;
    use p384::{NonZeroScalar, PublicKey};

    fn both(x: &[u8; P384_FIELD], y: &[u8; P384_FIELD]) -> bool {
        let (ours, theirs) = (lean::P384Key::from_coordinates(x, y), whole::P384Key::from_coordinates(x, y));
        assert_eq!(ours.is_some(), theirs.is_some(), "{x:02x?} {y:02x?}");
        ours.is_some()
    }

    #[test]
    fn the_check_of_points_agrees_with_the_curve_crate() {
        for seed in 1_u8..=40 {
            let mut scalar = [seed; P384_FIELD];
            scalar[0] = 0;
            let scalar = NonZeroScalar::try_from(&scalar[..]).unwrap();
            let point = PublicKey::from_secret_scalar(&scalar).to_encoded_point(false);
            let x: [u8; P384_FIELD] = point.x().unwrap()[..].try_into().unwrap();
            let y: [u8; P384_FIELD] = point.y().unwrap()[..].try_into().unwrap();
            assert!(both(&x, &y));
            for bit in 0..8 * P384_FIELD {
                let (mut bent_x, mut bent_y) = (x, y);
                bent_x[bit / 8] ^= 1 << (bit % 8);
                bent_y[bit / 8] ^= 1 << (bit % 8);
                assert!(!both(&bent_x, &y));
                assert!(!both(&x, &bent_y));
            }
        }
        assert!(!both(&[0; P384_FIELD], &[0; P384_FIELD]));
        assert!(!both(&[0xFF; P384_FIELD], &[0xFF; P384_FIELD]));
    }
}
