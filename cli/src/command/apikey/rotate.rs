// SPDX-License-Identifier: Apache-2.0
//! `toolgate apikey rotate`.

use std::{path::PathBuf, time::Duration};

use serde_json::json;

use super::{
    Fresh,
    document::{Entry, Keys},
};
use crate::{
    clock,
    command::Outcome,
    diagnostic::{Exit, Failure},
    out::Out,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The id of the key to replace
    id: String,
    /// The document of keys
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
    /// How long the old key stays good beside the new one
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = clock::parse_span)]
    overlap: Duration,
    /// How long the new key is good
    #[arg(long, value_name = "SPAN", default_value = "90d", value_parser = clock::parse_lifetime)]
    expires: Duration,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let mut keys = Keys::open(&args.document)?;
    let fresh = Fresh::make(keys.prefix()?)?;
    let now = clock::now();
    let overlap = clock::rfc3339(now.saturating_add(clock::seconds(args.overlap)));
    let old = keys.entry(&args.id)?;
    if old.revoked {
        return Err(Failure::refused(format!("key `{}` is withdrawn", args.id))
            .help("make a new one with `apikey create`"));
    }
    // One that ends sooner still ends sooner; times of this form are in the order of their letters.
    let sooner = old.expires.as_ref().filter(|end| end.ends_with('Z') && **end < overlap);
    let until = sooner.cloned().unwrap_or(overlap);
    old.expires = Some(until.clone());
    let end = clock::rfc3339(now.saturating_add(clock::seconds(args.expires)));
    let entry = Entry { id: fresh.id.clone(), hash: fresh.hash.clone(), expires: Some(end), ..old.clone() };
    let answer = json!({ "ok": true, "key": fresh.text, "id": fresh.id, "entry": entry,
        "replaces": { "id": args.id, "expires": until } });
    keys.keys.push(entry);
    keys.write(&args.document)?;
    out.either(&answer, || {
        format!(
            "{}\n\nthe key is shown this once; `{}` stays good until {until}; both are in `{}`",
            fresh.text,
            args.id,
            args.document.display()
        )
    })?;
    Ok(Exit::Success)
}
