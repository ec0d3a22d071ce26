// SPDX-License-Identifier: Apache-2.0
//! `toolgate tools pin`: what to write into `tools.catalogue[].pin`.

use std::path::PathBuf;

use serde_json::{Value, json};
use toolgate_engine::{
    json::{Doc, Limits},
    pin,
};

use crate::{
    command::Outcome,
    diagnostic::{Exit, Failure},
    file,
    out::Out,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The answer, its result, or the bare list, in JSON; `-` reads the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let name = args.file.display();
    let text = file::read(&args.file)?;
    let doc = Doc::parse(text.trim().as_bytes(), Limits::CONFIG)
        .map_err(|error| Failure::refused(format!("`{name}` is not JSON: {error}")))?;
    let pins = pin::pins(doc.root()).map_err(|error| {
        Failure::refused(format!("`{name}`: {error}")).help("give it the answer of a server to `tools/list`")
    })?;
    let list: Vec<Value> =
        pins.iter().map(|(name, pin)| json!({ "name": name, "pin": pin.to_string() })).collect();
    out.either(&json!({ "ok": true, "tools": list }), || {
        let lines: Vec<String> =
            pins.iter().map(|(name, pin)| format!("- {{ name: {}, pin: \"{pin}\" }}", json!(name))).collect();
        lines.join("\n")
    })?;
    Ok(Exit::Success)
}
