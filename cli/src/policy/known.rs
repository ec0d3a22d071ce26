// SPDX-License-Identifier: Apache-2.0
//! What a configuration says of the servers and routes that a policy is for.

use std::collections::BTreeMap;

use toolgate_engine::{
    config::{Access, Config, PolicyOrigin, Server},
    json::{DeError, Value},
    policy::{
        Digest, Policy,
        lint::{Catalogue, Lint},
    },
    time::UnixTime,
};

/// What is known; nothing, without a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Tools with their classes, if every server that is meant has a catalogue.
    pub(crate) tools: Option<BTreeMap<String, Option<String>>>,
    pub(crate) routes: Option<Vec<String>>,
    issuers: Option<Vec<String>>,
    servers: Option<Vec<String>>,
    /// The roles of callers without credentials.
    pub(crate) anonymous: Vec<String>,
}

/// Whether a configuration holds the policy in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Yes,
    /// So all of its servers are meant.
    No,
}

impl Known {
    /// What the configuration says of the servers and routes that this policy judges; of all, if it is none of theirs.
    pub(crate) fn of(config: &Config, digest: &Digest) -> (Self, Holds) {
        let written = |at: usize| config.policies.get(at).and_then(PolicyOrigin::policy);
        let own = |at: usize| written(at).is_some_and(|policy| policy.digest() == *digest);
        let holds = if (0..config.policies.len()).any(own) { Holds::Yes } else { Holds::No };
        let meant = |at: usize| holds == Holds::No || own(at);
        let judges = |server: &&Server| {
            meant(server.policy) || server.shadow.as_ref().is_some_and(|shadow| meant(shadow.policy))
        };
        let servers: Vec<&Server> = config.servers.iter().filter(judges).collect();
        let routes = config.routes.iter().filter_map(|route| match &route.access {
            Access::Policy(rules) if meant(rules.policy) => Some((route, &rules.issuers)),
            Access::Policy(_) | Access::Anyone => None,
        });
        let (names, of_routes): (Vec<String>, Vec<_>) =
            routes.map(|(route, issuers)| (route.name.to_string(), issuers)).unzip();
        let audiences = servers.iter().map(|server| &server.issuers).chain(of_routes).flatten();
        let mut issuers: Vec<String> = audiences
            .filter_map(|audience| config.issuers.get(audience.issuer))
            .map(|issuer| issuer.name.to_string())
            .collect();
        issuers.sort();
        issuers.dedup();
        let anonymous =
            servers.iter().filter_map(|server| server.anonymous.as_deref()).map(str::to_owned).collect();
        let named = servers.iter().map(|server| server.name.to_string()).collect();
        let known = Self {
            tools: tools(&servers),
            routes: Some(names),
            issuers: Some(issuers),
            servers: Some(named),
            anonymous,
        };
        (known, holds)
    }

    /// What is probably not meant in a policy.
    pub(crate) fn lint(&self, policy: Value<'_>, now: UnixTime) -> Result<Vec<Lint>, DeError> {
        let tools: Option<Vec<(&str, Option<&str>)>> = self
            .tools
            .as_ref()
            .map(|tools| tools.iter().map(|(name, class)| (name.as_str(), class.as_deref())).collect());
        let (routes, issuers) = (self.routes.as_deref().map(texts), self.issuers.as_deref().map(texts));
        let servers = self.servers.as_deref().map(texts);
        let catalogue = Catalogue {
            tools: tools.as_deref(),
            routes: routes.as_deref(),
            servers: servers.as_deref(),
            issuers: issuers.as_deref(),
            anonymous: &texts(&self.anonymous),
            now: Some(now),
            ..Catalogue::default()
        };
        Policy::lint(policy, &catalogue)
    }

    /// The class that a catalogue gives a tool.
    pub(crate) fn class(&self, tool: &str) -> Option<&str> {
        self.tools.as_ref()?.get(tool)?.as_deref()
    }
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

/// A server without a catalogue may have any tool.
fn tools(servers: &[&Server]) -> Option<BTreeMap<String, Option<String>>> {
    if servers.is_empty() || servers.iter().any(|server| server.tools.is_empty()) {
        return None;
    }
    let all = servers.iter().flat_map(|server| &server.tools);
    Some(all.map(|tool| (tool.name.to_string(), tool.class.as_ref().map(ToString::to_string))).collect())
}
