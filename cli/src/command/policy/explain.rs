// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy explain`: exits with 2 where the answer is no.

use std::{
    collections::BTreeMap,
    fmt::Write,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use toolgate_engine::{
    config::Config,
    policy::{Considered, Context, Explained, Explanation, Finding, Outcome as Came, Policy, Truth},
    time::UnixTime,
};

use crate::{
    clock,
    command::Outcome,
    diagnostic::{Exit, Failure},
    engine, file,
    jws::{self, Object},
    out::Out,
    policy::{Caller, Decision, Known, Question, Target, Verdict, Written, WrittenRule},
    yaml::Document,
};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("target").args(["tool", "prompt", "uri", "route"]))]
#[command(group = clap::ArgGroup::new("who").args(["claims", "token"]).required(true))]
pub(crate) struct Args {
    /// The policy, in YAML or JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The caller's claims, in YAML or JSON: `{ sub: alice, roles: [developer] }`
    #[arg(long, value_name = "CLAIMS")]
    claims: Option<String>,
    /// A file with the caller's token, which is read and not verified; `-` reads the standard input
    #[arg(long = "as", value_name = "TOKENFILE")]
    token: Option<PathBuf>,
    /// The configuration: where its issuer keeps roles, and the classes of its tools
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The method; by default the one that fits the target
    #[arg(long, value_name = "METHOD", required_unless_present = "target")]
    call: Option<String>,
    /// The tool that is called
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// The prompt that is got
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,
    /// The resource that is read
    #[arg(long, value_name = "URI")]
    uri: Option<String>,
    /// The plain HTTP route that is requested, by its name in the configuration
    #[arg(long, value_name = "NAME", conflicts_with_all = ["call", "args", "listed"])]
    route: Option<String>,
    /// The arguments of the call, in YAML or JSON
    #[arg(long, value_name = "ARGUMENTS", conflicts_with = "listed")]
    args: Option<String>,
    /// Ask whether it is seen in a list, instead of whether it may be called
    #[arg(long)]
    listed: bool,
    /// Ask whether the caller is told this answer, an object with `result` or `error`, in YAML or JSON
    #[arg(long, value_name = "ANSWER", conflicts_with_all = ["args", "listed", "route"])]
    answer: Option<String>,
    /// What a trusted server says of the tool, in YAML or JSON: `{ readOnlyHint: true }`
    #[arg(long, value_name = "ANNOTATIONS", requires = "tool")]
    annotations: Option<String>,
    /// The time of the call, in seconds since 1970; now if left out
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
    /// The caller's address
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// Also show the rules that are not about this caller or not about this target
    #[arg(long)]
    all: bool,
}

/// Which rules people see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    All,
    /// Those of the caller's roles that speak about the target.
    Relevant,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let written = Written::open(&args.file)?;
    let policy = written.compile()?;
    let config = engine::optional(args.config.as_deref())?;
    let known = config.as_ref().map(|config| Known::of(config, &policy.digest()).0).unwrap_or_default();
    let caller = caller(args, config.as_ref(), out)?;
    let arguments = args.args.as_ref().map(|text| Document::parse("--args", text)).transpose()?;
    let now = args.at.unwrap_or_else(|| u64::try_from(clock::now()).unwrap_or_default());
    let context = Context::at(UnixTime::from_secs(now))
        .from(args.source)
        .of_class(args.tool.as_deref().and_then(|tool| known.class(tool)));
    let context = if args.listed { context.listed() } else { context };
    let (verdict, questions) = explained(args, &policy, &caller, arguments, &context)?;
    let lines = Lines { written: &written, rules: written.rules() };
    let said: Vec<Value> = questions.iter().map(|question| to_json(question, &lines)).collect();
    let answer = json!({ "ok": true, "verdict": verdict.to_json(), "questions": said });
    let shown = if args.all { Shown::All } else { Shown::Relevant };
    out.either(&answer, || text(&verdict, &questions, &lines, shown))?;
    Ok(match verdict.decision {
        Decision::Allow => Exit::Success,
        Decision::Deny => Exit::Refused,
    })
}

fn explained(
    args: &Args,
    policy: &Policy,
    caller: &Caller,
    arguments: Option<Document>,
    context: &Context<'_>,
) -> Result<(Verdict, Vec<Explained>), Failure> {
    let (roles, explanation) = match (&args.route, &args.answer) {
        (Some(route), _) => caller.explain_route(policy, route, context),
        (None, Some(answer)) => {
            let answer = Document::parse("--answer", answer)?;
            let question = question(args, None)?;
            return caller
                .explain_answer(policy, &question, context, answer.json())
                .map_err(Failure::refused);
        }
        (None, None) => {
            let question = question(args, arguments)?;
            caller.explain(policy, &question, context).map_err(Failure::refused)?
        }
    };
    let Explanation { verdict, questions } = explanation;
    Ok((Verdict::of(verdict, roles), questions))
}

