// SPDX-License-Identifier: Apache-2.0
//! Copies of the working tree. Only what differs is written, so that only that is built again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// What git would take up of `root`, in `copy`, but with these texts in place of what is there.
pub(crate) fn copy(root: &Path, copy: &Path, instead: &BTreeMap<String, String>) -> Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git cannot be started")?;
    if !listed.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr).trim());
    }
    let files = String::from_utf8(listed.stdout).context("a file's name is not UTF-8")?;
    for file in files.split_terminator('\0').filter(|file| !instead.contains_key(*file)) {
        match fs::read(root.join(file)) {
            Ok(bytes) => write(&copy.join(file), &bytes)?,
            // Deleted, and git does not know yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context(format!("{file} cannot be read")),
        }
    }
    instead.iter().try_for_each(|(file, text)| write(&copy.join(file), text.as_bytes()))
}

/// Writes a file whose bytes differ.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Git's links are read through; what is copied must not be one.
    fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}
