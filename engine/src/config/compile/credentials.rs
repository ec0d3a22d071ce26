// SPDX-License-Identifier: Apache-2.0
//! API keys, client certificates, and what a place demands.

use super::{Compiler, Step, at, find, key, label, wrong};
use crate::apikey::{ApiKey, ApiKeys, KeyHash, KeySetRules, KeyState, is_id, is_note, is_prefix};
use crate::certificate::{ForwardedRules, Hop};
use crate::config::credentials::{Certificates, CredentialKind, Credentials, ForwardedHeader, Requirement};
use crate::config::wire::{
    ApiKeySetWire, ApiKeyWire, CertificateUse, CredentialWire, ForwardedWire, HopWire, RequireWire, TlsWire,
};
use crate::connection::TlsVersion;
use crate::json::DeError;
use crate::oauth::scope::{OFFLINE_ACCESS, may_be_asked_for};
use crate::policy::{Network, parse_date};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most keys of a configuration.
const MAX_KEYS: usize = 10_000;
/// The most entries of a list.
const MAX_LIST: usize = 64;
/// Headers that mean something else already, or that others read.
const TAKEN: [&str; 22] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "connection",
    "content-type",
    "content-length",
    "content-encoding",
    "origin",
    "accept",
    "accept-encoding",
    "transfer-encoding",
    "te",
    "expect",
    "upgrade",
    "user-agent",
    "last-event-id",
    "forwarded",
    "x-forwarded-for",
    "x-request-id",
    "x-forwarded-client-cert",
    "dpop",
];

impl<'c> Compiler<'c> {
    pub(super) fn api_keys(&mut self) -> Result<ApiKeys, DeError> {
        let (mut sets, mut keys, mut ids) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (set, (name, wire)) in self.wire.api_keys.iter().enumerate() {
            let here = [key("api_keys"), key(name)];
            sets.push(at(key_set(name, wire), &here)?);
            for (index, entry) in wire.keys.iter().enumerate() {
                let place = [key("api_keys"), key(name), key("keys"), Step::Index(index)];
                keys.push(at(api_key(set, entry, &mut ids), &place)?);
                if entry.expires.is_none() && !entry.revoked {
                    self.warn(&place, &format!("API key `{}` never expires", entry.id));
                }
            }
        }
        if keys.len() > MAX_KEYS {
            return at(Err(DeError::new(format!("there are more than {MAX_KEYS} keys"))), &[key("api_keys")]);
        }
        // Two series for each; what comes after `max_series` is dropped, verdicts too.
        let series = self.wire.metrics.max_series;
        if keys.len().saturating_mul(4) > series {
            let message = format!(
                "{} API keys may take {} of {series} series, and leave too few for verdicts",
                keys.len(),
                keys.len().saturating_mul(2)
            );
            self.warn(&[key("metrics"), key("max_series")], &message);
        }
        Ok(ApiKeys::new(sets, keys))
    }

    pub(super) fn forwarded(&mut self) -> Result<ForwardedHeader, DeError> {
        let wire = self.wire;
        let uses = wire.servers.iter().map(|server| server.client_certificates);
        let uses = uses.chain(wire.routes.iter().map(|route| route.client_certificates));
        let tools = wire.servers.iter().flat_map(|server| &server.tools.catalogue).map(|tool| &tool.require);
        let requires = wire.servers.iter().map(|server| &server.require);
        let mut requires = requires.chain(wire.routes.iter().map(|route| &route.require)).chain(tools);
        let looks = uses.flatten().next().is_some()
            || requires.any(|require| require.credentials.contains(&CredentialWire::Certificate));
        match &self.wire.client_certificates.forwarded {
            Some(wire) => {
                let here = [key("client_certificates"), key("forwarded")];
                let rules = at(forwarded(wire), &here)?;
                if rules.hops.iter().any(|hop| matches!(hop, Hop::Network(_))) {
                    self.warn(
                        &here,
                        "a hop is known by its network: unless the proxy has `use_remote_address: true` and `xff_num_trusted_hops: 0`, whoever sends `x-forwarded-for` can pass for it",
                    );
                }
                Ok(ForwardedHeader::From(rules))
            }
            None if looks => Ok(ForwardedHeader::Removed),
            None => Ok(ForwardedHeader::Untouched),
        }
    }

