// SPDX-License-Identifier: Apache-2.0
//! A chain of records: each carries the seal of the one before it, and its own.

use super::key::{AuditKey, Seal};
use super::link::Kind;
use super::write::{Members, Seconds, base64url, decimal, hex};
use crate::time::UnixTime;
use alloc::string::String;

/// Names a stream: 16 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub [u8; 16]);

impl StreamId {
    /// 32 hexadecimal digits.
    #[must_use]
    pub fn text(self) -> String {
        let mut text = String::with_capacity(32);
        hex(&mut text, &self.0);
        text
    }
}

/// The last record of a stream, as another stream may bear witness to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The stream.
    pub stream: StreamId,
    /// The number of its last record; 0 before the first.
    pub seq: u64,
    /// The seal of that record.
    pub mac: [u8; 32],
}

/// One stream that is being written.
#[derive(Debug)]
pub struct Chain {
    head: Head,
    seal: Seal,
    /// The name of its stream, which each record begins with.
    name: String,
    /// The seal of the last record as it was written there: the next repeats it.
    sealed: String,
    seconds: Seconds,
}

impl Chain {
    /// A new stream.
    #[must_use]
    pub fn new(stream: StreamId, seal: Seal) -> Chain {
        let head = Head { stream, seq: 0, mac: [0; 32] };
        let mut sealed = String::with_capacity(43);
        base64url(&mut sealed, &head.mac);
        Chain { head, seal, name: stream.text(), sealed, seconds: Seconds::default() }
    }

    /// Where it stands.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// How its records are sealed.
    #[must_use]
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Appends a record to `out`, without a line end. `write` adds the members that its kind has.
    pub fn append(
        &mut self,
        out: &mut String,
        now: UnixTime,
        kind: Kind,
        write: &mut dyn FnMut(&mut Members<'_>),
    ) {
        let start = out.len();
        self.head.seq = self.head.seq.saturating_add(1);
        out.push_str("{\"v\":1,\"stream\":\"");
        out.push_str(&self.name);
        out.push_str("\",\"seq\":");
        decimal(out, self.head.seq);
        out.push_str(",\"time\":\"");
        self.seconds.time(out, now);
        out.push_str("\",\"kind\":\"");
        out.push_str(kind.word());
        out.push('"');
        write(&mut Members::more(out));
        out.push_str(",\"prev\":\"");
        out.push_str(&self.sealed);
        out.push('"');
        self.head.mac = self.seal.of(out.as_bytes().get(start..).unwrap_or_default());
        self.sealed.clear();
        base64url(&mut self.sealed, &self.head.mac);
        out.push_str(",\"mac\":\"");
        out.push_str(&self.sealed);
        out.push_str("\"}");
    }

    /// Appends a record, sealed under the old key, that names the next; what follows is sealed under that.
    pub fn hand_over(&mut self, out: &mut String, now: UnixTime, next: AuditKey) {
        let id = next.id().0;
        self.append(out, now, Kind::Key, &mut |members| members.hex("key", &id));
        self.seal = Seal::Keyed(next);
    }
}
