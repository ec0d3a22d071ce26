// SPDX-License-Identifier: Apache-2.0
//! base64url without padding (RFC 7515 section 2), one text for each byte string.

use alloc::vec::Vec;
use base64ct::{Base64UrlUnpadded, Encoding};

/// Decodes canonical, unpadded base64url. Padding, white space, the other alphabet, an impossible length and
/// non-zero trailing bits (RFC 4648 section 3.5) give `None`.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    if !canonical_end(text.as_bytes()) {
        return None;
    }
    Base64UrlUnpadded::decode_vec(text).ok()
}

/// Whether the bits that the last character has too many are zero. Decoders differ here, so this asks for itself.
fn canonical_end(text: &[u8]) -> bool {
    let unused = match text.len() % 4 {
        0 => return true,
        2 => 0x0F,
        3 => 0x03,
        _ => return false,
    };
    text.last().and_then(|last| sextet(*last)).is_some_and(|value| value & unused == 0)
}

fn sextet(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn one_text_for_each_byte_string() {
        assert_eq!(decode("").unwrap(), b"");
        assert_eq!(decode("-_8").unwrap(), [0xFB, 0xFF]);
        for text in ["A", "AA=", "AA==", "AB", "AAB", "AA A", "AA\n", "+/8", "AAAAA", "A\u{e9}", "AA.A"] {
            assert_eq!(decode(text), None, "{text}");
        }
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let accepted = alphabet.chars().filter(|last| decode(&format!("A{last}")).is_some()).count();
        assert_eq!(accepted, 4);
        let accepted = alphabet.chars().filter(|last| decode(&format!("AA{last}")).is_some()).count();
        assert_eq!(accepted, 16);
    }
}
