//! Tokens that the issuer ends are refused at the gate within one interval, on every worker.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use toolgate_harness::{
    bootstrap::Gateway,
    client::Call,
    envoy::Envoy,
    gate::{Mode, plugin_configuration},
    issuer::{Client, Issuer},
    scripted::Scripted,
    serve::wait_for,
};

const PATIENCE: Duration = Duration::from_secs(30);

struct Stage {
    envoy: Envoy,
    issuer: Issuer,
    _upstream: Scripted,
}

impl Stage {
    /// Two workers, a development issuer, and a feed of its `GET /revoked` (or of `path` in its place).
    async fn start(mode: Mode, path: &str, on_failure: &str) -> Result<Self> {
        let (issuer, upstream) = (Issuer::start().await?, Scripted::start()?);
        let ends = issuer.endpoints();
        let authority = issuer.address()?.to_string();
        let mut configuration = plugin_configuration(&ends.issuer, &ends.jwks_uri, &authority, mode)?;
        let mut feed = json!({ "uri": format!("http://{authority}{path}"), "refresh_seconds": 1, "on_failure": on_failure });
        if on_failure == "close" {
            feed["max_stale_seconds"] = json!(2);
        }
        configuration["revocation"] = json!({ "feeds": { "idp": feed } });
        let mut gateway = Gateway::new(upstream.address(), issuer.address()?).with_plugin(configuration)?;
        gateway.concurrency = 2;
        Ok(Self { envoy: Envoy::start(gateway).await?, issuer, _upstream: upstream })
    }

    async fn token(&self, client: Client) -> Result<String> {
        self.issuer.token(client, &self.envoy.url("/mcp")).await
    }

    /// A call on a connection of its own: any worker may take it.
    async fn call(&self, token: &str) -> Result<(u16, Option<String>)> {
        let params = json!({ "name": "echo", "arguments": {} });
        let answer = Call::modern(self.envoy.url("/mcp"), "revocation", "tools/call", params)
            .token(token)
            .send()
            .await?;
        Ok((answer.status, answer.reason()))
    }

    async fn revoke(&self, client: Client, token: &str) -> Result<()> {
        let url = format!("{}/revoke", self.issuer.endpoints().issuer);
        let secret = format!("{}-secret", client.id());
        let form = [("token", token), ("client_id", client.id()), ("client_secret", secret.as_str())];
        let answer = reqwest::Client::builder().no_proxy().build()?.post(url).form(&form).send().await?;
        ensure!(answer.status() == 200, "{} {}", answer.status(), answer.text().await?);
        Ok(())
    }

    async fn until(&self, what: &str, token: &str, status: u16) -> Result<()> {
        let reached = || async { (self.call(token).await.ok()?.0 == status).then_some(()) };
        wait_for(what, PATIENCE, reached).await
    }

    async fn counted(&self) -> Result<Value> {
        let metrics = self.envoy.metrics().await?;
        let revoked = metrics.metric("toolgate_requests_total").label("reason", "revoked").value();
        Ok(json!(revoked))
    }
}

async fn a_revoked_token_is_refused_on_every_worker(mode: Mode) -> Result<()> {
    let stage = Stage::start(mode, "/revoked", "close").await?;
    let (alice, bob) = (stage.token(Client::Alice).await?, stage.token(Client::Bob).await?);
    stage.until("the first list", &alice, 200).await?;
    stage.revoke(Client::Alice, &alice).await?;
    stage.until("the end of the token", &alice, 401).await?;
    // The other worker takes the list over on its next tick.
    tokio::time::timeout(PATIENCE, async {
        let mut refused = 0;
        while refused < 20 {
            refused = if stage.call(&alice).await?.0 == 401 { refused + 1 } else { 0 };
        }
        anyhow::Ok(())
    })
    .await
    .context("one worker goes on to take the token")??;
    assert_eq!(stage.call(&alice).await?.1.as_deref(), Some("invalid_token"));
    assert_eq!(stage.call(&bob).await?.0, 200, "who is not revoked goes on");
    ensure!(stage.counted().await?.as_f64().unwrap_or_default() >= 20.0, "{}", stage.counted().await?);
    Ok(())
}

#[tokio::test]
async fn a_revoked_token_is_refused_held() -> Result<()> {
    a_revoked_token_is_refused_on_every_worker(Mode::Held).await
}

#[tokio::test]
async fn a_revoked_token_is_refused_streamed() -> Result<()> {
    a_revoked_token_is_refused_on_every_worker(Mode::Streamed).await
}

/// A feed that is not there: the written rule says what follows.
#[tokio::test]
async fn a_feed_that_fails_closes_or_does_not() -> Result<()> {
    let closing = Stage::start(Mode::Held, "/nothing-here", "close").await?;
    let alice = closing.token(Client::Alice).await?;
    closing.until("the closed gate", &alice, 503).await?;
    let keeping = Stage::start(Mode::Held, "/nothing-here", "keep_last").await?;
    let alice = keeping.token(Client::Alice).await?;
    assert_eq!(keeping.call(&alice).await?.0, 200);
    Ok(())
}
