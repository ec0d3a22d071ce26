//! A certified OpenID provider (npm `oidc-provider`), one client per algorithm.

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use crate::{
    envoy::http,
    foreign::{self, Talker},
};

/// What it signs by; each is the name of a client, too.
pub const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];

/// A running provider; ended on drop.
#[derive(Debug)]
pub struct Provider {
    _talker: Talker,
    issuer: String,
}

impl Provider {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let mut talker = Talker::start(foreign::node("test-harness/node/provider.mjs")?)?;
        let issuer = talker.said("issuer").await?;
        let issuer = issuer.as_str().ok_or_else(|| anyhow!("the issuer is no text"))?.to_owned();
        Ok(Self { _talker: talker, issuer })
    }

    /// The claim `iss`, and the base of its URLs.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If its URL does not hold an address.
    pub fn address(&self) -> Result<SocketAddr> {
        let authority = self.issuer.strip_prefix("http://").unwrap_or_default();
        authority.parse().with_context(|| format!("`{}` has no address", self.issuer))
    }

    /// A token for `resource`, signed by `algorithm`.
    ///
    /// # Errors
    /// If the provider refuses.
    pub async fn token(&self, algorithm: &str, resource: &str) -> Result<String> {
        let form = [("grant_type", "client_credentials"), ("scope", "mcp"), ("resource", resource)];
        let request = http()?.post(format!("{}/token", self.issuer)).form(&form);
        let answer = request.basic_auth(algorithm, Some(format!("{algorithm}-secret"))).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        ensure!(status.is_success(), "the provider answered {status}: {body}");
        body["access_token"].as_str().map(str::to_owned).ok_or_else(|| anyhow!("no token in {body}"))
    }

    /// Signs with new keys from now on; the old ones stay published.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn rotate(&self) -> Result<()> {
        http()?.post(format!("{}/rotate", self.issuer)).send().await?.error_for_status()?;
        Ok(())
    }

    /// Publishes the keys that sign alone.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn drop_old(&self) -> Result<()> {
        http()?.post(format!("{}/drop", self.issuer)).send().await?.error_for_status()?;
        Ok(())
    }

    /// How often the key set was read.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn fetches(&self) -> Result<u64> {
        let body: Value = http()?.get(format!("{}/fetches", self.issuer)).send().await?.json().await?;
        body["fetches"].as_u64().ok_or_else(|| anyhow!("no number in {body}"))
    }
}
