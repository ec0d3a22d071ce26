// SPDX-License-Identifier: Apache-2.0
//! The way to the engine: secrets in, its errors out as diagnostics with a line.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    env,
    os::unix::ffi::OsStringExt,
    path::Path,
};

use serde_json::Value;
use toolgate_engine::{
    config::{Config, Secrets},
    json::{DeError, Segment},
};

use crate::{
    diagnostic::{Diagnostic, Failure},
    yaml::{Document, KeyPath},
};

/// Good for every use of a secret: as a text, as the 64 hexadecimal digits of a signer's seed, and as base64url.
const STAND_IN: &[u8] = &[b'5'; 64];
/// The same where it is decoded first: long enough for HS512 only then, and too long for a seed.
const CODED_STAND_IN: &[u8] = &[b'5'; 88];

/// The secrets of this environment. One that is not here is stood in for and remembered: a configuration is checked
/// where it is written, not where it runs.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    asked: RefCell<BTreeMap<String, Here>>,
    /// Those whose value is written in base64url.
    coded: BTreeSet<String>,
}

/// Whether a variable is set in this environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    Set,
    Unset,
}

impl Secrets for Environment {
    fn lookup(&self, name: &str) -> Option<Vec<u8>> {
        let value = env::var_os(name);
        let here = if value.is_some() { Here::Set } else { Here::Unset };
        self.asked.borrow_mut().insert(name.to_owned(), here);
        let stand_in = if self.coded.contains(name) { CODED_STAND_IN } else { STAND_IN };
        Some(value.map_or_else(|| stand_in.to_vec(), OsStringExt::into_vec))
    }
}

impl Environment {
    /// The environment for this configuration.
    pub(crate) fn of(document: &Document) -> Self {
        // What is not as it should be is the compiler's to tell.
        let whole: Value = serde_json::from_str(document.json()).unwrap_or_default();
        let issuers = whole.get("issuers").and_then(Value::as_object).into_iter().flatten();
        let secrets = issuers.filter_map(|(_, issuer)| issuer.get("secrets")?.as_array()).flatten();
        let coded = secrets.filter(|secret| secret.get("encoding").is_some_and(|word| word == "base64url"));
        let names = coded.filter_map(|secret| secret.pointer("/value/env")?.as_str());
        Self { coded: names.map(str::to_owned).collect(), ..Self::default() }
    }

    /// Every variable that the configuration reads: Envoy must be told to hand them on.
    pub(crate) fn names(&self) -> Vec<String> {
        self.asked.borrow().keys().cloned().collect()
    }

    /// A note for each variable that this environment does not have.
    pub(crate) fn notes(&self) -> Vec<Diagnostic> {
        let asked = self.asked.borrow();
        let unset = asked.iter().filter(|(_, here)| **here == Here::Unset);
        unset
            .map(|(name, _)| {
                Diagnostic::note(format!("`{name}` is not set here, so its value was not checked"))
                    .help("the proxy must have it in its environment")
            })
            .collect()
    }
}

/// Compiles a configuration as the plugin does.
pub(crate) fn compile(document: &Document, secrets: &Environment) -> Result<Config, Diagnostic> {
    Config::compile(document.json().as_bytes(), secrets).map_err(|error| diagnostic(document, error))
}

/// Compiles the configuration that a command may be given beside what it is about.
pub(crate) fn optional(path: Option<&Path>) -> Result<Option<Config>, Failure> {
    let document = path.map(Document::open).transpose()?;
    Ok(document.map(|document| compile(&document, &Environment::of(&document))).transpose()?)
}

/// An error of the engine, at its line.
pub(crate) fn diagnostic(document: &Document, error: DeError) -> Diagnostic {
    located(
        Diagnostic::error(error.message()).maybe_help(error.help().map(str::to_owned)),
        document,
        error.path(),
    )
}

/// Says where in the document it is.
pub(crate) fn located(diagnostic: Diagnostic, document: &Document, path: &[Segment]) -> Diagnostic {
    let keys: KeyPath = path
        .iter()
        .map(|segment| match segment {
            Segment::Key(name) => name.clone(),
            Segment::Index(index) => index.to_string(),
        })
        .collect();
    diagnostic.at(document.place(&keys)).path(Config::path_text(path))
}
