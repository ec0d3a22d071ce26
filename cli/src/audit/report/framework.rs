// SPDX-License-Identifier: Apache-2.0
//! From the tables of a report to the controls of a framework: which table is evidence for what. Data says so; this
//! only fills in figures. It is evidence, not certification.

use serde::Deserialize;
use serde_json::{Value, json};

use super::section::{Cell, Section};
use crate::diagnostic::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Framework {
    /// SOC 2, trust services criteria
    Soc2,
    /// Sarbanes-Oxley, IT general controls
    Sox,
    /// ISO/IEC 27001:2022, Annex A
    Iso27001,
}

/// A framework as its data file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mapped {
    pub(crate) framework: String,
    pub(crate) edition: String,
    pub(crate) note: String,
    pub(crate) controls: Vec<Control>,
}

/// One control.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Control {
    pub(crate) id: String,
    pub(crate) title: String,
    evidence: Vec<Evidence>,
    /// What an auditor has to ask for elsewhere.
    pub(crate) beyond: String,
}

/// What of a report is evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Evidence {
    Decisions,
    Volume,
    Denials,
    Authentication,
    NewPrincipals,
    Privileged,
    Changes,
    Policies,
    Anomalies,
    Chain,
}

impl Framework {
    pub(crate) fn read(self) -> Result<Mapped, Failure> {
        let data = match self {
            Self::Soc2 => include_str!("../data/soc2.json"),
            Self::Sox => include_str!("../data/sox.json"),
            Self::Iso27001 => include_str!("../data/iso27001.json"),
        };
        serde_json::from_str(data)
            .map_err(|error| Failure::new(format!("the framework's data is faulty: {error}")))
    }
}

impl Control {
    /// The figures that are evidence for it, as sentences.
    pub(crate) fn says(&self, sections: &[Section]) -> Vec<String> {
        self.evidence.iter().map(|evidence| evidence.say(sections)).collect()
    }
}

impl Mapped {
    pub(crate) fn to_json(&self, sections: &[Section]) -> Value {
        let control = |control: &Control| json!({ "id": control.id, "title": control.title, "evidence": control.says(sections), "beyond": control.beyond });
        json!({
            "framework": self.framework,
            "edition": self.edition,
            "note": self.note,
            "controls": self.controls.iter().map(control).collect::<Vec<_>>(),
        })
    }
}

impl Evidence {
    fn say(self, sections: &[Section]) -> String {
        let find = |key: &str| sections.iter().find(|section| section.key == key);
        let value = |key: &str, name: &str| {
            let rows = find(key).into_iter().flat_map(|section| &section.rows);
            let mut named = rows.filter(|row| row.first() == Some(&Cell::Text(name.to_owned())));
            match named.next().and_then(|row| row.get(1)) {
                Some(Cell::Number(number)) => *number,
                _ => 0,
            }
        };
        let rows = |key: &str| find(key).map_or(0, |section| section.rows.len());
        let note = |key: &str| find(key).map(|section| section.note.clone()).unwrap_or_default();
        match self {
            Self::Decisions => format!(
                "{} requests were judged: {} allowed, {} denied",
                value("decisions", "allowed") + value("decisions", "denied"),
                value("decisions", "allowed"),
                value("decisions", "denied")
            ),
            Self::Volume => format!("requests over time in {} {}", rows("volume"), note("volume")),
            Self::Denials => format!(
                "denials by reason ({}) and by rule ({})",
                rows("denials_by_reason"),
                rows("denials_by_rule")
            ),
            Self::Authentication => format!(
                "{} requests were refused before it was known who calls, by reason ({})",
                value("decisions", "not_authenticated"),
                rows("authentication")
            ),
            Self::NewPrincipals => note("new_principals"),
            Self::Privileged => format!(
                "{} privileged requests, {} of them destructive, by principal and tool",
                value("decisions", "privileged"),
                value("decisions", "destructive")
            ),
            Self::Changes => note("changes"),
            Self::Policies => format!("policies that were in force, by digest ({})", rows("policies")),
            Self::Anomalies => format!("anomalies by stated methods ({})", rows("anomalies")),
            Self::Chain => note("chain"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_framework_is_readable_and_has_evidence_for_each_control() {
        for framework in [Framework::Soc2, Framework::Sox, Framework::Iso27001] {
            let mapped = framework.read().unwrap();
            assert!(
                mapped.note.contains("no certification") && mapped.controls.len() > 5,
                "{}",
                mapped.framework
            );
            let mut ids: Vec<&str> = mapped.controls.iter().map(|control| control.id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), mapped.controls.len());
            assert!(mapped.controls.iter().all(|control| !control.evidence.is_empty()));
        }
    }
}
