// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy diff`: who gains or loses what from one policy to another. Exits with 2 if anything differs.

use std::{collections::BTreeSet, fmt::Write, path::PathBuf};

use serde_json::{Value, json};
use toolgate_engine::{
    mcp::{Method, MethodClass},
    policy::Effect,
};

use crate::{
    command::Outcome,
    diagnostic::{Exit, Failure},
    engine,
    out::Out,
    policy::{
        Answer, Asked, Known, Reach, Term, Thing, Written, cases,
        held::{self, Held, Only},
    },
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policy as it is
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policy as it shall be
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// The configuration: which tools and routes there are
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Files of cases, whose rows are asked of both policies
    #[arg(long, value_name = "FILE")]
    cases: Vec<PathBuf>,
}

/// What a role may do with a thing, before and after.
struct Change {
    role: String,
    thing: Thing,
    old: Reach,
    new: Reach,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Gains,
    Loses,
    /// Other conditions.
    Changes,
}

/// A part of the document that only one policy has, or that is another.
struct Part {
    section: &'static str,
    direction: Direction,
    what: String,
}

/// A row of cases that comes out differently.
struct Row {
    what: String,
    old: String,
    new: String,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let old = Asked::new(Written::open(&args.old)?)?;
    let new = Asked::new(Written::open(&args.new)?)?;
    let config = engine::optional(args.config.as_deref())?;
    let known = config.as_ref().map(|config| Known::of(config, &old.policy.digest()).0).unwrap_or_default();
    let changes = changes(&old, &new, &known);
    let parts = parts(&old, &new);
    let rows = rows(&args.cases, &old, &new)?;
    let equal = changes.is_empty() && parts.is_empty() && rows.is_empty();
    let answer = json!({
        "ok": equal,
        "changes": changes.iter().map(Change::to_json).collect::<Vec<_>>(),
        "holders": parts.iter().map(Part::to_json).collect::<Vec<_>>(),
        "cases": rows.iter().map(|row| json!({ "case": row.what, "old": row.old, "new": row.new })).collect::<Vec<_>>(),
    });
    out.either(&answer, || text(&changes, &parts, &rows))?;
    Ok(if equal { Exit::Success } else { Exit::Refused })
}

fn changes(old: &Asked, new: &Asked, known: &Known) -> Vec<Change> {
    let roles: BTreeSet<&str> = old.policy.all_roles().chain(new.policy.all_roles()).collect();
    let things = things([old, new], known);
    let mut changes = Vec::new();
    for role in roles {
        for thing in &things {
            let (before, after) = (old.role(role, thing, known, None), new.role(role, thing, known, None));
            if before.essence() != after.essence() {
                let (role, thing) = (role.to_owned(), thing.clone());
                changes.push(Change { role, thing, old: before, new: after });
            }
        }
    }
    changes
}

/// Everything that either policy names, and everything that the configuration knows. A pattern stands for the names
/// that fit it: it is asked about as it is written.
fn things(policies: [&Asked; 2], known: &Known) -> BTreeSet<Thing> {
    let own = |method: &&Method| match method.class() {
        MethodClass::Base | MethodClass::Plain | MethodClass::Task | MethodClass::Subscription => true,
        MethodClass::Tool | MethodClass::Prompt | MethodClass::Resource | MethodClass::Completion => false,
    };
    let mut things: BTreeSet<Thing> =
        Method::ALL.iter().filter(own).map(|method| Thing::Method(method.name())).collect();
    things.extend(known.tools.iter().flatten().map(|(name, _)| Thing::Tool(name.clone())));
    things.extend(known.routes.iter().flatten().cloned().map(Thing::Route));
    for rule in policies.iter().flat_map(|asked| asked.written.rules().into_values()) {
        for (word, thing) in [
            ("tools", Thing::Tool as fn(String) -> Thing),
            ("prompts", Thing::Prompt),
            ("resources", Thing::Resource),
            ("routes", Thing::Route),
        ] {
            let names = rule.rule.get(word).and_then(Value::as_array).into_iter().flatten();
            things.extend(names.filter_map(Value::as_str).map(|name| thing(name.to_owned())));
        }
    }
    things.extend(meetings(&things));
    things
}

/// More pairs of patterns than these are not put together.
const MOST_MEETINGS: usize = 10_000;

/// Where a pattern for beginnings (`code_*`) meets one for ends (`*_delete`), so that a deny rule that only takes a
/// part away is seen.
fn meetings(things: &BTreeSet<Thing>) -> Vec<Thing> {
    let tools: Vec<&str> = things
        .iter()
        .filter_map(|thing| match thing {
            Thing::Tool(name) => Some(name.as_str()),
            Thing::Method(_) | Thing::Prompt(_) | Thing::Resource(_) | Thing::Route(_) => None,
        })
        .collect();
    let heads = tools.iter().filter_map(|name| name.strip_suffix('*')).filter(|head| !head.is_empty());
    let pairs = heads.flat_map(|head| {
        let tails = tools.iter().filter_map(|name| name.strip_prefix('*')).filter(|tail| !tail.is_empty());
        tails.map(move |tail| Thing::Tool(format!("{head}*{tail}")))
    });
    pairs.take(MOST_MEETINGS).collect()
}

