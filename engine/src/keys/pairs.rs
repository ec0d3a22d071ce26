// SPDX-License-Identifier: Apache-2.0
//! Many random pairs for the arithmetic of signatures, the same in each run. `PAIRS` says how many: `make test-pairs`
//! takes a million.

extern crate std;

use alloc::vec::Vec;
use sha2::{Digest, Sha512};

/// How many pairs are tried.
pub(super) fn count() -> u64 {
    std::env::var("PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}

/// Bytes that hang on the number alone; every eighth begins and every eighth ends with bytes that test carries.
pub(super) fn bytes(domain: &str, number: u64, length: usize) -> Vec<u8> {
    let block = |at: u64| {
        let digest = Sha512::new().chain_update(domain).chain_update(number.to_be_bytes());
        digest.chain_update(at.to_be_bytes()).finalize().to_vec()
    };
    let mut bytes: Vec<u8> = (0_u64..).flat_map(block).take(length).collect();
    match number % 8 {
        1 => bytes[..length / 2].fill(0xFF),
        2 => bytes[..length / 2].fill(0),
        3 => bytes[length / 2..].fill(0xFF),
        4 => bytes[length / 2..].fill(0),
        _ => {}
    }
    bytes
}
