// SPDX-License-Identifier: Apache-2.0
//! Which rules speak about a name: exact names by look-up, patterns one after the other.

use super::pattern::{Pattern, is_slippery, is_usual, usual_uri};
use super::truth::Truth;
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

#[derive(Debug, Default)]
pub(super) struct Index {
    exact: BTreeMap<String, Vec<usize>>,
    wild: Vec<Wild>,
}

#[derive(Debug)]
struct Wild {
    pattern: Pattern,
    /// The pattern over URIs in their usual spelling.
    usual: Pattern,
    rule: usize,
}

impl Index {
    pub(super) fn add(&mut self, pattern: Pattern, rule: usize) {
        match pattern {
            // A literal that is not spelled in the usual way stands for other spellings too.
            Pattern::Literal(name) if is_usual(&name) => self.exact.entry(name).or_default().push(rule),
            Pattern::Literal(_)
            | Pattern::Anything
            | Pattern::Prefix(_)
            | Pattern::Suffix(_)
            | Pattern::Glob(_) => {
                self.wild.push(Wild { usual: pattern.usual(), pattern, rule });
            }
        }
    }

    /// Calls `found` for every rule that speaks about `name`.
    pub(super) fn names(&self, name: &str, mut found: impl FnMut(usize, Truth)) {
        for rule in self.exact.get(name).into_iter().flatten() {
            found(*rule, Truth::True);
        }
        for wild in &self.wild {
            match wild.pattern.fits(name) {
                Truth::False => {}
                fit => found(wild.rule, fit),
            }
        }
    }

    /// As [`Index::names`], for resource URIs, which have several spellings: one that servers may read as another
    /// one concerns rules on that other one too, perhaps.
    pub(super) fn uris(&self, uri: &str, mut found: impl FnMut(usize, Truth)) {
        let (usual, slippery) = (usual_uri(uri), is_slippery(uri));
        if matches!(usual, Cow::Borrowed(_)) && !slippery {
            for rule in self.exact.get(uri).into_iter().flatten() {
                found(*rule, Truth::True);
            }
        } else {
            for (name, rules) in &self.exact {
                let fit = match (name == uri, slippery || *name == usual) {
                    (true, _) => Truth::True,
                    (false, true) => Truth::Unknown,
                    (false, false) => continue,
                };
                rules.iter().for_each(|rule| found(*rule, fit));
            }
        }
        for wild in &self.wild {
            match wild.pattern.fits_uri(&wild.usual, uri) {
                Truth::False => {}
                fit => found(wild.rule, fit),
            }
        }
    }
}
