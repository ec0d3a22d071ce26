// SPDX-License-Identifier: Apache-2.0
//! The mutants: exactly those that cargo-mutants names, under `.cargo/mutants.toml`.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// The version whose list, and whose way of changing text, this crate follows.
pub(crate) const VERSION: &str = "27.1.0";

/// What kind of change a mutant is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) enum Genre {
    BinaryOperator,
    FnValue,
    MatchArm,
    MatchArmGuard,
    StructField,
    UnaryOperator,
}

/// Line and column, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// The text that is replaced.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Span {
    pub(crate) start: Position,
    pub(crate) end: Position,
}

/// One change at one place.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Mutant {
    pub(crate) file: String,
    pub(crate) genre: Genre,
    pub(crate) name: String,
    pub(crate) replacement: String,
    pub(crate) span: Span,
}

impl Mutant {
    /// The folder or file below `engine/src`.
    pub(crate) fn room(&self) -> &str {
        let below = self.file.strip_prefix("engine/src/").unwrap_or(&self.file);
        below.split('/').next().unwrap_or(below)
    }
}

/// Sees that there is a cargo-mutants of that version, and installs it otherwise.
pub(crate) fn ensure_installed() -> Result<()> {
    let there =
        Command::new("cargo").args(["mutants", "--version"]).output().context("cargo cannot be started")?;
    if String::from_utf8_lossy(&there.stdout).trim().ends_with(VERSION) {
        return Ok(());
    }
    let status = Command::new("cargo")
        .args(["install", "--locked", "cargo-mutants", "--version", VERSION])
        .status()?;
    if !status.success() {
        bail!("cargo-mutants {VERSION} could not be installed: install it by hand");
    }
    Ok(())
}

/// The mutants of these rooms: folders or files below `engine/src`, without extension.
pub(crate) fn of(root: &Path, rooms: &[String]) -> Result<Vec<Mutant>> {
    let mut command = Command::new("cargo");
    command.args(["mutants", "--list", "--json", "--package", "toolgate-engine"]).current_dir(root);
    for room in rooms {
        let folder = root.join("engine/src").join(room).is_dir();
        command.arg("--file").arg(format!("engine/src/{room}{}", if folder { "/**" } else { ".rs" }));
    }
    let output = command.output().context("cargo mutants cannot be started")?;
    if !output.status.success() {
        bail!("cargo mutants --list: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let all: Vec<Mutant> = serde_json::from_slice(&output.stdout)
        .context("the list of cargo mutants is of another form than this crate reads")?;
    if all.is_empty() {
        bail!(
            "no mutants in {}: name a folder or a file below engine/src, such as token/verify",
            rooms.join(" ")
        );
    }
    Ok(all)
}
