// SPDX-License-Identifier: Apache-2.0
//! Which scopes a challenge names: only where a token with more of them would have been let through.

use super::answer::Scene;
use crate::config::{DenialStyle, Requirement, ScopeChallenge};
use crate::identity::Identity;
use crate::oauth::scope::challenge_list;
use crate::policy::{Facts, Permit, Policy, Refused, RoleSet};
use alloc::string::String;

/// Whether a challenge may name scopes here, and which.
fn style(scene: &Scene<'_>) -> ScopeChallenge {
    match scene.server.map(|server| (server.scope_challenge, server.denial)) {
        // A challenge would show that there is something to be had.
        Some((_, DenialStyle::Hidden)) => ScopeChallenge::Off,
        Some((written, DenialStyle::Explicit | DenialStyle::Readable)) => written,
        None => ScopeChallenge::default(),
    }
}

/// The scopes that the policy would have wanted of this caller. `again` asks the policy the same of other roles and
/// facts.
pub(super) fn of_policy(
    scene: &Scene<'_>,
    policy: &Policy,
    identity: &Identity,
    judged: &Result<Permit, Refused>,
    again: &dyn Fn(&RoleSet, &Facts<'_>) -> bool,
) -> Option<String> {
    match judged {
        Ok(_) => None,
        Err(_) => of_refused(scene, policy, identity, again),
    }
}

/// As [`of_policy`], of a caller whom the policy has refused.
#[cold]
pub(super) fn of_refused(
    scene: &Scene<'_>,
    policy: &Policy,
    identity: &Identity,
    again: &dyn Fn(&RoleSet, &Facts<'_>) -> bool,
) -> Option<String> {
    let (token, style) = (identity.token()?, style(scene));
    if style == ScopeChallenge::Off {
        return None;
    }
    let needed = policy.fewest_scopes(&identity.facts(), scene.now, again)?;
    list(style, needed.iter().map(|scope| &**scope), token.scopes())
}

/// The scopes that a requirement names, if the caller's token lacks one of them. `also` names others that the request
/// needs, so that one challenge tells of all.
pub(super) fn of_requirement(
    scene: &Scene<'_>,
    require: &Requirement,
    also: Option<&Requirement>,
    identity: &Identity,
) -> Option<Lacking> {
    let token = identity.token()?;
    if require.scopes.iter().all(|scope| token.scopes().contains(scope)) {
        return None;
    }
    let needed = require.scopes.iter().chain(also.into_iter().flat_map(|also| &also.scopes));
    let list = match style(scene) {
        ScopeChallenge::Off => None,
        style => list(style, needed.map(String::as_str), token.scopes()),
    };
    Some(Lacking(list))
}

/// That a token lacks a scope, with the list for the challenge, where there is to be one.
pub(super) struct Lacking(pub Option<String>);

fn list<'s>(
    style: ScopeChallenge,
    needed: impl Iterator<Item = &'s str>,
    granted: &'s [String],
) -> Option<String> {
    let granted = match style {
        ScopeChallenge::WithGranted => granted,
        ScopeChallenge::Needed | ScopeChallenge::Off => &[],
    };
    challenge_list(needed, granted.iter().map(String::as_str))
}
