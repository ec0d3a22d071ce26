// SPDX-License-Identifier: Apache-2.0
//! Which parts of the gate work, as far as one VM can tell.

use super::memory::Memory;
use crate::keys::KeyStatus;
use crate::time::UnixTime;

/// A part of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Keys to verify tokens with.
    Keys,
    /// Fetched revocation lists.
    Revocation,
    /// The audit trail gets out.
    Audit,
    /// What workers share.
    SharedData,
}

impl Component {
    /// All of them.
    pub const ALL: [Component; 4] =
        [Component::Keys, Component::Revocation, Component::Audit, Component::SharedData];

    /// The metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Component::Keys => "keys",
            Component::Revocation => "revocation",
            Component::Audit => "audit",
            Component::SharedData => "shared_data",
        }
    }
}

/// Whether a part works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It does, or is not configured.
    #[default]
    Healthy,
    /// It does not.
    Unhealthy,
}

impl Health {
    /// Healthy if that is so.
    #[must_use]
    pub fn when(works: bool) -> Health {
        if works { Health::Healthy } else { Health::Unhealthy }
    }
}

impl Memory {
    /// Whether there are keys of every issuer that can still be used, and a list of every revocation feed.
    /// What the engine cannot know is taken as healthy: the shell says it.
    #[must_use]
    pub fn health(&self, component: Component, now: UnixTime) -> Health {
        match component {
            Component::Keys => {
                let usable = |status| match status {
                    KeyStatus::Fresh(_) | KeyStatus::Aging(_) => true,
                    KeyStatus::Absent | KeyStatus::Stale => false,
                };
                Health::when(self.sources.iter().flatten().all(|source| usable(source.status(now))))
            }
            Component::Revocation => {
                Health::when(self.revocation.feeds().iter().all(|feed| feed.fetched_at().is_some()))
            }
            Component::Audit | Component::SharedData => Health::Healthy,
        }
    }
}
