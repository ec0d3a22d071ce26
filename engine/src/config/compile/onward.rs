// SPDX-License-Identifier: Apache-2.0
//! The gate's own signer, and the tokens that upstreams get.

use super::{Compiler, Step, at, key, wrong};
use crate::config::origin::{PathFit, canonical_path};
use crate::config::wire::{AuthorizationWire, JwtHeader, UpstreamWire};
use crate::config::{InternalJwt, Server};
use crate::json::DeError;
use crate::onward::{Signer, seed};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

const DEFAULT_PATH: &str = "/.well-known/toolgate/jwks.json";

impl Compiler<'_> {
    pub(super) fn signer(&self, servers: &[Server]) -> Result<Option<Signer>, DeError> {
        let Some(wire) = &self.wire.signer else { return Ok(None) };
        let here = |error: DeError, name: &str| error.inside(key(name)).inside(key("signer"));
        let mut seeds = Vec::new();
        for (index, secret) in wire.keys.iter().enumerate() {
            let path = [key("signer"), key("keys"), Step::Index(index)];
            let value = at(self.secret(secret), &path)?;
            let error = || {
                let error =
                    DeError::new(format!("the value of `{}` is not 64 hexadecimal digits", secret.env));
                error.with_help("make one with `openssl rand -hex 32`".to_owned()).inside(key("env"))
            };
            seeds.push(at(seed(&value).ok_or_else(error), &path)?);
        }
        if wire.issuer.is_empty() {
            let error = wrong("the issuer is empty".to_owned(), "write the `iss` that upstreams expect");
            return Err(here(error, "issuer"));
        }
        let lifetime = wire.lifetime_seconds.unwrap_or(60);
        if !(10..=60).contains(&lifetime) {
            return Err(here(DeError::new(format!("{lifetime} is outside 10 to 60")), "lifetime_seconds"));
        }
        let path = wire.jwks_path.as_deref().unwrap_or(DEFAULT_PATH);
        let taken = servers.iter().find(|server| server.path.fit(path, path) != PathFit::Elsewhere);
        if canonical_path(path) != path || path == "/" {
            let error = wrong(format!("`{path}` could be read in two ways"), "write it like `/keys.json`");
            return Err(here(error, "jwks_path"));
        }
        if let Some(server) = taken {
            let error = wrong(format!("`{path}` belongs to server `{}`", server.name), "take another path");
            return Err(here(error, "jwks_path"));
        }
        let signer = Signer::new(&seeds, &wire.issuer, u64::from(lifetime), path);
        let empty = || here(wrong("there is no key to sign with".to_owned(), "add one"), "keys");
        signer.map(Some).ok_or_else(empty)
    }

    pub(super) fn internal_jwt(&self, wire: &UpstreamWire) -> Result<Option<InternalJwt>, DeError> {
        let Some(jwt) = &wire.internal_jwt else { return Ok(None) };
        if self.wire.signer.is_none() {
            return Err(wrong("nothing signs it".to_owned(), "add `signer`"));
        }
        if jwt.audience.is_empty() {
            let error = wrong("the audience is empty".to_owned(), "write what the upstream expects as `aud`");
            return at(Err(error), &[key("audience")]);
        }
        match (jwt.header, &wire.authorization) {
            (JwtHeader::Own, _) | (JwtHeader::Authorization, AuthorizationWire::Strip) => {}
            (JwtHeader::Authorization, AuthorizationWire::Keep | AuthorizationWire::Value(_)) => {
                let error = wrong(
                    "two credentials would stand in `Authorization`".to_owned(),
                    "take `authorization` out, or write `header: x-toolgate-token`",
                );
                return at(Err(error), &[key("header")]);
            }
        }
        Ok(Some(InternalJwt { audience: jwt.audience.clone(), header: jwt.header }))
    }
}
