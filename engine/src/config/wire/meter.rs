// SPDX-License-Identifier: Apache-2.0
//! What is metered of a tool's calls, as written.

use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

/// `tools.catalogue[].metrics`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ToolMeterWire {
    /// What a call does to the things of the tool's class.
    pub operation: ToolOperation,
    /// Where the arguments say what kind of thing it is.
    #[serde(rename = "type")]
    pub kind: Option<ToolKindWire>,
    /// A JSON pointer into results: how many tokens were used.
    pub tokens: Option<String>,
    /// A JSON pointer into results: how much memory is in use, in bytes.
    pub bytes: Option<String>,
}

/// `tools.catalogue[].metrics.operation`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ToolOperation {
    /// It uses one.
    #[default]
    Run,
    /// It makes one.
    Spawn,
    /// It ends one.
    Stop,
    /// It puts one into a queue.
    Pending,
}

/// `tools.catalogue[].metrics.type`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ToolKindWire {
    /// A JSON pointer into the arguments.
    pub argument: String,
    /// The values that become label values; every other is `other`.
    pub values: Vec<String>,
}
