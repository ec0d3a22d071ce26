// SPDX-License-Identifier: Apache-2.0
//! Issuers: the rules for their tokens, and where their keys are.

use super::{Compiler, at, key, label, shown, wrong};
use crate::config::origin::Url;
use crate::config::wire::{IssuerWire, TypWire};
use crate::config::{Issuer, KeyOrigin};
use crate::feed::{Endpoint, FreshnessRules, RefreshPolicy};
use crate::json::{DeError, Segment, Value};
use crate::keys::{Alg, Family, KeySet};
use crate::oauth::scope::Hierarchy;
use crate::suggest::nearest;
use crate::token::{ClaimPath, IssuerRules, TypMode};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl<'c> Compiler<'c> {
    pub(super) fn issuers(&self) -> Result<(Vec<&'c str>, Vec<Issuer>), DeError> {
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
            issuer: wire.issuer.clone(),
            audiences: wire.audiences.clone(),
            algorithms,
            leeway_secs: u64::from(wire.leeway_seconds.unwrap_or(60)),
            typ: match wire.typ {
                TypWire::Strict => TypMode::Strict,
                TypWire::Relaxed => TypMode::Relaxed,
            },
            max_lifetime_secs: wire.max_lifetime_seconds,
            max_age_secs: wire.max_age_seconds,
            clients: clients(wire)?,
            roles: at(claim_paths("roles", &wire.claims.roles), &[key("claims")])?,
            scopes: at(claim_paths("scopes", &wire.claims.scopes), &[key("claims")])?,
            scope_hierarchy: hierarchy(wire)?,
            groups: at(claim_paths("groups", &wire.claims.groups), &[key("claims")])?,
            required_claims: claim_paths("required_claims", &wire.required_claims)?,
        };
        let keys = match algorithm_kind(&rules.algorithms)? {
            AlgorithmKind::Secret => {
                KeyOrigin::Secrets(Rc::new(self.issuer_secrets(wire, &rules.algorithms)?))
            }
            AlgorithmKind::Public if !wire.secrets.is_empty() => {
                let error = wrong(
                    "secrets verify only `HS256`, `HS384` and `HS512`, and none of them is listed".to_owned(),
                    "remove `secrets`, or make a second issuer entry for them",
                );
                return at(Err(error), &[key("secrets")]);
            }
            AlgorithmKind::Public => at(self.keys(name, wire), &[key("jwks")])?,
        };
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
        let accept = "application/jwk-set+json, application/json";
        Ok(KeyOrigin::Remote {
            target: Endpoint { cluster: cluster.clone(), url, accept, timeout_millis },
            refresh,
        })
    }
}

pub(super) fn algorithms(names: &[String]) -> Result<Vec<Alg>, DeError> {
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

/// What an issuer's algorithms need. A mix is how a public key comes to be taken for a secret (RFC 8725 section 2.1).
enum AlgorithmKind {
    Public,
    Secret,
}

fn algorithm_kind(algorithms: &[Alg]) -> Result<AlgorithmKind, DeError> {
    let secret = |alg: &Alg| alg.family() == Family::Secret;
    match (algorithms.iter().all(secret), algorithms.iter().any(secret)) {
        (true, _) => Ok(AlgorithmKind::Secret),
        (false, false) => Ok(AlgorithmKind::Public),
        (false, true) => {
            let error = wrong(
                "algorithms with a shared secret and with public keys do not mix".to_owned(),
                "list one kind only",
            );
            at(Err(error), &[key("algorithms")])
        }
    }
}

fn clients(wire: &IssuerWire) -> Result<Vec<String>, DeError> {
    match &wire.clients {
        None => Ok(Vec::new()),
        Some(clients) if clients.is_empty() => {
            let error = wrong(
                "no client is accepted, so no token would be".to_owned(),
                "list client ids, or remove `clients`",
            );
            at(Err(error), &[key("clients")])
        }
        Some(clients) => Ok(clients.clone()),
    }
}

fn hierarchy(wire: &IssuerWire) -> Result<Hierarchy, DeError> {
    Hierarchy::new(&wire.scope_hierarchy).map_err(|scope| {
        let error = DeError::new(format!("scope `{scope}` includes itself"));
        error.inside(key(scope)).inside(key("scope_hierarchy"))
    })
}

fn claim_paths(name: &str, paths: &[String]) -> Result<Vec<ClaimPath>, DeError> {
    let each = paths.iter().enumerate().map(|(index, path)| {
        let error = || wrong("a claim path is empty".to_owned(), "write a claim's name, or a JSON pointer");
        at(ClaimPath::parse(path).ok_or_else(error), &[key(name), Segment::Index(index)])
    });
    each.collect()
}
