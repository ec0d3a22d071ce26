// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy replay`: exits with 2 if any recorded request would be decided differently.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    audit::{
        record::{Record, Text},
        source::{Genuine, Source},
    },
    command::Outcome,
    diagnostic::{Exit, Failure},
    engine,
    out::Out,
    policy::{
        Decision, Verdict, Written,
        replay::{Recorded, Replay, Replayed},
    },
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policy that is asked, in YAML or JSON
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    #[command(flatten)]
    source: Source,
    /// The configuration: the names that issuers have in it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show every request that would be decided differently, or of which that cannot be told, one a line
    #[arg(long)]
    each: bool,
}

/// Groups beyond these are counted together.
const MOST: usize = 1_000;

/// So many groups are shown.
const SHOWN: usize = 50;

/// What came of the records.
#[derive(Debug, Default)]
struct Counts {
    same: u64,
    gains: u64,
    loses: u64,
    untold: u64,
    /// Requests that were refused before the policy was asked.
    elsewhere: u64,
    groups: BTreeMap<Group, u64>,
    more: u64,
}

/// Requests that come out the same way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    now: &'static str,
    principal: String,
    what: String,
    recorded: String,
    why: String,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let written = Written::open(&args.policy)?;
    let policy = written.compile()?;
    let mut replay = Replay::new(&policy, issuers(args)?);
    let mut counts = Counts::default();
    let mut each = Vec::new();
    let genuine = args.source.read(out, |kind, record, at| {
        let Some(recorded) = Recorded::of(kind, record) else { return };
        if recorded == Recorded::Elsewhere {
            counts.elsewhere += 1;
            return;
        }
        let replayed = replay.ask(record, at);
        let now = counts.add(record, &replayed, recorded);
        // Bounded: the groups say the rest.
        if args.each && now != "same" && each.len() < 100 * MOST {
            each.push(line(record, &replayed, now));
        }
    })?;
    let equal = counts.gains == 0 && counts.loses == 0;
    let answer = counts.to_json(&genuine, policy.digest().to_string(), &each);
    out.either(&answer, || counts.text(&each))?;
    Ok(genuine.or(if equal { Exit::Success } else { Exit::Refused }))
}

/// The names of issuers by their addresses.
fn issuers(args: &Args) -> Result<BTreeMap<String, String>, Failure> {
    let config = engine::optional(args.config.as_deref())?;
    let issuers = config.iter().flat_map(|config| &config.issuers);
    Ok(issuers.map(|issuer| (issuer.rules.issuer.clone(), issuer.name.to_string())).collect())
}

fn word(text: Option<&Text<'_>>) -> String {
    text.map(|text| text.as_str().to_owned()).unwrap_or_default()
}

fn principal(record: &Record<'_>) -> String {
    let subject = record.principal.as_ref().and_then(|principal| principal.subject.as_ref());
    subject.map_or_else(|| "anonymous".to_owned(), |subject| subject.as_str().to_owned())
}

fn what(record: &Record<'_>) -> String {
    let target = record.tool.as_ref().or(record.target.as_ref());
    match (record.method.as_ref(), target, record.route.as_ref()) {
        (Some(method), Some(target), _) => format!("{} {}", method.as_str(), target.as_str()),
        (Some(method), None, _) => method.as_str().to_owned(),
        (None, _, Some(route)) => format!("route {}", route.as_str()),
        (None, _, None) => word(record.server.as_ref()),
    }
}

fn recorded_words(record: &Record<'_>) -> String {
    let decision = word(record.decision.as_ref());
    let reason = record.reason.as_ref().map(Text::as_str).filter(|_| decision != "allow");
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let rule = record.rules.first().map(|rule| format!(" by `{}`", rule.as_str())).unwrap_or_default();
    format!("{decision}{reason}{rule}")
}

