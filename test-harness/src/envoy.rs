//! A running Envoy.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    bootstrap::{self, Delivery, Gateway, Ports, Rendered, Runner},
    docker::Container,
    paths,
    process::Process,
    scrape::Metrics,
    serve::{free_port, wait_for},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running Envoy; ended on drop.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    ports: Ports,
    folder: Folder,
    gateway: Gateway,
    _container: Option<Container>,
}

/// Envoy ended instead of getting ready: a configuration it does not take.
#[derive(Debug)]
pub struct Refused {
    /// What Envoy wrote.
    pub log: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "envoy ended before it was ready:\n{}", self.log)
    }
}

impl std::error::Error for Refused {}

impl Envoy {
    /// Starts Envoy and waits until it is ready.
    ///
    /// # Errors
    /// [`Refused`] if Envoy ends, which is what a bad configuration does; else whatever stands in the way.
    pub async fn start(gateway: Gateway) -> Result<Self> {
        let binary = paths::envoy()?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match Self::attempt(&binary, &gateway).await {
                // Somebody took the port between the look and Envoy's bind.
                Err(error) if attempts < 3 && error.to_string().contains("Address already in use") => {}
                outcome => return outcome,
            }
        }
    }

    async fn attempt(binary: &Path, gateway: &Gateway) -> Result<Self> {
        let ports = Ports { listener: free_port()?, admin: free_port()? };
        let folder = Folder::new()?;
        let file = folder.write(bootstrap::render(gateway, ports)?, gateway.delivery)?;
        let container = match gateway.runner {
            Runner::Binary => None,
            Runner::Docker => Some(Container::prepare(binary, &folder.name())?),
        };
        let mut command = match &container {
            None => {
                let mut command = match gateway.under.split_first() {
                    None => Command::new(binary),
                    Some((program, arguments)) => {
                        let mut command = Command::new(program);
                        command.args(arguments).arg(binary);
                        command
                    }
                };
                command.env_clear().envs(&gateway.environment);
                command
            }
            Some(container) => {
                let wasm = gateway.plugin.iter().map(|plugin| plugin.wasm.clone());
                let readable = wasm.chain([folder.0.clone()]).collect::<Vec<_>>();
                container.command(&readable, gateway.environment.iter())
            }
        };
        let level = env::var("ENVOY_LOG").unwrap_or_else(|_| "warning".to_owned());
        command
            .arg("--config-path")
            .arg(file)
            .arg("--concurrency")
            .arg(gateway.concurrency.to_string())
            .args([
                "--disable-hot-restart",
                "--file-flush-interval-msec",
                "100",
                "--component-log-level",
                "wasm:info",
                "--log-level",
                &level,
            ]);
        let process = Process::start("envoy", command).await?;
        let mut envoy = Self { process, ports, folder, gateway: gateway.clone(), _container: container };
        envoy.ready().await?;
        Ok(envoy)
    }

    async fn ready(&mut self) -> Result<()> {
        let address = self.admin("/ready");
        let client = http()?;
        let process = std::cell::RefCell::new(&mut self.process);
        let outcome = wait_for("envoy to be ready", PATIENCE, || async {
            if process.borrow_mut().ended().ok().flatten().is_some() {
                return Some(false);
            }
            let answer = client.get(&address).send().await.ok()?;
            answer.status().is_success().then_some(true)
        })
        .await;
        match outcome {
            Ok(true) => self.listening().await,
            Ok(false) => Err(Refused { log: self.settled_log().await }.into()),
            Err(error) => Err(error.context(self.process.log().snapshot())),
        }
    }

    /// `/ready` answers before the listener of a discovery file is in.
    async fn listening(&self) -> Result<()> {
        if self.gateway.delivery == Delivery::Static {
            return Ok(());
        }
        let port = self.ports.listener;
        wait_for("the listener", PATIENCE, || async {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await
        .with_context(|| self.process.log().snapshot())?;
        // The counter follows the socket; `reconfigure` counts from here.
        wait_for("the listener to be counted", PATIENCE, || async {
            self.updates().await.ok().filter(|updates| updates.succeeded > 0)
        })
        .await?;
        Ok(())
    }

    /// The log of an Envoy that has ended: complete once it stops growing.
    async fn settled_log(&self) -> String {
        let log = self.process.log();
        let last = std::cell::RefCell::new(log.snapshot());
        let settled = wait_for("the log", Duration::from_secs(2), || async {
            let now = log.snapshot();
            let same = !now.is_empty() && *last.borrow() == now;
            last.replace(now.clone());
            same.then_some(now)
        })
        .await;
        settled.unwrap_or_default()
    }

    /// Puts another plugin configuration in place ([`Delivery::Lds`], [`Delivery::Ecds`]) and waits for Envoy's verdict.
    ///
    /// # Errors
    /// If Envoy neither takes nor rejects it, or the listener is not delivered by file.
    pub async fn reconfigure(&mut self, configuration: serde_json::Value) -> Result<Update> {
        if self.gateway.delivery == Delivery::Static {
            bail!("an Envoy with `Delivery::Static` cannot be reconfigured");
        }
        let mut gateway = self.gateway.clone();
        match &mut gateway.plugin {
            Some(plugin) => plugin.configuration = configuration,
            None => bail!("this Envoy runs without the filter"),
        }
        let rendered = bootstrap::render(&gateway, self.ports)?;
        let before = self.updates().await?;
        self.folder.replace(&rendered, gateway.delivery)?;
        let envoy = &*self;
        let verdict = wait_for("the listener update", PATIENCE, || async move {
            let now = envoy.updates().await.ok()?;
            if now.rejected > before.rejected {
                Some(Update::Rejected)
            } else if now.succeeded > before.succeeded {
                Some(Update::Taken)
            } else {
                None
            }
        })
        .await?;
        if verdict == Update::Taken {
            self.gateway = gateway;
        }
        Ok(verdict)
    }

    async fn updates(&self) -> Result<Updates> {
        let (scope, rejected, succeeded) = match self.gateway.delivery {
            Delivery::Static | Delivery::Lds => {
                ("listener_manager.lds.", "update_rejected", "update_success")
            }
            Delivery::Ecds => ("extension_config_discovery.http_filter.", "config_fail", "config_reload"),
        };
        let text = self.ask(&format!("/stats?filter={}", scope.replace('.', "%5C."))).await?;
        let read = |name: &str| {
            let value = |line: &str| {
                let (found, value) = line.strip_prefix(scope)?.split_once(": ")?;
                found.split('.').next_back().filter(|found| *found == name)?;
                value.parse::<u64>().ok()
            };
            text.lines().find_map(value).unwrap_or_default()
        };
        Ok(Updates { rejected: read(rejected), succeeded: read(succeeded) })
    }

    /// `http://127.0.0.1:PORT` and `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.listener)
    }

    /// The port clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.listener
    }

    /// The admin interface's URL of `path`.
    #[must_use]
    pub fn admin(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.admin)
    }

    /// The text the admin interface answers on `path`.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ask(&self, path: &str) -> Result<String> {
        Ok(http()?.get(self.admin(path)).send().await?.error_for_status()?.text().await?)
    }

    /// What `/stats/prometheus` shows now.
    ///
    /// # Errors
    /// If the admin interface does not answer.
    pub async fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::parse(&self.ask("/stats/prometheus").await?))
    }

    /// Scrapes until `sees` is content: some samples are handed over on a tick of the filter, and histograms show up one
    /// flush after that.
    ///
    /// # Errors
    /// If it is not content within ten seconds; with the last scrape.
    pub async fn metrics_with(&self, what: &str, sees: impl Fn(&Metrics) -> bool) -> Result<Metrics> {
        let last = std::cell::RefCell::new(String::new());
        let found = wait_for(what, Duration::from_secs(10), || async {
            let metrics = self.metrics().await.ok()?;
            last.replace(metrics.lines("toolgate_").collect::<Vec<_>>().join("\n"));
            sees(&metrics).then_some(metrics)
        })
        .await;
        found.map_err(|error| error.context(last.into_inner()))
    }

    /// What Envoy wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log().snapshot()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// What Envoy said to a new configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// It serves by it.
    Taken,
    /// It keeps the last good one.
    Rejected,
}

