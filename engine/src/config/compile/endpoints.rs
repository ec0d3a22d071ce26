// SPDX-License-Identifier: Apache-2.0
//! Where something is fetched from: only hosts that the configuration gives a cluster to are ever called.

use super::{Compiler, shown, wrong};
use crate::config::origin::Url;
use crate::feed::Endpoint;
use crate::json::DeError;
use alloc::format;
use alloc::string::String;

impl Compiler<'_> {
    /// The endpoint at a URL. `example` shows how one is written.
    pub(super) fn endpoint(
        &self,
        uri: &str,
        example: &str,
        accept: &'static str,
        timeout_millis: u32,
    ) -> Result<Endpoint, DeError> {
        let url = Url::parse(uri).ok_or_else(|| {
            wrong(format!("{} is not an absolute URL", shown(uri)), &format!("write it like `{example}`"))
        })?;
        Ok(Endpoint { cluster: self.cluster(&url)?, url, accept, timeout_millis })
    }

    /// The cluster that reaches the host of a URL.
    pub(super) fn cluster(&self, url: &Url) -> Result<String, DeError> {
        self.wire.clusters.get(&url.authority).cloned().ok_or_else(|| {
            let help = format!(
                "add `{}: CLUSTER` under `clusters`; a host not listed there is never called",
                url.authority
            );
            DeError::new(format!("no cluster reaches `{}`", url.authority)).with_help(help)
        })
    }
}
