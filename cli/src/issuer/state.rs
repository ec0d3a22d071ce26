// SPDX-License-Identifier: Apache-2.0
//! What the issuer knows: its settings, clients, users, keys and grants. All in memory, all bounded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::{
    clock,
    issuer::{
        authorize::Asked,
        client::Client,
        clients::{Clients, Known},
        code::Code,
        documents::Library,
        dpop::Proofs,
        enrol::Enrolment,
        family::Family,
        form::Refusal,
        keyring::Keyring,
        metrics::{Event, Metrics},
        secret::Secret,
        settings::Settings,
        store::Store,
        throttle::Throttle,
        users::Users,
    },
    jws::Object,
    signer::SigningKey,
};

/// Passwords that are hashed at once: each takes 19 MiB or what its hash says, and a thread.
const HASHED_AT_ONCE: usize = 4;

/// What was granted and to whom. Secrets are held as digests.
#[derive(Debug)]
pub(super) struct Grants {
    /// Login pages that were shown.
    pub(super) transactions: Store<Secret, Asked>,
    pub(super) codes: Store<Secret, Code>,
    pub(super) families: Store<String, Family>,
    /// The claims of opaque access tokens.
    pub(super) opaque: Store<Secret, Object>,
    /// Ended access tokens by `jti`, until they would have expired.
    pub(super) ended: Store<String, ()>,
    /// Subjects whose tokens from before a time are ended.
    pub(super) stopped: Store<String, i64>,
    pub(super) enrolments: Store<Secret, Enrolment>,
    /// Clients that registered themselves.
    pub(super) registered: Store<String, Arc<Client>>,
    /// Clients that enrolled.
    pub(super) nodes: Store<String, Arc<Client>>,
}

impl Grants {
    fn new() -> Self {
        Self {
            transactions: Store::new(4_096),
            codes: Store::new(4_096),
            families: Store::new(20_000),
            opaque: Store::new(50_000),
            ended: Store::new(40_000),
            stopped: Store::new(10_000),
            enrolments: Store::new(1_024),
            registered: Store::new(1_024),
            nodes: Store::new(10_000),
        }
    }

    fn sizes(&self) -> [(&'static str, usize); 9] {
        [
            ("transactions", self.transactions.len()),
            ("codes", self.codes.len()),
            ("families", self.families.len()),
            ("opaque", self.opaque.len()),
            ("ended", self.ended.len()),
            ("stopped", self.stopped.len()),
            ("enrolments", self.enrolments.len()),
            ("registered", self.registered.len()),
            ("nodes", self.nodes.len()),
        ]
    }
}

/// The development issuer.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(super) settings: Settings,
    pub(super) clients: Clients,
    pub(super) users: Users,
    pub(super) keys: Keyring,
    pub(super) throttle: Throttle,
    pub(super) hashing: Arc<Semaphore>,
    pub(super) metrics: Metrics,
    pub(super) proofs: Proofs,
    pub(super) library: Library,
    grants: Mutex<Grants>,
}

impl Issuer {
    pub(crate) fn new(settings: Settings, known: Known, key: SigningKey) -> Self {
        Self {
            library: Library::new(settings.documents),
            proofs: Proofs::new(settings.nonce),
            settings,
            clients: known.clients,
            users: known.users,
            keys: Keyring::new(key),
            throttle: Throttle::new(),
            hashing: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            metrics: Metrics::default(),
            grants: Mutex::new(Grants::new()),
        }
    }

    pub(super) fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this user may be logged in without a password.
    pub(crate) fn knows(&self, user: &str) -> bool {
        self.users.named(user).is_some()
    }

    /// The URL of an endpoint.
    pub(super) fn url(&self, endpoint: &str) -> String {
        format!("{}/{endpoint}", self.settings.issuer)
    }

    /// The client of that id, wherever it came from.
    pub(super) async fn client(&self, id: &str) -> Result<Option<Arc<Client>>, Refusal> {
        if let Some(client) = self.clients.get(id) {
            return Ok(Some(client));
        }
        let now = clock::now();
        let held = {
            let grants = self.grants();
            grants.registered.get(id, now).or_else(|| grants.nodes.get(id, now)).cloned()
        };
        match held {
            Some(client) => Ok(Some(client)),
            None => self.library.client(id, &self.metrics).await,
        }
    }

    pub(super) fn count(&self, event: Event) {
        self.metrics.count(event);
    }

    /// What `/metrics` shows.
    pub(super) fn metrics(&self) -> String {
        let mut gauges = vec![
            ("toolgate_issuer_key_age_seconds", String::new(), self.keys.age(clock::now())),
            ("toolgate_issuer_keys", String::new(), count(self.keys.kids().len())),
        ];
        let sizes = self.grants().sizes();
        gauges.extend(
            sizes.map(|(store, held)| ("toolgate_issuer_entries", format!("store=\"{store}\""), count(held))),
        );
        self.metrics.text(&gauges)
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
