//! A certified OpenID provider before a real gate: every algorithm, and new keys under load.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, anyhow, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use toolgate_harness::{
    bootstrap::Gateway,
    client::Call,
    envoy::Envoy,
    gate::{Mode, plugin_configuration},
    in_both_modes,
    provider::{ALGORITHMS, Provider},
    scripted::Scripted,
    serve::wait_for,
};

struct Stage {
    envoy: Envoy,
    provider: Provider,
    _upstream: Scripted,
}

/// Keys are found by discovery where `jwks` says so, and kept for at most two seconds.
async fn start(mode: Mode, jwks: Value) -> Result<Stage> {
    let (provider, upstream) = (Provider::start().await?, Scripted::start()?);
    let address = provider.address()?;
    let uri = format!("{}/jwks", provider.issuer());
    let mut configuration = plugin_configuration(provider.issuer(), &uri, &address.to_string(), mode)?;
    let issuer = &mut configuration["issuers"]["corp"];
    issuer["algorithms"] = json!(ALGORITHMS);
    for (name, value) in jwks.as_object().into_iter().flatten() {
        issuer["jwks"][name] = value.clone();
    }
    let mut gateway = Gateway::new(upstream.address(), address).with_plugin(configuration)?;
    gateway.concurrency = 2;
    Ok(Stage { envoy: Envoy::start(gateway).await?, provider, _upstream: upstream })
}

impl Stage {
    async fn tokens(&self) -> Result<Vec<String>> {
        let mut tokens = Vec::new();
        for algorithm in ALGORITHMS {
            tokens.push(self.provider.token(algorithm, &self.envoy.url("/mcp")).await?);
        }
        Ok(tokens)
    }

    fn call(&self, token: &str) -> Call {
        let call = Call::modern(
            self.envoy.url("/mcp"),
            "1",
            "tools/call",
            json!({ "name": "echo", "arguments": {} }),
        );
        call.token(token)
    }
}

async fn gate(mode: Mode) -> Result<Stage> {
    start(mode, json!({})).await
}

in_both_modes!(gate: tokens_of_every_algorithm_pass);

async fn tokens_of_every_algorithm_pass(stage: Stage) -> Result<()> {
    for (algorithm, token) in ALGORITHMS.into_iter().zip(stage.tokens().await?) {
        let answer = stage.call(&token).send().await?;
        assert_eq!(answer.status, 200, "{algorithm}: {}", answer.text());
        let (message, _) = token.rsplit_once('.').unwrap_or_default();
        let other = format!("{message}.{}", "A".repeat(86));
        assert_eq!(stage.call(&other).send().await?.status, 401, "{algorithm}: a signature of nobody");
    }
    Ok(())
}

/// Requests at a steady rate, with the good tokens of the moment.
struct Load {
    tokens: Mutex<Vec<String>>,
    sent: AtomicU64,
    refused: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl Load {
    /// 200 requests a second until it is over.
    async fn run(self: Arc<Self>, call: impl Fn(&str) -> Call, client: reqwest::Client) -> Result<()> {
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        let mut running = JoinSet::new();
        while !self.over.load(Ordering::SeqCst) {
            pace.tick().await;
            let turn = self.sent.fetch_add(1, Ordering::SeqCst);
            let token = {
                let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
                let at = usize::try_from(turn)? % tokens.len();
                tokens.get(at).cloned().ok_or_else(|| anyhow!("no token"))?
            };
            let (load, call, client) = (Arc::clone(&self), call(&token), client.clone());
            running.spawn(async move {
                let refused = match call.send_by(&client).await {
                    Ok(answer) if answer.status == 200 => return,
                    Ok(answer) => format!("{} {}", answer.status, answer.text()),
                    Err(error) => format!("{error:#}"),
                };
                load.refused.lock().unwrap_or_else(PoisonError::into_inner).push(refused);
            });
        }
        running.join_all().await;
        Ok(())
    }

    /// Waits until that many more requests were sent.
    async fn pass(&self, more: u64) -> Result<()> {
        let until = self.sent.load(Ordering::SeqCst) + more;
        let sent = || async { (self.sent.load(Ordering::SeqCst) >= until).then_some(()) };
        wait_for("requests to be sent", Duration::from_secs(60), sent).await
    }

    fn use_only(&self, tokens: Vec<String>) {
        *self.tokens.lock().unwrap_or_else(PoisonError::into_inner) = tokens;
    }
}

#[tokio::test]
async fn keys_rotate_under_load_and_dropped_ones_end() -> Result<()> {
    let stage = start(Mode::Held, json!({ "min_refresh_seconds": 1, "max_refresh_seconds": 2 })).await?;
    let old = stage.tokens().await?;
    let load = Arc::new(Load {
        tokens: Mutex::new(old.clone()),
        sent: AtomicU64::new(0),
        refused: Mutex::new(Vec::new()),
        over: AtomicBool::new(false),
    });
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = stage.envoy.url("/mcp");
    let call = move |token: &str| {
        Call::modern(&url, "1", "tools/call", json!({ "name": "echo", "arguments": {} })).token(token)
    };
    let running = tokio::spawn(Arc::clone(&load).run(call, client.clone()));
    load.pass(200).await?;

    stage.provider.rotate().await?;
    let new = stage.tokens().await?;
    load.use_only(old.iter().chain(&new).cloned().collect());
    load.pass(600).await?;

    load.use_only(new);
    load.pass(20).await?;
    stage.provider.drop_old().await?;
    // The next fetch may have been answered already; the one after it was asked when every worker had that one.
    let dropped = stage.provider.fetches().await?;
    let provider = &stage.provider;
    let fetched =
        || async move { provider.fetches().await.ok().filter(|fetches| *fetches >= dropped + 2).map(drop) };
    wait_for("the keys to be fetched twice", Duration::from_secs(30), fetched).await?;
    for token in old.iter().cycle().take(100) {
        let answer = stage.call(token).send_by(&client).await?;
        assert_eq!(answer.status, 401, "a token under a dropped key: {}", answer.text());
    }
    load.over.store(true, Ordering::SeqCst);
    running.await??;
    let refused = load.refused.lock().unwrap_or_else(PoisonError::into_inner);
    let sent = load.sent.load(Ordering::SeqCst);
    ensure!(
        refused.is_empty(),
        "{} of {sent} good requests were refused: {:?}",
        refused.len(),
        refused.first()
    );
    Ok(())
}
