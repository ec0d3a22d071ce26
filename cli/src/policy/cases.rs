// SPDX-License-Identifier: Apache-2.0
//! `cases.yaml`: questions with the expected verdicts. The same rows run through Envoy in the test harness.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json};
use toolgate_engine::{policy::Policy, suggest::did_you_mean, time::UnixTime};

use super::{
    Caller, Question, Written, WrittenRule,
    answer::{List, Target, Verdict, Visible, decide, decide_answer, visible},
    routes::Routes,
};
use crate::{
    clock,
    diagnostic::{Diagnostic, Failure, Place},
    jws::Object,
    yaml::Document,
};

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Beside the file.
    policy: PathBuf,
    /// The claims of each caller.
    principals: BTreeMap<String, Object>,
    /// Plain HTTP routes that rows may request, as a configuration writes them, without `policy` and `issuers`.
    #[serde(default)]
    routes: Vec<Object>,
    cases: Vec<Case>,
}

/// One row as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    r#as: String,
    call: Option<String>,
    /// A request to a route: `GET /path`.
    request: Option<String>,
    tool: Option<String>,
    prompt: Option<String>,
    uri: Option<String>,
    args: Option<Value>,
    /// What a trusted server says of the tool.
    annotations: Option<Value>,
    /// What the server answers to a call that is allowed: an object with `result` or `error`.
    answer: Option<Value>,
    list: Option<List>,
    given: Option<Vec<String>>,
    expect: Value,
    rule: Option<String>,
    reason: Option<String>,
    /// When it is asked, in seconds since 1970; now if left out.
    at: Option<u64>,
    /// For people.
    #[serde(rename = "note")]
    _note: Option<String>,
}

/// What became of one row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) who: String,
    pub(crate) what: String,
    pub(crate) expected: String,
    pub(crate) got: String,
    pub(crate) outcome: RowOutcome,
    pub(crate) place: Option<Place>,
    /// The rules that decided.
    rules: Vec<String>,
}

/// What a file of cases came to.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) coverage: Coverage,
}

/// Which rules of a policy decided a row. Rules in shadow decide nothing, and are not counted.
#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    pub(crate) rules: usize,
    /// Those that decided none, with their places, in the order of the file.
    pub(crate) idle: Vec<(String, Option<Place>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowOutcome {
    Matched,
    Differed,
}

impl Row {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "as": self.who,
            "what": self.what,
            "expected": self.expected,
            "got": self.got,
            "ok": self.outcome == RowOutcome::Matched,
            "line": self.place.as_ref().map(|place| place.line),
        })
    }
}

/// Runs every row of a file.
pub(crate) fn run(path: &Path) -> Result<Report, Failure> {
    let document = Document::open(path)?;
    let file: File = document.decode()?;
    let written = Written::open(&path.with_file_name(&file.policy))?;
    ask(&document, &file, &written)
}

/// Asks the rows of a file of another policy.
pub(crate) fn run_with(path: &Path, written: &Written) -> Result<Report, Failure> {
    let document = Document::open(path)?;
    ask(&document, &document.decode()?, written)
}

fn ask(document: &Document, file: &File, written: &Written) -> Result<Report, Failure> {
    let policy = written.compile()?;
    if file.cases.is_empty() {
        return Err(Diagnostic::error("no cases").at(document.place(&["cases".to_owned()])).into());
    }
    let routes = Routes::compile(document, &file.routes)?;
    let mut callers = BTreeMap::new();
    for (name, claims) in &file.principals {
        let caller = Caller::new(claims).map_err(|message| {
            Diagnostic::error(message).at(document.place(&["principals".to_owned(), name.clone()]))
        })?;
        callers.insert(name.as_str(), caller);
    }
    let rows = file.cases.iter().enumerate().map(|(index, case)| {
        let place = document.place(&["cases".to_owned(), index.to_string()]);
        row(&policy, &routes, &callers, case, place.clone()).map_err(|error| Failure::from(error.at(place)))
    });
    let rows = rows.collect::<Result<Vec<Row>, Failure>>()?;
    let coverage = coverage(written, &rows);
    Ok(Report { rows, coverage })
}

fn coverage(written: &Written, rows: &[Row]) -> Coverage {
    let decided: BTreeSet<&str> = rows.iter().flat_map(|row| &row.rules).map(String::as_str).collect();
    let in_shadow = |rule: &WrittenRule| rule.rule.get("mode").is_some_and(|mode| mode == "shadow");
    let rules = written.rules();
    let live: Vec<_> = rules.iter().filter(|(_, rule)| !in_shadow(rule)).collect();
    let idle = live.iter().filter(|(id, _)| !decided.contains(id.as_str()));
    let mut idle: Vec<_> = idle.map(|(id, rule)| ((*id).clone(), written.place(&rule.path))).collect();
    idle.sort_by_key(|(_, place)| place.as_ref().map(|place| (place.line, place.column)));
    Coverage { rules: live.len(), idle }
}

