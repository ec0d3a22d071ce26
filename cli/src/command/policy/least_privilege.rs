// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy least-privilege`: what a policy grants and nobody used, by audit records. Exits with 2 if there is
//! such a thing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::PathBuf,
};

use serde_json::{Value, json};
use toolgate_engine::audit::Kind;

use crate::{
    audit::{
        record::{Record, Text},
        source::{Genuine, Source},
        time,
    },
    command::Outcome,
    diagnostic::Exit,
    out::Out,
    policy::{Written, WrittenRule},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policy, in YAML or JSON
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    #[command(flatten)]
    source: Source,
}

/// More names than these are not kept apart.
const MOST: usize = 100_000;

/// What was used.
#[derive(Debug, Default)]
struct Used {
    /// Allowed requests, those of them that this very policy judged, and the span of their times.
    allowed: u64,
    by_this: u64,
    span: Option<(i64, i64)>,
    rules: BTreeMap<String, Use>,
    roles: BTreeMap<String, Use>,
    /// Principals with a role, and whether a rule of the role itself was used.
    holders: BTreeMap<(String, String), Needed>,
    full: Option<&'static str>,
}

#[derive(Debug, Default)]
struct Use {
    count: u64,
    last: i64,
    /// What it was used for: a pattern may be wider than that.
    targets: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needed {
    Yes,
    NotYet,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let written = Written::open(&args.policy)?;
    let policy = written.compile()?;
    let digest = policy.digest().to_string();
    let rules = written.rules();
    let owners: BTreeMap<&str, &str> =
        rules.iter().filter_map(|(id, rule)| Some((id.as_str(), owner(rule)?))).collect();
    let mut used = Used::default();
    let genuine = args.source.read(out, |kind, record, at| {
        let allowed = record.decision.as_ref().is_some_and(|decision| decision.as_str() == "allow");
        if kind == Kind::Decision && allowed {
            used.add(record, at, &digest, &owners);
        }
    })?;
    let report = report(&written, &rules, &used, &policy.all_roles().collect::<Vec<_>>());
    let good = report.idle.is_empty() && report.roles.is_empty() && report.holders.is_empty();
    out.either(&report.to_json(&used, &genuine), || report.text(&used))?;
    Ok(genuine.or(if good { Exit::Success } else { Exit::Refused }))
}

/// The role whose own rule it is; none for permissions, which are shared, and for grants.
fn owner(rule: &WrittenRule) -> Option<&str> {
    match rule.path.as_slice() {
        [section, role, ..] if section == "roles" => Some(role),
        _ => None,
    }
}

impl Used {
    fn add(&mut self, record: &Record<'_>, at: i64, digest: &str, owners: &BTreeMap<&str, &str>) {
        self.allowed += 1;
        let own = record.policy.as_ref().and_then(|policy| policy.digest.as_ref()).map(Text::as_str);
        self.by_this += u64::from(own.is_some_and(|own| digest.ends_with(own)));
        self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        let target =
            record.tool.as_ref().or(record.target.as_ref()).or(record.method.as_ref()).map(Text::as_str);
        for rule in record.rules.iter().map(Text::as_str) {
            if let Some(of_rule) = bounded(&mut self.rules, rule.to_owned(), &mut self.full) {
                of_rule.note(at, target);
            }
        }
        let Some(principal) = &record.principal else { return };
        let subject = principal.subject.as_ref().map_or("anonymous", Text::as_str);
        for role in principal.roles.iter().map(Text::as_str) {
            if let Some(of_role) = bounded(&mut self.roles, role.to_owned(), &mut self.full) {
                of_role.note(at, None);
            }
            let needed = record.rules.iter().any(|rule| owners.get(rule.as_str()) == Some(&role));
            let pair = (role.to_owned(), subject.to_owned());
            if self.holders.len() >= MOST && !self.holders.contains_key(&pair) {
                self.full = Some("principals");
                continue;
            }
            let known = self.holders.entry(pair).or_insert(Needed::NotYet);
            if needed {
                *known = Needed::Yes;
            }
        }
    }
}

fn bounded<'m>(
    map: &'m mut BTreeMap<String, Use>,
    name: String,
    full: &mut Option<&'static str>,
) -> Option<&'m mut Use> {
    if map.len() >= MOST && !map.contains_key(&name) {
        *full = Some("rules or roles");
        return None;
    }
    Some(map.entry(name).or_default())
}

impl Use {
    fn note(&mut self, at: i64, target: Option<&str>) {
        self.count += 1;
        self.last = self.last.max(at);
        if let Some(target) = target.filter(|target| !self.targets.contains(*target))
            && self.targets.len() < 1_000
        {
            self.targets.insert(target.to_owned());
        }
    }
}