/// What only one of them has, of what is not asked about: bindings and grants; rules on answers, lists or calls only, by
/// the roles that have them; and what the policy says at its top.
fn parts(old: &Asked, new: &Asked) -> Vec<Part> {
    let bindings = |asked: &Asked| asked.written.list("bindings").iter().map(Value::to_string).collect();
    let grants = |asked: &Asked| held::grants(asked.written.value());
    let mut parts = differences("bindings", &bindings(old), &bindings(new));
    parts.extend(differences("grants", &grants(old), &grants(new)));
    let (before, after) = (held::by_role(old.written.value()), held::by_role(new.written.value()));
    parts.extend(before.difference(&after).map(|held| part_of(held, Side::Old)));
    parts.extend(after.difference(&before).map(|held| part_of(held, Side::New)));
    for section in ["mode", "trusted_servers", "operations", "classes"] {
        let own = |asked: &Asked| asked.written.value().get(section).cloned().unwrap_or_default();
        let (before, after) = (own(old), own(new));
        if before != after {
            let what = json!({ "old": before, "new": after }).to_string();
            parts.push(Part { section, direction: Direction::Changes, what });
        }
    }
    parts
}

fn differences(section: &'static str, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Vec<Part> {
    let part = |direction| move |what: &String| Part { section, direction, what: what.clone() };
    let lost = before.difference(after).map(part(Direction::Loses));
    lost.chain(after.difference(before).map(part(Direction::Gains))).collect()
}

/// The policy that alone has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Old,
    New,
}

fn part_of(held: &Held, side: Side) -> Part {
    let direction = match (side, held.effect()) {
        (Side::Old, Effect::Deny) | (Side::New, Effect::Allow) => Direction::Gains,
        (Side::Old, Effect::Allow) | (Side::New, Effect::Deny) => Direction::Loses,
    };
    let what = held.to_json();
    let word = match side {
        Side::Old => "old",
        Side::New => "new",
    };
    match held.only() {
        Only::Answers => Part { section: "answers", direction, what: what.to_string() },
        Only::Lists => Part { section: "lists", direction, what: what.to_string() },
        // Who gains or loses the call has been asked; this is about who sees what.
        Only::Calls => {
            Part { section: "calls", direction: Direction::Changes, what: json!({ word: what }).to_string() }
        }
    }
}

fn rows(files: &[PathBuf], old: &Asked, new: &Asked) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for file in files {
        let (before, after) = (cases::run_with(file, &old.written)?, cases::run_with(file, &new.written)?);
        for (before, after) in before.rows.into_iter().zip(after.rows) {
            if before.got != after.got {
                let line = before.place.as_ref().map_or(0, |place| place.line);
                let what = format!("{}:{line}: {} {}", file.display(), before.who, before.what);
                rows.push(Row { what, old: before.got, new: after.got });
            }
        }
    }
    Ok(rows)
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Gains => "gains",
            Self::Loses => "loses",
            Self::Changes => "changes",
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Gains => '+',
            Self::Loses => '-',
            Self::Changes => '~',
        }
    }
}

impl Change {
    fn direction(&self) -> Direction {
        match self.old.answer.cmp(&self.new.answer) {
            std::cmp::Ordering::Less => Direction::Gains,
            std::cmp::Ordering::Greater => Direction::Loses,
            std::cmp::Ordering::Equal => Direction::Changes,
        }
    }

    fn to_json(&self) -> Value {
        let side = |reach: &Reach| json!({ "may": reach.answer.word(), "rules": reach.rules.iter().map(Term::to_json).collect::<Vec<_>>() });
        json!({
            "role": self.role,
            "what": self.thing.say(),
            "direction": self.direction().word(),
            "old": side(&self.old),
            "new": side(&self.new),
        })
    }
}

impl Part {
    fn to_json(&self) -> Value {
        let written: Value = serde_json::from_str(&self.what).unwrap_or_default();
        json!({ "section": self.section, "direction": self.direction.word(), "written": written })
    }
}

fn text(changes: &[Change], parts: &[Part], rows: &[Row]) -> String {
    let mut text = String::new();
    let mut role = "";
    for change in changes {
        if change.role != role {
            role = &change.role;
            let _ = writeln!(text, "role {role}");
        }
        let (old, new) = (change.old.answer, change.new.answer);
        let _ = writeln!(
            text,
            "  {} {}: {} -> {}",
            change.direction().sign(),
            change.thing.say(),
            old.word(),
            new.word()
        );
        for (word, reach) in [("old", &change.old), ("new", &change.new)] {
            for term in reach.rules.iter().filter(|_| reach.answer == Answer::Depends || old == new) {
                let _ = writeln!(text, "      {word}: {}", term.say());
            }
        }
    }
    for Part { section, direction, what } in parts {
        let _ = writeln!(text, "{section} {} {what}", direction.sign());
    }
    for Row { what, old, new } in rows {
        let _ = writeln!(text, "case {what}\n  old {old}\n  new {new}");
    }
    if text.is_empty() {
        text.push_str("the same for every role\n");
    }
    text
}
