// SPDX-License-Identifier: Apache-2.0
//! `toolgate audit`.

mod archive;
mod prune;
mod query;
mod report;
mod verify;

use crate::{command::Outcome, out::Out};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Put records away, compressed, up to a sealed checkpoint of each stream
    Archive(archive::Args),
    /// Remove archives that are older than they have to be kept
    Prune(prune::Args),
    /// Find records
    Query(Box<query::Args>),
    /// Say what a trail holds: volumes, denials, privileged use, changes, anomalies
    Report(Box<report::Args>),
    /// Say whether records are the ones that were written, and name the first that is not
    Verify(verify::Args),
}

impl Command {
    pub(crate) fn run(self, out: Out) -> Outcome {
        match self {
            Self::Archive(args) => archive::run(&args, out),
            Self::Prune(args) => prune::run(&args, out),
            Self::Query(args) => query::run(&args, out),
            Self::Report(args) => report::run(&args, out),
            Self::Verify(args) => verify::run(&args, out),
        }
    }
}
