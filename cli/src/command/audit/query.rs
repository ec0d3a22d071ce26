// SPDX-License-Identifier: Apache-2.0
//! `toolgate audit query`.

use std::path::PathBuf;

use serde_json::Value;
use toolgate_engine::audit::{Kind, Link};

use crate::{
    audit::{
        csv,
        entries::{self, Entry},
        filter::Filter,
        input::Until,
        keys::KeyArgs,
        map::{Mapping, Words},
        progress::Progress,
        record::{Record, Text},
        trail::{Begin, Ends, Keyed, Trail},
    },
    command::Outcome,
    diagnostic::{Exit, Failure},
    out::{Heard, Lines, Out},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files with records, plain or compressed by gzip; `-` reads the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    keys: KeyArgs,
    /// How records are shown; `json` if `--json` is given
    #[arg(long, value_enum, default_value_t = Look::Table)]
    output: Look,
    /// Show records in the words of a schema for security events; JSON, one a line
    #[arg(long, value_enum)]
    format: Option<Words>,
    /// Stop after so many records
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Go on with what is added to the last file
    #[arg(long, short)]
    follow: bool,
}

/// How records are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Look {
    /// As they were written, one a line
    Json,
    Table,
    Csv,
}

/// How one record is shown.
enum Shown {
    Text,
    Table,
    Csv,
    Mapped(Mapping),
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let keys = args.keys.read()?.records();
    let shown = match (args.format, args.output) {
        (Some(words), _) => Shown::Mapped(Mapping::of(words)?),
        (None, Look::Json) => Shown::Text,
        (None, _) if out.wants_json() => Shown::Text,
        (None, Look::Table) => Shown::Table,
        (None, Look::Csv) => Shown::Csv,
    };
    let mut printer = Printer { lines: out.lines(), shown, left: args.limit, follow: args.follow };
    printer.head()?;
    // With keys only genuine records are shown; without, whatever has the form of one.
    let mut trail = (!keys.is_empty()).then(|| Trail::new(keys, Begin::Anywhere));
    let until = if args.follow { Until::Forever } else { Until::End };
    let done = entries::entries(&args.files, until, &Progress::silent(), |spot, entry| {
        let mut said = Ok(());
        let mut show = |link: &Link<'_>, record: &Record<'_>| {
            if args.filter.wants(link.kind, record, link.text) {
                said = printer.show(link.kind, record, link.text);
            }
        };
        match &mut trail {
            Some(trail) => trail.look(spot, &entry, |verified, record| show(&verified.link, record))?,
            None => plain(&entry, &mut show),
        }
        said
    });
    match done {
        Err(failure) if !failure.is_enough() => return Err(failure),
        Ok(_) | Err(_) => {}
    }
    printer.lines.flush()?;
    Ok(trail.map_or(Exit::Success, |trail| faults(trail, args, out)))
}

fn plain(entry: &Entry<'_>, show: &mut impl FnMut(&Link<'_>, &Record<'_>)) {
    let Entry::Record(bytes) = entry else { return };
    if let Some((link, record)) =
        Link::parse(bytes).ok().and_then(|link| Some((link, Record::parse(link.text).ok()?)))
    {
        show(&link, &record);
    }
}

/// Says what was left out for not being genuine.
fn faults(trail: Trail, args: &Args, out: Out) -> Exit {
    let verdict = trail.finish(Ends::May);
    if verdict.found == 0 || verdict.keyed == Keyed::No {
        return Exit::Success;
    }
    let names: Vec<String> = args.files.iter().map(|path| path.display().to_string()).collect();
    let first = verdict.findings.first().map(|finding| finding.say(&names)).unwrap_or_default();
    out.aside(&format!(
        "warning: {} findings, the first: {first}\n  = help: see `toolgate audit verify`",
        verdict.found
    ));
    Exit::Refused
}

/// Writes records.
struct Printer {
    lines: Lines,
    shown: Shown,
    left: Option<u64>,
    follow: bool,
}

/// The columns of a table, with their widths.
const TABLE: [(&str, usize); 9] = [
    ("time", 20),
    ("kind", 14),
    ("decision", 8),
    ("reason", 20),
    ("principal", 20),
    ("server", 14),
    ("method", 20),
    ("target", 24),
    ("rule", 0),
];

