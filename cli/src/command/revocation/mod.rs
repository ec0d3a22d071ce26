// SPDX-License-Identifier: Apache-2.0
//! Lists of credentials that ended before their time.

mod pack;

use super::Outcome;
use crate::out::Out;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Pack a list into signed shards, for a web server to serve
    Pack(pack::Args),
}

impl Command {
    pub(crate) fn run(self, out: Out) -> Outcome {
        match self {
            Self::Pack(args) => pack::run(&args, out),
        }
    }
}
