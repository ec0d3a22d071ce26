// SPDX-License-Identifier: Apache-2.0
//! The branches of a module in the order of its code. A branch is known by its place in that order, which is how marks,
//! counts and hints speak of the same one.

use anyhow::{Context as _, Result};
use wasmparser::{Operator, Parser, Payload, TypeRef};

/// What can have a hint: `br_if` and `if`.
pub(crate) fn is_branch(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::BrIf { .. } | Operator::If { .. })
}

/// The branches of one function.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its index, imported functions counted too.
    pub(crate) index: u32,
    /// Where each of its branches stands, in bytes from the start of its locals.
    pub(crate) branches: Vec<u32>,
}

/// What is read of a module.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// How many functions are imported.
    pub(crate) imported: u32,
    /// How many types there are.
    pub(crate) types: u32,
    /// Where its code section begins, with the byte that says which section it is.
    pub(crate) code: usize,
    pub(crate) functions: Vec<Function>,
}

impl Module {
    /// # Errors
    /// If it is no module.
    pub(crate) fn read(bytes: &[u8]) -> Result<Module> {
        let mut module = Module::default();
        // Where the section after the last one that was read begins.
        let mut next = HEADER;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.context("not a module")?;
            if let Some((_, range)) = payload.as_section() {
                if let Payload::CodeSectionStart { .. } = payload {
                    module.code = next;
                }
                next = usize::try_from(range.end)?;
            }
            match payload {
                Payload::TypeSection(section) => module.types = section.count(),
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        module.imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::CodeSectionEntry(body) => module.add(&body)?,
                _ => {}
            }
        }
        Ok(module)
    }

    fn add(&mut self, body: &wasmparser::FunctionBody<'_>) -> Result<()> {
        let start = body.range().start;
        let mut branches = Vec::new();
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let (operator, at) = reader.read_with_offset()?;
            if is_branch(&operator) {
                branches.push(u32::try_from(at - start)?);
            }
        }
        let index = self.imported + u32::try_from(self.functions.len())?;
        self.functions.push(Function { index, branches });
        Ok(())
    }

    /// How many branches it has.
    pub(crate) fn branches(&self) -> usize {
        self.functions.iter().map(|function| function.branches.len()).sum()
    }
}

/// Magic number and version.
const HEADER: usize = 8;
