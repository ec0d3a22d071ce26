//! Tokens that the issuer ends are refused at the gate within one interval, on every worker.

use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::{channel::mpsc, future::join_all};
use jsonwebtoken::Algorithm;
use reqwest::{Body, Response};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::timeout};
use toolgate_harness::{
    bootstrap::Gateway,
    client::{Call, LEGACY},
    envoy::Envoy,
    gate::{Mode, plugin_configuration},
    issuer::{Client, Issuer},
    jwks::{Key, now},
    paths,
    scripted::Scripted,
    serve::wait_for,
    site::{Page, Site},
};

const PATIENCE: Duration = Duration::from_secs(30);

struct Stage {
    envoy: Envoy,
    issuer: Issuer,
    _upstream: Scripted,
}

/// A call whose body is not whole.
struct Begun {
    sender: mpsc::UnboundedSender<Result<&'static str, std::io::Error>>,
    rest: &'static str,
    answer: JoinHandle<reqwest::Result<Response>>,
}

impl Begun {
    /// Sends what is missing; gives the status.
    async fn end(self) -> Result<u16> {
        self.sender.unbounded_send(Ok(self.rest))?;
        drop(self.sender);
        Ok(timeout(PATIENCE, self.answer).await???.status().as_u16())
    }
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
            // Long enough that a busy machine does not close the gate.
            feed["max_stale_seconds"] = json!(60);
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

    /// A call that the gate has the head of, and of the body the beginning.
    async fn begin(&self, token: &str) -> Result<Begun> {
        let body =
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#;
        let (first, rest) = body.split_at(20);
        let (sender, receiver) = mpsc::unbounded();
        sender.unbounded_send(Ok::<_, std::io::Error>(first))?;
        let before = self.requests().await?;
        let call = reqwest::Client::builder().no_proxy().build()?.post(self.envoy.url("/mcp"));
        let call = call.bearer_auth(token).header("content-type", "application/json");
        let call = call.header("accept", "application/json, text/event-stream");
        let call = call.header("mcp-protocol-version", LEGACY).body(Body::wrap_stream(receiver));
        let answer = tokio::spawn(call.send());
        wait_for("the head", PATIENCE, || async { (self.requests().await.ok()? > before).then_some(()) })
            .await?;
        Ok(Begun { sender, rest, answer })
    }

