// SPDX-License-Identifier: Apache-2.0
//! Authorization servers and their keys, as written.

use super::SecretWire;
use crate::json::Named;
use crate::token::DEFAULT_PATHS;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// One of `issuers`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IssuerWire {
    /// The `iss` of its tokens, compared exactly.
    pub issuer: String,
    /// Accepted audiences.
    pub audiences: Vec<String>,
    /// Accepted signature algorithms.
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// Where its keys are.
    #[serde(default)]
    pub jwks: JwksWire,
    /// Where it is asked about its tokens, instead of keys.
    pub introspection: Option<IntrospectionWire>,
    /// The secrets that it shares with the gate, instead of keys.
    #[serde(default)]
    pub secrets: Vec<IssuerSecretWire>,
    /// Where claims are found.
    #[serde(default)]
    pub claims: ClaimsWire,
    /// Scopes that include others, each with those right below it.
    #[serde(default)]
    pub scope_hierarchy: Named<Vec<String>>,
    /// Clock leeway in seconds.
    pub leeway_seconds: Option<u32>,
    /// Which `typ` its tokens have.
    #[serde(default)]
    pub typ: TypWire,
    /// Longest accepted time from `iat` to `exp`, in seconds.
    pub max_lifetime_seconds: Option<u64>,
    /// Longest accepted time since `iat`, in seconds.
    pub max_age_seconds: Option<u64>,
    /// The only clients whose tokens are accepted.
    pub clients: Option<Vec<String>>,
    /// Claims that must be there.
    #[serde(default)]
    pub required_claims: Vec<String>,
}

/// `typ`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TypWire {
    /// RFC 9068: `at+jwt`.
    #[default]
    Strict,
    /// Also `JWT` or none.
    Relaxed,
}

/// One of `secrets` of an issuer
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IssuerSecretWire {
    /// The `kid` that tokens name it by.
    pub id: Option<String>,
    /// The secret.
    pub value: SecretWire,
    /// How the environment writes it.
    #[serde(default)]
    pub encoding: SecretEncoding,
    /// From when it counts no more.
    pub until: Option<String>,
}

/// `encoding` of a secret
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SecretEncoding {
    /// The bytes of the text.
    #[default]
    Plain,
    /// As `k` of a JWK (RFC 7518 section 6.4.1).
    Base64url,
}

/// `jwks`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JwksWire {
    /// Fetched from here.
    pub uri: Option<String>,
    /// Fetched from where the issuer's metadata says.
    #[serde(default)]
    pub discover: bool,
    /// Written here; read from the document, since it is kept as it is.
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::AnyObject>"))]
    pub inline: Option<IgnoredAny>,
    /// Shortest time between fetches, in seconds.
    pub min_refresh_seconds: Option<u32>,
    /// Longest time between fetches, in seconds.
    pub max_refresh_seconds: Option<u32>,
    /// How long the last good keys serve while fetching fails, in seconds.
    pub max_stale_seconds: Option<u32>,
    /// How long one fetch may take, in milliseconds.
    pub timeout_milliseconds: Option<u32>,
}

/// `claims`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ClaimsWire {
    /// Claims that hold roles.
    pub roles: Vec<String>,
    /// Claims that hold scopes.
    pub scopes: Vec<String>,
    /// Claims that hold groups.
    pub groups: Vec<String>,
}

impl Default for ClaimsWire {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|name| String::from(*name)).collect();
        let [roles, scopes, groups] = DEFAULT_PATHS.map(list);
        ClaimsWire { roles, scopes, groups }
    }
}

/// `introspection` of an issuer (RFC 7662)
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IntrospectionWire {
    /// The endpoint.
    pub uri: String,
    /// Who the gate is there.
    pub client_id: String,
    /// What proves it.
    pub client_secret: SecretWire,
    /// How long a good answer counts, in seconds; never beyond the token's `exp`.
    pub cache_seconds: Option<u32>,
    /// How long a bad answer counts, in seconds.
    pub negative_seconds: Option<u32>,
    /// How long one call may take, in milliseconds.
    pub timeout_milliseconds: Option<u32>,
}
