// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy check`: everything that is wrong in a policy, and what is probably not meant.

use std::path::PathBuf;

use serde_json::{Value, json};
use toolgate_engine::{config::Config, policy::Policy, time::UnixTime};

use crate::{
    clock,
    command::Outcome,
    diagnostic::{Diagnostic, Exit, Failure, Severity},
    engine::{self, Environment},
    out::Out,
    policy::{Holds, Known, Written},
    yaml::Document,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policy, in YAML or JSON; `-` reads the standard input; by default every policy of the configuration
    #[arg(value_name = "FILE", required_unless_present = "config")]
    file: Option<PathBuf>,
    /// The configuration whose servers it is for: names of tools, routes and issuers are compared with theirs
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Refuse a policy with warnings
    #[arg(long)]
    deny_warnings: bool,
}

/// What is said of one policy.
struct Checked {
    name: String,
    policy: Option<Policy>,
    diagnostics: Vec<Diagnostic>,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let configuration = args.config.as_ref().map(|path| Document::open(path)).transpose()?;
    let policies = match (&args.file, &configuration) {
        (Some(file), _) => {
            let written = Written::open(file)?;
            vec![(written.name().to_owned(), written)]
        }
        (None, Some(document)) => Written::inside(document)?,
        (None, None) => return Err(Failure::usage("name a policy or a configuration")),
    };
    if policies.is_empty() {
        return Err(Failure::refused("the configuration has no policy"));
    }
    // A policy inside a faulty configuration is still worth looking at.
    let compiled = configuration
        .as_ref()
        .map(|document| (document, engine::compile(document, &Environment::of(document))));
    let (config, mut beside) = match compiled {
        None => (None, None),
        Some((_, Ok(config))) => (Some(config), None),
        Some((_, Err(error))) => (None, Some(error)),
    };
    let now = UnixTime::from_secs(u64::try_from(clock::now()).unwrap_or_default());
    let mut all: Vec<Checked> =
        policies.iter().map(|(name, written)| look(name, written, config.as_ref(), now)).collect();
    // The fault of the configuration may be the one of a policy inside it, which has been said then.
    let said = |error: &Diagnostic| all.iter().flat_map(|one| &one.diagnostics).any(|known| known == error);
    beside = beside.filter(|error| !said(error));
    if let Some(first) = all.first_mut() {
        first.diagnostics.extend(beside);
    }
    report(args, &all, out)
}

fn look(name: &str, written: &Written, config: Option<&Config>, now: UnixTime) -> Checked {
    let name = name.to_owned();
    let Ok(policy) = written.compile() else {
        return Checked { name, policy: None, diagnostics: written.faults() };
    };
    let (known, holds) = match config {
        Some(config) => Known::of(config, &policy.digest()),
        None => (Known::default(), Holds::Yes),
    };
    let lints = known.lint(written.root(), now).unwrap_or_default();
    let mut diagnostics: Vec<Diagnostic> = lints
        .into_iter()
        .map(|lint| {
            let warning = Diagnostic::warning(lint.message).kind(lint.kind.word()).maybe_help(lint.help);
            written.located(warning, &lint.path)
        })
        .collect();
    if holds == Holds::No {
        diagnostics.push(Diagnostic::note(
            "the configuration does not hold this policy, so all of its servers are meant",
        ));
    }
    Checked { name, policy: Some(policy), diagnostics }
}

fn report(args: &Args, all: &[Checked], out: Out) -> Outcome {
    let diagnostics = || all.iter().flat_map(|one| &one.diagnostics);
    let count = |severity| diagnostics().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let refused = errors > 0 || (args.deny_warnings && warnings > 0);
    if !out.wants_json() {
        diagnostics().for_each(|diagnostic| out.aside(&diagnostic.render()));
    }
    let listed: Vec<Value> = diagnostics().map(Diagnostic::to_json).collect();
    let mut answer = json!({ "ok": !refused, "errors": errors, "warnings": warnings, "diagnostics": listed });
    let policies: Vec<Value> = all.iter().map(Checked::summary).collect();
    if let (Some(object), [Value::Object(only)]) = (answer.as_object_mut(), policies.as_slice()) {
        object.extend(only.clone());
    }
    if let Some(object) = answer.as_object_mut() {
        object.insert("policies".to_owned(), Value::Array(policies));
    }
    out.either(&answer, || {
        let lines: Vec<String> = all.iter().map(|one| one.sentence(refused)).collect();
        lines.join("\n")
    })?;
    Ok(if refused { Exit::Refused } else { Exit::Success })
}

impl Checked {
    fn summary(&self) -> Value {
        let roles: Vec<&str> = self.policy.iter().flat_map(Policy::all_roles).collect();
        let rules = self.policy.as_ref().map(Policy::rule_count);
        json!({ "file": self.name, "rules": rules, "roles": roles })
    }

    fn sentence(&self, refused: bool) -> String {
        let name = &self.name;
        let Some(policy) = &self.policy else {
            let errors = self.diagnostics.len();
            return format!("`{name}` is refused: {errors} error{}", if errors == 1 { "" } else { "s" });
        };
        let warned = self.diagnostics.iter().any(|one| one.severity == Severity::Warning);
        if refused && warned {
            return format!("`{name}` is refused: see the warnings");
        }
        let roles: Vec<&str> = policy.all_roles().collect();
        format!("`{name}` is good: {} rules, roles {}", policy.rule_count(), roles.join(", "))
    }
}
