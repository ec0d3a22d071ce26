// SPDX-License-Identifier: Apache-2.0
//! Revocation lists, as written.

use crate::json::Named;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// `revocation`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RevocationWire {
    /// Lists by name; read once more, by [`crate::revocation::ListWire`].
    #[cfg_attr(feature = "schema", schemars(with = "Named<super::schema::AnyObject>"))]
    pub lists: Named<IgnoredAny>,
    /// Lists that are fetched, by name.
    pub feeds: Named<RevocationFeedWire>,
}

/// One of `revocation.feeds`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RevocationFeedWire {
    /// Where the list is.
    pub uri: String,
    /// The issuer whose tokens it is about; all credentials if absent.
    pub issuer: Option<String>,
    /// Within how many seconds a change takes effect.
    pub refresh_seconds: Option<u32>,
    /// What holds while no list comes.
    pub on_failure: OnFailureWire,
    /// With `on_failure: close`: how old a list may be, in seconds.
    pub max_stale_seconds: Option<u32>,
    /// How long a fetch may take, in milliseconds.
    pub timeout_milliseconds: Option<u32>,
    /// The list comes in signed shards; the Ed25519 key that signs them: 32 bytes in base64url.
    pub public_key: Option<String>,
    /// Others, while one key takes the place of another.
    #[serde(default)]
    pub more_public_keys: Vec<String>,
    /// The name that a signed list must have; the feed's, if absent.
    pub name: Option<String>,
}

/// `on_failure`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnFailureWire {
    /// The last good list.
    KeepLast,
    /// 503.
    Close,
}
