// SPDX-License-Identifier: Apache-2.0
//! Which rules speak about a name: exact names by look-up, patterns one after the other.

use super::pattern::Pattern;
use super::truth::Truth;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

#[derive(Debug, Default)]
pub(super) struct Index {
    exact: BTreeMap<String, Vec<usize>>,
    wild: Vec<(Pattern, usize)>,
}

impl Index {
    pub(super) fn add(&mut self, pattern: Pattern, rule: usize) {
        match pattern {
            Pattern::Literal(name) => self.exact.entry(name).or_default().push(rule),
            Pattern::Anything | Pattern::Prefix(_) | Pattern::Suffix(_) | Pattern::Glob(_) => {
                self.wild.push((pattern, rule));
            }
        }
    }

    /// Calls `found` for every rule that speaks, or perhaps speaks, about `name`.
    pub(super) fn names(&self, name: &str, mut found: impl FnMut(usize, Truth)) {
        for rule in self.exact.get(name).into_iter().flatten() {
            found(*rule, Truth::True);
        }
        for (pattern, rule) in &self.wild {
            match pattern.fits(name) {
                Truth::False => {}
                fit => found(*rule, fit),
            }
        }
    }

    /// As [`Index::names`], for resource URIs: a URI that servers may read as another one concerns literals too.
    pub(super) fn uris(&self, uri: &str, mut found: impl FnMut(usize, Truth)) {
        if !super::pattern::is_slippery(uri) {
            return self.names(uri, found);
        }
        for (name, rules) in &self.exact {
            let fit = if name == uri { Truth::True } else { Truth::Unknown };
            rules.iter().for_each(|rule| found(*rule, fit));
        }
        for (pattern, rule) in &self.wild {
            found(*rule, pattern.fits_uri(uri));
        }
    }
}
