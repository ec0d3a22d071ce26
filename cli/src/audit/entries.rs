// SPDX-License-Identifier: Apache-2.0
//! What files hold of an audit trail: records, what wants to be one and is not, and how many lines are something else.

use std::{borrow::Cow, path::PathBuf};

use super::{
    find::{self, Found},
    input::{self, Text, Until},
    progress::Progress,
};
use crate::diagnostic::Failure;

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// The place of the file among those that were named.
    pub(crate) file: usize,
    /// From 1.
    pub(crate) line: u64,
}

/// One thing that was found.
#[derive(Clone, Debug)]
pub(crate) enum Entry<'l> {
    /// What looks like a record; its bytes as they were written.
    Record(Cow<'l, [u8]>),
    /// Not a record any more.
    Damaged(Damage),
}

/// What stands where a record should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It begins as a record does and has no end.
    Cut,
    /// It ends as a record does and has no beginning.
    Headless,
    /// A line longer than any record.
    TooLong,
    /// Compressed data that ends too soon or cannot be read.
    Broken,
}

impl Damage {
    /// A word for programs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Cut | Self::Headless => "malformed",
            Self::TooLong => "line_too_long",
            Self::Broken => "broken_file",
        }
    }

    pub(crate) fn say(self) -> &'static str {
        match self {
            Self::Cut => "a record that begins here and has no end",
            Self::Headless => "the end of a record without its beginning",
            Self::TooLong => "a line of more than 1 MiB, which no record is",
            Self::Broken => "the compressed data ends too soon, or cannot be read",
        }
    }
}

/// How much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) lines: u64,
    /// Lines without anything of a record.
    pub(crate) other: u64,
}

/// Hands everything of an audit trail in these files to `each`, in their order.
pub(crate) fn entries(
    files: &[PathBuf],
    until: Until,
    progress: &Progress,
    mut each: impl FnMut(Spot, Entry<'_>) -> Result<(), Failure>,
) -> Result<Read, Failure> {
    let mut read = Read::default();
    input::lines(files, until, progress, |line| {
        let spot = Spot { file: line.file, line: line.number };
        read.lines += 1;
        let text = match line.text {
            Text::Whole(text) => text,
            Text::TooLong => return each(spot, Entry::Damaged(Damage::TooLong)),
            Text::Broken => return each(spot, Entry::Damaged(Damage::Broken)),
        };
        let mut found = 0;
        find::records(text, |one| {
            found += 1;
            each(
                spot,
                match one {
                    Found::Record(record) => Entry::Record(record),
                    Found::Cut => Entry::Damaged(Damage::Cut),
                },
            )
        })?;
        if found == 0 && find::ends(text) {
            return each(spot, Entry::Damaged(Damage::Headless));
        }
        read.other += u64::from(found == 0);
        Ok(())
    })?;
    Ok(read)
}
