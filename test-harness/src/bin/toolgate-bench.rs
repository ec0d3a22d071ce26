//! `make bench`: the cost of every chain, as a table and as `target/bench/report.json`. `make bench-counts` counts in place
//! of timing.

use std::{env, process::ExitCode};

use anyhow::Result;
use toolgate_harness::bench::{self, Plan};

fn main() -> ExitCode {
    // The benchmark starts itself again as its upstream and as the policy server of `ext_authz`.
    let mut arguments = env::args().skip(1);
    let outcome = match (arguments.next().as_deref(), arguments.next()) {
        (Some("upstream"), None) => bench::upstream::serve(),
        (Some("authz"), Some(jwks)) => bench::authz::serve(&jwks),
        (Some("counts"), None) => count(),
        _ => measure(),
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
async fn count() -> Result<()> {
    bench::counts::ready()?;
    println!("\n{}", bench::counts::run(|line| eprintln!("{line}")).await?);
    Ok(())
}

#[tokio::main]
async fn measure() -> Result<()> {
    let report = bench::run(Plan::from_environment(), |line| eprintln!("{line}")).await?;
    println!("\n{}", report.table());
    for file in bench::write(&report)? {
        println!("written to {}", file.display());
    }
    Ok(())
}
