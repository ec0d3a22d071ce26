// SPDX-License-Identifier: Apache-2.0
//! Dates as RFC 3339 writes them.

use crate::time::UnixTime;

/// Reads `2027-01-01T00:00:00Z`, with an offset such as `+02:00` in place of `Z` if wanted. No fractions.
pub(crate) fn parse(text: &str) -> Option<UnixTime> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let mut ymd = date.split('-');
    let (year, month, day) = (digits(ymd.next()?, 4)?, digits(ymd.next()?, 2)?, digits(ymd.next()?, 2)?);
    let (clock, zone) = rest.split_at_checked(8)?;
    let mut hms = clock.split(':');
    let (hour, minute, second) = (digits(hms.next()?, 2)?, digits(hms.next()?, 2)?, digits(hms.next()?, 2)?);
    let valid = ymd.next().is_none()
        && hms.next().is_none()
        && (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !valid {
        return None;
    }
    let secs = days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    u64::try_from(secs - offset(zone)?).ok().map(UnixTime::from_secs)
}

fn digits(text: &str, length: usize) -> Option<i64> {
    let plain = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Seconds east of UTC.
pub(super) fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leaps = |years: i64| years / 4 - years / 100 + years / 400;
    let years = (year - 1970) * 365 + leaps(before) - leaps(1969);
    let months: i64 = (1..month).map(|earlier| days_in(year, earlier)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_exactly() {
        for (text, secs) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2027-01-01T00:00:00Z", Some(1_798_761_600)),
            ("2024-02-29T12:30:45Z", Some(1_709_209_845)),
            ("2000-03-01T00:00:00+01:00", Some(951_865_200)),
            ("2023-02-29T00:00:00Z", None),
            ("2023-13-01T00:00:00Z", None),
            ("2023-01-01", None),
            ("2023-01-01T00:00:00", None),
            ("2023-1-01T00:00:00Z", None),
            ("2023-01-01T24:00:00Z", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("2400-02-29T00:00:00Z", Some(13_574_563_200)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
            ("2023-04-30T00:00:00Z", Some(1_682_812_800)),
            ("2023-12-31T23:59:59Z", Some(1_704_067_199)),
            ("2023-07-31T01:02:03Z", Some(1_690_765_323)),
            ("2024-01-01T00:00:00-01:30", Some(1_704_072_600)),
            ("2024-01-01T00:00:00+23:59", Some(1_703_980_860)),
            ("9999-12-31T23:59:59z", Some(253_402_300_799)),
            ("2100-02-29T00:00:00Z", None),
            ("2023-04-31T00:00:00Z", None),
            ("2023-06-31T00:00:00Z", None),
            ("2023-09-31T00:00:00Z", None),
            ("2023-11-31T00:00:00Z", None),
            ("2023-01-32T00:00:00Z", None),
            ("2023-01-00T00:00:00Z", None),
            ("2023-00-01T00:00:00Z", None),
            ("2023-01-01T00:60:00Z", None),
            ("2023-01-01T00:00:60Z", None),
            ("2023-01-01T00:00:00+24:00", None),
            ("2023-01-01T00:00:00+00:60", None),
            ("2023-01-01T00:00:00*01:00", None),
            ("2023-01-01-01T00:00:00Z", None),
            ("1969-12-31T23:00:00-02:00", None),
            ("10000-01-01T00:00:00Z", None),
        ] {
            assert_eq!(parse(text).map(UnixTime::as_secs), secs, "{text}");
        }
    }
}
