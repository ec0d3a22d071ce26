// SPDX-License-Identifier: Apache-2.0
//! Capabilities that a client declares and a server may not use: they are overwritten with spaces.
//!
//! The text keeps its length, so that it fits a content length that has gone ahead of it. A server must not ask for
//! what is not declared (2026-07-28, multi round-trip requests; lifecycle before), so an honest one never asks.

use super::list::gaps;
use super::lookalike::{Likeness, likeness};
use super::pass::Visibility;
use super::request::{CAPABILITIES_KEY, Call};
use crate::json::Value;
use alloc::vec::Vec;

/// The text of a message without these capabilities of the client; nothing if it declares none of them.
#[must_use]
pub fn without_capabilities(text: &[u8], call: &Call<'_>, names: &[&str]) -> Option<Vec<u8>> {
    let params = call.params?;
    let places =
        [params.get("capabilities"), params.get("_meta").and_then(|meta| meta.get(CAPABILITIES_KEY))];
    let mut out: Option<Vec<u8>> = None;
    for capabilities in places.into_iter().flatten() {
        let fates: Vec<_> = capabilities.members().map(|(name, value)| fate(name, value, names)).collect();
        for gap in gaps(&fates) {
            let bytes = out.get_or_insert_with(|| text.to_vec()).get_mut(gap);
            bytes.into_iter().flatten().for_each(|byte| *byte = b' ');
        }
    }
    out
}

fn fate(name: Value<'_>, value: Value<'_>, names: &[&str]) -> (core::ops::Range<usize>, Visibility) {
    // In every spelling that a server may take for it.
    let name_is = |known: &&str| name.as_str().is_some_and(|own| likeness(&own, &[known]) != Likeness::Other);
    let goes = names.iter().any(name_is);
    let fate = if goes { Visibility::Hidden } else { Visibility::Shown };
    (name.span().start..value.span().end, fate)
}
