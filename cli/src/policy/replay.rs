// SPDX-License-Identifier: Apache-2.0
//! A recorded request, asked of a policy again.
//!
//! A record has the caller's roles, subject, issuer and client, the tool with its class, the time and perhaps the
//! address; it has no claims and no values of arguments. What hangs on those cannot be told, and is said so. A record has
//! the issuer's address, a policy speaks of its name in the configuration: without that, it cannot be told either.

use std::collections::{BTreeMap, HashMap};

use toolgate_engine::{
    audit::Kind,
    facade::{Aim, Question},
    mcp::{Method, MethodClass},
    policy::{Arguments, Ask, Context, Explanation, Facts, KeyFacts, Policy, RoleSet},
    time::UnixTime,
};

use super::{
    answer::Verdict,
    reach::{self, Answer},
};
use crate::{
    audit::record::{Record, Text},
    policy::Decision,
};

/// Reasons for which a policy denies; for any other it was not asked.
const OF_POLICY: [&str; 5] = ["no_role", "no_rule", "condition_false", "condition_unknown", "deny_rule"];

/// So many answers are remembered.
const MOST: usize = 100_000;

/// What a policy says of a recorded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// Certain.
    Told(Verdict),
    /// It hangs on what is not in the record.
    Untold(String),
}

/// What a record says was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    Allow,
    Deny,
    /// The policy was not asked.
    Elsewhere,
}

impl Recorded {
    pub(crate) fn of(kind: Kind, record: &Record<'_>) -> Option<Self> {
        if kind != Kind::Decision {
            return None;
        }
        let (decision, reason) =
            (record.decision.as_ref()?.as_str(), record.reason.as_ref().map(Text::as_str));
        Some(match decision {
            "allow" => Self::Allow,
            _ if reason.is_some_and(|reason| OF_POLICY.contains(&reason)) => Self::Deny,
            _ => Self::Elsewhere,
        })
    }
}

/// Asks one policy about many records.
#[derive(Debug)]
pub(crate) struct Replay<'p> {
    policy: &'p Policy,
    issuers: BTreeMap<String, String>,
    known: HashMap<String, Replayed>,
}

impl<'p> Replay<'p> {
    /// With the names that issuers have in the configuration, by their addresses; none, without one.
    pub(crate) fn new(policy: &'p Policy, issuers: BTreeMap<String, String>) -> Self {
        Self { policy, issuers, known: HashMap::new() }
    }

    /// What the policy says; `at` is the time of the record in microseconds since 1970.
    pub(crate) fn ask(&mut self, record: &Record<'_>, at: i64) -> Replayed {
        let now = UnixTime::from_micros(u64::try_from(at).unwrap_or_default());
        let principal = record.principal.clone().unwrap_or_default();
        let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.as_str().to_owned());
        let subject = text(&principal.subject).filter(|subject| !is_hash(subject));
        let issuer = text(&principal.issuer).and_then(|address| self.issuers.get(&address)).cloned();
        let (client, key_id) = (text(&principal.client), text(&principal.key_id));
        let shown = principal.credential.as_ref().map(Text::as_str);
        let key = key_id.as_deref().filter(|_| shown == Some("api_key"));
        let facts = Facts {
            subject: subject.as_deref(),
            issuer: issuer.as_deref(),
            client: client.as_deref(),
            key: key.map(|id| KeyFacts { id, owner: None, labels: &[] }),
            ..Facts::default()
        };
        let (given, _) = self.policy.resolve(&facts, now);
        let roles = self.policy.with_roles(&given, principal.roles.iter().map(Text::as_str));
        let target =
            [&record.method, &record.tool, &record.target, &record.route, &record.class, &record.source];
        let target: Vec<&str> = target.iter().map(|text| text.as_ref().map_or("", Text::as_str)).collect();
        let name = format!("{roles:?} {subject:?} {issuer:?} {client:?} {key:?} {target:?} {shown:?}");
        if let Some(known) = self.known.get(&name) {
            return known.clone();
        }
        let seen = Seen {
            source: known(record.source.is_some()),
            claims: known(shown == Some("anonymous")),
            issuer: known(issuer.is_some()),
            subject: known(subject.is_some()),
            client: known(client.is_some()),
        };
        let context = Context::at(now)
            .from(record.source.as_ref().and_then(|source| source.as_str().parse().ok()))
            .of_class(record.class.as_ref().map(Text::as_str))
            .with(Arguments::Open);
        let (replayed, steady) = match self.explain(record, &roles, &facts, &context) {
            Ok(explanation) => judged(explanation, seen, self.names(&roles), record),
            Err(why) => (Replayed::Untold(why), Steady::Yes),
        };
        if steady == Steady::Yes && self.known.len() < MOST {
            self.known.insert(name, replayed.clone());
        }
        replayed
    }

    fn names(&self, roles: &RoleSet) -> Vec<String> {
        self.policy.role_names(roles).map(str::to_owned).collect()
    }

    fn explain(
        &self,
        record: &Record<'_>,
        roles: &RoleSet,
        facts: &Facts<'_>,
        context: &Context<'_>,
    ) -> Result<Explanation, String> {
        if let Some(route) = record.route.as_ref().filter(|_| record.method.is_none()) {
            return Ok(self.policy.explain_ask(roles, facts, Ask::Route(route.as_str()), context));
        }
        let method = record.method.as_ref().ok_or_else(|| "the record names no method".to_owned())?;
        let question = Question::new(method.as_str(), aim(method.as_str(), record)?)?;
        Ok(self.policy.explain(roles, facts, question.method(), question.target(), context))
    }
}

