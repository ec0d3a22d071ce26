// SPDX-License-Identifier: Apache-2.0
//! What each test of a condition says, under the path at which it stands.

use super::{AnswerPart, Condition, Hint, Operand, Scene, Test};
use crate::policy::truth::{Possible, Truth};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What one test says. Neither the value that was tested nor the one it was tested against is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands in the rule, such as `when.args./path.path_under`.
    pub path: String,
    /// What it says; nothing while the arguments are open.
    pub truth: Option<Truth>,
}

impl Condition {
    pub(in crate::policy) fn findings(&self, scene: &Scene<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        self.walk("when.", scene, &mut found);
        found
    }

    /// A condition as compiled is the conjunction of what stands in one `when`; a conjunction inside it is its `all`.
    fn walk(&self, path: &str, scene: &Scene<'_>, found: &mut Vec<Finding>) {
        let Condition::All(parts) = self else { return self.leaf(path, scene, found) };
        for part in parts {
            match part {
                Condition::All(inner) => each("all", inner, path, scene, found),
                Condition::Any(inner) => each("any", inner, path, scene, found),
                Condition::Not(inner) => inner.walk(&format!("{path}not."), scene, found),
                Condition::Atom(..)
                | Condition::Hours(_)
                | Condition::Source(_)
                | Condition::Operations(_)
                | Condition::Classes(_) => part.leaf(path, scene, found),
            }
        }
    }

    fn leaf(&self, path: &str, scene: &Scene<'_>, found: &mut Vec<Finding>) {
        let mut push = |path: String, says: Possible| found.push(Finding { path, truth: says.certain() });
        match self {
            Condition::Atom(operand, tests) => {
                for test in tests {
                    let says = operand.evaluate(core::slice::from_ref(test), scene);
                    push(format!("{path}{}.{}", operand.path(), test.word()), says);
                }
            }
            Condition::Hours(_) => push(format!("{path}time"), self.evaluate(scene)),
            Condition::Source(_) => push(format!("{path}source"), self.evaluate(scene)),
            Condition::Operations(_) => push("operations".to_string(), self.evaluate(scene)),
            Condition::Classes(_) => push(format!("{path}classes"), self.evaluate(scene)),
            Condition::All(_) | Condition::Any(_) | Condition::Not(_) => {}
        }
    }
}

fn each(word: &str, parts: &[Condition], path: &str, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for (at, part) in parts.iter().enumerate() {
        part.walk(&format!("{path}{word}[{at}]."), scene, found);
    }
}

impl Operand {
    fn path(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Operand::Argument(pointer) | Operand::Kept(_, pointer) => {
                return Cow::Owned(format!("args.{pointer}"));
            }
            Operand::Claim(pointer) => return Cow::Owned(format!("claims.{pointer}")),
            Operand::KeyLabel(name) => return Cow::Owned(format!("key.labels.{name}")),
            Operand::Answer(AnswerPart::Result(pointer)) => {
                return Cow::Owned(format!("answer.result.{pointer}"));
            }
            Operand::Answer(AnswerPart::Outcome) => "answer.outcome",
            Operand::Answer(AnswerPart::Bytes) => "answer.bytes",
            Operand::Answer(AnswerPart::Types) => "answer.types",
            Operand::Hint(Hint::ReadOnly) => "annotations.readOnlyHint",
            Operand::Hint(Hint::Destructive) => "annotations.destructiveHint",
            Operand::Hint(Hint::Idempotent) => "annotations.idempotentHint",
            Operand::Hint(Hint::OpenWorld) => "annotations.openWorldHint",
            Operand::Roles => "roles",
            Operand::Scopes => "scopes",
            Operand::Groups => "groups",
            Operand::Subject => "subject",
            Operand::Client => "client",
            Operand::Issuer => "issuer",
            Operand::KeyId => "key.id",
            Operand::KeyOwner => "key.owner",
            Operand::CertificateUri => "certificate.uri",
            Operand::CertificateDns => "certificate.dns",
            Operand::CertificateSubject => "certificate.subject",
        })
    }
}

impl Test {
    fn word(&self) -> &'static str {
        match self {
            Test::OneOf(scalars) if scalars.len() == 1 => "equals",
            Test::OneOf(_) => "one_of",
            Test::Contains(_) => "contains",
            Test::Prefix(_) => "prefix",
            Test::Suffix(_) => "suffix",
            Test::Glob(_) => "glob",
            Test::Regex(_) => "regex",
            Test::PathUnder(_) => "path_under",
            Test::Min(_) => "min",
            Test::Max(_) => "max",
            Test::Length(..) => "length",
            Test::Exists(_) => "exists",
            Test::Type(_) => "type",
            Test::Some(_) => "some",
            Test::Every(_) => "every",
        }
    }
}
