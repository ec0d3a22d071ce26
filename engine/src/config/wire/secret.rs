// SPDX-License-Identifier: Apache-2.0
//! Secrets, as written: names in the environment, never the secret itself.

use alloc::string::String;
use core::fmt;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// A secret: only ever a name in the environment.
#[derive(Debug)]
pub struct SecretWire {
    /// The name of the environment variable.
    pub env: String,
}

impl<'de> Deserialize<'de> for SecretWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretWire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`{ env: NAME }`")
    }

    /// The text is not repeated: it may be a secret.
    fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretWire, E> {
        Err(E::custom(
            "a secret cannot stand in the configuration, which is public in the proxy's dump; write `{ env: NAME }`",
        ))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretWire, A::Error> {
        let mut env = None;
        while let Some(name) = map.next_key::<String>()? {
            if name != "env" {
                return Err(de::Error::unknown_field(&name, &["env"]));
            }
            env = Some(map.next_value()?);
        }
        env.map(|env| SecretWire { env }).ok_or_else(|| de::Error::missing_field("env"))
    }
}

/// `secrets`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SecretsWire {
    /// The key under which shared data is authenticated; without it nothing is shared between workers.
    pub shared_state: Option<SecretWire>,
    /// The key that seals audit records, and hashes what they must not show.
    pub audit: Option<SecretWire>,
    /// The key that did so before; it signs the hand-over to the new one.
    pub audit_previous: Option<SecretWire>,
}
