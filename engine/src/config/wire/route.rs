// SPDX-License-Identifier: Apache-2.0
//! Plain HTTP routes, as written.

use super::{CertificateUse, DpopWire, MatchWire, RequireWire, TlsWire, UpstreamWire};
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

/// One of `routes`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RouteWire {
    /// Its name, which policy rules may use.
    pub name: String,
    /// Which requests are its.
    #[serde(rename = "match")]
    pub matches: MatchWire,
    /// Whom it lets through without a policy.
    pub allow: Option<RouteAllow>,
    /// Whose tokens are accepted.
    #[serde(default)]
    pub issuers: Vec<String>,
    /// Which sets of API keys are accepted.
    #[serde(default)]
    pub api_keys: Vec<String>,
    /// What a client certificate is good for.
    pub client_certificates: Option<CertificateUse>,
    /// What must be shown.
    #[serde(default)]
    pub require: RequireWire,
    /// The oldest TLS that a caller may use.
    pub require_tls: Option<TlsWire>,
    /// Which policy judges.
    pub policy: Option<String>,
    /// What the gate answers itself; without it requests go on.
    pub answer: Option<RouteAnswer>,
    /// The external URL whose metadata a 401 names.
    pub resource: Option<String>,
    /// Proof of possession (RFC 9449); not accepted if absent.
    pub dpop: Option<DpopWire>,
    /// What the upstream sees.
    #[serde(default)]
    pub upstream: UpstreamWire,
}

impl RouteWire {
    /// Whether anything is written about credentials.
    pub(in crate::config) fn asks_who_calls(&self) -> bool {
        let RequireWire { credentials, acr, amr, scopes, max_age_seconds } = &self.require;
        let lists = [acr, amr, scopes].iter().any(|list| !list.is_empty());
        let required = lists || !credentials.is_empty() || max_age_seconds.is_some();
        required
            || self.client_certificates.is_some()
            || !(self.issuers.is_empty() && self.api_keys.is_empty())
    }
}

/// `answer` of a route
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RouteAnswer {
    /// Who calls, and what may be called.
    Whoami,
    /// Whether the gate works; with a policy also which parts of it.
    Health,
}

/// `allow` of a route
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RouteAllow {
    /// Everyone, without credentials.
    Anyone,
}