#[derive(Clone, Copy)]
struct Updates {
    rejected: u64,
    succeeded: u64,
}

/// An HTTP client without a pool: connections belong to the runtime that opened them, and each test has its own. Made
/// once, for it reads the certificates of the system, which takes tens of milliseconds.
pub(crate) fn http() -> Result<reqwest::Client> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build()?;
    Ok(CLIENT.get_or_init(|| client).clone())
}

/// A folder of its own for one Envoy; removed on drop.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("toolgate-harness-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create `{}`", path.display()))?;
        Ok(Self(path))
    }

    fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn write(&self, mut rendered: Rendered, delivery: Delivery) -> Result<PathBuf> {
        self.replace(&rendered, delivery)?;
        match delivery {
            Delivery::Static => {}
            Delivery::Lds => {
                bootstrap::use_lds(&mut rendered.bootstrap, &self.0.join("lds.json").display().to_string())?;
            }
            Delivery::Ecds => {
                bootstrap::use_ecds(
                    &mut rendered.bootstrap,
                    &self.0.join("ecds.json").display().to_string(),
                )?;
            }
        }
        let file = self.0.join("bootstrap.json");
        fs::write(&file, serde_json::to_vec_pretty(&rendered.bootstrap)?)?;
        Ok(file)
    }

    /// Envoy watches for a rename, so the file is never seen half written.
    fn replace(&self, rendered: &Rendered, delivery: Delivery) -> Result<()> {
        let (name, resources) = match delivery {
            Delivery::Static => return Ok(()),
            Delivery::Lds => ("lds.json", &rendered.listeners),
            Delivery::Ecds => ("ecds.json", &rendered.filter),
        };
        let fresh = self.0.join("new.json");
        fs::write(&fresh, serde_json::to_vec_pretty(resources)?)?;
        Ok(fs::rename(fresh, self.0.join(name))?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
