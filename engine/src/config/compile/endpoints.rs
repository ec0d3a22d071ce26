// SPDX-License-Identifier: Apache-2.0
//! Where something is fetched from: only hosts that the configuration gives a cluster to are ever called. How often,
//! and whose signature it must bear.

use super::{Compiler, Step, at, key, shown, wrong};
use crate::config::origin::Url;
use crate::feed::{Endpoint, FreshnessRules, RefreshPolicy};
use crate::json::DeError;
use crate::keys::PublicKey;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

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

impl Compiler<'_> {
    /// What comes or goes so that anybody on the way can read and change it. What is signed may go as it likes.
    pub(super) fn warn_plain_http(&mut self) {
        let wire = self.wire;
        for (name, issuer) in &wire.issuers {
            let here = |what, uri| [key("issuers"), key(name), key(what), key(uri)];
            let keys =
                "the keys of its tokens come over plain HTTP, and whoever is on the way can put others there";
            self.warn_plain(issuer.jwks.uri.as_deref(), &here("jwks", "uri"), keys);
            let discovered = issuer.jwks.discover.then_some(issuer.issuer.as_str());
            self.warn_plain(discovered, &here("jwks", "discover"), keys);
            let asked = issuer.introspection.as_ref().map(|introspection| introspection.uri.as_str());
            let message = "tokens and the client's secret go over plain HTTP, and whoever is on the way can say which tokens are good";
            self.warn_plain(asked, &here("introspection", "uri"), message);
        }
        for (name, feed) in wire.revocation.feeds.iter().filter(|(_, feed)| feed.public_key.is_none()) {
            let here = [key("revocation"), key("feeds"), key(name), key("uri")];
            let message = "the list comes over plain HTTP without a signature, and whoever is on the way can take entries out";
            self.warn_plain(Some(&feed.uri), &here, message);
        }
        let collector = wire.audit.collector.as_ref().filter(|collector| collector.authorization.is_some());
        let here = [key("audit"), key("collector"), key("uri")];
        let message =
            "the credentials of the collector go over plain HTTP, and whoever is on the way can read them";
        self.warn_plain(collector.map(|collector| collector.uri.as_str()), &here, message);
    }

    fn warn_plain(&mut self, uri: Option<&str>, path: &[Step<'_>], message: &str) {
        if uri.and_then(Url::parse).is_some_and(|url| url.scheme == "http") {
            self.warn(path, &format!("{message}: write `https://`, and give the cluster TLS"));
        }
    }

    /// A host whose cluster has no name would look as if it were reached.
    pub(super) fn check_clusters(&self) -> Result<(), DeError> {
        match self.wire.clusters.iter().find(|(_, cluster)| cluster.is_empty()) {
            Some((host, _)) => {
                let error =
                    wrong("the cluster has no name".to_owned(), "write the name of a cluster of the proxy");
                at(Err(error), &[key(host)])
            }
            None => Ok(()),
        }
    }
}

/// The refresh of what takes effect as fast as the operator has said: what an answer says of its freshness is not asked.
pub(super) fn steady(refresh_secs: u64, max_stale_secs: u64, timeout_millis: u64) -> RefreshPolicy {
    RefreshPolicy {
        freshness: FreshnessRules {
            floor_secs: refresh_secs,
            ceiling_secs: refresh_secs,
            default_secs: refresh_secs,
        },
        max_stale_secs,
        timeout_secs: timeout_millis.div_ceil(1_000),
        retry_secs: (1, refresh_secs.min(60)),
    }
}

/// The keys of `public_key` and `more_public_keys`: one, and at most three more.
pub(super) fn signing_keys(
    first: &str,
    more: &[String],
    read: impl Fn(&str) -> Result<PublicKey, DeError>,
) -> Result<Vec<PublicKey>, DeError> {
    let mut keys = Vec::from([at(read(first), &[key("public_key")])?]);
    for (index, text) in more.iter().enumerate() {
        keys.push(at(read(text), &[key("more_public_keys"), Step::Index(index)])?);
    }
    match keys.len() > 4 {
        true => at(Err(DeError::new("there are more than 3".to_owned())), &[key("more_public_keys")]),
        false => Ok(keys),
    }
}
