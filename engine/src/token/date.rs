// SPDX-License-Identifier: Apache-2.0
//! NumericDate (RFC 7519 section 2), read from its text so that no double rounds it.

use crate::time::UnixTime;

/// 9999-12-31T23:59:59Z: whatever is later is a mistake, often milliseconds taken for seconds.
const LATEST_SECS: u64 = 253_402_300_799;
const MAX_DIGITS: usize = 40;
/// As many as [`LATEST_SECS`] has.
const USUAL_DIGITS: usize = 12;

/// Reads a JSON number as seconds since the epoch, to the microsecond, rounding down.
/// Negative numbers, numbers after the year 9999 and overlong ones give `None`.
pub(crate) fn numeric_date(number: &str) -> Option<UnixTime> {
    if number.starts_with('-') || number.len() > MAX_DIGITS {
        return None;
    }
    // As nearly everybody writes it.
    if number.len() <= USUAL_DIGITS && number.bytes().all(|byte| byte.is_ascii_digit()) {
        let secs = number.bytes().fold(0, |secs, digit| secs * 10 + u64::from(digit - b'0'));
        return (secs <= LATEST_SECS).then_some(UnixTime::from_secs(secs));
    }
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // The value in microseconds is the first `count` digits.
    let count = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(6)?;
    let mut digits = whole.bytes().chain(fraction.bytes());
    let mut micros = 0_u64;
    for _ in 0..count.clamp(0, 64) {
        let digit = match digits.next() {
            None => 0,
            Some(byte @ b'0'..=b'9') => u64::from(byte - b'0'),
            Some(_) => return None,
        };
        micros = micros.checked_mul(10)?.checked_add(digit)?;
    }
    (micros / 1_000_000 <= LATEST_SECS).then_some(UnixTime::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_fractions_and_exponents_are_exact() {
        for (text, micros) in [
            ("0", 0),
            ("1300819380", 1_300_819_380_000_000),
            ("1300819380.5", 1_300_819_380_500_000),
            ("1300819380.1234569", 1_300_819_380_123_456),
            ("1.3e9", 1_300_000_000_000_000),
            ("1.30081938E+9", 1_300_819_380_000_000),
            ("13000000000e-1", 1_300_000_000_000_000),
            ("1e-9", 0),
            ("0e99", 0),
            ("253402300799", 253_402_300_799_000_000),
        ] {
            assert_eq!(numeric_date(text).map(UnixTime::as_micros), Some(micros), "{text}");
        }
    }

    #[test]
    fn absurd_dates_are_none() {
        for text in [
            "-1",
            "-0",
            "253402300800",
            "1300819380000",
            "1e12",
            "1e99",
            "1e9999999999",
            "9e2147483647",
            "99999999999999999999999999",
        ] {
            assert_eq!(numeric_date(text), None, "{text}");
        }
        assert!(numeric_date(&alloc::format!("1.{}", "0".repeat(38))).is_some());
        assert_eq!(numeric_date(&alloc::format!("1.{}", "0".repeat(39))), None);
    }
}
