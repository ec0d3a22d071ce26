// SPDX-License-Identifier: Apache-2.0
//! What the holders of a role may do, whoever they are: what hangs on the caller, the hour or the arguments stays open.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use toolgate_engine::{
    json::Doc,
    mcp::{Method, MethodClass},
    policy::{Arguments, Ask, Considered, Context, Effect, Facts, Finding, Outcome, Policy, RoleSet, Truth},
    time::UnixTime,
};

use super::{Known, Written, WrittenRule, parse};
use crate::diagnostic::Failure;

/// Something that a policy is asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    Method(&'static str),
    Tool(String),
    Prompt(String),
    Resource(String),
    Route(String),
}

impl Thing {
    fn ask(&self) -> Ask<'_> {
        match self {
            Self::Method(name) => match Method::from_name(name).map(Method::class) {
                Some(MethodClass::Base) => Ask::Base(name),
                _ => Ask::Method(name),
            },
            Self::Tool(name) => Ask::Tool(Method::ToolsCall.name(), name),
            Self::Prompt(name) => Ask::Prompt(Method::PromptsGet.name(), name),
            Self::Resource(uri) => Ask::Resource(Method::ResourcesRead.name(), uri),
            Self::Route(name) => Ask::Route(name),
        }
    }

    pub(crate) fn say(&self) -> String {
        let (kind, name) = match self {
            Self::Method(name) => ("method", *name),
            Self::Tool(name) => ("tool", name.as_str()),
            Self::Prompt(name) => ("prompt", name.as_str()),
            Self::Resource(uri) => ("resource", uri.as_str()),
            Self::Route(name) => ("route", name.as_str()),
        };
        format!("{kind} {name}")
    }
}

/// Whether holders of a role may, in the order of how much they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    No,
    /// It hangs on conditions.
    Depends,
    Yes,
}

impl Answer {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Depends => "depends",
            Self::Yes => "yes",
        }
    }
}

/// An answer with the rules that it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) answer: Answer,
    /// Of who may not, what denies.
    pub(crate) rules: Vec<Term>,
}

/// One rule behind an answer.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) rule: String,
    pub(crate) effect: Effect,
    /// What it hangs on; nothing where that is settled.
    pub(crate) hangs_on: Option<Value>,
    pub(crate) line: Option<usize>,
}

impl Reach {
    pub(crate) const NONE: Self = Self { answer: Answer::No, rules: Vec::new() };

    /// What two policies have to agree on; the names of rules are not among it.
    pub(crate) fn essence(&self) -> (Answer, Vec<String>) {
        // Who may not may hold another role that allows, and what denies counts there too.
        let say = |term: &Term| match (&term.hangs_on, self.answer) {
            (Some(when), Answer::Depends | Answer::No) => Some(format!("{} when {when}", term.effect.word())),
            (None, Answer::No) => Some(term.effect.word().to_owned()),
            (None, Answer::Depends) | (_, Answer::Yes) => None,
        };
        let mut open: Vec<String> = self.rules.iter().filter_map(say).collect();
        open.sort();
        open.dedup();
        (self.answer, open)
    }
}

impl Term {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "rule": self.rule, "effect": self.effect.word(), "when": self.hangs_on, "line": self.line })
    }

    /// ``allow `edit-code` (line 11) when {…}``
    pub(crate) fn say(&self) -> String {
        let line = self.line.map(|line| format!(" (line {line})")).unwrap_or_default();
        let when = self.hangs_on.as_ref().map(|when| format!(" when {when}")).unwrap_or_default();
        format!("{} `{}`{line}{when}", self.effect.word(), self.rule)
    }
}

/// A policy that is asked about many things.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) written: Written,
    pub(crate) policy: Policy,
    /// The same without bindings and without the dates of grants: what subjects may do by grants, whenever.
    grants: Policy,
    rules: BTreeMap<String, WrittenRule>,
}

impl Asked {
    pub(crate) fn new(written: Written) -> Result<Self, Failure> {
        let policy = written.compile()?;
        let grants = timeless(written.value()).map_err(Failure::refused)?;
        Ok(Self { policy, grants, rules: written.rules(), written })
    }

