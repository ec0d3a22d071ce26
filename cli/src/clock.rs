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
    }

    #[test]
    fn spans_are_said_in_two_units() {
        assert_eq!(say(93_600), "1d 2h");
        assert_eq!(say(1_799), "29m 59s");
        assert_eq!(say(-60), "1m");
        assert_eq!(say(0), "0s");
    }
}
