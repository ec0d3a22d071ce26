// SPDX-License-Identifier: Apache-2.0
//! Writing strings into JSON.

use alloc::string::String;

/// Appends `text` to `out` as the content of a JSON string, without quotes.
/// Control characters and the two that HTML and JavaScript read differently are escaped.
pub fn escape_into(out: &mut String, text: &str) {
    // What stands for itself is copied in one piece.
    let mut plain = text;
    while let Some(at) = plain.bytes().position(may_need_escape) {
        let (before, rest) = plain.split_at_checked(at).unwrap_or((plain, ""));
        out.push_str(before);
        let mut characters = rest.chars();
        characters.next().into_iter().for_each(|character| escape(out, character));
        plain = characters.as_str();
    }
    out.push_str(plain);
}

/// Whether a character that begins with this byte may have to be escaped: U+2028 and U+2029 begin with 0xE2.
const fn may_need_escape(byte: u8) -> bool {
    matches!(byte, 0..=0x1F | b'"' | b'\\' | 0x7F | 0xE2)
}

fn escape(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{2028}' => out.push_str("\\u2028"),
        '\u{2029}' => out.push_str("\\u2029"),
        control if u32::from(control) < 0x20 || control == '\u{7f}' => {
            out.push_str("\\u00");
            for shift in [4, 0] {
                let digit = char::from_digit((u32::from(control) >> shift) & 0xF, 16);
                out.push(digit.unwrap_or('0'));
            }
        }
        plain => out.push(plain),
    }
}

/// `text` as a JSON string, quotes included.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    escape_into(&mut out, text);
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Doc, Limits};
    use alloc::format;

    #[test]
    fn every_character_is_read_back_as_itself() {
        for character in (0..=0x2100).chain([0xE200, 0xFFFD, 0x1F600, 0x10FFFF]).filter_map(char::from_u32) {
            let text = format!("a{character}{character}b\"{character}");
            let json = quoted(&text);
            let doc = Doc::parse(json.as_bytes(), Limits::TOKEN).unwrap();
            assert_eq!(doc.root().as_str().as_deref(), Some(&*text), "{:x}", u32::from(character));
            let raw = |character: char| json.contains(character);
            for unwanted in ['\u{2028}', '\u{2029}', '\u{7f}'] {
                assert!(!raw(unwanted), "{json}");
            }
        }
        assert_eq!(quoted("\u{1}\u{1f}\u{7f}\t\n\r\\/"), "\"\\u0001\\u001f\\u007f\\t\\n\\r\\\\/\"");
        assert_eq!(quoted("\u{2027}\u{2028}\u{2030}"), "\"\u{2027}\\u2028\u{2030}\"");
    }
}
