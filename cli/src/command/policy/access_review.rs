// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy access-review`: each role and each tool: whether the role may, who holds it, when it was used last.
//! CSV, for those who sign it off.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::{Value, json};
use toolgate_engine::audit::Kind;

use crate::{
    audit::{
        csv,
        record::{Record, Text},
        source::Source,
        time,
    },
    command::Outcome,
    diagnostic::Exit,
    engine,
    out::{Heard, Out},
    policy::{Answer, Asked, Known, Thing, Written},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policy, in YAML or JSON
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    #[command(flatten)]
    source: Source,
    /// The configuration: which tools there are, and their classes
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Also show what a role may not do and did not try
    #[arg(long)]
    all: bool,
}

/// More pairs of role and tool than these are not kept.
const MOST: usize = 100_000;

/// More principals of a pair are not told apart.
const MOST_PRINCIPALS: usize = 1_000;

#[derive(Debug, Default)]
struct Use {
    allowed: u64,
    denied: u64,
    last: Option<i64>,
    principals: BTreeSet<String>,
}

type Uses = BTreeMap<(String, String), Use>;

/// One line of the review.
struct Row<'r> {
    role: &'r str,
    tool: &'r str,
    class: &'r str,
    may: Answer,
    of: Option<&'r Use>,
    held: &'r str,
}

const COLUMNS: [&str; 9] =
    ["role", "tool", "class", "may", "allowed", "denied", "principals", "last_used", "held_by"];

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let asked = Asked::new(Written::open(&args.policy)?)?;
    let config = engine::optional(args.config.as_deref())?;
    let known = config.as_ref().map(|config| Known::of(config, &asked.policy.digest()).0).unwrap_or_default();
    let mut uses = Uses::new();
    let genuine = args.source.read(out, |kind, record, at| {
        if kind == Kind::Decision {
            note(&mut uses, record, at);
        }
    })?;
    let mut tools: BTreeSet<&str> = known.tools.iter().flatten().map(|(name, _)| name.as_str()).collect();
    tools.extend(uses.keys().map(|(_, tool)| tool.as_str()));
    let mut roles: BTreeSet<&str> = asked.policy.all_roles().collect();
    roles.extend(uses.keys().map(|(role, _)| role.as_str()));
    let mut lines = out.lines();
    if !out.wants_json() {
        lines.line(&csv::line(COLUMNS))?;
    }
    for role in roles {
        let held = holders(&asked, role);
        for tool in &tools {
            let of = uses.get(&(role.to_owned(), (*tool).to_owned()));
            let may = asked.role(role, &Thing::Tool((*tool).to_owned()), &known, None).answer;
            if may == Answer::No && of.is_none() && !args.all {
                continue;
            }
            let row = Row { role, tool, class: known.class(tool).unwrap_or_default(), may, of, held: &held };
            let line = if out.wants_json() { row.to_json().to_string() } else { row.to_csv() };
            if lines.line(&line)? == Heard::No {
                return Ok(Exit::Success);
            }
        }
    }
    lines.flush()?;
    Ok(genuine.or(Exit::Success))
}

fn note(uses: &mut Uses, record: &Record<'_>, at: i64) {
    let (Some(tool), Some(principal)) = (&record.tool, &record.principal) else { return };
    let allowed = record.decision.as_ref().is_some_and(|decision| decision.as_str() == "allow");
    let subject = principal.subject.as_ref().map_or("anonymous", Text::as_str);
    for role in principal.roles.iter().map(Text::as_str) {
        let pair = (role.to_owned(), tool.as_str().to_owned());
        if uses.len() >= MOST && !uses.contains_key(&pair) {
            continue;
        }
        let of = uses.entry(pair).or_default();
        if !allowed {
            of.denied += 1;
            continue;
        }
        of.allowed += 1;
        of.last = of.last.max(Some(at));
        if of.principals.len() < MOST_PRINCIPALS && !of.principals.contains(subject) {
            of.principals.insert(subject.to_owned());
        }
    }
}

/// The bindings that give the role, as they are written.
fn holders(asked: &Asked, role: &str) -> String {
    let bindings = asked.written.list("bindings").iter();
    let own = bindings.filter(|binding| binding.get("role").is_some_and(|name| name == role));
    let each: Vec<String> =
        own.map(|binding| binding.get("when").map(Value::to_string).unwrap_or_default()).collect();
    each.join("; ")
}

impl Row<'_> {
    fn last(&self) -> Option<String> {
        self.of.and_then(|of| of.last).map(time::say)
    }

    fn principals(&self) -> String {
        match self.of.map_or(0, |of| of.principals.len()) {
            MOST_PRINCIPALS => format!("{MOST_PRINCIPALS} or more"),
            count => count.to_string(),
        }
    }

    fn to_csv(&self) -> String {
        let count = |value: fn(&Use) -> u64| self.of.map_or(0, value).to_string();
        let (allowed, denied) = (count(|of| of.allowed), count(|of| of.denied));
        let last = self.last().unwrap_or_else(|| "never".to_owned());
        let principals = self.principals();
        csv::line([
            self.role,
            self.tool,
            self.class,
            self.may.word(),
            &allowed,
            &denied,
            &principals,
            &last,
            self.held,
        ])
    }

    fn to_json(&self) -> Value {
        json!({
            "role": self.role,
            "tool": self.tool,
            "class": self.class,
            "may": self.may.word(),
            "allowed": self.of.map_or(0, |of| of.allowed),
            "denied": self.of.map_or(0, |of| of.denied),
            "principals": self.of.map_or(0, |of| of.principals.len()),
            "last_used": self.last(),
            "held_by": self.held,
        })
    }
}
