// SPDX-License-Identifier: Apache-2.0
//! Plain HTTP beside MCP, and what the upstream of a place sees.

use super::credentials::tls;
use super::dpop::dpop as rules;
use super::places::{matches, metadata_location, resource};
use super::{Compiler, Names, Step, at, key, label, wrong};
use crate::config::RouteAnswer;
use crate::config::origin::Url;
use crate::config::wire::{AuthorizationWire, RouteWire, UpstreamWire};
use crate::config::{Access, Authorization, IdentityHeaders, Route, RouteRules, Upstream};
use crate::dpop::DpopRules;
use crate::json::DeError;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl<'c> Compiler<'c> {
    pub(super) fn route(&mut self, wire: &RouteWire, names: &Names<'_>) -> Result<Route, DeError> {
        at(label("route", &wire.name), &[key("name")])?;
        let (hosts, path) = at(matches(&wire.matches), &[key("match")])?;
        let access = match (&wire.allow, &wire.policy) {
            (Some(_), None) if wire.dpop.is_some() => {
                let error = wrong("who needs no token has nothing to prove".to_owned(), "take `dpop` out");
                return at(Err(error), &[key("dpop")]);
            }
            (Some(_), None) if wire.upstream.internal_jwt.is_some() => {
                let error =
                    wrong("nobody is known here".to_owned(), "replace `allow` by `policy` and `issuers`");
                return at(Err(error), &[key("upstream"), key("internal_jwt")]);
            }
            (Some(_), None) if wire.answer == Some(RouteAnswer::Whoami) => {
                let error =
                    wrong("nobody is known here".to_owned(), "replace `allow` by `policy` and `issuers`");
                return at(Err(error), &[key("answer")]);
            }
            (Some(_), None) if wire.asks_who_calls() => {
                return Err(wrong(
                    "`allow: anyone` asks nobody who calls".to_owned(),
                    "take out `issuers`, `api_keys`, `client_certificates` and `require`, or write a `policy`",
                ));
            }
            (Some(_), None) => Access::Anyone,
            (None, Some(policy)) => {
                let resource_text = wire.resource.as_deref().unwrap_or_default();
                let issuers = at(self.audiences(&wire.issuers, resource_text, names), &[key("issuers")])?;
                let credentials =
                    self.credentials(&wire.api_keys, wire.client_certificates, &wire.require, issuers.len())?;
                if issuers.is_empty() && !credentials.alone() {
                    let error = wrong(
                        format!("nobody could use route `{}`: it accepts no credentials", wire.name),
                        "add `issuers`, or `allow: anyone`",
                    );
                    return at(Err(error), &[key("issuers")]);
                }
                let resource = wire.resource.as_deref().map(resource).transpose();
                let resource = at(resource, &[key("resource")])?;
                let dpop = at(route_dpop(wire, resource.as_ref()), &[key("dpop")])?;
                let metadata_url = resource.map(|url| metadata_location(&url).1);
                let policy = at(names.enforced(policy), &[key("policy")])?;
                Access::Policy(Box::new(RouteRules { policy, issuers, credentials, metadata_url, dpop }))
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
        let upstream = at(self.upstream(&wire.upstream), &[key("upstream")])?;
        let methods = at(http_methods(wire.matches.methods.as_deref()), &[key("match"), key("methods")])?;
        Ok(Route {
            name: Arc::from(wire.name.as_str()),
            hosts,
            path,
            methods,
            tls: tls(wire.require_tls),
            access,
            answer: wire.answer,
            upstream,
        })
    }

    pub(super) fn upstream(&self, wire: &UpstreamWire) -> Result<Upstream, DeError> {
        Ok(Upstream {
            authorization: at(self.authorization(&wire.authorization), &[key("authorization")])?,
            identity_headers: match wire.identity_headers {
                true => IdentityHeaders::Sent,
                false => IdentityHeaders::Withheld,
            },
            internal_jwt: at(self.internal_jwt(wire), &[key("internal_jwt")])?,
        })
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
                Ok(Authorization::Replace(value.into()))
            }
        }
    }
}

/// A proof names the URL of its request, so the gate has to know it.
fn route_dpop(wire: &RouteWire, resource: Option<&Url>) -> Result<Option<DpopRules>, DeError> {
    let Some(dpop) = &wire.dpop else { return Ok(None) };
    let resource = resource.ok_or_else(|| {
        wrong("the external URL of the route is not known".to_owned(), "add `resource` to the route")
    })?;
    rules(dpop, resource).map(Some)
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
            return at(Err(error), &[Step::Index(index)]);
        }
    }
    Ok(names.to_vec())
}
