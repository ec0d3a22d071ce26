// SPDX-License-Identifier: Apache-2.0
//! A token bucket without a clock: what costs much, or goes out of the proxy, asks here first.
//!
//! Kept as the time at which the bucket will be full again (the generic cell rate algorithm), so that it needs no
//! refill and one number of state. A clock that jumps back cannot close it for longer than one full bucket.

use crate::time::UnixTime;

/// A bucket of at most `burst` tokens that gains one token each `interval`.
#[derive(Clone, Debug)]
pub struct Meter {
    burst: u32,
    interval_micros: u64,
    full_at: UnixTime,
}

/// Whether a token was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Take {
    /// One token taken: go on.
    Granted,
    /// No token left.
    Exhausted {
        /// Whole seconds, at least one, after which there will be one again.
        retry_after_secs: u64,
    },
}

impl Meter {
    /// A full bucket of `burst` tokens, gaining one each `interval_micros` microseconds (at least one).
    /// With a burst of 0 nothing is ever granted.
    #[must_use]
    pub const fn new(burst: u32, interval_micros: u64) -> Self {
        let interval_micros = if interval_micros == 0 { 1 } else { interval_micros };
        Meter { burst, interval_micros, full_at: UnixTime::from_micros(0) }
    }

    /// A full bucket of `burst` tokens, gaining `per_second` tokens each second.
    #[must_use]
    pub const fn per_second(burst: u32, per_second: u32) -> Self {
        let rate = if per_second == 0 { 1 } else { per_second as u64 };
        Meter::new(if per_second == 0 { 0 } else { burst }, 1_000_000 / rate)
    }

    /// Takes one token, if there is one.
    pub fn try_take(&mut self, now: UnixTime) -> Take {
        self.try_take_many(1, now)
    }

    /// Takes `count` tokens, if there are as many. What is more than the bucket holds is never granted.
    pub fn try_take_many(&mut self, count: u32, now: UnixTime) -> Take {
        let depth = u64::from(self.burst).saturating_mul(self.interval_micros);
        let missing = self.full_at.micros_since(now).min(depth);
        self.full_at = UnixTime::from_micros(now.as_micros().saturating_add(missing));
        let price = u64::from(count).saturating_mul(self.interval_micros);
        let wanted = missing.saturating_add(price);
        if wanted > depth {
            let wait = if count > self.burst { u64::MAX } else { wanted - depth };
            return Take::Exhausted { retry_after_secs: wait.div_ceil(1_000_000).clamp(1, 3_600) };
        }
        self.full_at = UnixTime::from_micros(now.as_micros().saturating_add(wanted));
        Take::Granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(meter: &mut Meter, now: UnixTime) -> u32 {
        let mut count = 0;
        while count < 1_000 && meter.try_take(now) == Take::Granted {
            count += 1;
        }
        count
    }

    #[test]
    fn burst_then_rate() {
        let mut meter = Meter::new(2, 30_000_000);
        let start = UnixTime::from_secs(1_000);
        assert_eq!(granted(&mut meter, start), 2);
        assert_eq!(meter.try_take(start.plus_secs(20)), Take::Exhausted { retry_after_secs: 10 });
        assert_eq!(granted(&mut meter, start.plus_secs(30)), 1);
        assert_eq!(granted(&mut meter, start.plus_secs(3_000)), 2);
    }

    #[test]
    fn many_at_once_wait_until_there_are_as_many() {
        let mut meter = Meter::new(10, 1_000_000);
        let start = UnixTime::from_secs(1_000);
        assert_eq!(meter.try_take_many(8, start), Take::Granted);
        assert_eq!(meter.try_take_many(5, start), Take::Exhausted { retry_after_secs: 3 });
        assert_eq!(meter.try_take_many(2, start), Take::Granted);
        assert_eq!(meter.try_take_many(5, start.plus_secs(1)), Take::Exhausted { retry_after_secs: 4 });
        assert_eq!(meter.try_take_many(5, start.plus_secs(5)), Take::Granted);
        assert_eq!(
            meter.try_take_many(11, start.plus_secs(500)),
            Take::Exhausted { retry_after_secs: 3_600 }
        );
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_close_it() {
        let mut meter = Meter::per_second(10, 10);
        assert_eq!(granted(&mut meter, UnixTime::from_secs(1_000_000)), 10);
        let past = UnixTime::from_secs(10);
        assert_eq!(granted(&mut meter, past), 0);
        assert_eq!(meter.try_take(past), Take::Exhausted { retry_after_secs: 1 });
        assert_eq!(granted(&mut meter, past.plus_millis(500)), 5);
    }

    #[test]
    fn zero_grants_nothing() {
        assert_eq!(granted(&mut Meter::new(0, 1), UnixTime::from_secs(5)), 0);
        assert_eq!(granted(&mut Meter::per_second(5, 0), UnixTime::from_secs(5)), 0);
    }
}
