// SPDX-License-Identifier: Apache-2.0
//! The schemas that a server's own lists have told, for as long as they are the ones it tells.

use super::Schema;
use crate::json::Value;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::hash::Hasher;
use siphasher::sip::SipHasher24;

/// Most tools of one server.
const MAX_TOOLS: usize = 2_048;
/// Most schemas and rules of one server.
const MAX_WEIGHT: usize = 100_000;

/// What is known of a tool's arguments.
#[derive(Clone, Copy, Debug)]
pub enum Known<'s> {
    /// Nothing.
    Nothing,
    /// A schema that cannot be taken.
    Unreadable,
    /// This schema.
    Schema(&'s Schema),
}

/// The schemas of one server's tools; bounded.
#[derive(Debug, Default)]
pub struct Learned {
    tools: BTreeMap<String, Entry>,
    weight: usize,
}

#[derive(Debug)]
struct Entry {
    /// Of the text: a schema that has not changed is not compiled again.
    digest: u64,
    schema: Option<Schema>,
}

impl Learned {
    /// Takes the schema of a tool's definition. One without a schema has none to fit.
    pub fn learn(&mut self, tool: &str, schema: Option<Value<'_>>) {
        let mut hasher = SipHasher24::new();
        hasher.write(schema.map_or("", |schema| schema.raw()).as_bytes());
        let digest = hasher.finish();
        if self.tools.get(tool).is_some_and(|entry| entry.digest == digest) {
            return;
        }
        self.forget(tool);
        let schema = schema.and_then(|schema| Schema::compile(schema).ok());
        let weight = weight(schema.as_ref());
        // Beginning anew is bounded too, and what is not known can be required.
        if self.tools.len() >= MAX_TOOLS || self.weight.saturating_add(weight) > MAX_WEIGHT {
            *self = Learned::default();
        }
        if weight <= MAX_WEIGHT {
            self.weight = self.weight.saturating_add(weight);
            self.tools.insert(String::from(tool), Entry { digest, schema });
        }
    }

    fn forget(&mut self, tool: &str) {
        if let Some(entry) = self.tools.remove(tool) {
            self.weight = self.weight.saturating_sub(weight(entry.schema.as_ref()));
        }
    }

    /// What is known of a tool.
    #[must_use]
    pub fn of(&self, tool: &str) -> Known<'_> {
        match self.tools.get(tool).map(|entry| &entry.schema) {
            None => Known::Nothing,
            Some(None) => Known::Unreadable,
            Some(Some(schema)) => Known::Schema(schema),
        }
    }
}

fn weight(schema: Option<&Schema>) -> usize {
    schema.map_or(1, Schema::weight)
}
