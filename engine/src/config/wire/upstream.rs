// SPDX-License-Identifier: Apache-2.0
//! What goes to the upstream with a request, as written.

use super::SecretWire;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// `upstream`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamWire {
    /// What becomes of the client's `Authorization`.
    pub authorization: AuthorizationWire,
    /// Whether the upstream is told who calls (`x-toolgate-*`).
    pub identity_headers: bool,
    /// A token of the gate's own.
    pub internal_jwt: Option<InternalJwtWire>,
}

impl Default for UpstreamWire {
    fn default() -> Self {
        UpstreamWire {
            authorization: AuthorizationWire::default(),
            identity_headers: true,
            internal_jwt: None,
        }
    }
}

/// `upstream.internal_jwt`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InternalJwtWire {
    /// Its `aud`.
    pub audience: String,
    /// Where it stands.
    #[serde(default)]
    pub header: JwtHeader,
}

/// `upstream.internal_jwt.header`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum JwtHeader {
    /// `Authorization: Bearer TOKEN`
    #[default]
    #[serde(rename = "authorization")]
    Authorization,
    /// `x-toolgate-token: TOKEN`
    #[serde(rename = "x-toolgate-token")]
    Own,
}

/// `signer`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignerWire {
    /// Seeds of Ed25519 keys; the first signs, all are published.
    pub keys: Vec<SecretWire>,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Where the public keys are served.
    pub jwks_path: Option<String>,
    /// How long a token is good, in seconds.
    pub lifetime_seconds: Option<u32>,
}

/// `upstream.authorization`
#[derive(Debug, Default)]
pub enum AuthorizationWire {
    /// Removed.
    #[default]
    Strip,
    /// Passed on as it came.
    Keep,
    /// Replaced by this value.
    Value(SecretWire),
}

impl<'de> Deserialize<'de> for AuthorizationWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AuthorizationVisitor)
    }
}

struct AuthorizationVisitor;

impl<'de> Visitor<'de> for AuthorizationVisitor {
    type Value = AuthorizationWire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`strip`, `keep` or `{ value: { env: NAME } }`")
    }

    /// Another text is not repeated: who writes one here means a credential.
    fn visit_str<E: de::Error>(self, word: &str) -> Result<AuthorizationWire, E> {
        match word {
            "strip" => Ok(AuthorizationWire::Strip),
            "keep" => Ok(AuthorizationWire::Keep),
            _ => Err(E::custom(
                "this is neither `strip` nor `keep`, and a credential cannot stand in the configuration, which is public in the proxy's dump; write `{ value: { env: NAME } }`",
            )),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AuthorizationWire, A::Error> {
        let mut value = None;
        while let Some(name) = map.next_key::<String>()? {
            if name != "value" {
                return Err(de::Error::unknown_field(&name, &["value"]));
            }
            value = Some(map.next_value()?);
        }
        value.map(AuthorizationWire::Value).ok_or_else(|| de::Error::missing_field("value"))
    }
}
