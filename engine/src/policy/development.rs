// SPDX-License-Identifier: Apache-2.0
//! The policy that allows everyone everything, for the first steps with a server.

use super::Policy;
use crate::json::{DeError, Doc, Limits};
use alloc::format;

/// The role that everyone holds under it.
pub(crate) const EVERYONE: &str = "everyone";

/// As it would be written; `policies/development/policy.yaml` is the same.
const DOCUMENT: &str = r#"{"version":1,"roles":{"everyone":{"allow":[{"id":"development","methods":["*"],"tools":["*"],"prompts":["*"],"resources":["*"],"routes":["*"]}]}},"bindings":[{"role":"everyone","when":{"any":[{"subject":{"exists":true}},{"subject":{"exists":false}}]}}]}"#;

impl Policy {
    /// Everyone may do everything.
    ///
    /// # Errors
    /// None that a test would not have found.
    pub fn development() -> Result<Policy, DeError> {
        let document = Doc::parse(DOCUMENT.as_bytes(), Limits::CONFIG)
            .map_err(|error| DeError::new(format!("the policy for development: {error}")))?;
        Policy::compile(document.root())
    }
}
