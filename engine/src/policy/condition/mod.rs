// SPDX-License-Identifier: Apache-2.0
//! Conditions: tests on what is known of a call, three-valued, joined by all, any and not.

mod clock;
mod compile;
mod findings;
pub(crate) mod network;
mod path;
mod test;
mod work;

pub(super) use compile::{Place, compile, compile_regex};
pub use findings::Finding;
pub(super) use work::{Work, reads};

use super::classes::{Classes, Labels};
use super::facts::{AnswerFacts, Arguments, Context, Facts, Hints, Witness};
use super::truth::{Possible, Truth};
use crate::json::{Unclear, Value};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use clock::Hours;
use core::cell::{Cell, OnceCell};
use network::Network;
pub(super) use test::Test;
use test::Tested;

#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Atom(Operand, Vec<Test>),
    Hours(Hours),
    Source(Vec<Network>),
    Operations(Labels),
    Classes(Labels),
}

/// What an atom looks at.
#[derive(Debug)]
pub(super) enum Operand {
    Argument(String),
    /// As `Argument` in a rule on answers, with the place of what its one test said of the call.
    Kept(usize, String),
    Claim(String),
    Roles,
    Scopes,
    Groups,
    Subject,
    Client,
    Issuer,
    KeyId,
    KeyOwner,
    KeyLabel(String),
    CertificateUri,
    CertificateDns,
    CertificateSubject,
    Hint(Hint),
    Answer(AnswerPart),
}

/// A part of an answer.
#[derive(Debug)]
pub(super) enum AnswerPart {
    Outcome,
    Bytes,
    Types,
    Result(String),
}

/// One of the annotations of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    ReadOnly,
    Destructive,
    Idempotent,
    OpenWorld,
}

/// What a condition needs to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) arguments: bool,
    pub(super) source: bool,
    pub(super) tool: bool,
    pub(super) hints: bool,
    pub(super) answer: bool,
    pub(super) claims: bool,
}

/// Everything that one question is judged by.
#[derive(Debug)]
pub(super) struct Scene<'s> {
    who: &'s (dyn Witness + 's),
    /// What is proven of the caller, once something has asked.
    facts: OnceCell<Facts<'s>>,
    pub(super) context: &'s Context<'s>,
    classes: &'s Classes,
    tool: Option<&'s str>,
    /// What is declared of the tool, once a condition has asked.
    labels: Cell<Option<Labels>>,
}

impl<'s> Scene<'s> {
    pub(super) fn new(
        who: &'s (dyn Witness + 's),
        context: &'s Context<'s>,
        classes: &'s Classes,
        tool: Option<&'s str>,
    ) -> Scene<'s> {
        Scene { who, facts: OnceCell::new(), context, classes, tool, labels: Cell::new(None) }
    }

    pub(super) fn facts(&self) -> &Facts<'s> {
        self.facts.get_or_init(|| self.who.facts())
    }

    fn labels(&self) -> Labels {
        let labels = self.labels.get().unwrap_or_else(|| match self.tool {
            Some(tool) => self.classes.of(tool, self.context.class),
            None => Labels::default(),
        });
        self.labels.set(Some(labels));
        labels
    }
}

impl Condition {
    pub(super) fn evaluate(&self, scene: &Scene<'_>) -> Possible {
        match self {
            Condition::All(parts) => {
                parts.iter().fold(Possible::only(Truth::True), |set, part| set.and(part.evaluate(scene)))
            }
            Condition::Any(parts) => {
                parts.iter().fold(Possible::only(Truth::False), |set, part| set.or(part.evaluate(scene)))
            }
            Condition::Not(part) => part.evaluate(scene).negate(),
            Condition::Atom(operand, tests) => operand.evaluate(tests, scene),
            Condition::Hours(hours) => Possible::only(Truth::from_bool(hours.hold(scene.context.now))),
            Condition::Source(networks) => Possible::only(match scene.context.source {
                Some(address) => Truth::from_bool(networks.iter().any(|network| network.holds(address))),
                None => Truth::Unknown,
            }),
            Condition::Operations(granted) => Possible::only(scene.labels().within(*granted)),
            Condition::Classes(wanted) => Possible::only(scene.labels().meet(*wanted)),
        }
    }

    /// What has to be known to evaluate this.
    pub(super) fn needs(&self) -> Needs {
        match self {
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().map(Condition::needs).fold(Needs::default(), Needs::join)
            }
            Condition::Not(part) => part.needs(),
            Condition::Atom(Operand::Argument(_) | Operand::Kept(..), _) => {
                Needs { arguments: true, ..Needs::default() }
            }
            Condition::Atom(Operand::Claim(_), _) => Needs { claims: true, ..Needs::default() },
            Condition::Atom(Operand::Hint(_), _) => Needs { tool: true, hints: true, ..Needs::default() },
            Condition::Atom(Operand::Answer(_), _) => Needs { answer: true, ..Needs::default() },
            Condition::Source(_) => Needs { source: true, ..Needs::default() },
            Condition::Operations(_) | Condition::Classes(_) => Needs { tool: true, ..Needs::default() },
            Condition::Atom(..) | Condition::Hours(_) => Needs::default(),
        }
    }
}

impl Needs {
    pub(super) fn join(self, other: Needs) -> Needs {
        Needs {
            arguments: self.arguments || other.arguments,
            source: self.source || other.source,
            tool: self.tool || other.tool,
            hints: self.hints || other.hints,
            answer: self.answer || other.answer,
            claims: self.claims || other.claims,
        }
    }
}

