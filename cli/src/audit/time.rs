// SPDX-License-Identifier: Apache-2.0
//! Times as records write them and as people ask for them.

use crate::clock;

/// Microseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000;

/// Microseconds since 1970 of a time such as `2026-11-21T08:00:00.123456Z`; the fraction may be left out.
pub(crate) fn micros(text: &str) -> Option<i64> {
    let (seconds, rest) = text.split_at_checked(19)?;
    let fraction = rest.strip_suffix('Z')?;
    let micros = match fraction.strip_prefix('.') {
        Some(digits) if (1..=6).contains(&digits.len()) => {
            let scale = 10_i64.checked_pow(u32::try_from(6 - digits.len()).ok()?)?;
            number(digits)?.checked_mul(scale)?
        }
        Some(_) => return None,
        None if fraction.is_empty() => 0,
        None => return None,
    };
    let (date, clock) = seconds.split_once('T')?;
    let (hour, minute, second) = triple(clock, ':')?;
    let fits = clock.len() == 8 && hour < 24 && minute < 60 && second < 61;
    let of_day = (hour * 60 + minute) * 60 + second;
    days(date)?
        .checked_mul(86_400)?
        .checked_add(of_day)
        .filter(|_| fits)?
        .checked_mul(SECOND)?
        .checked_add(micros)
}

/// Microseconds since 1970 of what people write: a time, a date (its beginning, in UTC) or a span before now (`24h`).
pub(crate) fn moment(text: &str) -> Result<i64, String> {
    let wrong = || {
        "write a time like `2026-11-21T08:00:00Z`, a date like `2026-11-21`, or a span before now like `24h`"
            .to_owned()
    };
    if let Some(found) = micros(text) {
        return Ok(found);
    }
    if let Some(day) = days(text) {
        return Ok(day * 86_400 * SECOND);
    }
    let span = clock::parse_span(text).map_err(|_| wrong())?;
    Ok((clock::now() - clock::seconds(span)) * SECOND)
}

/// A time to the second, as records write them.
pub(crate) fn say(micros: i64) -> String {
    clock::rfc3339(micros.div_euclid(SECOND))
}

/// Days since 1970 of `2026-11-21`, in the Gregorian calendar.
fn days(date: &str) -> Option<i64> {
    let (year, month, day) = triple(date, '-')?;
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        _ => 31,
    };
    if date.len() != 10 || !(1..=12).contains(&month) || !(1..=last).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last (Hinnant, `days_from_civil`).
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn triple(text: &str, between: char) -> Option<(i64, i64, i64)> {
    let mut parts = text.split(between).map(number);
    let found = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(found)
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for secs in [0, 951_782_399, 951_782_400, 1_709_209_845, 1_798_761_600, 4_107_542_400] {
            assert_eq!(micros(&clock::rfc3339(secs)), Some(secs * SECOND), "{}", clock::rfc3339(secs));
        }
        assert_eq!(micros("1970-01-01T00:00:00.000007Z"), Some(7));
        assert_eq!(micros("1970-01-01T00:00:00.5Z"), Some(500_000));
        for wrong in [
            "",
            "2026-11-21",
            "2026-02-30T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T08:00:00+00:00",
            "2026-11-21T8:00:00Z",
            "2026-11-21T08:00:00.1234567Z",
            "+026-11-21T08:00:00Z",
        ] {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn people_may_write_dates_and_spans() {
        assert_eq!(moment("1970-01-02"), Ok(86_400 * SECOND));
        assert!(moment("24h").is_ok_and(|at| at < clock::now() * SECOND));
        assert!(moment("yesterday").is_err());
    }
}
