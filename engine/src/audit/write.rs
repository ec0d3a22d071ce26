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
    separator: &'static str,
    close: &'static str,
}

impl<'o> Members<'o> {
    /// More members of an object that has some already; whoever began it ends it.
    #[must_use]
    pub fn more(out: &'o mut String) -> Members<'o> {
        Members { out, separator: ",", close: "" }
    }

    /// A whole object.
    #[must_use]
    pub fn object(out: &'o mut String) -> Members<'o> {
        out.push('{');
        Members { out, separator: "", close: "}" }
    }

    fn name(&mut self, name: &str) {
        self.out.push_str(self.separator);
        self.separator = ",";
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

    /// As [`Members::text`], where there is one.
    pub fn text_if(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A member whose name comes from elsewhere.
    pub fn named(&mut self, name: &str, text: &str) {
        self.out.push_str(self.separator);
        self.separator = ",";
        self.value(name);
        self.out.push(':');
        self.value(text);
    }

    /// Members that [`Members::more`] has written, and so with a comma before the first.
    pub fn append(&mut self, members: &str) {
        self.out.push_str(members);
        self.separator = ",";
    }

    /// A member whose name comes from elsewhere, with bytes in lower-case hexadecimal.
    pub fn named_hex(&mut self, name: &str, bytes: &[u8]) {
        self.out.push_str(self.separator);
        self.separator = ",";
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
        self.name(name);
        self.out.push('"');
        hex(self.out, bytes);
        self.out.push('"');
    }

    /// A member with 32 bytes in base64url.
    pub fn digest(&mut self, name: &'static str, digest: &[u8; 32]) {
        self.name(name);
        self.out.push('"');
        base64url(self.out, digest);
        self.out.push('"');
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
        Members { out: self.out, separator: "", close: "]" }
    }

    /// A text in an array.
    pub fn item(&mut self, text: &str) {
        self.out.push_str(self.separator);
        self.separator = ",";
        self.value(text);
    }

    /// An object in an array.
    pub fn item_object(&mut self) -> Members<'_> {
        self.out.push_str(self.separator);
        self.separator = ",";
        Members::object(self.out)
    }
}

impl Drop for Members<'_> {
    fn drop(&mut self) {
        self.out.push_str(self.close);
    }
}

/// Appends a number in decimal.
pub(super) fn decimal(out: &mut String, number: u64) {
    let mut power = 1_u64;
    while number / power >= 10 {
        power = power.saturating_mul(10);
    }
    while power > 0 {
        digit(out, number / power % 10);
        power /= 10;
    }
}

fn digit(out: &mut String, digit: u64) {
    let digit = u32::try_from(digit).ok().and_then(|digit| char::from_digit(digit, 16));
    out.push(digit.unwrap_or('0'));
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

/// Appends a time as RFC 3339 writes it, in UTC, to the microsecond.
pub(super) fn time(out: &mut String, time: UnixTime) {
    let (secs, micros) = (time.as_secs(), time.as_micros() % 1_000_000);
    let (year, month, day) = date(secs / 86_400);
    let (hour, minute, second) = (secs / 3_600 % 24, secs / 60 % 60, secs % 60);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let places =
        [(year, 0..4), (month, 5..7), (day, 8..10), (hour, 11..13), (minute, 14..16), (second, 17..19)];
    for (number, place) in places.into_iter().chain([(micros, 20..26)]) {
        let mut rest = number;
        for digit in text.get_mut(place).unwrap_or_default().iter_mut().rev() {
            *digit = b'0' | u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
    }
    out.push_str(core::str::from_utf8(&text).unwrap_or_default());
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
        for secs in [0, 68_169_599, 951_782_400, 1_709_209_845, 1_798_761_600, 4_107_542_400, 253_402_300_799]
        {
            let mut text = String::new();
            time(&mut text, UnixTime::from_micros(secs * 1_000_000 + 7_089));
            let whole = text.strip_suffix(".007089Z").unwrap();
            assert_eq!(parse_date(&format!("{whole}Z")).unwrap().as_secs(), secs, "{text}");
        }
        for day in 0..40_000 {
            let mut text = String::new();
            time(&mut text, UnixTime::from_secs(day * 86_400));
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
