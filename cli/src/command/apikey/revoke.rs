// SPDX-License-Identifier: Apache-2.0
//! `toolgate apikey revoke`.

use std::path::PathBuf;

use serde_json::json;

use super::document::Keys;
use crate::{command::Outcome, diagnostic::Exit, out::Out};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The id of the key
    id: String,
    /// The document of keys
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let mut keys = Keys::open(&args.document)?;
    keys.entry(&args.id)?.revoked = true;
    keys.write(&args.document)?;
    out.either(&json!({ "ok": true, "id": args.id, "revoked": true }), || {
        format!("key `{}` is refused wherever the configuration with this document is loaded", args.id)
    })?;
    Ok(Exit::Success)
}
