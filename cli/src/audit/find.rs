// SPDX-License-Identifier: Apache-2.0
//! Records in the lines of other logs: after the prefix of Envoy's log, in a text access log, as a text inside a JSON
//! document (escaped once or more), or as Base64, which is how filter state of bytes is shown.
//!
//! What is found is what was written: only the wrapping is taken off. Whether it is genuine is for the verifier.

use std::borrow::Cow;

use base64ct::{Base64, Encoding};
use memchr::memmem;

/// How a record begins, up to its version.
const BEGIN: &[u8] = b"{\"v\":";

/// What follows the version.
const STREAM: &[u8] = b",\"stream\":\"";

/// What stands before the last member.
const MAC: &[u8] = b",\"mac\":\"";

/// What stands before the seal of the record before.
const PREV: &[u8] = b",\"prev\":\"";

/// The length of the last member with its quote and the brace: 32 bytes in base64url.
const TAIL: usize = 43 + 2;

/// How `{"v":1,"stream":` begins in Base64; the version is a digit.
const BASE64: &[u8] = b"eyJ2Ijox";

/// Texts inside texts are undone so many times: a record in an access log in a container's log is two.
const DEPTH: usize = 4;

/// Something in a line that is a record, or wants to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found<'l> {
    Record(Cow<'l, [u8]>),
    /// It begins as a record does and has no end.
    Cut,
}

/// Hands everything that looks like a record to `each`, from left to right.
pub(crate) fn records<E>(line: &[u8], mut each: impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
    if begins(line) {
        // Whoever reads it says what is wrong with the rest of the line.
        return each(Found::Record(Cow::Borrowed(line.trim_ascii_end())));
    }
    let mut rest = line;
    while let Some((at, wrap)) = next(rest) {
        let from = rest.get(at..).unwrap_or_default();
        rest = match wrap {
            Wrap::None => match end(from) {
                Some(end) => {
                    let (record, after) = from.split_at_checked(end).unwrap_or((from, &[]));
                    each(Found::Record(Cow::Borrowed(record)))?;
                    after
                }
                None => return each(Found::Cut),
            },
            Wrap::Text => {
                let (text, used) = unescape(from);
                let text = (1..DEPTH).try_fold(text, |text, _| match begins(&text) {
                    true => Err(text),
                    false => Ok(unescape(&text).0),
                });
                let (Ok(text) | Err(text)) = text;
                unwrapped(&text, &mut each)?;
                from.get(used..).unwrap_or_default()
            }
            Wrap::Base64 => {
                let length = from.iter().take_while(|byte| is_base64(**byte)).count();
                let (text, after) = from.split_at_checked(length).unwrap_or((from, &[]));
                let text = std::str::from_utf8(text).ok().and_then(|text| decode(text).ok());
                unwrapped(&text.unwrap_or_default(), &mut each)?;
                after
            }
        };
    }
    Ok(())
}

/// Whether a line has the last member of a record, whatever it is wrapped in.
pub(crate) fn ends(line: &[u8]) -> bool {
    let punctuation = |byte: &u8| matches!(byte, b'"' | b'\\' | b':');
    memmem::find_iter(line, b"mac").any(|at| {
        let rest = line.get(at + 3..).unwrap_or_default();
        let skipped = rest.iter().take_while(|byte| punctuation(byte)).count();
        let value = rest.get(skipped..).unwrap_or_default();
        let length = value
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            .count();
        skipped >= 3 && length == 43
    })
}

/// How a record is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrap {
    None,
    Text,
    Base64,
}

/// Where the next record begins, and how it is wrapped.
fn next(line: &[u8]) -> Option<(usize, Wrap)> {
    let raw = memmem::find_iter(line, BEGIN).find(|at| line.get(*at..).is_some_and(begins));
    let text = memmem::find_iter(line, b"{\\").find(|at| escaped(line.get(at + 1..).unwrap_or_default()));
    let packed = memmem::find(line, BASE64);
    let all = [
        raw.map(|at| (at, Wrap::None)),
        text.map(|at| (at, Wrap::Text)),
        packed.map(|at| (at, Wrap::Base64)),
    ];
    all.into_iter().flatten().min_by_key(|(at, _)| *at)
}

/// `{"v":1,"stream":"`, whatever the version.
fn begins(text: &[u8]) -> bool {
    let after = text.strip_prefix(BEGIN).map(|rest| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (digits, rest.get(digits..).unwrap_or_default())
    });
    after.is_some_and(|(digits, rest)| digits > 0 && rest.starts_with(STREAM))
}

/// `\"v\":1,\"stream\"`, with any number of backslashes.
fn escaped(text: &[u8]) -> bool {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let escape = [text.get(..slashes).unwrap_or_default(), b"\""].concat();
    let begin = [&escape, b"v".as_slice(), &escape, b":"].concat();
    text.strip_prefix(begin.as_slice()).is_some_and(|rest| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let rest = rest.get(digits..).unwrap_or_default().strip_prefix(b",");
        digits > 0 && rest.is_some_and(|rest| rest.starts_with(&[&escape, b"stream".as_slice()].concat()))
    })
}

/// Where a record ends. Inside a text of JSON a quote is escaped, so the first match is the member itself.
fn end(text: &[u8]) -> Option<usize> {
    // `heads` and `continues` have seals too: the record's own stands behind the one of the record before.
    let at = memmem::find(text, PREV)? + PREV.len() + 43;
    let end = at + MAC.len() + 1 + TAIL;
    text.get(at + 1..).filter(|rest| rest.starts_with(MAC))?;
    text.get(..end).filter(|record| record.ends_with(b"\"}")).map(<[u8]>::len)
}

