// SPDX-License-Identifier: Apache-2.0
//! Rate limits, as written.

use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

/// `limits.rates[]`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RateWire {
    /// Its name in metrics, records and answers that name rules.
    pub id: String,
    /// What has a bucket of its own; one bucket for everything if empty.
    pub by: Vec<RateBy>,
    /// How many requests pass in `seconds`.
    pub requests: u32,
    /// In which time, in seconds.
    pub seconds: u32,
    /// How many pass at once after a pause; as many as `requests` if not given.
    pub burst: Option<u32>,
    /// What is counted.
    #[serde(default)]
    pub on: RateOnWire,
    /// When a request is counted.
    #[serde(default)]
    pub counted: RateCounted,
    /// Whether requests beyond it are counted only, and go on.
    #[serde(default)]
    pub shadow: bool,
}

/// `limits.rates[].by[]`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RateBy {
    /// Who calls: subject, else client, owner of an API key, certificate; callers without credentials by address.
    Principal,
    /// The OAuth client; callers without one share a bucket.
    Client,
    /// The caller's address: of IPv6 the first 64 bits.
    Address,
    /// The server or route.
    Server,
    /// The tool, on its server; what is no call of a tool shares a bucket.
    Tool,
}

/// `limits.rates[].counted`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RateCounted {
    /// Once it is understood and known who calls, before the policy is asked: what that denies counts too.
    #[default]
    Understood,
    /// Before anything of it is believed: requests with bad tokens count too.
    Arrived,
}

/// `limits.rates[].on`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RateOnWire {
    /// Servers; all if neither servers nor routes are given.
    pub servers: Vec<String>,
    /// Routes; none if not given.
    pub routes: Vec<String>,
    /// MCP methods; all if not given.
    pub methods: Vec<String>,
    /// Patterns of tools; calls of one of them only.
    pub tools: Vec<String>,
    /// Classes of tools; calls of one of them only.
    pub classes: Vec<String>,
    /// Roles; callers who hold one of them only.
    pub roles: Vec<String>,
}