fn why(replayed: &Replayed) -> String {
    match replayed {
        Replayed::Told(verdict) => Verdict::say(verdict),
        Replayed::Untold(why) => format!("cannot be told: {why}"),
    }
}

fn line(record: &Record<'_>, replayed: &Replayed, now: &str) -> Value {
    json!({
        "time": record.time.as_str(),
        "stream": record.stream.as_str(),
        "seq": record.seq,
        "id": record.id.as_ref().map(Text::as_str),
        "principal": principal(record),
        "what": what(record),
        "recorded": recorded_words(record),
        "now": why(replayed),
        "change": now,
    })
}

impl Counts {
    fn add(&mut self, record: &Record<'_>, replayed: &Replayed, recorded: Recorded) -> &'static str {
        let now = match (replayed, replayed.differs(recorded)) {
            (_, Some(Decision::Allow)) => {
                self.gains += 1;
                "gains"
            }
            (_, Some(Decision::Deny)) => {
                self.loses += 1;
                "loses"
            }
            (Replayed::Untold(_), None) => {
                self.untold += 1;
                "cannot_be_told"
            }
            (Replayed::Told(_), None) => {
                self.same += 1;
                return "same";
            }
        };
        let group = Group {
            now,
            principal: principal(record),
            what: what(record),
            recorded: recorded_words(record),
            why: why(replayed),
        };
        if self.groups.len() < MOST || self.groups.contains_key(&group) {
            *self.groups.entry(group).or_default() += 1;
        } else {
            self.more += 1;
        }
        now
    }

    /// Differences before what cannot be told; of each the most frequent first.
    fn listed(&self) -> Vec<(&Group, u64)> {
        let mut all: Vec<(&Group, u64)> = self.groups.iter().map(|(group, count)| (group, *count)).collect();
        let open = |group: &Group| u8::from(group.now == "cannot_be_told");
        all.sort_by(|(one, left), (two, right)| {
            open(one).cmp(&open(two)).then(right.cmp(left)).then(one.cmp(two))
        });
        all
    }

    fn to_json(&self, genuine: &Genuine, digest: String, each: &[Value]) -> Value {
        let group = |(group, count): (&Group, u64)| {
            let Group { now, principal, what, recorded, why } = group;
            json!({ "change": now, "principal": principal, "what": what, "recorded": recorded, "now": why, "count": count })
        };
        json!({
            "ok": self.gains == 0 && self.loses == 0,
            "records": genuine.word(),
            "policy": digest,
            "same": self.same,
            "gains": self.gains,
            "loses": self.loses,
            "cannot_be_told": self.untold,
            "policy_not_asked": self.elsewhere,
            "groups": self.listed().into_iter().map(group).collect::<Vec<_>>(),
            "not_grouped": self.more,
            "each": each,
        })
    }

    fn text(&self, each: &[Value]) -> String {
        let mut text = String::new();
        for one in each {
            let part = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
            let (time, who, what) = (part("time"), part("principal"), part("what"));
            let _ = writeln!(
                text,
                "{time} {who} {what}\n  recorded {}\n  now      {}",
                part("recorded"),
                part("now")
            );
        }
        for (group, count) in self.listed().into_iter().take(SHOWN) {
            let sign = match group.now {
                "gains" => '+',
                "loses" => '-',
                _ => '?',
            };
            let Group { principal, what, recorded, why, .. } = group;
            let _ = writeln!(
                text,
                "{sign} {count} × {principal} {what}\n    recorded {recorded}\n    now      {why}"
            );
        }
        let hidden = self.groups.len().saturating_sub(SHOWN);
        if hidden > 0 {
            let _ = writeln!(text, "and {hidden} more groups (`--json` lists them)");
        }
        let _ = writeln!(
            text,
            "{} the same, {} would be allowed, {} would be denied, {} cannot be told; in {} the policy was not asked",
            self.same, self.gains, self.loses, self.untold, self.elsewhere
        );
        text
    }
}
