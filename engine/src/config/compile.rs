// SPDX-License-Identifier: Apache-2.0
//! From the configuration as written to the configuration as compiled.

use super::origin::{HostName, PathRule, Url, canonical_path};
use super::wire::{
    AuthorizationWire, ConfigWire, DEFAULT_VERSIONS, IssuerWire, MatchWire, RouteWire, SecretWire,
    ServerWire, TypWire,
};
use super::{
    Access, Audience, Authorization, Config, FilterState, HostMode, Issuer, KeyOrigin, Limits, Metrics,
    Route, RouteMetadata, Server, ShowRule, Tool, Unmatched, Warning,
};
use crate::json::{DeError, Doc, Segment, Value, from_value, quoted};
use crate::keys::{Alg, FreshnessRules, KeySet, RefreshPolicy, SharedState, StateKey};
use crate::mcp::{Version, VersionSet};
use crate::policy::Policy;
use crate::suggest::nearest;
use crate::token::{ClaimPath, IssuerRules, TypMode};
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::rc::Rc;
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

/// The shortest secret that authenticates shared data, in bytes.
const MIN_STATE_KEY: usize = 32;

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

fn key(name: &str) -> Segment {
    Segment::Key(name.to_owned())
}

fn wrong(message: String, help: &str) -> DeError {
    DeError::new(message).with_help(help.to_owned())
}

