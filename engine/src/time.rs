// SPDX-License-Identifier: Apache-2.0
//! Time as the shell gives it.

use core::fmt;

/// A point in time: microseconds since 1970-01-01T00:00:00Z. The engine never reads a clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(u64);

impl UnixTime {
    /// From whole seconds; saturates.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        UnixTime(secs.saturating_mul(1_000_000))
    }

    /// From nanoseconds, as proxies give it.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        UnixTime(nanos / 1_000)
    }

    /// From microseconds.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        UnixTime(micros)
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Microseconds from `earlier` to this; zero if `earlier` is later.
    #[must_use]
    pub const fn micros_since(self, earlier: UnixTime) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Later by whole seconds; saturates.
    #[must_use]
    pub const fn plus_secs(self, secs: u64) -> Self {
        UnixTime(self.0.saturating_add(secs.saturating_mul(1_000_000)))
    }

    /// Later by milliseconds; saturates.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        UnixTime(self.0.saturating_add(millis.saturating_mul(1_000)))
    }

    /// Earlier by whole seconds; stops at the epoch.
    #[must_use]
    pub const fn minus_secs(self, secs: u64) -> Self {
        UnixTime(self.0.saturating_sub(secs.saturating_mul(1_000_000)))
    }
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
