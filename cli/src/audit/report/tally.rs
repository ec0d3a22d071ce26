// SPDX-License-Identifier: Apache-2.0
//! What is counted of a trail, record by record. Memory does not grow with the number of records.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use toolgate_engine::audit::{Kind, Link};

use super::{
    top::Top,
    volume::{Bucket, Volume},
};
use crate::audit::record::{Record, Text};

/// So many changes and new principals are listed; the rest is counted.
const MOST_LISTED: usize = 1_000;

/// So many principals of the time before the period are remembered, as hashes of eight bytes.
const MOST_KNOWN: usize = 1_000_000;

/// Between the parts of a name of two.
pub(crate) const BETWEEN: char = '\u{1f}';

/// What the report is about.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    pub(crate) privileged_classes: Vec<String>,
    pub(crate) privileged_roles: Vec<String>,
}

/// Something that was set up differently from then on.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) at: String,
    pub(crate) kind: &'static str,
    pub(crate) what: String,
}

/// A list that is cut off, and how long it is.
#[derive(Clone, Debug)]
pub(crate) struct Listed<T> {
    pub(crate) listed: Vec<T>,
    pub(crate) total: u64,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { listed: Vec::new(), total: 0 }
    }
}

impl<T> Listed<T> {
    fn push(&mut self, one: impl FnOnce() -> T) {
        self.total += 1;
        if self.listed.len() < MOST_LISTED {
            self.listed.push(one());
        }
    }
}

/// What was seen before, as far as memory is given to it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    hasher: RandomState,
    seen: HashSet<u64>,
    pub(crate) full: bool,
}

impl Known {
    /// Whether it was not known. Once no more can be remembered nothing counts as new.
    fn is_new(&mut self, name: &str) -> bool {
        let hash = self.hasher.hash_one(name);
        if self.seen.contains(&hash) {
            return false;
        }
        if self.seen.len() >= MOST_KNOWN {
            self.full = true;
            return false;
        }
        self.seen.insert(hash)
    }
}

/// The counts.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) scope: Scope,
    /// Records of the period, of the time before it, of the time after it, and without a time.
    pub(crate) counted: u64,
    pub(crate) before: u64,
    pub(crate) after: u64,
    pub(crate) timeless: u64,
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    pub(crate) totals: Bucket,
    /// Requests behind allow records, where allows are sampled: thousandths.
    pub(crate) allowed_thousandths: u64,
    pub(crate) volume: Volume,
    pub(crate) kinds: Top,
    pub(crate) reasons: Top,
    pub(crate) rules: Top,
    pub(crate) failures: Top,
    pub(crate) outcomes: Top,
    pub(crate) tools: Top,
    pub(crate) servers: Top,
    pub(crate) principals: Top,
    pub(crate) policies: Top,
    /// By principal, tool and class.
    pub(crate) privileged: Top,
    pub(crate) privileged_total: u64,
    pub(crate) destructive_total: u64,
    pub(crate) changes: Listed<Change>,
    known: Known,
    pub(crate) new_principals: Listed<(String, i64)>,
    known_uses: Known,
    pub(crate) new_uses: Listed<(String, i64)>,
    /// Records that the gate says it lost.
    pub(crate) lost: u64,
    name: String,
}