    /// What holders of a role may do; nothing if there is no such role.
    pub(crate) fn role(
        &self,
        role: &str,
        thing: &Thing,
        known: &Known,
        arguments: Option<&Doc<'_>>,
    ) -> Reach {
        let Some(roles) = self.policy.role(role) else { return Reach::NONE };
        self.reach(&self.policy, &roles, &Facts::default(), thing, known, arguments)
    }

    /// What a subject may do by its grants.
    pub(crate) fn subject(
        &self,
        facts: &Facts<'_>,
        thing: &Thing,
        known: &Known,
        arguments: Option<&Doc<'_>>,
    ) -> Reach {
        let (roles, _) = self.grants.resolve(facts, UnixTime::default());
        self.reach(&self.grants, &roles, facts, thing, known, arguments)
    }

    fn reach(
        &self,
        policy: &Policy,
        roles: &RoleSet,
        facts: &Facts<'_>,
        thing: &Thing,
        known: &Known,
        arguments: Option<&Doc<'_>>,
    ) -> Reach {
        let class = match thing {
            Thing::Tool(name) => known.class(name),
            Thing::Method(_) | Thing::Prompt(_) | Thing::Resource(_) | Thing::Route(_) => None,
        };
        let given = arguments.map_or(Arguments::Open, |doc| Arguments::Given(doc.root()));
        let context = Context::at(UnixTime::default()).of_class(class).with(given);
        let explained = policy.explain_ask(roles, facts, thing.ask(), &context);
        let arguments = if arguments.is_some() { Given::Yes } else { Given::No };
        let considered = explained.questions.iter().flat_map(|question| &question.rules);
        let said: Vec<(Says, Term)> = considered
            .filter_map(|rule| {
                let says = says(rule, &|path: &str| settled(path, arguments))?;
                Some((says, self.term(rule, says)))
            })
            .collect();
        let of = |effect: Effect, wanted: Says| -> Vec<Term> {
            let those = said.iter().filter(|(says, term)| *says == wanted && term.effect == effect);
            those.map(|(_, term)| term.clone()).collect()
        };
        let (denies, may_deny) = (of(Effect::Deny, Says::Yes), of(Effect::Deny, Says::Maybe));
        let (allows, may_allow) = (of(Effect::Allow, Says::Yes), of(Effect::Allow, Says::Maybe));
        let base = matches!(thing.ask(), Ask::Base(_)) && !roles.is_empty();
        let (answer, rules) = if !denies.is_empty() {
            (Answer::No, denies)
        } else if (base || !allows.is_empty()) && may_deny.is_empty() {
            (Answer::Yes, allows)
        } else if base || !allows.is_empty() {
            (Answer::Depends, [allows, may_deny].concat())
        } else if !may_allow.is_empty() {
            (Answer::Depends, [may_allow, may_deny].concat())
        } else {
            (Answer::No, may_deny)
        };
        Reach { answer, rules }
    }

    fn term(&self, rule: &Considered, says: Says) -> Term {
        let written = self.rules.get(&rule.rule);
        let place = written.and_then(|written| self.written.place(&written.path));
        let part = |name: &str| written.and_then(|written| written.rule.get(name)).cloned();
        let mut when = part("when").unwrap_or_default();
        if let Some(require) = part("require") {
            let mut all = when.as_object().cloned().unwrap_or_default();
            all.insert("require".to_owned(), require);
            when = Value::Object(all);
        }
        Term {
            rule: rule.rule.clone(),
            effect: rule.effect,
            hangs_on: (says == Says::Maybe).then_some(when),
            line: place.map(|place| place.line),
        }
    }
}

fn timeless(policy: &Value) -> Result<Policy, String> {
    let mut policy = policy.clone();
    if let Some(policy) = policy.as_object_mut() {
        policy.remove("bindings");
    }
    let grants = policy.get_mut("grants").and_then(Value::as_array_mut).into_iter().flatten();
    for grant in grants.filter_map(Value::as_object_mut) {
        grant.remove("from");
        grant.remove("until");
    }
    let text = policy.to_string();
    Policy::compile(parse(&text)?.root()).map_err(|error| error.message().to_owned())
}

