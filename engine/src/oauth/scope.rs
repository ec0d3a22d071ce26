// SPDX-License-Identifier: Apache-2.0
//! Scopes (RFC 6749 section 3.3): which texts are some, which include others, and what a challenge may ask for.

use crate::json::Named;
use crate::sort::sort;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// The scope that asks for a refresh token: it opens nothing here, and no challenge may ask for it (MCP 2026-07-28).
pub const OFFLINE_ACCESS: &str = "offline_access";
/// Longest list of scopes in a challenge, in bytes.
const MAX_LIST: usize = 2_048;

/// Whether a text is a scope that a challenge may ask for.
#[must_use]
pub fn may_be_asked_for(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    (1..=128).contains(&text.len()) && text.bytes().all(allowed) && text != OFFLINE_ACCESS
}

/// Which scopes include which others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchy(BTreeMap<String, BTreeSet<String>>);

impl Hierarchy {
    /// From each scope with those right below it, to each with all below it. Gives the scope that is below itself, if
    /// there is one.
    ///
    /// # Errors
    /// A scope that includes itself by way of others.
    pub fn new(direct: &Named<Vec<String>>) -> Result<Hierarchy, &str> {
        let mut all = BTreeMap::new();
        for scope in direct.keys() {
            let mut below: BTreeSet<String> = BTreeSet::new();
            let mut open: Vec<&String> = direct.get(scope).into_iter().flatten().collect();
            while let Some(next) = open.pop() {
                if next == scope {
                    return Err(scope);
                }
                if below.insert(next.clone()) {
                    open.extend(direct.get(next).into_iter().flatten());
                }
            }
            all.insert(scope.clone(), below);
        }
        Ok(Hierarchy(all))
    }

    /// Adds what the scopes of a token include; the list stays sorted, each once.
    pub fn widen(&self, scopes: &mut Vec<String>) {
        if self.0.is_empty() {
            return;
        }
        let below: Vec<String> =
            scopes.iter().filter_map(|scope| self.0.get(scope)).flatten().cloned().collect();
        scopes.extend(below);
        sort(scopes);
        scopes.dedup();
    }
}

/// The list of a challenge: what is needed, and what the token has besides where that is wanted. What cannot stand
/// there is left out; so is what the token has, if there is too much of it.
#[must_use]
pub fn challenge_list<'s>(
    needed: impl Iterator<Item = &'s str>,
    granted: impl Iterator<Item = &'s str>,
) -> Option<String> {
    let mut needed: Vec<&str> = needed.filter(|scope| may_be_asked_for(scope)).collect();
    sort(&mut needed);
    needed.dedup();
    if needed.is_empty() {
        return None;
    }
    let granted = granted.filter(|scope| may_be_asked_for(scope) && !needed.contains(scope));
    let alone = joined(needed.iter().copied());
    let all = joined(needed.iter().copied().chain(granted));
    Some(if all.len() <= MAX_LIST { all } else { alone })
}

fn joined<'s>(scopes: impl Iterator<Item = &'s str>) -> String {
    scopes.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn tree(pairs: &[(&str, &[&str])]) -> Named<Vec<String>> {
        let own = |list: &[&str]| list.iter().map(|text| String::from(*text)).collect();
        pairs.iter().map(|(wide, narrow)| (String::from(*wide), own(narrow))).collect()
    }

    #[test]
    fn a_wide_scope_includes_all_below_it() {
        let direct = tree(&[("admin", &["write", "audit"]), ("write", &["read"])]);
        let hierarchy = Hierarchy::new(&direct).unwrap();
        let mut scopes = vec![String::from("admin"), String::from("openid")];
        hierarchy.widen(&mut scopes);
        assert_eq!(scopes, ["admin", "audit", "openid", "read", "write"]);
        let mut scopes = vec![String::from("read")];
        hierarchy.widen(&mut scopes);
        assert_eq!(scopes, ["read"]);
        assert!(Hierarchy::new(&tree(&[("a", &["b"]), ("b", &["a"])])).is_err());
    }

    #[test]
    fn a_challenge_holds_what_it_can_hold() {
        let list = |needed: &[&str], granted: &[&str]| {
            challenge_list(needed.iter().copied(), granted.iter().copied())
        };
        assert_eq!(list(&["b", "a"], &[]).as_deref(), Some("a b"));
        assert_eq!(list(&["b"], &["offline_access", "b", "x", "q\"r", "ü", ""]).as_deref(), Some("b x"));
        assert_eq!(list(&["offline_access"], &["a"]), None);
        let many: Vec<String> = (0..600).map(|at| alloc::format!("scope-{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(list(&["a"], &many).as_deref(), Some("a"));
    }
}
