// SPDX-License-Identifier: Apache-2.0
//! Where in a token's claims the roles, scopes and groups stand.
//!
//! Issuers differ: `roles`, `realm_access.roles`, `https://example.com/roles`. A path that begins with `/` is a JSON
//! pointer (RFC 6901); any other is a top-level name as it stands, or else a dotted path into nested objects.

use super::rejection::Rejection;
use crate::json::{Kind, Value};
use crate::sort::sort;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

const MAX_ENTRIES: usize = 256;
const MAX_ENTRY: usize = 1_024;

/// One place in the claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Pointer(String),
    Name(String),
}

/// How a claim that is one string is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// As one entry.
    Whole,
    /// As entries between spaces (`scope`, RFC 6749 section 3.3).
    Spaces,
}

impl ClaimPath {
    /// Reads a path as the configuration writes it; the empty path is none.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        match path {
            "" => None,
            pointer if pointer.starts_with('/') => Some(ClaimPath(Form::Pointer(pointer.to_owned()))),
            name => Some(ClaimPath(Form::Name(name.to_owned()))),
        }
    }

    /// The value at the path. `null` counts as absent.
    pub(super) fn find<'d>(&self, claims: Value<'d>) -> Option<Value<'d>> {
        let found = match &self.0 {
            Form::Pointer(pointer) => claims.pointer(pointer),
            Form::Name(name) => claims.get(name).or_else(|| nested(claims, name)),
        };
        found.filter(|value| !matches!(value.kind(), Kind::Null))
    }
}

fn nested<'d>(claims: Value<'d>, path: &str) -> Option<Value<'d>> {
    path.split('.').try_fold(claims, |value, name| value.get(name))
}

/// Every entry at every one of the paths, sorted, each once.
///
/// # Errors
/// [`Rejection::BadClaim`] for what is neither a string nor a list of strings, or more than 256 entries of at most
/// 1,024 bytes: a list cut short could lose the role that denies.
pub(super) fn extract_strings(
    claims: Value<'_>,
    paths: &[ClaimPath],
    split: Split,
) -> Result<Vec<String>, Rejection> {
    let mut entries = Vec::new();
    for value in paths.iter().filter_map(|path| path.find(claims)) {
        match value.kind() {
            Kind::String | Kind::EscapedString => add(&mut entries, value, split)?,
            Kind::Array => {
                entries.reserve_exact(value.items().take(MAX_ENTRIES).count());
                value.items().try_for_each(|item| add(&mut entries, item, Split::Whole))?;
            }
            Kind::Null | Kind::True | Kind::False | Kind::Number | Kind::Object => {
                return Err(Rejection::BadClaim);
            }
        }
    }
    sort(&mut entries);
    entries.dedup();
    Ok(entries)
}

fn add(entries: &mut Vec<String>, value: Value<'_>, split: Split) -> Result<(), Rejection> {
    let text = value.as_str().ok_or(Rejection::BadClaim)?;
    match split {
        Split::Whole => push(entries, &text),
        Split::Spaces => {
            let spaces = text.bytes().filter(|byte| *byte == b' ').take(MAX_ENTRIES).count();
            entries.reserve_exact(spaces.saturating_add(1));
            text.split(' ').filter(|scope| !scope.is_empty()).try_for_each(|scope| push(entries, scope))
        }
    }
}

fn push(entries: &mut Vec<String>, entry: &str) -> Result<(), Rejection> {
    if entries.len() >= MAX_ENTRIES || entry.len() > MAX_ENTRY {
        return Err(Rejection::BadClaim);
    }
    entries.push(entry.to_owned());
    Ok(())
}
