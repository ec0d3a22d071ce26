// SPDX-License-Identifier: Apache-2.0
//! What decisions leave in filter state, and which of it an operator wants there: each is a write for the proxy.

use serde::Deserialize;

/// Something that is known of a decision; one of `audit.filter_state_names`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// `allow` or `deny`.
    Decision,
    /// Why.
    Reason,
    /// The decision id.
    DecisionId,
    /// The rule that decided.
    Rule,
    /// The server's name.
    Server,
    /// The route's name.
    Route,
    /// The method of MCP.
    Method,
    /// The tool.
    Tool,
    /// Who calls.
    Subject,
    /// Who says so.
    Issuer,
    /// The OAuth client.
    Client,
    /// The caller's roles.
    Roles,
    /// What a policy or rule in shadow would have said.
    Shadow,
}

impl Fact {
    /// Its name in filter state, `wasm.` before it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Fact::Decision => "toolgate_decision",
            Fact::Reason => "toolgate_reason",
            Fact::DecisionId => "toolgate_decision_id",
            Fact::Rule => "toolgate_rule",
            Fact::Server => "toolgate_server",
            Fact::Route => "toolgate_route",
            Fact::Method => "toolgate_method",
            Fact::Tool => "toolgate_tool",
            Fact::Subject => "toolgate_subject",
            Fact::Issuer => "toolgate_issuer",
            Fact::Client => "toolgate_client",
            Fact::Roles => "toolgate_roles",
            Fact::Shadow => "toolgate_shadow",
        }
    }
}

/// Which facts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterState(u16);

impl FilterState {
    /// None.
    pub const OFF: FilterState = FilterState(0);
    /// All of them.
    pub const ALL: FilterState = FilterState(u16::MAX);

    /// These.
    #[must_use]
    pub fn of(facts: impl Iterator<Item = Fact>) -> FilterState {
        FilterState(facts.fold(0, |all, fact| all | FilterState::bit(fact)))
    }

    /// Whether this one is.
    #[must_use]
    pub const fn shows(self, fact: Fact) -> bool {
        self.0 & FilterState::bit(fact) != 0
    }

    /// Whether any is.
    #[must_use]
    pub const fn is_off(self) -> bool {
        self.0 == 0
    }

    const fn bit(fact: Fact) -> u16 {
        1 << fact as u16
    }
}
