// SPDX-License-Identifier: Apache-2.0
//! YAML events to JSON text and marks, in one pass and in the order of the document.

use std::collections::BTreeSet;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::{KeyPath, Mark, Marks, scalar};

/// Deeper than any configuration; a document nests no further.
const DEPTH: usize = 64;

/// A document as JSON, with the place of each key.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) json: String,
    pub(super) marks: Marks,
}

/// Why a document cannot be read.
#[derive(Debug)]
pub(super) struct ReadError {
    pub(super) mark: Mark,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl ReadError {
    fn new(span: Span, message: impl Into<String>, help: &str) -> Self {
        Self { mark: mark(span), message: message.into(), help: Some(help.to_owned()) }
    }
}

impl From<ScanError> for ReadError {
    fn from(error: ScanError) -> Self {
        let at = error.marker();
        let mark = Mark { line: at.line(), column: at.col().saturating_add(1), width: 1 };
        Self { mark, message: format!("this is not YAML: {}", error.info()), help: None }
    }
}

pub(super) fn read(text: &str) -> Result<Read, ReadError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        json: String::new(),
        marks: Marks::new(),
        path: KeyPath::new(),
    };
    reader.document()?;
    Ok(Read { json: reader.json, marks: reader.marks })
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    json: String,
    marks: Marks,
    path: KeyPath,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), ReadError> {
        loop {
            match self.parser.next_event() {
                None => return Ok((Event::StreamEnd, Span::default())),
                Some(Ok((Event::Nothing, _))) => {}
                Some(event) => return Ok(event?),
            }
        }
    }

    fn document(&mut self) -> Result<(), ReadError> {
        let mut seen = false;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => break,
                (Event::StreamStart | Event::DocumentEnd, _) => {}
                (Event::DocumentStart(_), span) if seen => {
                    return Err(ReadError::new(span, "a second document", "keep one document in a file"));
                }
                (Event::DocumentStart(_), _) => seen = true,
                (event, span) => {
                    self.marks.insert(KeyPath::new(), mark(span));
                    self.node(event, span)?;
                }
            }
        }
        if self.json.is_empty() {
            let mark = Mark { line: 1, column: 1, width: 1 };
            return Err(ReadError { mark, message: "an empty document".to_owned(), help: None });
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<(), ReadError> {
        if self.path.len() >= DEPTH {
            return Err(ReadError::new(span, format!("nested more than {DEPTH} levels deep"), "flatten it"));
        }
        plainness(&event, span)?;
        match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => {
                let json = scalar::plain(&text).map_err(|why| {
                    ReadError::new(
                        span,
                        format!("`{text}` is {why}"),
                        "write it in plain decimal, or in quotes",
                    )
                })?;
                self.json.push_str(&json);
            }
            Event::Scalar(text, ..) => self.json.push_str(&scalar::quoted(&text)),
            Event::SequenceStart(..) => self.sequence()?,
            Event::MappingStart(..) => self.mapping()?,
            _ => return Err(ReadError::new(span, "this is not YAML", "check the indentation")),
        }
        Ok(())
    }

    fn sequence(&mut self) -> Result<(), ReadError> {
        self.json.push('[');
        for index in 0_usize.. {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                break;
            }
            if index > 0 {
                self.json.push(',');
            }
            self.child(index.to_string(), span, event, span)?;
        }
        self.json.push(']');
        Ok(())
    }

    fn mapping(&mut self) -> Result<(), ReadError> {
        let mut seen = BTreeSet::new();
        self.json.push('{');
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let key = key(event, span)?;
            if !seen.is_empty() {
                self.json.push(',');
            }
            self.json.push_str(&scalar::quoted(&key));
            self.json.push(':');
            if !seen.insert(key.clone()) {
                return Err(ReadError::new(span, format!("`{key}` is there twice"), "keep one of them"));
            }
            let (value, value_span) = self.next()?;
            self.child(key, span, value, value_span)?;
        }
        self.json.push('}');
        Ok(())
    }

    fn child(&mut self, name: String, place: Span, event: Event<'t>, span: Span) -> Result<(), ReadError> {
        self.path.push(name);
        self.marks.insert(self.path.clone(), mark(place));
        self.node(event, span)?;
        self.path.pop();
        Ok(())
    }
}

fn key(event: Event<'_>, span: Span) -> Result<String, ReadError> {
    plainness(&event, span)?;
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<" => {
            Err(ReadError::new(span, "a merge key `<<`", "write the keys out"))
        }
        Event::Scalar(text, ScalarStyle::Plain, ..) => match scalar::plain(&text) {
            Ok(json) if json.starts_with('"') => Ok(text.into_owned()),
            _ => Err(ReadError::new(span, format!("the key `{text}` is not a string"), "write it in quotes")),
        },
        Event::Scalar(text, ..) => Ok(text.into_owned()),
        _ => Err(ReadError::new(span, "a key that is not a string", "keys are words")),
    }
}

/// Refuses what is not data: anchors, aliases and tags.
fn plainness(event: &Event<'_>, span: Span) -> Result<(), ReadError> {
    let (anchor, tag) = match event {
        Event::Alias(_) => return Err(ReadError::new(span, "an alias", "write the value out")),
        Event::Scalar(_, _, anchor, tag)
        | Event::SequenceStart(anchor, tag)
        | Event::MappingStart(anchor, tag) => (*anchor, tag),
        _ => (0, &None),
    };
    match tag {
        Some(tag) => Err(ReadError::new(span, format!("the tag `{tag}`"), "write the value without a tag")),
        None if anchor != 0 => Err(ReadError::new(span, "an anchor", "write the value out where it is used")),
        None => Ok(()),
    }
}

fn mark(span: Span) -> Mark {
    let one_line = span.start.line() == span.end.line();
    let width = if one_line { span.end.col().saturating_sub(span.start.col()).max(1) } else { 1 };
    Mark { line: span.start.line(), column: span.start.col().saturating_add(1), width }
}
