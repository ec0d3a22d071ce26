// SPDX-License-Identifier: Apache-2.0
//! Audit records in the order of their files, verified: what is wrong, and where; what each stream holds.
//!
//! The engine judges each record. Here its judgements get a place, and bounds: memory grows with streams, and of those
//! there may be [`MOST_STREAMS`].

use std::collections::{BTreeMap, BTreeSet};

use toolgate_engine::audit::{AuditKey, Fault, Head, Kind, Link, StreamId, Summary, Verified, Verifier};

use super::{
    copies::Copies,
    entries::{Damage, Entry, Spot},
    finding::Finding,
    keys::Keys,
    manifest::{Folder, Heads},
    record::Record,
    seen::{Begins, Said, Seen},
};
use crate::diagnostic::Failure;

/// A fleet of a thousand proxies of eight workers, reloaded ten times.
const MOST_STREAMS: usize = 100_000;

/// So many findings are kept; the rest is counted.
const MOST_FINDINGS: usize = 1_000;

/// What streams may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Their first record, or what follows the head of an archive.
    Whole,
    /// Any record: a part of a trail is looked at.
    Anywhere,
}

/// A trail while it is read.
#[derive(Debug)]
pub(crate) struct Trail {
    verifier: Verifier,
    keys: Vec<AuditKey>,
    begin: Begin,
    /// Streams that begin in the middle, and of which no record could be held against a key yet.
    unsettled: BTreeSet<StreamId>,
    streams: BTreeMap<StreamId, Seen>,
    copies: Copies,
    findings: Vec<Finding>,
    found: u64,
    records: u64,
    unreadable: u64,
}

/// A trail that was read.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) streams: Vec<(Summary, Option<Seen>)>,
    pub(crate) findings: Vec<Finding>,
    /// How many there were, kept or not.
    pub(crate) found: u64,
    pub(crate) records: u64,
    /// Genuine records that are not understood.
    pub(crate) unreadable: u64,
    /// Whether keys were given.
    pub(crate) keyed: Keyed,
}

/// Whether records were held against a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyed {
    Yes,
    No,
}

impl Trail {
    pub(crate) fn new(keys: Vec<AuditKey>, begin: Begin) -> Self {
        Self {
            verifier: Verifier::new(keys.clone()),
            keys,
            begin,
            unsettled: BTreeSet::new(),
            streams: BTreeMap::new(),
            copies: Copies::default(),
            findings: Vec::new(),
            found: 0,
            records: 0,
            unreadable: 0,
        }
    }

    /// One that goes on where these archives stop, if there are any; what is wrong with their files is found at once.
    pub(crate) fn after(archives: Option<&Folder>, keys: &Keys, begin: Begin) -> Result<Self, Failure> {
        let mut trail = Self::new(keys.records(), begin);
        if let Some(folder) = archives {
            folder.check_files(&mut trail)?;
            trail.resume(&folder.heads(keys)?);
        }
        Ok(trail)
    }

    /// Takes as proven what archives say of streams.
    pub(crate) fn resume(&mut self, heads: &Heads) {
        for head in heads.all() {
            self.verifier.resume(head.head, head.key);
            let seen = Seen { outlet: head.outlet.clone(), ..Seen::new(Begins::Archive) };
            self.streams.insert(head.head.stream, seen);
        }
    }

    /// Takes it as proven that a stream had come so far: if it stops sooner, its end was cut off.
    pub(crate) fn expect(&mut self, stream: StreamId, seq: u64) {
        self.verifier.expect(stream, seq);
    }

    /// Looks at the next thing. A record goes to `each`, if it is genuine and understood.
    pub(crate) fn look(
        &mut self,
        spot: Spot,
        entry: &Entry<'_>,
        each: impl FnOnce(&Verified<'_>, &Record<'_>),
    ) -> Result<(), Failure> {
        let bytes = match entry {
            Entry::Record(bytes) => bytes,
            Entry::Damaged(damage) => {
                self.damaged(spot, *damage);
                return Ok(());
            }
        };
        self.records += 1;
        if self.is_copy(bytes) {
            return Ok(());
        }
        if self.is_unsettled(bytes) {
            return self.settle(spot, bytes, each);
        }
        let verdict = match self.verifier.look(bytes) {
            Err(Fault::NotStarted { .. }) if self.begin == Begin::Anywhere => {
                return self.settle(spot, bytes, each);
            }
            other => other,
        };
        self.judged(spot, bytes, verdict, each)
    }

