//! A Prometheus and an Alertmanager beside an Envoy, with everything of `alerts/` loaded.

mod boards;
mod crowd;
mod mail;
mod sources;
mod traffic;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    envoy::http,
    gate::Mode,
    paths,
    process::Process,
    serve::{free_port, wait_for},
    tour::Stage,
};

pub use boards::{Query, boards, panels, rules};
pub use crowd::crowd;
pub use mail::Mail;
pub use sources::Sources;
pub use traffic::{metered, traffic};

const PATIENCE: Duration = Duration::from_secs(20);

/// What is loaded, and whom it watches.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Host and port of Envoy's admin interface.
    pub target: String,
    /// Where alerts are sent: a webhook, and Slack's form under `/slack`.
    pub hook: String,
    /// Host and port of a mail server on this machine, which has no certificate.
    pub mail: String,
    /// Thresholds that differ from `alerts/values.yaml`.
    pub values: BTreeMap<&'static str, &'static str>,
    /// How often to scrape and to look at the rules.
    pub interval: &'static str,
}

/// The stage of the tour with tools of every class, and a second server that has opaque tokens and a fetched policy.
///
/// # Errors
/// If a part does not start.
pub async fn stage() -> Result<(Stage, Sources)> {
    let sources = Sources::start()?;
    let change = |configuration: &mut Value| {
        metered(configuration);
        sources.configure(configuration);
        crowd::crowded(configuration);
    };
    let stage = Stage::start_tuned(Mode::Held, change, |gateway| sources.reach(gateway)).await?;
    Ok((stage, sources))
}

/// A running Prometheus and Alertmanager; ended on drop.
#[derive(Debug)]
pub struct Watch {
    prometheus: Process,
    alertmanager: Process,
    ports: [u16; 2],
    folder: Folder,
}

impl Watch {
    /// Starts both and waits until they are ready.
    ///
    /// # Errors
    /// If a program is missing, or does not take what is loaded.
    pub async fn start(setup: &Setup) -> Result<Self> {
        let folder = Folder::new()?;
        let ports = [free_port()?, free_port()?];
        let [prometheus, alertmanager] = ports.map(|port| format!("127.0.0.1:{port}"));
        let rules = folder.rules(setup)?;
        let written = folder.write("prometheus.yml", &scraping(setup, &alertmanager, &rules))?;
        let mut command = Command::new(paths::observing("prometheus")?);
        command
            .arg(format!("--config.file={}", written.display()))
            .arg(format!("--storage.tsdb.path={}", folder.0.join("data").display()))
            .arg(format!("--web.listen-address={prometheus}"))
            // Links in alerts lead here, not to the machine's name, where nobody listens.
            .arg(format!("--web.external-url=http://{prometheus}"))
            .arg("--log.level=warn");
        let prometheus = Process::start("prometheus", command).await?;
        let written = folder.write("alertmanager.yml", &routing(setup)?)?;
        let mut command = Command::new(paths::observing("alertmanager")?);
        command
            .arg(format!("--config.file={}", written.display()))
            .arg(format!("--storage.path={}", folder.0.join("silences").display()))
            .arg(format!("--web.listen-address={alertmanager}"))
            .arg(format!("--web.external-url=http://{alertmanager}"))
            .args(["--cluster.listen-address=", "--log.level=warn"]);
        let alertmanager = Process::start("alertmanager", command).await?;
        let watch = Self { prometheus, alertmanager, ports, folder };
        watch.ready().await?;
        Ok(watch)
    }

    async fn ready(&self) -> Result<()> {
        let client = http()?;
        for address in [self.prometheus("/-/ready"), self.alertmanager("/-/ready")] {
            let ready = wait_for(&address, PATIENCE, || async {
                let answer = client.get(&address).send().await.ok()?;
                answer.status().is_success().then_some(())
            });
            ready.await.map_err(|error| error.context(self.log()))?;
        }
        Ok(())
    }

