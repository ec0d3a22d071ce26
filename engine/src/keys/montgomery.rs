// SPDX-License-Identifier: Apache-2.0
//! Multiplication modulo a public odd number, by Montgomery's method ("Modular multiplication without trial division",
//! Mathematics of Computation 44, 1985).
//!
//! Limbs have 32 bits and products 64: a WebAssembly module has no wider multiplication. What is multiplied here is
//! public (signatures and keys of their verification), so the time may depend on it.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;

/// An odd number of at least two limbs, lowest limb first.
#[derive(Clone)]
pub(super) struct Modulus {
    limbs: Vec<u32>,
    /// -1 / modulus, modulo 2^32.
    inverse: u32,
}

/// A number below a [`Modulus`], with as many limbs. Which of them are in Montgomery's form (times `R = 2^(32 limbs)`)
/// is said where they are made.
pub(super) type Residue = Vec<u32>;

impl Modulus {
    /// From big-endian bytes; nothing if it is even, short, or begins with zeros.
    pub(super) fn new(bytes: &[u8]) -> Option<Modulus> {
        let limbs = limbs(bytes);
        let (lowest, first) = (*limbs.first()?, *bytes.first()?);
        if lowest % 2 == 0 || limbs.len() < 2 || first == 0 {
            return None;
        }
        // Newton's method: each step doubles the bits that are right, beginning with three.
        let inverse = (0..4).fold(lowest, |x, _| x.wrapping_mul(2_u32.wrapping_sub(lowest.wrapping_mul(x))));
        Some(Modulus { limbs, inverse: inverse.wrapping_neg() })
    }

    /// How many bits it has.
    pub(super) fn bits(&self) -> usize {
        let unused = self.limbs.last().map_or(0, |top| top.leading_zeros() as usize);
        (self.limbs.len() * 32).saturating_sub(unused)
    }

    /// The number in big-endian bytes; nothing if it is not below the modulus.
    pub(super) fn residue(&self, bytes: &[u8]) -> Option<Residue> {
        let mut limbs = limbs(bytes);
        if limbs.iter().skip(self.limbs.len()).any(|limb| *limb != 0) {
            return None;
        }
        limbs.resize(self.limbs.len(), 0);
        (!self.reaches(&limbs)).then_some(limbs)
    }

    /// A small number.
    pub(super) fn small(&self, value: u32) -> Residue {
        let mut limbs = vec![0; self.limbs.len()];
        limbs.iter_mut().take(1).for_each(|limb| *limb = value);
        limbs
    }

    /// `a b / R`.
    pub(super) fn multiply(&self, a: &[u32], b: &[u32]) -> Residue {
        let mut sum = vec![0; self.limbs.len()];
        let mut top = 0;
        for factor in b {
            top = self.step(&mut sum, top, a, *factor);
        }
        if top != 0 || self.reaches(&sum) {
            self.subtract(&mut sum);
        }
        sum
    }

    /// `sum = (sum + a factor + m n) / 2^32`, with the `m` that makes the lowest limb zero; `top` is the limb above.
    fn step(&self, sum: &mut [u32], top: u64, a: &[u32], factor: u32) -> u64 {
        let (Some(low), Some(a_low), Some(n_low)) = (sum.first(), a.first(), self.limbs.first()) else {
            return 0;
        };
        let factor = u64::from(factor);
        let first = u64::from(*low) + u64::from(*a_low) * factor;
        let m = u64::from(low_half(first).wrapping_mul(self.inverse));
        // Two carries, one of each product: no sum of a limb, a product of limbs and a carry exceeds 64 bits.
        let mut ours = first >> 32;
        let mut theirs = (u64::from(low_half(first)) + m * u64::from(*n_low)) >> 32;
        let cells = Cell::from_mut(&mut *sum).as_slice_of_cells();
        for ((pair, a), n) in cells.windows(2).zip(a.iter().skip(1)).zip(self.limbs.iter().skip(1)) {
            let [to, from] = pair else { continue };
            let one = u64::from(from.get()) + u64::from(*a) * factor + ours;
            ours = one >> 32;
            let two = u64::from(low_half(one)) + m * u64::from(*n) + theirs;
            theirs = two >> 32;
            to.set(low_half(two));
        }
        let last = top + ours + theirs;
        sum.iter_mut().next_back().into_iter().for_each(|limb| *limb = low_half(last));
        last >> 32
    }

    /// `a = a + b`.
    pub(super) fn add(&self, a: &mut [u32], b: &[u32]) {
        let mut carry = 0;
        for (limb, other) in a.iter_mut().zip(b) {
            let sum = u64::from(*limb) + u64::from(*other) + carry;
            (*limb, carry) = (low_half(sum), sum >> 32);
        }
        if carry != 0 || self.reaches(a) {
            self.subtract(a);
        }
    }

    fn double(&self, a: &mut Residue) {
        let other = a.clone();
        self.add(a, &other);
    }

    /// `R² modulo n`: times this, a number gets into Montgomery's form.
    pub(super) fn square_of_r(&self) -> Residue {
        let all = self.limbs.len() * 32;
        let bits = self.bits();
        // The highest power of two below the modulus, doubled until it is R.
        let mut power = self.small(0);
        let top = bits.saturating_sub(1);
        power.iter_mut().skip(top / 32).take(1).for_each(|limb| *limb = 1 << (top % 32));
        (top..all).for_each(|_| self.double(&mut power));
        // Now 2^0 R. Squaring doubles the exponent, doubling adds one: up to 2^all R.
        let digits = usize::BITS - all.leading_zeros();
        for digit in (0..digits).rev() {
            power = self.multiply(&power, &power);
            if all >> digit & 1 == 1 {
                self.double(&mut power);
            }
        }
        power
    }

    /// `base^exponent`, where `square` is [`Self::square_of_r`] and the exponent is odd and above one.
    pub(super) fn power(&self, base: &[u32], exponent: u32, square: &[u32]) -> Residue {
        let form = self.multiply(base, square);
        let mut power = form.clone();
        let digits = u32::BITS - exponent.leading_zeros();
        for digit in (0..digits.saturating_sub(1)).rev() {
            power = self.multiply(&power, &power);
            if exponent >> digit & 1 == 1 {
                // The last digit is one: this factor, which is not in Montgomery's form, takes the result out of it.
                power = self.multiply(&power, if digit == 0 { base } else { &form });
            }
        }
        power
    }

    fn reaches(&self, a: &[u32]) -> bool {
        a.iter().rev().cmp(self.limbs.iter().rev()).is_ge()
    }

    fn subtract(&self, a: &mut [u32]) {
        let mut borrow = false;
        for (limb, n) in a.iter_mut().zip(&self.limbs) {
            let (less, under) = limb.overflowing_sub(*n);
            let (less, again) = less.overflowing_sub(u32::from(borrow));
            (*limb, borrow) = (less, under | again);
        }
    }
}

/// The bytes of a residue, big-endian, all limbs.
pub(super) fn bytes(residue: &[u32]) -> Vec<u8> {
    residue.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
}

fn limbs(bytes: &[u8]) -> Vec<u32> {
    let limb = |chunk: &[u8]| chunk.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    bytes.rchunks(4).map(limb).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "the half above is taken as the carry")]
fn low_half(value: u64) -> u32 {
    value as u32
}
