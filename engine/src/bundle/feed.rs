// SPDX-License-Identifier: Apache-2.0
//! A bundle that is fetched.

use super::text::{Fault, open};
use crate::config::PolicyBundle;
use crate::feed::{Content, Document, SourceId};
use crate::keys::PublicKey;
use crate::policy::{Mode, Policy};
use crate::time::UnixTime;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// What holds once the last good bundle has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExpiry {
    /// Nobody is let in.
    Close,
    /// It goes on.
    KeepLast,
}

/// What a bundle has to be like.
#[derive(Clone, Debug)]
pub struct BundleRules {
    /// The name that it must have.
    pub name: String,
    /// Who may sign it.
    pub keys: Vec<PublicKey>,
    /// The oldest version that is taken.
    pub min_version: u64,
    /// Roles that servers give to callers without credentials.
    pub roles: Vec<Arc<str>>,
    /// Whether the policy only stands beside others, or has to be fit to be in force.
    pub mode: Mode,
}

/// A bundle whose policy is compiled.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Its version.
    pub version: u64,
    /// When it ends.
    pub expires: UnixTime,
    /// Its policy.
    pub policy: Rc<Policy>,
}

impl Bundle {
    /// The largest bundle that is read, in bytes.
    pub const LARGEST: usize = 4 << 20;

    /// Reads a bundle; `held` is the version that it has to be above.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn read(text: &[u8], rules: &BundleRules, held: Option<u64>, now: UnixTime) -> Result<Bundle, Fault> {
        let opened = open(text, &rules.keys)?;
        let manifest = &opened.manifest;
        if manifest.name != rules.name {
            return Err(Fault::Name);
        }
        if manifest.version < rules.min_version || held.is_some_and(|held| manifest.version <= held) {
            return Err(Fault::Older);
        }
        if manifest.expires <= now {
            return Err(Fault::Expired);
        }
        let policy = opened.policy().ok_or(Fault::Format)?;
        let policy = Policy::compile(policy).map_err(|_| Fault::Policy)?;
        let in_force = rules.mode == Mode::Shadow || policy.mode() == Mode::Enforce;
        if !in_force || !rules.roles.iter().all(|role| policy.role(role).is_some()) {
            return Err(Fault::Unfit);
        }
        Ok(Bundle { version: manifest.version, expires: manifest.expires, policy: Rc::new(policy) })
    }
}

impl Content for Bundle {
    type Rules = BundleRules;
    const MAX_BYTES: usize = Bundle::LARGEST;

    fn read(
        bytes: &[u8],
        rules: &BundleRules,
        held: Option<&Bundle>,
        now: UnixTime,
    ) -> Result<Bundle, &'static str> {
        Bundle::read(bytes, rules, held.map(|held| held.version), now).map_err(Fault::label)
    }

    /// Another text needs another version.
    fn generation(&self) -> u64 {
        self.version
    }
}

/// The bundle of a policy that has not been fetched.
pub(super) fn document(bundle: &PolicyBundle) -> Document<Bundle> {
    let url = &bundle.target.url;
    let id = SourceId::new(&["policy", &bundle.rules.name, &url.origin(), &url.path_and_query()]);
    Document::new(id, vec![bundle.target.clone()], bundle.refresh, bundle.rules.clone())
}
