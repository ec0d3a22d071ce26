// SPDX-License-Identifier: Apache-2.0
//! A policy as it stands in its document: on its own, or inside a configuration; and where each of its rules stands.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use toolgate_engine::{
    json::{DeError, Doc, Segment},
    policy::Policy,
};

use super::{faults::faults, parse};
use crate::{
    diagnostic::{Diagnostic, Failure, Place},
    engine,
    yaml::{Document, KeyPath},
};

/// A policy document, or the part of a document that is one.
#[derive(Debug)]
pub(crate) struct Written {
    document: Document,
    /// Where the policy stands in the document.
    prefix: Vec<Segment>,
    value: Value,
    doc: Doc<'static>,
}

/// One rule as written.
#[derive(Clone, Debug)]
pub(crate) struct WrittenRule {
    pub(crate) path: KeyPath,
    pub(crate) rule: Value,
}

impl Written {
    /// A policy file; `-` is the standard input.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        Self::part(Document::open(path)?, Vec::new())
    }

    /// Every policy of a configuration, by name.
    pub(crate) fn inside(configuration: &Document) -> Result<Vec<(String, Self)>, Failure> {
        let value: Value = json(configuration)?;
        let names = value.get("policies").and_then(Value::as_object).into_iter().flatten();
        let each = names.filter(|(_, source)| source.get("inline").is_some()).map(|(name, _)| {
            let prefix = ["policies", name, "inline"].map(|key| Segment::Key(key.to_owned()));
            Self::part(configuration.clone(), prefix.to_vec()).map(|written| (name.clone(), written))
        });
        each.collect()
    }

    fn part(document: Document, prefix: Vec<Segment>) -> Result<Self, Failure> {
        let whole = json(&document)?;
        let value = prefix.iter().try_fold(&whole, |value, segment| match segment {
            Segment::Key(name) => value.get(name),
            Segment::Index(at) => value.get(at),
        });
        let value = value.cloned().unwrap_or_default();
        let text = if prefix.is_empty() { document.json().to_owned() } else { value.to_string() };
        let doc = parse(&text).map_err(|message| at_the_top(&document, message))?.into_owned();
        Ok(Self { document, prefix, value, doc })
    }

    /// What errors call it.
    pub(crate) fn name(&self) -> &str {
        self.document.name()
    }

    /// The policy as the engine reads it.
    pub(crate) fn root(&self) -> toolgate_engine::json::Value<'_> {
        self.doc.root()
    }

    /// The policy as plain JSON.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// A list at the top of the policy; empty if it is not there.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The policy, or the first thing that is wrong with it.
    pub(crate) fn compile(&self) -> Result<Policy, Failure> {
        Policy::compile(self.root()).map_err(|error| self.diagnostic(error).into())
    }

    /// Everything that can be found wrong with it.
    pub(crate) fn faults(&self) -> Vec<Diagnostic> {
        faults(self.value.clone()).into_iter().map(|error| self.diagnostic(error)).collect()
    }

    /// The same at its place in the document.
    pub(crate) fn located(&self, diagnostic: Diagnostic, path: &[Segment]) -> Diagnostic {
        engine::located(diagnostic, &self.document, &[self.prefix.as_slice(), path].concat())
    }

    fn diagnostic(&self, error: DeError) -> Diagnostic {
        self.located(
            Diagnostic::error(error.message()).maybe_help(error.help().map(str::to_owned)),
            error.path(),
        )
    }

    /// Where a path of the policy stands.
    pub(crate) fn place(&self, path: &[String]) -> Option<Place> {
        let prefix = self.prefix.iter().map(|segment| match segment {
            Segment::Key(name) => name.clone(),
            Segment::Index(at) => at.to_string(),
        });
        self.document.place(&prefix.chain(path.iter().cloned()).collect::<Vec<_>>())
    }

    /// The rules under the ids by which the engine reports them.
    pub(crate) fn rules(&self) -> BTreeMap<String, WrittenRule> {
        let mut rules = BTreeMap::new();
        let mut add = |usual: String, path: &[&str], rule: &Value| {
            let id = rule.get("id").and_then(Value::as_str).map_or(usual, str::to_owned);
            let path = path.iter().map(|name| (*name).to_owned()).collect();
            rules.insert(id, WrittenRule { path, rule: rule.clone() });
        };
        let holders = |key: &str| -> Vec<(String, &Value)> {
            match self.value.get(key) {
                Some(Value::Object(map)) => map.iter().map(|(name, value)| (name.clone(), value)).collect(),
                Some(Value::Array(list)) => {
                    list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
                }
                _ => Vec::new(),
            }
        };
        for (section, lead) in [("roles", ""), ("grants", "grants/")] {
            for (name, holder) in holders(section) {
                for word in ["allow", "deny"] {
                    let list = holder.get(word).and_then(Value::as_array).into_iter().flatten();
                    for (at, rule) in list.enumerate() {
                        let at = at.to_string();
                        add(format!("{lead}{name}/{word}/{at}"), &[section, &name, word, &at], rule);
                    }
                }
            }
        }
        for (name, rule) in holders("permissions") {
            add(name.clone(), &["permissions", &name], rule);
        }
        rules
    }
}

fn json(document: &Document) -> Result<Value, Failure> {
    // The engine refuses what this reader would not, such as a member that stands twice.
    parse(document.json()).map_err(|message| at_the_top(document, message))?;
    serde_json::from_str(document.json())
        .map_err(|error| at_the_top(document, format!("this is not JSON: {error}")))
}

fn at_the_top(document: &Document, message: String) -> Failure {
    Diagnostic::error(message).at(document.place(&[])).into()
}
