// SPDX-License-Identifier: Apache-2.0
//! The metric catalogue: name, kind, unit, help and labels of everything that is counted.
//!
//! Label values come from closed sets (the configuration, the methods of MCP, reasons of this crate), so that nobody
//! outside can make series grow.

use crate::config::Config;
use crate::config::wire::MetricSyntax;
use crate::mcp::Method;
use alloc::string::String;
use alloc::vec::Vec;

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution of whole numbers.
    Histogram,
}

/// Everything that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Requests by verdict.
    Requests,
    /// Attempts to authenticate.
    AuthAttempts,
    /// Time from the first header to the verdict, without waiting for the body or for keys.
    DecisionDuration,
    /// When an API key was last shown and found good.
    ApiKeyLastUsed,
    /// When an API key ends.
    ApiKeyExpires,
    /// Look-ups of the token cache.
    TokenCache,
    /// Proofs of possession, as the replay cache saw them.
    DpopProofs,
    /// Requests that waited for keys.
    Waits,
    /// Key fetches.
    JwksFetches,
    /// Age of the keys in use.
    JwksAge,
    /// Keys in use.
    JwksKeys,
    /// Fetches of revocation lists.
    RevocationFetches,
    /// Age of the revocation lists in use.
    RevocationAge,
    /// Their entries.
    RevocationEntries,
    /// Items of list answers.
    ListItems,
    /// Event streams that the gate ended.
    StreamsEnded,
    /// Answers that could not be filtered and did not go on.
    AnswerFaults,
    /// What servers ask of clients.
    ServerRequests,
    /// Definitions of pinned tools.
    ToolPins,
    /// Values of shared data that were not used.
    SharedRejected,
    /// Series that were not defined because of the cap.
    SeriesOverflow,
    /// What rules and policies in shadow would have said.
    Shadow,
    /// Always 1; the label says which build.
    BuildInfo,
}

impl Metric {
    /// The whole catalogue.
    pub const ALL: [Metric; 23] = [
        Metric::Requests,
        Metric::AuthAttempts,
        Metric::DecisionDuration,
        Metric::ApiKeyLastUsed,
        Metric::ApiKeyExpires,
        Metric::TokenCache,
        Metric::DpopProofs,
        Metric::Waits,
        Metric::JwksFetches,
        Metric::JwksAge,
        Metric::JwksKeys,
        Metric::RevocationFetches,
        Metric::RevocationAge,
        Metric::RevocationEntries,
        Metric::ListItems,
        Metric::StreamsEnded,
        Metric::AnswerFaults,
        Metric::ServerRequests,
        Metric::ToolPins,
        Metric::SharedRejected,
        Metric::SeriesOverflow,
        Metric::Shadow,
        Metric::BuildInfo,
    ];

