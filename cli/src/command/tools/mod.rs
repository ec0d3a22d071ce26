// SPDX-License-Identifier: Apache-2.0
//! `toolgate tools`.

mod pin;

use crate::{command::Outcome, out::Out};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print the pins of tools, from an answer to `tools/list`
    Pin(pin::Args),
}

impl Command {
    pub(crate) fn run(self, out: Out) -> Outcome {
        match self {
            Self::Pin(args) => pin::run(&args, out),
        }
    }
}
