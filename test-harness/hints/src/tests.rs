// SPDX-License-Identifier: Apache-2.0
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use crate::apply::apply;
use crate::branches::is_branch;
use crate::counts::{self, Ways};
use crate::mark::{BRANCHES, mark};
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    Instruction, Module, TypeSection, ValType,
};
use wasmparser::{KnownCustom, Operator, Parser, Payload};

/// One import, and two functions with two branches each; the second calls the first and the import.
fn module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], []);
    let mut imports = ImportSection::new();
    imports.import("env", "own", EntityType::Function(0));
    let mut functions = FunctionSection::new();
    functions.function(0);
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("second", ExportKind::Func, 2);
    let mut code = CodeSection::new();
    code.function(&body(&[]));
    code.function(&body(&[0, 1]));
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

fn body(calls: &[u32]) -> Function {
    let mut function = Function::new([(3, ValType::I64)]);
    for call in calls {
        function.instruction(&Instruction::LocalGet(0)).instruction(&Instruction::Call(*call));
    }
    function
        .instruction(&Instruction::Block(BlockType::Empty))
        .instruction(&Instruction::LocalGet(0))
        .instruction(&Instruction::BrIf(0))
        .instruction(&Instruction::End)
        .instruction(&Instruction::LocalGet(0))
        .instruction(&Instruction::If(BlockType::Empty))
        .instruction(&Instruction::End)
        .instruction(&Instruction::End);
    function
}

fn ways(not_taken: u64, taken: u64) -> Ways {
    Ways { not_taken, taken }
}

/// Every operator of every function, with its place from the start of the function's locals.
fn operators(bytes: &[u8]) -> Vec<Vec<(usize, String)>> {
    let bodies = Parser::new(0).parse_all(bytes).filter_map(|payload| match payload.unwrap() {
        Payload::CodeSectionEntry(body) => Some(body),
        _ => None,
    });
    bodies
        .map(|body| {
            let start = body.range().start;
            let mut reader = body.get_operators_reader().unwrap();
            let mut all = Vec::new();
            while !reader.eof() {
                let (operator, at) = reader.read_with_offset().unwrap();
                let at = usize::try_from(at - start).unwrap();
                all.push((at, format!("{operator:?}")));
            }
            all
        })
        .collect()
}

/// Function, place and value of every hint.
fn hints(bytes: &[u8]) -> Vec<(u32, usize, bool)> {
    let mut all = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let Payload::CustomSection(section) = payload.unwrap() else { continue };
        let KnownCustom::BranchHints(functions) = section.as_known() else { continue };
        for function in functions {
            let function = function.unwrap();
            for hint in function.hints {
                let hint = hint.unwrap();
                all.push((function.func, usize::try_from(hint.func_offset).unwrap(), hint.taken));
            }
        }
    }
    all
}

#[test]
fn hints_stand_where_their_branches_do() {
    let plain = module();
    let (hinted, count) = apply(&plain, &[ways(0, 9), ways(9, 0), ways(1, 8), ways(7, 0)]).unwrap();
    let place = |function: usize, name: &str| {
        let found =
            operators(&plain)[function].iter().find(|(_, operator)| operator.starts_with(name)).cloned();
        found.unwrap().0
    };
    let expected = [(1, place(0, "BrIf"), true), (1, place(0, "If"), false), (2, place(1, "If"), false)];
    assert_eq!(hints(&hinted), expected);
    assert_eq!(count, expected.len());
}

#[test]
fn branches_that_went_both_ways_or_were_not_reached_have_none() {
    let (hinted, count) =
        apply(&module(), &[ways(1, 1_000_000), ways(1_000_000, 1), ways(0, 0), ways(5, 5)]).unwrap();
    assert_eq!((hints(&hinted), count), (Vec::new(), 0));
}

#[test]
fn the_section_is_all_that_is_new() {
    let plain = module();
    let (hinted, _) = apply(&plain, &[ways(0, 1); 4]).unwrap();
    let grown = hinted.len() - plain.len();
    let same = plain.iter().zip(&hinted).take_while(|(one, other)| one == other).count();
    assert!(grown > 0);
    // The code begins where the section now does, with another byte.
    assert_eq!(hinted[same + grown..], plain[same..]);
}

#[test]
fn counts_of_another_module_are_refused() {
    for wrong in [3, 5] {
        let error = apply(&module(), &vec![ways(0, 1); wrong]).unwrap_err().to_string();
        assert!(error.contains("the module has 4: count again"), "{error}");
    }
    assert!(apply(b"no module", &[]).is_err());
}

#[test]
fn a_marked_copy_tells_the_way_of_each_branch() {
    let marked = mark(&module()).unwrap();
    let mut branch = 0;
    for function in operators(&marked) {
        for (at, (_, operator)) in function.iter().enumerate() {
            if operator.starts_with("BrIf") || operator.starts_with("If") {
                assert_eq!(function[at - 2].1, format!("I32Const {{ value: {branch} }}"));
                assert_eq!(function[at - 1].1, "Call { function_index: 1 }");
                branch += 1;
            }
        }
    }
    assert_eq!(branch, 4);
    // The module's own functions have moved up by the one that is imported; the import has not.
    let calls = operators(&marked)[1]
        .iter()
        .filter(|(_, operator)| operator.starts_with("Call"))
        .map(|(_, text)| text.clone())
        .collect::<Vec<_>>();
    assert_eq!(calls[..2], ["Call { function_index: 0 }", "Call { function_index: 2 }"]);
    assert_eq!(section(&marked, BRANCHES), b"4");
}

fn section(bytes: &[u8], name: &str) -> Vec<u8> {
    let mut sections = Parser::new(0).parse_all(bytes).filter_map(|payload| match payload.unwrap() {
        Payload::CustomSection(section) if section.name() == name => Some(section.data().to_vec()),
        _ => None,
    });
    sections.next().unwrap()
}

#[test]
fn only_branches_on_a_condition_count() {
    assert!(is_branch(&Operator::BrIf { relative_depth: 0 }));
    assert!(!is_branch(&Operator::Br { relative_depth: 0 }) && !is_branch(&Operator::Select));
}

#[test]
fn counts_are_two_numbers_a_line() {
    assert_eq!(counts::read("0 3\n4 0\n").unwrap(), [ways(0, 3), ways(4, 0)]);
    for wrong in ["1", "1 x", "-1 2", "1 2 3"] {
        let error = counts::read(&format!("0 0\n{wrong}\n")).unwrap_err().to_string();
        assert!(error.starts_with("line 2: "), "{error}");
    }
}
