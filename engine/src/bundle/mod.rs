// SPDX-License-Identifier: Apache-2.0
//! Policies in force: those of the configuration, and those that come as signed bundles.
//!
//! What enters: the configuration; the text of a bundle, a public key, the time. What leaves: the policy in force at
//! each place of the configuration, or none; what became of a bundle, from a closed set of words. A bundle is believed
//! after its signature, its name, its version and its end are good and its policy compiles; until then the one before
//! stays.
//!
//! Deliberately absent: the fetch (see [`crate::feed`]), private keys, the policy language (see [`crate::policy`]).

mod feed;
mod held;
#[cfg(test)]
pub(crate) mod tests;
mod text;

pub use feed::{Bundle, BundleRules, OnExpiry};
pub use held::{Policies, Swap};
pub use text::{Fault, HEAD, Manifest, Opened, open, signed_part};
