// SPDX-License-Identifier: Apache-2.0
//! What is wrong, where, and how to mend it; and the exit codes.
//!
//! Law of the text: lower case, no full stop, what people wrote in backticks, no name of a Rust type.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::out::Out;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Success,
    /// It could not: a file, a socket, the machine.
    Failure,
    /// It could, and the answer is no: a denied call, an invalid document, a token that does not verify.
    Refused,
    /// The command line makes no sense (`EX_USAGE` of sysexits.h).
    Usage,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Refused => 2,
            Self::Usage => 64,
        }
    }
}

/// How much a diagnostic weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Warning,
    Note,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A place in a file, with the line as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    /// How many characters to underline.
    pub(crate) width: usize,
    /// The text of the line.
    pub(crate) source: String,
}

/// One thing to say about an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    pub(crate) severity: Severity,
    /// A word for programs, where the diagnostic is one of a closed set.
    pub(crate) kind: Option<&'static str>,
    pub(crate) message: String,
    /// The key path, where the document has one.
    pub(crate) path: Option<String>,
    pub(crate) place: Option<Box<Place>>,
    pub(crate) help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            kind: None,
            message: message.into(),
            path: None,
            place: None,
            help: None,
        }
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    pub(crate) fn note(message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(message) }
    }

    pub(crate) fn at(mut self, place: Option<Place>) -> Self {
        self.place = place.map(Box::new);
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    pub(crate) fn kind(mut self, kind: &'static str) -> Self {
        self.kind = Some(kind);
        self
    }

    pub(crate) fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// As people read it.
    pub(crate) fn render(&self) -> String {
        let kind = self.kind.map(|kind| format!("[{kind}]")).unwrap_or_default();
        let mut text = format!("{}{kind}: {}", self.severity.word(), visible(&self.message));
        let gutter = self.place.as_ref().map_or(1, |place| place.line.to_string().len());
        if let Some(place) = &self.place {
            text.push_str(&excerpt(place, gutter));
        }
        if let Some(path) = self.path.as_ref().filter(|path| !path.is_empty()) {
            let _ = write!(text, "\n{:gutter$} = at: `{}`", "", visible(path));
        }
        if let Some(help) = &self.help {
            let _ = write!(text, "\n{:gutter$} = help: {}", "", visible(help));
        }
        text
    }

    /// As programs read it.
    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({ "severity": self.severity.word(), "message": self.message });
        let place = self.place.as_ref();
        let members = [
            ("kind", self.kind.map(|kind| json!(kind))),
            ("path", self.path.as_ref().map(|path| json!(path))),
            ("help", self.help.as_ref().map(|help| json!(help))),
            ("file", place.map(|place| json!(place.file))),
            ("line", place.map(|place| json!(place.line))),
            ("column", place.map(|place| json!(place.column))),
        ];
        if let Some(object) = value.as_object_mut() {
            object.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        value
    }
}

/// So much of a line is shown, in characters: lines of machine-made documents have no end.
const SHOWN: usize = 200;

/// The part of a line around a column, and the column within it, both from 0.
fn around(source: &str, column: usize) -> (String, usize) {
    let length = source.chars().count();
    if length <= SHOWN {
        return (source.to_owned(), column);
    }
    let from = column.saturating_sub(SHOWN / 2).min(length - SHOWN);
    let part: String = source.chars().skip(from).take(SHOWN).collect();
    let (before, after) = (if from > 0 { "…" } else { "" }, if from + SHOWN < length { "…" } else { "" });
    (format!("{before}{part}{after}"), column - from + before.chars().count())
}

fn excerpt(place: &Place, gutter: usize) -> String {
    let Place { file, line, column, width, source } = place;
    let (source, at) = around(source, column.saturating_sub(1));
    let lead: String = source.chars().take(at).map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
    let room = source.chars().count().saturating_sub(at).max(1);
    let carets = "^".repeat((*width).clamp(1, room));
    format!(
        "\n{:gutter$}--> {}:{line}:{column}\n{:gutter$} |\n{line} | {}\n{:gutter$} | {lead}{carets}",
        "",
        visible(file),
        "",
        visible(&source),
        ""
    )
}

/// Control characters from a file must not reach a terminal.
fn visible(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() && !matches!(char, '\t' | '\n') { '\u{fffd}' } else { char })
        .collect()
}

/// Why a command ends without its answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    exit: Exit,
    diagnostics: Vec<Diagnostic>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failure, diagnostics: vec![Diagnostic::error(message)] }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { exit: Exit::Refused, ..Self::new(message) }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new(message) }
    }

    /// Ends early, with everything done that was to be done.
    pub(crate) fn enough() -> Self {
        Self { exit: Exit::Success, diagnostics: Vec::new() }
    }

    /// Whether it is [`Failure::enough`].
    pub(crate) fn is_enough(&self) -> bool {
        self.exit == Exit::Success
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(last) = self.diagnostics.last_mut() {
            last.help = Some(help.into());
        }
        self
    }

    /// Says it, and how the program ends.
    pub(crate) fn report(self, out: &Out) -> Exit {
        if out.wants_json() {
            let all: Vec<Value> = self.diagnostics.iter().map(Diagnostic::to_json).collect();
            let _ = out.value(&json!({ "ok": false, "diagnostics": all }));
        } else {
            self.diagnostics.iter().for_each(|diagnostic| out.aside(&diagnostic.render()));
        }
        self.exit
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { exit: Exit::Refused, diagnostics: vec![diagnostic] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_the_line_and_underlines_the_words() {
        let place = Place {
            file: "gate.yaml".into(),
            line: 12,
            column: 5,
            width: 7,
            source: "    issuerz: [corp]".into(),
        };
        let diagnostic =
            Diagnostic::error("unknown key `issuerz`").at(Some(place)).help("did you mean `issuers`?");
        assert_eq!(
            diagnostic.render(),
            "error: unknown key `issuerz`\n  --> gate.yaml:12:5\n   |\n12 |     issuerz: [corp]\n   |     ^^^^^^^\n   = help: did you mean `issuers`?"
        );
    }

    #[test]
    fn of_a_long_line_the_part_around_the_words_is_shown() {
        let word = "issüerz";
        for (before, after) in
            [(50_000, 50_000), (0, 100_000), (100_000, 0), (100, 100), (150, 43), (150, 44)]
        {
            let source = format!("{}{word}{}", "ä".repeat(before), "é".repeat(after));
            let place = Place { file: "gate.json".into(), line: 1, column: before + 1, width: 7, source };
            let text = Diagnostic::error("unknown key").at(Some(place)).render();
            let (shown, carets) = (text.lines().nth(3).unwrap(), text.lines().nth(4).unwrap());
            let at = carets.chars().position(|char| char == '^').unwrap();
            let under: String = shown.chars().skip(at).take(carets.chars().count() - at).collect();
            assert_eq!(under, word, "{before} {after}");
            let whole = before + after + 7 <= 200;
            assert_eq!(shown.contains('…'), !whole, "{before} {after}");
            assert!(text.chars().count() < 600, "{before} {after}");
        }
    }

    #[test]
    fn escape_codes_of_a_file_do_not_reach_the_terminal() {
        assert!(!Diagnostic::warning("unknown key `\u{1b}[31m`").render().contains('\u{1b}'));
    }
}
