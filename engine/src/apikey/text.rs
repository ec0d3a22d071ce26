// SPDX-License-Identifier: Apache-2.0
//! The form of a key: `tgk_<id>_<secret>_<check>`.
//!
//! The prefix lets scanners and people recognise a key; the id is public and leads to the entry; the secret is 256
//! random bits in 43 letters and digits; the check is the CRC-32 of all before it, so that a key that was cut off or
//! mistyped is told apart from a wrong one. It holds no proof of anything.

use alloc::format;
use alloc::string::String;
use core::fmt;

/// What keys begin with where the configuration says nothing.
pub const DEFAULT_PREFIX: &str = "tgk";
/// The longest prefix, in characters.
const MAX_PREFIX: usize = 16;
/// The longest id, in characters.
pub const MAX_ID: usize = 32;
/// The longest text of an entry, in bytes.
const MAX_NOTE: usize = 256;
/// The characters of the secret: 62^43 is a little more than 2^256.
pub const SECRET_CHARS: usize = 43;
const CHECK_CHARS: usize = 8;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A presented key whose form is right; nothing else is known about it.
#[derive(Clone, Copy)]
pub struct KeyText<'a> {
    text: &'a str,
    id: &'a str,
}

impl fmt::Debug for KeyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(hidden)")
    }
}

impl<'a> KeyText<'a> {
    /// Reads a key of a set by its prefix; nothing if it has another form.
    #[must_use]
    pub fn parse(text: &'a [u8], prefix: &str) -> Option<KeyText<'a>> {
        let text = core::str::from_utf8(text).ok()?;
        let (body, check) = text.rsplit_once('_')?;
        let rest = body.strip_prefix(prefix)?.strip_prefix('_')?;
        let (id, secret) = rest.split_once('_')?;
        let plain = secret.len() == SECRET_CHARS && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let whole = check.len() == CHECK_CHARS && *check == check_of(body);
        (is_id(id) && plain && whole).then_some(KeyText { text, id })
    }

    /// Its public id.
    #[must_use]
    pub const fn id(&self) -> &'a str {
        self.id
    }

    /// The whole key. Not for logs.
    pub(super) const fn as_bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }
}

/// Whether a text can be the id of a key: 1 to 32 lower case letters and digits. A key is none, so that one that is
/// pasted in the wrong place is refused there.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Whether a text can be a prefix: 2 to 16 lower case letters and digits.
#[must_use]
pub fn is_prefix(text: &str) -> bool {
    (2..=MAX_PREFIX).contains(&text.len()) && is_id(text)
}

/// Whether a text can stand in the entry of a key as an owner, a role or a label: 1 to 256 bytes without control
/// characters.
#[must_use]
pub fn is_note(text: &str) -> bool {
    (1..=MAX_NOTE).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Makes the text of a key from 32 random bytes.
#[must_use]
pub fn compose(prefix: &str, id: &str, random: &[u8; 32]) -> String {
    let body = format!("{prefix}_{id}_{}", base62(random));
    let check = check_of(&body);
    format!("{body}_{check}")
}

/// The 256-bit number as 43 digits of base 62.
fn base62(number: &[u8; 32]) -> String {
    let mut number = *number;
    let digit = |_| {
        let mut rest = 0_u32;
        for byte in &mut number {
            let part = rest * 256 + u32::from(*byte);
            *byte = u8::try_from(part / 62).unwrap_or(0);
            rest = part % 62;
        }
        usize::try_from(rest).ok().and_then(|at| ALPHABET.get(at)).map_or('0', |letter| char::from(*letter))
    };
    (0..SECRET_CHARS).map(digit).collect()
}

fn check_of(text: &str) -> String {
    format!("{:08x}", crc32(text.as_bytes()))
}

/// CRC-32 as in ISO-HDLC (Ethernet, gzip).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn the_check_is_the_usual_crc() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(check_of(""), "00000000");
    }

    #[test]
    fn every_secret_has_its_own_text() {
        let mut seen = BTreeSet::new();
        for at in 0..32 {
            for bit in 0..8 {
                let mut random = [0; 32];
                random[at] = 1 << bit;
                seen.insert(base62(&random));
            }
        }
        seen.insert(base62(&[0; 32]));
        seen.insert(base62(&[255; 32]));
        assert_eq!(seen.len(), 258);
        assert!(seen.iter().all(|text| text.len() == SECRET_CHARS));
    }
}
