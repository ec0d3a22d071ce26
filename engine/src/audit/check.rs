// SPDX-License-Identifier: Apache-2.0
//! Whether records that are read back are the ones that were written: none changed, missing, moved, added.
//!
//! What is not shown by a chain alone: that the last records of a stream were cut off. Other streams' `start` and
//! `checkpoint` records bear witness to how far a stream had come; an `end` says that there is no more.

use super::chain::{Head, StreamId};
use super::key::{AuditKey, KeyId, Seal};
use super::link::{Kind, Link, Malformed, unhex};
use crate::json::{Doc, Limits, Value};
use crate::keys::decode_base64url;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// What is wrong with a record. The first of a stream is the one to look at; what comes after it is judged by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The line is no record of this version.
    Malformed(Malformed),
    /// The stream does not begin here: what stands before is missing, or this was put in.
    NotStarted {
        /// The number it has.
        seq: u64,
    },
    /// Records are missing before this one.
    Missing {
        /// The number that was due.
        due: u64,
        /// The number it has.
        found: u64,
    },
    /// A number that has been there already: repeated, or out of order.
    Repeated {
        /// The number that was due.
        due: u64,
        /// The number it has.
        found: u64,
    },
    /// The record before it, by its seal, is not the one that stands there.
    Unlinked,
    /// Its bytes are not the ones that were sealed.
    Changed,
    /// It is sealed under a key that was not given.
    UnknownKey(KeyId),
    /// It is not sealed under a key, where one was given: anybody could have written it.
    Unkeyed,
    /// It does not say how its stream is sealed, or which key is next.
    NoSeal,
    /// The stream had ended.
    AfterEnd,
    /// The stream stops before a record to which another bears witness: its end was cut off.
    Truncated {
        /// The number that was witnessed.
        witnessed: u64,
        /// The last number found; 0 where nothing of the stream was.
        last: u64,
    },
}

impl Fault {
    /// A word for it.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Fault::Malformed(_) => "malformed",
            Fault::NotStarted { .. } => "not_started",
            Fault::Missing { .. } => "missing",
            Fault::Repeated { .. } => "repeated",
            Fault::Unlinked => "unlinked",
            Fault::Changed => "changed",
            Fault::UnknownKey(_) => "unknown_key",
            Fault::Unkeyed => "unkeyed",
            Fault::NoSeal => "no_seal",
            Fault::AfterEnd => "after_end",
            Fault::Truncated { .. } => "truncated",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Malformed(what) => write!(f, "{what}"),
            Fault::NotStarted { seq } => {
                write!(f, "the stream begins at record {seq}: what stood before it is missing")
            }
            Fault::Missing { due, found } => write!(f, "record {due} was due, and {found} is here"),
            Fault::Repeated { due, found } => {
                write!(f, "record {found} again, or out of order: {due} was due")
            }
            Fault::Unlinked => f.write_str("it does not follow the record before it"),
            Fault::Changed => f.write_str("it is not what was sealed"),
            Fault::UnknownKey(id) => write!(f, "it is sealed under key `{}`, which was not given", id.text()),
            Fault::Unkeyed => f.write_str("it is not sealed under a key"),
            Fault::NoSeal => f.write_str("it does not say how its stream is sealed"),
            Fault::AfterEnd => f.write_str("its stream had ended"),
            Fault::Truncated { witnessed, last } => {
                write!(f, "the stream stops at record {last}, and had come to {witnessed}")
            }
        }
    }
}

/// How the records of a stream are to be sealed, as far as that is known.
#[derive(Clone, Debug)]
enum Known {
    Seal(Seal),
    /// Its key was not given.
    Foreign(KeyId),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Open,
    Ended,
}

struct Stream {
    last: Head,
    known: Known,
    life: Life,
    first_seq: u64,
    records: u64,
    faults: u64,
    witnessed: u64,
}

/// What was found of one stream.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The last record that was read.
    pub last: Head,
    /// The number of the first.
    pub first_seq: u64,
    /// How many were read.
    pub records: u64,
    /// How many of them had a fault.
    pub faults: u64,
    /// The key at its end; nothing for a stream without one.
    pub key: Option<KeyId>,
    /// Whether it ended in good order; else it is still being written, or its VM was lost.
    pub ended: bool,
    /// The furthest record to which others bear witness; 0 for none.
    pub witnessed: u64,
}

