// SPDX-License-Identifier: Apache-2.0
//! What the issuer knows: its settings, its clients and its keys.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Value, json};

use crate::{
    clock,
    diagnostic::Failure,
    issuer::clients::Clients,
    jws::{self, Object},
    signer::SigningKey,
};

/// More published keys than any real issuer has.
const MAX_KEYS: usize = 1_024;

/// What was set on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The claim `iss`.
    pub(crate) issuer: String,
    /// `aud` where no resource was asked for.
    pub(crate) default_audience: String,
    /// Seconds.
    pub(crate) token_lifetime: i64,
    /// Seconds.
    pub(crate) jwks_max_age: i64,
}

impl Settings {
    /// Refuses an issuer that RFC 8414 section 2 does not allow (`http` is allowed: this is for development).
    pub(crate) fn checked(self) -> Result<Self, Failure> {
        let rest = self.issuer.strip_prefix("https://").or_else(|| self.issuer.strip_prefix("http://"));
        // An absent path counts as a harmless one.
        let (host, path) = rest.map(|rest| rest.split_once('/').unwrap_or((rest, "-"))).unwrap_or_default();
        let plain = |char: char| char.is_ascii_alphanumeric() || "-._~/".contains(char);
        let segments = path.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        let taken = path == "admin" || path.starts_with("admin/") || path.starts_with(".well-known");
        if host.is_empty()
            || host.contains(['?', '#', '@', ' '])
            || !path.chars().all(plain)
            || !segments
            || taken
        {
            return Err(Failure::refused(format!("`{}` cannot be an issuer", self.issuer)).help(
                "write a URL such as `https://idp.example.com/tenant`: no query, fragment or final slash",
            ));
        }
        Ok(self)
    }

    /// The path of the issuer's URL: empty, or with a slash in front.
    pub(crate) fn path(&self) -> &str {
        let rest = self.issuer.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
    }
}

/// A key and when it was made.
#[derive(Clone, Debug)]
struct Published {
    key: Arc<SigningKey>,
    created: i64,
}

/// The development issuer.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(super) settings: Settings,
    pub(super) clients: Clients,
    /// Never empty; the last one signs.
    keys: RwLock<Vec<Published>>,
}

impl Issuer {
    pub(crate) fn new(settings: Settings, clients: Clients, key: SigningKey) -> Self {
        let first = Published { key: Arc::new(key), created: clock::now() };
        Self { settings, clients, keys: RwLock::new(vec![first]) }
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Published>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Published>> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that signs; or the published one of that id.
    pub(super) fn key(&self, kid: Option<&str>) -> Option<Arc<SigningKey>> {
        let keys = self.read();
        let found = match kid {
            None => keys.last(),
            Some(kid) => keys.iter().find(|published| published.key.kid() == kid),
        };
        found.map(|published| Arc::clone(&published.key))
    }

    /// Signs with a new key from now on; the old ones stay published. Nothing where there are too many.
    pub(super) fn rotate(&self, key: SigningKey) -> Option<Arc<SigningKey>> {
        let mut keys = self.write();
        if keys.len() >= MAX_KEYS {
            return None;
        }
        let key = Arc::new(key);
        keys.push(Published { key: Arc::clone(&key), created: clock::now() });
        Some(key)
    }

    /// Drops every key but the one that signs.
    pub(super) fn prune(&self) -> usize {
        let mut keys = self.write();
        let old = keys.len().saturating_sub(1);
        keys.drain(..old).count()
    }

    /// The ids of the published keys; the last one signs.
    pub(super) fn kids(&self) -> Vec<String> {
        self.read().iter().map(|published| published.key.kid().to_owned()).collect()
    }

    /// The public keys, the one that signs first. The member `iat` says when each was made.
    pub(super) fn jwks(&self) -> Value {
        let keys: Vec<Value> = self
            .read()
            .iter()
            .rev()
            .map(|published| {
                let mut jwk = published.key.jwk();
                jwk.insert("iat".to_owned(), json!(published.created));
                Value::Object(jwk)
            })
            .collect();
        json!({ "keys": keys })
    }

    /// The claims that every token has (RFC 9068 section 2.2).
    pub(super) fn claims(&self, subject: &str, client: &str, audience: Value) -> Object {
        let now = clock::now();
        let mut claims = Object::new();
        let mut put = |name: &str, value| claims.insert(name.to_owned(), value);
        put("iss", json!(self.settings.issuer));
        put("sub", json!(subject));
        put("aud", audience);
        put("client_id", json!(client));
        put("iat", json!(now));
        put("nbf", json!(now));
        put("exp", json!(now.saturating_add(self.settings.token_lifetime)));
        put("jti", json!(jws::random_id()));
        put("roles", json!([]));
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(issuer: &str) -> Result<String, Failure> {
        let settings = Settings {
            issuer: issuer.to_owned(),
            default_audience: String::new(),
            token_lifetime: 60,
            jwks_max_age: 60,
        };
        settings.checked().map(|settings| settings.path().to_owned())
    }

    #[test]
    fn an_issuer_is_a_url_without_query_fragment_or_final_slash() {
        assert_eq!(check("http://127.0.0.1:1").unwrap(), "");
        assert_eq!(check("https://idp.example.com/a/b").unwrap(), "/a/b");
        for wrong in [
            "",
            "idp",
            "ftp://a",
            "https://",
            "https://a/",
            "https://a/?x",
            "https://a/{x}",
            "https://a/../b",
            "https://a/admin",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