    /// Its name, unit included.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Metric::Requests => "toolgate_requests_total",
            Metric::AuthAttempts => "toolgate_auth_attempts_total",
            Metric::DecisionDuration => "toolgate_decision_duration_microseconds",
            Metric::ApiKeyLastUsed => "toolgate_api_key_last_used_timestamp_seconds",
            Metric::ApiKeyExpires => "toolgate_api_key_expires_timestamp_seconds",
            Metric::TokenCache => "toolgate_token_cache_total",
            Metric::DpopProofs => "toolgate_dpop_proofs_total",
            Metric::Waits => "toolgate_key_waits_total",
            Metric::JwksFetches => "toolgate_jwks_fetches_total",
            Metric::JwksAge => "toolgate_jwks_age_seconds",
            Metric::JwksKeys => "toolgate_jwks_keys",
            Metric::RevocationFetches => "toolgate_revocation_fetches_total",
            Metric::RevocationAge => "toolgate_revocation_age_seconds",
            Metric::RevocationEntries => "toolgate_revocation_entries",
            Metric::ListItems => "toolgate_list_items_total",
            Metric::StreamsEnded => "toolgate_streams_ended_total",
            Metric::AnswerFaults => "toolgate_answer_faults_total",
            Metric::ServerRequests => "toolgate_server_requests_total",
            Metric::ToolPins => "toolgate_tool_pins_total",
            Metric::SharedRejected => "toolgate_shared_data_rejected_total",
            Metric::SeriesOverflow => "toolgate_series_overflow_total",
            Metric::Shadow => "toolgate_shadow_total",
            Metric::BuildInfo => "toolgate_build_info",
        }
    }

    /// How it behaves.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Metric::JwksAge
            | Metric::JwksKeys
            | Metric::RevocationAge
            | Metric::RevocationEntries
            | Metric::ApiKeyLastUsed
            | Metric::ApiKeyExpires
            | Metric::BuildInfo => Kind::Gauge,
            Metric::DecisionDuration => Kind::Histogram,
            Metric::Requests
            | Metric::AuthAttempts
            | Metric::TokenCache
            | Metric::DpopProofs
            | Metric::Waits
            | Metric::JwksFetches
            | Metric::RevocationFetches
            | Metric::ListItems
            | Metric::StreamsEnded
            | Metric::AnswerFaults
            | Metric::ServerRequests
            | Metric::ToolPins
            | Metric::SharedRejected
            | Metric::Shadow
            | Metric::SeriesOverflow => Kind::Counter,
        }
    }

    /// What it says, for people.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Metric::Requests => "requests by server or route, MCP method, tool, decision and reason",
            Metric::AuthAttempts => "attempts to authenticate by kind of credential and result",
            Metric::DecisionDuration => {
                "time spent deciding in microseconds, without waiting for body or keys"
            }
            Metric::ApiKeyLastUsed => "when an API key was last shown and found good, in seconds since 1970",
            Metric::ApiKeyExpires => "when an API key ends, in seconds since 1970",
            Metric::TokenCache => "look-ups of verified tokens by result",
            Metric::DpopProofs => "proofs of possession by what the replay cache said",
            Metric::Waits => "requests that waited for keys by outcome",
            Metric::JwksFetches => "fetches of a key set by issuer and result",
            Metric::JwksAge => "seconds since the keys in use were fetched",
            Metric::JwksKeys => "usable keys by issuer",
            Metric::RevocationFetches => "fetches of a revocation list by feed and result",
            Metric::RevocationAge => "seconds since a revocation list was fetched or confirmed",
            Metric::RevocationEntries => "entries of a revocation list that was fetched",
            Metric::ListItems => "items of list answers, kept or removed",
            Metric::StreamsEnded => "event streams that were ended, by reason",
            Metric::AnswerFaults => "answers withheld because they could not be filtered, by reason",
            Metric::ToolPins => "definitions of pinned tools, by tool and result",
            Metric::ServerRequests => "what servers ask of clients, by kind and decision",
            Metric::SharedRejected => "values of shared data that were not used, by reason",
            Metric::SeriesOverflow => "samples that were dropped because the cap on series was reached",
            Metric::Shadow => "verdicts beside what rules or policies in shadow would have said",
            Metric::BuildInfo => "always 1, with the version of the plugin",
        }
    }

    /// Its labels, in the order in which they are written.
    #[must_use]
    pub fn labels(self) -> &'static [Label] {
        match self {
            Metric::Requests => &[Label::Server, Label::Method, Label::Tool, Label::Decision, Label::Reason],
            Metric::AuthAttempts => &[Label::Server, Label::Credential, Label::Result],
            Metric::ApiKeyLastUsed | Metric::ApiKeyExpires => &[Label::Key],
            Metric::DpopProofs => &[Label::Server, Label::Result],
            Metric::DecisionDuration => &[Label::Server],
            Metric::TokenCache | Metric::Waits | Metric::SharedRejected => &[Label::Result],
            Metric::JwksFetches => &[Label::Issuer, Label::Result],
            Metric::RevocationFetches => &[Label::Feed, Label::Result],
            Metric::RevocationAge | Metric::RevocationEntries => &[Label::Feed],
            Metric::JwksAge | Metric::JwksKeys => &[Label::Issuer],
            Metric::ListItems => &[Label::Server, Label::Result],
            Metric::AnswerFaults | Metric::StreamsEnded => &[Label::Server, Label::Reason],
            Metric::ToolPins => &[Label::Server, Label::Tool, Label::Result],
            Metric::ServerRequests => &[Label::Server, Label::Decision, Label::Result],
            Metric::SeriesOverflow => &[],
            Metric::Shadow => &[Label::Server, Label::Policy, Label::Live, Label::Shadow, Label::Rule],
            Metric::BuildInfo => &[Label::Version],
        }
    }
}

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
    /// `allow` or `deny`: what was said.
    Live,
    /// `allow` or `deny`: what would have been said.
    Shadow,
    /// Rule of that policy, or `none`.
    Rule,
    /// Revocation feed of the configuration.
    Feed,
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
            Label::Version => "version",
            Label::Policy => "policy",
            Label::Live => "live",
            Label::Shadow => "shadow",
            Label::Rule => "rule",
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
    },
}