/// What is granted and was not used.
#[derive(Debug)]
struct Report {
    /// Allow rules.
    idle: Vec<(String, Option<usize>, Value)>,
    /// Roles that nobody with a request had.
    roles: Vec<String>,
    /// Roles whose own rules a holder never needed.
    holders: Vec<(String, String)>,
    /// Rules with patterns, and what they were used for.
    wider: Vec<(String, Option<usize>, Value, Vec<String>)>,
}

fn report(written: &Written, rules: &BTreeMap<String, WrittenRule>, used: &Used, roles: &[&str]) -> Report {
    // A permission is the rule itself; elsewhere the path says whether it allows.
    let allows = |rule: &&WrittenRule| match rule.path.as_slice() {
        [section, _] if section == "permissions" => {
            rule.rule.get("effect").is_none_or(|effect| effect != "deny")
        }
        [_, _, effect, _] => effect == "allow",
        _ => false,
    };
    let line = |rule: &WrittenRule| written.place(&rule.path).map(|place| place.line);
    let names = |rule: &WrittenRule| rule.rule.get("tools").cloned().unwrap_or_default();
    let allow_rules = || rules.iter().filter(|(_, rule)| allows(rule));
    let idle = allow_rules().filter(|(id, _)| !used.rules.contains_key(*id));
    let has_pattern = |names: &Value| {
        names.as_array().into_iter().flatten().filter_map(Value::as_str).any(|name| name.contains('*'))
    };
    let wider = allow_rules().filter_map(|(id, rule)| {
        let targets = used.rules.get(id)?.targets.iter().cloned().collect();
        has_pattern(&names(rule)).then(|| (id.clone(), line(rule), names(rule), targets))
    });
    let held = |(role, subject): &(String, String)| (role.clone(), subject.clone());
    let own_rules: BTreeSet<&str> = allow_rules().filter_map(|(_, rule)| owner(rule)).collect();
    let idle_holders = used
        .holders
        .iter()
        .filter(|((role, _), needed)| **needed == Needed::NotYet && own_rules.contains(role.as_str()));
    Report {
        idle: idle.map(|(id, rule)| (id.clone(), line(rule), rule.rule.clone())).collect(),
        roles: roles
            .iter()
            .filter(|role| !used.roles.contains_key(**role))
            .map(|role| (*role).to_owned())
            .collect(),
        holders: idle_holders.map(|(pair, _)| held(pair)).collect(),
        wider: wider.collect(),
    }
}

impl Report {
    fn to_json(&self, used: &Used, genuine: &Genuine) -> Value {
        let span = used.span.map(|(first, last)| json!({ "from": time::say(first), "to": time::say(last) }));
        json!({
            "ok": self.idle.is_empty() && self.roles.is_empty() && self.holders.is_empty(),
            "records": genuine.word(),
            "span": span,
            "allowed": used.allowed,
            "allowed_by_this_policy": used.by_this,
            "unused_rules": self.idle.iter().map(|(id, line, rule)| json!({ "rule": id, "line": line, "written": rule })).collect::<Vec<_>>(),
            "unused_roles": self.roles,
            "roles_not_needed": self.holders.iter().map(|(role, subject)| json!({ "role": role, "principal": subject })).collect::<Vec<_>>(),
            "patterns": self.wider.iter().map(|(id, line, names, targets)| json!({ "rule": id, "line": line, "tools": names, "used_for": targets })).collect::<Vec<_>>(),
            "too_many": used.full,
        })
    }

    fn text(&self, used: &Used) -> String {
        const SHOWN: usize = 20;
        let mut text = String::new();
        let at = |line: &Option<usize>| line.map(|line| format!(" (line {line})")).unwrap_or_default();
        for (id, line, rule) in &self.idle {
            let _ = writeln!(text, "never used: `{id}`{}: {rule}", at(line));
        }
        for role in &self.roles {
            let _ = writeln!(text, "nobody with a request had the role `{role}`");
        }
        for (role, subject) in self.holders.iter().take(SHOWN) {
            let _ = writeln!(text, "{subject} has the role `{role}` and needed none of its own rules");
        }
        if self.holders.len() > SHOWN {
            let _ = writeln!(text, "and {} more (`--json` lists them)", self.holders.len() - SHOWN);
        }
        for (id, line, names, targets) in &self.wider {
            let shown: Vec<&str> = targets.iter().take(SHOWN).map(String::as_str).collect();
            let more = if targets.len() > SHOWN { ", …" } else { "" };
            let _ = writeln!(text, "`{id}`{} grants {names}; used for {}{more}", at(line), shown.join(", "));
        }
        let span =
            used.span.map(|(first, last)| format!(" from {} to {}", time::say(first), time::say(last)));
        let (allowed, own) = (used.allowed, used.by_this);
        let _ = writeln!(
            text,
            "{allowed} allowed requests{}, {own} of them judged by this very policy",
            span.unwrap_or_default()
        );
        if let Some(what) = used.full {
            let _ =
                writeln!(text, "more {what} than are kept apart: what is missing here may have been used");
        }
        text
    }
}
