// SPDX-License-Identifier: Apache-2.0
//! base64url without padding (RFC 7515 section 2), one text for each byte string.

use alloc::vec::Vec;

/// No character of the alphabet.
const NONE: u8 = 0xFF;
/// What each byte stands for. A table, not the constant-time arithmetic of encoders of secrets: what is read here are
/// tokens that their sender wrote, once for each that is new.
const SEXTETS: [u8; 256] = sextets();

const fn sextets() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut table = [NONE; 256];
    let mut value = 0;
    while value < 64 {
        #[expect(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "below 64, when compiling"
        )]
        {
            table[alphabet[value] as usize] = value as u8;
        }
        value += 1;
    }
    table
}

/// Decodes canonical, unpadded base64url. Padding, white space, the other alphabet, an impossible length and
/// non-zero trailing bits (RFC 4648 section 3.5) give `None`.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    decode_bytes(text.as_bytes())
}

/// The same of a text that nobody has looked at.
pub(crate) fn decode_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_chunks::<4>();
    let whole = groups.len().saturating_mul(3);
    let mut bytes = Vec::with_capacity(whole.saturating_add(rest.len().saturating_sub(1)));
    bytes.resize(whole, 0);
    // A character outside the alphabet has the top bits set, which no sextet has.
    let mut seen = 0;
    for (group, three) in groups.iter().zip(bytes.as_chunks_mut::<3>().0) {
        let [a, b, c, d] = group.map(sextet);
        seen |= a | b | c | d;
        let [a, b, c, d] = [a, b, c, d].map(u32::from);
        let [_, x, y, z] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
        *three = [x, y, z];
    }
    // The bits that the last character has too many must be zero: decoders differ there.
    let excess = match *rest {
        [] => 0,
        [a, b] => {
            let [a, b] = [a, b].map(sextet);
            seen |= a | b;
            bytes.push(a << 2 | b >> 4);
            b & 0x0F
        }
        [a, b, c] => {
            let [a, b, c] = [a, b, c].map(sextet);
            seen |= a | b | c;
            bytes.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2]);
            c & 0x03
        }
        _ => return None,
    };
    (seen < 64 && excess == 0).then_some(bytes)
}

fn sextet(character: u8) -> u8 {
    SEXTETS.get(usize::from(character)).copied().unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use base64ct::{Base64UrlUnpadded, Encoding};

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

    #[test]
    fn reads_what_another_library_writes_and_nothing_else() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        for length in 0..400 {
            let bytes: Vec<u8> = (0..length).map(|_| next()).collect();
            let text = Base64UrlUnpadded::encode_string(&bytes);
            assert_eq!(decode(&text).as_deref(), Some(&bytes[..]));
            // One byte of the text replaced by any ASCII byte: only an encoder's own text may pass.
            let Some(at) = text.len().checked_sub(1).map(|last| usize::from(next()) % (last + 1)) else {
                continue;
            };
            for other in 0..=127_u8 {
                let mut bent = text.clone().into_bytes();
                bent[at] = other;
                let bent = alloc::string::String::from_utf8(bent).unwrap();
                let ours = decode(&bent);
                assert_eq!(
                    ours.is_some(),
                    Base64UrlUnpadded::decode_vec(&bent)
                        .is_ok_and(|theirs| { Base64UrlUnpadded::encode_string(&theirs) == bent }),
                    "{bent}"
                );
                assert!(ours.is_none_or(|bytes| Base64UrlUnpadded::encode_string(&bytes) == bent));
            }
        }
    }
}
