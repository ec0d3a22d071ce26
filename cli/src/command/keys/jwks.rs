// SPDX-License-Identifier: Apache-2.0
//! `toolgate keys jwks`: the answer is a JWKS with and without `--json`.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    command::Outcome,
    diagnostic::{Exit, Failure},
    file, keychain,
    out::Out,
    signer::SigningKey,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Private keys in PEM form, or folders of `keys rotate`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let mut seen = BTreeMap::new();
    let mut keys = Vec::new();
    for path in &args.files {
        let name = path.display().to_string();
        if path.is_dir() {
            keys.extend(keychain::jwks(path)?);
            continue;
        }
        let key = SigningKey::from_pem(&file::read(path)?, &name)?;
        if let Some(other) = seen.insert(key.kid().to_owned(), name.clone()) {
            return Err(
                Failure::refused(format!("`{other}` and `{name}` hold the same key")).help("name it once")
            );
        }
        keys.push(Value::Object(key.jwk()));
    }
    out.value(&json!({ "keys": keys }))?;
    Ok(Exit::Success)
}
