//! A server of one text, under an entity tag: what a policy bundle is fetched from.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::serve::Server;

#[derive(Debug, Default)]
struct Shared {
    text: Mutex<Option<String>>,
    sent: AtomicU64,
    confirmed: AtomicU64,
}

/// A running shelf; stopped on drop.
#[derive(Debug)]
pub struct Shelf {
    server: Server,
    shared: Arc<Shared>,
}

impl Shelf {
    /// Starts it empty, on a free port: it answers 503 on every path.
    ///
    /// # Errors
    /// If no port can be bound.
    pub fn start() -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        Ok(Self { server: Server::axum(router)?, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves this from now on; nothing is 503.
    pub fn put(&self, text: Option<&str>) {
        *self.shared.text.lock().unwrap_or_else(PoisonError::into_inner) = text.map(str::to_owned);
    }

    /// How often the text was sent, and how often its tag was confirmed.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.shared.sent.load(Ordering::SeqCst), self.shared.confirmed.load(Ordering::SeqCst))
    }
}

/// A tag that differs with the text: FNV-1a.
fn tag(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("\"{:x}\"", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let text = shared.text.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(text) = text else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let tag = tag(&text);
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    if known {
        shared.confirmed.fetch_add(1, Ordering::SeqCst);
        return StatusCode::NOT_MODIFIED.into_response();
    }
    shared.sent.fetch_add(1, Ordering::SeqCst);
    ([(header::ETAG, tag)], text).into_response()
}
