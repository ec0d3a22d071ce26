// SPDX-License-Identifier: Apache-2.0
//! The keys that sign, and those that did.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Value, json};

use crate::{clock, signer::SigningKey};

/// More published keys than any real issuer has.
const MAX_KEYS: usize = 1_024;

/// A key and when it was made.
#[derive(Clone, Debug)]
struct Published {
    key: Arc<SigningKey>,
    created: i64,
}

/// The published keys: never empty; the last one signs.
#[derive(Debug)]
pub(super) struct Keyring(RwLock<Vec<Published>>);

impl Keyring {
    pub(super) fn new(key: SigningKey) -> Self {
        Self(RwLock::new(vec![Published { key: Arc::new(key), created: clock::now() }]))
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Published>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Published>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
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

    /// Seconds since the key that signs was made.
    pub(super) fn age(&self, now: i64) -> i64 {
        self.read().last().map_or(0, |published| now.saturating_sub(published.created))
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
}
