// SPDX-License-Identifier: Apache-2.0
//! An event stream (`text/event-stream`), filtered event by event as its bytes arrive.
//!
//! What enters: chunks, cut anywhere. What leaves: the same bytes, except for events that the judge replaces or drops.
//! Lines and fields follow the WHATWG rules: CR, LF or CRLF, a byte order mark at the start, comments, `data` on any
//! number of lines. Deliberately absent: decoding; the payload goes to the judge as bytes.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventVerdict<E> {
    /// Its bytes go on as they came.
    Keep,
    /// Its data lines are replaced; its other lines stay.
    Replace(Vec<u8>),
    /// It does not go on.
    Drop,
    /// The stream ends here.
    Fail(E),
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SseError<E> {
    /// An event is longer than allowed.
    TooLong,
    /// The judge ended the stream.
    Refused(E),
    /// The stream has ended with one of the others before.
    Ended,
}

/// How a stream that ended by itself ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Behind a whole event.
    Clean,
    /// Inside an event; it is incomplete and was dropped, as every reader must.
    Incomplete,
}

/// What the line feed of a CRLF that is cut in two belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterCr {
    /// The last byte was no carriage return.
    No,
    /// A line of the block that is being collected.
    Block,
    /// Something that went on.
    Sent,
    /// Something that was dropped.
    Dropped,
}

/// Filters one stream.
#[derive(Clone, Debug)]
pub struct SseFilter {
    block: Vec<u8>,
    line_start: usize,
    max_event: usize,
    at_start: bool,
    after_cr: AfterCr,
    ended: bool,
}

impl SseFilter {
    /// For a stream whose events have at most `max_event` bytes; so much is held back at most.
    #[must_use]
    pub fn new(max_event: usize) -> SseFilter {
        SseFilter {
            block: Vec::new(),
            line_start: 0,
            max_event,
            at_start: true,
            after_cr: AfterCr::No,
            ended: false,
        }
    }

    /// Takes a chunk and appends to `out` what goes on.
    ///
    /// # Errors
    /// Why the stream must end. What `out` holds by then may still go on; nothing after it.
    pub fn push<E>(
        &mut self,
        chunk: &[u8],
        out: &mut Vec<u8>,
        judge: &mut dyn FnMut(&[u8]) -> EventVerdict<E>,
    ) -> Result<(), SseError<E>> {
        if self.ended {
            return Err(SseError::Ended);
        }
        let result = self.take(chunk, out, judge);
        if result.is_err() {
            self.ended = true;
            self.block = Vec::new();
        }
        result
    }

    /// The stream has no more bytes.
    ///
    /// # Errors
    /// [`SseError::Ended`] if it had been ended.
    pub fn finish<E>(&mut self) -> Result<Tail, SseError<E>> {
        if mem::replace(&mut self.ended, true) {
            return Err(SseError::Ended);
        }
        let rest = mem::take(&mut self.block);
        Ok(if rest.is_empty() { Tail::Clean } else { Tail::Incomplete })
    }

    fn take<E>(
        &mut self,
        chunk: &[u8],
        out: &mut Vec<u8>,
        judge: &mut dyn FnMut(&[u8]) -> EventVerdict<E>,
    ) -> Result<(), SseError<E>> {
        let mut rest = chunk;
        while let Some(first) = rest.first() {
            if let (AfterCr::Block | AfterCr::Sent | AfterCr::Dropped, b'\n') = (self.after_cr, first) {
                self.line_feed_of_crlf(out);
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            self.after_cr = AfterCr::No;
            let end = line_end(rest);
            let (line, behind) = rest
                .split_at_checked(end.map_or(rest.len(), |end| end.saturating_add(1)))
                .unwrap_or((rest, &[]));
            rest = behind;
            if self.block.len().saturating_add(line.len()) > self.max_event {
                return Err(SseError::TooLong);
            }
            self.block.extend_from_slice(line);
            if end.is_some() {
                self.line_ends(out, judge)?;
            }
        }
        Ok(())
    }

    fn line_feed_of_crlf(&mut self, out: &mut Vec<u8>) {
        match self.after_cr {
            AfterCr::Block => {
                self.block.push(b'\n');
                self.line_start = self.block.len();
            }
            AfterCr::Sent => out.push(b'\n'),
            AfterCr::No | AfterCr::Dropped => {}
        }
        self.after_cr = AfterCr::No;
    }

    /// The block's last byte ends a line: a blank one ends the event, a comment before anything else goes on at once.
    fn line_ends<E>(
        &mut self,
        out: &mut Vec<u8>,
        judge: &mut dyn FnMut(&[u8]) -> EventVerdict<E>,
    ) -> Result<(), SseError<E>> {
        let cr = self.block.last() == Some(&b'\r');
        let line = content(self.block.get(self.line_start..).unwrap_or_default(), self.bom_ahead());
        let lone_comment = self.line_start == 0 && line.first() == Some(&b':');
        let fate = match (line.is_empty(), lone_comment) {
            (true, _) => self.dispatch(out, judge)?,
            (false, true) => {
                out.extend_from_slice(&self.block);
                AfterCr::Sent
            }
            (false, false) => {
                self.line_start = self.block.len();
                self.after_cr = if cr { AfterCr::Block } else { AfterCr::No };
                return Ok(());
            }
        };
        self.block.clear();
        self.line_start = 0;
        self.at_start = false;
        self.after_cr = if cr { fate } else { AfterCr::No };
        Ok(())
    }

    fn bom_ahead(&self) -> bool {
        self.at_start && self.line_start == 0
    }

    fn dispatch<E>(
        &mut self,
        out: &mut Vec<u8>,
        judge: &mut dyn FnMut(&[u8]) -> EventVerdict<E>,
    ) -> Result<AfterCr, SseError<E>> {
        let payload = payload(&self.block, self.at_start);
        let verdict = if payload.is_empty() { EventVerdict::Keep } else { judge(&payload) };
        match verdict {
            EventVerdict::Keep => out.extend_from_slice(&self.block),
            EventVerdict::Replace(payload) => rewrite(&self.block, self.at_start, &payload, out),
            EventVerdict::Drop => return Ok(AfterCr::Dropped),
            EventVerdict::Fail(reason) => return Err(SseError::Refused(reason)),
        }
        Ok(AfterCr::Sent)
    }
}

/// A line without its end and, at the start of the stream, without the byte order mark.
fn content(line: &[u8], bom_ahead: bool) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if bom_ahead { line.strip_prefix(BOM).unwrap_or(line) } else { line }
}

