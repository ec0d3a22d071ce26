// SPDX-License-Identifier: Apache-2.0
//! API keys, client certificates and what a place demands, as written.

use crate::apikey::DEFAULT_PREFIX;
use crate::json::Named;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;

/// One of `api_keys`: keys that are shown in the same way.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApiKeySetWire {
    /// The header that carries a key, besides `Authorization: Bearer`.
    #[serde(default = "default_header")]
    pub header: String,
    /// What its keys begin with.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// The keys.
    #[serde(default)]
    pub keys: Vec<ApiKeyWire>,
}

fn default_header() -> String {
    String::from("x-api-key")
}

fn default_prefix() -> String {
    String::from(DEFAULT_PREFIX)
}

/// One of `keys`: all of a key but the key.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApiKeyWire {
    /// The public id, as it stands in the key.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// The salted hash, `sha256:<salt>:<hash>`.
    pub hash: String,
    /// The roles that conditions read as the caller's.
    #[serde(default)]
    pub roles: Vec<String>,
    /// From when it is refused, as RFC 3339 writes it.
    pub expires: Option<String>,
    /// Whether it was withdrawn.
    #[serde(default)]
    pub revoked: bool,
    /// What else conditions may look at.
    #[serde(default)]
    pub labels: Named<String>,
}

impl fmt::Debug for ApiKeyWire {
    /// Nothing of it: a key may have been pasted into any of the texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyWire(hidden)")
    }
}

/// `client_certificates` of the document
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ClientCertificatesWire {
    /// Whose `x-forwarded-client-cert` counts.
    pub forwarded: Option<ForwardedWire>,
}

/// `client_certificates.forwarded`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ForwardedWire {
    /// The peers that may send the header.
    pub trusted_hops: Vec<HopWire>,
    /// Which element speaks of the caller, counted from the end.
    #[serde(default = "last")]
    pub element_from_end: usize,
}

fn last() -> usize {
    1
}

/// One of `trusted_hops`: exactly one of these.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HopWire {
    /// Its network.
    pub network: Option<String>,
    /// The URI in its certificate.
    pub uri: Option<String>,
    /// The DNS name in its certificate.
    pub dns: Option<String>,
}

/// `client_certificates` of a place
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CertificateUse {
    /// A certificate alone says who calls.
    Identity,
    /// A certificate counts beside another credential.
    Factor,
}

/// `require`
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RequireWire {
    /// All of these must be shown.
    pub credentials: Vec<CredentialWire>,
    /// One of these must be the token's `acr`.
    pub acr: Vec<String>,
    /// All of these must be in the token's `amr`.
    pub amr: Vec<String>,
    /// All of these must be among the token's scopes.
    pub scopes: Vec<String>,
    /// How long ago the user may have logged in, by the token's `auth_time`.
    pub max_age_seconds: Option<u64>,
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CredentialWire {
    /// An access token.
    Token,
    /// An API key.
    ApiKey,
    /// A client certificate.
    Certificate,
}

/// `require_tls`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TlsWire {
    /// TLS 1.2 or later.
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3 or later.
    #[serde(rename = "1.3")]
    V1_3,
}