fn at<T>(result: Result<T, DeError>, path: &[Segment]) -> Result<T, DeError> {
    result.map_err(|error| path.iter().rev().fold(error, |error, segment| error.inside(segment.clone())))
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
        let (policy_names, policies) = self.policies()?;
        let (issuer_names, issuers) = self.issuers()?;
        let names = Names { policies: &policy_names, issuers: &issuer_names };
        let mut servers = Vec::new();
        for (index, server) in wire.servers.iter().enumerate() {
            servers.push(at(
                self.server(server, &names, &policies, index),
                &[key("servers"), Segment::Index(index)],
            )?);
        }
        let mut routes = Vec::new();
        for (index, route) in wire.routes.iter().enumerate() {
            routes.push(at(self.route(route, &names), &[key("routes"), Segment::Index(index)])?);
        }
        check_unique(wire)?;
        check_overlap(&servers, &routes)?;
        if !(1..=100_000).contains(&wire.metrics.max_series) {
            let error = DeError::new(format!("{} is outside 1 to 100000", wire.metrics.max_series));
            return at(Err(error), &[key("metrics"), key("max_series")]);
        }
        let shared_state = at(self.shared_state(), &[key("secrets"), key("shared_state")])?;
        let limits = at(self.limits(), &[key("limits")])?;
        self.warn_open_host(&servers);
        Ok(Config {
            host_mode: if wire.host.headers_stop_iteration { HostMode::Held } else { HostMode::Streamed },
            route_metadata: if wire.host.route_metadata {
                RouteMetadata::Read
            } else {
                RouteMetadata::Ignored
            },
            unmatched: wire.unmatched,
            servers,
            routes,
            issuers,
            policies,
            limits,
            metrics: Metrics { syntax: wire.metrics.syntax, max_series: wire.metrics.max_series },
            filter_state: if wire.audit.filter_state { FilterState::On } else { FilterState::Off },
            show_rule: if wire.audit.show_rule { ShowRule::Always } else { ShowRule::Never },
            shared_state,
            warnings: self.warnings,
        })
    }

    fn warn(&mut self, path: &[Segment], message: &str) {
        self.warnings.push(Warning { path: path.to_vec(), message: message.to_owned() });
    }

    fn policies(&self) -> Result<(Vec<&'c str>, Vec<Policy>), DeError> {
        let mut compiled = Vec::new();
        for (name, wire) in &self.wire.policies {
            let path = [key("policies"), key(name), key("inline")];
            if wire.inline.is_none() {
                let error = wrong(format!("policy `{name}` has no source"), "add `inline`");
                return at(Err(error), &[key("policies"), key(name)]);
            }
            let value =
                self.root.get("policies").and_then(|all| all.get(name)).and_then(|own| own.get("inline"));
            let value = value.ok_or_else(|| DeError::new("the policy is missing".to_owned()))?;
            compiled.push(at(Policy::compile(value), &path)?);
        }
        Ok((self.wire.policies.keys().map(String::as_str).collect(), compiled))
    }

    fn issuers(&self) -> Result<(Vec<&'c str>, Vec<Issuer>), DeError> {
        let mut compiled = Vec::new();
        for (name, wire) in &self.wire.issuers {
            compiled.push(at(self.issuer(compiled.len(), name, wire), &[key("issuers"), key(name)])?);
        }
        Ok((self.wire.issuers.keys().map(String::as_str).collect(), compiled))
    }

    fn issuer(&self, index: usize, name: &str, wire: &IssuerWire) -> Result<Issuer, DeError> {
        label("issuer", name)?;
        if wire.issuer.is_empty() {
            return at(
                Err(wrong("the issuer is empty".to_owned(), "write the `iss` of its tokens")),
                &[key("issuer")],
            );
        }
        if wire.audiences.is_empty() {
            let error = wrong(
                "no audience is accepted, so no token would be".to_owned(),
                "add the server's resource URL",
            );
            return at(Err(error), &[key("audiences")]);
        }
        let algorithms = algorithms(&wire.algorithms)?;
        if wire.leeway_seconds.is_some_and(|leeway| leeway > 600) {
            return at(
                Err(DeError::new("a leeway over 600 seconds is no leeway".to_owned())),
                &[key("leeway_seconds")],
            );
        }
        let rules = IssuerRules {
            index,
            max_age_secs: None,
            issuer: wire.issuer.clone(),
            audiences: wire.audiences.clone(),
            algorithms,
            leeway_secs: u64::from(wire.leeway_seconds.unwrap_or(60)),
            typ: match wire.typ {
                TypWire::Strict => TypMode::Strict,
                TypWire::Relaxed => TypMode::Relaxed,
            },
            max_lifetime_secs: wire.max_lifetime_seconds,
            roles: at(claim_paths("roles", &wire.claims.roles), &[key("claims")])?,
            scopes: at(claim_paths("scopes", &wire.claims.scopes), &[key("claims")])?,
            groups: at(claim_paths("groups", &wire.claims.groups), &[key("claims")])?,
            required_claims: claim_paths("required_claims", &wire.required_claims)?,
        };
        let keys = at(self.keys(name, wire), &[key("jwks")])?;
        Ok(Issuer { name: Arc::from(name), rules, keys })
    }

    fn keys(&self, name: &str, wire: &IssuerWire) -> Result<KeyOrigin, DeError> {
        match (&wire.jwks.uri, &wire.jwks.inline) {
            (Some(uri), None) => self.remote_keys(uri, wire),
            (None, Some(_)) => {
                let path = |root: Value<'_>| {
                    root.get("issuers")?
                        .get(name)?
                        .get("jwks")?
                        .get("inline")
                        .map(|value| value.raw().to_owned())
                };
                let text = path(self.root).unwrap_or_default();
                let set = KeySet::parse(text.as_bytes())
                    .map_err(|error| DeError::new(format!("the keys cannot be used: {error}")));
                Ok(KeyOrigin::Inline(Rc::new(at(set, &[key("inline")])?)))
            }
            (Some(_), Some(_)) => {
                Err(wrong("keys come from one place".to_owned(), "keep `uri` or `inline`, not both"))
            }
            (None, None) => {
                Err(wrong("it is not said where the keys are".to_owned(), "add `uri` or `inline`"))
            }
        }
    }

    fn remote_keys(&self, uri: &str, wire: &IssuerWire) -> Result<KeyOrigin, DeError> {
        let here = |error: DeError| error.inside(key("uri"));
        let url = Url::parse(uri).ok_or_else(|| {
            here(wrong(
                format!("{} is not an absolute URL", shown(uri)),
                "write it like `https://idp.example.com/jwks`",
            ))
        })?;
        let cluster = self.wire.clusters.get(&url.authority).ok_or_else(|| {
            let help = format!(
                "add `{}: CLUSTER` under `clusters`; a host not listed there is never called",
                url.authority
            );
            here(DeError::new(format!("no cluster reaches `{}`", url.authority)).with_help(help))
        })?;
        let seconds = |value: Option<u32>, default: u64| value.map_or(default, u64::from);
        let timeout_millis = wire.jwks.timeout_milliseconds.unwrap_or(5_000);
        if !(100..=60_000).contains(&timeout_millis) {
            return Err(DeError::new(format!("{timeout_millis} is outside 100 to 60000"))
                .inside(key("timeout_milliseconds")));
        }
        for (name, value) in [
            ("min_refresh_seconds", wire.jwks.min_refresh_seconds),
            ("max_refresh_seconds", wire.jwks.max_refresh_seconds),
        ] {
            if value == Some(0) {
                return Err(
                    DeError::new("0 seconds would fetch without a pause".to_owned()).inside(key(name))
                );
            }
        }
        let freshness = FreshnessRules {
            floor_secs: seconds(wire.jwks.min_refresh_seconds, 60),
            ceiling_secs: seconds(wire.jwks.max_refresh_seconds, 3_600),
            ..FreshnessRules::default()
        };
        let refresh = RefreshPolicy {
            freshness,
            max_stale_secs: seconds(wire.jwks.max_stale_seconds, 86_400),
            timeout_secs: u64::from(timeout_millis).div_ceil(1_000),
            ..RefreshPolicy::default()
        };
        if freshness.floor_secs > freshness.ceiling_secs {
            let error = DeError::new("`min_refresh_seconds` is above `max_refresh_seconds`".to_owned());
            return Err(error.inside(key("min_refresh_seconds")));
        }
        Ok(KeyOrigin::Remote { cluster: cluster.clone(), url, refresh, timeout_millis })
    }

    fn server(
        &mut self,
        wire: &ServerWire,
        names: &Names<'_>,
        policies: &[Policy],
        index: usize,
    ) -> Result<Server, DeError> {
        at(label("server", &wire.name), &[key("name")])?;
        if wire.matches.methods.is_some() {
            return at(
                Err(wrong("MCP fixes the HTTP methods of a server".to_owned(), "take `methods` out")),
                &[key("match"), key("methods")],
            );
        }
        let (hosts, path) = at(matches(&wire.matches), &[key("match")])?;
        let resource = at(resource(&wire.resource), &[key("resource")])?;
        let issuers = at(self.audiences(&wire.issuers, &wire.resource, names), &[key("issuers")])?;
        let policy = at(names.policy(&wire.policy), &[key("policy")])?;
        if issuers.is_empty() && wire.anonymous.is_none() {
            let error = wrong(
                format!("nobody could call server `{}`: it has neither issuers nor `anonymous`", wire.name),
                "add `issuers`",
            );
            return at(Err(error), &[key("issuers")]);
        }
        let here = [key("servers"), Segment::Index(index)];
        if hosts.is_empty() {
            self.warn(
                &here,
                "`match.hosts` is not written, so requests to any host name are taken (DNS rebinding)",
            );
        }
        let anonymous = self.anonymous(wire, policies.get(policy), &here)?;
        let versions = at(versions(wire.versions.as_deref()), &[key("versions")])?;
        let (metadata_path, metadata_url) = metadata_location(&resource);
        Ok(Server {
            name: Arc::from(wire.name.as_str()),
            hosts,
            path,
            metadata: self.metadata(wire, &issuers),
            metadata_url,
            metadata_path,
            // In this order: a wrong one is told under the key where it stands.
            cors: at(origins(&wire.cors.origins, &[], &resource), &[key("cors"), key("origins")])?,
            origins: at(origins(&wire.origins, &wire.cors.origins, &resource), &[key("origins")])?,
            resource,
            resource_text: wire.resource.clone(),
            versions,
            issuers,
            policy,
            anonymous,
            denial: wire.denial,
            tools: at(tools(wire), &[key("tools"), key("catalogue")])?,
            authorization: at(
                self.authorization(&wire.upstream.authorization),
                &[key("upstream"), key("authorization")],
            )?,
        })
    }

    fn anonymous(
        &mut self,
        wire: &ServerWire,
        policy: Option<&Policy>,
        here: &[Segment],
    ) -> Result<Option<crate::policy::RoleSet>, DeError> {
        let (Some(anonymous), Some(policy)) = (&wire.anonymous, policy) else { return Ok(None) };
        self.warn(
            here,
            &format!("server `{}` lets callers without credentials in as `{}`", wire.name, anonymous.role),
        );
        let Some(set) = policy.role(&anonymous.role) else {
            let error = DeError::new(format!("policy `{}` has no role `{}`", wire.policy, anonymous.role));
            let near =
                nearest(&anonymous.role, policy.all_roles()).map(|near| format!("did you mean `{near}`?"));
            let error = error.with_help(near.unwrap_or_else(|| "define it in the policy".to_owned()));
            return at(Err(error), &[key("anonymous"), key("role")]);
        };
        Ok(Some(set))
    }

    /// Which audiences of each issuer mean this place: all, except those that are another server's resource.
    fn audiences(
        &self,
        issuers: &[String],
        resource: &str,
        names: &Names<'_>,
    ) -> Result<Vec<Audience>, DeError> {
        let servers = self.wire.servers.iter().map(|server| server.resource.as_str());
        let routes = self.wire.routes.iter().filter_map(|route| route.resource.as_deref());
        let others: BTreeSet<String> = servers.chain(routes).map(usual_resource).collect();
        let own = usual_resource(resource);
        let mut claimed = BTreeSet::new();
        let mut found = Vec::new();
        for (index, issuer) in names.issuers(issuers)?.into_iter().enumerate() {
            let wire = self.wire.issuers.values().nth(issuer);
            let all = wire.into_iter().flat_map(|wire| &wire.audiences);
            if let Some(wire) = wire
                && !claimed.insert(&wire.issuer)
            {
                let error = wrong(
                    format!(
                        "two issuers here have the `issuer` `{}`, so the second would never be asked",
                        wire.issuer
                    ),
                    "keep one of them",
                );
                return at(Err(error), &[Segment::Index(index)]);
            }
            let meant = |audience: &&String| {
                let audience = usual_resource(audience);
                audience == own || !others.contains(&audience)
            };
            let accepted: Vec<String> = all.filter(meant).cloned().collect();
            if accepted.is_empty() {
                let error =
                    DeError::new("every audience of this issuer is another server's resource".to_owned());
                let help = match resource {
                    "" => "add `resource` to the route, and that to the issuer's `audiences`".to_owned(),
                    resource => format!("add `{resource}` to the issuer's `audiences`"),
                };
                return at(Err(error.with_help(help)), &[Segment::Index(index)]);
            }
            found.push(Audience { issuer, accepted });
        }
        Ok(found)
    }

    /// The RFC 9728 document. Members without values are left out (section 3.2).
    fn metadata(&self, wire: &ServerWire, issuers: &[Audience]) -> String {
        let list = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(",");
        let servers: Vec<String> = {
            let all: Vec<&IssuerWire> = self.wire.issuers.values().collect();
            issuers
                .iter()
                .filter_map(|audience| all.get(audience.issuer))
                .map(|issuer| issuer.issuer.clone())
                .collect()
        };
        let mut text = format!("{{\"resource\":{}", quoted(&wire.resource));
        if !servers.is_empty() {
            text.push_str(&format!(",\"authorization_servers\":[{}]", list(&servers)));
        }
        if !wire.scopes_supported.is_empty() {
            text.push_str(&format!(",\"scopes_supported\":[{}]", list(&wire.scopes_supported)));
        }
        text.push_str(&format!(
            ",\"bearer_methods_supported\":[\"header\"],\"resource_name\":{}}}",
            quoted(&wire.name)
        ));
        text
    }

    fn route(&mut self, wire: &RouteWire, names: &Names<'_>) -> Result<Route, DeError> {
        at(label("route", &wire.name), &[key("name")])?;
        let (hosts, path) = at(matches(&wire.matches), &[key("match")])?;
        let access = match (&wire.allow, &wire.policy) {
            (Some(_), None) => Access::Anyone,
            (None, Some(policy)) => {
                let resource_text = wire.resource.as_deref().unwrap_or_default();
                let issuers = at(self.audiences(&wire.issuers, resource_text, names), &[key("issuers")])?;
                if issuers.is_empty() {
                    let error = wrong(
                        format!("nobody could use route `{}`: it has no issuers", wire.name),
                        "add `issuers`, or `allow: anyone`",
                    );
                    return at(Err(error), &[key("issuers")]);
                }
                let resource = wire.resource.as_deref().map(resource).transpose();
                let metadata_url = at(resource, &[key("resource")])?.map(|url| metadata_location(&url).1);
                Access::Policy { policy: at(names.policy(policy), &[key("policy")])?, issuers, metadata_url }
            }
            (Some(_), Some(_)) => {
                return Err(wrong("`allow` and `policy` exclude each other".to_owned(), "keep one of them"));
            }
            (None, None) => {
                return Err(wrong(
                    format!("route `{}` does not say who may use it", wire.name),
                    "add `policy`, or `allow: anyone`",
                ));
            }
        };
        let authorization =
            at(self.authorization(&wire.upstream.authorization), &[key("upstream"), key("authorization")])?;
        let methods = at(http_methods(wire.matches.methods.as_deref()), &[key("match"), key("methods")])?;
        Ok(Route { name: Arc::from(wire.name.as_str()), hosts, path, methods, access, authorization })
    }

    fn authorization(&self, wire: &AuthorizationWire) -> Result<Authorization, DeError> {
        match wire {
            AuthorizationWire::Strip => Ok(Authorization::Strip),
            AuthorizationWire::Keep => Ok(Authorization::Keep),
            AuthorizationWire::Value(secret) => {
                let value = at(self.secret(secret), &[key("value")])?;
                if !value.iter().all(|byte| (0x20..0x7f).contains(byte)) || value.is_empty() {
                    let error =
                        DeError::new(format!("the value of `{}` cannot stand in a header", secret.env));
                    return at(Err(error), &[key("value"), key("env")]);
                }
                Ok(Authorization::Replace(value))
            }
        }
    }

    fn secret(&self, wire: &SecretWire) -> Result<Vec<u8>, DeError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if wire.env.is_empty() || wire.env.len() > 128 || !wire.env.bytes().all(plain) {
            // Not repeated: it may be the secret itself.
            let error = wrong(
                "this is not the name of an environment variable".to_owned(),
                "write the name of one: letters, digits and `_`",
            );
            return Err(error.inside(key("env")));
        }
        self.secrets.lookup(&wire.env).ok_or_else(|| {
            let error = DeError::new(format!("the environment has no `{}`", wire.env));
            error.with_help("name it under `vm_config.environment_variables`".to_owned()).inside(key("env"))
        })
    }

    fn shared_state(&mut self) -> Result<SharedState, DeError> {
        let Some(wire) = &self.wire.secrets.shared_state else {
            if self.wire.issuers.values().any(|issuer| issuer.jwks.uri.is_some()) {
                self.warn(&[key("secrets")], "without `shared_state` every worker fetches keys for itself");
            }
            return Ok(SharedState::Off);
        };
        let value = self.secret(wire)?;
        if value.len() < MIN_STATE_KEY {
            let error =
                DeError::new(format!("the value of `{}` is shorter than {MIN_STATE_KEY} bytes", wire.env));
            return Err(error
                .with_help("make one with `openssl rand -hex 32`".to_owned())
                .inside(key("env")));
        }
        let weak = |_| DeError::new(format!("the value of `{}` is too short", wire.env));
        StateKey::from_secret(&value).map(SharedState::Keyed).map_err(weak)
    }

    fn limits(&self) -> Result<Limits, DeError> {
        let wire = &self.wire.limits;
        let bounds = [
            ("max_body_bytes", wire.max_body_bytes, 64, 64 << 20),
            ("max_json_depth", wire.max_json_depth, 4, 512),
            ("max_answer_bytes", wire.max_answer_bytes, 1_024, 64 << 20),
            ("max_token_bytes", wire.max_token_bytes, 256, 65_536),
            ("token_cache_entries", wire.token_cache_entries, 0, 1 << 20),
            ("max_wait_milliseconds", wire.max_wait_milliseconds as usize, 0, 60_000),
            ("max_waiting", wire.max_waiting, 0, 100_000),
        ];
        for (name, value, low, high) in bounds {
            if !(low..=high).contains(&value) {
                return at(Err(DeError::new(format!("{value} is outside {low} to {high}"))), &[key(name)]);
            }
        }
        let json =
            crate::json::Limits { depth: wire.max_json_depth, nodes: crate::json::Limits::MESSAGE.nodes };
        Ok(Limits {
            body: wire.max_body_bytes,
            json,
            answer: wire.max_answer_bytes,
            token: wire.max_token_bytes,
            token_cache: wire.token_cache_entries,
            wait_millis: wire.max_wait_milliseconds,
            waiting: wire.max_waiting,
        })
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
}