const CSV: [&str; 20] = [
    "time",
    "kind",
    "decision",
    "reason",
    "rules",
    "subject",
    "issuer",
    "client",
    "credential",
    "roles",
    "source",
    "server",
    "route",
    "method",
    "tool",
    "target",
    "class",
    "status",
    "outcome",
    "id",
];

impl Printer {
    fn head(&mut self) -> Result<(), Failure> {
        let head = match self.shown {
            Shown::Table => columns(TABLE.map(|(name, _)| name.to_owned())),
            Shown::Csv => csv::line(CSV),
            Shown::Text | Shown::Mapped(_) => return Ok(()),
        };
        self.write(&head)
    }

    fn show(&mut self, kind: Kind, record: &Record<'_>, text: &str) -> Result<(), Failure> {
        if self.left == Some(0) {
            return Err(Failure::enough());
        }
        match &self.shown {
            Shown::Text => self.write(text)?,
            Shown::Table => self.write(&columns(row(kind, record)))?,
            Shown::Csv => {
                let cells = cells(kind, record);
                self.write(&csv::line(cells.iter().map(String::as_str)))?;
            }
            Shown::Mapped(mapping) => {
                let mapped = serde_json::from_str::<Value>(text).map(|record| mapping.map(&record));
                self.write(&mapped.unwrap_or_default().to_string())?;
            }
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) { Err(Failure::enough()) } else { Ok(()) }
    }

    fn write(&mut self, line: &str) -> Result<(), Failure> {
        let heard = self.lines.line(line)?;
        let heard = if self.follow { self.lines.flush()? } else { heard };
        if heard == Heard::No { Err(Failure::enough()) } else { Ok(()) }
    }
}

fn text(text: Option<&Text<'_>>) -> String {
    text.map(|text| text.as_str().to_owned()).unwrap_or_default()
}

fn row(kind: Kind, record: &Record<'_>) -> [String; 9] {
    let subject = record.principal.as_ref().and_then(|principal| principal.subject.as_ref());
    let time = record.time.as_str().get(..19).map(|time| format!("{time}Z")).unwrap_or_default();
    let target = record.tool.as_ref().or(record.target.as_ref()).or(record.route.as_ref());
    [
        time,
        kind.word().to_owned(),
        text(record.decision.as_ref()),
        text(record.reason.as_ref()),
        text(subject),
        text(record.server.as_ref()),
        text(record.method.as_ref()),
        text(target),
        joined(&record.rules),
    ]
}

fn cells(kind: Kind, record: &Record<'_>) -> [String; 20] {
    let principal = record.principal.clone().unwrap_or_default();
    [
        record.time.as_str().to_owned(),
        kind.word().to_owned(),
        text(record.decision.as_ref()),
        text(record.reason.as_ref()),
        joined(&record.rules),
        text(principal.subject.as_ref()),
        text(principal.issuer.as_ref()),
        text(principal.client.as_ref()),
        text(principal.credential.as_ref()),
        joined(&principal.roles),
        text(record.source.as_ref()),
        text(record.server.as_ref()),
        text(record.route.as_ref()),
        text(record.method.as_ref()),
        text(record.tool.as_ref()),
        text(record.target.as_ref()),
        text(record.class.as_ref()),
        record.status.map(|status| status.to_string()).unwrap_or_default(),
        text(record.outcome.as_ref()),
        text(record.id.as_ref()),
    ]
}

fn joined(texts: &[Text<'_>]) -> String {
    let texts: Vec<&str> = texts.iter().map(Text::as_str).collect();
    texts.join(" ")
}

/// What outsiders have named must not move a terminal's cursor.
fn columns(row: [String; 9]) -> String {
    let mut line = String::new();
    for (text, (_, width)) in row.iter().zip(TABLE) {
        let plain = text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char });
        let plain: String = if text.is_empty() { "-".to_owned() } else { plain.collect() };
        line.push_str(&format!("{plain:width$} "));
    }
    line.trim_end().to_owned()
}
