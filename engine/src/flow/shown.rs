// SPDX-License-Identifier: Apache-2.0
//! Which one credential a request shows in its headers.

use super::auth::Caller;
use super::edit::Edit;
use super::front::Front;
use crate::apikey::KeySetRules;
use crate::config::Config;
use crate::deny::Auth;
use crate::token::{CredentialError, Presented, Unread, present};
use alloc::vec::Vec;

/// A credential as it was shown; nothing is proven yet.
pub(super) enum Shown<'h> {
    Nothing,
    Token(Unread<'h>),
    /// What should be a key of one of these sets, which are shown alike.
    Key(&'h [u8], Vec<usize>),
}

/// Reads the credential of a request. The headers and prefixes of API keys mean something only where their set is
/// accepted; so does the scheme `DPoP` where proofs are.
pub(super) fn shown<'h>(config: &Config, front: &Front<'h>, caller: &Caller<'_>) -> Result<Shown<'h>, Auth> {
    let malformed = |error: CredentialError| match error {
        CredentialError::UnsupportedScheme => Auth::OtherScheme(error.label()),
        CredentialError::Several
        | CredentialError::Malformed
        | CredentialError::TooLarge
        | CredentialError::InQuery => Auth::Malformed(error.label()),
    };
    let target = front.target.as_bytes();
    let presented = present(front.authorization.iter().flatten().copied(), target, config.limits.token);
    let presented = presented.map_err(malformed)?;
    if !caller.credentials.api_keys.is_empty() {
        return with_keys(config, front, caller, presented).map_err(malformed);
    }
    by_scheme(presented, caller).map_err(malformed)
}

/// Where no keys are accepted.
fn by_scheme<'h>(presented: Presented<'h>, caller: &Caller<'_>) -> Result<Shown<'h>, CredentialError> {
    match presented {
        Presented::None => Ok(Shown::Nothing),
        Presented::Bearer(token) => Ok(Shown::Token(token)),
        Presented::Dpop(token) if caller.dpop.is_some() => Ok(Shown::Token(token)),
        Presented::Dpop(_) => Err(CredentialError::UnsupportedScheme),
    }
}

#[inline(never)]
fn with_keys<'h>(
    config: &Config,
    front: &Front<'h>,
    caller: &Caller<'_>,
    presented: Presented<'h>,
) -> Result<Shown<'h>, CredentialError> {
    let ours = caller
        .credentials
        .api_keys
        .iter()
        .filter_map(|set| config.api_keys.sets.get(*set).map(|rules| (*set, rules)));
    let mut carried = front.fields.iter().filter(|(name, _)| ours.clone().any(|(_, rules)| is(name, rules)));
    match (presented, carried.next(), carried.next()) {
        (Presented::None, Some((name, value)), None) => {
            // Sets that share a header are told apart by their prefix, else by the id in the key.
            let here = ours.filter(|(_, rules)| is(name, rules));
            Ok(Shown::Key(
                value,
                here.filter(|(_, rules)| begins(value, rules)).map(|(set, _)| set).collect(),
            ))
        }
        (Presented::None | Presented::Bearer(_) | Presented::Dpop(_), Some(_), _) => {
            Err(CredentialError::Several)
        }
        (Presented::Bearer(token), None, _) => {
            let text = token.bytes();
            let sets: Vec<usize> =
                ours.filter(|(_, rules)| begins(text, rules)).map(|(set, _)| set).collect();
            Ok(if sets.is_empty() { Shown::Token(token) } else { Shown::Key(text, sets) })
        }
        (Presented::None | Presented::Dpop(_), None, _) => by_scheme(presented, caller),
    }
}

fn is(name: &[u8], rules: &KeySetRules) -> bool {
    name.eq_ignore_ascii_case(rules.header.as_bytes())
}

/// Whether a text begins as the keys of a set do. A token in three parts has dots; a key has none.
fn begins(text: &[u8], rules: &KeySetRules) -> bool {
    let rest = text.strip_prefix(rules.prefix.as_bytes());
    rest.is_some_and(|rest| rest.starts_with(b"_")) && !text.contains(&b'.')
}

/// Takes the headers that carry keys out of what goes upstream: a key is for the gate.
pub(super) fn withhold(edits: &mut Vec<Edit>, config: &Config, front: &Front<'_>, sets: &[usize]) {
    for rules in sets.iter().filter_map(|set| config.api_keys.sets.get(*set)) {
        if front.fields.iter().any(|(name, _)| is(name, rules)) {
            edits.push(Edit::remove(rules.header.as_bytes().to_vec()));
        }
    }
}
