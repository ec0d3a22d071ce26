//! `make bench`: the cost of every chain, as a table and as `target/bench/report.json`.

use std::{env, process::ExitCode};

use anyhow::Result;
use toolgate_harness::bench::{self, Plan};

fn main() -> ExitCode {
    // The benchmark starts itself again as its upstream.
    let outcome = if env::args().nth(1).is_some_and(|argument| argument == "upstream") {
        bench::upstream::serve()
    } else {
        measure()
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("toolgate-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn measure() -> Result<()> {
    let report = bench::run(Plan::from_environment(), |line| eprintln!("{line}")).await?;
    println!("\n{}", report.table());
    println!("written to {}", bench::write(&report)?.display());
    Ok(())
}
