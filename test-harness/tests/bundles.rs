//! Policies that change under load: as signed bundles, and as configuration by discovery.

#[path = "bundles/swaps.rs"]
mod swaps;

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use toolgate_harness::{
    bootstrap::{Delivery, Gateway},
    client::Call,
    envoy::{Envoy, Update},
    gate::{Gate, Mode, Upstream, configuration, plugin_configuration},
    jwks::TestIssuer,
    paths,
    scripted::Scripted,
    serve::wait_for,
    shelf::Shelf,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A policy under which developers may call `echo` and this tool.
fn policy(tool: &str) -> Value {
    json!({
        "version": 1,
        "roles": {
            // Each policy has other roles, so that one policy's roles would be wrong under the other.
            tool: {},
            "developer": { "allow": [{ "id": "tools", "tools": ["echo", tool] }] },
        },
        "bindings": [{ "role": "developer", "when": { "claims": { "/roles": { "contains": "developer" } } } }],
    })
}

/// Where bundles are made: by the command line tool, as its users do.
struct Press {
    folder: PathBuf,
}

impl Press {
    fn new(name: &str, mode: Mode) -> Result<Self> {
        let name = format!("toolgate-{name}-{}-{mode:?}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        let press = Self { folder };
        for key in ["key.pem", "other.pem"] {
            let out = press.path(key);
            press.run(&["keys", "generate", "--algorithm", "EdDSA", "--out", &out, "--force"])?;
        }
        Ok(press)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Result<Value> {
        let output = Command::new(paths::toolgate()?).args(arguments).arg("--json").output()?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).context("the answer is not JSON")
    }

    /// The bundle's text, and the public key.
    fn bundle(
        &self,
        key: &str,
        name: &str,
        version: u32,
        span: &str,
        tool: &str,
    ) -> Result<(String, String)> {
        let (file, out) = (self.path("policy.json"), self.path("out.bundle"));
        std::fs::write(&file, policy(tool).to_string())?;
        let (key, version) = (self.path(key), version.to_string());
        let said = self.run(&[
            "policy",
            "bundle",
            &file,
            "--name",
            name,
            "--bundle-version",
            &version,
            "--expires",
            span,
            "--key",
            &key,
            "--out",
            &out,
        ])?;
        let public = said["public_key"].as_str().unwrap_or_default().to_owned();
        Ok((std::fs::read_to_string(&out)?, public))
    }

    fn good(&self, version: u32, tool: &str) -> Result<String> {
        Ok(self.bundle("key.pem", "default", version, "1h", tool)?.0)
    }
}

impl Drop for Press {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// A gate whose policy comes from a shelf, with two workers.
struct Stage {
    envoy: Envoy,
    shelf: Shelf,
    token: String,
    upstream: Scripted,
}

impl Stage {
    async fn start(press: &Press, mode: Mode) -> Result<Self> {
        let (issuer, upstream, shelf) = (TestIssuer::start()?, Scripted::start()?, Shelf::start()?);
        let authority = shelf.address().to_string();
        let mut configuration = plugin_configuration(&issuer.issuer(), &issuer.jwks_uri(), &authority, mode)?;
        // The cluster is the shelf's; the keys are written down.
        configuration["issuers"]["corp"]["jwks"] = json!({ "inline": { "keys": [issuer.key()?.jwk] } });
        let (_, public) = press.bundle("key.pem", "default", 1, "1h", "old_tool")?;
        configuration["policies"]["default"] = json!({ "bundle": {
            "uri": format!("http://{authority}/default.bundle"), "public_key": public, "refresh_seconds": 1,
        } });
        configuration["limits"] = json!({ "max_wait_milliseconds": 500 });
        configuration["audit"] = json!({ "outlets": ["log"] });
        let mut gateway = Gateway::new(upstream.address(), shelf.address()).with_plugin(configuration)?;
        gateway.concurrency = 2;
        let envoy = Envoy::start(gateway).await?;
        let token = issuer.token("dev", &envoy.url("/mcp"), &["developer"])?;
        Ok(Self { envoy, shelf, token, upstream })
    }

    async fn call(&self, tool: &str) -> Result<(u16, Option<String>)> {
        call(&self.envoy.url("/mcp"), &self.token, tool).await
    }

    /// Both workers answer so: twenty connections in a row.
    async fn settled(&self, tool: &str, status: u16) -> Result<()> {
        settled(&self.envoy.url("/mcp"), &self.token, tool, status).await
    }

    async fn loads(&self, result: &str) -> Result<f64> {
        Ok(self.envoy.metrics().await?.metric("toolgate_policy_loads_total").label("result", result).value())
    }

    async fn gauge(&self, name: &str) -> Result<f64> {
        Ok(self.envoy.metrics().await?.metric(name).label("policy", "default").value())
    }
}

async fn call(url: &str, token: &str, tool: &str) -> Result<(u16, Option<String>)> {
    let params = json!({ "name": tool, "arguments": {} });
    let answer = Call::modern(url, "bundle", "tools/call", params).token(token).send().await?;
    Ok((answer.status, answer.reason()))
}

async fn settled(url: &str, token: &str, tool: &str, status: u16) -> Result<()> {
    let in_a_row = async {
        let mut row = 0;
        while row < 20 {
            row = if call(url, token, tool).await?.0 == status { row + 1 } else { 0 };
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, in_a_row).await.with_context(|| format!("{tool} is not {status}"))?
}

/// Calls `echo` without a pause until it is told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<Result<()>>>,
}

impl Load {
    fn start(url: &str, token: &str) -> Self {
        let (stop, good) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks = (0..4).map(|_| {
            let (stop, good, url, token) = (stop.clone(), good.clone(), url.to_owned(), token.to_owned());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let answer = call(&url, &token, "echo").await?;
                    ensure!(answer.0 == 200, "a call under load got {answer:?}");
                    good.fetch_add(1, Ordering::SeqCst);
                }
                Ok(())
            })
        });
        let tasks = tasks.collect();
        Self { stop, good, tasks }
    }

    async fn finish(self) -> Result<u64> {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await??;
        }
        Ok(self.good.load(Ordering::SeqCst))
    }
}

