// SPDX-License-Identifier: Apache-2.0
//! Which parts of the gate work, as far as one VM can tell.

use super::Desk;
use super::memory::Memory;
use crate::audit::Members;
use crate::deny::Answer;
use crate::keys::KeyStatus;
use crate::time::UnixTime;
use alloc::string::String;

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

/// What the shell says of the parts that the engine cannot see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reported {
    /// The audit trail gets out.
    pub audit: Health,
    /// What workers share works.
    pub shared_data: Health,
}

impl Memory {
    /// Whether there are keys of every issuer that can still be used, and a list of every revocation feed.
    /// What the engine cannot know is as the shell has said last.
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
            Component::Audit => self.reported.audit,
            Component::SharedData => self.reported.shared_data,
        }
    }
}

/// How much an answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Whether the gate works.
    Minimal,
    /// Which parts of it do, too.
    Components,
}

/// The answer of a route with `answer: health`: 503 where callers cannot be told apart any more.
pub(super) fn answer(desk: &Desk<'_>, detail: Detail) -> Answer {
    let health = |component: &Component| desk.memory.health(*component, desk.now);
    let closed =
        [Component::Keys, Component::Revocation].iter().any(|part| health(part) == Health::Unhealthy);
    let whole = Component::ALL.iter().all(|part| health(part) == Health::Healthy);
    let (status, word) = match (closed, whole) {
        (true, _) => (503, "unhealthy"),
        (false, true) => (200, "ok"),
        (false, false) => (200, "degraded"),
    };
    let mut body = String::with_capacity(128);
    let mut members = Members::object(&mut body);
    members.text("status", word);
    if detail == Detail::Components {
        let mut parts = members.nest("components");
        for component in Component::ALL {
            let word = if health(&component) == Health::Healthy { "ok" } else { "unhealthy" };
            parts.text(component.label(), word);
        }
    }
    drop(members);
    Answer::new(status, body, "health")
}
