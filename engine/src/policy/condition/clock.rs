// SPDX-License-Identifier: Apache-2.0
//! Hours of the day and days of the week, in UTC or at a fixed offset from it (decision 0007).

use crate::json::{DeError, Segment};
use crate::policy::date::offset;
use crate::policy::wire::{TimeWire, Weekday};
use crate::time::UnixTime;
use alloc::borrow::ToOwned;
use alloc::format;

const DAY: i64 = 86_400;
const HELP: &str = "write it like `09:30`, up to `24:00`";

/// A window of every week.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Hours {
    /// One bit for each day, Monday first.
    days: u8,
    /// Seconds since midnight.
    from: i64,
    /// Exclusive.
    until: i64,
    /// Seconds east of UTC.
    offset: i64,
}

impl Hours {
    pub(super) fn compile(wire: &TimeWire) -> Result<Hours, DeError> {
        let days = match &wire.days {
            None => 0b111_1111,
            Some(days) if days.is_empty() => {
                return Err(at("days", DeError::new("an empty list can never match".to_owned())));
            }
            Some(days) => days.iter().fold(0, |set, day| set | bit(*day)),
        };
        let from = wire.from.as_deref().map_or(Ok(0), |text| clock("from", text))?;
        let until = wire.until.as_deref().map_or(Ok(DAY), |text| clock("until", text))?;
        if from == until || from == DAY {
            let error = DeError::new("the window is empty, so it can never match".to_owned());
            return Err(at(if from == DAY { "from" } else { "until" }, error));
        }
        let zone = wire.zone.as_deref().unwrap_or("UTC");
        let offset =
            if zone == "UTC" { Some(0) } else { offset(zone).filter(|east| east.abs() <= 14 * 3_600) };
        let Some(offset) = offset else {
            let error = DeError::new(format!("`{zone}` is not an offset from UTC"));
            let help =
                "write `UTC`, or an offset such as `+01:00`; names of zones are not known here".to_owned();
            return Err(at("zone", error.with_help(help)));
        };
        Ok(Hours { days, from, until, offset })
    }

    /// Whether `now` lies inside. A window over midnight belongs to the day on which it begins.
    pub(super) fn hold(&self, now: UnixTime) -> bool {
        let Ok(utc) = i64::try_from(now.as_secs()) else { return false };
        let local = utc + self.offset;
        let (day, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let window = self.from..self.until;
        if !window.is_empty() {
            return self.on(day) && window.contains(&second);
        }
        (second >= self.from && self.on(day)) || (second < self.until && self.on(day - 1))
    }

    /// Day 0, the first of January 1970, was a Thursday.
    fn on(&self, day: i64) -> bool {
        self.days >> (day + 3).rem_euclid(7) & 1 == 1
    }
}

fn bit(day: Weekday) -> u8 {
    match day {
        Weekday::Mon => 1,
        Weekday::Tue => 1 << 1,
        Weekday::Wed => 1 << 2,
        Weekday::Thu => 1 << 3,
        Weekday::Fri => 1 << 4,
        Weekday::Sat => 1 << 5,
        Weekday::Sun => 1 << 6,
    }
}

/// Seconds since midnight.
fn clock(name: &str, text: &str) -> Result<i64, DeError> {
    let digits = |part: &str| {
        let plain = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if plain { part.parse::<i64>().ok() } else { None }
    };
    let parsed = text.split_once(':').and_then(|(hours, minutes)| Some((digits(hours)?, digits(minutes)?)));
    match parsed {
        Some((hours, minutes)) if (hours < 24 && minutes < 60) || (hours, minutes) == (24, 0) => {
            Ok(hours * 3_600 + minutes * 60)
        }
        Some(_) | None => {
            let error = DeError::new(format!("`{text}` is not a time of day"));
            Err(at(name, error.with_help(HELP.to_owned())))
        }
    }
}

fn at(name: &str, error: DeError) -> DeError {
    error.inside(Segment::Key(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_is_its_own() {
        use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
        for (at, day) in (0_u64..).zip([Thu, Fri, Sat, Sun, Mon, Tue, Wed]) {
            // Twice the same day is that day.
            let wire = TimeWire { days: Some([day, day].into()), from: None, until: None, zone: None };
            let hours = Hours::compile(&wire).unwrap();
            for other in 0..14 {
                let noon = UnixTime::from_secs(other * 86_400 + 43_200);
                assert_eq!(hours.hold(noon), other % 7 == at, "{day:?} {other}");
            }
        }
    }

    #[test]
    fn times_of_day_are_read_to_the_minute() {
        for (text, seconds) in
            [("00:00", 0), ("00:01", 60), ("12:34", 45_240), ("23:59", 86_340), ("24:00", DAY)]
        {
            assert_eq!(clock("from", text).unwrap(), seconds, "{text}");
        }
        for text in ["24:01", "24:59", "25:00", "99:00", "12:60", "23:99", "1:00", "12:5", "+1:00", "12"] {
            assert!(clock("from", text).is_err(), "{text}");
        }
    }
}
