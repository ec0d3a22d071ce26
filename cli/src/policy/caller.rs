// SPDX-License-Identifier: Apache-2.0
//! A caller as written: the claims of a token, read with the default claim paths.

use serde_json::Value;
use toolgate_engine::{json::Doc, policy::Facts};

use crate::jws::Object;

/// A caller's claims and what is read from them.
#[derive(Debug)]
pub(crate) struct Caller {
    claims: Doc<'static>,
    roles: Vec<String>,
    scopes: Vec<String>,
    groups: Vec<String>,
    subject: Option<String>,
    client: Option<String>,
}

impl Caller {
    pub(crate) fn new(claims: &Object) -> Result<Self, String> {
        let text = Value::Object(claims.clone()).to_string();
        let doc = super::parse(&text)?.into_owned();
        let one = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            claims: doc,
            roles: list(claims, "roles"),
            scopes: if claims.contains_key("scope") { list(claims, "scope") } else { list(claims, "scp") },
            groups: list(claims, "groups"),
            subject: one("sub"),
            client: one("client_id").or_else(|| one("azp")),
        })
    }

    /// What conditions may look at.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            claims: Some(self.claims.root()),
            roles: &self.roles,
            scopes: &self.scopes,
            groups: &self.groups,
            subject: self.subject.as_deref(),
            client: self.client.as_deref(),
            ..Facts::default()
        }
    }
}

/// A list of strings, or one string of words.
fn list(claims: &Object, name: &str) -> Vec<String> {
    match claims.get(name) {
        Some(Value::String(words)) => words.split_ascii_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
