// SPDX-License-Identifier: Apache-2.0
//! `toolgate keys`.

mod generate;
mod jwks;
mod prune;
mod rotate;

use crate::{command::Outcome, out::Out};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a private key and write it to a file that only you can read
    Generate(generate::Args),
    /// Print the public halves of private keys as a JWKS
    Jwks(jwks::Args),
    /// Sign with a new key, and keep the ones before it published for a while
    Rotate(rotate::Args),
    /// Drop the keys whose time is over
    Prune(prune::Args),
}

impl Command {
    pub(crate) fn run(self, out: Out) -> Outcome {
        match self {
            Self::Generate(args) => generate::run(&args, out),
            Self::Jwks(args) => jwks::run(&args, out),
            Self::Rotate(args) => rotate::run(&args, out),
            Self::Prune(args) => prune::run(&args, out),
        }
    }
}
