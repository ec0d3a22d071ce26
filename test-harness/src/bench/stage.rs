//! One Envoy with every chain, each on a port of its own, before the upstream process.

use std::{
    collections::BTreeMap,
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::{
    chains::{AUTHZ_CLUSTER, COLLECTOR_CLUSTER, Chain, Parts},
    load::{self, BODY, HOST, Load, Paced, Sample},
    tokens::{COLD, Signed, Tokens, WARM},
};
use crate::{
    bootstrap::{Gateway, Ports, render},
    envoy::http,
    paths,
    process::Process,
    serve::{free_port, wait_for},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// What every stage of a benchmark shares; the folder goes with it.
#[derive(Debug)]
pub struct Props {
    folder: PathBuf,
    wrk: PathBuf,
    noop: PathBuf,
    tokens: Tokens,
    client: Client,
    upstream: SocketAddr,
    authz: SocketAddr,
    judge: Process,
    _upstream: Process,
}

/// What a stretch of load sends.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Who signed the tokens.
    pub signed: Signed,
    /// Bytes of the body.
    pub body: usize,
}

impl Sent {
    /// What the budgets speak of.
    pub const USUAL: Self = Self { signed: Signed::Rs256, body: BODY.len() };

    fn tokens_file(self, count: usize) -> String {
        format!("{:?}-{count}.tokens", self.signed)
    }

    fn body_file(size: usize) -> String {
        format!("{size}.json")
    }
}

/// The sizes of bodies that are sent.
pub const BODIES: [usize; 3] = [BODY.len(), 2_048, 65_536];

impl Props {
    /// Makes tokens and starts the upstream: this binary again, with the argument `upstream`.
    ///
    /// # Errors
    /// If something it needs is missing.
    pub async fn prepare(wrk: PathBuf, noop: PathBuf) -> Result<Self> {
        let folder = env::temp_dir().join(format!("toolgate-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let tokens = Tokens::make()?;
        for signed in [Signed::Rs256, Signed::Es256] {
            for count in [WARM, COLD] {
                let sent = Sent { signed, ..Sent::USUAL };
                tokens.write(signed, count, &folder.join(sent.tokens_file(count)))?;
            }
        }
        for size in BODIES {
            fs::write(folder.join(Sent::body_file(size)), load::body(size))?;
        }
        let jwks = folder.join("jwks.json");
        fs::write(&jwks, tokens.jwks().to_string())?;
        // A copy: another build must not change what is measured halfway.
        fs::copy(paths::wasm()?, folder.join("toolgate.wasm"))?;
        fs::write(folder.join("load.lua"), include_str!("load.wrk.lua"))?;
        let (process, upstream) = serve("the upstream", &["upstream".into()]).await?;
        let (judge, authz) = serve("the policy server", &["authz".into(), jwks.into()]).await?;
        Ok(Self { folder, wrk, noop, tokens, client: http()?, upstream, authz, judge, _upstream: process })
    }
}

/// Starts this binary again with these arguments; the first line it says is where it listens.
async fn serve(name: &str, arguments: &[std::ffi::OsString]) -> Result<(Process, SocketAddr)> {
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments);
    let (process, line) = Process::start_with_line(name, command, PATIENCE).await?;
    let address = line.trim().parse().with_context(|| format!("{name} said `{line}`"))?;
    Ok((process, address))
}

impl Props {
    /// The filter that is measured.
    #[must_use]
    pub fn wasm(&self) -> PathBuf {
        self.folder.join("toolgate.wasm")
    }
}

impl Props {
    /// Where what is made for a run stands.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program that loads chains.
    #[must_use]
    pub fn wrk(&self) -> &Path {
        &self.wrk
    }

    /// The issuer.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Where every chain ends.
    #[must_use]
    pub fn upstream(&self) -> SocketAddr {
        self.upstream
    }

    /// The script, a file of so many tokens, and the body.
    #[must_use]
    pub fn files(&self, sent: Sent, tokens: usize) -> [PathBuf; 3] {
        let names = ["load.lua".to_owned(), sent.tokens_file(tokens), Sent::body_file(sent.body)];
        names.map(|name| self.folder.join(name))
    }

    /// What a listener on this port says to a call.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn status(&self, port: u16, body: &str, token: Option<&str>) -> Result<StatusCode> {
        let mut request = self
            .client
            .post(format!("http://127.0.0.1:{port}/mcp"))
            .header("host", HOST)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .body(body.to_owned());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        let status = answer.status();
        answer.bytes().await?;
        Ok(status)
    }
}

impl Drop for Props {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// A running Envoy.
#[derive(Debug)]
pub struct Stage<'p> {
    props: &'p Props,
    process: Process,
    started: Instant,
    patience: Duration,
    admin: u16,
    ports: BTreeMap<Chain, u16>,
    client: Client,
}

impl<'p> Stage<'p> {
    /// Starts Envoy with a listener for each of `chains`, and does not wait for it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn start(props: &'p Props, chains: &[Chain], workers: usize) -> Result<Self> {
        Self::with_rules(props, chains, workers, 0).await
    }

    /// The same, and Toolgate's policy has so many rules more.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn with_rules(
        props: &'p Props,
        chains: &[Chain],
        workers: usize,
        more_rules: usize,
    ) -> Result<Self> {
        let envoy = Command::new(paths::envoy()?);
        Self::launch(props, chains, workers, more_rules, envoy, PATIENCE).await
    }

    /// The same by another command, which takes Envoy's arguments; `patience` is for its first verdict.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn launch(
        props: &'p Props,
        chains: &[Chain],
        workers: usize,
        more_rules: usize,
        mut command: Command,
        patience: Duration,
    ) -> Result<Self> {
        let ports =
            chains.iter().map(|chain| Ok((*chain, free_port()?))).collect::<Result<BTreeMap<_, _>>>()?;
        let admin = free_port()?;
        let gateway = Gateway::new(props.upstream, props.upstream).with_plugin(json!({}))?;
        let mut bootstrap = render(&gateway, Ports { listener: admin, admin })?.bootstrap;
        let shipped = bootstrap.pointer("/static_resources/listeners/0").context("no listener")?.clone();
        let wasm = props.wasm();
        let parts = Parts {
            wasm: &wasm,
            listener: shipped,
            noop: &props.noop,
            jwks: props.tokens.jwks(),
            authz: props.authz,
            more_rules,
        };
        let listeners =
            ports.iter().map(|(chain, port)| parts.listener(*chain, *port)).collect::<Result<Vec<_>>>()?;
        bootstrap["static_resources"]["listeners"] = json!(listeners);
        let clusters = bootstrap.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
        let own = [cluster(AUTHZ_CLUSTER, props.authz), cluster(COLLECTOR_CLUSTER, props.upstream)];
        clusters.context("no clusters")?.extend(own);
        let file = props.folder.join(format!("bootstrap-{admin}.json"));
        fs::write(&file, serde_json::to_vec_pretty(&bootstrap)?)?;
        command.arg("--config-path").arg(file).args([
            "--concurrency",
            &workers.to_string(),
            "--disable-hot-restart",
            "--log-level",
            "error",
        ]);
        if chains.contains(&Chain::ToolgateLog) {
            // Records of the log are written at this level; nobody reads them.
            command.args(["--component-log-level", "wasm:info", "--log-path", "/dev/null"]);
        }
        let started = Instant::now();
        let process = Process::start("envoy", command).await?;
        Ok(Self { props, process, started, patience, admin, ports, client: http()? })
    }

    /// Milliseconds from Envoy's start to the first request that `chain` lets through.
    ///
    /// # Errors
    /// If there is none for a long time.
    pub async fn first_verdict(&mut self, chain: Chain) -> Result<f64> {
        let first = wait_for("the first verdict", self.patience, || async {
            let status = self.status(chain, BODY, Some(self.props.tokens.first(Signed::Rs256))).await.ok()?;
            (status == StatusCode::OK).then(|| self.started.elapsed())
        })
        .await;
        first.map(|elapsed| elapsed.as_secs_f64() * 1e3).with_context(|| self.process.log().snapshot())
    }

    /// Envoy's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A chain that judges wrongly does not count: every verdict is tried before anything is measured.
    ///
    /// # Errors
    /// On the first wrong verdict.
    pub async fn verify(&mut self, chain: Chain) -> Result<()> {
        self.first_verdict(chain).await?;
        if !chain.judges() {
            return Ok(());
        }
        let tokens = &self.props.tokens;
        let nobody = tokens.without_role()?;
        let forged = tokens.forged();
        let denied = BODY.replace("get_weather", "code_delete");
        let twice = BODY.replace(r#""name":"get_weather""#, r#""name":"get_weather","name":"code_delete""#);
        let batch = format!("[{BODY}]");
        let large = load::body(65_536);
        let rsa = tokens.first(Signed::Rs256);
        let cases = [
            ("an allowed tool", BODY, Some(rsa), 200),
            ("an allowed tool, signed with a curve", BODY, Some(tokens.first(Signed::Es256)), 200),
            ("a large body", &large, Some(rsa), 200),
            ("a tool that no rule allows", &denied, Some(rsa), 403),
            ("a caller without a role", BODY, Some(nobody.as_str()), 403),
            ("a duplicate member", &twice, Some(rsa), 400),
            ("a batch", &batch, Some(rsa), 400),
            ("no token", BODY, None, 401),
            ("a forged token", BODY, Some(forged.as_str()), 401),
        ];
        for (what, body, token, expected) in cases {
            let got = self.status(chain, body, token).await?;
            ensure!(got.as_u16() == expected, "{}: {what} got {got}, not {expected}", chain.name());
        }
        Ok(())
    }

    async fn status(&self, chain: Chain, body: &str, token: Option<&str>) -> Result<StatusCode> {
        let port = self.ports.get(&chain).context("this Envoy does not run that chain")?;
        self.props.status(*port, body, token).await
    }

    /// Loads `chain` for `time` in a closed loop.
    ///
    /// # Errors
    /// If `wrk` fails or a request is not let through.
    pub fn measure(&self, chain: Chain, sent: Sent, time: Duration) -> Result<Sample> {
        let files = self.files(chain, sent);
        let processes = match chain {
            Chain::ExtAuthz => vec![self.process.id(), self.props.judge.id()],
            _ => vec![self.process.id()],
        };
        load::run(&self.props.wrk, self.load(chain, &files, time)?, &processes).context(chain.name())
    }

    /// Loads `chain` at a fixed rate.
    ///
    /// # Errors
    /// If `h2load` fails or a request is not let through.
    pub fn at_rate(&self, h2load: &Path, chain: Chain, rate: f64, time: Duration) -> Result<Paced> {
        let files = self.files(chain, Sent::USUAL);
        let log = self.props.folder.join("h2load.log");
        load::at_rate(h2load, self.load(chain, &files, time)?, rate, &log).context(chain.name())
    }

    fn files(&self, chain: Chain, sent: Sent) -> [PathBuf; 3] {
        self.props.files(sent, chain.tokens())
    }

    fn load<'f>(&self, chain: Chain, files: &'f [PathBuf; 3], time: Duration) -> Result<Load<'f>> {
        let Some(port) = self.ports.get(&chain) else { bail!("this Envoy does not run {}", chain.name()) };
        let [script, tokens, body] = files;
        Ok(Load { script, tokens, body, port: *port, time })
    }

    /// The share of look-ups that `chain`'s token cache answered since the start; none where it has no cache.
    ///
    /// # Errors
    /// If the admin interface does not answer.
    pub async fn lookups(&self) -> Result<Lookups> {
        let url = format!("http://127.0.0.1:{}/stats?filter=cache", self.admin);
        let text = self.client.get(url).send().await?.error_for_status()?.text().await?;
        let sum = |part: &str| {
            let values =
                text.lines().filter(|line| line.contains(part)).filter_map(|line| line.rsplit_once(": "));
            values.filter_map(|(_, value)| value.parse::<u64>().ok()).sum::<u64>()
        };
        Ok(Lookups {
            hits: sum("jwt_cache_hit") + sum("result=hit"),
            misses: sum("jwt_cache_miss") + sum("result=miss"),
        })
    }

    /// How many requests of `chain` were answered so far.
    ///
    /// # Errors
    /// If the admin interface does not answer.
    pub async fn completed(&self, chain: Chain) -> Result<f64> {
        let name = format!("http.{}.downstream_rq_completed", chain.name());
        let url = format!("http://127.0.0.1:{}/stats?filter=^{name}$", self.admin);
        let text = self.client.get(url).send().await?.error_for_status()?.text().await?;
        let number = text.trim().rsplit_once(": ").and_then(|(_, number)| number.parse::<u32>().ok());
        number.map(f64::from).with_context(|| format!("no `{name}` in `{text}`"))
    }

    /// The share of audit records for an outlet that were lost.
    ///
    /// # Errors
    /// If the admin interface does not answer.
    pub async fn dropped(&self, outlet: &str) -> Result<f64> {
        let url = format!("http://127.0.0.1:{}/stats?filter=toolgate_audit_records_total", self.admin);
        let text = self.client.get(url).send().await?.error_for_status()?.text().await?;
        let count = |result: &str| {
            let part = format!(";outlet={outlet};result={result}: ");
            let values = text.lines().filter_map(|line| line.split_once(&part)?.1.parse::<u32>().ok());
            f64::from(values.sum::<u32>())
        };
        let (written, dropped) = (count("written"), count("dropped"));
        ensure!(written > 0.0, "{outlet}: no record was written");
        Ok(super::report::rounded(dropped / (written + dropped)))
    }

    /// Where a failed benchmark looks.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log().snapshot()
    }
}

