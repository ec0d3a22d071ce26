// SPDX-License-Identifier: Apache-2.0
//! The pin of a tool: SHA-256 (FIPS 180-4) over the canonical text of its whole definition, as a `tools/list` answer
//! has it: name, description, schemas, annotations, `_meta` and whatever else a model may read.
//!
//! What enters: a definition. What leaves: 32 bytes that change with it. Deliberately absent: what a change means.

use crate::json::{Value, canonical};
use alloc::string::String;
use core::fmt;
use sha2::{Digest, Sha256};

const PREFIX: &str = "sha256:";

/// The pin of a tool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// The pin of a definition.
    #[must_use]
    pub fn of(definition: Value<'_>) -> Pin {
        Pin(Sha256::digest(canonical(definition)).into())
    }

    /// Reads `sha256:` and 64 hexadecimal digits, lower case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Pin> {
        let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == 64)?;
        let mut bytes = [0; 32];
        let (pairs, _) = digits.as_bytes().as_chunks::<2>();
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = (nibble(*high)? << 4) | nibble(*low)?;
        }
        Some(Pin(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// The tools of a `tools/list` answer: a JSON-RPC message, its result, or a bare array.
///
/// # Errors
/// What the document is not.
pub fn pins(root: Value<'_>) -> Result<alloc::vec::Vec<(String, Pin)>, &'static str> {
    let result = root.get("result").unwrap_or(root);
    let tools = result.get("tools").unwrap_or(result);
    if tools.kind() != crate::json::Kind::Array {
        return Err("the document has no list of tools");
    }
    let named = tools.items().map(|tool| {
        let name = tool.get("name").and_then(|name| name.as_str()).ok_or("a tool has no name")?;
        Ok((name.into_owned(), Pin::of(tool)))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Doc, Limits};
    use alloc::string::ToString;

    fn pin(json: &str) -> Pin {
        Pin::of(Doc::parse(json.as_bytes(), Limits::CONFIG).unwrap().root())
    }

    #[test]
    fn a_pin_is_of_the_meaning_and_of_all_of_it() {
        let one = pin(r#"{"name":"echo","inputSchema":{"type":"object","minProperties":1.0}}"#);
        assert_eq!(one, pin(r#"{ "inputSchema":{"minProperties":1,"type":"\u006fbject"}, "name":"echo" }"#));
        for changed in [
            r#"{"name":"echo","inputSchema":{"type":"object","minProperties":2}}"#,
            r#"{"name":"echo","inputSchema":{"type":"object","minProperties":1},"description":""}"#,
            r#"{"name":"echo","inputSchema":{"type":"object","minProperties":1},"_meta":{}}"#,
            r#"{"name":"echo\u200b","inputSchema":{"type":"object","minProperties":1}}"#,
        ] {
            assert_ne!(one, pin(changed), "{changed}");
        }
        assert_eq!(Pin::parse(&one.to_string()), Some(one));
        // FIPS 180-4: the digest of `{}` as text.
        assert_eq!(
            pin("{}").to_string(),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }

    #[test]
    fn what_is_no_pin_is_none() {
        let good = pin("{}").to_string();
        for text in [
            "",
            "sha256:",
            &good.to_uppercase(),
            &good.replace("sha256", "sha512"),
            good.get(..70).unwrap_or_default(),
            &(good.clone() + "0"),
        ] {
            assert_eq!(Pin::parse(text), None, "{text}");
        }
    }
}
