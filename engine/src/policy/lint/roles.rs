// SPDX-License-Identifier: Apache-2.0
//! Roles, permissions and grants that reach nobody.

use super::{LintKind, Look, below, key};
use crate::json::Segment;
use crate::policy::date;
use crate::suggest::did_you_mean;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Look<'_> {
    /// Roles that no binding gives, directly or through inheritance; permissions that no role and no grant has.
    pub(super) fn roles(&mut self) {
        let wire = self.wire;
        let mut open: Vec<&str> = wire.bindings.iter().map(|binding| binding.role.as_str()).collect();
        open.extend(self.catalogue.anonymous);
        let mut reached = BTreeSet::new();
        while let Some(name) = open.pop() {
            if reached.insert(name) {
                open.extend(
                    wire.roles.get(name).into_iter().flat_map(|role| &role.inherits).map(String::as_str),
                );
            }
        }
        for name in wire.roles.keys().filter(|name| !reached.contains(name.as_str())) {
            let message = format!("nobody can hold the role `{name}`");
            let help = Some("add a binding for it, or take it out".to_string());
            self.add(LintKind::UnusedRole, &[key("roles"), key(name)], message, help);
        }
        let of_roles = wire.roles.values().flat_map(|role| &role.permissions);
        let of_grants = wire.grants.iter().flat_map(|grant| &grant.permissions);
        let used: BTreeSet<&String> = of_roles.chain(of_grants).collect();
        for name in wire.permissions.keys().filter(|name| !used.contains(name)) {
            let message = format!("no role and no grant has the permission `{name}`");
            self.add(LintKind::UnusedPermission, &[key("permissions"), key(name)], message, None);
        }
    }

    /// Bindings and grants that are over, and grants whose subject is not clear.
    pub(super) fn people(&mut self) {
        let bindings = self.wire.bindings.iter().enumerate().map(|(at, own)| ("bindings", at, &own.until));
        let grants = self.wire.grants.iter().enumerate().map(|(at, own)| ("grants", at, &own.until));
        for (word, at, until) in bindings.chain(grants) {
            let until = until.as_deref().and_then(date::parse);
            if until.is_some_and(|until| self.catalogue.now.is_some_and(|now| until <= now)) {
                let path = [key(word), Segment::Index(at), key("until")];
                let help = Some("take it out".to_string());
                self.add(LintKind::Ended, &path, "this has ended".to_string(), help);
            }
        }
        let Some(issuers) = self.catalogue.issuers else { return };
        for (at, grant) in self.wire.grants.iter().enumerate() {
            let path = [key("grants"), Segment::Index(at)];
            match &grant.issuer {
                None if issuers.len() > 1 => {
                    let message = format!("every issuer's `{}` is meant", grant.subject);
                    let help = Some("add `issuer`".to_string());
                    self.add(LintKind::UnclearSubject, &below(&path, &[key("subject")]), message, help);
                }
                Some(issuer) if !issuers.contains(&issuer.as_str()) => {
                    let help = did_you_mean(issuer, issuers.iter().copied());
                    let message = format!("no issuer is called `{issuer}`");
                    self.add(LintKind::UnclearSubject, &below(&path, &[key("issuer")]), message, help);
                }
                None | Some(_) => {}
            }
        }
    }
}
