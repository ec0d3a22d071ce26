// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy who-can`: which roles and grants lead to a thing, and who holds them. Exits with 2 if nobody can.

use std::{fmt::Write, path::PathBuf};

use serde_json::{Value, json};
use toolgate_engine::{
    facade::{Aim, Question},
    policy::Facts,
};

use crate::{
    command::Outcome,
    diagnostic::{Exit, Failure},
    engine,
    out::Out,
    policy::{Answer, Asked, Known, Reach, Term, Thing, Written, arguments_of},
    yaml::Document,
};

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "toolgate policy who-can [OPTIONS] <FILE> <TOOL|--prompt <NAME>|--uri <URI>|--route <NAME>|--call <METHOD>>"
)]
#[command(group = clap::ArgGroup::new("thing").args(["tool", "prompt", "uri", "route", "call"]).required(true))]
pub(crate) struct Args {
    /// The policy, in YAML or JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The tool that is called
    #[arg(value_name = "TOOL")]
    tool: Option<String>,
    /// The prompt that is got
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,
    /// The resource that is read
    #[arg(long, value_name = "URI")]
    uri: Option<String>,
    /// The plain HTTP route that is requested
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// A method without a target
    #[arg(long, value_name = "METHOD")]
    call: Option<String>,
    /// The arguments of the call, in YAML or JSON; open if left out
    #[arg(long, value_name = "ARGUMENTS")]
    args: Option<String>,
    /// The configuration: classes of tools, and the roles of callers without credentials
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// One way to the thing.
struct Way {
    /// A role, or the subject of a grant.
    holder: Holder,
    reach: Reach,
    /// Who holds it.
    held: Vec<Held>,
}

enum Holder {
    Role(String),
    Grant(String),
}

/// One way to a role.
struct Held {
    /// As written.
    what: Value,
    line: Option<usize>,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let asked = Asked::new(Written::open(&args.file)?)?;
    let config = engine::optional(args.config.as_deref())?;
    let known = config.as_ref().map(|config| Known::of(config, &asked.policy.digest()).0).unwrap_or_default();
    let arguments = args.args.as_ref().map(|text| Document::parse("--args", text)).transpose()?;
    let doc = arguments
        .as_ref()
        .map(|document| arguments_of(document.json()))
        .transpose()
        .map_err(Failure::usage)?;
    let thing = thing(args)?;
    let roles = asked.policy.all_roles().map(|role| Way {
        holder: Holder::Role(role.to_owned()),
        reach: asked.role(role, &thing, &known, doc.as_ref()),
        held: held(&asked, &known, role),
    });
    let grants = asked.written.list("grants").iter().enumerate().filter_map(|(at, grant)| {
        let text = |name: &str| grant.get(name).and_then(Value::as_str);
        let subject = text("subject")?;
        let facts = Facts { subject: Some(subject), issuer: text("issuer"), ..Facts::default() };
        let reach = asked.subject(&facts, &thing, &known, doc.as_ref());
        let held = vec![entry(&asked, "grants", at, grant, &["issuer", "from", "until"])];
        Some(Way { holder: Holder::Grant(subject.to_owned()), reach, held })
    });
    let ways: Vec<Way> = roles.chain(grants).collect();
    let can = ways.iter().any(|way| way.reach.answer != Answer::No && !way.held.is_empty());
    let said: Vec<Value> = ways.iter().map(Way::to_json).collect();
    let answer = json!({ "ok": true, "asked": thing.say(), "anyone": can, "ways": said });
    out.either(&answer, || text(&thing, &ways))?;
    Ok(if can { Exit::Success } else { Exit::Refused })
}

fn thing(args: &Args) -> Result<Thing, Failure> {
    Ok(match (&args.tool, &args.prompt, &args.uri, &args.route, &args.call) {
        (Some(tool), ..) => Thing::Tool(tool.clone()),
        (_, Some(prompt), ..) => Thing::Prompt(prompt.clone()),
        (_, _, Some(uri), ..) => Thing::Resource(uri.clone()),
        (_, _, _, Some(route), _) => Thing::Route(route.clone()),
        (_, _, _, _, Some(call)) => {
            // A call without what it is aimed at would be denied to all.
            let question = Question::new(call, Aim::Nothing).map_err(Failure::usage)?;
            Thing::Method(question.method().name())
        }
        (None, None, None, None, None) => return Err(Failure::usage("name a tool")),
    })
}

fn held(asked: &Asked, known: &Known, role: &str) -> Vec<Held> {
    let bindings = asked.written.list("bindings").iter().enumerate();
    let own = bindings.filter(|(_, binding)| binding.get("role").is_some_and(|name| name == role));
    let mut all: Vec<Held> =
        own.map(|(at, binding)| entry(asked, "bindings", at, binding, &["when", "from", "until"])).collect();
    if known.anonymous.iter().any(|name| name == role) {
        all.push(Held { what: json!({ "anonymous": true }), line: None });
    }
    all
}

fn entry(asked: &Asked, section: &str, at: usize, written: &Value, names: &[&str]) -> Held {
    let members = names.iter().filter_map(|name| Some(((*name).to_owned(), written.get(name)?.clone())));
    let place = asked.written.place(&[section.to_owned(), at.to_string()]);
    Held { what: Value::Object(members.collect()), line: place.map(|place| place.line) }
}

impl Way {
    fn to_json(&self) -> Value {
        let held: Vec<Value> =
            self.held.iter().map(|held| json!({ "by": held.what, "line": held.line })).collect();
        let (kind, name) = match &self.holder {
            Holder::Role(name) => ("role", name),
            Holder::Grant(subject) => ("subject", subject),
        };
        let rules: Vec<Value> = self.reach.rules.iter().map(Term::to_json).collect();
        json!({ kind: name, "may": self.reach.answer.word(), "rules": rules, "held": held })
    }
}

fn text(thing: &Thing, ways: &[Way]) -> String {
    let mut text = format!("{}\n", thing.say());
    for way in ways.iter().filter(|way| way.reach.answer != Answer::No) {
        let name = match &way.holder {
            Holder::Role(name) => format!("role {name}"),
            Holder::Grant(subject) => format!("subject {subject}"),
        };
        let _ = writeln!(text, "\n{name}: {}", way.reach.answer.word());
        for term in &way.reach.rules {
            let _ = writeln!(text, "  {}", term.say());
        }
        for held in &way.held {
            let line = held.line.map(|line| format!(" (line {line})")).unwrap_or_default();
            let _ = writeln!(text, "  held{line} by {}", held.what);
        }
        if way.held.is_empty() {
            let _ = writeln!(text, "  nobody holds it");
        }
    }
    let without: Vec<&str> = ways
        .iter()
        .filter(|way| way.reach.answer == Answer::No)
        .filter_map(|way| match &way.holder {
            Holder::Role(name) => Some(name.as_str()),
            Holder::Grant(_) => None,
        })
        .collect();
    if !without.is_empty() {
        let _ = writeln!(text, "\nnot by role: {}", without.join(", "));
    }
    text
}