struct Names<'n> {
    policies: &'n [&'n str],
    issuers: &'n [&'n str],
}

impl Names<'_> {
    fn policy(&self, name: &str) -> Result<usize, DeError> {
        find("policy", "policies", name, self.policies)
    }

    fn issuers(&self, names: &[String]) -> Result<Vec<usize>, DeError> {
        let each = names.iter().enumerate();
        each.map(|(index, name)| at(find("issuer", "issuers", name, self.issuers), &[Segment::Index(index)]))
            .collect()
    }
}

fn find(what: &str, place: &str, name: &str, names: &[&str]) -> Result<usize, DeError> {
    names.iter().position(|known| *known == name).ok_or_else(|| {
        let help = nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let help = help.unwrap_or_else(|| format!("define it under `{place}`"));
        DeError::new(format!("there is no {what} `{name}`")).with_help(help)
    })
}

/// Names that become metric labels.
fn label(what: &str, name: &str) -> Result<(), DeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
        return Ok(());
    }
    let error = DeError::new(format!("`{name}` cannot name a {what}"));
    Err(error.with_help("use up to 64 letters, digits, `-`, `_` and `.`".to_owned()))
}

fn algorithms(names: &[String]) -> Result<Vec<Alg>, DeError> {
    if names.is_empty() {
        let error =
            wrong("no algorithm is accepted, so no token would be".to_owned(), "add `RS256` or `ES256`");
        return at(Err(error), &[key("algorithms")]);
    }
    let each = names.iter().enumerate().map(|(index, name)| {
        let unknown = || {
            let help = nearest(name, Alg::ALL.iter().map(|alg| alg.name()))
                .map(|near| format!("did you mean `{near}`?"));
            let known = Alg::ALL.iter().map(|alg| format!("`{}`", alg.name())).collect::<Vec<_>>().join(", ");
            DeError::new(format!("`{name}` is not an algorithm that can be accepted"))
                .with_help(help.unwrap_or_else(|| format!("known here: {known}")))
        };
        at(Alg::from_name(name).ok_or_else(unknown), &[key("algorithms"), Segment::Index(index)])
    });
    each.collect()
}