/// Whether a rule fires for whoever holds its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Yes,
    Maybe,
}

/// Whether the arguments of the call are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Yes,
    No,
}

/// Nothing if the rule cannot fire. `settled` says of what a test looks at whether its result is the one that counts.
fn says(rule: &Considered, settled: &impl Fn(&str) -> bool) -> Option<Says> {
    match rule.outcome {
        Outcome::NotHeld | Outcome::OtherTarget | Outcome::OtherUse | Outcome::InShadow => return None,
        Outcome::ConditionFalse | Outcome::ConditionUnknown | Outcome::Requires | Outcome::Fired => {}
    }
    if rule.findings.iter().all(|finding| settled(looked_at(finding))) {
        // Who shows what it requires may.
        if rule.outcome == Outcome::Requires {
            return Some(Says::Maybe);
        }
        return (rule.outcome == Outcome::Fired).then_some(Says::Yes);
    }
    // One part of a conjunction that does not hold is enough.
    let fails = |finding: &Finding| match (finding.truth, rule.effect) {
        (Some(Truth::False), _) | (Some(Truth::Unknown), Effect::Allow) => true,
        (Some(Truth::True | Truth::Unknown) | None, _) => false,
    };
    let out = |finding: &Finding| {
        inner(&finding.path) == finding.path.strip_prefix("when.").unwrap_or(&finding.path)
            && settled(looked_at(finding))
            && fails(finding)
    };
    (!rule.findings.iter().any(out)).then_some(Says::Maybe)
}

/// What rules say together where some tests are not settled; and what it hangs on. `base` is what every holder of a
/// role may.
pub(super) fn weigh(
    rules: &[Considered],
    settled: &impl Fn(&str) -> bool,
    base: bool,
) -> (Answer, Vec<String>) {
    let said: Vec<(Says, &Considered)> =
        rules.iter().filter_map(|rule| says(rule, settled).map(|says| (says, rule))).collect();
    let any = |effect: Effect, wanted: Says| {
        said.iter().any(|(says, rule)| *says == wanted && rule.effect == effect)
    };
    let open = |effect: Effect| {
        let rules = said.iter().filter(move |(says, rule)| *says == Says::Maybe && rule.effect == effect);
        let tests = rules.flat_map(|(_, rule)| {
            let required = (rule.outcome == Outcome::Requires).then_some("require");
            rule.findings.iter().map(looked_at).filter(|path| !settled(path)).chain(required)
        });
        tests.map(str::to_owned).collect::<Vec<_>>()
    };
    let allowed = base || any(Effect::Allow, Says::Yes);
    if any(Effect::Deny, Says::Yes) {
        (Answer::No, Vec::new())
    } else if allowed && !any(Effect::Deny, Says::Maybe) {
        (Answer::Yes, Vec::new())
    } else if allowed {
        (Answer::Depends, open(Effect::Deny))
    } else if any(Effect::Allow, Says::Maybe) {
        (Answer::Depends, [open(Effect::Allow), open(Effect::Deny)].concat())
    } else {
        (Answer::No, Vec::new())
    }
}

/// What a test looks at: `args./path`, `claims./groups`, `subject`, `source`.
fn looked_at(finding: &Finding) -> &str {
    let inner = inner(&finding.path);
    match inner {
        "operations" | "classes" | "source" | "time" => inner,
        other => other.rsplit_once('.').map_or(other, |(path, _)| path),
    }
}

/// What a test looks at, without the `all`, `any` and `not` around it.
fn inner(path: &str) -> &str {
    let mut rest = path.strip_prefix("when.").unwrap_or(path);
    loop {
        let (head, tail) = rest.split_once('.').unwrap_or((rest, ""));
        if head == "not" || head.starts_with("all[") || head.starts_with("any[") {
            rest = tail;
        } else {
            return rest;
        }
    }
}

/// Whether a test comes out the same whoever calls, and when.
fn settled(looked_at: &str, arguments: Given) -> bool {
    matches!(looked_at, "operations" | "classes")
        || (looked_at.starts_with("args.") && arguments == Given::Yes)
}