/// Where the first carriage return or line feed stands; eight bytes at a time, for events are long.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let (words, _) = bytes.as_chunks::<8>();
    let plain = words.iter().take_while(|word| !may_end_line(u64::from_le_bytes(**word))).count();
    let from = plain.saturating_mul(8);
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().position(is_end).map(|at| from.saturating_add(at))
}

/// The classic zero-byte test on the word xor the wanted byte; it may say yes too often, never no too often.
fn may_end_line(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    (zero_byte(word ^ (ONES * 0x0A)) | zero_byte(word ^ (ONES * 0x0D))) != 0
}

/// The ranges of the lines of a block, ends included.
fn lines(block: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0_usize;
    core::iter::from_fn(move || {
        let rest = block.get(at..).filter(|rest| !rest.is_empty())?;
        let end = line_end(rest);
        let length = match end {
            Some(end) if rest.get(end..end.saturating_add(2)) == Some(b"\r\n") => end.saturating_add(2),
            Some(end) => end.saturating_add(1),
            None => rest.len(),
        };
        let start = at;
        at = at.saturating_add(length);
        Some(start..at)
    })
}

/// The value of a `data` line.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// The data lines joined by line feeds; borrowed where there is one, as there nearly always is.
fn payload(block: &[u8], at_start: bool) -> Cow<'_, [u8]> {
    let mut joined: Option<Cow<'_, [u8]>> = None;
    for range in lines(block) {
        let bom_ahead = at_start && range.start == 0;
        let Some(value) = data_of(content(block.get(range).unwrap_or_default(), bom_ahead)) else { continue };
        match &mut joined {
            None => joined = Some(Cow::Borrowed(value)),
            Some(before) => {
                let before = before.to_mut();
                before.push(b'\n');
                before.extend_from_slice(value);
            }
        }
    }
    joined.unwrap_or_default()
}

/// Writes the block with `payload` in the place of its first data line.
fn rewrite(block: &[u8], at_start: bool, payload: &[u8], out: &mut Vec<u8>) {
    let mut written = false;
    for range in lines(block) {
        let bom_ahead = at_start && range.start == 0;
        let line = block.get(range).unwrap_or_default();
        let inner = content(line, bom_ahead);
        if data_of(inner).is_none() {
            out.extend_from_slice(line);
            continue;
        }
        if bom_ahead && line.starts_with(BOM) {
            out.extend_from_slice(BOM);
        }
        if mem::replace(&mut written, true) {
            continue;
        }
        let end = if line.ends_with(b"\r\n") {
            b"\r\n".as_slice()
        } else {
            line.last_chunk::<1>().map_or(b"\n".as_slice(), |last| last)
        };
        for range in lines(payload) {
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(content(payload.get(range).unwrap_or_default(), false));
            out.extend_from_slice(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words without a line end are passed over at once.
    #[test]
    fn a_word_may_end_a_line_where_it_does() {
        for (word, may) in [
            (b"abcdefgh", false),
            (b"\t\x0b\x0c\x0e\x00\x80\xff ", false),
            (b"\x00\x00\x00\x00\x00\x00\x00\x00", false),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", false),
            (b"abc\nefgh", true),
            (b"abcdefg\r", true),
            (b"\r\n\r\n\r\n\r\n", true),
        ] {
            assert_eq!(may_end_line(u64::from_le_bytes(*word)), may, "{word:?}");
        }
    }
}
