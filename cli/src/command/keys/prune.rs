// SPDX-License-Identifier: Apache-2.0
//! `toolgate keys prune`.

use std::path::PathBuf;

use serde_json::json;

use crate::{clock, command::Outcome, diagnostic::Exit, keychain::Keychain, out::Out};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of keys
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let mut keys = Keychain::open_existing(&args.dir)?;
    let dropped = keys.prune(clock::now())?;
    let left = keys.kept().count();
    out.either(&json!({ "ok": true, "dropped": dropped, "published": left }), || {
        let dropped: Vec<String> = dropped.iter().map(|kid| format!("dropped `{kid}`\n")).collect();
        format!("{}{left} published", dropped.concat())
    })?;
    Ok(Exit::Success)
}
