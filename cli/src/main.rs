// SPDX-License-Identifier: Apache-2.0
//! `toolgate`: configuration, policies, tokens, keys and a development issuer, from the command line.
//!
//! What enters: arguments, files, the clock and randomness of the machine. What leaves: text or JSON on the standard
//! streams and an exit code. Deliberately absent: rules of its own; what a token, a configuration or a policy means is
//! the engine's to say.

mod audit;
mod clock;
mod command;
mod diagnostic;
mod engine;
mod file;
mod html;
mod issuer;
mod jws;
mod keychain;
mod out;
mod policy;
mod signer;
mod yaml;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    command::Command,
    diagnostic::{Exit, Failure},
    out::Out,
};

/// Toolgate: the gate in front of MCP servers.
#[derive(Debug, Parser)]
#[command(name = "toolgate", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => {
            let out = Out::new(cli.json);
            cli.command.run(&out).unwrap_or_else(|failure| failure.report(&out))
        }
        Err(error) => usage(&error),
    };
    ExitCode::from(exit.code())
}

/// Help and version are answers; everything else clap says is bad usage.
fn usage(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        return error.print().map_or(Exit::Failure, |()| Exit::Success);
    }
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        return Failure::usage(message).report(&Out::new(true));
    }
    error.print().map_or(Exit::Failure, |()| Exit::Usage)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
