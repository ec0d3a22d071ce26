// SPDX-License-Identifier: Apache-2.0
//! Refresh tokens: each is used once, and all that came out of one login end together.
//!
//! A refresh token names its family and carries the secret of its turn. Only the secret of the current turn is held,
//! so any other one is an older turn used again: the family and its access tokens end (RFC 9700 section 4.14.2).

use crate::issuer::{
    access::Issued,
    form::Refusal,
    secret::{self, Secret},
    state::Grants,
    subject::Terms,
};

/// Refresh tokens look like nothing else, so nobody takes one for an access token.
const PREFIX: &str = "tgr_";
/// Access tokens of a family that are remembered, to be ended with it.
const REMEMBERED: usize = 64;

/// All that came out of one login.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) terms: Terms,
    current: Secret,
    /// Its access tokens: `jti` and `exp`.
    tokens: Vec<(String, i64)>,
}

/// What a refresh token turned out to be.
#[derive(Debug)]
pub(super) enum Turn {
    /// The current one of this family.
    Current(String, Terms),
    /// One that was used before, or is another client's: the family has ended.
    Ended,
    /// Nobody's.
    Unknown,
}

fn split(token: &str) -> Option<(&str, &str)> {
    token.strip_prefix(PREFIX)?.split_once('.')
}

impl Grants {
    /// Founds a family and gives its first refresh token and its id.
    pub(super) fn found(
        &mut self,
        terms: Terms,
        first: &Issued,
        until: i64,
        now: i64,
    ) -> Result<(String, String), Refusal> {
        let (id, turn) = (secret::random(""), secret::random(""));
        let tokens = vec![(first.id.clone(), first.until)];
        let family = Family { terms, current: Secret::of(&turn), tokens };
        self.families.insert(id.clone(), family, until, now).map_err(|_| Refusal::full())?;
        Ok((format!("{PREFIX}{id}.{turn}"), id))
    }

    /// Looks at a refresh token without using it; one that must not be there ends its family.
    pub(super) fn turn(&mut self, token: &str, client: &str, now: i64) -> Turn {
        let Some((id, turn)) = split(token) else { return Turn::Unknown };
        let Some(family) = self.families.get(id, now) else { return Turn::Unknown };
        if family.terms.client == client && family.current.is(turn) {
            return Turn::Current(id.to_owned(), family.terms.clone());
        }
        self.end_family(id, now);
        Turn::Ended
    }

    /// Uses the current refresh token up, notes the access token it gave and gives the next one.
    pub(super) fn renew(&mut self, id: &str, issued: &Issued, now: i64) -> Option<String> {
        let family = self.families.get_mut(id, now)?;
        let turn = secret::random("");
        family.current = Secret::of(&turn);
        family.tokens.retain(|(_, until)| *until > now);
        if family.tokens.len() >= REMEMBERED {
            // More live tokens than any honest client has: the oldest one is ended instead of remembered.
            let (oldest, until) = family.tokens.remove(0);
            // Where there is no room it lives on until it expires.
            let _ = self.ended.insert(oldest, (), until, now);
        }
        let family = self.families.get_mut(id, now)?;
        family.tokens.push((issued.id.clone(), issued.until));
        Some(format!("{PREFIX}{id}.{turn}"))
    }

    /// Ends a family and its access tokens. Whether there was one.
    pub(super) fn end_family(&mut self, id: &str, now: i64) -> bool {
        let Some(family) = self.families.remove(id, now) else { return false };
        self.end_tokens(family, now);
        true
    }

    /// Ends all families of a subject; how many there were.
    pub(super) fn end_families_of(&mut self, subject: &str, now: i64) -> usize {
        let families = self.families.take(now, |family| family.terms.subject.name == subject);
        let count = families.len();
        for family in families {
            self.end_tokens(family, now);
        }
        count
    }

    fn end_tokens(&mut self, family: Family, now: i64) {
        for (id, until) in family.tokens.into_iter().filter(|(_, until)| *until > now) {
            // Where there is no room the token lives on until it expires; it cannot be renewed.
            let _ = self.ended.insert(id, (), until, now);
        }
    }

    /// The id of the family of a refresh token of this client, whatever its turn.
    pub(super) fn family_of(&self, token: &str, client: &str, now: i64) -> Option<String> {
        let (id, _) = split(token)?;
        let family = self.families.get(id, now)?;
        (family.terms.client == client).then(|| id.to_owned())
    }
}