fn claim_paths(name: &str, paths: &[String]) -> Result<Vec<ClaimPath>, DeError> {
    let each = paths.iter().enumerate().map(|(index, path)| {
        let error = || wrong("a claim path is empty".to_owned(), "write a claim's name, or a JSON pointer");
        at(ClaimPath::parse(path).ok_or_else(error), &[key(name), Segment::Index(index)])
    });
    each.collect()
}

fn matches(wire: &MatchWire) -> Result<(Vec<HostName>, PathRule), DeError> {
    let mut hosts = Vec::new();
    if wire.hosts.as_ref().is_some_and(Vec::is_empty) {
        let error = wrong(
            "an empty list matches no host".to_owned(),
            "name a host, or leave `hosts` out for every host",
        );
        return at(Err(error), &[key("hosts")]);
    }
    for (index, host) in wire.hosts.iter().flatten().enumerate() {
        let parsed = HostName::parse(host).ok_or_else(|| {
            wrong(
                format!("`{host}` is not a host name"),
                "write it like `mcp.example.com`, with `:port` if wanted",
            )
        });
        hosts.push(at(parsed, &[key("hosts"), Segment::Index(index)])?);
    }
    let (word, path, rule): (_, _, fn(String) -> PathRule) = match (&wire.path, &wire.path_prefix) {
        (Some(path), None) => ("path", path, PathRule::Exact),
        (None, Some(path)) => ("path_prefix", path, PathRule::Prefix),
        (Some(_), Some(_)) => {
            return Err(wrong("`path` and `path_prefix` exclude each other".to_owned(), "keep one of them"));
        }
        (None, None) => return Err(wrong("it is not said which path is meant".to_owned(), "add `path`")),
    };
    if canonical_path(path) != *path {
        let error = wrong(
            format!("`{path}` could be read in two ways"),
            "write it plainly: `/`, then segments, no `.`, `%`, `;` or slash at the end",
        );
        return at(Err(error), &[key(word)]);
    }
    Ok((hosts, rule(path.clone())))
}

