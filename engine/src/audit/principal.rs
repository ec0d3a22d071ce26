// SPDX-License-Identifier: Apache-2.0
//! Who calls, as records say it. Written once for each identity, and kept with it.

use super::record::Principal;
use super::write::{Members, hex};
use crate::config::audit::Shown;
use crate::config::{Config, KeyOrigin};
use crate::identity::{Caller, Identity};
use crate::policy::Policy;
use crate::token::VerifiedToken;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// The longest name of a caller that is recorded, in bytes.
const MAX_NAME: usize = 256;

/// The object for `principal`.
pub(crate) fn principal(identity: &Identity, policy: Option<&Policy>, config: &Config) -> Box<str> {
    let (subject, client) = (identity.subject(), identity.client());
    let (credential, key_id, issuer) = match identity.caller() {
        Caller::Anonymous => ("anonymous", None, None),
        Caller::Token { issuer, .. } => {
            let issuer = config.issuers.get(issuer);
            let credential = match issuer.map(|issuer| &issuer.keys) {
                Some(KeyOrigin::Introspection(_)) => "opaque",
                Some(KeyOrigin::Inline(_) | KeyOrigin::Secrets(_) | KeyOrigin::Remote { .. }) | None => {
                    "token"
                }
            };
            let name = issuer.map(|issuer| issuer.rules.issuer.as_str());
            (credential, identity.token().and_then(|token| token.kid()), name)
        }
        Caller::ApiKey { id, .. } => ("api_key", Some(id), None),
        Caller::Certificate { .. } => ("certificate", None, None),
    };
    let roles: Vec<&str> =
        policy.into_iter().flat_map(|policy| policy.role_names(identity.roles())).collect();
    let act = identity.token().map(VerifiedToken::actors).unwrap_or_default();
    let act: Vec<Cow<'_, str>> = act.iter().map(|actor| name(config, actor)).collect();
    let act: Vec<&str> = act.iter().map(|actor| &**actor).collect();
    let (subject, client) = (subject.map(|text| name(config, text)), client.map(|text| clip(text, MAX_NAME)));
    let mut out = String::with_capacity(192);
    Principal {
        subject: subject.as_deref(),
        issuer,
        client,
        credential,
        key_id: key_id.map(|id| clip(id, MAX_NAME)),
        roles: &roles,
        act: &act,
    }
    .write(&mut Members::object(&mut out));
    out.into_boxed_str()
}

/// A name as the configuration wants names.
fn name<'t>(config: &Config, text: &'t str) -> Cow<'t, str> {
    match (config.audit.subjects, &config.audit.key) {
        (Shown::Clear, _) => Cow::Borrowed(clip(text, MAX_NAME)),
        (Shown::Hash, Some(key)) => {
            let mut hashed = String::with_capacity(16);
            hex(&mut hashed, &key.hash("subject", text.as_bytes()));
            Cow::Owned(hashed)
        }
        // The configuration does not allow this; nothing is shown.
        (Shown::Hash, None) => Cow::Borrowed("-"),
    }
}

/// The beginning of a text, not longer than `most` bytes.
pub(crate) fn clip(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
