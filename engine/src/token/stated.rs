// SPDX-License-Identifier: Apache-2.0
//! Claims that nobody has proven: for tools that ask what a policy would say of such a token.

use super::claims::text;
use super::path::{ClaimPath, Split, extract_strings};
use super::rejection::{Malformed, Rejection};
use crate::json::{Doc, Kind, Shelf};
use crate::oauth::scope::Hierarchy;
use alloc::string::String;
use alloc::vec::Vec;

/// Where roles, scopes and groups stand in claims unless the configuration says otherwise.
pub(crate) const DEFAULT_PATHS: [&[&str]; 3] = [&["roles"], &["scope", "scp"], &["groups"]];

/// Where roles, scopes and groups stand.
#[derive(Clone, Debug)]
pub struct ClaimPaths {
    /// Where the roles stand.
    pub roles: Vec<ClaimPath>,
    /// Where the scopes stand.
    pub scopes: Vec<ClaimPath>,
    /// Where the groups stand.
    pub groups: Vec<ClaimPath>,
    /// Which scopes include which others.
    pub scope_hierarchy: Hierarchy,
}

impl Default for ClaimPaths {
    fn default() -> ClaimPaths {
        let [roles, scopes, groups] =
            DEFAULT_PATHS.map(|paths| paths.iter().filter_map(|path| ClaimPath::parse(path)).collect());
        ClaimPaths { roles, scopes, groups, scope_hierarchy: Hierarchy::default() }
    }
}

/// What claims say of a caller, read as those of a verified token are.
#[derive(Debug)]
pub struct StatedClaims {
    pub(crate) doc: Shelf,
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) subject: Option<String>,
    pub(crate) client: Option<String>,
}

impl StatedClaims {
    /// Reads an object of claims.
    ///
    /// # Errors
    /// What no token with such claims could pass with.
    pub fn read(doc: Doc<'_>, paths: &ClaimPaths) -> Result<StatedClaims, Rejection> {
        let root = doc.root();
        if !matches!(root.kind(), Kind::Object) {
            return Err(Rejection::Malformed(Malformed::Payload));
        }
        let (azp, client) = (text(root, "azp")?, text(root, "client_id")?);
        let mut scopes = extract_strings(root, &paths.scopes, Split::Spaces)?;
        paths.scope_hierarchy.widen(&mut scopes);
        Ok(StatedClaims {
            roles: extract_strings(root, &paths.roles, Split::Whole)?,
            scopes,
            groups: extract_strings(root, &paths.groups, Split::Whole)?,
            subject: text(root, "sub")?,
            client: client.or(azp),
            doc: Shelf::of(doc),
        })
    }
}
