// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy check`.

use std::path::PathBuf;

use serde_json::json;

use crate::{command::Outcome, diagnostic::Exit, out::Out, policy, yaml::Document};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policy, in YAML or JSON; `-` reads the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let document = Document::open(&args.file)?;
    let policy = policy::compile(&document)?;
    let roles: Vec<&str> = policy.all_roles().collect();
    let name = document.name();
    let answer =
        json!({ "ok": true, "file": name, "rules": policy.rule_count(), "roles": roles, "diagnostics": [] });
    out.either(&answer, || {
        format!("`{name}` is good: {} rules, roles {}", policy.rule_count(), roles.join(", "))
    })?;
    Ok(Exit::Success)
}
