// SPDX-License-Identifier: Apache-2.0
//! Issuers that are asked about their tokens (RFC 7662).

use super::{Compiler, at, key, shown, wrong};
use crate::config::KeyOrigin;
use crate::config::origin::Url;
use crate::config::wire::{IntrospectionWire, IssuerWire};
use crate::feed::Endpoint;
use crate::introspection::{Endpoints, Lifetimes, basic};
use crate::json::DeError;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

impl Compiler<'_> {
    /// Where an issuer is asked; its tokens are opaque, so it has no keys here.
    pub(super) fn introspection(
        &self,
        issuer: &IssuerWire,
        wire: &IntrospectionWire,
    ) -> Result<KeyOrigin, DeError> {
        let keys = issuer.jwks.uri.is_some() || issuer.jwks.inline.is_some() || !issuer.secrets.is_empty();
        if keys || !issuer.algorithms.is_empty() {
            return Err(wrong(
                "an issuer that is asked about its tokens has no keys here".to_owned(),
                "take out `algorithms`, `jwks` and `secrets`, or make a second issuer entry for its JWTs",
            ));
        }
        let url = Url::parse(&wire.uri).ok_or_else(|| {
            wrong(
                format!("{} is not an absolute URL", shown(&wire.uri)),
                "write it like `https://idp.example.com/introspect`",
            )
        });
        let url = at(url, &[key("uri")])?;
        let cluster = self.wire.clusters.get(&url.authority).ok_or_else(|| {
            DeError::new(format!("no cluster reaches `{}`", url.authority))
                .with_help(format!("add `{}: CLUSTER` under `clusters`", url.authority))
        });
        let cluster = at(cluster, &[key("uri")])?.clone();
        let timeout_millis =
            within("timeout_milliseconds", wire.timeout_milliseconds.unwrap_or(2_000), 100, 60_000)?;
        let lifetimes = Lifetimes {
            active_secs: within("cache_seconds", wire.cache_seconds.unwrap_or(60), 1, 3_600)?.into(),
            inactive_secs: within("negative_seconds", wire.negative_seconds.unwrap_or(10), 1, 3_600)?.into(),
        };
        let secret = at(self.secret(&wire.client_secret), &[key("client_secret")])?;
        let secret = String::from_utf8(secret).map_err(|_| DeError::new("the secret is not text".to_owned()));
        let secret = at(secret, &[key("client_secret")])?;
        let target = Endpoint { cluster, url, accept: "application/json", timeout_millis };
        let authorization = basic(&wire.client_id, &secret);
        Ok(KeyOrigin::Introspection(Box::new(Endpoints { target, authorization, lifetimes })))
    }
}

fn within(name: &str, value: u32, low: u32, high: u32) -> Result<u32, DeError> {
    match (low..=high).contains(&value) {
        true => Ok(value),
        false => at(Err(DeError::new(format!("{value} is outside {low} to {high}"))), &[key(name)]),
    }
}
