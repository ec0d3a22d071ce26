// SPDX-License-Identifier: Apache-2.0
//! `toolgate config`.

mod check;
mod render;
mod schema;

use crate::{command::Outcome, out::Out};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Say what is wrong in a configuration, at which line, and how to mend it
    Check(check::Args),
    /// Write a configuration the way a proxy takes it
    Render(render::Args),
    /// Write the JSON Schema of a configuration or a policy, for editors
    Schema(schema::Args),
}

impl Command {
    pub(crate) fn run(self, out: Out) -> Outcome {
        match self {
            Self::Check(args) => check::run(&args, out),
            Self::Render(args) => render::run(&args, out),
            Self::Schema(args) => schema::run(&args, out),
        }
    }
}
