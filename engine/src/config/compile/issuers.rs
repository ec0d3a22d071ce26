// SPDX-License-Identifier: Apache-2.0
//! Issuers: the rules for their tokens, and where their keys are.

use super::{Compiler, Step, at, key, label, wrong};
use crate::config::origin::Url;
use crate::config::wire::{IssuerWire, JwksWire, TypWire};
use crate::config::{Issuer, KeyOrigin, KeyPlace};
use crate::feed::{Endpoint, FreshnessRules, RefreshPolicy};
use crate::json::{DeError, Value};
use crate::keys::{ACCEPT_KEYS, Alg, DiscoveryRules, Family, KeySet, metadata_places};
use crate::oauth::scope::Hierarchy;
use crate::suggest::did_you_mean;
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
        let algorithms = match &wire.introspection {
            Some(_) => Vec::new(),
            None => algorithms(&wire.algorithms)?,
        };
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
        if let Some(introspection) = &wire.introspection {
            let keys = at(self.introspection(wire, introspection), &[key("introspection")])?;
            return Ok(Issuer { name: Arc::from(name), rules, keys });
        }
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
        match (&wire.jwks.uri, wire.jwks.discover, &wire.jwks.inline) {
            (Some(uri), false, None) => self.remote_keys(uri, &wire.jwks),
            (None, true, None) => self.discovered_keys(wire),
            (None, false, Some(_)) => self.inline_keys(name),
            (None, false, None) => Err(wrong(
                "it is not said where the keys are".to_owned(),
                "add `uri`, `discover: true` or `inline`",
            )),
            (Some(_), _, Some(_)) | (_, true, Some(_)) | (Some(_), true, _) => Err(wrong(
                "keys come from one place".to_owned(),
                "keep one of `uri`, `discover: true` and `inline`",
            )),
        }
    }

    fn inline_keys(&self, name: &str) -> Result<KeyOrigin, DeError> {
        let path = |root: Value<'_>| {
            root.get("issuers")?.get(name)?.get("jwks")?.get("inline").map(|value| value.raw().to_owned())
        };
        let text = path(self.root).unwrap_or_default();
        let set = KeySet::parse(text.as_bytes())
            .map_err(|error| DeError::new(format!("the keys cannot be used: {error}")));
        Ok(KeyOrigin::Inline(Rc::new(at(set, &[key("inline")])?)))
    }

    fn remote_keys(&self, uri: &str, wire: &JwksWire) -> Result<KeyOrigin, DeError> {
        let example = "https://idp.example.com/jwks";
        let endpoint = self.endpoint(uri, example, ACCEPT_KEYS, timeout(wire)?);
        let place = KeyPlace::At(at(endpoint, &[key("uri")])?);
        Ok(KeyOrigin::Remote { place, refresh: refresh(wire)? })
    }

    fn discovered_keys(&self, wire: &IssuerWire) -> Result<KeyOrigin, DeError> {
        let here = |error: DeError| error.inside(key("discover"));
        // RFC 8414 section 2: an issuer is a URL without query and fragment.
        let issuer = Url::parse(&wire.issuer).filter(|url| url.query.is_none()).ok_or_else(|| {
            here(wrong(
                "the issuer is not a URL without query, so it has no metadata".to_owned(),
                "write `uri` instead",
            ))
        })?;
        let cluster = self.cluster(&issuer).map_err(here)?;
        let timeout_millis = timeout(&wire.jwks)?;
        let endpoint =
            |url| Endpoint { cluster: cluster.clone(), url, accept: "application/json", timeout_millis };
        let places = metadata_places(&issuer).into_iter().map(endpoint).collect();
        let rules = DiscoveryRules {
            issuer: wire.issuer.clone(),
            scheme: issuer.scheme.clone(),
            clusters: self.wire.clusters.clone(),
            timeout_millis,
        };
        let place = KeyPlace::Discovered { places, rules };
        Ok(KeyOrigin::Remote { place, refresh: refresh(&wire.jwks)? })
    }
}

fn timeout(wire: &JwksWire) -> Result<u32, DeError> {
    let millis = wire.timeout_milliseconds.unwrap_or(5_000);
    if !(100..=60_000).contains(&millis) {
        let error = DeError::new(format!("{millis} is outside 100 to 60000"));
        return Err(error.inside(key("timeout_milliseconds")));
    }
    Ok(millis)
}

/// How often keys are fetched.
fn refresh(wire: &JwksWire) -> Result<RefreshPolicy, DeError> {
    let seconds = |value: Option<u32>, default: u64| value.map_or(default, u64::from);
    let named = [
        ("min_refresh_seconds", wire.min_refresh_seconds),
        ("max_refresh_seconds", wire.max_refresh_seconds),
    ];
    if let Some((name, _)) = named.iter().find(|(_, value)| *value == Some(0)) {
        let error = DeError::new("0 seconds would fetch without a pause".to_owned());
        return Err(error.inside(key(name)));
    }
    let max_stale_secs = seconds(wire.max_stale_seconds, 86_400);
    let shortest = seconds(wire.min_refresh_seconds, 1);
    if max_stale_secs < shortest {
        let error = wrong(
            format!(
                "keys would be too old to be used after {max_stale_secs} seconds, before they are fetched again"
            ),
            "at least `min_refresh_seconds`, and room for a fetch that fails",
        );
        return Err(error.inside(key("max_stale_seconds")));
    }
    // Whatever an answer says of its lifetime: what is too old to be used is not fresh.
    let ceiling_secs = seconds(wire.max_refresh_seconds, 3_600).min(max_stale_secs);
    let floor_secs = wire.min_refresh_seconds.map_or(ceiling_secs.min(60), u64::from);
    let freshness = FreshnessRules { floor_secs, ceiling_secs, ..FreshnessRules::default() };
    if freshness.floor_secs > freshness.ceiling_secs {
        let error = DeError::new("`min_refresh_seconds` is above `max_refresh_seconds`".to_owned());
        return Err(error.inside(key("min_refresh_seconds")));
    }
    Ok(RefreshPolicy {
        freshness,
        max_stale_secs,
        timeout_secs: u64::from(timeout(wire)?).div_ceil(1_000),
        ..RefreshPolicy::default()
    })
}

pub(super) fn algorithms(names: &[String]) -> Result<Vec<Alg>, DeError> {
    if names.is_empty() {
        let error =
            wrong("no algorithm is accepted, so no token would be".to_owned(), "add `RS256` or `ES256`");
        return at(Err(error), &[key("algorithms")]);
    }
    let each = names.iter().enumerate().map(|(index, name)| {
        let unknown = || {
            let help = did_you_mean(name, Alg::ALL.iter().map(|alg| alg.name()));
            let known = Alg::ALL.iter().map(|alg| format!("`{}`", alg.name())).collect::<Vec<_>>().join(", ");
            DeError::new(format!("`{name}` is not an algorithm that can be accepted"))
                .with_help(help.unwrap_or_else(|| format!("known here: {known}")))
        };
        at(Alg::from_name(name).ok_or_else(unknown), &[key("algorithms"), Step::Index(index)])
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
        at(ClaimPath::parse(path).ok_or_else(error), &[key(name), Step::Index(index)])
    });
    each.collect()
}
