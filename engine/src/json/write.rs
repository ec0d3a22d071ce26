// SPDX-License-Identifier: Apache-2.0
//! Writing strings into JSON.

use alloc::string::String;

/// Appends `text` to `out` as the content of a JSON string, without quotes.
/// Control characters and the two that HTML and JavaScript read differently are escaped.
pub fn escape_into(out: &mut String, text: &str) {
    for character in text.chars() {
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
