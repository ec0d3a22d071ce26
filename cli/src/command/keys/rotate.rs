// SPDX-License-Identifier: Apache-2.0
//! `toolgate keys rotate`.

use std::{path::PathBuf, time::Duration};

use serde_json::json;

use crate::{
    clock,
    command::Outcome,
    diagnostic::Exit,
    keychain::Keychain,
    out::Out,
    signer::{Algorithm, Passphrase},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of keys; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// How the new key signs
    #[arg(long, value_enum, default_value = "ES256")]
    algorithm: Algorithm,
    /// How long the keys before it stay published: longer than a token lives and a JWKS is cached
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = clock::parse_span)]
    grace: Duration,
    /// Write the private key without the passphrase in `TOOLGATE_KEY_PASSPHRASE`
    #[arg(long)]
    unencrypted: bool,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let passphrase = if args.unencrypted { None } else { Some(Passphrase::from_environment()?) };
    let mut keys = Keychain::open(&args.dir)?;
    let now = clock::now();
    let kid = keys.rotate(args.algorithm, passphrase.as_ref(), clock::seconds(args.grace), now)?;
    let left = |until: Option<i64>| until.map(|until| until.saturating_sub(now));
    let published: Vec<_> = keys
        .kept()
        .map(|key| json!({ "kid": key.kid, "algorithm": key.algorithm, "published_for": left(key.until) }))
        .collect();
    out.either(&json!({ "ok": true, "kid": kid, "published": published }), || {
        let older: Vec<String> = keys
            .kept()
            .filter_map(|key| {
                Some(format!("\n`{}` stays published for {}", key.kid, clock::say(left(key.until)?)))
            })
            .collect();
        format!("`{kid}` signs from now on ({}){}", args.algorithm.name(), older.concat())
    })?;
    Ok(Exit::Success)
}
