// SPDX-License-Identifier: Apache-2.0
//! How long a fetched document stays fresh (RFC 9111 sections 4.2 and 5.2.2), between a floor and a ceiling.
//!
//! What enters: the values of `Cache-Control`, `Age`, `Expires` and `Date`, as an outsider may have written them.
//! What leaves: seconds. What cannot be read counts as absent, except `Expires`, where it means expired
//! (RFC 9111 section 5.3). Deliberately absent: `s-maxage` (this is not a shared cache) and revalidation.

/// The freshness headers of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Freshness<'a> {
    /// `Cache-Control`.
    pub cache_control: Option<&'a str>,
    /// `Age`.
    pub age: Option<&'a str>,
    /// `Expires`.
    pub expires: Option<&'a str>,
    /// `Date`.
    pub date: Option<&'a str>,
}

/// The bounds of a lifetime, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshnessRules {
    /// Never shorter; also what `no-store` and `no-cache` give. Default 60.
    pub floor_secs: u64,
    /// Never longer. Default 3,600.
    pub ceiling_secs: u64,
    /// Where the answer says nothing. Default 600.
    pub default_secs: u64,
}

impl Default for FreshnessRules {
    fn default() -> Self {
        FreshnessRules { floor_secs: 60, ceiling_secs: 3_600, default_secs: 600 }
    }
}

impl Freshness<'_> {
    /// The lifetime of the answer in seconds, from now on.
    #[must_use]
    pub fn lifetime_secs(&self, rules: &FreshnessRules, now_secs: u64) -> u64 {
        let said = match self.cache_control.map(directive) {
            Some(Directive::Never) => Some(0),
            Some(Directive::MaxAge(secs)) => Some(secs),
            Some(Directive::Silent) | None => self.expires_in(now_secs),
        };
        let age = self.age.and_then(|age| delta_seconds(age.trim())).unwrap_or(0);
        let lifetime = said.map_or(rules.default_secs, |secs| secs.saturating_sub(age));
        lifetime.min(rules.ceiling_secs).max(rules.floor_secs)
    }

    fn expires_in(&self, now_secs: u64) -> Option<u64> {
        let expires = self.expires?;
        let from = self.date.and_then(http_date).unwrap_or(now_secs);
        Some(http_date(expires).map_or(0, |at| at.saturating_sub(from)))
    }
}

enum Directive {
    Never,
    MaxAge(u64),
    Silent,
}

/// The strictest of the directives, `max-age` being the smallest where it stands more than once.
fn directive(value: &str) -> Directive {
    let mut max_age: Option<u64> = None;
    for part in value.split(',').take(64) {
        let (name, argument) = part.split_once('=').unwrap_or((part, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Directive::Never;
        }
        if name.eq_ignore_ascii_case("max-age") {
            let secs = delta_seconds(argument.trim().trim_matches('"')).unwrap_or(0);
            max_age = Some(max_age.map_or(secs, |other| other.min(secs)));
        }
    }
    max_age.map_or(Directive::Silent, Directive::MaxAge)
}

/// RFC 9111 section 1.2.2: digits; what is too large counts as 2^31.
fn delta_seconds(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse::<u64>().map_or(1 << 31, |secs| secs.min(1 << 31)))
}

/// An IMF-fixdate (RFC 9110 section 5.6.7), `Sun, 06 Nov 1994 08:49:37 GMT`, as seconds since the epoch.
fn http_date(text: &str) -> Option<u64> {
    let (_, rest) = text.trim().split_once(", ")?;
    let mut parts = rest.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (time, zone) = (parts.next()?, parts.next()?);
    if zone != "GMT" || parts.next().is_some() {
        return None;
    }
    let mut clock = time.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let valid = hour < 24 && minute < 60 && second <= 60 && clock.next().is_none();
    let days = days_since_epoch(number(year, 4)?, month_number(month)?, number(day, 2)?)?;
    valid.then(|| days * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn month_number(name: &str) -> Option<u64> {
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    (1..).zip(NAMES).find(|(_, known)| *known == name).map(|(number, _)| number)
}

/// Days from 1970-01-01 in the Gregorian calendar, by counting years from March.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    days.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(cache_control: Option<&str>, age: Option<&str>, expires: Option<&str>) -> u64 {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        Freshness { cache_control, age, expires, date }.lifetime_secs(&FreshnessRules::default(), 784_111_777)
    }

    #[test]
    fn dates_are_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        for text in [
            "",
            "0",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn lifetimes_stay_between_floor_and_ceiling() {
        assert_eq!(secs(None, None, None), 600);
        assert_eq!(secs(Some("public, max-age=900"), None, None), 900);
        assert_eq!(secs(Some("Max-Age=\"900\""), Some("100"), None), 800);
        assert_eq!(secs(Some("max-age=900"), Some("5000"), None), 60);
        assert_eq!(secs(Some("max-age=900, max-age=300"), None, None), 300);
        assert_eq!(secs(Some("max-age=junk"), None, None), 60);
        assert_eq!(secs(Some("no-store, max-age=900"), None, None), 60);
        assert_eq!(secs(Some("max-age=99999999999999999999"), None, None), 3_600);
        assert_eq!(secs(Some("max-age=0"), None, None), 60);
        assert_eq!(secs(None, None, Some("Sun, 06 Nov 1994 09:09:37 GMT")), 1_200);
        assert_eq!(secs(Some("public"), None, Some("0")), 60);
    }
}