    /// What callers may and must show at a place; `issuers` says how many issuers it accepts.
    pub(super) fn credentials(
        &self,
        api_keys: &[String],
        certificates: Option<CertificateUse>,
        require: &RequireWire,
        issuers: usize,
    ) -> Result<Credentials, DeError> {
        let names: Vec<&str> = self.wire.api_keys.keys().map(String::as_str).collect();
        let each = api_keys.iter().enumerate().map(|(index, name)| {
            at(find("set of API keys", "api_keys", name, &names), &[key("api_keys"), Step::Index(index)])
        });
        let api_keys = each.collect::<Result<Vec<usize>, _>>()?;
        let require = at(requirement(require), &[key("require")])?;
        at(possible(&require, &api_keys, issuers), &[key("require")])?;
        let certificates = match certificates {
            Some(CertificateUse::Identity) => Certificates::Identity,
            Some(CertificateUse::Factor) => Certificates::Factor,
            None if require.credentials.contains(&CredentialKind::Certificate) => Certificates::Factor,
            None => Certificates::Ignored,
        };
        Ok(Credentials { api_keys, certificates, require })
    }

    /// What a tool requires, at a server that accepts these credentials.
    pub(super) fn tool_requirement(
        wire: &RequireWire,
        credentials: &mut Credentials,
        issuers: usize,
    ) -> Result<Requirement, DeError> {
        let require = requirement(wire)?;
        possible(&require, &credentials.api_keys, issuers)?;
        if require.credentials.contains(&CredentialKind::Certificate)
            && credentials.certificates == Certificates::Ignored
        {
            credentials.certificates = Certificates::Factor;
        }
        Ok(require)
    }
}

/// A requirement that nobody could meet is a mistake.
fn possible(require: &Requirement, api_keys: &[usize], issuers: usize) -> Result<(), DeError> {
    let needs = |kind| require.credentials.contains(&kind);
    let token = needs(CredentialKind::Token) || require.speaks_of_login() || !require.scopes.is_empty();
    let nobody = |what: &str, help: &str| Err(wrong(format!("nobody could show {what} here"), help));
    match (needs(CredentialKind::ApiKey), token) {
        (true, true) => nobody("both an API key and a token", "a request carries one of them; keep one"),
        (true, false) if api_keys.is_empty() => nobody("an API key", "add `api_keys`"),
        (false, true) if issuers == 0 => nobody("a token", "add `issuers`"),
        (true | false, false) | (false, true) => Ok(()),
    }
}

fn key_set(name: &str, wire: &ApiKeySetWire) -> Result<KeySetRules, DeError> {
    label("set of API keys", name)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let header = &wire.header;
    let ours = header.starts_with("x-toolgate-") || header.starts_with("mcp-");
    if header.is_empty() || header.len() > 64 || !header.bytes().all(plain) {
        let error =
            wrong(format!("`{header}` cannot be the header"), "write it like `x-api-key`, in lower case");
        return at(Err(error), &[key("header")]);
    }
    if ours || TAKEN.contains(&header.as_str()) {
        let error = wrong(format!("`{header}` has a meaning of its own"), "choose another, like `x-api-key`");
        return at(Err(error), &[key("header")]);
    }
    if !is_prefix(&wire.prefix) {
        let error = wrong(
            format!("`{}` cannot be what keys begin with", wire.prefix),
            "use 2 to 16 lower case letters and digits; the `_` after it is understood",
        );
        return at(Err(error), &[key("prefix")]);
    }
    Ok(KeySetRules { name: Arc::from(name), header: header.clone(), prefix: wire.prefix.clone() })
}

/// Nothing of an entry is repeated before it is known to be no key.
fn api_key<'w>(set: usize, wire: &'w ApiKeyWire, ids: &mut BTreeSet<&'w str>) -> Result<ApiKey, DeError> {
    if !is_id(&wire.id) {
        let error = DeError::new("this cannot be the id of a key".to_owned());
        let help = "1 to 32 lower case letters and digits; `toolgate apikey create` makes one";
        return at(Err(error.with_help(help.to_owned())), &[key("id")]);
    }
    if !ids.insert(&wire.id) {
        return at(Err(DeError::new(format!("key `{}` stands twice", wire.id))), &[key("id")]);
    }
    let Some(hash) = KeyHash::parse(&wire.hash) else {
        let error = DeError::new(
            "this is not a salted hash, and a key cannot stand in the configuration, which is public in the proxy's dump".to_owned(),
        );
        return at(
            Err(error.with_help("`toolgate apikey create` prints the hash".to_owned())),
            &[key("hash")],
        );
    };
    at(texts([&wire.owner].into_iter()), &[key("owner")])?;
    at(texts(wire.roles.iter()), &[key("roles")])?;
    at(texts(wire.labels.iter().flat_map(|(name, value)| [name, value])), &[key("labels")])?;
    let expires = wire.expires.as_deref().map(|text| {
        let error = || wrong(format!("`{text}` is not a time"), "write it like `2027-01-01T00:00:00Z`");
        at(parse_date(text).ok_or_else(error), &[key("expires")])
    });
    Ok(ApiKey {
        id: Arc::from(wire.id.as_str()),
        set,
        owner: Arc::from(wire.owner.as_str()),
        hash,
        roles: wire.roles.clone(),
        expires: expires.transpose()?,
        state: if wire.revoked { KeyState::Revoked } else { KeyState::Live },
        labels: wire.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
    })
}

