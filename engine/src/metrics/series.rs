// SPDX-License-Identifier: Apache-2.0
//! One series, and the name under which the host knows it.

use super::{Kind, Label, MethodLabel, Metric, Place, RuleLabel, ToolLabel};
use crate::bundle::Policies;
use crate::config::wire::MetricSyntax;
use crate::config::{Config, Tool, ToolMeter};
use crate::mcp::Method;
use alloc::string::String;

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
    /// `policy` and `rule`
    pub rule: RuleLabel,
    /// `credential`, `class` of an error, or `route` of what the gate serves itself
    pub kind: &'static str,
    /// `issuer`, `key`, `feed`, `limit` or `type`, by index: no metric has two of them
    pub index: usize,
}

/// When a sample reaches the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handing {
    /// In the step that made it.
    AtOnce,
    /// On the next tick: of a counter added up, one call of the host for many samples; of a histogram one after the other.
    OnTick,
}

impl Series {
    /// When its samples reach the host: what goes well, of which there is much, on the tick, and how long things took. That
    /// something is refused is told in its step, so that no VM takes it along when it ends.
    #[must_use]
    pub fn handing(&self) -> Handing {
        match self.metric {
            Metric::Answers
            | Metric::RequestBytes
            | Metric::AnswerBytes
            | Metric::TokenCache
            | Metric::JwksLookups => Handing::OnTick,
            Metric::Requests if self.decision == "allow" => Handing::OnTick,
            Metric::AuthAttempts if matches!(self.word, "success" | "anonymous") => Handing::OnTick,
            metric if metric.kind() == Kind::Histogram => Handing::OnTick,
            _ => Handing::AtOnce,
        }
    }

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
            rule: RuleLabel::None,
            kind: "",
            index: 0,
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
        self.index = issuer;
        self
    }

    /// With the kind of credential.
    #[must_use]
    pub fn shown(mut self, credential: &'static str) -> Series {
        self.kind = credential;
        self
    }

    /// With the policy.
    #[must_use]
    pub fn of_policy(mut self, policy: usize) -> Series {
        self.rule = RuleLabel::Of { policy, rule: None, load: 0 };
        self
    }

    /// With the API key.
    #[must_use]
    pub fn of_key(mut self, key: usize) -> Series {
        self.index = key;
        self
    }

    /// With the revocation feed.
    #[must_use]
    pub fn of_feed(mut self, feed: usize) -> Series {
        self.index = feed;
        self
    }

    /// With the rate limit.
    #[must_use]
    pub fn of_rate(mut self, rate: usize) -> Series {
        self.index = rate;
        self
    }

    /// The name under which the host knows this series.
    #[must_use]
    pub fn host_name(&self, config: &Config, policies: &Policies) -> String {
        named(self.metric, config.metrics.syntax, |label| self.value(label, config, policies))
    }

    /// The name of the series that takes the samples of those for which there is no room: all labels are `other`.
    #[must_use]
    pub fn overflow_name(metric: Metric, config: &Config) -> String {
        named(metric, config.metrics.syntax, |_| "other")
    }

    fn tool<'c>(&self, config: &'c Config) -> Option<&'c Tool> {
        match (self.place, self.tool) {
            (Place::Server(at), ToolLabel::Known(tool)) => config.servers.get(at)?.tools.get(tool),
            (_, ToolLabel::None | ToolLabel::Other | ToolLabel::Known(_)) => None,
        }
    }

    fn meter<'c>(&self, config: &'c Config) -> Option<&'c ToolMeter> {
        self.tool(config)?.meter.as_ref()
    }

    fn value<'c>(&self, label: Label, config: &'c Config, policies: &'c Policies) -> &'c str {
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
            Label::Tool => match self.tool {
                ToolLabel::None => "none",
                ToolLabel::Known(_) => self.tool(config).map_or("other", |tool| &tool.name),
                ToolLabel::Other => "other",
            },
            Label::Decision | Label::Live => self.decision,
            Label::Source
            | Label::Status
            | Label::Reason
            | Label::Result
            | Label::Version
            | Label::Shadow => self.word,
            Label::Policy => match self.rule {
                RuleLabel::None => "none",
                RuleLabel::Of { policy, .. } => config.policy_names.get(policy).map_or("none", |name| name),
            },
            Label::Rule => match self.rule {
                RuleLabel::None => "none",
                RuleLabel::Of { policy, rule, .. } => {
                    rule.and_then(|rule| policies.rule_id(policy, rule)).unwrap_or("none")
                }
            },
            Label::Revision => match self.rule {
                RuleLabel::None => "none",
                RuleLabel::Of { policy, .. } => policies.version(policy),
            },
            Label::Credential | Label::Outlet | Label::Component => self.kind,
            Label::Route => match self.place {
                Place::Server(_) => "mcp",
                Place::Route(_) => self.value(Label::Server, config, policies),
                Place::None if self.kind.is_empty() => "none",
                Place::None => self.kind,
            },
            Label::Class if !self.kind.is_empty() => self.kind,
            Label::Class => self.tool(config).and_then(|tool| tool.class.as_deref()).unwrap_or("none"),
            Label::Operation => self.meter(config).map_or("none", |meter| meter.operation.word()),
            Label::Type => self.meter(config).map_or("none", |meter| meter.kind_name(self.index)),
            Label::Key => config.api_keys.get(self.index).map_or("none", |key| &key.id),
            Label::Feed => config.revocation.feeds.get(self.index).map_or("none", |feed| &feed.name),
            Label::Limit => config.rates.get(self.index).map_or("none", |limit| &limit.id),
            Label::Issuer => config.issuers.get(self.index).map_or("none", |issuer| &issuer.name),
        }
    }
}

fn named<'v>(metric: Metric, syntax: MetricSyntax, value: impl Fn(Label) -> &'v str) -> String {
    let mut name = String::from(metric.name());
    let mut dot = ".";
    for label in metric.labels() {
        let (label, value) = (label.name(), value(*label));
        match syntax {
            MetricSyntax::Envoy => push(&mut name, &[";", label, "=", value]),
            MetricSyntax::Istio => {
                // Istio cuts out `label=.=value;.;`: only the first dot is the name's.
                push(&mut name, &[core::mem::take(&mut dot), label, "=.=", value, ";.;"]);
            }
            MetricSyntax::Flat => push(&mut name, &["_", label, "_", value]),
        }
    }
    name
}

fn push(name: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| name.push_str(part));
}