/// HTTP methods are compared with their case (RFC 9110 section 9.1), so one in lower case would never match.
fn http_methods(names: Option<&[String]>) -> Result<Vec<String>, DeError> {
    let Some(names) = names else { return Ok(Vec::new()) };
    if names.is_empty() {
        return Err(wrong(
            "an empty list matches no method".to_owned(),
            "name a method, or leave `methods` out for every method",
        ));
    }
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
            let error = wrong(format!("`{name}` is not an HTTP method"), "write it like `GET`");
            return at(Err(error), &[Segment::Index(index)]);
        }
    }
    Ok(names.to_vec())
}

/// A text of the configuration for an error, but not where it may hold a password.
fn shown(text: &str) -> String {
    if text.contains('@') { "a URL with user information".to_owned() } else { format!("`{text}`") }
}

/// A resource as it is compared with others: another spelling of a server's URL still means that server.
fn usual_resource(text: &str) -> String {
    let Some(url) = Url::parse(text) else { return text.to_owned() };
    let query = url.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    [url.origin().as_str(), url.path.trim_end_matches('/'), &query].concat()
}

fn resource(text: &str) -> Result<Url, DeError> {
    Url::parse(text).ok_or_else(|| {
        wrong(
            format!("{} is not an absolute URL without fragment", shown(text)),
            "write it like `https://mcp.example.com/mcp`",
        )
    })
}

