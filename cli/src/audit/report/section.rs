// SPDX-License-Identifier: Apache-2.0
//! The report as tables: what JSON, CSV, HTML and the terminal all show.

use serde_json::{Map, Value};

use super::{
    anomaly::{self, Anomaly},
    tally::{BETWEEN, Tally},
    top::{Count, MOST, Top},
};
use crate::{
    audit::{time, trail::Verdict},
    clock,
};

/// One table.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    /// What to know of it.
    pub(crate) note: String,
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    Number(u64),
}

impl Cell {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn say(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Number(number) => Value::from(*number),
        }
    }
}

impl Section {
    /// `{ "note": …, "rows": [ { COLUMN: VALUE, … }, … ] }`
    pub(crate) fn to_json(&self) -> Value {
        let row = |row: &Vec<Cell>| {
            let members =
                self.columns.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), cell.to_json()));
            Value::Object(members.collect::<Map<String, Value>>())
        };
        serde_json::json!({ "title": self.title, "note": self.note, "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }
}

/// The tables of a report; `shown` names in each.
pub(crate) fn sections(tally: &Tally, verdict: Option<&Verdict>, shown: usize) -> Vec<Section> {
    let counted = |key, title, top: &Top| counted(key, title, top, shown);
    vec![
        decisions(tally),
        volume(tally),
        counted("denials_by_reason", "Denials by reason", &tally.reasons),
        counted("denials_by_rule", "Denials by rule", &tally.rules),
        counted("authentication", "Failed authentication by reason", &tally.failures),
        counted("outcomes", "What became of requests", &tally.outcomes),
        counted("tools", "Tools", &tally.tools),
        counted("servers", "Servers and routes", &tally.servers),
        counted("principals", "Principals", &tally.principals),
        new_principals(tally, shown),
        privileged(tally, shown),
        changes(tally, shown),
        policies(tally, shown),
        anomalies(&anomaly::anomalies(tally)),
        chain(tally, verdict),
    ]
}

fn decisions(tally: &Tally) -> Section {
    let number = |name: &str, value: u64| vec![Cell::text(name), Cell::Number(value)];
    let totals = tally.totals;
    let rows = vec![
        number("records", tally.counted),
        number("allowed", totals.allowed),
        number("allowed_estimated", tally.allowed_thousandths / 1_000),
        number("denied", totals.denied),
        number("not_authenticated", totals.unauthenticated),
        number("privileged", tally.privileged_total),
        number("destructive", tally.destructive_total),
        number("records_before", tally.before),
        number("records_after", tally.after),
        number("records_without_time", tally.timeless),
    ];
    let note = "`allowed_estimated` counts what sampling left out; denials are never sampled";
    Section { key: "decisions", title: "Decisions", note: note.to_owned(), columns: &["name", "count"], rows }
}

fn volume(tally: &Tally) -> Section {
    let rows = tally.volume.all().into_iter().map(|(at, bucket)| {
        vec![
            Cell::text(clock::rfc3339(at)),
            Cell::Number(bucket.allowed),
            Cell::Number(bucket.denied),
            Cell::Number(bucket.unauthenticated),
        ]
    });
    Section {
        key: "volume",
        title: "Requests over time",
        note: format!("spans of {}", clock::say(tally.volume.width())),
        columns: &["from", "allowed", "denied", "not_authenticated"],
        rows: rows.collect(),
    }
}

fn counted(key: &'static str, title: &'static str, top: &Top, shown: usize) -> Section {
    let (listed, other) = top.first(shown);
    let row = |name: &str, count: Count| {
        vec![
            Cell::text(name),
            Cell::Number(count.total),
            Cell::Number(count.denied),
            Cell::text(if count.total > 0 { time::say(count.first) } else { String::new() }),
            Cell::text(if count.total > 0 { time::say(count.last) } else { String::new() }),
        ]
    };
    let mut rows: Vec<Vec<Cell>> = listed.into_iter().map(|(name, count)| row(name, count)).collect();
    if other.total > 0 {
        rows.push(row("other", other));
    }
    Section {
        key,
        title,
        note: bound(top, shown),
        columns: &["name", "count", "denied", "first", "last"],
        rows,
    }
}

fn bound(top: &Top, shown: usize) -> String {
    let exact = match top.short {
        0 => String::new(),
        short => format!("; more than {MOST} names, so counts may be too low by {short} at most"),
    };
    format!("{} names, the {shown} most frequent are shown{exact}", top.len())
}

fn new_principals(tally: &Tally, shown: usize) -> Section {
    let note = match (tally.has_history(), tally.forgot()) {
        (false, _) => "no records before the period were given, so every principal counts as new".to_owned(),
        (true, false) => format!("{} principals not seen before the period", tally.new_principals.total),
        (true, true) => {
            format!("{} at least: more principals than can be remembered", tally.new_principals.total)
        }
    };
    let rows = tally.new_principals.listed.iter().take(shown);
    let rows = rows.map(|(name, at)| vec![Cell::text(name.as_str()), Cell::text(time::say(*at))]);
    Section {
        key: "new_principals",
        title: "New principals",
        note,
        columns: &["name", "first"],
        rows: rows.collect(),
    }
}

fn privileged(tally: &Tally, shown: usize) -> Section {
    let (listed, other) = tally.privileged.first(shown);
    let row = |name: &str, count: Count| {
        let mut cells: Vec<Cell> = name.split(BETWEEN).take(3).map(Cell::text).collect();
        cells.resize(3, Cell::text(""));
        cells.extend([
            Cell::Number(count.total),
            Cell::Number(count.denied),
            Cell::text(time::say(count.last)),
        ]);
        cells
    };
    let mut rows: Vec<Vec<Cell>> = listed.into_iter().map(|(name, count)| row(name, count)).collect();
    if other.total > 0 {
        rows.push(row("other", other));
    }
    let (classes, roles) =
        (tally.scope.privileged_classes.join(", "), tally.scope.privileged_roles.join(", "));
    Section {
        key: "privileged",
        title: "Privileged and destructive use",
        note: format!(
            "tools of the classes {classes}, and everything by the roles {roles}; {}",
            bound(&tally.privileged, shown)
        ),
        columns: &["principal", "tool", "class", "count", "denied", "last"],
        rows,
    }
}

fn changes(tally: &Tally, shown: usize) -> Section {
    let rows = tally.changes.listed.iter().take(shown);
    let rows = rows.map(|change| {
        vec![Cell::text(change.at.as_str()), Cell::text(change.kind), Cell::text(change.what.as_str())]
    });
    Section {
        key: "changes",
        title: "Changes of configuration, policies and keys",
        note: format!("{} records of all workers; one change shows once for each", tally.changes.total),
        columns: &["time", "kind", "what"],
        rows: rows.collect(),
    }
}

fn policies(tally: &Tally, shown: usize) -> Section {
    let (listed, _) = tally.policies.first(shown);
    let rows = listed.into_iter().map(|(name, count)| {
        let mut cells: Vec<Cell> = name.split(BETWEEN).take(3).map(Cell::text).collect();
        cells.resize(3, Cell::text(""));
        cells.extend([
            Cell::Number(count.total),
            Cell::text(time::say(count.first)),
            Cell::text(time::say(count.last)),
        ]);
        cells
    });
    Section {
        key: "policies",
        title: "Policies that judged",
        note: "by the digest of what was in force at each decision".to_owned(),
        columns: &["name", "version", "digest", "count", "first", "last"],
        rows: rows.collect(),
    }
}

fn anomalies(found: &[Anomaly]) -> Section {
    let methods: Vec<String> =
        anomaly::METHODS.iter().map(|(name, method)| format!("{name}: {method}")).collect();
    let rows = found.iter().map(|one| vec![Cell::text(one.method), Cell::text(one.what.as_str())]);
    Section {
        key: "anomalies",
        title: "Anomalies",
        note: methods.join(". "),
        columns: &["method", "what"],
        rows: rows.collect(),
    }
}

fn chain(tally: &Tally, verdict: Option<&Verdict>) -> Section {
    let number = |name: &str, value: u64| vec![Cell::text(name), Cell::Number(value)];
    let (rows, note) = match verdict {
        None => (Vec::new(), "the records were not verified".to_owned()),
        Some(verdict) => {
            let streams = u64::try_from(verdict.streams.len()).unwrap_or_default();
            let ended = verdict.streams.iter().filter(|(summary, _)| summary.ended).count();
            let lost =
                verdict.streams.iter().filter_map(|(_, seen)| seen.as_ref()).map(|seen| seen.lost).sum();
            let rows = vec![
                number("findings", verdict.found),
                number("streams", streams),
                number("streams_ended", u64::try_from(ended).unwrap_or_default()),
                number("records", verdict.records),
                number("records_not_understood", verdict.unreadable),
                number("records_lost", lost),
                number("records_lost_in_period", tally.lost),
            ];
            (rows, super::chain_sentence(verdict))
        }
    };
    Section { key: "chain", title: "State of the audit chain", note, columns: &["name", "count"], rows }
}