    fn judged<'l>(
        &mut self,
        spot: Spot,
        bytes: &'l [u8],
        verdict: Result<Verified<'l>, Fault>,
        each: impl FnOnce(&Verified<'_>, &Record<'_>),
    ) -> Result<(), Failure> {
        let verified = match verdict {
            Ok(verified) => verified,
            Err(fault) => return self.faulty(spot, bytes, fault),
        };
        let link = verified.link;
        self.note(spot, &link)?;
        if let Some(seen) = self.streams.get_mut(&link.stream) {
            seen.last = Some(Head { stream: link.stream, seq: link.seq, mac: link.mac });
        }
        match Record::parse(link.text) {
            Ok(record) => {
                self.remember(&link, &record);
                each(&verified, &record);
            }
            Err(_) => self.unreadable += 1,
        }
        // Its outlet is known now, also of a `start`.
        let outlet = self.streams.get(&link.stream).and_then(|seen| seen.outlet.as_deref());
        if Copies::may_be(outlet) {
            self.copies.note(link.stream, bytes);
        }
        Ok(())
    }

    /// A line that came twice must not reach the verifier, which would start again behind it.
    fn is_copy(&mut self, bytes: &[u8]) -> bool {
        if self.copies.is_empty() {
            return false;
        }
        let Ok(link) = Link::parse(bytes) else { return false };
        let Some(seen) = self.streams.get_mut(&link.stream) else { return false };
        let old = seen.last.is_some_and(|last| link.seq <= last.seq);
        let copy = old && Copies::may_be(seen.outlet.as_deref()) && self.copies.has(link.stream, bytes);
        seen.copies += u64::from(copy);
        copy
    }

    fn is_unsettled(&self, bytes: &[u8]) -> bool {
        let own = |link: Link<'_>| self.unsettled.contains(&link.stream);
        !self.unsettled.is_empty() && Link::parse(bytes).is_ok_and(own)
    }

    /// The first record of a stream whose beginning is not here is taken at its word for what precedes it, once it
    /// is sealed under one of the keys.
    fn settle(
        &mut self,
        spot: Spot,
        bytes: &[u8],
        each: impl FnOnce(&Verified<'_>, &Record<'_>),
    ) -> Result<(), Failure> {
        let link = match Link::parse(bytes) {
            Ok(link) => link,
            Err(what) => return self.faulty(spot, bytes, Fault::Malformed(what)),
        };
        self.streams.entry(link.stream).or_insert_with(|| Seen::new(Begins::Middle));
        let before = Head { stream: link.stream, seq: link.seq.saturating_sub(1), mac: link.prev };
        let keys = self.keys.iter().map(|key| Some(key.id()));
        let seals: Vec<_> = if self.keys.is_empty() { vec![None] } else { keys.collect() };
        for seal in seals {
            self.verifier.resume(before, seal);
            if let Ok(verified) = self.verifier.look(bytes) {
                self.unsettled.remove(&link.stream);
                return self.judged(spot, bytes, Ok(verified), each);
            }
        }
        self.note(spot, &link)?;
        if self.unsettled.insert(link.stream) {
            self.find(Finding {
                kind: "unknown_key",
                message: "it is sealed under no key that was given, or was changed".to_owned(),
                stream: Some(link.stream),
                seq: Some(link.seq),
                spot: Some(spot),
            });
        }
        Ok(())
    }

    fn damaged(&mut self, spot: Spot, damage: Damage) {
        self.find(Finding {
            kind: damage.word(),
            message: damage.say().to_owned(),
            stream: None,
            seq: None,
            spot: Some(spot),
        });
    }

    fn faulty(&mut self, spot: Spot, bytes: &[u8], fault: Fault) -> Result<(), Failure> {
        let link = Link::parse(bytes).ok();
        if let Some(link) = &link {
            self.note(spot, link)?;
            if let (Fault::UnknownKey(_), Some(seen)) = (&fault, self.streams.get_mut(&link.stream)) {
                // Said once: nothing can be said of the others of this stream.
                if std::mem::replace(&mut seen.foreign, Said::Yes) == Said::Yes {
                    return Ok(());
                }
            }
        }
        self.find(Finding {
            kind: fault.label(),
            message: fault.to_string(),
            stream: link.map(|link| link.stream),
            seq: link.map(|link| link.seq),
            spot: Some(spot),
        });
        Ok(())
    }

    fn note(&mut self, spot: Spot, link: &Link<'_>) -> Result<(), Failure> {
        if self.streams.len() >= MOST_STREAMS && !self.streams.contains_key(&link.stream) {
            return Err(Failure::new(format!("the trail has more than {MOST_STREAMS} streams"))
                .help("look at fewer files at once"));
        }
        let seen = self.streams.entry(link.stream).or_insert_with(|| Seen::new(Begins::Start));
        if link.seq != 1 && seen.first.is_none() && seen.begins == Begins::Start {
            seen.begins = Begins::Middle;
        }
        seen.first.get_or_insert(spot);
        if seen.first_time.is_none() {
            seen.first_time = Some(link.time.to_owned());
        }
        match &mut seen.last_time {
            Some(last) => {
                last.clear();
                last.push_str(link.time);
            }
            last @ None => *last = Some(link.time.to_owned()),
        }
        Ok(())
    }

    fn remember(&mut self, link: &Link<'_>, record: &Record<'_>) {
        let Some(seen) = self.streams.get_mut(&link.stream) else { return };
        match link.kind {
            Kind::Start => seen.outlet = record.outlet.as_ref().map(|outlet| outlet.as_str().to_owned()),
            Kind::Gap => {
                seen.gaps += 1;
                seen.lost += record.records.unwrap_or_default();
            }
            Kind::Checkpoint => seen.sampled_out = record.sampled_out.unwrap_or_default(),
            Kind::Decision
            | Kind::Authentication
            | Kind::Policy
            | Kind::Feed
            | Kind::Key
            | Kind::End
            | Kind::Session
            | Kind::Limit
            | Kind::Threat => {}
        }
    }

    /// What is wrong so far.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// A trail begins with a record: files without any, of so many lines, were emptied, or are others. After archives there
    /// may be none.
    pub(crate) fn want_records(&mut self, lines: u64, archives: Option<&Folder>) {
        if self.records == 0 && archives.is_none_or(|folder| folder.kept.is_empty()) {
            self.find(Finding::no_records(lines));
        }
    }

    pub(crate) fn find(&mut self, finding: Finding) {
        self.found += 1;
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// What came of it. With [`Ends::Must`] a stream without its end is a finding.
    pub(crate) fn finish(mut self, ends: Ends) -> Verdict {
        let summaries = std::mem::replace(&mut self.verifier, Verifier::new(Vec::new())).finish();
        for summary in &summaries {
            let about = |kind, message: String| Finding {
                kind,
                message,
                stream: Some(summary.last.stream),
                seq: Some(summary.last.seq),
                spot: None,
            };
            // Of streams that only others speak of, a part of a trail need not hold anything.
            let expected = self.begin == Begin::Whole || summary.records > 0;
            match (summary.truncation().filter(|_| expected), ends) {
                (Some(fault), Ends::Must | Ends::May) => self.find(about(fault.label(), fault.to_string())),
                (None, Ends::Must) if !summary.ended && expected => {
                    self.find(about("no_end", "the stream has no `end`".to_owned()));
                }
                (None, Ends::Must | Ends::May) => {}
            }
        }
        let mut seen = self.streams;
        let streams = summaries.into_iter().map(|summary| {
            let own = seen.remove(&summary.last.stream);
            (summary, own)
        });
        Verdict {
            streams: streams.collect(),
            findings: self.findings,
            found: self.found,
            records: self.records,
            unreadable: self.unreadable,
            keyed: if self.keys.is_empty() { Keyed::No } else { Keyed::Yes },
        }
    }
}

/// Whether streams have to have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// They may still be written.
    May,
    Must,
}