impl Tally {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            counted: 0,
            before: 0,
            after: 0,
            timeless: 0,
            first: None,
            last: None,
            totals: Bucket::default(),
            allowed_thousandths: 0,
            volume: Volume::default(),
            kinds: Top::default(),
            reasons: Top::default(),
            rules: Top::default(),
            failures: Top::default(),
            outcomes: Top::default(),
            tools: Top::default(),
            servers: Top::default(),
            principals: Top::default(),
            policies: Top::default(),
            privileged: Top::default(),
            privileged_total: 0,
            destructive_total: 0,
            changes: Listed::default(),
            known: Known::default(),
            new_principals: Listed::default(),
            known_uses: Known::default(),
            new_uses: Listed::default(),
            lost: 0,
            name: String::new(),
        }
    }

    /// Whether principals of the time before the period are known, so that one can be new.
    pub(crate) fn has_history(&self) -> bool {
        self.before > 0
    }

    /// Whether not all principals could be remembered.
    pub(crate) fn forgot(&self) -> bool {
        self.known.full || self.known_uses.full
    }

    pub(crate) fn add(&mut self, link: &Link<'_>, record: &Record<'_>) {
        let Some(at) = record.at() else {
            self.timeless += 1;
            return;
        };
        if self.scope.to.is_some_and(|to| at >= to) {
            self.after += 1;
        } else if self.scope.from.is_some_and(|from| at < from) {
            self.before += 1;
            self.remember(record);
        } else {
            self.count(link.kind, record, at);
        }
    }

    fn remember(&mut self, record: &Record<'_>) {
        if let Some(subject) = subject(record) {
            self.known.is_new(subject);
            if self.is_privileged(record) {
                let name = use_of(&mut self.name, subject, record);
                self.known_uses.is_new(name);
            }
        }
    }

    fn count(&mut self, kind: Kind, record: &Record<'_>, at: i64) {
        self.counted += 1;
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        self.kinds.add(kind.word(), 0, at);
        match kind {
            Kind::Decision => self.decision(record, at),
            Kind::Authentication => self.failure(record, at),
            Kind::Start | Kind::Policy | Kind::Key => self.change(kind, record),
            Kind::Gap => self.lost += record.records.unwrap_or_default(),
            Kind::Feed | Kind::Checkpoint | Kind::End | Kind::Session | Kind::Limit | Kind::Threat => {}
        }
    }

    fn failure(&mut self, record: &Record<'_>, at: i64) {
        let what = Bucket { unauthenticated: 1, ..Bucket::default() };
        self.volume.add(at, what);
        self.totals.unauthenticated += 1;
        self.failures.add(word(record.reason.as_ref()), 1, at);
        if let Some(server) = &record.server {
            self.servers.add(server.as_str(), 1, at);
        }
    }

    fn decision(&mut self, record: &Record<'_>, at: i64) {
        let allowed = record.decision.as_ref().is_some_and(|decision| decision.as_str() == "allow");
        let denied = u64::from(!allowed);
        let what = Bucket { allowed: 1 - denied, denied, ..Bucket::default() };
        self.volume.add(at, what);
        self.totals.allowed += what.allowed;
        self.totals.denied += denied;
        if allowed {
            let kept = record.sampled_per_mille.filter(|kept| (1..1_000).contains(kept)).unwrap_or(1_000);
            self.allowed_thousandths += 1_000_000 / kept;
        } else {
            self.reasons.add(word(record.reason.as_ref()), 1, at);
            let rules = record.rules.iter().map(Text::as_str);
            rules.for_each(|rule| self.rules.add(rule, 1, at));
        }
        self.outcomes.add(word(record.outcome.as_ref()), denied, at);
        if let Some(tool) = &record.tool {
            self.tools.add(tool.as_str(), denied, at);
        }
        if let Some(server) = record.server.as_ref().or(record.route.as_ref()) {
            self.servers.add(server.as_str(), denied, at);
        }
        if let Some(policy) = &record.policy {
            let digest = policy.digest.as_ref().map(Text::as_str).and_then(|digest| digest.get(..12));
            let (name, version) = (word(policy.name.as_ref()), word(policy.version.as_ref()));
            self.name.clear();
            for part in [name, version, digest.unwrap_or_default()] {
                self.name.push_str(part);
                self.name.push(BETWEEN);
            }
            self.policies.add(&self.name, denied, at);
        }
        self.caller(record, denied, at);
    }

    fn caller(&mut self, record: &Record<'_>, denied: u64, at: i64) {
        let found = subject(record);
        let name = found.unwrap_or("anonymous");
        self.principals.add(name, denied, at);
        if self.known.is_new(name) && found.is_some() {
            self.new_principals.push(|| (name.to_owned(), at));
        }
        if record.class.as_ref().is_some_and(|class| class.as_str() == "destructive") {
            self.destructive_total += 1;
        }
        if !self.is_privileged(record) {
            return;
        }
        self.privileged_total += 1;
        let used = use_of(&mut self.name, name, record);
        self.privileged.add(used, denied, at);
        if denied == 0 && self.known_uses.is_new(used) {
            self.new_uses.push(|| (used.to_owned(), at));
        }
    }

    fn is_privileged(&self, record: &Record<'_>) -> bool {
        let class = record.class.as_ref().map(Text::as_str);
        let roles = record.principal.as_ref().map(|principal| principal.roles.as_slice()).unwrap_or_default();
        self.scope.privileged_classes.iter().any(|known| Some(known.as_str()) == class)
            || self.scope.privileged_roles.iter().any(|known| roles.iter().any(|role| role.as_str() == known))
    }

    fn change(&mut self, kind: Kind, record: &Record<'_>) {
        let what = match kind {
            Kind::Start => format!(
                "build {}, configuration {}",
                word(record.build.as_ref()),
                short(record.config.as_ref())
            ),
            Kind::Policy => {
                let policy = record.policy.clone().unwrap_or_default();
                let (name, version) = (word(policy.name.as_ref()), word(policy.version.as_ref()));
                format!("policy {name}, version {version}, digest {}", short(policy.digest.as_ref()))
            }
            _ => "another key seals what follows".to_owned(),
        };
        let at = record.time.as_str();
        self.changes.push(|| Change { at: at.to_owned(), kind: kind.word(), what });
    }
}

fn subject<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    record.principal.as_ref()?.subject.as_ref().map(Text::as_str)
}

/// Who used which tool of which class.
fn use_of<'n>(name: &'n mut String, subject: &str, record: &Record<'_>) -> &'n str {
    name.clear();
    let tool = record.tool.as_ref().or(record.method.as_ref());
    for part in [subject, word(tool), word(record.class.as_ref())] {
        name.push_str(part);
        name.push(BETWEEN);
    }
    name
}

fn word<'r>(text: Option<&'r Text<'_>>) -> &'r str {
    text.map_or("-", Text::as_str)
}

fn short(digest: Option<&Text<'_>>) -> String {
    let digest = word(digest);
    digest.get(..12).unwrap_or(digest).to_owned()
}