impl Summary {
    /// Whether its end is missing, as far as others know.
    #[must_use]
    pub fn truncation(&self) -> Option<Fault> {
        (self.witnessed > self.last.seq)
            .then_some(Fault::Truncated { witnessed: self.witnessed, last: self.last.seq })
    }
}

/// A record that is as it was written.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'l> {
    /// Its members.
    pub link: Link<'l>,
    /// Under which key it is sealed; nothing where it is by SHA-256 alone.
    pub key: Option<KeyId>,
}

/// Reads lines in the order in which they were written; streams may be mixed. Its memory grows with the number of
/// streams, not of records.
pub struct Verifier {
    keys: Vec<AuditKey>,
    streams: BTreeMap<StreamId, Stream>,
    witnessed: BTreeMap<StreamId, u64>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({} keys, {} streams)", self.keys.len(), self.streams.len())
    }
}

impl Verifier {
    /// With all keys that may have been in use. Without any, streams without a key are checked, and prove little.
    #[must_use]
    pub fn new(keys: Vec<AuditKey>) -> Verifier {
        Verifier { keys, streams: BTreeMap::new(), witnessed: BTreeMap::new() }
    }

    /// Takes it as proven that a stream had come this far, under this key: what stood before is in an archive.
    pub fn resume(&mut self, head: Head, key: Option<KeyId>) {
        let known = match key {
            Some(id) => self.by_id(id),
            None => Known::Seal(Seal::Plain),
        };
        let mut stream = Stream::at(head);
        stream.known = known;
        stream.records = 0;
        self.streams.insert(head.stream, stream);
    }

    /// Takes it as proven that a stream had come this far at least; if it stops sooner, [`Summary::truncation`] says so.
    pub fn expect(&mut self, stream: StreamId, seq: u64) {
        let known = self.witnessed.entry(stream).or_default();
        *known = seq.max(*known);
    }

    fn by_id(&self, id: KeyId) -> Known {
        match self.keys.iter().find(|key| key.id() == id) {
            Some(key) => Known::Seal(Seal::Keyed(key.clone())),
            None => Known::Foreign(id),
        }
    }

