// SPDX-License-Identifier: Apache-2.0
//! `toolgate config check`: what the plugin would say, with lines.

use std::path::PathBuf;

use serde_json::{Value, json};
use toolgate_engine::config::{Config, PolicyOrigin};

use crate::{
    command::Outcome,
    diagnostic::{Diagnostic, Exit, Severity},
    engine::{self, Environment},
    out::Out,
    yaml::Document,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration, in YAML or JSON; `-` reads the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Refuse what is only fit for development: every warning counts
    #[arg(long)]
    production: bool,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let document = Document::open(&args.file)?;
    let secrets = Environment::of(&document);
    let (config, mut all) = match engine::compile(&document, &secrets) {
        Ok(config) => {
            let warnings = config.warnings.iter();
            let warnings = warnings
                .map(|warning| {
                    engine::located(Diagnostic::warning(&warning.message), &document, &warning.path)
                })
                .collect();
            (Some(config), warnings)
        }
        Err(error) => (None, vec![error]),
    };
    let counts =
        |severity| all.iter().filter(|diagnostic: &&Diagnostic| diagnostic.severity == severity).count();
    let warnings = counts(Severity::Warning);
    let refused = config.is_none() || (args.production && warnings > 0);
    all.extend(secrets.notes());
    report(document.name(), config.as_ref(), refused, &all, out)?;
    Ok(if refused { Exit::Refused } else { Exit::Success })
}

fn report(
    name: &str,
    config: Option<&Config>,
    refused: bool,
    all: &[Diagnostic],
    out: Out,
) -> Result<(), crate::diagnostic::Failure> {
    if !out.wants_json() {
        all.iter().for_each(|diagnostic| out.aside(&diagnostic.render()));
    }
    let diagnostics: Vec<Value> = all.iter().map(Diagnostic::to_json).collect();
    let summary = config.map(summary);
    let answer = json!({ "ok": !refused, "file": name, "summary": summary, "diagnostics": diagnostics });
    out.either(&answer, || match config {
        None => format!("`{name}` is refused"),
        Some(_) if refused => format!("`{name}` is refused for production: see the warnings"),
        Some(config) => format!("`{name}` is good: {}", sentence(config)),
    })
}

fn summary(config: &Config) -> Value {
    let rules = rules(config);
    json!({
        "servers": config.servers.len(),
        "routes": config.routes.len(),
        "issuers": config.issuers.len(),
        "policies": config.policies.len(),
        "rules": rules,
    })
}

/// Of the policies that are written there; bundles are fetched.
fn rules(config: &Config) -> usize {
    config.policies.iter().filter_map(PolicyOrigin::policy).map(|policy| policy.rule_count()).sum()
}

fn sentence(config: &Config) -> String {
    let rules = rules(config);
    let counts = [
        (config.servers.len(), "server"),
        (config.routes.len(), "route"),
        (config.issuers.len(), "issuer"),
        (rules, "rule"),
    ];
    let said: Vec<String> = counts
        .iter()
        .map(|(count, noun)| format!("{count} {noun}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    said.join(", ")
}
