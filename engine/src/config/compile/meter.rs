// SPDX-License-Identifier: Apache-2.0
//! What is metered of a tool's calls.

use super::{Compiler, at, key, wrong};
use crate::config::ToolMeter;
use crate::config::wire::{ToolKindWire, ToolMeterWire, ToolWire};
use crate::json::DeError;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Kinds that one tool may have.
const MAX_KINDS: usize = 32;

impl Compiler<'_> {
    /// The meter of a tool whose class is metered; nothing for the others.
    pub(super) fn meter(&self, tool: &ToolWire) -> Result<Option<ToolMeter>, DeError> {
        let metered = tool.class.as_ref().is_some_and(|class| self.wire.metrics.classes.contains(class));
        match (&tool.metrics, metered) {
            (Some(_), false) => Err(wrong(
                "`metrics` counts nothing: the tool's `class` is not one of those that are metered"
                    .to_owned(),
                "name its class in `metrics.classes` (agent, task, memory and neural are there by default)",
            )),
            (None, false) => Ok(None),
            (Some(wire), true) => compiled(wire).map(Some),
            (None, true) => compiled(&ToolMeterWire::default()).map(Some),
        }
    }
}

fn compiled(wire: &ToolMeterWire) -> Result<ToolMeter, DeError> {
    let place = |name, text: &Option<String>| at(text.as_deref().map(pointer).transpose(), &[key(name)]);
    Ok(ToolMeter {
        operation: wire.operation,
        kinds: at(wire.kind.as_ref().map(kinds).transpose(), &[key("type")])?,
        tokens: place("tokens", &wire.tokens)?,
        bytes: place("bytes", &wire.bytes)?,
    })
}

fn kinds(wire: &ToolKindWire) -> Result<(Arc<str>, Vec<Arc<str>>), DeError> {
    let argument = at(pointer(&wire.argument), &[key("argument")])?;
    at(label_values(&wire.values), &[key("values")])?;
    if wire.values.len() > MAX_KINDS {
        return at(Err(DeError::new(format!("there are more than {MAX_KINDS} values"))), &[key("values")]);
    }
    Ok((argument, wire.values.iter().map(|value| Arc::from(value.as_str())).collect()))
}

/// Label values stand in names of the host.
pub(super) fn label_values(values: &[String]) -> Result<(), DeError> {
    let odd = |value: &&String| {
        value.is_empty() || value.len() > 64 || value.contains(';') || value.chars().any(char::is_control)
    };
    match values.iter().find(odd) {
        Some(value) => Err(DeError::new(format!("`{value}` cannot be a label value here"))),
        None => Ok(()),
    }
}

fn pointer(text: &str) -> Result<Arc<str>, DeError> {
    if text.starts_with('/') {
        return Ok(Arc::from(text));
    }
    let help = format!("write `/{}`", text.replace('.', "/"));
    Err(DeError::new(format!("`{text}` is not a JSON pointer")).with_help(help))
}
