// SPDX-License-Identifier: Apache-2.0
//! `toolgate token`.

mod inspect;
mod mint;
mod verify;

use crate::{command::Outcome, out::Out};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Sign an access token with a private key
    Mint(mint::Args),
    /// Show what a token says, without verifying it
    Inspect(inspect::Args),
    /// Verify a token as the plugin does
    Verify(verify::Args),
}

impl Command {
    pub(crate) fn run(self, out: Out) -> Outcome {
        match self {
            Self::Mint(args) => mint::run(&args, out),
            Self::Inspect(args) => inspect::run(&args, out),
            Self::Verify(args) => verify::run(&args, out),
        }
    }
}