async fn bundles_are_swapped_and_bad_ones_refused(mode: Mode) -> Result<()> {
    let press = Press::new("bundles", mode)?;
    let short = press.bundle("key.pem", "default", 9, "1s", "bad_tool")?.0;
    let stage = Stage::start(&press, mode).await?;
    assert_eq!(stage.call("echo").await?, (503, Some("policy_unavailable".to_owned())));
    let first = press.good(1, "old_tool")?;
    stage.shelf.put(Some(&first));
    stage.settled("old_tool", 200).await?;
    assert_eq!(stage.call("new_tool").await?.0, 403);

    let load = Load::start(&stage.envoy.url("/mcp"), &stage.token);
    stage.shelf.put(Some(&press.good(2, "new_tool")?));
    stage.settled("new_tool", 200).await?;
    stage.settled("old_tool", 403).await?;
    let calls = load.finish().await?;
    ensure!(calls > 50, "{calls} calls are no load");
    assert_eq!(stage.gauge("toolgate_policy_version").await?, 2.0);
    for version in [1, 2] {
        let record =
            format!(r#""kind":"policy","policy":{{"name":"default","version":"{version}","digest":""#);
        ensure!(stage.envoy.log().contains(&record), "no record of version {version}");
    }
    wait_for("a confirmation", PATIENCE, || async { (stage.shelf.counts().1 > 0).then_some(()) }).await?;
    ensure!(stage.loads("shared").await? > 0.0, "one worker takes it over from the other");

    let good = press.good(3, "bad_tool")?;
    for (text, result) in [
        (policy("bad_tool").to_string(), "unsigned"),
        (press.bundle("other.pem", "default", 3, "1h", "bad_tool")?.0, "bad_signature"),
        (good.replace("bad_tool", "bed_tool"), "bad_signature"),
        (press.bundle("key.pem", "another", 3, "1h", "bad_tool")?.0, "other_name"),
        (first, "older"),
        (short, "expired"),
    ] {
        let before = stage.loads(result).await?;
        stage.shelf.put(Some(&text));
        let refused = || async { (stage.loads(result).await.ok()? > before).then_some(()) };
        wait_for(result, PATIENCE, refused).await?;
        assert_eq!(
            [stage.call("new_tool").await?.0, stage.call("bad_tool").await?.0],
            [200, 403],
            "{result}"
        );
        assert_eq!(stage.gauge("toolgate_policy_version").await?, 2.0);
    }
    assert!(stage.envoy.log().contains("the bundle of policy `default` could not be fetched: expired"));

    // The last of all: one that ends while it is in force.
    stage.shelf.put(Some(&press.bundle("key.pem", "default", 4, "3s", "last_tool")?.0));
    stage.settled("last_tool", 200).await?;
    assert_eq!(stage.gauge("toolgate_policy_in_force").await?, 1.0);
    let ended = || async { (stage.call("echo").await.ok()?.1? == "policy_unavailable").then_some(()) };
    wait_for("the end of the bundle", PATIENCE, ended).await?;
    let none = || async { (stage.gauge("toolgate_policy_in_force").await.ok()? == 0.0).then_some(()) };
    wait_for("the gauge", PATIENCE, none).await
}

#[tokio::test]
async fn bundles_held() -> Result<()> {
    bundles_are_swapped_and_bad_ones_refused(Mode::Held).await
}

#[tokio::test]
async fn bundles_streamed() -> Result<()> {
    bundles_are_swapped_and_bad_ones_refused(Mode::Streamed).await
}

/// A policy in the configuration changes with the filter's configuration, which Envoy swaps itself.
async fn a_policy_is_swapped_by_discovery(delivery: Delivery) -> Result<()> {
    let issuer = TestIssuer::start()?;
    let upstream = Upstream::Scripted(Scripted::start()?);
    let change = |configuration: &mut Value| {
        configuration["policies"]["default"] = json!({ "inline": policy("old_tool") });
    };
    let mut gate = Gate::start_under(issuer, Mode::Held, upstream, change, |gateway| {
        gateway.delivery = delivery;
        gateway.concurrency = 2;
    })
    .await?;
    let (url, token) = (gate.url(), gate.token("dev", &["developer"])?);
    settled(&url, &token, "old_tool", 200).await?;
    let load = Load::start(&url, &token);
    let mut next = configuration(&gate.issuer, Mode::Held)?;
    next["policies"]["default"] = json!({ "inline": policy("new_tool") });
    let mut bad = next.clone();
    bad["policies"]["default"]["inline"]["version"] = json!(2);
    assert_eq!(gate.envoy.reconfigure(bad).await?, Update::Rejected);
    assert_eq!(call(&url, &token, "old_tool").await?.0, 200, "the last good one stays");
    assert_eq!(gate.envoy.reconfigure(next).await?, Update::Taken);
    settled(&url, &token, "new_tool", 200).await?;
    settled(&url, &token, "old_tool", 403).await?;
    let calls = load.finish().await?;
    ensure!(calls > 50, "{calls} calls are no load");
    Ok(())
}

#[tokio::test]
async fn policies_by_lds() -> Result<()> {
    a_policy_is_swapped_by_discovery(Delivery::Lds).await
}

#[tokio::test]
async fn policies_by_ecds() -> Result<()> {
    a_policy_is_swapped_by_discovery(Delivery::Ecds).await
}
