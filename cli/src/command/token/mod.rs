// SPDX-License-Identifier: Apache-2.0
//! `toolgate token`.

mod inspect;
mod mint;

use crate::{command::Outcome, out::Out};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Sign an access token with a private key
    Mint(mint::Args),
    /// Show what a token says, without verifying it
    Inspect(inspect::Args),
}

impl Command {
    pub(crate) fn run(self, out: Out) -> Outcome {
        match self {
            Self::Mint(args) => mint::run(&args, out),
            Self::Inspect(args) => inspect::run(&args, out),
        }
    }
}
