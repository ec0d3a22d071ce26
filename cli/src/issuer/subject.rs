// SPDX-License-Identifier: Apache-2.0
//! For whom a token speaks, and what it was given for.

use serde_json::{Value, json};

use crate::{issuer::form::Refusal, jws::Object};

/// Somebody or something that tokens speak for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Subject {
    /// The claim `sub`.
    pub(super) name: String,
    /// The claim `roles`.
    pub(super) roles: Vec<String>,
    /// Further claims.
    pub(super) claims: Object,
}

/// What a token, or a family of tokens, is given for.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) client: String,
    pub(super) subject: Subject,
    /// The granted scopes; none were asked for where there is nothing.
    pub(super) scope: Option<String>,
    /// What was named by `resource` (RFC 8707); the default audience where it is empty.
    pub(super) resources: Vec<String>,
    /// The thumbprint of the key that must come with the token (RFC 9449).
    pub(super) key: Option<String>,
}

impl Terms {
    /// The same for less: a scope and resources that were granted before (RFC 6749 section 6, RFC 8707 section 2.2).
    pub(super) fn narrowed(&self, scope: Option<&str>, resources: &[String]) -> Result<Self, Refusal> {
        let mut terms = self.clone();
        if let Some(scope) = scope {
            let granted: Vec<&str> = self.scope.iter().flat_map(|scope| scope.split(' ')).collect();
            if !scope.split(' ').all(|scope| granted.contains(&scope)) {
                return Err(Refusal::new("invalid_scope", "a scope that was not granted"));
            }
            terms.scope = Some(scope.to_owned());
        }
        if !resources.is_empty() {
            if !resources.iter().all(|resource| self.resources.contains(resource)) {
                return Err(Refusal::new("invalid_target", "a resource that was not granted"));
            }
            terms.resources = resources.to_vec();
        }
        Ok(terms)
    }

    /// The claim `aud`.
    pub(super) fn audience(&self, default: &str) -> Value {
        match self.resources.as_slice() {
            [] => json!(default),
            [one] => json!(one),
            several => json!(several),
        }
    }
}

/// The scopes that were asked for, if a client limited to `allowed` may have them.
pub(super) fn scope(allowed: Option<&[String]>, asked: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(asked) = asked else { return Ok(None) };
    // RFC 6749 section 3.3.
    let token = |char: char| matches!(char, '\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
    for scope in asked.split(' ') {
        let known = allowed.is_none_or(|allowed| allowed.iter().any(|known| known == scope));
        if scope.is_empty() || !scope.chars().all(token) || !known {
            return Err(Refusal::new("invalid_scope", "a scope that this client may not ask for"));
        }
    }
    Ok(Some(asked.to_owned()))
}

/// Most values of `resource` in one request.
const MOST_RESOURCES: usize = 16;

/// Refuses what is not an absolute URI without a fragment (RFC 8707 section 2).
pub(super) fn resources(named: &[String]) -> Result<Vec<String>, Refusal> {
    let absolute = |resource: &String| {
        let (scheme, rest) = resource.split_once(':').unwrap_or_default();
        let scheme_fits = scheme.starts_with(|char: char| char.is_ascii_alphabetic())
            && scheme.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char));
        scheme_fits && !rest.is_empty() && !resource.contains(['#', ' ']) && resource.is_ascii()
    };
    if named.len() > MOST_RESOURCES || !named.iter().all(absolute) {
        return Err(Refusal::new("invalid_target", "resource must be an absolute URI without a fragment"));
    }
    Ok(named.to_vec())
}