    /// How many heads the listener has seen.
    async fn requests(&self) -> Result<f64> {
        let metrics = self.envoy.metrics().await?;
        let seen = metrics.metric("envoy_http_downstream_rq_total");
        Ok(seen.label("envoy_http_conn_manager_prefix", "toolgate").value())
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

    /// Alerts look at numbers, so there are some before the first list: no entries, and an age that goes up.
    async fn until_known_to_have_no_list(&self) -> Result<()> {
        wait_for("no entries, and their age", PATIENCE, || async {
            let metrics = self.envoy.metrics().await.ok()?;
            let [entries, age] = ["toolgate_revocation_entries", "toolgate_revocation_age_seconds"]
                .map(|name| metrics.metric(name).label("feed", "idp"));
            (entries.count() == 1 && entries.value() == 0.0 && age.value() >= 2.0).then_some(())
        })
        .await
    }

    /// Until that is what every worker answers: one of them takes a list over on its next tick only.
    async fn until_all(&self, what: &str, token: &str, status: u16) -> Result<()> {
        let told = timeout(PATIENCE, async {
            let mut same = 0;
            while same < 20 {
                same = if self.call(token).await?.0 == status { same + 1 } else { 0 };
            }
            anyhow::Ok(())
        });
        told.await.with_context(|| format!("waited in vain for {what}"))?
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
    stage.until_all("the first list", &alice, 200).await?;
    let late = stage.begin(&alice).await?;
    stage.revoke(Client::Alice, &alice).await?;
    stage.until_all("the end of the token", &alice, 401).await?;
    assert_eq!(stage.call(&alice).await?.1.as_deref(), Some("invalid_token"));
    assert_eq!(late.end().await?, 401, "its head was let in, and its last byte comes too late");
    assert_eq!(stage.begin(&bob).await?.end().await?, 200);
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
    for stage in [closing, keeping] {
        stage.until_known_to_have_no_list().await?;
    }
    Ok(())
}

/// A list in shards: packed by the command, served by a site, fetched by two workers.
struct Shards {
    folder: tempfile::TempDir,
    site: Site,
    key: Key,
    envoy: Envoy,
    _upstream: Scripted,
}

const FETCHES: &str = "toolgate_revocation_fetches_total";

fn tool(arguments: &[&str]) -> Result<Value> {
    let output = Command::new(paths::toolgate()?).args(arguments).arg("--json").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Packs so many tokens for the feed of that name, and gives the public key.
fn pack(folder: &Path, name: &str, tokens: usize) -> Result<String> {
    let place = |name: &str| folder.join(name).to_string_lossy().into_owned();
    if !folder.join("key.pem").exists() {
        tool(&["keys", "generate", "--algorithm", "EdDSA", "--out", &place("key.pem")])?;
    }
    let lines: String = (0..tokens).map(|number| format!("jti token-{number}\n")).collect();
    fs::write(folder.join("list"), lines)?;
    let (list, key, out) = (place("list"), place("key.pem"), place("out"));
    let packed = tool(&["revocation", "pack", &list, "--name", name, "--key", &key, "--out", &out])?;
    Ok(packed["public_key"].as_str().unwrap_or_default().to_owned())
}

/// Puts what was packed on the site, and gives the names of the shards.
fn publish(site: &Site, folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in fs::read_dir(folder.join("out"))? {
        let file = file?;
        let name = format!("/lists/{}", file.file_name().to_string_lossy());
        site.put(&name, Page::Bytes(fs::read(file.path())?));
        names.insert(name);
    }
    names.remove("/lists/manifest");
    Ok(names)
}

impl Shards {
    async fn start(tokens: usize) -> Result<(Self, BTreeSet<String>)> {
        let (folder, site) = (tempfile::tempdir()?, Site::start()?);
        let (key, upstream) = (Key::generate("rsa-1", Algorithm::RS256)?, Scripted::start()?);
        let public = pack(folder.path(), "packed", tokens)?;
        let names = publish(&site, folder.path())?;
        site.json("/jwks", &json!({ "keys": [key.jwk] }));
        let authority = site.address().to_string();
        let mut configuration =
            plugin_configuration(&site.url(""), &site.url("/jwks"), &authority, Mode::Held)?;
        configuration["revocation"] = json!({ "feeds": { "packed": {
            "uri": site.url("/lists/manifest"), "public_key": public, "refresh_seconds": 1,
            "on_failure": "close", "max_stale_seconds": 5,
        } } });
        let mut gateway = Gateway::new(upstream.address(), site.address()).with_plugin(configuration)?;
        gateway.concurrency = 2;
        let envoy = Envoy::start(gateway).await?;
        Ok((Self { folder, site, key, envoy, _upstream: upstream }, names))
    }

    /// The statuses of many calls, each on a connection of its own: any worker may take it.
    async fn statuses(&self, jti: &str) -> Result<BTreeSet<u16>> {
        let token = self.key.sign(&json!({
            "iss": self.site.url(""), "sub": "alice", "aud": self.envoy.url("/mcp"), "iat": now(),
            "exp": now() + 300, "client_id": "harness", "roles": ["developer"], "jti": jti,
        }))?;
        let params = json!({ "name": "echo", "arguments": {} });
        let call = Call::modern(self.envoy.url("/mcp"), "shards", "tools/call", params).token(&token);
        let answers = join_all((0..12).map(|_| call.send())).await;
        answers.into_iter().map(|answer| Ok(answer?.status)).collect()
    }

    async fn until(&self, jti: &str, status: u16) -> Result<()> {
        wait_for(&format!("{status} for {jti}"), PATIENCE, || async {
            (self.statuses(jti).await.ok()? == BTreeSet::from([status])).then_some(())
        })
        .await
    }

    async fn until_counted(&self, result: &str) -> Result<()> {
        wait_for(&format!("a fetch that counts as {result}"), PATIENCE, || async {
            let metrics = self.envoy.metrics().await.ok()?;
            (metrics.metric(FETCHES).label("result", result).value() > 0.0).then_some(())
        })
        .await
    }
}

#[tokio::test]
async fn signed_shards_are_loaded_by_every_worker_and_kept_while_what_comes_is_bad() -> Result<()> {
    let (stage, first) = Shards::start(30_000).await?;
    stage.until("token-30000", 200).await?;
    for number in [0, 1, 14_999, 29_999] {
        assert_eq!(stage.statuses(&format!("token-{number}")).await?, BTreeSet::from([401]), "{number}");
    }
    // One more: one shard is fetched again, and each of all by one worker for all, save where two begin at once.
    pack(stage.folder.path(), "packed", 30_001)?;
    let all = publish(&stage.site, stage.folder.path())?;
    assert_eq!((first.len(), all.difference(&first).count()), (8, 1));
    stage.until("token-30000", 401).await?;
    let asked: u64 = all.iter().map(|name| stage.site.asked(name).times).sum();
    // Two workers that shared nothing would each fetch all of them.
    assert!(asked < 2 * all.len() as u64, "{asked} fetches of {} shards", all.len());
    // Gauges follow within a second.
    for (name, value) in [("version", 2.0), ("entries", 30_001.0)] {
        let name = format!("toolgate_revocation_{name}");
        wait_for(&format!("{name} {value}"), PATIENCE, || async {
            let metrics = stage.envoy.metrics().await.ok()?;
            let shown = metrics.metric(&name).label("feed", "packed").value();
            ((shown - value).abs() < 0.1).then_some(())
        })
        .await?;
    }
    // A stranger's list is not believed: the last good one stays until it is too old, then nobody is let in.
    let stranger = tempfile::tempdir()?;
    pack(stranger.path(), "packed", 1)?;
    publish(&stage.site, stranger.path())?;
    stage.until_counted("bad_signature").await?;
    assert!(!stage.statuses("token-0").await?.contains(&200));
    stage.until("good", 503).await?;
    // Nor is what the right signer has packed for another feed, however new.
    let (other, key) = (tempfile::tempdir()?, "key.pem");
    fs::copy(stage.folder.path().join(key), other.path().join(key))?;
    for _ in 0..4 {
        pack(other.path(), "another", 1)?;
    }
    publish(&stage.site, other.path())?;
    stage.until_counted("other_name").await?;
    assert!(!stage.statuses("token-0").await?.contains(&200));
    // The next version of the right signer is believed, within one interval.
    pack(stage.folder.path(), "packed", 10)?;
    publish(&stage.site, stage.folder.path())?;
    stage.until("good", 200).await?;
    assert_eq!(stage.statuses("token-9").await?, BTreeSet::from([401]));
    assert_eq!(stage.statuses("token-10").await?, BTreeSet::from([200]));
    Ok(())
}
