// SPDX-License-Identifier: Apache-2.0
//! What servers have said of their tools (`annotations`), as this VM has seen it in their lists. It counts only where
//! the policy trusts the server.

use super::memory::Memory;
use crate::config::Server;
use crate::mcp::Target;
use crate::policy::{Hints, Policy};
use alloc::collections::BTreeMap;
use alloc::string::String;

/// Most tools of one server.
const MAX_TOOLS: usize = 4_096;

/// What one server has said; bounded.
#[derive(Debug, Default)]
pub struct LearnedHints(BTreeMap<String, Hints>);

impl LearnedHints {
    /// Takes what the last definition of a tool says.
    pub(super) fn learn(&mut self, tool: &str, hints: Hints) {
        if let Some(known) = self.0.get_mut(tool) {
            *known = hints;
            return;
        }
        // Who fills this up with names of tools finds it emptied; what is not known is unknown.
        if self.0.len() >= MAX_TOOLS {
            self.0.clear();
        }
        self.0.insert(String::from(tool), hints);
    }

    fn of(&self, tool: &str) -> Hints {
        self.0.get(tool).copied().unwrap_or_default()
    }
}

impl Memory {
    /// What counts under this policy of what the server has said of the target.
    pub(super) fn hints(
        &self,
        policy: &Policy,
        (at, server): (usize, &Server),
        target: &Target<'_>,
    ) -> Hints {
        match target {
            Target::Tool(name) if policy.trusts(&server.name) => {
                self.hints.get(at).map(|learned| learned.of(name)).unwrap_or_default()
            }
            Target::Tool(_)
            | Target::None
            | Target::Prompt(_)
            | Target::Resource(_)
            | Target::Listen { .. }
            | Target::PromptRef(_)
            | Target::ResourceRef(_)
            | Target::Task(_) => Hints::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_memory_is_bounded() {
        let says = |read_only| Hints { read_only: Some(read_only), ..Hints::default() };
        let mut learned = LearnedHints::default();
        for number in 0..=MAX_TOOLS {
            learned.learn(&alloc::format!("t{number}"), says(true));
        }
        assert_eq!(
            (learned.0.len(), learned.of("t0"), learned.of("t4096")),
            (1, Hints::default(), says(true))
        );
        learned.learn("t4096", says(false));
        assert_eq!(learned.of("t4096"), says(false));
        learned.learn("t4096", Hints::default());
        assert_eq!(learned.of("t4096"), Hints::default());
    }
}
