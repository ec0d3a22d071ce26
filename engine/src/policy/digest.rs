// SPDX-License-Identifier: Apache-2.0
//! The digest of a policy: SHA-256 over its document in one form, whatever it was written in.
//!
//! The form is compact JSON; members stand in the order of their names' bytes; of escapes only `\"`, `\\` and
//! `\u00XX` for control characters; numbers as the shortest decimal that reads as the same double, without exponent.

use crate::json::{Kind, Value};
use crate::sort::sort_by;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use sha2::{Digest as _, Sha256};

/// SHA-256 of a policy's document.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Tells the roles of one policy from those of another.
    pub(super) fn tag(&self) -> u64 {
        self.0.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    /// Its first twelve hexadecimal digits.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{:012x}", self.tag() >> 16)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Of any document.
pub(crate) fn digest(document: Value<'_>) -> Digest {
    let mut hash = Sha256::new();
    write(&mut hash, document);
    Digest(hash.finalize().into())
}

/// As deep as documents nest, which the parser bounds.
fn write(hash: &mut Sha256, value: Value<'_>) {
    match value.kind() {
        Kind::Null => hash.update("null"),
        Kind::True => hash.update("true"),
        Kind::False => hash.update("false"),
        Kind::Number => match value.as_f64() {
            Some(number) => hash.update(format!("{number}")),
            None => hash.update(value.raw()),
        },
        Kind::String | Kind::EscapedString => text(hash, &value.as_str().unwrap_or_default()),
        Kind::Array => {
            hash.update("[");
            for (at, item) in value.items().enumerate() {
                hash.update(if at == 0 { "" } else { "," });
                write(hash, item);
            }
            hash.update("]");
        }
        Kind::Object => {
            let name = |name: Value<'_>| name.as_str().unwrap_or_default().into_owned();
            let mut members: Vec<_> = value.members().map(|(member, value)| (name(member), value)).collect();
            sort_by(&mut members, |one, two| one.0.cmp(&two.0));
            hash.update("{");
            for (at, (name, member)) in members.into_iter().enumerate() {
                hash.update(if at == 0 { "" } else { "," });
                text(hash, &name);
                hash.update(":");
                write(hash, member);
            }
            hash.update("}");
        }
    }
}

fn text(hash: &mut Sha256, text: &str) {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if u32::from(control) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => out.push(plain),
        }
    }
    out.push('"');
    hash.update(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Doc, Limits};

    #[test]
    fn the_form_is_what_is_hashed() {
        for (document, form) in [
            ("[1, 2]", "[1,2]"),
            ("[12]", "[12]"),
            (r#"["\u001f\u0020\n\""]"#, r#"["\u001f \u000a\""]"#),
            (r#"{"b": [], "a": {"d": null, "c": 1.50}}"#, r#"{"a":{"c":1.5,"d":null},"b":[]}"#),
        ] {
            let read = Doc::parse(document.as_bytes(), Limits::CONFIG).unwrap();
            assert_eq!(digest(read.root()).0, <[u8; 32]>::from(Sha256::digest(form)), "{document}");
        }
    }
}