fn versions(names: Option<&[String]>) -> Result<VersionSet, DeError> {
    let Some(names) = names else { return Ok(DEFAULT_VERSIONS.into_iter().collect()) };
    if names.is_empty() {
        return Err(wrong("no version may be spoken".to_owned(), "leave `versions` out for the default"));
    }
    let each = names.iter().enumerate().map(|(index, name)| {
        let known = || {
            Version::ALL
                .iter()
                .map(|version| format!("`{}`", version.as_str()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let parsed = Version::parse(name).ok_or_else(|| {
            DeError::new(format!("`{name}` is not a version of MCP"))
                .with_help(format!("known here: {}", known()))
        });
        at(parsed, &[Segment::Index(index)])
    });
    each.collect()
}

fn origins(own: &[String], more: &[String], resource: &Url) -> Result<Vec<String>, DeError> {
    let mut all: BTreeSet<String> = BTreeSet::from([resource.origin()]);
    for (index, text) in own.iter().chain(more).enumerate() {
        let url = Url::parse(text).filter(|url| url.path.is_empty() && url.query.is_none());
        let error =
            || wrong(format!("{} is not an origin", shown(text)), "write it like `https://app.example.com`");
        all.insert(at(url.ok_or_else(error), &[Segment::Index(index)])?.origin());
    }
    Ok(all.into_iter().collect())
}

fn tools(wire: &ServerWire) -> Result<Vec<Tool>, DeError> {
    let mut tools = BTreeMap::new();
    for (index, tool) in wire.tools.catalogue.iter().enumerate() {
        if tool.name.is_empty()
            || tool.name.len() > 128
            || tool.name.contains(';')
            || tool.name.chars().any(char::is_control)
        {
            let error = DeError::new(format!("`{}` cannot name a tool here", tool.name));
            return at(Err(error), &[Segment::Index(index), key("name")]);
        }
        let class = tool.class.as_deref().map(Arc::from);
        let known = Tool { name: Arc::from(tool.name.as_str()), class };
        if tools.insert(tool.name.clone(), known).is_some() {
            return at(
                Err(DeError::new(format!("tool `{}` stands twice", tool.name))),
                &[Segment::Index(index), key("name")],
            );
        }
    }
    Ok(tools.into_values().collect())
}

/// RFC 9728 section 3.1: the well-known part goes between host and path.
fn metadata_location(resource: &Url) -> (String, String) {
    let path = if resource.path == "/" { "" } else { resource.path.as_str() };
    let query = resource.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let path = [crate::oauth::WELL_KNOWN, path, &query].concat();
    let url = format!("{}://{}{path}", resource.scheme, resource.authority);
    (path, url)
}

fn check_unique(wire: &ConfigWire) -> Result<(), DeError> {
    let mut seen = BTreeSet::new();
    let servers = wire.servers.iter().map(|server| ("servers", &server.name));
    let routes = wire.routes.iter().map(|route| ("routes", &route.name));
    let indexed = servers.enumerate().chain(routes.enumerate());
    for (index, (list, name)) in indexed {
        // Both are values of one metric label.
        if !seen.insert(name) {
            let error = wrong(format!("the name `{name}` stands twice"), "rename one of them");
            return at(Err(error), &[key(list), Segment::Index(index), key("name")]);
        }
    }
    Ok(())
}

/// Name, hosts and methods of a place on the same path, and whether it is a server.
type Earlier<'c> = (&'c Arc<str>, &'c Vec<HostName>, &'c [String], bool);

/// Two places written for the same requests: the second would never be reached.
fn check_overlap(servers: &[Server], routes: &[Route]) -> Result<(), DeError> {
    let servers = servers
        .iter()
        .enumerate()
        .map(|(index, server)| ("servers", index, &server.name, &server.hosts, &server.path, &[][..]));
    let routes = routes
        .iter()
        .enumerate()
        .map(|(index, route)| ("routes", index, &route.name, &route.hosts, &route.path, &route.methods[..]));
    let mut seen: BTreeMap<(&str, bool), Vec<Earlier<'_>>> = BTreeMap::new();
    for (list, index, name, hosts, path, methods) in servers.chain(routes) {
        let earlier = seen.entry((path.path(), path.is_exact())).or_default();
        let same_host = |other: &Vec<HostName>| {
            hosts.is_empty() && other.is_empty() || hosts.iter().any(|host| other.contains(host))
        };
        let same_method = |other: &[String]| {
            // A server takes every method; of two routes the one that names the method is closer.
            let either = methods.is_empty() || other.is_empty();
            list == "servers"
                || either && methods == other
                || methods.iter().any(|method| other.contains(method))
        };
        let twin = earlier
            .iter()
            .find(|(_, hosts, methods, server)| same_host(hosts) && (*server || same_method(methods)));
        if let Some((twin, ..)) = twin {
            let error = wrong(
                format!("`{name}` is written for the same requests as `{twin}`"),
                "give one of them another host or path",
            );
            return at(Err(error), &[key(list), Segment::Index(index), key("match")]);
        }
        earlier.push((name, hosts, methods, list == "servers"));
    }
    Ok(())
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
