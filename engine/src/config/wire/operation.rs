// SPDX-License-Identifier: Apache-2.0
//! The host, limits, audit and metrics, as written.

use super::RateWire;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Deserialize;

/// `host`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HostWire {
    /// Whether the proxy's configuration sets `allow_on_headers_stop_iteration` for this filter.
    pub headers_stop_iteration: bool,
    /// Whether a route's metadata (namespace `toolgate`, key `server`) may choose the server.
    pub route_metadata: bool,
    /// Whether each request is marked in filter state, so that a filter behind the gate can tell that the gate was there.
    pub presence: bool,
}

impl Default for HostWire {
    fn default() -> Self {
        HostWire { headers_stop_iteration: false, route_metadata: false, presence: true }
    }
}

/// `unmatched`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    /// 404.
    #[default]
    Refuse,
    /// Forwarded, but only for hosts that no server and no route names.
    Pass,
}

/// `limits`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LimitsWire {
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Deepest JSON of a request.
    pub max_json_depth: usize,
    /// Largest list answer that is filtered, and largest event of a stream, in bytes.
    pub max_answer_bytes: usize,
    /// Longest time for which a client may keep a list, in milliseconds.
    pub max_list_ttl_milliseconds: u64,
    /// Largest token, in bytes.
    pub max_token_bytes: usize,
    /// Tokens remembered in each VM.
    pub token_cache_entries: usize,
    /// What they may take of each VM's memory, in bytes.
    pub token_cache_bytes: usize,
    /// How long a request waits, for keys or for what an issuer says of its token, in milliseconds.
    pub max_wait_milliseconds: u32,
    /// Requests that wait at once in one VM.
    pub max_waiting: usize,
    /// How long a bound session lasts, in seconds.
    pub max_session_seconds: u32,
    /// How much of each second one VM may spend on costly signatures, in milliseconds.
    pub verify_milliseconds_per_second: u32,
    /// Whether ES384 is verified in the module where the proxy cannot.
    pub es384_in_module: bool,
    /// How often something may happen.
    pub rates: Vec<RateWire>,
}

impl Default for LimitsWire {
    fn default() -> Self {
        LimitsWire {
            max_body_bytes: 1 << 20,
            max_json_depth: 64,
            max_answer_bytes: 4 << 20,
            max_list_ttl_milliseconds: 60_000,
            max_token_bytes: 8_192,
            token_cache_entries: 4_096,
            token_cache_bytes: 12 << 20,
            max_wait_milliseconds: 5_000,
            max_waiting: 1_024,
            max_session_seconds: 86_400,
            verify_milliseconds_per_second: 100,
            es384_in_module: false,
            rates: Vec::new(),
        }
    }
}

/// `metrics`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MetricsWire {
    /// How labels are written into names.
    pub syntax: MetricSyntax,
    /// How many series one VM may define.
    pub max_series: usize,
    /// Classes of tools whose calls are metered by class.
    pub classes: Vec<String>,
}

impl Default for MetricsWire {
    fn default() -> Self {
        let classes = ["agent", "task", "memory", "neural"].map(ToString::to_string);
        MetricsWire { syntax: MetricSyntax::default(), max_series: 5_000, classes: classes.to_vec() }
    }
}

/// `metrics.syntax`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MetricSyntax {
    /// `name;label=value`, for the shipped stats tags.
    #[default]
    Envoy,
    /// `name.label=.=value;.;`, for Istio's extra stat tags.
    Istio,
    /// `name_label_value`, for hosts that know no tags.
    Flat,
}
