//! Programs of other people, as `fetch-node` and `fetch-python` install them: official MCP clients and an OpenID provider.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{envoy::http, paths};

/// These programs start within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A script of the repository for the Python that has the official client.
///
/// # Errors
/// If it is not installed.
pub fn python(script: &str) -> Result<Command> {
    let mut command = Command::new(paths::python()?);
    command.arg(paths::repository().join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// A script of the repository for Node. Modules are looked for beside a script's real place, so a copy runs.
///
/// # Errors
/// If Node is not installed.
pub fn node(script: &str) -> Result<Command> {
    let modules = paths::node_modules()?;
    let copy = modules.with_file_name(script.replace('/', "-"));
    let source = std::fs::read(paths::repository().join(script)).with_context(|| script.to_owned())?;
    // Two tests at once write the same bytes; a rename shows them whole.
    let fresh = copy.with_extension(format!("{}-{:?}", std::process::id(), std::thread::current().id()));
    std::fs::write(&fresh, source).and_then(|()| std::fs::rename(&fresh, &copy))?;
    let mut command = Command::new(modules.join(".bin/node"));
    command.arg(copy);
    Ok(command)
}

/// A running program that says one JSON object a line; ended on drop.
#[derive(Debug)]
pub struct Talker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Talker {
    /// Starts it, without proxies of the environment.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("cannot start a foreign program")?;
        let stdout = child.stdout.take().ok_or_else(|| anyhow!("stdout is not piped"))?;
        Ok(Self { child, lines: BufReader::new(stdout).lines() })
    }

    /// The next object that has the member `name`; its value.
    ///
    /// # Errors
    /// If the program ends or stays silent instead; what it wrote to its standard error is in the message.
    pub async fn said(&mut self, name: &str) -> Result<Value> {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let Ok(Ok(Some(line))) = line else {
                self.child.start_kill().ok();
                let mut log = String::new();
                if let Some(stderr) = &mut self.child.stderr {
                    stderr.read_to_string(&mut log).await.ok();
                }
                bail!("a foreign program did not say `{name}`:\n{log}");
            };
            let said: Value = serde_json::from_str(&line).with_context(|| format!("`{line}` is not JSON"))?;
            if let Some(value) = said.get(name) {
                return Ok(value.clone());
            }
            ensure!(said.get("failed").is_none(), "it said `{line}` instead of `{name}`");
        }
    }

    /// The next object.
    ///
    /// # Errors
    /// If there is none.
    pub async fn line(&mut self) -> Result<Value> {
        let line = timeout(PATIENCE, self.lines.next_line()).await??;
        Ok(serde_json::from_str(&line.ok_or_else(|| anyhow!("the program has ended"))?)?)
    }
}

/// Plays the browser and the person before it: opens `url`, logs in on the page, and goes back to the client.
///
/// # Errors
/// If the page is not the one expected, or nobody is sent back.
pub async fn log_in(url: &str, name: &str, password: &str) -> Result<()> {
    let back = consent(url, name, password).await?;
    http()?.get(&back).send().await?.error_for_status()?;
    Ok(())
}

/// The same, but stops before the way back to the client, and gives it.
///
/// # Errors
/// If the page is not the one expected, or nobody is sent back.
pub async fn consent(url: &str, name: &str, password: &str) -> Result<String> {
    let browser =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let page = browser.get(url).send().await?;
    let status = page.status();
    let html = page.text().await?;
    ensure!(status.is_success(), "the login page answered {status}: {html}");
    let value = |mark: &str| {
        let (_, rest) = html.split_once(mark).ok_or_else(|| anyhow!("no `{mark}` in {html}"))?;
        Ok::<_, anyhow::Error>(rest.split('"').next().unwrap_or_default().to_owned())
    };
    let (transaction, action) = (value("name=\"transaction\" value=\"")?, value("action=\"")?);
    let form = [
        ("transaction", transaction.as_str()),
        ("username", name),
        ("password", password),
        ("decision", "allow"),
    ];
    let answer = browser.post(action).form(&form).send().await?;
    let back = answer.headers().get("location").and_then(|back| back.to_str().ok()).map(str::to_owned);
    back.ok_or_else(|| anyhow!("the login was answered with {} and no way back", answer.status()))
}
