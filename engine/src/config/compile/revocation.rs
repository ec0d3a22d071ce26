// SPDX-License-Identifier: Apache-2.0
//! Revocation: lists as they are written, and where others come from.

use super::endpoints::{signing_keys, steady};
use super::{Compiler, at, find, key, label, shown, wrong};
use crate::config::wire::{OnFailureWire, RevocationFeedWire};
use crate::config::{ListForm, Revocation, RevocationFeed, RevocationList};
use crate::json::{DeError, from_value};
use crate::keys::PublicKey;
use crate::revocation::{ListWire, OnFailure, Packers};
use crate::suggest::did_you_mean;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most lists, and the most feeds.
const MAX_LISTS: usize = 16;

impl<'c> Compiler<'c> {
    pub(super) fn revocation(&mut self, issuers: &[&str]) -> Result<Revocation, DeError> {
        let wire = &self.wire.revocation;
        for (name, count) in [("lists", wire.lists.len()), ("feeds", wire.feeds.len())] {
            if count > MAX_LISTS {
                return at(Err(DeError::new(format!("there are more than {MAX_LISTS}"))), &[key(name)]);
            }
        }
        let mut compiled = Revocation { lists: Vec::new(), feeds: Vec::new() };
        for name in wire.lists.keys() {
            compiled.lists.push(at(self.revocation_list(name, issuers), &[key("lists"), key(name)])?);
        }
        for (name, feed) in &wire.feeds {
            compiled.feeds.push(at(self.revocation_feed(name, feed, issuers), &[key("feeds"), key(name)])?);
        }
        Ok(compiled)
    }

    /// Read from the document anew: its names need not be copied twice.
    fn revocation_list(&self, name: &str, issuers: &[&str]) -> Result<RevocationList, DeError> {
        label("revocation list", name)?;
        let value = self.root.get("revocation").and_then(|all| all.get("lists")?.get(name));
        let value = value.ok_or_else(|| DeError::new("the list is missing".to_owned()))?;
        let list: ListWire = from_value(value)?;
        list.check().map_err(|(member, complaint)| DeError::new(complaint.to_owned()).inside(key(member)))?;
        let issuer = about(list.issuer.as_ref(), issuers)?;
        self.known_issuers(&list)?;
        Ok(RevocationList { issuer, list })
    }

    /// An `iss` that no accepted token has ends nothing. Feeds may be shared with gates that accept others.
    fn known_issuers(&self, list: &ListWire) -> Result<(), DeError> {
        let known = || self.wire.issuers.values().map(|issuer| issuer.issuer.as_str());
        for own in list.not_before.iss.keys() {
            if known().any(|iss| iss == own) {
                continue;
            }
            let named = self.wire.issuers.get(own).map(|issuer| issuer.issuer.as_str());
            let error = DeError::new(format!("no issuer here has the `iss` `{own}`"));
            let error = match named {
                Some(iss) => error.with_help(format!("write `{iss}`")),
                None => error.with_help(
                    did_you_mean(own, known())
                        .unwrap_or_else(|| "write the value of the issuer's key `issuer`".to_owned()),
                ),
            };
            return at(Err(error), &[key("not_before"), key("iss")]);
        }
        Ok(())
    }

    fn revocation_feed(
        &self,
        name: &str,
        wire: &RevocationFeedWire,
        issuers: &[&str],
    ) -> Result<RevocationFeed, DeError> {
        label("revocation feed", name)?;
        let refresh_secs = between(wire.refresh_seconds, 30, (1, 3_600), "refresh_seconds")?;
        let max_stale_secs = between(wire.max_stale_seconds, 3_600, (1, 604_800), "max_stale_seconds")?;
        if max_stale_secs < refresh_secs.saturating_mul(2) {
            let error = wrong(
                "`max_stale_seconds` is below twice `refresh_seconds`".to_owned(),
                "leave room for one fetch that fails",
            );
            return at(Err(error), &[key("max_stale_seconds")]);
        }
        let timeout = between(wire.timeout_milliseconds, 5_000, (100, 60_000), "timeout_milliseconds")?;
        let timeout_millis = u32::try_from(timeout).unwrap_or(u32::MAX);
        let example = "https://idp.example.com/revoked";
        let target = self.endpoint(&wire.uri, example, "application/json", timeout_millis);
        Ok(RevocationFeed {
            name: Arc::from(name),
            issuer: about(wire.issuer.as_ref(), issuers)?,
            target: at(target, &[key("uri")])?,
            refresh: steady(refresh_secs, max_stale_secs, timeout),
            on_failure: match wire.on_failure {
                OnFailureWire::KeepLast => OnFailure::KeepLast,
                OnFailureWire::Close => OnFailure::Close,
            },
            form: form(name, wire)?,
        })
    }
}

fn form(name: &str, wire: &RevocationFeedWire) -> Result<ListForm, DeError> {
    let Some(first) = &wire.public_key else {
        let help = "write `public_key`, the key that signs the list";
        return match (wire.more_public_keys.is_empty(), &wire.name) {
            (true, None) => Ok(ListForm::Json),
            (false, _) => Err(wrong("there are other keys, but no first one".to_owned(), help)),
            (true, Some(_)) => {
                let error = wrong("only a signed list has a name".to_owned(), help);
                at(Err(error), &[key("name")])
            }
        };
    };
    let keys = signing_keys(first, &wire.more_public_keys, packer)?;
    Ok(ListForm::Shards(Packers::new(wire.name.as_deref().unwrap_or(name), keys)))
}

fn packer(text: &str) -> Result<PublicKey, DeError> {
    PublicKey::from_ed25519(text).ok_or_else(|| {
        wrong(
            format!("{} is not an Ed25519 key", shown(text)),
            "write the `public_key` that `toolgate revocation pack` prints",
        )
    })
}

fn about(issuer: Option<&String>, issuers: &[&str]) -> Result<Option<usize>, DeError> {
    let found = issuer.map(|name| find("issuer", "issuers", name, issuers)).transpose();
    at(found, &[key("issuer")])
}

pub(super) fn between(
    value: Option<u32>,
    default: u64,
    (least, most): (u64, u64),
    name: &str,
) -> Result<u64, DeError> {
    let value = value.map_or(default, u64::from);
    match (least..=most).contains(&value) {
        true => Ok(value),
        false => at(Err(DeError::new(format!("{value} is outside {least} to {most}"))), &[key(name)]),
    }
}