/// One series: a metric and its label values, as indices and static words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// The metric.
    pub metric: Metric,
    /// `server`
    pub place: Place,
    /// `method`
    pub method: MethodLabel,
    /// `tool`
    pub tool: ToolLabel,
    /// `decision`
    pub decision: &'static str,
    /// `reason`, `result` or `version`
    pub word: &'static str,
    /// `issuer`, by index
    pub issuer: usize,
    /// `policy` and `rule`
    pub rule: RuleLabel,
    /// `credential`
    pub credential: &'static str,
    /// `key`, by index
    pub key: usize,
    /// `feed`, by index
    pub feed: usize,
}

impl Series {
    /// A series of `metric` with a reason, result or version.
    #[must_use]
    pub fn new(metric: Metric, word: &'static str) -> Series {
        Series {
            metric,
            place: Place::None,
            method: MethodLabel::None,
            tool: ToolLabel::None,
            decision: "",
            word,
            issuer: 0,
            rule: RuleLabel::None,
            credential: "",
            key: 0,
            feed: 0,
        }
    }

    /// With the place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Series {
        self.place = place;
        self
    }

    /// With the issuer.
    #[must_use]
    pub fn of_issuer(mut self, issuer: usize) -> Series {
        self.issuer = issuer;
        self
    }

    /// With the kind of credential.
    #[must_use]
    pub fn shown(mut self, credential: &'static str) -> Series {
        self.credential = credential;
        self
    }

    /// With the API key.
    #[must_use]
    pub fn of_key(mut self, key: usize) -> Series {
        self.key = key;
        self
    }

    /// With the revocation feed.
    #[must_use]
    pub fn of_feed(mut self, feed: usize) -> Series {
        self.feed = feed;
        self
    }

    /// The name under which the host knows this series.
    #[must_use]
    pub fn host_name(&self, config: &Config) -> String {
        let mut name = String::from(self.metric.name());
        let mut dot = ".";
        for label in self.metric.labels() {
            let value = self.value(*label, config);
            match config.metrics.syntax {
                MetricSyntax::Envoy => push(&mut name, &[";", label.name(), "=", value]),
                MetricSyntax::Istio => {
                    // Istio cuts out `label=.=value;.;`: only the first dot is the name's.
                    push(&mut name, &[core::mem::take(&mut dot), label.name(), "=.=", value, ";.;"]);
                }
                MetricSyntax::Flat => push(&mut name, &["_", label.name(), "_", value]),
            }
        }
        name
    }

    fn value<'c>(&self, label: Label, config: &'c Config) -> &'c str {
        match label {
            Label::Server => match self.place {
                Place::None => "none",
                Place::Server(at) => config.servers.get(at).map_or("none", |server| &server.name),
                Place::Route(at) => config.routes.get(at).map_or("none", |route| &route.name),
            },
            Label::Method => match self.method {
                MethodLabel::None => "none",
                MethodLabel::Other => "other",
                MethodLabel::Known(at) => Method::ALL.get(at).map_or("other", |method| method.name()),
            },
            Label::Tool => match (self.tool, self.place) {
                (ToolLabel::None, _) => "none",
                (ToolLabel::Known(tool), Place::Server(at)) => {
                    let server = config.servers.get(at);
                    server.and_then(|server| server.tools.get(tool)).map_or("other", |tool| &tool.name)
                }
                (ToolLabel::Other | ToolLabel::Known(_), _) => "other",
            },
            Label::Decision | Label::Live => self.decision,
            Label::Reason | Label::Result | Label::Version | Label::Shadow => self.word,
            Label::Policy => match self.rule {
                RuleLabel::None => "none",
                RuleLabel::Of { policy, .. } => config.policy_names.get(policy).map_or("none", |name| name),
            },
            Label::Rule => match self.rule {
                RuleLabel::None => "none",
                RuleLabel::Of { policy, rule } => {
                    config.policies.get(policy).and_then(|policy| policy.rule_id(rule?)).unwrap_or("none")
                }
            },
            Label::Credential => self.credential,
            Label::Key => config.api_keys.get(self.key).map_or("none", |key| &key.id),
            Label::Feed => config.revocation.feeds.get(self.feed).map_or("none", |feed| &feed.name),
            Label::Issuer => config.issuers.get(self.issuer).map_or("none", |issuer| &issuer.name),
        }
    }
}

fn push(name: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| name.push_str(part));
}

/// A value for a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The series.
    pub series: Series,
    /// Added to a counter, set on a gauge, recorded in a histogram.
    pub value: u64,
}

/// Samples of one step.
pub type Samples = Vec<Sample>;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn names_are_unique_prefixed_and_end_in_their_unit() {
        let names: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            assert!(metric.name().starts_with("toolgate_"));
            assert_eq!(
                metric.name().ends_with("_total"),
                metric.kind() == Kind::Counter,
                "{}",
                metric.name()
            );
            assert!(!metric.help().is_empty());
        }
    }
}