/// A cluster of one endpoint.
fn cluster(name: &str, address: SocketAddr) -> Value {
    json!({ "name": name, "type": "STATIC", "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [
        { "endpoint": { "address": { "socket_address": {
            "address": address.ip().to_string(), "port_value": address.port(),
        } } } },
    ] }] } })
}

/// What token caches answered, all chains together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lookups {
    /// Known tokens.
    pub hits: u64,
    /// New tokens.
    pub misses: u64,
}

impl Lookups {
    /// The share of hits since `before`, if there was any look-up.
    #[must_use]
    pub fn share_since(self, before: Self) -> Option<f64> {
        let (hits, misses) = (self.hits - before.hits, self.misses - before.misses);
        #[allow(clippy::cast_precision_loss, reason = "counts of a few seconds are exact in f64")]
        let share = hits as f64 / (hits + misses) as f64;
        (hits + misses > 0).then_some(share)
    }
}

/// Builds the filter that does nothing.
///
/// # Errors
/// If cargo fails.
pub fn build_noop() -> Result<PathBuf> {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = paths::repository().join("target/noop");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet", "--target", "wasm32-wasip1", "--manifest-path"])
        .arg(harness.join("noop/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "the no-op filter does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(target.join("wasm32-wasip1/release/noop.wasm"))
}
