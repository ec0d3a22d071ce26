//! The tour as text.

use std::io::IsTerminal;

use super::Row;
use crate::scrape::Metrics;

/// Whether colours may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Escape sequences.
    On,
    /// Plain text.
    Off,
}

impl Colour {
    /// On if standard output is a terminal and `NO_COLOR` is not set.
    #[must_use]
    pub fn detect() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::stdout().is_terminal();
        if plain { Self::Off } else { Self::On }
    }

    fn paint(self, code: u8, text: &str) -> String {
        match self {
            Self::On => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Off => text.to_owned(),
        }
    }
}

const HEADS: [&str; 5] = ["who", "what", "expected", "got", "why"];
const WIDEST: usize = 60;

/// The table of all rows.
#[must_use]
pub fn table(rows: &[Row], colour: Colour) -> String {
    let cells = |row: &Row| [&row.who, &row.what, &row.expected, &row.got, &row.why].map(|cell| clip(cell));
    let mut widths = HEADS.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(cells(row)) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; 5]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = format!("      {}\n", colour.paint(1, &line(&HEADS.map(str::to_owned))));
    for row in rows {
        let mark = if row.matched { colour.paint(32, "ok   ") } else { colour.paint(31, "WRONG") };
        text.push_str(&format!("{mark} {}\n", line(&cells(row))));
        if !row.matched {
            text.push_str(&format!("      expected: {}\n      got:      {}\n", row.expected, row.got));
        }
    }
    text
}

fn clip(cell: &str) -> String {
    if cell.chars().count() <= WIDEST {
        return cell.to_owned();
    }
    cell.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// The metrics of the gate, without the buckets of its histograms.
#[must_use]
pub fn metrics(metrics: &Metrics) -> String {
    let (buckets, lines): (Vec<_>, Vec<_>) = metrics
        .lines("toolgate_")
        .partition(|line| line.split('{').next().is_some_and(|name| name.ends_with("_bucket")));
    let mut text = lines.into_iter().map(|line| format!("{line}\n")).collect::<String>();
    if !buckets.is_empty() {
        text.push_str(&format!("(and {} histogram buckets)\n", buckets.len()));
    }
    text
}
