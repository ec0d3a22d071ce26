// SPDX-License-Identifier: Apache-2.0
//! What a plain scalar means: the YAML 1.2 core schema, less what other readers take for something else.

use serde_json::Value;

/// The JSON of a plain scalar, or why it is refused.
pub(super) fn plain(text: &str) -> Result<String, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Ok("null".to_owned()),
        "true" | "True" | "TRUE" => Ok("true".to_owned()),
        "false" | "False" | "FALSE" => Ok("false".to_owned()),
        _ if is_json_number(text) => Ok(text.to_owned()),
        _ if looks_like_number(text) => Err("a number that YAML readers disagree on"),
        _ => Ok(quoted(text)),
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// RFC 8259 section 6.
fn is_json_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let (rest, exponent) = match rest.split_once(['e', 'E']) {
        Some((rest, exponent)) => (rest, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (rest, None),
    };
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (rest, None),
    };
    let whole_ok = whole == "0" || (digits(whole) && !whole.starts_with('0'));
    whole_ok && fraction.is_none_or(digits) && exponent.is_none_or(digits)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is a number in YAML 1.1 or 1.2 in some reader, beyond those of JSON.
fn looks_like_number(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let lower = rest.to_ascii_lowercase();
    if matches!(lower.as_str(), ".inf" | ".nan") {
        return true;
    }
    let radix = |prefix: &str, set: &str| {
        lower
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|char| set.contains(char)))
    };
    if radix("0x", "0123456789abcdef_") || radix("0o", "01234567_") || radix("0b", "01_") {
        return true;
    }
    let exponent_free = lower.split_once('e').map_or(lower.as_str(), |(mantissa, exponent)| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if digits(exponent) { mantissa } else { "x" }
    });
    let dots = exponent_free.chars().filter(|char| *char == '.').count();
    exponent_free.chars().any(|char| char.is_ascii_digit())
        && dots <= 1
        && exponent_free.chars().all(|char| char.is_ascii_digit() || matches!(char, '.' | '_'))
        && !exponent_free.starts_with('_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_every_reader_agrees_on() {
        for (text, json) in [
            ("", "null"),
            ("~", "null"),
            ("null", "null"),
            ("true", "true"),
            ("False", "false"),
            ("1", "1"),
            ("-0", "-0"),
            ("1.50", "1.50"),
            ("1e3", "1e3"),
            ("1.2E-3", "1.2E-3"),
            ("yes", "\"yes\""),
            ("no", "\"no\""),
            ("on", "\"on\""),
            ("y", "\"y\""),
            ("2025-03-26", "\"2025-03-26\""),
            ("2027-01-01T00:00:00Z", "\"2027-01-01T00:00:00Z\""),
            ("12:30", "\"12:30\""),
            ("1.2.3", "\"1.2.3\""),
            ("5m", "\"5m\""),
            ("-", "\"-\""),
            ("e3", "\"e3\""),
            ("10.0.0.0/8", "\"10.0.0.0/8\""),
            (".", "\".\""),
            ("_1", "\"_1\""),
        ] {
            assert_eq!(plain(text).as_deref(), Ok(json), "{text}");
        }
    }

    #[test]
    fn numbers_that_readers_disagree_on_are_refused() {
        for text in [
            "010", "+5", "0x1F", "0o17", "0b1", "1_000", ".5", "5.", ".inf", "-.INF", ".NaN", "-01", "00",
            "1.e3",
        ] {
            assert!(plain(text).is_err(), "{text}");
        }
    }
}
