// SPDX-License-Identifier: Apache-2.0
//! ES256 (FIPS 186-5 section 6.4.2), verified where the host cannot.
//!
//! Points are added by the curve crate, whose formulas have no exceptional cases. What is ours is the order of the
//! additions: Lim and Lee's comb ("More flexible exponentiation with precomputation", CRYPTO '94) for `u1 G + u2 Q` at
//! once, with a table for the base point and one for the key, which verifies many tokens. All of it is public, so the
//! time may depend on it.

use super::verifier::{Signature, Verdict};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::OnceCell;
use p256::elliptic_curve::ops::{Invert, Reduce};
use p256::elliptic_curve::point::{AffineCoordinates, Double};
use p256::elliptic_curve::sec1::FromEncodedPoint;
use p256::elliptic_curve::{Field, PrimeField};
use p256::{AffinePoint, EncodedPoint, FieldBytes, ProjectivePoint, Scalar, U256};
use sha2::{Digest, Sha256};

/// Bytes of a coordinate, and of each number of a signature.
pub(super) const P256_FIELD: usize = 32;
/// Teeth of the comb: a table has a point for each set of them.
const TEETH: usize = 5;
/// Bits between two teeth.
const SPACING: usize = 256_usize.div_ceil(TEETH);

/// A point on the curve.
#[derive(Clone)]
pub(super) struct P256Key {
    point: AffinePoint,
    /// Made with the first signature: where the host verifies, none is ever needed.
    tables: OnceCell<Box<[Table; 2]>>,
}

/// The sums of `2^(SPACING tooth) P` over each set of teeth.
type Table = Vec<ProjectivePoint>;

impl P256Key {
    /// From its coordinates, if it is on the curve.
    pub(super) fn from_coordinates(x: &[u8; P256_FIELD], y: &[u8; P256_FIELD]) -> Option<P256Key> {
        let encoded = EncodedPoint::from_affine_coordinates(&(*x).into(), &(*y).into(), false);
        let point: Option<AffinePoint> = AffinePoint::from_encoded_point(&encoded).into();
        point.map(|point| P256Key { point, tables: OnceCell::new() })
    }

    pub(super) fn verify(&self, message: &[u8], signature: &Signature) -> Verdict {
        match self.check(&Sha256::digest(message).into(), signature.as_bytes()) {
            Some(()) => Verdict::Verified,
            None => Verdict::Refused,
        }
    }

    fn check(&self, digest: &[u8; 32], signature: &[u8]) -> Option<()> {
        let (r, s) = signature.split_first_chunk::<P256_FIELD>()?;
        let (r, s) = (number(r)?, number(s.try_into().ok()?)?);
        let digest = <Scalar as Reduce<U256>>::reduce_bytes(&(*digest).into());
        let inverse: Option<Scalar> = s.invert_vartime().into();
        let inverse = inverse?;
        let sum = self.combine(&(digest * inverse), &(r * inverse));
        if sum == ProjectivePoint::IDENTITY {
            return None;
        }
        let x = <Scalar as Reduce<U256>>::reduce_bytes(&sum.to_affine().x());
        (x == r).then_some(())
    }

    /// `base G + key Q`.
    fn combine(&self, base: &Scalar, key: &Scalar) -> ProjectivePoint {
        let [of_base, of_key] = &**self
            .tables
            .get_or_init(|| Box::new([table(ProjectivePoint::GENERATOR), table(self.point.into())]));
        let (base, key) = (base.to_repr(), key.to_repr());
        (0..SPACING).rev().fold(ProjectivePoint::IDENTITY, |sum, column| {
            let sum = sum.double();
            let sum = add(sum, of_base, teeth(&base, column));
            add(sum, of_key, teeth(&key, column))
        })
    }
}

fn add(sum: ProjectivePoint, table: &Table, teeth: usize) -> ProjectivePoint {
    match table.get(teeth) {
        Some(point) if teeth != 0 => sum + point,
        Some(_) | None => sum,
    }
}

/// A number from 1 to the order of the curve less one.
fn number(bytes: &[u8; P256_FIELD]) -> Option<Scalar> {
    let number: Option<Scalar> = Scalar::from_repr(FieldBytes::from(*bytes)).into();
    number.filter(|number| !bool::from(number.is_zero()))
}

/// The bits of a big-endian number that stand under the teeth of the comb in this column.
fn teeth(number: &FieldBytes, column: usize) -> usize {
    let bit = |place: usize| {
        let byte = number.iter().rev().nth(place / 8).copied().unwrap_or(0);
        usize::from(byte >> (place % 8) & 1)
    };
    (0..TEETH).fold(0, |sum, tooth| sum | bit(column + SPACING * tooth) << tooth)
}

fn table(point: ProjectivePoint) -> Table {
    let mut table = Vec::with_capacity(1 << TEETH);
    table.push(ProjectivePoint::IDENTITY);
    let mut tooth = point;
    for at in 0..TEETH {
        if at > 0 {
            (0..SPACING).for_each(|_| tooth = tooth.double());
        }
        let with: Table = table.iter().map(|other| *other + tooth).collect();
        table.extend(with);
    }
    table
}

#[cfg(test)]
mod tests;
