// SPDX-License-Identifier: Apache-2.0
//! `toolgate apikey create`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde_json::json;
use toolgate_engine::apikey::{DEFAULT_PREFIX, is_note};

use super::{
    Fresh,
    document::{Entry, Keys, block},
};
use crate::{clock, command::Outcome, diagnostic::Exit, out::Out};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose key it is
    #[arg(long, value_parser = note)]
    owner: String,
    /// A role that conditions read as the caller's; may be repeated
    #[arg(long = "role", value_name = "ROLE", value_parser = note)]
    roles: Vec<String>,
    /// Something that conditions may look at; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// How long it is good
    #[arg(long, value_name = "SPAN", default_value = "90d", value_parser = clock::parse_lifetime)]
    expires: Duration,
    /// It does not end by itself
    #[arg(long, conflicts_with = "expires")]
    never_expires: bool,
    /// The document of keys to add it to (YAML, or JSON by its name), made if it is not there; without it the entry is
    /// printed. Comments in it are lost
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

/// What the gate's configuration takes in the entry of a key: a key whose entry it refuses is of no use.
fn note(text: &str) -> Result<String, String> {
    match is_note(text) {
        true => Ok(text.to_owned()),
        false => Err("use 1 to 256 bytes without control characters".to_owned()),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((note(name)?, note(value)?)),
        _ => Err("write it like `team=data`".to_owned()),
    }
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let mut keys = match &args.document {
        Some(path) => Keys::open_or_new(path)?,
        None => Keys::default(),
    };
    let prefix = if args.document.is_some() { keys.prefix()? } else { DEFAULT_PREFIX };
    let fresh = Fresh::make(prefix)?;
    let end = clock::now().saturating_add(clock::seconds(args.expires));
    let entry = Entry {
        id: fresh.id.clone(),
        owner: args.owner.clone(),
        hash: fresh.hash.clone(),
        roles: args.roles.clone(),
        expires: (!args.never_expires).then(|| clock::rfc3339(end)),
        revoked: false,
        labels: args.labels.iter().cloned().collect::<BTreeMap<_, _>>(),
    };
    let answer = json!({ "ok": true, "key": fresh.text, "id": fresh.id, "entry": entry });
    let place = match &args.document {
        Some(path) => {
            keys.keys.push(entry);
            keys.write(path)?;
            format!("its entry is in `{}`", path.display())
        }
        None => format!("put this under `api_keys.NAME.keys`:\n{}", block(&entry)?),
    };
    out.either(&answer, || format!("{}\n\nthe key is shown this once; {place}", fresh.text))?;
    Ok(Exit::Success)
}
