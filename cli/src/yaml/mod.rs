// SPDX-License-Identifier: Apache-2.0
//! Documents people write: YAML (or JSON) in, canonical JSON and the place of every key out.
//!
//! YAML is read as a strict subset of version 1.2, in which no two parsers can differ: no anchors, aliases, tags or
//! merge keys, no duplicate or non-string keys, no numbers but JSON's, one document. `yes`, `no`, `on` and dates are
//! strings. JSON files are handed on as they are: reading them is the engine's work.

mod reader;
mod scalar;
mod write;

use std::{collections::BTreeMap, path::Path};

use serde::de::DeserializeOwned;

use crate::{
    diagnostic::{Diagnostic, Failure, Place},
    file,
};

pub(crate) use self::write::block;

/// Where something stands: line and column from 1, width in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) width: usize,
}

/// Keys and list positions from the root.
pub(crate) type KeyPath = Vec<String>;

/// The places of a document: of each key where there is one, else of the value.
pub(crate) type Marks = BTreeMap<KeyPath, Mark>;

/// A document that was read.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    name: String,
    text: String,
    json: String,
    marks: Marks,
}

impl Document {
    /// Reads a file; `-` is the standard input.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        Self::parse(&path.display().to_string(), &file::read(path)?)
    }

    /// Reads text; `name` is what errors call it.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Failure> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let read = reader::read(text);
        let (name, text) = (name.to_owned(), text.to_owned());
        if Path::new(&name).extension().is_some_and(|extension| extension == "json") {
            let marks = read.map(|read| read.marks).unwrap_or_default();
            return Ok(Self { name, json: text.clone(), text, marks });
        }
        match read {
            Ok(read) => Ok(Self { name, text, json: read.json, marks: read.marks }),
            Err(error) => {
                let place = place(&name, &text, error.mark);
                Err(Diagnostic::error(error.message).at(Some(place)).maybe_help(error.help).into())
            }
        }
    }

    /// The document as JSON.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// The place of a key path; of its nearest ancestor where it is not in the document.
    pub(crate) fn place(&self, path: &[String]) -> Option<Place> {
        let known = (0..=path.len()).rev().filter_map(|length| path.get(..length));
        let mark = known.filter_map(|ancestor| self.marks.get(ancestor)).next()?;
        Some(place(&self.name, &self.text, *mark))
    }

    /// What errors call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads it into a type; an error says where.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let mut deserializer = serde_json::Deserializer::from_str(&self.json);
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = key_path(error.path());
            let message = self.json_message(error.inner());
            Diagnostic::error(message).at(self.place(&path)).path(path.join(".")).into()
        })
    }

    /// What the JSON reader says, without the position in text that nobody wrote.
    fn json_message(&self, error: &serde_json::Error) -> String {
        let text = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        text.strip_suffix(&position).unwrap_or(&text).replace("unknown field", "unknown key")
    }
}

fn key_path(path: &serde_path_to_error::Path) -> KeyPath {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => "?".to_owned(),
        })
        .collect()
}

fn place(name: &str, text: &str, mark: Mark) -> Place {
    let source = text.lines().nth(mark.line.saturating_sub(1)).unwrap_or_default().to_owned();
    Place { file: name.to_owned(), line: mark.line, column: mark.column, width: mark.width, source }
}

#[cfg(test)]
mod tests;