/// What the call was aimed at, as far as the record says.
fn aim(method: &str, record: &Record<'_>) -> Result<Aim, String> {
    let target = record.target.as_ref().map(Text::as_str);
    let class = Method::from_name(method).map(Method::class);
    Ok(match class {
        Some(MethodClass::Tool) => {
            Aim::Tool(record.tool.as_ref().ok_or("the record names no tool")?.as_str().to_owned())
        }
        Some(MethodClass::Prompt) => Aim::Prompt(target.ok_or("the record names no prompt")?.to_owned()),
        Some(MethodClass::Resource | MethodClass::Subscription) => match target {
            Some(uri) if uri.contains(':') => Aim::Resource(uri.to_owned()),
            Some(_) => return Err("the address of the resource is hashed".to_owned()),
            None => return Err("the record names no resource".to_owned()),
        },
        Some(MethodClass::Completion) => return Err("what is completed is not in the record".to_owned()),
        Some(MethodClass::Base | MethodClass::Plain | MethodClass::Task) | None => Aim::Nothing,
    })
}

/// Configurations may have subjects hashed.
fn is_hash(subject: &str) -> bool {
    subject.len() == 16 && subject.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

/// Whether something is in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    Yes,
    No,
}

fn known(there: bool) -> There {
    if there { There::Yes } else { There::No }
}

/// What of the circumstances is in the record.
#[derive(Clone, Copy, Debug)]
struct Seen {
    source: There,
    claims: There,
    issuer: There,
    subject: There,
    client: There,
}

impl Seen {
    /// Whether what a test looks at is known. Callers without credentials have no claims, which is known too.
    fn settles(self, looked_at: &str) -> bool {
        let own = match looked_at {
            "operations" | "classes" | "time" | "key.id" => return true,
            "source" => return self.source == There::Yes,
            path if path.starts_with("args.") => return false,
            "subject" => self.subject,
            "client" => self.client,
            "issuer" => self.issuer,
            _ => There::No,
        };
        own == There::Yes || self.claims == There::Yes
    }
}

/// Whether the same record at another time gets the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steady {
    Yes,
    No,
}

fn judged(
    explanation: Explanation,
    seen: Seen,
    roles: Vec<String>,
    record: &Record<'_>,
) -> (Replayed, Steady) {
    let settled = |path: &str| seen.settles(path);
    let base =
        record.method.as_ref().and_then(|method| Method::from_name(method.as_str())).map(Method::class)
            == Some(MethodClass::Base)
            && !roles.is_empty();
    let mut hangs_on: Vec<String> = Vec::new();
    let mut steady = Steady::Yes;
    let mut answer = Answer::Yes;
    for question in &explanation.questions {
        let (one, open) = reach::weigh(&question.rules, &settled, base);
        answer = answer.min(one);
        hangs_on.extend(open);
        let timed = question
            .rules
            .iter()
            .flat_map(|rule| &rule.findings)
            .any(|finding| finding.path.contains("time"));
        steady = if timed { Steady::No } else { steady };
    }
    if explanation.questions.is_empty() {
        answer = Answer::No;
    }
    let replayed = match answer {
        Answer::Yes | Answer::No => Replayed::Told(Verdict::of(explanation.verdict, roles)),
        Answer::Depends => {
            hangs_on.sort();
            hangs_on.dedup();
            Replayed::Untold(format!("hangs on {}", hangs_on.join(", ")))
        }
    };
    (replayed, steady)
}

impl Replayed {
    /// Whether it is another decision than the recorded one; nothing if that cannot be told.
    pub(crate) fn differs(&self, recorded: Recorded) -> Option<Decision> {
        match (self, recorded) {
            (Self::Told(verdict), Recorded::Allow) if verdict.decision == Decision::Deny => {
                Some(Decision::Deny)
            }
            (Self::Told(verdict), Recorded::Deny) if verdict.decision == Decision::Allow => {
                Some(Decision::Allow)
            }
            _ => None,
        }
    }
}
