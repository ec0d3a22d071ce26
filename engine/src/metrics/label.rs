// SPDX-License-Identifier: Apache-2.0
//! Labels, and where their values come from: the configuration, the methods of MCP, and words of this crate.

/// The labels there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Server or route of the configuration, or `none`.
    Server,
    /// MCP method, `other`, or `none`.
    Method,
    /// Tool of the catalogue, `other`, or `none`.
    Tool,
    /// `allow` or `deny`.
    Decision,
    /// Why.
    Reason,
    /// What came of it.
    Result,
    /// Issuer of the configuration.
    Issuer,
    /// `token`, `api_key`, `certificate` or `none`.
    Credential,
    /// Id of an API key of the configuration.
    Key,
    /// Version of the plugin.
    Version,
    /// Policy of the configuration.
    Policy,
    /// Version of that policy: of a bundle its number, else its `revision`, else the start of its digest.
    Revision,
    /// `allow` or `deny`: what was said.
    Live,
    /// `allow` or `deny`: what would have been said.
    Shadow,
    /// Rule of that policy, or `none`.
    Rule,
    /// Revocation feed of the configuration.
    Feed,
    /// Rate limit of the configuration.
    Limit,
    /// Where audit records go.
    Outlet,
    /// A part of the gate.
    Component,
    /// `mcp`, a route of the configuration, a document that the gate serves itself, or `none`.
    Route,
    /// What became of a request.
    Status,
    /// Who says how old a key is.
    Source,
    /// Class of a tool, from the configuration; or class of an error.
    Class,
    /// What a tool does to the things of its class, from the configuration.
    Operation,
    /// Kind of thing that a tool works on, from a list of the configuration; `other` or `none`.
    Type,
}

impl Label {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Label::Server => "server",
            Label::Method => "method",
            Label::Tool => "tool",
            Label::Decision => "decision",
            Label::Reason => "reason",
            Label::Result => "result",
            Label::Issuer => "issuer",
            Label::Credential => "credential",
            Label::Key => "key",
            Label::Feed => "feed",
            Label::Limit => "limit",
            Label::Outlet => "outlet",
            Label::Component => "component",
            Label::Version => "version",
            Label::Policy => "policy",
            Label::Revision => "revision",
            Label::Live => "live",
            Label::Shadow => "shadow",
            Label::Rule => "rule",
            Label::Route => "route",
            Label::Status => "status",
            Label::Source => "source",
            Label::Class => "class",
            Label::Operation => "operation",
            Label::Type => "type",
        }
    }
}

/// Where a request went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere that the configuration names.
    #[default]
    None,
    /// A server, by index.
    Server(usize),
    /// A route, by index.
    Route(usize),
}

/// The MCP method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MethodLabel {
    /// Not known yet when the verdict fell, or not MCP.
    #[default]
    None,
    /// One that no version knows.
    Other,
    /// This one, by its index.
    Known(usize),
}

/// The tool of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ToolLabel {
    /// No tool.
    #[default]
    None,
    /// One outside the catalogue.
    Other,
    /// One of the server's catalogue, by index.
    Known(usize),
}

/// A rule of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleLabel {
    /// No policy.
    #[default]
    None,
    /// This policy, by index, and its rule, if one decides.
    Of {
        /// The policy.
        policy: usize,
        /// The rule.
        rule: Option<usize>,
        /// How often the policy had changed by then.
        load: u32,
    },
}
