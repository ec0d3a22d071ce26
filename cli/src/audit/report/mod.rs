// SPDX-License-Identifier: Apache-2.0
//! What a trail says over a period: counts in bounded memory, then tables, then JSON, CSV, a page or text.

pub(crate) mod anomaly;
pub(crate) mod framework;
mod html;
mod section;
mod svg;
pub(crate) mod tally;
mod top;
mod volume;

use std::fmt::Write;

use serde_json::{Map, Value, json};

use self::{
    framework::Mapped,
    section::{Cell, Section, sections},
    tally::Tally,
    volume::Bucket,
};
use super::{
    csv, time,
    trail::{Keyed, Verdict},
};

/// A finished report.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// In words.
    period: String,
    sections: Vec<Section>,
    volume: Vec<(i64, Bucket)>,
    framework: Option<Mapped>,
}

/// The state of the chain in a sentence.
pub(crate) fn chain_sentence(verdict: &Verdict) -> String {
    match (verdict.found, verdict.keyed) {
        (0, Keyed::Yes) => {
            "every record was verified under its key: nothing was changed, removed, added or moved".to_owned()
        }
        (0, Keyed::No) => {
            "the chains hold, without a key: whoever can write the files could have written them anew"
                .to_owned()
        }
        (found, _) => {
            format!("{found} findings: only genuine records are counted; see `toolgate audit verify`")
        }
    }
}

impl Report {
    /// `shown` names in each table. Without a verdict the records were not verified.
    pub(crate) fn new(
        tally: &Tally,
        verdict: Option<&Verdict>,
        framework: Option<Mapped>,
        shown: usize,
    ) -> Self {
        let end = |bound: Option<i64>, found: Option<i64>| {
            bound.or(found).map_or_else(|| "nothing".to_owned(), time::say)
        };
        let (from, to) = (end(tally.scope.from, tally.first), end(tally.scope.to, tally.last));
        Self {
            period: format!("{from} to {to}"),
            sections: sections(tally, verdict, shown),
            volume: tally.volume.all(),
            framework,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let sections: Map<String, Value> =
            self.sections.iter().map(|section| (section.key.to_owned(), section.to_json())).collect();
        json!({
            "ok": self.number("chain", "findings") == 0,
            "period": self.period,
            "framework": self.framework.as_ref().map(|mapped| mapped.to_json(&self.sections)),
            "sections": sections,
        })
    }

    /// One row for each cell: section, number of the row, column, value.
    pub(crate) fn to_csv(&self) -> String {
        let mut text = csv::line(["section", "row", "column", "value"]);
        text.push_str("\r\n");
        let mut row = |section: &str, number: usize, column: &str, value: &str| {
            text.push_str(&csv::line([section, &number.to_string(), column, value]));
            text.push_str("\r\n");
        };
        for section in &self.sections {
            for (cells, number) in section.rows.iter().zip(1..) {
                for (column, cell) in section.columns.iter().zip(cells) {
                    row(section.key, number, column, &cell.say());
                }
            }
        }
        for (control, number) in self.framework.iter().flat_map(|mapped| &mapped.controls).zip(1..) {
            row("controls", number, "id", &control.id);
            row("controls", number, "title", &control.title);
            row("controls", number, "evidence", &control.says(&self.sections).join("; "));
            row("controls", number, "beyond", &control.beyond);
        }
        text
    }

    pub(crate) fn to_html(&self) -> String {
        html::page(self)
    }

    /// For a terminal: the head of each table.
    pub(crate) fn to_text(&self) -> String {
        const ROWS: usize = 8;
        let mut text = format!("audit report, {}\n", self.period);
        if let Some(mapped) = &self.framework {
            let _ = writeln!(text, "\n{} ({})\n{}", mapped.framework, mapped.edition, mapped.note);
            for control in &mapped.controls {
                let _ = writeln!(text, "  {:8} {}", control.id, control.title);
                control.says(&self.sections).iter().for_each(|says| {
                    let _ = writeln!(text, "           {says}");
                });
            }
        }
        // Over time a chart says more.
        for section in self.sections.iter().filter(|section| section.key != "volume") {
            let _ = writeln!(text, "\n{}", section.title);
            if !matches!(section.key, "anomalies") {
                let _ = writeln!(text, "  ({})", section.note);
            }
            if !section.rows.is_empty() {
                let names = section.columns.iter().map(|name| plain(&name.replace('_', " ")));
                let _ = writeln!(text, "  {}", names.collect::<Vec<_>>().join("  ").trim_end());
            }
            for row in section.rows.iter().take(ROWS) {
                let cells: Vec<String> = row.iter().map(|cell| plain(&cell.say())).collect();
                let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
            }
            match section.rows.len() {
                0 => text.push_str("  none\n"),
                count if count > ROWS => {
                    let _ = writeln!(text, "  and {} more", count - ROWS);
                }
                _ => {}
            }
        }
        text
    }

    fn number(&self, key: &str, name: &str) -> u64 {
        let rows =
            self.sections.iter().filter(|section| section.key == key).flat_map(|section| &section.rows);
        let mut named = rows.filter(|row| row.first() == Some(&Cell::Text(name.to_owned())));
        match named.next().and_then(|row| row.get(1)) {
            Some(Cell::Number(number)) => *number,
            Some(Cell::Text(_)) | None => 0,
        }
    }

    fn note(&self, key: &str) -> String {
        let mut named = self.sections.iter().filter(|section| section.key == key);
        named.next().map(|section| section.note.clone()).unwrap_or_default()
    }
}

/// Names that outsiders gave must not move a terminal's cursor.
fn plain(text: &str) -> String {
    let plain: String = text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect();
    format!("{plain:<20}")
}
