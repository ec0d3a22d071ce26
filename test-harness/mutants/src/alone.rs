// SPDX-License-Identifier: Apache-2.0
//! Mutants that no switch can be put around: built one at a time, as cargo-mutants does it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::compile::{self, Compiled};
use crate::edit;
use crate::list::Mutant;
use crate::run::{Program, Test};
use crate::tree;
use crate::verdict::Verdict;

/// What becomes of one mutant of that text, in the copy, in which nothing else is changed any more.
///
/// In the same copy: cargo takes two copies of a workspace for one, and would not build what is in the second.
pub(crate) fn judge(
    root: &Path,
    copy: &Path,
    (mutant, source): (&Mutant, &str),
    tests: &[Test],
) -> Result<Verdict> {
    let file = copy.join(&mutant.file);
    tree::write(&file, edit::replace(source, mutant)?.as_bytes())?;
    let compiled = compile::compile(copy, &root.join("target"), &BTreeMap::new());
    tree::write(&file, source.as_bytes())?;
    match compiled? {
        Compiled::Refused(_) => Ok(Verdict::Unviable),
        Compiled::Program(path) => {
            let program = Program { path, folder: copy.join("engine"), jobs: 1 };
            // Which tests reach it is not known.
            Ok(program.all(tests)?.into())
        }
    }
}
