// SPDX-License-Identifier: Apache-2.0
//! `toolgate keys generate`.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    command::Outcome,
    diagnostic::Exit,
    file::{self, Existing},
    out::Out,
    signer::{Algorithm, Passphrase, SigningKey},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How the key signs
    #[arg(long, value_enum, default_value = "ES256")]
    algorithm: Algorithm,
    /// Where the private key goes, as PKCS#8 PEM with mode 0600
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Encrypt it under the passphrase in `TOOLGATE_KEY_PASSPHRASE`
    #[arg(long)]
    encrypt: bool,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let passphrase = if args.encrypt { Some(Passphrase::from_environment()?) } else { None };
    let key = SigningKey::generate(args.algorithm)?;
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    file::write_private(&args.out, &key.to_pem(passphrase.as_ref())?, existing)?;
    let name = args.out.display().to_string();
    let answer = json!({ "ok": true, "file": name, "kid": key.kid(), "algorithm": key.algorithm().name() });
    out.either(&answer, || format!("wrote `{name}`: {} key `{}`", key.algorithm().name(), key.kid()))?;
    Ok(Exit::Success)
}
