// SPDX-License-Identifier: Apache-2.0
//! `toolgate audit prune`: archives all of whose records are older than they have to be kept are removed. Their manifests
//! stay, so that what follows can still be verified, and a sealed note says that they were removed, not lost.

use std::{path::PathBuf, time::Duration};

use serde_json::json;

use crate::{
    audit::{
        keys::KeyArgs,
        manifest::{Folder, Kept, State},
        time::{SECOND, micros},
    },
    clock,
    command::Outcome,
    diagnostic::Exit,
    out::Out,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of archives
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// How long records are kept, for example `90d`
    #[arg(long, value_name = "SPAN", value_parser = clock::parse_span)]
    keep: Duration,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    keys: KeyArgs,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let keys = args.keys.read()?;
    let folder = Folder::open(&args.folder, &keys)?;
    let before = (clock::now() - clock::seconds(args.keep)).saturating_mul(SECOND);
    // An archive whose time cannot be read is kept.
    let over =
        |kept: &&Kept| kept.state == State::Here && micros(&kept.manifest.to).is_some_and(|to| to < before);
    let over: Vec<&Kept> = folder.kept.iter().filter(over).collect();
    if !args.dry_run {
        let when = clock::rfc3339(clock::now());
        over.iter().try_for_each(|kept| folder.prune(kept, &when, &keys))?;
    }
    let names: Vec<&str> = over.iter().map(|kept| kept.manifest.archive.as_str()).collect();
    let here = folder.kept.iter().filter(|kept| kept.state == State::Here).count();
    let records: u64 = over.iter().map(|kept| kept.manifest.records).sum();
    let answer = json!({
        "ok": true,
        "dry_run": args.dry_run,
        "pruned": names,
        "records": records,
        "kept": here.saturating_sub(names.len()),
    });
    out.either(&answer, || {
        let word = if args.dry_run { "would remove" } else { "removed" };
        let mut lines: Vec<String> = names.iter().map(|name| format!("{word} {name}")).collect();
        lines.push(format!(
            "{} archives with {records} records, {} kept",
            names.len(),
            here.saturating_sub(names.len())
        ));
        lines.join("\n")
    })?;
    Ok(Exit::Success)
}
