// SPDX-License-Identifier: Apache-2.0
//! Mutants that no switch can be put around: built one at a time, as cargo-mutants does it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::compile::{self, Compiled};
use crate::edit;
use crate::list::Mutant;
use crate::run::{Met, Program, Test};
use crate::tree;
use crate::verdict::Verdict;

/// What becomes of one mutant of that text, in a copy of the tree that holds nothing else that is changed.
pub(crate) fn judge(
    root: &Path,
    copy: &Path,
    mutant: &Mutant,
    source: &str,
    tests: &[Test],
) -> Result<Verdict> {
    let changed = BTreeMap::from([(mutant.file.clone(), edit::replace(source, mutant)?)]);
    tree::copy(root, copy, &changed)?;
    match compile::compile(copy, &root.join("target"), &BTreeMap::new())? {
        Compiled::Refused(_) => Ok(Verdict::Unviable),
        Compiled::Program(path) => {
            let program = Program { path, folder: copy.join("engine"), jobs: 1 };
            // Which tests reach it is not known.
            let met: Met = program.all(tests)?;
            Ok(met.into())
        }
    }
}
