//! `make observe`: the demo with Prometheus and Alertmanager beside it.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::Result;
use toolgate_harness::{
    observe::{self, Setup, Watch, traffic},
    tour,
};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("toolgate-observe: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let (stage, sources) = observe::stage().await?;
    let target = stage.envoy.admin("").trim_start_matches("http://").to_owned();
    // Nobody listens there unless somebody starts a receiver: HOOK=http://host:port.
    let hook = std::env::var("HOOK").unwrap_or_else(|_| "http://127.0.0.1:9".to_owned());
    // Likewise: MAIL=host:port.
    let mail = std::env::var("MAIL").unwrap_or_else(|_| "127.0.0.1:9".to_owned());
    let setup = Setup { target, hook, mail, values: BTreeMap::new(), interval: "5s" };
    let watch = Watch::start(&setup).await?;
    println!(
        "prometheus    {}\nalertmanager  {}\n{}",
        watch.prometheus("/alerts"),
        watch.alertmanager("/#/alerts"),
        tour::serve(&stage)
    );
    println!("Traffic comes every ten seconds. Ctrl-C ends everything.");
    let mut pause = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = pause.tick() => traffic(&stage, &sources).await?,
        }
    }
}