/// A text may hold several: the first record of a stream comes with its `start`, on lines of their own.
fn unwrapped<E>(text: &[u8], each: &mut impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
    let next = |rest: &[u8]| memmem::find_iter(rest, BEGIN).find(|at| rest.get(*at..).is_some_and(begins));
    let Some(first) = next(text) else { return each(Found::Cut) };
    let mut rest = text.get(first..).unwrap_or_default();
    loop {
        let Some(end) = end(rest) else { return each(Found::Cut) };
        let (record, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        each(Found::Record(Cow::Owned(record.to_vec())))?;
        let Some(at) = next(after) else { return Ok(()) };
        rest = after.get(at..).unwrap_or_default();
    }
}

/// Takes one layer of escapes off (RFC 8259, section 7), up to the quote that ends the text; and how much that was.
fn unescape(text: &[u8]) -> (Vec<u8>, usize) {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => break,
            b'\\' => {
                let escape = text.get(at).copied();
                at += 1;
                match escape {
                    Some(b'u') => {
                        let (char, used) = code(text.get(at..).unwrap_or_default());
                        at += used;
                        plain.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    Some(b'n') => plain.push(b'\n'),
                    Some(b't') => plain.push(b'\t'),
                    Some(b'r') => plain.push(b'\r'),
                    Some(b'b') => plain.push(8),
                    Some(b'f') => plain.push(12),
                    Some(other) => plain.push(other),
                    None => {}
                }
            }
            other => plain.push(*other),
        }
    }
    (plain, at)
}

/// The character behind `\\u`, and how much of the text it takes. What is none fails its seal later.
fn code(text: &[u8]) -> (char, usize) {
    let four = |at: usize| {
        let digits = text.get(at..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| u16::from_str_radix(digits, 16).ok())
    };
    let first = four(0).unwrap_or(0xFFFD);
    let second = if text.get(4..6) == Some(b"\\u") { four(6) } else { None };
    let (units, used) = match second {
        Some(second) if (0xD800..0xDC00).contains(&first) => (vec![first, second], 10),
        _ => (vec![first], 4),
    };
    let char = char::decode_utf16(units).next().and_then(Result::ok);
    (char.unwrap_or(char::REPLACEMENT_CHARACTER), used)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn decode(text: &str) -> Result<Vec<u8>, base64ct::Error> {
    Base64::decode_vec(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> String {
        let mac = "A".repeat(43);
        format!(
            r#"{{"v":1,"stream":"00","seq":1,"heads":[{{"seq":1,"mac":"{mac}"}}],"target":"a\"b\u0001ü😀","prev":"{mac}","mac":"{mac}"}}"#
        )
    }

    fn all(line: &str) -> Vec<String> {
        let mut seen = Vec::new();
        let _ = records::<()>(line.as_bytes(), |found| {
            seen.push(match found {
                Found::Record(text) => String::from_utf8_lossy(&text).into_owned(),
                Found::Cut => "cut".to_owned(),
            });
            Ok(())
        });
        seen
    }

    fn quoted(text: &str) -> String {
        serde_json::Value::from(text).to_string()
    }

    #[test]
    fn a_record_is_found_in_every_wrapping() {
        let record = record();
        let one = format!("{{\"x\":1,\"audit\":{}}}", quoted(&record));
        for line in [
            record.clone(),
            format!("{record}\r"),
            format!("[2026-11-21 08:00:00.000][17][info][wasm] [source/x.cc:1] wasm log: {record}"),
            format!("GET /mcp 200 {record} 17"),
            format!("GET /mcp 200 {} 17", quoted(&record)),
            one.clone(),
            format!("{{\"log\":{}}}", quoted(&one)),
            format!(
                "{{\"log\":{}}}",
                quoted(&record).replace('😀', "\\ud83d\\ude00").replace('ü', "\\u00fc")
            ),
            format!("{{\"line\":{}}}", quoted(&format!("{{\"log\":{}}}", quoted(&one)))),
            format!("{{\"audit\":\"{}\"}}", Base64::encode_string(record.as_bytes())),
        ] {
            assert_eq!(all(&line), [record.as_str()], "{line}");
        }
        assert_eq!(all(&format!("[{record},{record}]")), [record.as_str(), record.as_str()]);
        let two = format!("{{\"audit\":{}}}", quoted(&format!("{record}\n{record}")));
        assert_eq!(all(&two), [record.as_str(), record.as_str()]);
    }

    #[test]
    fn what_only_begins_like_one_is_cut_and_what_does_not_is_nothing() {
        let record = record();
        let cut = record.get(..record.len() - 1).unwrap();
        assert_eq!(all(&format!("x {cut}")), ["cut"]);
        assert_eq!(all(&format!("x {}", quoted(cut))), ["cut"]);
        assert_eq!(all(r#"{"v":1,"other":2} {"v":"#), [""; 0]);
        let headless = format!("x{}", record.get(1..).unwrap());
        assert_eq!(all(&headless), [""; 0]);
        assert!(ends(headless.as_bytes()) && ends(quoted(&headless).as_bytes()) && !ends(b"a mac: \"x\""));
    }
}
