// SPDX-License-Identifier: Apache-2.0
//! A copy of a module that tells its host before each branch which way it goes.

use crate::branches::{Module, is_branch};
use anyhow::{Context as _, Result};
use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, CustomSection, EntityType, ImportSection, Instruction, TypeSection, ValType,
};
use wasmparser::{FunctionBody, ImportSectionReader, Parser, TypeSectionReader};

/// The section that says how many branches there are, in decimal digits.
pub(crate) const BRANCHES: &str = "hints.branches";

/// Makes the copy. It imports `hints.way`, which is given the condition and the branch, and gives the condition back.
///
/// # Errors
/// If `bytes` are no module.
pub(crate) fn mark(bytes: &[u8]) -> Result<Vec<u8>> {
    let module = Module::read(bytes)?;
    let Module { imported, types, .. } = module;
    let mut marked = wasm_encoder::Module::new();
    let mut marks = Marks { imported, types, next: 0 };
    marks.parse_core_module(&mut marked, Parser::new(0), bytes).context("cannot be marked")?;
    let branches = module.branches().to_string();
    marked.section(&CustomSection { name: BRANCHES.into(), data: branches.as_bytes().into() });
    let marked = marked.finish();
    wasmparser::validate(&marked).context("the marked copy is not valid")?;
    Ok(marked)
}

struct Marks {
    imported: u32,
    types: u32,
    /// The branch that comes next.
    next: i32,
}

type Done = Result<(), Error<Infallible>>;

impl Reencode for Marks {
    type Error = Infallible;

    /// One function more is imported, after the others: the module's own move up.
    fn function_index(&mut self, function: u32) -> Result<u32, Error<Infallible>> {
        Ok(if function < self.imported { function } else { function + 1 })
    }

    fn parse_type_section(&mut self, types: &mut TypeSection, section: TypeSectionReader<'_>) -> Done {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Done {
        utils::parse_import_section(self, imports, section)?;
        imports.import("hints", "way", EntityType::Function(self.types));
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Done {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            if is_branch(&reader.clone().read()?) {
                function.instruction(&Instruction::I32Const(self.next));
                function.instruction(&Instruction::Call(self.imported));
                self.next += 1;
            }
            function.instruction(&self.parse_instruction(&mut reader)?);
        }
        code.function(&function);
        Ok(())
    }
}