fn question(args: &Args, arguments: Option<Document>) -> Result<Question, Failure> {
    let (target, fitting) = match (&args.tool, &args.prompt, &args.uri) {
        (Some(tool), _, _) => (Target::Tool(tool.clone()), "tools/call"),
        (_, Some(prompt), _) => (Target::Prompt(prompt.clone()), "prompts/get"),
        (_, _, Some(uri)) => (Target::Resource(uri.clone()), "resources/read"),
        (None, None, None) => (Target::Nothing, ""),
    };
    let call = args.call.as_deref().unwrap_or(fitting);
    let arguments = arguments.map(|document| document.json().to_owned());
    let question = Question::new(call, target, arguments).map_err(Failure::usage)?;
    match &args.annotations {
        Some(annotations) => {
            let annotations = Document::parse("--annotations", annotations)?;
            question.annotated(annotations.json()).map_err(Failure::refused)
        }
        None => Ok(question),
    }
}

/// The caller whose claims or token are given. A token is not verified here: that is for `token verify`.
fn caller(args: &Args, config: Option<&Config>, out: Out) -> Result<Caller, Failure> {
    let claims: Object = match (&args.claims, &args.token) {
        (Some(claims), _) => Document::parse("--claims", claims)?.decode()?,
        (None, Some(path)) => token(path, out)?,
        (None, None) => return Err(Failure::usage("name the caller by `--claims` or `--as`")),
    };
    let named = claims.get("iss").and_then(Value::as_str);
    let Some((config, name)) = config.zip(named) else {
        return Caller::new(&claims).map_err(Failure::refused);
    };
    let issuer = config.issuers.iter().find(|issuer| issuer.rules.issuer == name).ok_or_else(|| {
        Failure::refused(format!("the configuration has no issuer with `issuer: {name}`"))
            .help("its servers refuse such a token before any policy is asked")
    })?;
    Caller::of_issuer(&claims, issuer).map_err(Failure::refused)
}

fn token(path: &Path, out: Out) -> Result<Object, Failure> {
    let text = file::read(path)?;
    let token = text.trim();
    let seen = jws::peek(token.strip_prefix("Bearer ").unwrap_or(token))?;
    if !out.wants_json() {
        out.aside("note: the token is read, not verified");
    }
    Ok(seen.claims)
}

/// Where rules stand in the file.
struct Lines<'w> {
    written: &'w Written,
    rules: BTreeMap<String, WrittenRule>,
}

impl Lines<'_> {
    fn of(&self, rule: &str) -> Option<usize> {
        let rule = self.rules.get(rule)?;
        self.written.place(&rule.path).map(|place| place.line)
    }
}

fn says(finding: &Finding) -> &'static str {
    finding.truth.map_or("open", Truth::word)
}

fn to_json(question: &Explained, lines: &Lines<'_>) -> Value {
    let finding = |finding: &Finding| json!({ "path": finding.path, "says": says(finding) });
    let rule = |rule: &Considered| {
        json!({
            "rule": rule.rule,
            "line": lines.of(&rule.rule),
            "effect": rule.effect.word(),
            "roles": rule.roles,
            "outcome": rule.outcome.word(),
            "findings": rule.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    };
    json!({ "asked": question.asked, "rules": question.rules.iter().map(rule).collect::<Vec<_>>() })
}

fn text(verdict: &Verdict, questions: &[Explained], lines: &Lines<'_>, all: Shown) -> String {
    let roles = if verdict.roles.is_empty() { "none".to_owned() } else { verdict.roles.join(", ") };
    let mut text = format!("{}\nroles: {roles}\n", verdict.say());
    for question in questions {
        let _ = writeln!(text, "\n{}", question.asked);
        let hidden = |outcome: Came| {
            all == Shown::Relevant && question.rules.iter().any(|rule| rule.outcome == outcome)
        };
        for rule in &question.rules {
            let aside = matches!(rule.outcome, Came::NotHeld | Came::OtherTarget);
            if aside && all == Shown::Relevant {
                continue;
            }
            let line = lines.of(&rule.rule).map(|line| format!(" (line {line})")).unwrap_or_default();
            let (outcome, effect) = (rule.outcome.word(), rule.effect.word());
            let _ = writeln!(text, "  {outcome:<17} {effect:<5} `{}`{line}", rule.rule);
            for finding in &rule.findings {
                let _ = writeln!(text, "{:26}{}: {}", "", finding.path, says(finding));
            }
        }
        let count = |outcome: Came| question.rules.iter().filter(|rule| rule.outcome == outcome).count();
        if hidden(Came::NotHeld) || hidden(Came::OtherTarget) {
            let (not_held, other) = (count(Came::NotHeld), count(Came::OtherTarget));
            let _ = writeln!(
                text,
                "  not shown: {not_held} of roles that the caller does not have, {other} about something else (`--all`)"
            );
        }
    }
    text
}
