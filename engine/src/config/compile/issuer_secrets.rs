// SPDX-License-Identifier: Apache-2.0
//! Secrets that an issuer shares with the gate: HS256 and its kin.

use super::{Compiler, Step, at, key, wrong};
use crate::config::wire::{IssuerSecretWire, IssuerWire, SecretEncoding};
use crate::json::DeError;
use crate::keys::{Alg, MAX_KID, MAX_SECRETS, Secret, SecretSet, decode_base64url};
use crate::policy::parse_date;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

impl Compiler<'_> {
    pub(super) fn issuer_secrets(&self, wire: &IssuerWire, algorithms: &[Alg]) -> Result<SecretSet, DeError> {
        if wire.jwks.uri.is_some() || wire.jwks.inline.is_some() {
            let error = wrong(
                "no public key can verify the algorithms listed".to_owned(),
                "remove `jwks`, and write `secrets`",
            );
            return at(Err(error), &[key("jwks")]);
        }
        if !(1..=MAX_SECRETS).contains(&wire.secrets.len()) {
            let error = DeError::new(format!("{} secrets, expected 1 to {MAX_SECRETS}", wire.secrets.len()));
            let error = error.with_help("write them like `{ id: a, value: { env: NAME } }`".to_owned());
            return at(Err(error), &[key("secrets")]);
        }
        let mut secrets: Vec<Secret> = Vec::new();
        for (index, wire) in wire.secrets.iter().enumerate() {
            let here = [key("secrets"), Step::Index(index)];
            let secret = at(self.issuer_secret(wire, algorithms), &here)?;
            if secrets.iter().any(|other| other.id() == secret.id()) {
                let error = wrong(
                    "another secret has the same id".to_owned(),
                    "give each its own, as tokens name it in `kid`",
                );
                return at(at(Err(error), &[key("id")]), &here);
            }
            secrets.push(secret);
        }
        Ok(SecretSet::new(secrets))
    }

    fn issuer_secret(&self, wire: &IssuerSecretWire, algorithms: &[Alg]) -> Result<Secret, DeError> {
        if wire.id.as_ref().is_some_and(|id| id.is_empty() || id.len() > MAX_KID) {
            let error = DeError::new(format!("an id has 1 to {MAX_KID} bytes"));
            return at(Err(error), &[key("id")]);
        }
        let text = at(self.secret(&wire.value), &[key("value")])?;
        let bytes = match wire.encoding {
            SecretEncoding::Plain => text,
            SecretEncoding::Base64url => {
                let decoded = core::str::from_utf8(&text).ok().and_then(decode_base64url);
                let error = || {
                    let what = format!("the value of `{}` is not base64url without padding", wire.value.env);
                    wrong(what, "write it as `k` of a JWK, or remove `encoding`")
                };
                at(decoded.ok_or_else(error), &[key("value"), key("env")])?
            }
        };
        let until = wire.until.as_deref().map(|text| {
            let error = || wrong(format!("`{text}` is not a date"), "write it like `2027-01-01T00:00:00Z`");
            at(parse_date(text).ok_or_else(error), &[key("until")])
        });
        let secret = Secret::new(wire.id.clone(), until.transpose()?, bytes);
        match algorithms.iter().find(|alg| !secret.is_long_enough(**alg)) {
            None => Ok(secret),
            Some(alg) => {
                let what =
                    format!("the value of `{}` is shorter than the hash of {}", wire.value.env, alg.name());
                let error = wrong(what, "make one with `openssl rand -hex 64` (RFC 7518 section 3.2)");
                at(Err(error), &[key("value"), key("env")])
            }
        }
    }
}
