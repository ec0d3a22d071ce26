//! Audit records as a stranger reads them: the chain is checked here by another implementation than the gate's.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::net::SocketAddr;

use crate::serve::Server;

/// A collector of batches, which can be told to fail.
#[derive(Debug)]
pub struct Collector {
    server: Server,
    taken: Arc<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    lines: Mutex<Vec<String>>,
    status: AtomicU16,
}

impl Collector {
    /// One that takes everything.
    ///
    /// # Errors
    /// If no port can be bound.
    pub fn start() -> Result<Self> {
        let taken = Arc::new(Taken::default());
        taken.status.store(200, Ordering::SeqCst);
        let router = Router::new().route("/audit", post(take)).with_state(taken.clone());
        Ok(Self { server: Server::axum(router)?, taken })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What it answers from now on; batches count as taken under 200 only.
    pub fn answer_with(&self, status: u16) {
        self.taken.status.store(status, Ordering::SeqCst);
    }

    /// The lines it took, in their order.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.taken.lines.lock().map(|lines| lines.clone()).unwrap_or_default()
    }
}

async fn take(State(taken): State<Arc<Taken>>, body: Bytes) -> StatusCode {
    let status = taken.status.load(Ordering::SeqCst);
    if status == 200
        && let Ok(mut lines) = taken.lines.lock()
    {
        lines.extend(String::from_utf8_lossy(&body).lines().map(ToOwned::to_owned));
    }
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The records in the lines of a log, in their order.
#[must_use]
pub fn records_in(log: &str) -> Vec<String> {
    log.lines().filter_map(|line| Some(line[line.find("{\"v\":1,\"stream\":\"")?..].to_owned())).collect()
}

/// Streams by id, each with its records in the order in which they stand, every one checked: numbers without a gap,
/// each bound to the one before, sealed under `key`.
///
/// # Errors
/// The first record that is not as it was written.
pub fn verified(lines: &[String], key: &str) -> Result<BTreeMap<String, Vec<Value>>> {
    let mut streams: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in lines {
        let record: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let earlier = streams.entry(text("stream")).or_default();
        let due = earlier.len() + 1;
        ensure!(record["seq"] == due, "{due} was due: {line}");
        let before = earlier.last().map_or_else(
            || BASE64_URL_SAFE_NO_PAD.encode([0; 32]),
            |last| last["mac"].as_str().unwrap_or_default().to_owned(),
        );
        ensure!(text("prev") == before, "it does not follow: {line}");
        let (sealed, _) = line.rsplit_once(",\"mac\":\"").context("no seal")?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())?;
        mac.update(sealed.as_bytes());
        ensure!(text("mac") == BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()), "changed: {line}");
        ensure!((due == 1) == (record["kind"] == "start"), "a stream begins with `start`: {line}");
        earlier.push(record);
    }
    Ok(streams)
}
