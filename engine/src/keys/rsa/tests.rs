// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::keys::pairs;
use num_bigint_dig::BigUint;

/// A modulus of so many bits: odd, its highest bit set. Verification never asks whether it has two prime factors.
fn modulus(bits: usize, number: u64) -> Vec<u8> {
    let mut bytes = pairs::bytes("modulus", number, bits.div_ceil(8));
    let unused = bytes.len() * 8 - bits;
    bytes[0] &= 0xFF >> unused;
    bytes[0] |= 0x80 >> unused;
    *bytes.last_mut().unwrap() |= 1;
    bytes
}

#[test]
fn powers_are_those_of_another_library() {
    for number in 0..pairs::count() {
        let bits = match number % 16 {
            place @ 0..6 => [2_049, 2_055, 2_080, 3_072, 4_095, 4_096][usize::try_from(place).unwrap()],
            _ => 2_048,
        };
        let exponent =
            if number % 11 == 0 { 0xFFFF_FFFF } else { [65_537_u32, 3][usize::from(number % 5 == 0)] };
        let n = modulus(bits, number);
        let own = Modulus::new(&n).unwrap();
        assert_eq!(own.bits(), bits);
        let n = BigUint::from_bytes_be(&n);
        let base = BigUint::from_bytes_be(&pairs::bytes("base", number, bits / 8 + 1)) % &n;
        let residue = own.residue(&base.to_bytes_be()).unwrap();
        let power = bytes(&own.power(&residue, exponent, &own.square_of_r()));
        let theirs = base.modpow(&BigUint::from(exponent), &n);
        assert_eq!(BigUint::from_bytes_be(&power), theirs, "pair {number}");
    }
}

#[test]
fn the_edges_of_the_modulus_are_exact() {
    let n = modulus(2_048, 7);
    let own = Modulus::new(&n).unwrap();
    let below = BigUint::from_bytes_be(&n) - 1_u8;
    assert!(own.residue(&n).is_none());
    assert!(own.residue(&[&[1][..], &vec![0; n.len()]].concat()).is_none());
    let square = own.square_of_r();
    // -1 to an odd power is -1; 0 and 1 stay.
    let last = own.residue(&below.to_bytes_be()).unwrap();
    assert_eq!(own.power(&last, 65_537, &square), last);
    for value in [0, 1] {
        assert_eq!(own.power(&own.small(value), 65_537, &square), own.small(value));
    }
    let mut bent = n.clone();
    *bent.last_mut().unwrap() &= 0xFE;
    assert!(Modulus::new(&bent).is_none());
    bent[0] = 0;
    assert!(Modulus::new(&bent).is_none() && Modulus::new(&[3]).is_none() && Modulus::new(&[]).is_none());
}

#[test]
fn exponents_that_no_key_has_are_refused() {
    let n = modulus(2_048, 1);
    for exponent in [&[][..], &[0], &[1], &[2], &[4], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        assert!(RsaKey::new(&n, exponent).is_none(), "{exponent:?}");
    }
    assert!(RsaKey::new(&n, &[3]).is_some() && RsaKey::new(&n, &[1, 0, 1]).is_some());
}