/// Short texts, and not too many.
fn texts<'t>(texts: impl Iterator<Item = &'t String>) -> Result<(), DeError> {
    for (index, text) in texts.enumerate() {
        if index >= 2 * MAX_LIST || !is_note(text) {
            return Err(wrong(
                "a text here is empty, too long or not plain, or there are too many".to_owned(),
                "use 1 to 256 characters without control characters, and at most 64 entries",
            ));
        }
    }
    Ok(())
}

fn forwarded(wire: &ForwardedWire) -> Result<ForwardedRules, DeError> {
    if !(1..=16).contains(&wire.element_from_end) {
        let error = wrong(format!("{} is outside 1 to 16", wire.element_from_end), "1 is the last element");
        return at(Err(error), &[key("element_from_end")]);
    }
    if wire.trusted_hops.is_empty() {
        let error = wrong("nobody is trusted".to_owned(), "add a hop, or take `forwarded` out");
        return at(Err(error), &[key("trusted_hops")]);
    }
    let each = wire.trusted_hops.iter().enumerate();
    let hops = each.map(|(index, hop)| at(trusted(hop), &[key("trusted_hops"), Step::Index(index)]));
    Ok(ForwardedRules { hops: hops.collect::<Result<_, _>>()?, element: wire.element_from_end })
}

fn trusted(wire: &HopWire) -> Result<Hop, DeError> {
    match (&wire.network, &wire.uri, &wire.dns) {
        (Some(network), None, None) => at(Network::parse(network), &[key("network")]).map(Hop::Network),
        (None, Some(uri), None) if !uri.is_empty() => Ok(Hop::Uri(uri.clone())),
        (None, None, Some(dns)) if !dns.is_empty() => Ok(Hop::Dns(dns.clone())),
        _ => Err(wrong("a hop is known by one thing".to_owned(), "write one of `network`, `uri` and `dns`")),
    }
}

/// Scopes as a challenge may name them (RFC 6749 section 3.3).
pub(super) fn scopes(list: &[String], name: &str) -> Result<(), DeError> {
    for (index, scope) in list.iter().enumerate() {
        let error = match scope.as_str() {
            OFFLINE_ACCESS => wrong(
                format!("`{OFFLINE_ACCESS}` opens nothing here"),
                "take it out; clients ask for it on their own",
            ),
            other if may_be_asked_for(other) => continue,
            other => wrong(
                format!("`{}` is not a scope", other.escape_debug()),
                "write each scope by itself, up to 128 visible characters without `\"` and `\\`",
            ),
        };
        return at(Err(error), &[key(name), Step::Index(index)]);
    }
    Ok(())
}

pub(crate) fn requirement(wire: &RequireWire) -> Result<Requirement, DeError> {
    at(texts(wire.acr.iter()), &[key("acr")])?;
    at(texts(wire.amr.iter()), &[key("amr")])?;
    // RFC 9470 section 3 puts these values into a quoted string, separated by spaces.
    for (index, acr) in wire.acr.iter().enumerate() {
        if !acr.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
            let error = DeError::new(format!("`{acr}` cannot stand in a challenge"));
            return at(Err(error), &[key("acr"), Step::Index(index)]);
        }
    }
    scopes(&wire.scopes, "scopes")?;
    let kind = |wire: &CredentialWire| match wire {
        CredentialWire::Token => CredentialKind::Token,
        CredentialWire::ApiKey => CredentialKind::ApiKey,
        CredentialWire::Certificate => CredentialKind::Certificate,
    };
    Ok(Requirement {
        credentials: wire.credentials.iter().map(kind).collect(),
        acr: wire.acr.clone(),
        amr: wire.amr.clone(),
        scopes: wire.scopes.clone(),
        max_age_secs: wire.max_age_seconds,
    })
}

pub(super) fn tls(wire: Option<TlsWire>) -> Option<TlsVersion> {
    wire.map(|version| match version {
        TlsWire::V1_2 => TlsVersion::V1_2,
        TlsWire::V1_3 => TlsVersion::V1_3,
    })
}
