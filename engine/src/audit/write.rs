// SPDX-License-Identifier: Apache-2.0
//! Compact JSON, written straight into a buffer that is kept between records.

use crate::json::escape_into;
use crate::time::UnixTime;
use alloc::string::String;
use base64ct::{Base64UrlUnpadded, Encoding};

/// Writes the members of an object, or the items of an array, one after the other. What it opened it closes when it is
/// dropped.
#[derive(Debug)]
pub struct Members<'o> {
    out: &'o mut String,
    /// What comes before the next.
    next: Next,
    close: Close,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    First,
    Later,
}

#[derive(Clone, Copy, Debug)]
enum Close {
    /// Whoever began it does.
    Nothing,
    Object,
    Array,
}

impl<'o> Members<'o> {
    /// More members of an object that has some already; whoever began it ends it.
    #[must_use]
    pub fn more(out: &'o mut String) -> Members<'o> {
        Members { out, next: Next::Later, close: Close::Nothing }
    }

    /// A whole object.
    #[must_use]
    pub fn object(out: &'o mut String) -> Members<'o> {
        out.push('{');
        Members { out, next: Next::First, close: Close::Object }
    }

    fn separate(&mut self) {
        match core::mem::replace(&mut self.next, Next::Later) {
            Next::First => {}
            Next::Later => self.out.push(','),
        }
    }

    fn name(&mut self, name: &str) {
        self.separate();
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    fn value(&mut self, text: &str) {
        self.out.push('"');
        escape_into(self.out, text);
        self.out.push('"');
    }

    /// A member with a text.
    pub fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        self.value(text);
    }

    /// A member with a word of this source: letters, digits and what joins them, so that nothing is escaped.
    pub fn word(&mut self, name: &'static str, word: &'static str) {
        self.with(name, |out| out.push_str(word));
    }

    /// A member with a text that is written in place, of characters that need no escape.
    pub(crate) fn with(&mut self, name: &'static str, write: impl FnOnce(&mut String)) {
        self.name(name);
        self.out.push('"');
        write(self.out);
        self.out.push('"');
    }

    /// As [`Members::text`], where there is one.
    pub fn text_if(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A member whose name comes from elsewhere.
    pub fn named(&mut self, name: &str, text: &str) {
        self.separate();
        self.value(name);
        self.out.push(':');
        self.value(text);
    }

    /// Members that [`Members::more`] has written, and so with a comma before the first.
    pub fn append(&mut self, members: &str) {
        self.out.push_str(members);
        self.next = Next::Later;
    }

    /// A member whose name comes from elsewhere, with bytes in lower-case hexadecimal.
    pub fn named_hex(&mut self, name: &str, bytes: &[u8]) {
        self.separate();
        self.value(name);
        self.out.push_str(":\"");
        hex(self.out, bytes);
        self.out.push('"');
    }

    /// A member with a number.
    pub fn number(&mut self, name: &'static str, number: u64) {
        self.name(name);
        decimal(self.out, number);
    }

    /// A member with bytes in lower-case hexadecimal.
    pub fn hex(&mut self, name: &'static str, bytes: &[u8]) {
        self.with(name, |out| hex(out, bytes));
    }

    /// A member with 32 bytes in base64url.
    pub fn digest(&mut self, name: &'static str, digest: &[u8; 32]) {
        self.with(name, |out| base64url(out, digest));
    }

    /// A member whose value is JSON already.
    pub fn json(&mut self, name: &'static str, json: &str) {
        self.name(name);
        self.out.push_str(json);
    }

    /// A member with an object of its own.
    pub fn nest(&mut self, name: &'static str) -> Members<'_> {
        self.name(name);
        Members::object(self.out)
    }

    /// A member with an array.
    pub fn list(&mut self, name: &'static str) -> Members<'_> {
        self.name(name);
        self.out.push('[');
        Members { out: self.out, next: Next::First, close: Close::Array }
    }

    /// A text in an array.
    pub fn item(&mut self, text: &str) {
        self.separate();
        self.value(text);
    }

    /// An object in an array.
    pub fn item_object(&mut self) -> Members<'_> {
        self.separate();
        Members::object(self.out)
    }
}

impl Drop for Members<'_> {
    fn drop(&mut self) {
        match self.close {
            Close::Nothing => {}
            Close::Object => self.out.push('}'),
            Close::Array => self.out.push(']'),
        }
    }
}

/// Appends a number in decimal.
pub(super) fn decimal(out: &mut String, number: u64) {
    let mut text = [b'0'; 20];
    let (mut rest, mut digits) = (number, 0);
    for digit in text.iter_mut().rev() {
        *digit = b'0' | u8::try_from(rest % 10).unwrap_or(0);
        (rest, digits) = (rest / 10, digits + 1);
        if rest == 0 {
            break;
        }
    }
    let text = text.get(text.len().saturating_sub(digits)..).unwrap_or_default();
    out.push_str(core::str::from_utf8(text).unwrap_or_default());
}

/// Appends bytes in lower-case hexadecimal.
pub(super) fn hex(out: &mut String, bytes: &[u8]) {
    let digit = |nibble: u8| if nibble < 10 { b'0' | nibble } else { nibble.wrapping_add(b'a' - 10) };
    for piece in bytes.chunks(16) {
        let mut text = [0; 32];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(piece) {
            *pair = [digit(byte >> 4), digit(byte & 0xF)];
        }
        let text = text.get(..piece.len().saturating_mul(2)).unwrap_or_default();
        out.push_str(core::str::from_utf8(text).unwrap_or_default());
    }
}

/// Appends 32 bytes in base64url: 43 characters.
pub(super) fn base64url(out: &mut String, bytes: &[u8; 32]) {
    let mut text = [0; 43];
    if let Ok(text) = Base64UrlUnpadded::encode(bytes, &mut text) {
        out.push_str(text);
    }
}

/// The second that was written last, for records that come many a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seconds {
    second: u64,
    text: [u8; 20],
}

impl Default for Seconds {
    fn default() -> Seconds {
        Seconds { second: 0, text: *b"1970-01-01T00:00:00." }
    }
}

impl Seconds {
    /// Appends a time as RFC 3339 writes it, in UTC, to the microsecond.
    pub(super) fn time(&mut self, out: &mut String, time: UnixTime) {
        if self.second != time.as_secs() {
            self.begin(time.as_secs());
        }
        out.push_str(core::str::from_utf8(&self.text).unwrap_or_default());
        let mut micros = *b"000000Z";
        digits(micros.get_mut(..6), time.as_micros() % 1_000_000);
        out.push_str(core::str::from_utf8(&micros).unwrap_or_default());
    }

    #[inline(never)]
    fn begin(&mut self, second: u64) {
        let (year, month, day) = date(second / 86_400);
        let (hour, minute) = (second / 3_600 % 24, second / 60 % 60);
        let numbers = [(year, 0..4), (month, 5..7), (day, 8..10), (hour, 11..13), (minute, 14..16)];
        for (number, place) in numbers.into_iter().chain([(second % 60, 17..19)]) {
            digits(self.text.get_mut(place), number);
        }
        self.second = second;
    }
}

/// Writes a number into all of that place.
fn digits(place: Option<&mut [u8]>, number: u64) {
    let mut rest = number;
    for digit in place.unwrap_or_default().iter_mut().rev() {
        *digit = b'0' | u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
}

/// Year, month and day of a day since 1970 in the Gregorian calendar: eras of 400 years, years that begin in March.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days.saturating_add(719_468);
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_based = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 { march_based + 3 } else { march_based - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::parse_date;
    use alloc::format;

    #[test]
    fn times_read_as_they_were_written() {
        // One after the other, as a stream has them: what was written last must not show.
        let mut seconds = Seconds::default();
        for secs in [0, 68_169_599, 951_782_400, 1_709_209_845, 1_798_761_600, 4_107_542_400, 253_402_300_799]
        {
            for micros in [7_089, 999_999, 0] {
                let mut text = String::new();
                seconds.time(&mut text, UnixTime::from_micros(secs * 1_000_000 + micros));
                let whole = text.strip_suffix(&format!(".{micros:06}Z")).unwrap();
                assert_eq!(parse_date(&format!("{whole}Z")).unwrap().as_secs(), secs, "{text}");
            }
        }
        for day in 0..40_000 {
            let mut text = String::new();
            seconds.time(&mut text, UnixTime::from_secs(day * 86_400));
            let whole = text.strip_suffix(".000000Z").unwrap();
            assert_eq!(parse_date(&format!("{whole}Z")).unwrap().as_secs(), day * 86_400);
        }
    }

    #[test]
    fn numbers_and_nesting() {
        let mut out = String::new();
        {
            let mut all = Members::object(&mut out);
            all.number("a", 0);
            all.number("b", 10);
            all.number("c", u64::MAX);
            all.text("d", "x\"\n\u{2028}");
            all.text_if("e", None);
            all.hex("f", &[0, 0xAB]);
            let mut list = all.list("g");
            list.item("1");
            list.item_object().number("h", 9);
            drop(list);
            all.nest("i").named("/a\"", "j");
            drop(all.list("k"));
            all.json("l", "[1]");
        }
        let expected = "{\"a\":0,\"b\":10,\"c\":18446744073709551615,\"d\":\"x\\\"\\n\\u2028\",\"f\":\"00ab\",\
            \"g\":[\"1\",{\"h\":9}],\"i\":{\"/a\\\"\":\"j\"},\"k\":[],\"l\":[1]}";
        assert_eq!(out, expected);
    }
}
