// SPDX-License-Identifier: Apache-2.0
//! Percent-encoding undone (RFC 3986 section 2.1), as the most generous reader would: what is not a triplet stays.

use alloc::vec::Vec;

/// Undoes one layer of percent-encoding.
pub(crate) fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.split_first_chunk::<2>().filter(|_| *first == b'%');
        match digits.and_then(|([high, low], after)| Some((hex(*high)? << 4 | hex(*low)?, after))) {
            Some((byte, after)) => {
                out.push(byte);
                rest = after;
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn triplets_are_undone_once_and_all_else_stays() {
        for (text, decoded) in [
            ("a%2Fb%2f", "a/b/"),
            ("%6dcp", "mcp"),
            ("%256d", "%6d"),
            ("%", "%"),
            ("%2", "%2"),
            ("%zz%20", "%zz "),
            ("", ""),
        ] {
            assert_eq!(decode(text.as_bytes()), decoded.as_bytes(), "{text}");
        }
        assert_eq!(decode(b"%ff%00"), [0xff, 0]);
    }
}
