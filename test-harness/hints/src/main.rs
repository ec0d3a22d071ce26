// SPDX-License-Identifier: Apache-2.0
//! Branch hints for the filter: a section that says of branches which way they go, so that an engine puts the other way
//! out of line (<https://github.com/WebAssembly/branch-hinting>). V8 honours it since 13.7, which is older than Envoy
//! 1.40's. A hint moves machine code and changes nothing else: the module is the compiler's, byte for byte, and the section.
//!
//! What enters: the built filter. `mark` gives a copy that reports every branch to its host; a run of that copy
//! (`test-harness/profile.mjs`) counts the ways; `apply` writes the hints. What leaves: the filter with the section.
//! Deliberately absent: thresholds. A branch that ever went both ways has no hint.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

mod apply;
mod branches;
mod counts;
mod mark;
#[cfg(test)]
mod tests;

use anyhow::{Context as _, Result, bail};
use std::process::ExitCode;
use std::{env, fs};

const USAGE: &str = "usage: toolgate-hints mark FILTER.wasm MARKED.wasm\n       toolgate-hints apply FILTER.wasm COUNTS HINTED.wasm";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("toolgate-hints: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match *arguments {
        ["mark", filter, marked] => write(marked, &mark::mark(&read(filter)?)?),
        ["apply", filter, counts, hinted] => {
            let text = fs::read_to_string(counts).with_context(|| format!("cannot read `{counts}`"))?;
            let counts = counts::read(&text).with_context(|| format!("`{counts}`"))?;
            let (bytes, hints) = apply::apply(&read(filter)?, &counts)?;
            println!("{hints} branches of {} have hints", counts.len());
            write(hinted, &bytes)
        }
        _ => bail!("{USAGE}"),
    }
}

fn read(file: &str) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read `{file}`"))
}

fn write(file: &str, bytes: &[u8]) -> Result<()> {
    fs::write(file, bytes).with_context(|| format!("cannot write `{file}`"))
}
