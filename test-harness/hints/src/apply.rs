// SPDX-License-Identifier: Apache-2.0
//! Writes hints into a module, and changes nothing else in it.

use crate::branches::Module;
use crate::counts::{Hint, Ways};
use anyhow::{Context as _, Result, ensure};
use wasm_encoder::{BranchHint, BranchHints, Section as _};

/// The module with the section `metadata.code.branch_hint` before its code, and how many hints that has.
///
/// # Errors
/// If `bytes` are no module, or the counts are those of another.
pub(crate) fn apply(bytes: &[u8], counts: &[Ways]) -> Result<(Vec<u8>, usize)> {
    let module = Module::read(bytes)?;
    ensure!(
        module.branches() == counts.len(),
        "the counts are of {} branches, the module has {}: count again",
        counts.len(),
        module.branches()
    );
    let mut section = BranchHints::new();
    let (mut ways, mut all) = (counts.iter(), 0);
    for function in &module.functions {
        let hinted = function.branches.iter().zip(ways.by_ref());
        let hints: Vec<BranchHint> = hinted.filter_map(|(at, ways)| Some(hint(*at, ways.hint()?))).collect();
        all += hints.len();
        if !hints.is_empty() {
            section.function_hints(function.index, hints);
        }
    }
    let (before, code) = bytes.split_at_checked(module.code).context("a module without code")?;
    let mut hinted = before.to_vec();
    section.append_to(&mut hinted);
    hinted.extend(code);
    wasmparser::validate(&hinted).context("the module with its hints is not valid")?;
    Ok((hinted, all))
}

fn hint(at: u32, hint: Hint) -> BranchHint {
    let branch_hint_value = match hint {
        Hint::Unlikely => 0,
        Hint::Likely => 1,
    };
    BranchHint { branch_func_offset: at, branch_hint_value }
}
