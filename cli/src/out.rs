// SPDX-License-Identifier: Apache-2.0
//! The standard streams: the only file that writes to them.
//!
//! Answers go to standard output, everything said beside them to standard error. With `--json` the standard output
//! carries one JSON document and nothing else.

use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};

use serde_json::Value;

use crate::diagnostic::Failure;

/// Where a command answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    json: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the caller wants JSON.
    pub(crate) fn wants_json(self) -> bool {
        self.json
    }

    /// Writes lines of the answer.
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        let mut stream = io::stdout().lock();
        settle(writeln!(stream, "{}", text.trim_end_matches('\n')).and_then(|()| stream.flush()))
    }

    /// Writes a JSON document: on one line, so that it can be read line by line.
    pub(crate) fn value(self, value: &Value) -> Result<(), Failure> {
        self.text(&value.to_string())
    }

    /// Answers with the one that the caller wants.
    pub(crate) fn either(self, value: &Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { self.value(value) } else { self.text(&text()) }
    }

    /// For answers of many lines.
    pub(crate) fn lines(self) -> Lines {
        Lines(BufWriter::new(io::stdout().lock()))
    }

    /// Says something beside the answer; lost if nobody listens.
    pub(crate) fn aside(self, text: &str) {
        let mut stream = io::stderr().lock();
        let _ = writeln!(stream, "{}", text.trim_end_matches('\n'));
    }
}

/// Many lines of an answer.
#[derive(Debug)]
pub(crate) struct Lines(BufWriter<StdoutLock<'static>>);

/// Whether somebody reads the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Yes,
    No,
}

impl Lines {
    /// Writes one line; it may stay in memory until more come.
    pub(crate) fn line(&mut self, text: &str) -> Result<Heard, Failure> {
        heard(writeln!(self.0, "{text}"))
    }

    /// Writes what is still in memory.
    pub(crate) fn flush(&mut self) -> Result<Heard, Failure> {
        heard(self.0.flush())
    }
}

fn heard(result: io::Result<()>) -> Result<Heard, Failure> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Heard::No),
        other => settle(other).map(|()| Heard::Yes),
    }
}

/// A reader that has gone away (`toolgate … | head -1`) is no failure.
fn settle(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the answer: {error}")))
        }
        _ => Ok(()),
    }
}
