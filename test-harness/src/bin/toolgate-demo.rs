//! `make demo`: the tour through the gate, as a table. `SERVE=1` keeps the gate up afterwards.

use std::{env, process::ExitCode};

use anyhow::Result;
use toolgate_harness::{
    gate::Mode,
    tour::{self, Colour, Stage},
};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("toolgate-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool> {
    // HOST_MODE=streamed runs Envoy as Istio's WasmPlugin does: request headers are not held.
    let streamed = env::var("HOST_MODE").is_ok_and(|mode| mode == "streamed");
    let stage = Stage::start(if streamed { Mode::Streamed } else { Mode::Held }).await?;
    let colour = Colour::detect();
    let outcome = tour::walk(&stage, |_| ()).await;
    let rows = match outcome {
        Ok(rows) => rows,
        Err(error) => {
            eprintln!("{}\n{}", stage.envoy.log(), stage.issuer.log());
            return Err(error);
        }
    };
    println!("{}", tour::table(&rows, colour));
    let metrics = stage.envoy.metrics().await?;
    println!("The metrics that the tour caused ({}):\n", stage.envoy.admin("/stats/prometheus"));
    println!("{}", tour::metrics(&metrics));
    let matched = rows.iter().filter(|row| row.matched).count();
    let good = matched == rows.len();
    println!("{matched} of {} rows as expected", rows.len());
    if !good {
        eprintln!("--- envoy:\n{}", stage.envoy.log());
    }
    if env::var("SERVE").is_ok_and(|serve| serve == "1") {
        println!("{}\nCtrl-C ends it.", tour::serve(&stage));
        tokio::signal::ctrl_c().await?;
    }
    Ok(good)
}
