//! A server of the official TypeScript SDK that keeps a record of what reaches it: `node/server.mjs`.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{
    envoy::http,
    foreign,
    mcp_server::{Recorder, Seen},
    process::Process,
};

/// A running server; ended on drop.
#[derive(Debug)]
pub struct TypescriptServer {
    _process: Process,
    ports: Ports,
    seen: Recorder,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Ports {
    port: u16,
    seen: u16,
}

/// A request as Node tells it: each char of the body is a byte.
#[derive(Deserialize)]
struct Told {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl TypescriptServer {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// If Node is not installed, or it does not start.
    pub async fn start() -> Result<Self> {
        let command = foreign::node("test-harness/node/server.mjs")?.into_std();
        let (process, line) =
            Process::start_with_line("typescript server", command, Duration::from_secs(30)).await?;
        let ports = serde_json::from_str(&line).with_context(|| format!("`{line}` names no ports"))?;
        Ok(Self { _process: process, ports, seen: Recorder::default() })
    }

    /// Where it listens; its endpoint is `/mcp`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports.port))
    }

    /// What had reached it when [`Self::ask`] was called last.
    #[must_use]
    pub fn seen(&self) -> &Recorder {
        &self.seen
    }

    /// Asks it what has reached it.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ask(&self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/", self.ports.seen);
        let told: Vec<Told> = http()?.get(url).send().await?.json().await?;
        let seen = told.into_iter().map(|told| Seen {
            method: told.method,
            target: told.target,
            headers: told.headers,
            body: told.body.chars().filter_map(|byte| u8::try_from(byte).ok()).collect(),
        });
        self.seen.replace(seen.collect());
        Ok(())
    }
}
