// SPDX-License-Identifier: Apache-2.0
//! Policies: written in the configuration, the one for development, or where bundles come from.

use super::endpoints::{signing_keys, steady};
use super::revocation::between;
use super::{Compiler, at, key, label, wrong};
use crate::bundle::{BundleRules, OnExpiry};
use crate::config::wire::{BundleWire, OnExpiryWire, PolicySourceWire};
use crate::config::{Access, PolicyBundle, PolicyOrigin, Route, Server};
use crate::json::DeError;
use crate::keys::PublicKey;
use crate::policy::{Mode, Policy};
use crate::sort::set;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// The most policies that are fetched.
const MAX_BUNDLES: usize = 16;

impl<'c> Compiler<'c> {
    pub(super) fn policies(&mut self) -> Result<(Vec<&'c str>, Vec<PolicyOrigin>), DeError> {
        let wire = self.wire;
        let mut compiled = Vec::new();
        let bundled = |source: &&PolicySourceWire| matches!(source, PolicySourceWire::Bundle(_));
        if wire.policies.values().filter(bundled).count() > MAX_BUNDLES {
            let error = DeError::new(format!("there are more than {MAX_BUNDLES} bundles"));
            return at(Err(error), &[key("policies")]);
        }
        for (name, source) in &wire.policies {
            let path = [key("policies"), key(name)];
            compiled.push(at(self.policy(name, source), &path)?);
        }
        Ok((wire.policies.keys().map(String::as_str).collect(), compiled))
    }

    fn policy(&mut self, name: &str, source: &PolicySourceWire) -> Result<PolicyOrigin, DeError> {
        match source {
            PolicySourceWire::Inline(_) => {
                let value = self.root.get("policies").and_then(|all| all.get(name)?.get("inline"));
                let value = value.ok_or_else(|| DeError::new("the policy is missing".to_owned()))?;
                let policy = at(Policy::compile(value), &[key("inline")])?;
                Ok(PolicyOrigin::Inline(Rc::new(policy)))
            }
            PolicySourceWire::Development => {
                let message = format!("policy `{name}` allows everyone everything: for development alone");
                self.warn(&[key("policies"), key(name)], &message);
                Policy::development().map(|policy| PolicyOrigin::Development(Rc::new(policy)))
            }
            PolicySourceWire::Bundle(wire) => {
                let bundle = at(self.bundle(name, wire), &[key("bundle")])?;
                Ok(PolicyOrigin::Bundle(Box::new(bundle)))
            }
        }
    }

    fn bundle(&self, name: &str, wire: &BundleWire) -> Result<PolicyBundle, DeError> {
        label("policy that is fetched", name)?;
        let refresh_secs = between(wire.refresh_seconds, 30, (1, 3_600), "refresh_seconds")?;
        let timeout = between(wire.timeout_milliseconds, 5_000, (100, 60_000), "timeout_milliseconds")?;
        let keys = signing_keys(&wire.public_key, &wire.more_public_keys, signer)?;
        let timeout_millis = u32::try_from(timeout).unwrap_or(u32::MAX);
        let example = "https://policies.example.com/default";
        let target = self.endpoint(&wire.uri, example, "application/octet-stream", timeout_millis);
        Ok(PolicyBundle {
            target: at(target, &[key("uri")])?,
            // A bundle says itself when it ends.
            refresh: steady(refresh_secs, u64::from(u32::MAX), timeout),
            rules: BundleRules {
                name: wire.name.clone().unwrap_or_else(|| name.to_owned()),
                keys,
                min_version: wire.min_version.unwrap_or(1),
                roles: Vec::new(),
                mode: Mode::Shadow,
            },
            on_expiry: match wire.on_expiry {
                OnExpiryWire::Close => OnExpiry::Close,
                OnExpiryWire::KeepLast => OnExpiry::KeepLast,
            },
        })
    }
}

fn signer(text: &str) -> Result<PublicKey, DeError> {
    PublicKey::from_ed25519(text).ok_or_else(|| {
        wrong(
            "this is not an Ed25519 key".to_owned(),
            "write the `x` that `toolgate keys generate --algorithm EdDSA` prints",
        )
    })
}

/// What places expect of the policies that are fetched for them.
pub(super) fn expect(policies: &mut [PolicyOrigin], servers: &[Server], routes: &[Route]) {
    for (at, origin) in policies.iter_mut().enumerate() {
        let PolicyOrigin::Bundle(bundle) = origin else { continue };
        let here = servers.iter().filter(|server| server.policy == at);
        let roles = set(here.clone().filter_map(|server| server.anonymous.clone()));
        let judges = |route: &&Route| match &route.access {
            Access::Anyone => false,
            Access::Policy(rules) => rules.policy == at,
        };
        bundle.rules.roles = roles.into_iter().collect();
        bundle.rules.mode = match here.count() > 0 || routes.iter().any(|route| judges(&route)) {
            true => Mode::Enforce,
            false => Mode::Shadow,
        };
    }
}
