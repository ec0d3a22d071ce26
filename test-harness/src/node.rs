//! What comes from npm: the official TypeScript SDK's example server, and the MCP conformance suites.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{mcp_server::Recorder, paths, process::Process, serve};

/// A command that runs a script of an installed package with the installed Node.
///
/// # Errors
/// If nothing is installed.
pub fn script(path: &str) -> Result<Command> {
    let modules = paths::node_modules()?;
    let mut command = Command::new(modules.join(".bin/node"));
    command.arg(modules.join(path));
    Ok(command)
}

/// `@modelcontextprotocol/server-everything`, an MCP server of the official TypeScript SDK; ended on drop.
#[derive(Debug)]
pub struct EverythingServer {
    _process: Process,
    address: SocketAddr,
    seen: Recorder,
}

impl EverythingServer {
    /// Starts it on a free port, and waits until it answers.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], serve::free_port()?));
        let mut command = script("@modelcontextprotocol/server-everything/dist/index.js")?;
        command.arg("streamableHttp").env("PORT", address.port().to_string());
        let process = Process::start("server-everything", command).await?;
        serve::wait_for("server-everything", Duration::from_secs(30), || async {
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await
        .with_context(|| process.log().tail(20))?;
        Ok(Self { _process: process, address, seen: Recorder::default() })
    }

    /// Where it listens; its endpoint is `/mcp`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nothing: this server keeps no record.
    #[must_use]
    pub fn seen(&self) -> &Recorder {
        &self.seen
    }
}

/// A conformance suite and what it is asked to run.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    /// The package.
    pub package: &'static str,
    /// Its arguments.
    pub arguments: &'static [&'static str],
}

/// The suites that are run.
pub const SUITES: [Suite; 3] = [
    Suite { package: "@modelcontextprotocol/conformance", arguments: &["--suite", "all"] },
    Suite { package: "conformance-next", arguments: &["--requirements", "2025-11-25"] },
    Suite { package: "conformance-next", arguments: &["--requirements", "2026-07-28"] },
];

/// One check of a scenario.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Its name.
    pub id: String,
    /// `SUCCESS`, `FAILURE`, `WARNING`, `SKIPPED` or `INFO`.
    pub status: String,
    /// Why it failed.
    #[serde(default)]
    pub error_message: Option<String>,
}

/// The checks of each scenario.
pub type Results = BTreeMap<String, Vec<Check>>;

/// Runs a suite against `url`; its reports go into `folder`, which is emptied first.
///
/// # Errors
/// If the suite does not run, or reports nothing.
pub async fn conformance(suite: Suite, url: &str, folder: &Path) -> Result<Results> {
    let _ = std::fs::remove_dir_all(folder);
    let mut command = script(&format!("{}/dist/index.js", suite.package))?;
    command.arg("server").args(["--url", url]).args(suite.arguments).arg("-o").arg(folder);
    // Its exit code tells of failed checks, which are compared, not counted.
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await?;
    let results = read(folder)?;
    if results.is_empty() {
        bail!("{suite:?} reported nothing: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(results)
}

fn read(folder: &Path) -> Result<Results> {
    let mut results = Results::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A scenario that gives up leaves a folder without checks.
        let checks = match std::fs::read_to_string(path.join("checks.json")) {
            Ok(text) => serde_json::from_str(&text)?,
            Err(_) => Vec::new(),
        };
        results.insert(scenario(&name).to_owned(), checks);
    }
    Ok(results)
}

/// `server-ping-2026-11-21T05-23-10-165Z` is of the scenario `server-ping`.
fn scenario(folder: &str) -> &str {
    let stamp = folder.char_indices().rev().filter(|(_, letter)| *letter == '-').nth(5);
    stamp.and_then(|(at, _)| folder.get(..at)).unwrap_or(folder)
}
