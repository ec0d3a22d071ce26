// SPDX-License-Identifier: Apache-2.0
//! What operators declare of tools: classes such as `destructive`, among them the four operations.
//!
//! A tool has every class that the policy's patterns give it, and the one that the server's catalogue gives it.

use super::index::Index;
use super::roles::{Bits, RoleSet};
use super::truth::Truth;
use super::wire::Operation;
use crate::json::DeError;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How many classes one policy may speak of, the operations included. The bit above them stands for every other class.
const MAX_CLASSES: usize = 63;

/// What to say of a policy with more.
pub(super) fn too_many() -> DeError {
    DeError::new(format!("the policy speaks of more than {} classes", MAX_CLASSES - 4))
}

/// The classes of one tool, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Labels(u64);

const OPERATIONS: u64 = 0b1111;
const OTHER: u64 = 1 << 63;

impl Labels {
    pub(super) fn join(self, other: Labels) -> Labels {
        Labels(self.0 | other.0)
    }

    pub(super) fn operation(operation: Operation) -> Labels {
        Labels(match operation {
            Operation::Read => 1,
            Operation::Write => 1 << 1,
            Operation::Execute => 1 << 2,
            Operation::Admin => 1 << 3,
        })
    }

    /// The lowest of these.
    pub(super) fn first(self) -> usize {
        usize::try_from(self.0.trailing_zeros()).unwrap_or(usize::MAX)
    }

    /// Whether a tool with these classes has one of `wanted`. Of a tool of which nothing is declared it is unknown.
    pub(super) fn meet(self, wanted: Labels) -> Truth {
        match (self.0, self.0 & wanted.0) {
            (0, _) => Truth::Unknown,
            (_, met) => Truth::from_bool(met != 0),
        }
    }

    /// Whether all operations of a tool are among `granted`. A tool that does both what is granted and what is not,
    /// and one of which no operation is declared, is unknown: no allow rule fires on it, every deny rule does.
    pub(super) fn within(self, granted: Labels) -> Truth {
        let own = self.0 & OPERATIONS;
        match (own & granted.0, own & !granted.0) {
            (0, 0) => Truth::Unknown,
            (_, 0) => Truth::True,
            (0, _) => Truth::False,
            (_, _) => Truth::Unknown,
        }
    }
}

/// The classes that a policy speaks of, and what it declares itself.
#[derive(Debug, Default)]
pub(super) struct Classes {
    names: Vec<String>,
    pub(super) declared: Index,
    everyone: RoleSet,
}

impl Classes {
    pub(super) fn new() -> Classes {
        let names = ["read", "write", "execute", "admin"].map(String::from);
        let mut one = Bits::default();
        one.insert(0);
        Classes { names: names.into(), declared: Index::default(), everyone: RoleSet::of(0, one, &[]) }
    }

    /// The bit of a class, which the policy speaks of from now on; nothing if there are too many.
    pub(super) fn mention(&mut self, name: &str) -> Option<Labels> {
        if let Some(at) = self.position(name) {
            return Some(Labels(1 << at));
        }
        if self.names.len() >= MAX_CLASSES {
            return None;
        }
        self.names.push(name.into());
        Some(Labels(1 << (self.names.len() - 1)))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// Everything that is declared of a tool.
    pub(super) fn of(&self, tool: &str, catalogue: Option<&str>) -> Labels {
        let mut labels = match catalogue {
            Some(class) => Labels(self.position(class).map_or(OTHER, |at| 1 << at)),
            None => Labels::default(),
        };
        self.declared.names(tool, &self.everyone, |class, _| labels = labels.join(Labels(1 << class)));
        labels
    }
}
