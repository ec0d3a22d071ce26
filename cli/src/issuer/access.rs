// SPDX-License-Identifier: Apache-2.0
//! Access tokens: given out, recognised, ended.

use serde_json::json;
use toolgate_engine::{
    keys::{Alg, Family, KeySet, Keys, Software},
    time::UnixTime,
    token::{BearerToken, ClaimPath, DEFAULT_MAX_TOKEN_BYTES, IssuerRules, TypMode, Unverified},
};

use crate::{
    clock,
    issuer::{
        form::Refusal,
        metrics::Event,
        secret::{self, Secret},
        settings::TokenFormat,
        state::{Grants, Issuer},
        subject::Terms,
    },
    jws::{self, Object},
};

/// An access token that was just made.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) token: String,
    pub(super) id: String,
    pub(super) until: i64,
}

impl Issuer {
    /// The claims that every token has (RFC 9068 section 2.2).
    pub(super) fn claims(&self, subject: &str, client: &str, audience: serde_json::Value) -> Object {
        let now = clock::now();
        // After a logout in this very second a new token counts from the next one: else it would be ended, too.
        let from = self.grants().stopped.get(subject, now).copied().unwrap_or(now).max(now);
        let mut claims = Object::new();
        let mut put = |name: &str, value| claims.insert(name.to_owned(), value);
        put("iss", json!(self.settings.issuer));
        put("sub", json!(subject));
        put("aud", audience);
        put("client_id", json!(client));
        put("iat", json!(from));
        put("nbf", json!(from));
        put("exp", json!(now.saturating_add(self.settings.token_lifetime)));
        put("jti", json!(jws::random_id()));
        put("roles", json!([]));
        claims
    }

    /// Makes an access token.
    pub(super) fn issue(&self, terms: &Terms, grant: &'static str) -> Result<Issued, Refusal> {
        let audience = terms.audience(&self.settings.default_audience);
        let mut claims = self.claims(&terms.subject.name, &terms.client, audience);
        claims.insert("roles".to_owned(), json!(terms.subject.roles));
        claims.extend(terms.subject.claims.clone());
        if let Some(scope) = &terms.scope {
            claims.insert("scope".to_owned(), json!(scope));
        }
        if let Some(key) = &terms.key {
            claims.insert("cnf".to_owned(), json!({ "jkt": key }));
        }
        let id = text(&claims, "jti").to_owned();
        let until = number(&claims, "exp");
        let (token, algorithm) = match self.settings.token_format {
            TokenFormat::Jwt => {
                let Some(key) = self.keys.key(None) else { return Err(Refusal::full()) };
                (jws::sign(&key, &jws::access_token_header(&key), &claims), key.algorithm().name())
            }
            TokenFormat::Opaque => {
                let token = secret::random("tga_");
                let kept = self.grants().opaque.insert(Secret::of(&token), claims, until, clock::now());
                kept.map_err(|_| Refusal::full())?;
                (token, "none")
            }
        };
        self.count(Event::Token { grant, algorithm });
        Ok(Issued { token, id, until })
    }

    /// The claims of an access token of ours that is still good; for whom it is does not matter.
    pub(super) fn recognised(&self, token: &str) -> Option<Object> {
        let now = clock::now();
        let opaque = self.grants().opaque.get(&Secret::of(token), now).cloned();
        let claims = opaque.or_else(|| self.verified(token, now))?;
        let grants = self.grants();
        let ended = grants.ended.get(text(&claims, "jti"), now).is_some();
        let stopped = grants.stopped.get(text(&claims, "sub"), now);
        let stopped = stopped.is_some_and(|from| number(&claims, "iat") < *from);
        (!ended && !stopped).then_some(claims)
    }

    /// Verified by the engine, as the gate does it.
    fn verified(&self, token: &str, now: i64) -> Option<Object> {
        let claims = jws::peek(token).ok()?.claims;
        let audiences = match claims.get("aud")? {
            serde_json::Value::String(one) => vec![one.clone()],
            several => serde_json::from_value(several.clone()).ok()?,
        };
        let paths = |name: &str| ClaimPath::parse(name).into_iter().collect();
        let rules = IssuerRules {
            index: 0,
            issuer: self.settings.issuer.clone(),
            audiences,
            algorithms: asymmetric().collect(),
            leeway_secs: 1,
            typ: TypMode::Strict,
            max_lifetime_secs: None,
            max_age_secs: None,
            roles: paths("roles"),
            scopes: paths("scope"),
            groups: paths("groups"),
            clients: Vec::new(),
            required_claims: Vec::new(),
            scope_hierarchy: toolgate_engine::oauth::scope::Hierarchy::default(),
        };
        let keys = KeySet::parse(self.keys.jwks().to_string().as_bytes()).ok().map(Keys::from)?;
        let now = UnixTime::from_secs(u64::try_from(now).ok()?);
        let token = BearerToken::new(token.as_bytes(), DEFAULT_MAX_TOKEN_BYTES).ok()?;
        let verified = Unverified::parse(token).ok().map(|token| token.verify(&rules, &keys, &Software, now));
        matches!(verified, Some(Ok(_))).then_some(claims)
    }
}

impl Grants {
    /// Ends one access token.
    pub(super) fn end_token(&mut self, id: &str, until: i64, now: i64) -> Result<(), Refusal> {
        self.ended.insert(id.to_owned(), (), until, now).map_err(|_| Refusal::full())
    }
}

/// The algorithms that have a public key.
pub(super) fn asymmetric() -> impl Iterator<Item = Alg> {
    Alg::ALL.into_iter().filter(|algorithm| algorithm.family() != Family::Secret)
}

/// A claim that is text; empty where it is not.
pub(super) fn text<'c>(claims: &'c Object, name: &str) -> &'c str {
    claims.get(name).and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// A claim that is a whole number; 0 where it is not.
pub(super) fn number(claims: &Object, name: &str) -> i64 {
    claims.get(name).and_then(serde_json::Value::as_i64).unwrap_or_default()
}
