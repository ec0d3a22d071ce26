// SPDX-License-Identifier: Apache-2.0
//! What decisions leave behind, as written.

use super::SecretWire;
use crate::config::facts::Fact;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

/// `audit`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AuditWire {
    /// Whether decisions are written to filter state (`wasm.toolgate_*`) for access logs and traces.
    pub filter_state: bool,
    /// Which of what is known goes there; all of it if not given.
    pub filter_state_names: Option<Vec<Fact>>,
    /// Whether answers name the rule that denied.
    pub show_rule: bool,
    /// Where records go; nowhere if empty.
    pub outlets: Vec<OutletWire>,
    /// How many of a thousand allows are kept; denials always are.
    pub allows_per_mille: u32,
    /// What records say of the arguments of a call.
    pub arguments: ArgumentsWire,
    /// Arguments of which not even the name is recorded: JSON pointers.
    pub redact: Vec<String>,
    /// How records name prompts, resources and tasks.
    pub targets: ShownWire,
    /// How records name callers.
    pub subjects: ShownWire,
    /// Whether records have the caller's address.
    pub source_address: bool,
    /// How often a stream that is written to has a checkpoint, in seconds.
    pub checkpoint_seconds: u32,
    /// The HTTP collector, for the outlet `collector`.
    pub collector: Option<CollectorWire>,
}

impl Default for AuditWire {
    fn default() -> Self {
        AuditWire {
            filter_state: false,
            filter_state_names: None,
            show_rule: false,
            outlets: Vec::new(),
            allows_per_mille: 1_000,
            arguments: ArgumentsWire::None,
            redact: Vec::new(),
            targets: ShownWire::Clear,
            subjects: ShownWire::Clear,
            source_address: false,
            checkpoint_seconds: 60,
            collector: None,
        }
    }
}

/// One of `audit.outlets`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OutletWire {
    /// The proxy's own log, at level `info`.
    Log,
    /// Filter state `wasm.toolgate_audit`, for access logs.
    AccessLog,
    /// `audit.collector`.
    Collector,
}

/// `audit.arguments`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ArgumentsWire {
    /// Nothing.
    None,
    /// The names of the outermost ones.
    Names,
    /// The names of the outermost ones, each with a keyed hash of its value.
    Hashes,
}

/// `audit.targets`, `audit.subjects`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ShownWire {
    /// As they are.
    Clear,
    /// By a keyed hash.
    Hash,
}

/// `audit.collector`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CollectorWire {
    /// Where batches are sent by POST, one record a line.
    pub uri: String,
    /// What stands in `Authorization`.
    pub authorization: Option<SecretWire>,
    /// The largest batch, in bytes.
    pub batch_bytes: Option<u32>,
    /// How much waits while the collector does not take it, in bytes; what comes then is lost and counted.
    pub queue_bytes: Option<u32>,
    /// How long a batch may take, in milliseconds.
    pub timeout_milliseconds: Option<u32>,
}
