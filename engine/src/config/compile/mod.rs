// SPDX-License-Identifier: Apache-2.0
//! From the configuration as written to the configuration as compiled.

mod audit;
mod credentials;
mod dpop;
mod endpoints;
mod introspection;
mod issuer_secrets;
mod issuers;
mod meter;
mod onward;
mod places;
mod policies;
mod rates;
mod revocation;
mod routes;
mod secrets;
mod servers;
mod tools;

pub(crate) use self::credentials::requirement;
use self::places::{check_overlap, check_unique};
use super::wire::ConfigWire;
use super::{
    Config, HostMode, Metrics, PolicyOrigin, Presence, RouteMetadata, Server, ShowRule, Unmatched, Warning,
};
use crate::json::{DeError, Doc, Segment, Value, from_value};
use crate::policy::Mode;
use crate::suggest::did_you_mean;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// An error of the configuration: path, message, help.
pub type ConfigError = DeError;

/// Where secrets are looked up: the environment of the VM, or of the command line.
pub trait Secrets {
    /// The value of an environment variable; nothing if it is not set.
    fn lookup(&self, name: &str) -> Option<Vec<u8>>;
}

impl Config {
    /// Compiles a configuration document.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path and how to mend it.
    pub fn compile(json: &[u8], secrets: &dyn Secrets) -> Result<Config, ConfigError> {
        let doc = Doc::parse(json, crate::json::Limits::CONFIG)
            .map_err(|error| DeError::new(format!("the configuration is not JSON: {error}")))?;
        let wire: ConfigWire = from_value(doc.root())?;
        Compiler { wire: &wire, root: doc.root(), secrets, warnings: Vec::new() }.run()
    }
}

struct Compiler<'c> {
    wire: &'c ConfigWire,
    root: Value<'c>,
    secrets: &'c dyn Secrets,
    warnings: Vec<Warning>,
}

/// A step of the path to what is wrong. Paths are written down for each thing that is looked at, and nearly always
/// for nothing: nothing is copied until something is wrong.
#[derive(Clone, Copy)]
enum Step<'s> {
    Key(&'s str),
    Index(usize),
}

impl From<Step<'_>> for Segment {
    fn from(step: Step<'_>) -> Self {
        match step {
            Step::Key(name) => Segment::Key(name.to_owned()),
            Step::Index(index) => Segment::Index(index),
        }
    }
}

fn key(name: &str) -> Step<'_> {
    Step::Key(name)
}

#[cold]
#[inline(never)]
fn wrong(message: String, help: &str) -> DeError {
    DeError::new(message).with_help(help.to_owned())
}

