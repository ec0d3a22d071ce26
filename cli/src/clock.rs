// SPDX-License-Identifier: Apache-2.0
//! The time of day and spans of time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970 by the clock of this machine; 0 on a clock before that.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    seconds(since)
}

/// Whole seconds of a span.
pub(crate) fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// Reads `90s`, `5m`, `2h`, `7d`.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|char: char| !char.is_ascii_digit());
    let unit = match text.strip_prefix(digits) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3_600,
        Some("d") => 86_400,
        _ => return Err("write a number and a unit, for example `90s`, `5m`, `2h` or `7d`".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| "write a whole number before the unit".to_owned())?;
    let total = count.checked_mul(unit).filter(|total| *total <= 100 * 365 * 86_400);
    total.map(Duration::from_secs).ok_or_else(|| "a span of more than 100 years".to_owned())
}

/// The same, for what must not have ended as soon as it is made.
pub(crate) fn parse_lifetime(text: &str) -> Result<Duration, String> {
    match parse_span(text)? {
        Duration::ZERO => Err("it would have ended already; write a longer span".to_owned()),
        span => Ok(span),
    }
}

/// Writes a time as RFC 3339 does, in UTC: `2027-01-01T00:00:00Z`.
pub(crate) fn rfc3339(secs: i64) -> String {
    let (days, rest) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    // Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day is the last.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let date = of_year - (153 * march + 2) / 5 + 1;
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Writes a span as people say it: `1d 2h`, `29m 59s`.
pub(crate) fn say(total: i64) -> String {
    let total = total.unsigned_abs();
    let parts = [(total / 86_400, "d"), (total / 3_600 % 24, "h"), (total / 60 % 60, "m"), (total % 60, "s")];
    let said: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if said.is_empty() { "0s".to_owned() } else { said.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_their_unit_and_refused_without() {
        assert_eq!(parse_span("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_span("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["5", "m", "", "5 m", "-5m", "5w", "99999999999999999999s", "9999999d"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
        assert_eq!((parse_span("0d"), parse_lifetime("0d").is_err()), (Ok(Duration::ZERO), true));
        assert_eq!(parse_lifetime("1s"), Ok(Duration::from_secs(1)));
    }

    #[test]
    fn times_are_written_in_utc() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_800_000_000, "2027-01-15T08:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(secs), text);
        }
    }

    #[test]
    fn spans_are_said_in_two_units() {
        assert_eq!(say(93_600), "1d 2h");
        assert_eq!(say(1_799), "29m 59s");
        assert_eq!(say(-60), "1m");
        assert_eq!(say(0), "0s");
    }
}
