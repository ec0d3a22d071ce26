//! A real MCP server, built on the official Rust SDK: both eras on one endpoint, `/mcp`.
//!
//! It serves the tools, prompts and resources that the public MCP conformance suite expects, the tools of
//! the tour, and keeps a record of every HTTP request that reaches it.

mod catalogue;
mod everything;
mod recorder;
mod tools;

use std::net::SocketAddr;

use anyhow::Result;
use axum::{Router, middleware};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use recorder::record;
pub use recorder::{Recorder, Seen};

use crate::serve::Server;
use everything::Everything;

/// A running MCP server; stopped on drop.
#[derive(Debug)]
pub struct McpServer {
    server: Server,
    recorder: Recorder,
    _sessions: DropGuard,
}

impl McpServer {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// If no port can be bound.
    pub fn start() -> Result<Self> {
        let cancellation = CancellationToken::new();
        let config = StreamableHttpServerConfig::default()
            // The gate checks the host; behind it the server is asked by the name that the client used.
            .with_allowed_hosts(Vec::<String>::new())
            .with_max_request_body_bytes(16 << 20)
            .with_cancellation_token(cancellation.child_token());
        let service: StreamableHttpService<Everything, LocalSessionManager> =
            StreamableHttpService::new(|| Ok(Everything), Default::default(), config);
        let recorder = Recorder::default();
        let router = Router::new()
            .nest_service("/mcp", service)
            .layer(middleware::from_fn_with_state(recorder.clone(), record));
        let server = Server::axum(router)?;
        Ok(Self { server, recorder, _sessions: cancellation.drop_guard() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What reached it.
    #[must_use]
    pub fn seen(&self) -> &Recorder {
        &self.recorder
    }
}