    /// Looks at the next line, without its line end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn look<'l>(&mut self, line: &'l [u8]) -> Result<Verified<'l>, Fault> {
        let link = Link::parse(line).map_err(Fault::Malformed)?;
        let verdict = self.judge(&link);
        let known = self.streams.entry(link.stream).or_insert_with(|| Stream::before(&link));
        known.records = known.records.saturating_add(1);
        known.last = Head { stream: link.stream, seq: link.seq, mac: link.mac };
        if verdict.is_err() {
            known.faults = known.faults.saturating_add(1);
        }
        let seal = verdict?;
        if link.kind == Kind::End {
            known.life = Life::Ended;
        }
        self.learn(&link)?;
        Ok(Verified { link, key: seal.key_id() })
    }

    /// Whether this is the record that was due in its stream; and under what it is sealed.
    fn judge(&mut self, link: &Link<'_>) -> Result<Seal, Fault> {
        let begins = link.seq == 1 && link.kind == Kind::Start && link.prev == [0; 32];
        let Some(stream) = self.streams.get(&link.stream) else {
            let known = if begins { self.announced(link)? } else { Known::Nothing };
            let stream = Stream { known: known.clone(), ..Stream::before(link) };
            self.streams.insert(link.stream, stream);
            return match known {
                Known::Nothing => Err(Fault::NotStarted { seq: link.seq }),
                Known::Foreign(_) | Known::Seal(_) => self.sealed(&known, link),
            };
        };
        let due = stream.last.seq.saturating_add(1);
        if link.seq > due {
            return Err(Fault::Missing { due, found: link.seq });
        }
        if link.seq < due {
            return Err(Fault::Repeated { due, found: link.seq });
        }
        if stream.life == Life::Ended {
            return Err(Fault::AfterEnd);
        }
        let (known, last) = (stream.known.clone(), stream.last.mac);
        // Its own bytes first: a changed record is the fault, not the one after it.
        let seal = self.sealed(&known, link)?;
        if link.prev == last { Ok(seal) } else { Err(Fault::Unlinked) }
    }

    fn sealed(&self, known: &Known, link: &Link<'_>) -> Result<Seal, Fault> {
        match known {
            Known::Foreign(id) => Err(Fault::UnknownKey(*id)),
            Known::Seal(Seal::Plain) if !self.keys.is_empty() => Err(Fault::Unkeyed),
            Known::Seal(seal) if seal.of(link.sealed.as_bytes()) == link.mac => Ok(seal.clone()),
            Known::Seal(_) => Err(Fault::Changed),
            Known::Nothing => {
                // Its start is missing, which was said once: any of the keys may have sealed it.
                let keys = self.keys.iter().map(|key| Seal::Keyed(key.clone()));
                let mut seals = keys.chain(self.keys.is_empty().then_some(Seal::Plain));
                seals.find(|seal| seal.of(link.sealed.as_bytes()) == link.mac).ok_or(Fault::Changed)
            }
        }
    }

    /// What a `start` says of its seal.
    fn announced(&self, link: &Link<'_>) -> Result<Known, Fault> {
        let doc = Doc::parse(link.text.as_bytes(), Limits::MESSAGE).map_err(|_| Fault::NoSeal)?;
        let root = doc.root();
        let chain = root.get("chain").and_then(|chain| chain.as_str()).ok_or(Fault::NoSeal)?;
        match chain.as_ref() {
            "sha256" => Ok(Known::Seal(Seal::Plain)),
            "hmac-sha256" => Ok(self.by_id(key_id(root).ok_or(Fault::NoSeal)?)),
            _ => Err(Fault::NoSeal),
        }
    }

    /// What a genuine record says about seals and other streams.
    fn learn(&mut self, link: &Link<'_>) -> Result<(), Fault> {
        if !matches!(link.kind, Kind::Start | Kind::Key | Kind::Checkpoint) {
            return Ok(());
        }
        let doc = Doc::parse(link.text.as_bytes(), Limits::MESSAGE).map_err(|_| Fault::NoSeal)?;
        let root = doc.root();
        if link.kind == Kind::Key {
            let next = self.by_id(key_id(root).ok_or(Fault::NoSeal)?);
            if let Some(stream) = self.streams.get_mut(&link.stream) {
                stream.known = next;
            }
        }
        for list in ["continues", "heads"].into_iter().filter_map(|name| root.get(name)) {
            for head in list.items().filter_map(head) {
                self.expect(head.stream, head.seq);
            }
        }
        Ok(())
    }

    /// Where each stream stands. Streams of which nothing was found, and to which others bear witness, are there too.
    #[must_use]
    pub fn finish(mut self) -> Vec<Summary> {
        for (stream, seq) in core::mem::take(&mut self.witnessed) {
            let absent = Head { stream, seq: 0, mac: [0; 32] };
            let known = self.streams.entry(stream).or_insert_with(|| Stream::at(absent));
            known.witnessed = seq;
        }
        let summary = |(_, stream): (StreamId, Stream)| Summary {
            last: stream.last,
            first_seq: stream.first_seq,
            records: stream.records,
            faults: stream.faults,
            key: match &stream.known {
                Known::Seal(seal) => seal.key_id(),
                Known::Foreign(id) => Some(*id),
                Known::Nothing => None,
            },
            ended: stream.life == Life::Ended,
            witnessed: stream.witnessed,
        };
        self.streams.into_iter().map(summary).collect()
    }
}

impl Stream {
    /// One that has come to `head`.
    fn at(head: Head) -> Stream {
        Stream {
            last: head,
            known: Known::Nothing,
            life: Life::Open,
            first_seq: head.seq.saturating_add(1),
            records: 0,
            faults: 0,
            witnessed: 0,
        }
    }

    /// One of which this is the first record that was found.
    fn before(link: &Link<'_>) -> Stream {
        Stream::at(Head { stream: link.stream, seq: link.seq.saturating_sub(1), mac: link.prev })
    }
}

fn key_id(root: Value<'_>) -> Option<KeyId> {
    unhex(&root.get("key")?.as_str()?).map(KeyId)
}

fn head(value: Value<'_>) -> Option<Head> {
    let stream = StreamId(unhex(&value.get("stream")?.as_str()?)?);
    let seq = u64::try_from(value.get("seq")?.as_i64()?).ok()?;
    let mac = decode_base64url(&value.get("mac")?.as_str()?)?.try_into().ok()?;
    Some(Head { stream, seq, mac })
}