fn at<T>(result: Result<T, DeError>, path: &[Step<'_>]) -> Result<T, DeError> {
    match result {
        Ok(good) => Ok(good),
        Err(error) => Err(inside(error, path)),
    }
}

#[cold]
#[inline(never)]
fn inside(error: DeError, path: &[Step<'_>]) -> DeError {
    path.iter().rev().fold(error, |error, step| error.inside(*step))
}

impl<'c> Compiler<'c> {
    fn run(mut self) -> Result<Config, ConfigError> {
        let wire = self.wire;
        if wire.servers.is_empty() && wire.routes.is_empty() {
            let error = wrong(
                "the server list is empty, so the gate would guard nothing".to_owned(),
                "add a server under `servers`",
            );
            return Err(error.inside(key("servers")));
        }
        at(self.check_clusters(), &[key("clusters")])?;
        let (policy_names, mut policies) = self.policies()?;
        let (issuer_names, issuers) = self.issuers()?;
        let (api_keys, forwarded) = (self.api_keys()?, self.forwarded()?);
        let names = Names { policies: &policy_names, compiled: &policies, issuers: &issuer_names };
        let mut servers = Vec::new();
        for (index, server) in wire.servers.iter().enumerate() {
            servers.push(at(
                self.server(server, &names, &policies, index),
                &[key("servers"), Step::Index(index)],
            )?);
        }
        let mut routes = Vec::new();
        for (index, route) in wire.routes.iter().enumerate() {
            routes.push(at(self.route(route, &names), &[key("routes"), Step::Index(index)])?);
        }
        policies::expect(&mut policies, &servers, &routes);
        check_unique(wire)?;
        check_overlap(&servers, &routes)?;
        at(meter::label_values(&wire.metrics.classes), &[key("metrics"), key("classes")])?;
        if !(1..=100_000).contains(&wire.metrics.max_series) {
            let error = DeError::new(format!("{} is outside 1 to 100000", wire.metrics.max_series));
            return at(Err(error), &[key("metrics"), key("max_series")]);
        }
        let shared_state = at(self.shared_state(), &[key("secrets"), key("shared_state")])?;
        let signer = self.signer(&servers)?;
        let nonces = self.nonces(&shared_state)?;
        let revocation = at(self.revocation(&issuer_names), &[key("revocation")])?;
        let limits = at(self.limits(), &[key("limits")])?;
        let named = rates::Named { policies: &policies, servers: &servers, routes: &routes };
        let rates = at(self.rates(&named, &shared_state), &[key("limits"), key("rates")])?;
        let audit = self.audit()?;
        let filter_state = at(self.filter_state(), &[key("audit"), key("filter_state_names")])?;
        self.warn_open_host(&servers);
        self.warn_unmarked(&servers);
        self.warn_plain_http();
        Ok(Config {
            host_mode: if wire.host.headers_stop_iteration { HostMode::Held } else { HostMode::Streamed },
            route_metadata: if wire.host.route_metadata {
                RouteMetadata::Read
            } else {
                RouteMetadata::Ignored
            },
            presence: if wire.host.presence { Presence::Marked } else { Presence::Unmarked },
            unmatched: wire.unmatched,
            servers,
            routes,
            issuers,
            api_keys,
            forwarded,
            policies,
            policy_names: policy_names.iter().map(|name| Arc::from(*name)).collect(),
            revocation,
            limits,
            rates,
            metrics: Metrics { syntax: wire.metrics.syntax, max_series: wire.metrics.max_series },
            filter_state,
            show_rule: if wire.audit.show_rule { ShowRule::Always } else { ShowRule::Never },
            audit,
            shared_state,
            nonces,
            signer,
            warnings: self.warnings,
        })
    }

    #[inline(never)]
    fn warn(&mut self, path: &[Step<'_>], message: &str) {
        let path = path.iter().map(|step| Segment::from(*step)).collect();
        self.warnings.push(Warning { path, message: message.to_owned() });
    }

    fn warn_open_host(&mut self, servers: &[Server]) {
        if self.wire.unmatched != Unmatched::Pass {
            return;
        }
        let message = match servers.iter().any(|server| server.hosts.is_empty()) {
            true => "`pass` has no effect: a server takes every host",
            false => {
                "requests to host names that are not written here pass unguarded: the proxy must not route such hosts to a guarded server"
            }
        };
        self.warn(&[key("unmatched")], message);
    }

    /// An upstream that asks for the gate's own token misses the gate by itself.
    fn warn_unmarked(&mut self, servers: &[Server]) {
        let upstreams_ask = servers.iter().all(|server| server.upstream.internal_jwt.is_some());
        if self.wire.host.presence || (upstreams_ask && self.wire.routes.is_empty()) {
            return;
        }
        let message = "requests are not marked, so no filter behind the gate can refuse what passes a worker of the proxy that has no gate: leave `presence` on, or have every upstream ask for the token of `internal_jwt`";
        self.warn(&[key("host"), key("presence")], message);
    }
}

struct Names<'n> {
    policies: &'n [&'n str],
    compiled: &'n [PolicyOrigin],
    issuers: &'n [&'n str],
}

impl Names<'_> {
    fn policy(&self, name: &str) -> Result<usize, DeError> {
        find("policy", "policies", name, self.policies)
    }

    /// A policy that is in force: one in shadow must not be.
    fn enforced(&self, name: &str) -> Result<usize, DeError> {
        let at = self.policy(name)?;
        match self.compiled.get(at).and_then(PolicyOrigin::policy).map(|policy| policy.mode()) {
            Some(Mode::Shadow) => {
                let error = DeError::new(format!("policy `{name}` has `mode: shadow`, so it cannot judge"));
                Err(error.with_help("name it under `shadow_policy`, or take its `mode` out".to_owned()))
            }
            Some(Mode::Enforce) | None => Ok(at),
        }
    }

    fn issuers(&self, names: &[String]) -> Result<Vec<usize>, DeError> {
        let each = names.iter().enumerate();
        each.map(|(index, name)| at(find("issuer", "issuers", name, self.issuers), &[Step::Index(index)]))
            .collect()
    }
}

#[inline(never)]
fn find(what: &str, place: &str, name: &str, names: &[&str]) -> Result<usize, DeError> {
    names.iter().position(|known| *known == name).ok_or_else(|| {
        let help = did_you_mean(name, names.iter().copied());
        let help = help.unwrap_or_else(|| format!("define it under `{place}`"));
        DeError::new(format!("there is no {what} `{name}`")).with_help(help)
    })
}

/// Names that become metric labels.
#[inline(never)]
fn label(what: &str, name: &str) -> Result<(), DeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
        return Ok(());
    }
    let error = DeError::new(format!("`{name}` cannot name a {what}"));
    Err(error.with_help("use up to 64 letters, digits, `-`, `_` and `.`".to_owned()))
}

/// A text of the configuration for an error, but not where it may hold a password.
#[cold]
#[inline(never)]
fn shown(text: &str) -> String {
    if text.contains('@') { "a URL with user information".to_owned() } else { format!("`{text}`") }
}

impl Config {
    /// The path of an error as people write it: `servers[0].match.path`.
    #[must_use]
    pub fn path_text(path: &[Segment]) -> String {
        let mut text = String::new();
        for segment in path {
            match segment {
                Segment::Key(name) if text.is_empty() => text.push_str(name),
                Segment::Key(name) => text.push_str(&[".", name].concat()),
                Segment::Index(index) => text.push_str(&["[", &index.to_string(), "]"].concat()),
            }
        }
        text
    }
}
