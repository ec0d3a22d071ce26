// SPDX-License-Identifier: Apache-2.0
//! One text for each value, after RFC 8785: members sorted by UTF-16 code units, no white space, strings with the fewest
//! escapes. Integers that a double holds exactly are written without fraction and exponent; other numbers keep
//! their text, so that two spellings of a fraction differ: nobody has to trust a printer of doubles.

use super::{Kind, Value};
use crate::sort::sort_by;
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Beyond this a double does not hold every integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The canonical text of a value.
#[must_use]
pub fn canonical(value: Value<'_>) -> String {
    let mut out = String::with_capacity(value.raw().len());
    push(&mut out, value);
    out
}

/// Recursion is bounded by the depth that the parser allows.
fn push(out: &mut String, value: Value<'_>) {
    match value.kind() {
        Kind::Null | Kind::True | Kind::False => out.push_str(value.raw()),
        Kind::Number => out.push_str(&number(value)),
        Kind::String | Kind::EscapedString => push_text(out, &value.as_str().unwrap_or_default()),
        Kind::Array => {
            out.push('[');
            for (position, item) in value.items().enumerate() {
                out.push_str(if position == 0 { "" } else { "," });
                push(out, item);
            }
            out.push(']');
        }
        Kind::Object => push_members(out, value),
    }
}

fn push_members(out: &mut String, value: Value<'_>) {
    let named = value.members().map(|(name, member)| (name.as_str().unwrap_or_default(), member));
    let mut members: Vec<(Cow<'_, str>, Value<'_>)> = named.collect();
    sort_by(&mut members, |(one, _), (two, _)| one.encode_utf16().cmp(two.encode_utf16()));
    out.push('{');
    for (position, (name, member)) in members.into_iter().enumerate() {
        out.push_str(if position == 0 { "" } else { "," });
        push_text(out, &name);
        out.push(':');
        push(out, member);
    }
    out.push('}');
}

fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if u32::from(control) < 0x20 => {
                out.push_str("\\u00");
                for shift in [4, 0] {
                    out.push(char::from_digit((u32::from(control) >> shift) & 0xF, 16).unwrap_or('0'));
                }
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}

fn number(value: Value<'_>) -> Cow<'_, str> {
    let raw = value.raw();
    if let Some(integer) = value.as_i64().filter(|_| raw.len() <= 16) {
        return Cow::Owned(integer.to_string());
    }
    match value.as_f64() {
        Some(number) if number % 1.0 == 0.0 && number.abs() < EXACT => Cow::Owned(integral(number)),
        Some(_) | None => Cow::Borrowed(raw),
    }
}

/// The digits of an integral double below 2^53, without a cast.
fn integral(number: f64) -> String {
    let mut digits = Vec::new();
    let mut rest = number.abs();
    while rest >= 1.0 {
        let digit = rest % 10.0;
        let at = (0_u8..10).find(|candidate| (f64::from(*candidate) - digit).abs() < 0.5).unwrap_or(0);
        digits.push(char::from(b'0'.saturating_add(at)));
        rest = (rest - digit) / 10.0;
    }
    if digits.is_empty() {
        return "0".to_string();
    }
    let sign = if number < 0.0 { "-" } else { "" };
    sign.chars().chain(digits.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Doc, Limits};

    fn text(json: &str) -> String {
        canonical(Doc::parse(json.as_bytes(), Limits::CONFIG).unwrap().root())
    }

    /// The example of RFC 8785 section 3.2.3, and its numbers as far as they are integers.
    #[test]
    fn members_are_sorted_and_strings_have_one_form() {
        let given = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let order = ["\\r", "1", "\u{80}", "ö", "€", "\u{1f600}", "\u{fb33}"];
        let canonical = text(given);
        let places: Vec<_> = order
            .iter()
            .map(|name| {
                canonical
                    .find(&[",\"", name, "\":"].concat())
                    .or(canonical.find(&["{\"", name, "\":"].concat()))
                    .unwrap()
            })
            .collect();
        assert!(places.is_sorted(), "{canonical}");
        assert_eq!(
            text(r#"[ "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/" ]"#),
            "[\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"]"
        );
    }

    #[test]
    fn numbers_have_one_form_where_they_are_integers() {
        for (given, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1.0", "1"),
            ("1e2", "100"),
            ("-12.50e1", "-125"),
            ("9007199254740991", "9007199254740991"),
            ("9007199254740993", "9007199254740993"),
            ("1.5", "1.5"),
            ("1e400", "1e400"),
            ("90071992547409910e-1", "9007199254740991"),
        ] {
            assert_eq!(text(given), expected);
        }
    }
}
