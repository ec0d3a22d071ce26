//! An introspection endpoint (RFC 7662) that answers as it was told.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::Value;
use tokio::sync::watch;

use crate::serve::Server;

/// `Basic` of the client `gate` with the secret of the harness's gates.
const GATE: &str = "Basic Z2F0ZTphbi1lbmQtdG8tZW5kLXRlc3Qta2V5LW9mLTMyLWJ5dGVzLW9yLW1vcmU=";

#[derive(Debug)]
struct Shared {
    answers: Mutex<HashMap<String, (StatusCode, String)>>,
    asked: Mutex<Vec<String>>,
    held: watch::Sender<bool>,
}

/// A running endpoint; stopped on drop.
#[derive(Debug)]
pub struct Introspector {
    server: Server,
    shared: Arc<Shared>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Introspector {
    /// Starts it; it knows no token.
    ///
    /// # Errors
    /// If no port can be bound.
    pub fn start() -> Result<Self> {
        let shared = Arc::new(Shared {
            answers: Mutex::default(),
            asked: Mutex::default(),
            held: watch::Sender::new(false),
        });
        let router = Router::new().route("/introspect", post(introspect)).with_state(Arc::clone(&shared));
        Ok(Self { server: Server::axum(router)?, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Says this of a token from now on.
    pub fn says(&self, token: &str, answer: &Value) {
        self.says_raw(token, StatusCode::OK, &answer.to_string());
    }

    /// The same, whatever it is.
    pub fn says_raw(&self, token: &str, status: StatusCode, body: &str) {
        lock(&self.shared.answers).insert(token.to_owned(), (status, body.to_owned()));
    }

    /// How often it was asked about a token.
    #[must_use]
    pub fn asked(&self, token: &str) -> usize {
        lock(&self.shared.asked).iter().filter(|asked| *asked == token).count()
    }

    /// Keeps every answer back until [`Self::release`].
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Lets the answers go.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }
}

/// A field of a form.
fn field(form: &str, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(&format!("http://form/?{form}")).ok()?;
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

async fn introspect(State(shared): State<Arc<Shared>>, headers: HeaderMap, form: String) -> Response {
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value != GATE) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let token = field(&form, "token").unwrap_or_default();
    lock(&shared.asked).push(token.clone());
    let mut held = shared.held.subscribe();
    // Fails only when the sender is gone, and `shared` holds it.
    held.wait_for(|held| !held).await.ok();
    drop(held);
    let known = lock(&shared.answers).get(&token).cloned();
    let (status, body) = known.unwrap_or_else(|| (StatusCode::OK, r#"{"active":false}"#.to_owned()));
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
