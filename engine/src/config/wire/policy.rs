// SPDX-License-Identifier: Apache-2.0
//! Where policies come from, as written.

use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// One of `policies`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PolicySourceWire {
    /// Everyone may do everything. For development alone.
    Development,
    /// The policy itself; compiled from the document.
    #[cfg_attr(feature = "schema", schemars(with = "crate::policy::wire::PolicyWire"))]
    Inline(IgnoredAny),
    /// A signed bundle that is fetched.
    Bundle(BundleWire),
}

/// `policies.NAME.bundle`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BundleWire {
    /// Where the bundle is.
    pub uri: String,
    /// Who signs it: an Ed25519 key, as in the `x` of a JWK.
    pub public_key: String,
    /// Who may sign it too, while one key takes the place of another.
    #[serde(default)]
    pub more_public_keys: Vec<String>,
    /// The name that the bundle must have; the policy's, if absent.
    pub name: Option<String>,
    /// The oldest version that is taken.
    pub min_version: Option<u64>,
    /// Within how many seconds a change takes effect.
    pub refresh_seconds: Option<u32>,
    /// How long a fetch may take, in milliseconds.
    pub timeout_milliseconds: Option<u32>,
    /// What holds once the last good bundle has ended.
    #[serde(default)]
    pub on_expiry: OnExpiryWire,
}

/// `on_expiry`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnExpiryWire {
    /// 503.
    #[default]
    Close,
    /// The last good bundle goes on.
    KeepLast,
}
