// SPDX-License-Identifier: Apache-2.0
//! `toolgate config schema`: JSON Schema for editors, from the types that read the documents.

use serde_json::json;
use toolgate_engine::{config::wire::ConfigWire, policy::wire::PolicyWire};

use crate::{
    command::Outcome,
    diagnostic::{Exit, Failure},
    out::Out,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of a policy, instead of a configuration
    #[arg(long)]
    policy: bool,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let (mut schema, title) = if args.policy {
        (schemars::schema_for!(PolicyWire), "A policy of Toolgate, version 1")
    } else {
        (schemars::schema_for!(ConfigWire), "A configuration of Toolgate")
    };
    schema.insert("title".to_owned(), json!(title));
    let value = schema.to_value();
    let text = serde_json::to_string_pretty(&value)
        .map_err(|error| Failure::new(format!("cannot write the schema: {error}")))?;
    out.either(&value, || text)?;
    Ok(Exit::Success)
}