impl Operand {
    fn evaluate(&self, tests: &[Test], scene: &Scene<'_>) -> Possible {
        let (facts, context) = (|| scene.facts(), scene.context);
        let tested = match self {
            Operand::Argument(pointer) => match context.arguments {
                Arguments::Open => return Possible::ANY,
                Arguments::Absent | Arguments::Kept(_) => Tested::Absent,
                Arguments::Given(value) => return Possible::only(argument(tests, value, pointer)),
            },
            // What is not known of the arguments is unknown, whatever is asked of them.
            Operand::Kept(at, _) => {
                return Possible::only(match context.arguments {
                    Arguments::Kept(kept) => kept.truth(*at),
                    Arguments::Absent | Arguments::Given(_) | Arguments::Open => Truth::Unknown,
                });
            }
            Operand::Claim(pointer) => {
                Tested::json(facts().claims.and_then(|claims| claims.root().pointer(pointer)))
            }
            // An empty list counts as present: a token without roles has no roles.
            Operand::Roles => Tested::List(facts().roles),
            Operand::Scopes => Tested::List(facts().scopes),
            Operand::Groups => Tested::List(facts().groups),
            Operand::Subject => Tested::text(facts().subject),
            Operand::Client => Tested::text(facts().client),
            Operand::Issuer => Tested::text(facts().issuer),
            Operand::KeyId => Tested::text(facts().key.map(|key| key.id)),
            Operand::KeyOwner => Tested::text(facts().key.and_then(|key| key.owner)),
            Operand::KeyLabel(name) => {
                let labels = facts().key.map(|key| key.labels).unwrap_or_default();
                let label = labels.iter().find(|(label, _)| label == name);
                Tested::text(label.map(|(_, value)| value.as_str()))
            }
            Operand::CertificateUri => list(facts().certificate.map(|certificate| certificate.uris)),
            Operand::CertificateDns => list(facts().certificate.map(|certificate| certificate.dns)),
            Operand::CertificateSubject => {
                Tested::text(facts().certificate.and_then(|certificate| certificate.subject))
            }
            Operand::Hint(hint) => Tested::flag(hint.of(&context.hints)),
            Operand::Answer(part) => return Possible::only(part.evaluate(tests, context.answer)),
        };
        Possible::only(test::all(tests, tested))
    }
}

impl AnswerPart {
    fn evaluate(&self, tests: &[Test], answer: Option<AnswerFacts<'_>>) -> Truth {
        let Some(answer) = answer else { return test::all(tests, Tested::Absent) };
        let types = match self {
            AnswerPart::Types => answer.types(),
            AnswerPart::Outcome | AnswerPart::Bytes | AnswerPart::Result(_) => None,
        };
        let tested = match self {
            AnswerPart::Outcome => Tested::Text(answer.outcome),
            // More bytes than 32 bits can say are more than any answer may have.
            AnswerPart::Bytes => u32::try_from(answer.bytes).map_or(Tested::Absent, Tested::Count),
            AnswerPart::Types => list(types.as_deref()),
            AnswerPart::Result(pointer) => match answer.result {
                Some(result) => return written(tests, result, pointer),
                None => Tested::Absent,
            },
        };
        test::all(tests, tested)
    }
}

impl Hint {
    fn of(self, hints: &Hints) -> Option<bool> {
        match self {
            Hint::ReadOnly => hints.read_only,
            Hint::Destructive => hints.destructive,
            Hint::Idempotent => hints.idempotent,
            Hint::OpenWorld => hints.open_world,
        }
    }
}

/// What tests say of an argument of a call that is there; nothing of one to come, or that is over.
pub(super) fn of_argument(pointer: &str, tests: &[Test], arguments: Arguments<'_>) -> Option<Truth> {
    match arguments {
        Arguments::Absent => Some(test::all(tests, Tested::Absent)),
        Arguments::Given(value) => Some(argument(tests, value, pointer)),
        Arguments::Open | Arguments::Kept(_) => None,
    }
}

/// What tests say of an argument. Servers that read JSON in strings (FastMCP does, wherever a parameter may be something
/// else than a string) find nothing in the string `null`.
fn argument(tests: &[Test], root: Value<'_>, pointer: &str) -> Truth {
    let reads_as_nothing = |found: Value<'_>| {
        let space = [' ', '\t', '\n', '\r'];
        found.as_str().is_some_and(|text| text.trim_matches(space) == "null")
    };
    match root.pointer_clear(pointer) {
        Ok(Some(found)) if reads_as_nothing(found) => Truth::Unknown,
        Ok(found) => test::all(tests, Tested::json(found)),
        Err(Unclear) => Truth::Unknown,
    }
}

/// What tests say of a value that a server wrote. Where its reader may find another one there, that is
/// unknown.
fn written(tests: &[Test], root: Value<'_>, pointer: &str) -> Truth {
    match root.pointer_clear(pointer) {
        Ok(found) => test::all(tests, Tested::json(found)),
        Err(Unclear) => Truth::Unknown,
    }
}

/// Without a certificate its names are absent, not none; so are types that cannot be read.
fn list(list: Option<&[String]>) -> Tested<'_> {
    list.map_or(Tested::Absent, Tested::List)
}
