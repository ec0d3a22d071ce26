// SPDX-License-Identifier: Apache-2.0
//! A caller as written: the claims of a token, read with the default claim paths.

use serde_json::Value;
use toolgate_engine::{facade::Claimant, policy::Facts, token::ClaimPaths};

use crate::jws::Object;

/// A caller's claims and what is read from them.
#[derive(Debug)]
pub(crate) struct Caller(Claimant);

impl Caller {
    pub(crate) fn new(claims: &Object) -> Result<Self, String> {
        let text = Value::Object(claims.clone()).to_string();
        Claimant::read(&text, &ClaimPaths::default()).map(Self)
    }

    /// What conditions may look at.
    pub(super) fn facts(&self) -> Facts<'_> {
        self.0.facts()
    }
}
