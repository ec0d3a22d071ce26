// SPDX-License-Identifier: Apache-2.0
//! Signatures checked by the host (`verify_signature`), in the engine where the host cannot.

use crate::host;
use std::cell::Cell;
use toolgate_engine::keys::{Alg, PublicKey, Signature, SignatureVerifier, Verdict};

/// Whether the host knows the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    Untried,
    Absent,
}

/// Asks the host.
#[derive(Debug)]
pub(crate) struct HostVerifier(Cell<Offer>);

impl HostVerifier {
    pub(crate) fn new() -> HostVerifier {
        HostVerifier(Cell::new(Offer::Untried))
    }
}

impl SignatureVerifier for &HostVerifier {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &Signature) -> Verdict {
        if self.0.get() == Offer::Absent {
            return Verdict::Unsupported;
        }
        let Some(digest) = alg.host_digest() else { return Verdict::Unsupported };
        let Some(signature) = signature.for_host(alg) else { return Verdict::Refused };
        // VerifySignatureArguments: 1 hash function, 2 public key (DER), 3 signature, 4 text.
        let mut arguments = Vec::with_capacity(message.len().saturating_add(1_024));
        field(&mut arguments, 1, digest.as_bytes());
        field(&mut arguments, 2, key.spki());
        field(&mut arguments, 3, &signature);
        field(&mut arguments, 4, message);
        match host::foreign("verify_signature", &arguments) {
            // VerifySignatureResult: field 1, true. Anything else is no success.
            Ok(answer) if answer == [0x08, 0x01] => Verdict::Verified,
            Ok(_) => Verdict::Refused,
            Err(host::Status::NOT_FOUND) => {
                self.0.set(Offer::Absent);
                Verdict::Unsupported
            }
            Err(_) => Verdict::Unsupported,
        }
    }
}

/// A length-delimited field of a protocol buffer.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut rest = bytes.len();
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7F).unwrap_or(0) | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or(0));
    out.extend_from_slice(bytes);
}
