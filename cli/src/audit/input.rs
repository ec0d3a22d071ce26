// SPDX-License-Identifier: Apache-2.0
//! Lines of files and of the standard input, plain or compressed by gzip, one at a time.
//!
//! Memory is bounded by the longest line that is taken ([`LONGEST`]); a longer one is passed over and said to be so.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;

use super::progress::Progress;
use crate::diagnostic::Failure;

/// No record is longer: the filter bounds every member.
const LONGEST: usize = 1 << 20;

/// How much is read at once.
const BUFFER: usize = 256 << 10;

/// The first bytes of a gzip member (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A line, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'l> {
    /// The place of its file among those that were named.
    pub(crate) file: usize,
    /// From 1.
    pub(crate) number: u64,
    pub(crate) text: Text<'l>,
}

/// What came instead of a line, or the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text<'l> {
    /// Without its line feed.
    Whole(&'l [u8]),
    /// It is longer than any record.
    TooLong,
    /// The file ends in the middle of compressed data, or is not what its beginning says.
    Broken,
}

/// What of a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// What is there now.
    End,
    /// Whatever is added to the last file, until the program is ended.
    Forever,
}

/// Hands every line of these files to `each`, in their order. What `each` fails with ends it.
pub(crate) fn lines(
    files: &[PathBuf],
    until: Until,
    progress: &Progress,
    mut each: impl FnMut(Line<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    progress.expect(files.iter().map(|path| size(path)).sum());
    for (file, path) in files.iter().enumerate() {
        let last = file + 1 == files.len();
        let until = if last { until } else { Until::End };
        let unreadable =
            |error: io::Error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
        let source: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(unreadable)?)
        };
        let source = BufReader::with_capacity(BUFFER, progress.watch(source));
        one(source, file, until, &mut each).map_err(|stop| match stop {
            Stop::Io(error) => unreadable(error),
            Stop::Failure(failure) => failure,
        })?;
    }
    Ok(())
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map(|found| found.len()).unwrap_or_default()
}

enum Stop {
    Io(io::Error),
    Failure(Failure),
}

fn one(
    mut source: impl BufRead,
    file: usize,
    until: Until,
    each: &mut impl FnMut(Line<'_>) -> Result<(), Failure>,
) -> Result<(), Stop> {
    let packed = source.fill_buf().map_err(Stop::Io)?.starts_with(&GZIP);
    if packed {
        let unpacked = BufReader::with_capacity(BUFFER, MultiGzDecoder::new(source));
        return drain(unpacked, file, Until::End, each);
    }
    drain(source, file, until, each)
}

fn drain(
    mut source: impl BufRead,
    file: usize,
    until: Until,
    each: &mut impl FnMut(Line<'_>) -> Result<(), Failure>,
) -> Result<(), Stop> {
    let mut held = Vec::new();
    let mut number = 0;
    loop {
        let read = match next(&mut source, &mut held) {
            Ok(Read1::End) if until == Until::Forever => {
                std::thread::sleep(std::time::Duration::from_millis(200));
                continue;
            }
            Ok(Read1::End) if held.is_empty() => return Ok(()),
            Ok(Read1::Line | Read1::End) => Text::Whole(&held),
            Ok(Read1::TooLong) => Text::TooLong,
            Err(error)
                if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput) =>
            {
                Text::Broken
            }
            Err(error) => return Err(Stop::Io(error)),
        };
        number += 1;
        each(Line { file, number, text: read }).map_err(Stop::Failure)?;
        let over = read == Text::Broken;
        held.clear();
        if over {
            return Ok(());
        }
    }
}

enum Read1 {
    Line,
    TooLong,
    /// What is held then has no line feed.
    End,
}

/// Adds to `held` up to the next line feed, which is left out.
fn next(source: &mut impl BufRead, held: &mut Vec<u8>) -> io::Result<Read1> {
    let mut over = false;
    loop {
        let ready = match source.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if ready.is_empty() {
            return Ok(if over { Read1::TooLong } else { Read1::End });
        }
        let (part, used, ended) = match memchr::memchr(b'\n', ready) {
            Some(at) => (ready.get(..at).unwrap_or_default(), at + 1, true),
            None => (ready, ready.len(), false),
        };
        over |= held.len() + part.len() > LONGEST;
        if over {
            held.clear();
        } else {
            held.extend_from_slice(part);
        }
        source.consume(used);
        if ended {
            return Ok(if over { Read1::TooLong } else { Read1::Line });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn all(bytes: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        let done = one(bytes, 0, Until::End, &mut |line: Line<'_>| {
            seen.push(match line.text {
                Text::Whole(text) => format!("{}:{}", line.number, String::from_utf8_lossy(text)),
                Text::TooLong => format!("{}:long", line.number),
                Text::Broken => format!("{}:broken", line.number),
            });
            Ok(())
        });
        assert!(done.is_ok());
        seen
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn lines_are_numbered_and_the_last_needs_no_line_feed() {
        assert_eq!(all(b"a\n\nb"), ["1:a", "2:", "3:b"]);
        assert_eq!(all(b""), [""; 0]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let long = format!("{}\nb\n", "x".repeat(LONGEST + 1));
        assert_eq!(all(long.as_bytes()), ["1:long", "2:b"]);
    }

    #[test]
    fn gzip_is_seen_by_its_first_bytes_and_members_follow_each_other() {
        let two = [packed("a\n"), packed("b\n")].concat();
        assert_eq!(all(&two), ["1:a", "2:b"]);
        let cut = packed(&"a line\n".repeat(1_000));
        let cut = all(cut.get(..cut.len() - 9).unwrap());
        assert!(cut.last().is_some_and(|last| last.ends_with(":broken")), "{cut:?}");
    }
}
