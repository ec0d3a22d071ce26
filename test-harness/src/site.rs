//! A web site whose pages behave as they are told: what feeds are fetched from.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use crate::serve::Server;

/// How a page answers.
#[derive(Clone, Debug)]
pub enum Page {
    /// With these bytes and an entity tag; with 304 to whoever shows the tag.
    Bytes(Vec<u8>),
    /// With this status and a word.
    Status(StatusCode),
    /// With 302 to there.
    Redirect(String),
    /// Never.
    Silence,
}

/// How often a page was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// In all.
    pub times: u64,
    /// With a tag that was still right.
    pub unchanged: u64,
}

#[derive(Debug, Default)]
struct Shared {
    pages: Mutex<BTreeMap<String, Page>>,
    asked: Mutex<BTreeMap<String, Asked>>,
}

/// A running site; stopped on drop.
#[derive(Debug)]
pub struct Site {
    server: Server,
    shared: Arc<Shared>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Site {
    /// Starts it without pages: 404 everywhere.
    ///
    /// # Errors
    /// If no port can be bound.
    pub fn start() -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(page).with_state(Arc::clone(&shared));
        Ok(Self { server: Server::axum(router)?, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The URL of `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// From now on `path` answers so.
    pub fn put(&self, path: &str, page: Page) {
        lock(&self.shared.pages).insert(path.to_owned(), page);
    }

    /// From now on `path` answers with this JSON.
    pub fn json(&self, path: &str, document: &Value) {
        self.put(path, Page::Bytes(document.to_string().into_bytes()));
    }

    /// How often `path` was asked for, whether there was a page or not.
    #[must_use]
    pub fn asked(&self, path: &str) -> Asked {
        lock(&self.shared.asked).get(path).copied().unwrap_or_default()
    }
}

async fn page(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let page = lock(&shared.pages).get(uri.path()).cloned();
    let note = |unchanged: u64| {
        let mut asked = lock(&shared.asked);
        let asked = asked.entry(uri.path().to_owned()).or_default();
        *asked = Asked { times: asked.times + 1, unchanged: asked.unchanged + unchanged };
    };
    let known = headers.get(header::IF_NONE_MATCH).map(|tag| tag.as_bytes().to_vec());
    match page {
        Some(Page::Bytes(bytes)) => {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            let tag = format!("\"{:x}\"", hasher.finish());
            let same = known.as_deref() == Some(tag.as_bytes());
            note(u64::from(same));
            let tagged = [(header::ETAG, tag)];
            if same {
                return (StatusCode::NOT_MODIFIED, tagged).into_response();
            }
            (tagged, bytes).into_response()
        }
        other => {
            note(0);
            match other {
                Some(Page::Status(status)) => (status, "as told").into_response(),
                Some(Page::Redirect(location)) => {
                    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
                }
                Some(Page::Silence) => std::future::pending().await,
                Some(Page::Bytes(_)) | None => StatusCode::NOT_FOUND.into_response(),
            }
        }
    }
}
