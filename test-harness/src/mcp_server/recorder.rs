//! Every HTTP request that got past the gate.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::Value;

const LIMIT: usize = 64 << 20;

/// One request as the upstream saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The HTTP method.
    pub method: String,
    /// Path and query, raw.
    pub target: String,
    /// Header names (lower case) and values, in order; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Seen {
    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All values of this header (lower case).
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The body as JSON; null if it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The log of all requests, shared with the server that fills it.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<Seen>>>);

impl Recorder {
    fn log(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything seen so far.
    #[must_use]
    pub fn all(&self) -> Vec<Seen> {
        self.log().clone()
    }

    /// How many requests were seen.
    #[must_use]
    pub fn count(&self) -> usize {
        self.log().len()
    }

    /// The requests that carry `mark` anywhere in target, headers or body.
    ///
    /// Tests that share a gate mark their requests (a JSON-RPC id of their own) and look for the mark.
    #[must_use]
    pub fn with(&self, mark: &str) -> Vec<Seen> {
        let carries = |seen: &Seen| {
            seen.target.contains(mark)
                || seen.headers.iter().any(|(_, value)| value.contains(mark))
                || String::from_utf8_lossy(&seen.body).contains(mark)
        };
        self.log().iter().filter(|seen| carries(seen)).cloned().collect()
    }

    pub(crate) fn record(&self, seen: Seen) {
        self.log().push(seen);
    }

    /// For a server that keeps its own record.
    pub(crate) fn replace(&self, all: Vec<Seen>) {
        *self.log() = all;
    }
}

/// The middleware that fills a [`Recorder`].
///
/// The head is recorded before the body is read: a request that is cut off in the middle was seen, too.
pub(crate) async fn record(State(recorder): State<Recorder>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter();
    let mut seen = Seen {
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: Vec::new(),
    };
    match to_bytes(body, LIMIT).await {
        Ok(body) => {
            seen.body = body.to_vec();
            recorder.record(seen);
            next.run(Request::from_parts(parts, Body::from(body))).await
        }
        Err(_) => {
            recorder.record(seen);
            StatusCode::BAD_REQUEST.into_response()
        }
    }
}
