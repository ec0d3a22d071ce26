// SPDX-License-Identifier: Apache-2.0
//! The commands: one file each.

mod apikey;
mod audit;
mod config;
mod issuer;
mod keys;
mod policy;
mod revocation;
mod token;
mod tools;

use crate::{
    diagnostic::{Exit, Failure},
    out::Out,
};

/// How a command ends.
pub(crate) type Outcome = Result<Exit, Failure>;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make, replace and withdraw API keys
    #[command(subcommand, name = "apikey")]
    ApiKey(apikey::Command),
    /// Verify, search, report and keep audit records
    #[command(subcommand)]
    Audit(audit::Command),
    /// Check a configuration, and write it for a proxy
    #[command(subcommand)]
    Config(config::Command),
    /// Run a development OAuth authorization server
    Issuer(issuer::Args),
    /// Make and read signing keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Check, test and ask a policy
    #[command(subcommand)]
    Policy(policy::Command),
    /// Pack lists of credentials that ended before their time
    #[command(subcommand)]
    Revocation(revocation::Command),
    /// Mint and read access tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Pin the definitions of tools
    #[command(subcommand)]
    Tools(tools::Command),
}

impl Command {
    pub(crate) fn run(self, out: &Out) -> Outcome {
        match self {
            Self::ApiKey(command) => command.run(*out),
            Self::Audit(command) => command.run(*out),
            Self::Config(command) => command.run(*out),
            Self::Issuer(args) => issuer::run(args, *out),
            Self::Keys(command) => command.run(*out),
            Self::Policy(command) => command.run(*out),
            Self::Revocation(command) => command.run(*out),
            Self::Token(command) => command.run(*out),
            Self::Tools(command) => command.run(*out),
        }
    }
}