fn row(
    policy: &Policy,
    routes: &Routes,
    callers: &BTreeMap<&str, Caller>,
    case: &Case,
    place: Option<Place>,
) -> Result<Row, Diagnostic> {
    let caller = callers.get(case.r#as.as_str()).ok_or_else(|| {
        Diagnostic::error(format!("`{}` is not one of `principals`", case.r#as))
            .maybe_help(did_you_mean(&case.r#as, callers.keys().copied()))
    })?;
    let now = case.at.unwrap_or_else(|| u64::try_from(clock::now()).unwrap_or_default());
    let now = UnixTime::from_secs(now);
    let Came { what, got, outcome, rules } = match (&case.call, case.list, &case.request) {
        (Some(call), None, None) => one(policy, caller, now, case, call)?,
        (None, Some(list), None) => filtered(policy, caller, now, case, list)?,
        (None, None, Some(request)) => requested(policy, routes, caller, now, case, request)?,
        _ => return Err(Diagnostic::error("a case has one of `call`, `list` and `request`")),
    };
    let expected = expectation(case);
    Ok(Row { who: case.r#as.clone(), what, expected, got, outcome, place, rules })
}

/// What a row comes to: what was asked, the answer, and whether it is the expected one.
struct Came {
    what: String,
    got: String,
    outcome: RowOutcome,
    rules: Vec<String>,
}

fn one(policy: &Policy, caller: &Caller, now: UnixTime, case: &Case, call: &str) -> Result<Came, Diagnostic> {
    let question = Question::new(call, target(case)?, case.args.as_ref().map(Value::to_string))
        .map_err(Diagnostic::error)?;
    let question = match &case.annotations {
        Some(annotations) => question.annotated(&annotations.to_string()).map_err(Diagnostic::error)?,
        None => question,
    };
    let verdict = match &case.answer {
        Some(answer) => decide_answer(policy, caller, now, &question, &answer.to_string()),
        None => decide(policy, caller, now, &question),
    };
    let verdict = verdict.map_err(Diagnostic::error)?;
    let matched = fits(case, &verdict)?;
    let name = case.tool.as_ref().or(case.prompt.as_ref()).or(case.uri.as_ref());
    let mut what = name.map_or_else(|| call.to_owned(), |name| format!("{call} {name}"));
    if case.answer.is_some() {
        what.push_str(", its answer");
    }
    Ok(Came { what, got: verdict.say(), outcome: matched, rules: verdict.rule.into_iter().collect() })
}

fn requested(
    policy: &Policy,
    routes: &Routes,
    caller: &Caller,
    now: UnixTime,
    case: &Case,
    request: &str,
) -> Result<Came, Diagnostic> {
    let more = case.args.is_some() || case.annotations.is_some() || case.answer.is_some();
    if target(case)? != Target::Nothing || more {
        let message = "a `request` has no `tool`, `prompt`, `uri`, `args`, `annotations` or `answer`";
        return Err(Diagnostic::error(message));
    }
    let verdict = routes.decide(policy, caller, now, request)?;
    let outcome = fits(case, &verdict)?;
    Ok(Came {
        what: request.to_owned(),
        got: verdict.say(),
        outcome,
        rules: verdict.rule.into_iter().collect(),
    })
}

fn fits(case: &Case, verdict: &Verdict) -> Result<RowOutcome, Diagnostic> {
    let expected = case.expect.as_str().filter(|word| matches!(*word, "allow" | "deny"));
    let Some(expected) = expected.filter(|_| case.given.is_none()) else {
        return Err(Diagnostic::error("a `call` or `request` expects `allow` or `deny`, and has no `given`"));
    };
    let fits =
        |wish: &Option<String>, got: Option<&str>| wish.as_deref().is_none_or(|wish| Some(wish) == got);
    Ok(outcome(
        verdict.decision.word() == expected
            && fits(&case.rule, verdict.rule.as_deref())
            && fits(&case.reason, verdict.reason),
    ))
}

fn target(case: &Case) -> Result<Target, Diagnostic> {
    match (&case.tool, &case.prompt, &case.uri) {
        (None, None, None) => Ok(Target::Nothing),
        (Some(tool), None, None) => Ok(Target::Tool(tool.clone())),
        (None, Some(prompt), None) => Ok(Target::Prompt(prompt.clone())),
        (None, None, Some(uri)) => Ok(Target::Resource(uri.clone())),
        _ => Err(Diagnostic::error("a case has one of `tool`, `prompt` and `uri`")),
    }
}

fn filtered(
    policy: &Policy,
    caller: &Caller,
    now: UnixTime,
    case: &Case,
    list: List,
) -> Result<Came, Diagnostic> {
    let Some(given) = case.given.as_ref().filter(|_| target(case) == Ok(Target::Nothing)) else {
        return Err(Diagnostic::error("a `list` has `given`, and no `tool`, `prompt` or `uri`"));
    };
    let more = case.args.is_some() || case.annotations.is_some() || case.answer.is_some();
    if case.rule.is_some() || case.reason.is_some() || more {
        let message = "a `list` has no `rule`, `reason`, `args`, `annotations` or `answer`";
        return Err(Diagnostic::error(message));
    }
    let Visible { names, rules } = visible(policy, caller, now, list, given);
    let got = names.map_or_else(|| json!("deny"), |names| json!(names));
    let outcome = outcome(got == case.expect);
    Ok(Came { what: list.method().name().to_owned(), got: say(&got), outcome, rules })
}

fn outcome(matched: bool) -> RowOutcome {
    if matched { RowOutcome::Matched } else { RowOutcome::Differed }
}

fn expectation(case: &Case) -> String {
    let mut text = say(&case.expect);
    if let Some(reason) = &case.reason {
        text.push_str(&format!(": {reason}"));
    }
    if let Some(rule) = &case.rule {
        text.push_str(&format!(" by `{rule}`"));
    }
    text
}

fn say(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Array(items) => {
            let names: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            format!("[{}]", names.join(", "))
        }
        other => other.to_string(),
    }
}
