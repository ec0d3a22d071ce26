// SPDX-License-Identifier: Apache-2.0
//! A `google.protobuf.Struct` as JSON text.
//!
//! YAML inside an Envoy configuration becomes a `Struct`, and Envoy 1.40 hands that to the filter as it stands on the
//! wire, not as JSON. What enters: those bytes, or JSON. What leaves: JSON. Source: `google/protobuf/struct.proto`:
//! `Struct { map<string, Value> fields = 1 }`, `Value { null = 1, number = 2, string = 3, bool = 4, struct = 5,
//! list = 6 }`, `ListValue { repeated Value values = 1 }`.

use crate::json::quoted;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

/// How deep a document may nest.
const MAX_DEPTH: usize = 64;

/// The document as JSON: as it came if it is text, decoded if it is a `Struct`.
///
/// The first byte of a non-empty `Struct` is a line feed, which JSON may begin with too, so the second decides: in JSON
/// white space or an opening brace follows, in a `Struct` the length of an entry, and then the tag of its key.
#[must_use]
pub fn as_json(bytes: &[u8]) -> Cow<'_, [u8]> {
    match bytes {
        [b'\n', ..] => match read_struct(bytes, 0) {
            Some(json) => Cow::Owned(json.into_bytes()),
            None => Cow::Borrowed(bytes),
        },
        _ => Cow::Borrowed(bytes),
    }
}

/// One field of a message: its number and its content.
enum Field<'b> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'b [u8]),
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7F).checked_shl(u32::try_from(at * 7).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

fn field(bytes: &[u8]) -> Option<(u64, Field<'_>, &[u8])> {
    let (tag, rest) = varint(bytes)?;
    let (content, rest) = match tag & 7 {
        0 => varint(rest).map(|(value, rest)| (Field::Varint(value), rest))?,
        1 => rest.split_first_chunk::<8>().map(|(eight, rest)| (Field::Fixed64(*eight), rest))?,
        2 => {
            let (length, rest) = varint(rest)?;
            let (content, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Field::Bytes(content), rest)
        }
        _ => return None,
    };
    Some((tag >> 3, content, rest))
}

fn read_struct(mut bytes: &[u8], depth: usize) -> Option<String> {
    let mut json = String::from("{");
    while !bytes.is_empty() {
        let (1, Field::Bytes(entry), rest) = field(bytes)? else { return None };
        bytes = rest;
        let (key, value) = read_entry(entry, depth)?;
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(&quoted(key));
        json.push(':');
        json.push_str(&value);
    }
    json.push('}');
    Some(json)
}

fn read_entry(mut bytes: &[u8], depth: usize) -> Option<(&str, String)> {
    let (mut key, mut value) = ("", None);
    while !bytes.is_empty() {
        let (number, content, rest) = field(bytes)?;
        bytes = rest;
        match (number, content) {
            (1, Field::Bytes(text)) => key = core::str::from_utf8(text).ok()?,
            (2, Field::Bytes(message)) => value = Some(read_value(message, depth)?),
            _ => return None,
        }
    }
    Some((key, value?))
}

fn read_value(bytes: &[u8], depth: usize) -> Option<String> {
    if depth >= MAX_DEPTH {
        return None;
    }
    let (number, content, rest) = field(bytes)?;
    if !rest.is_empty() {
        return None;
    }
    match (number, content) {
        (1, Field::Varint(0)) => Some("null".to_string()),
        (2, Field::Fixed64(eight)) => number_text(f64::from_le_bytes(eight)),
        (3, Field::Bytes(text)) => core::str::from_utf8(text).ok().map(quoted),
        (4, Field::Varint(value @ (0 | 1))) => Some(if value == 1 { "true" } else { "false" }.to_string()),
        (5, Field::Bytes(message)) => read_struct(message, depth + 1),
        (6, Field::Bytes(message)) => read_list(message, depth + 1),
        _ => None,
    }
}

fn read_list(mut bytes: &[u8], depth: usize) -> Option<String> {
    let mut json = String::from("[");
    while !bytes.is_empty() {
        let (1, Field::Bytes(message), rest) = field(bytes)? else { return None };
        bytes = rest;
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(&read_value(message, depth)?);
    }
    json.push(']');
    Some(json)
}

/// A `Struct` knows doubles only; whole ones are written as the integers that they were. JSON has no infinity.
fn number_text(number: f64) -> Option<String> {
    number.is_finite().then(|| format!("{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn message(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::from([number << 3 | 2]);
        let mut length = content.len();
        while length >= 0x80 {
            out.push(u8::try_from(length & 0x7F).unwrap() | 0x80);
            length >>= 7;
        }
        out.push(u8::try_from(length).unwrap());
        out.extend_from_slice(content);
        out
    }

    fn entry(key: &str, value: &[u8]) -> Vec<u8> {
        message(1, &[message(1, key.as_bytes()), message(2, value)].concat())
    }

    fn number(value: f64) -> Vec<u8> {
        [&[0x11][..], &value.to_le_bytes()].concat()
    }

    #[test]
    fn a_struct_becomes_its_json() {
        let list = message(6, &[message(1, &number(1.0)), message(1, &message(3, b"x\"y"))].concat());
        let inner = message(5, &[entry("t", &[0x20, 1]), entry("f", &[0x20, 0])].concat());
        let long = "a".repeat(300);
        let bytes = [
            entry("n", &[0x08, 0]),
            entry("l", &list),
            entry("o", &inner),
            entry("d", &number(1.5)),
            entry("e", &message(3, b"")),
            entry("s", &message(3, long.as_bytes())),
        ]
        .concat();
        let json = as_json(&bytes);
        let wanted =
            format!(r#"{{"n":null,"l":[1,"x\"y"],"o":{{"t":true,"f":false}},"d":1.5,"e":"","s":"{long}"}}"#);
        assert_eq!(core::str::from_utf8(&json).unwrap(), wanted);
    }

    #[test]
    fn text_and_damaged_messages_stay_as_they_are() {
        for text in [
            &b"{\"a\":1}"[..],
            b"\n{\"a\":1}",
            b" {}",
            b"",
            b"\n\x05\n\x01a",
            b"\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert_eq!(&*as_json(text), text);
        }
        assert!(as_json(&entry("n", &number(f64::NAN))).starts_with(b"\n"));
    }

    #[test]
    fn depth_is_bounded() {
        let mut value = message(3, b"x");
        for _ in 0..200 {
            value = message(6, &message(1, &value));
        }
        assert!(as_json(&entry("deep", &value)).starts_with(b"\n"));
    }
}
