//! The development issuer: `toolgate issuer` as a child process.

use std::{net::SocketAddr, process::Command, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{envoy::http, paths, process::Process};

/// What `toolgate issuer` says on its first line.
#[derive(Clone, Debug, Deserialize)]
pub struct Endpoints {
    /// The claim `iss`.
    pub issuer: String,
    /// Where the keys are.
    pub jwks_uri: String,
    /// Where tokens are given out.
    pub token_endpoint: String,
    /// Where it is driven from.
    pub admin: String,
}

/// A running `toolgate issuer`; ended on drop.
#[derive(Debug)]
pub struct Issuer {
    process: Process,
    endpoints: Endpoints,
}

/// A client of the issuer: its secret is its name and `-secret`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Roles: developer.
    Alice,
    /// Roles: readonly.
    Bob,
    /// Roles: admin.
    Root,
    /// No roles.
    Carol,
}

impl Client {
    /// Its client id.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Root => "root",
            Self::Carol => "carol",
        }
    }
}

impl Issuer {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// If the binary is missing or does not say where it listens.
    pub async fn start() -> Result<Self> {
        let mut command = Command::new(paths::toolgate()?);
        command.args(["issuer", "--listen", "127.0.0.1:0", "--token-lifetime", "1h"]);
        let (process, line) =
            Process::start_with_line("toolgate issuer", command, Duration::from_secs(20)).await?;
        let endpoints = serde_json::from_str(&line)
            .with_context(|| format!("`toolgate issuer` said `{}` instead of its endpoints", line.trim()))?;
        Ok(Self { process, endpoints })
    }

    /// Where everything is.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If its URL does not hold an address.
    pub fn address(&self) -> Result<SocketAddr> {
        let authority = self.endpoints.issuer.strip_prefix("http://").unwrap_or_default();
        let authority = authority.split('/').next().unwrap_or_default();
        authority.parse().with_context(|| format!("`{}` has no address", self.endpoints.issuer))
    }

    /// A token by the client credentials grant.
    ///
    /// # Errors
    /// If the issuer refuses.
    pub async fn token(&self, client: Client, resource: &str) -> Result<String> {
        let secret = format!("{}-secret", client.id());
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client.id()),
            ("client_secret", &secret),
            ("resource", resource),
        ];
        let answer = http()?.post(&self.endpoints.token_endpoint).form(&form).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        ensure!(status.is_success(), "the issuer refused a token for {}: {status} {body}", client.id());
        token_in(&body, "access_token")
    }

    /// Signs any claims with the current key.
    ///
    /// # Errors
    /// If the issuer refuses.
    pub async fn mint(&self, claims: &Value) -> Result<String> {
        let body = self.admin("/mint", &json!({ "claims": claims })).await?;
        token_in(&body, "access_token").or_else(|_| token_in(&body, "token"))
    }

    /// Makes the issuer sign with a new key.
    ///
    /// # Errors
    /// If the issuer refuses.
    pub async fn rotate(&self, algorithm: Option<&str>) -> Result<()> {
        let wish = algorithm.map_or_else(|| json!({}), |algorithm| json!({ "algorithm": algorithm }));
        self.admin("/rotate", &wish).await.map(drop)
    }

    async fn admin(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.endpoints.admin);
        let answer = http()?.post(&url).json(body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "`{url}` answered {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log().snapshot()
    }
}

fn token_in(body: &Value, name: &str) -> Result<String> {
    let token = body.get(name).and_then(Value::as_str).map(str::to_owned);
    token.ok_or_else(|| anyhow!("no `{name}` in {body}"))
}
