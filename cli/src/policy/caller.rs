// SPDX-License-Identifier: Apache-2.0
//! A caller as written: the claims of a token, read with the default claim paths or with those of an issuer.

use serde_json::Value;
use toolgate_engine::{
    config::Issuer,
    facade::Claimant,
    policy::Facts,
    token::{ClaimPaths, IssuerRules},
};

use crate::jws::Object;

/// A caller's claims and what is read from them.
#[derive(Debug)]
pub(crate) struct Caller {
    claimant: Claimant,
    /// The name of the issuer in the configuration.
    issuer: Option<String>,
}

impl Caller {
    pub(crate) fn new(claims: &Object) -> Result<Self, String> {
        Self::read(claims, &ClaimPaths::default(), None)
    }

    /// Reads the claims as tokens of this issuer are read.
    pub(crate) fn of_issuer(claims: &Object, issuer: &Issuer) -> Result<Self, String> {
        let IssuerRules { roles, scopes, groups, scope_hierarchy, .. } = issuer.rules.clone();
        let paths = ClaimPaths { roles, scopes, groups, scope_hierarchy };
        Self::read(claims, &paths, Some(issuer.name.to_string()))
    }

    fn read(claims: &Object, paths: &ClaimPaths, issuer: Option<String>) -> Result<Self, String> {
        let text = Value::Object(claims.clone()).to_string();
        Claimant::read(&text, paths).map(|claimant| Self { claimant, issuer })
    }

    /// What conditions may look at.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts { issuer: self.issuer.as_deref(), ..self.claimant.facts() }
    }
}
