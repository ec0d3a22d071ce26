// SPDX-License-Identifier: Apache-2.0
//! RSA signatures (RFC 8017 sections 8.1.2 and 8.2.2), verified where the host cannot.
//!
//! Only what verification needs: a public power, and the comparison of encodings. Every encoding is compared whole;
//! nothing is parsed, so there is no lenient reading of padding.

use super::alg::Alg;
use super::montgomery::{Modulus, Residue, bytes};
use super::verifier::Verdict;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::OnceCell;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A modulus and an exponent that passed every check of keys.
#[derive(Clone)]
pub(super) struct RsaKey {
    modulus: Rc<Modulus>,
    exponent: u32,
    /// Made with the first signature: where the host verifies, none is ever needed.
    square: OnceCell<Residue>,
}

/// DigestInfo (RFC 8017 section 9.2, note 1) up to the digest.
const SHA_256: &[u8] = &[
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];
const SHA_384: &[u8] = &[
    0x30, 0x41, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00,
    0x04, 0x30,
];
const SHA_512: &[u8] = &[
    0x30, 0x51, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00,
    0x04, 0x40,
];

impl RsaKey {
    /// From big-endian bytes without leading zeros; nothing if the modulus is even or the exponent no odd number from
    /// 3 on of at most 32 bits.
    pub(super) fn new(modulus: &[u8], exponent: &[u8]) -> Option<RsaKey> {
        if exponent.len() > 4 {
            return None;
        }
        let exponent = exponent.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        if exponent < 3 || exponent % 2 == 0 {
            return None;
        }
        Some(RsaKey { modulus: Rc::new(Modulus::new(modulus)?), exponent, square: OnceCell::new() })
    }

    /// Whether `signature` belongs to `message` by an algorithm of RSA.
    pub(super) fn verify(&self, alg: Alg, message: &[u8], signature: &[u8]) -> Verdict {
        let fits = match alg {
            Alg::Rs256 => self.pkcs1(signature, SHA_256, &Sha256::digest(message)),
            Alg::Rs384 => self.pkcs1(signature, SHA_384, &Sha384::digest(message)),
            Alg::Rs512 => self.pkcs1(signature, SHA_512, &Sha512::digest(message)),
            Alg::Ps256 => self.pss::<Sha256>(signature, message),
            Alg::Ps384 => self.pss::<Sha384>(signature, message),
            Alg::Ps512 => self.pss::<Sha512>(signature, message),
            Alg::Hs256 | Alg::Hs384 | Alg::Hs512 | Alg::Es256 | Alg::Es384 | Alg::EdDsa => None,
        };
        if fits.is_some() { Verdict::Verified } else { Verdict::Refused }
    }

    /// What was signed (RSAVP1, RFC 8017 section 5.2.2), in `length` bytes. Nothing for a signature of another length
    /// than the modulus or a number that is not below it, and for a result that does not fit.
    fn opened(&self, signature: &[u8], length: usize) -> Option<Vec<u8>> {
        if signature.len() != self.modulus.bits().div_ceil(8) {
            return None;
        }
        let signature = self.modulus.residue(signature)?;
        let square = self.square.get_or_init(|| self.modulus.square_of_r());
        let all = bytes(&self.modulus.power(&signature, self.exponent, square));
        let (above, encoded) = all.split_at_checked(all.len().checked_sub(length)?)?;
        above.iter().all(|byte| *byte == 0).then(|| encoded.to_vec())
    }

    /// RSASSA-PKCS1-v1_5: the one encoding of this digest (RFC 8017 section 9.2).
    fn pkcs1(&self, signature: &[u8], info: &[u8], digest: &[u8]) -> Option<()> {
        let length = signature.len();
        let filled = length.checked_sub(3 + info.len() + digest.len()).filter(|filled| *filled >= 8)?;
        let expected = [&[0, 1][..], &vec![0xFF; filled], &[0], info, digest].concat();
        (self.opened(signature, length)? == expected).then_some(())
    }

    /// RSASSA-PSS with MGF1 and a salt, both of the digest's length (RFC 8017 section 9.1.2, RFC 7518 section 3.5).
    fn pss<D: Digest>(&self, signature: &[u8], message: &[u8]) -> Option<()> {
        let bits = self.modulus.bits().checked_sub(1)?;
        let length = bits.div_ceil(8);
        let size = <D as Digest>::output_size();
        let encoded = self.opened(signature, length)?;
        let (body, trailer) = encoded.split_at_checked(length.checked_sub(1)?)?;
        let (masked, hash) = body.split_at_checked(body.len().checked_sub(size)?)?;
        let filled = masked.len().checked_sub(size + 1)?;
        // The bits above those that the modulus leaves.
        let unused = !(u8::MAX >> (length * 8 - bits));
        let first = *masked.first()?;
        if trailer != [0xBC] || first & unused != 0 {
            return None;
        }
        let mut data: Vec<u8> = masked.iter().zip(mask::<D>(hash)).map(|(byte, mask)| byte ^ mask).collect();
        data.iter_mut().take(1).for_each(|byte| *byte &= !unused);
        let (padding, salt) = data.split_at_checked(filled + 1)?;
        let (one, zeros) = padding.split_last()?;
        if *one != 1 || zeros.iter().any(|byte| *byte != 0) {
            return None;
        }
        let again =
            D::new().chain_update([0; 8]).chain_update(D::digest(message)).chain_update(salt).finalize();
        (again[..] == *hash).then_some(())
    }
}

/// MGF1 (RFC 8017 appendix B.2.1), without end.
fn mask<D: Digest>(seed: &[u8]) -> impl Iterator<Item = u8> {
    (0_u32..).flat_map(move |counter| {
        let block = D::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize();
        block.into_iter().collect::<Vec<u8>>()
    })
}

#[cfg(test)]
mod tests;