    /// What both wrote.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}\n{}", self.prometheus.log().snapshot(), self.alertmanager.log().snapshot())
    }

    /// Prometheus' URL of `path`.
    #[must_use]
    pub fn prometheus(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[0])
    }

    /// Alertmanager's URL of `path`.
    #[must_use]
    pub fn alertmanager(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[1])
    }

    /// The rules as they were loaded.
    #[must_use]
    pub fn rules(&self) -> PathBuf {
        self.folder.0.join("rules")
    }

    /// The values that a query gives now; none where it has no data.
    ///
    /// # Errors
    /// If Prometheus does not take the query.
    pub async fn query(&self, query: &str) -> Result<Vec<f64>> {
        let form = [("query", query)];
        let answer = http()?.post(self.prometheus("/api/v1/query")).form(&form).send().await?;
        let said: Value = answer.json().await?;
        if said["status"] != "success" {
            bail!("`{query}`: {}", said["error"]);
        }
        let result = said["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |sample: &Value| sample.pointer("/value/1")?.as_str()?.parse().ok();
        Ok(result.iter().filter_map(value).collect())
    }

    /// Sends an alert to Alertmanager.
    ///
    /// # Errors
    /// If it does not take it.
    pub async fn alert(&self, labels: Value) -> Result<()> {
        let body = serde_json::json!([{ "labels": labels, "annotations": { "summary": "a trial" } }]);
        let sent = http()?.post(self.alertmanager("/api/v2/alerts")).json(&body).send().await?;
        sent.error_for_status()?;
        Ok(())
    }
}

fn scraping(setup: &Setup, alertmanager: &str, rules: &Path) -> String {
    let Setup { target, interval, .. } = setup;
    let rules = rules.display();
    format!(
        "global: {{ scrape_interval: {interval}, evaluation_interval: {interval} }}\n\
         rule_files: ['{rules}/*.yml']\n\
         alerting: {{ alertmanagers: [ {{ static_configs: [ {{ targets: ['{alertmanager}'] }} ] }} ] }}\n\
         scrape_configs:\n\
         - job_name: toolgate\n  metrics_path: /stats/prometheus\n  static_configs: [ {{ targets: ['{target}'] }} ]\n"
    )
}

/// The Alertmanager configuration that ships, with everything sent to one hook, and soon.
fn routing(setup: &Setup) -> Result<String> {
    let path = paths::repository().join("alerts/alertmanager.yml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let slack = format!("{}/slack", setup.hook);
    let filled = [
        ("@WEBHOOK_URL@", setup.hook.as_str()),
        ("@SLACK_URL@", &slack),
        ("@SMTP_HOST@", setup.mail.as_str()),
        ("smtp_require_tls: true", "smtp_require_tls: false"),
        ("@MAIL_FROM@", "toolgate@localhost"),
        ("@MAIL_TO@", "operator@localhost"),
        ("group_wait: 10s", "group_wait: 1s"),
    ];
    Ok(filled.into_iter().fold(text, |text, (from, to)| text.replace(from, to)))
}

/// A folder of its own; removed on drop.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("toolgate-observe-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot create `{}`", path.display()))?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(path)
    }

    /// Renders the rules as `alerts/render` does for anybody.
    fn rules(&self, setup: &Setup) -> Result<PathBuf> {
        let alerts = paths::repository().join("alerts");
        let values = fs::read_to_string(alerts.join("values.yaml"))?;
        let values = values.lines().map(|line| match line.split_once(':') {
            Some((name, _)) if setup.values.contains_key(name) => format!("{name}: {}", setup.values[name]),
            Some(_) | None => line.to_owned(),
        });
        let values = self.write("values.yaml", &values.collect::<Vec<_>>().join("\n"))?;
        let rules = self.0.join("rules");
        let done = Command::new(alerts.join("render")).arg(values).arg(&rules).output()?;
        if !done.status.success() {
            bail!("alerts/render: {}", String::from_utf8_lossy(&done.stderr));
        }
        fs::copy(alerts.join("compat.rules.yml"), rules.join("compat.yml"))?;
        Ok(rules)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
