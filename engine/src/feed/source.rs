// SPDX-License-Identifier: Apache-2.0
//! Where a feed comes from, and the name it has among workers.

use super::fetch::Call;
use crate::config::origin::Url;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Names a source: an FNV-1a hash over its parts, for slots and against mix-ups. What stands in shared data is
/// protected by its MAC, not by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SourceId(u64);

impl SourceId {
    /// The source that these parts describe. Parts do not run into each other.
    #[must_use]
    pub fn new(parts: &[&str]) -> SourceId {
        let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
        SourceId(bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// As it stands in sealed values.
    #[must_use]
    pub fn digest(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// As a number, to choose a slot by.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// A document at a URL that a cluster of the proxy reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The cluster.
    pub cluster: String,
    /// The URL.
    pub url: Url,
    /// What is asked for: the value of `accept`.
    pub accept: &'static str,
    /// How long a fetch may take, in milliseconds.
    pub timeout_millis: u32,
}

impl Endpoint {
    /// The call that fetches it; with an entity tag, only if it has changed (RFC 9110 section 13.1.2).
    #[must_use]
    pub fn call(&self, etag: Option<&str>) -> Call {
        let mut headers = Vec::with_capacity(2);
        headers.push(("accept", self.accept.to_string()));
        headers.extend(etag.map(|etag| ("if-none-match", etag.to_string())));
        Call {
            cluster: self.cluster.clone(),
            method: "GET",
            scheme: self.url.scheme.clone(),
            authority: self.url.authority.clone(),
            path: self.url.path_and_query(),
            headers,
            body: Vec::new(),
            timeout_millis: self.timeout_millis,
        }
    }
}
