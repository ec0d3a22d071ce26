// SPDX-License-Identifier: Apache-2.0
//! How the calls of a tool are metered.

use super::wire::ToolOperation;
use crate::json::Value;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How the calls of a tool are metered.
#[derive(Debug)]
pub struct ToolMeter {
    /// What a call does to the things of the tool's class.
    pub operation: ToolOperation,
    /// A pointer into the arguments, and the values that become label values.
    pub kinds: Option<(Arc<str>, Vec<Arc<str>>)>,
    /// A pointer into results: tokens.
    pub tokens: Option<Arc<str>>,
    /// A pointer into results: bytes of memory.
    pub bytes: Option<Arc<str>>,
}

impl ToolMeter {
    /// The kind that arguments name: a number for [`ToolMeter::kind_name`].
    #[must_use]
    pub fn kind_of(&self, arguments: Option<Value<'_>>) -> usize {
        let Some((pointer, values)) = &self.kinds else { return 0 };
        let named = arguments.and_then(|arguments| arguments.pointer(pointer)?.as_str());
        let found = named.and_then(|named| values.iter().position(|value| **value == *named));
        found.map_or(0, |at| at + 1)
    }

    /// The label value of a kind.
    #[must_use]
    pub fn kind_name(&self, kind: usize) -> &str {
        let Some((_, values)) = &self.kinds else { return "none" };
        kind.checked_sub(1).and_then(|at| values.get(at)).map_or("other", |value| value)
    }
}

impl ToolOperation {
    /// The label value.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            ToolOperation::Run => "run",
            ToolOperation::Spawn => "spawn",
            ToolOperation::Stop => "stop",
            ToolOperation::Pending => "pending",
        }
    }
}
