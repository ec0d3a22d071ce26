// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy`.

mod access_review;
mod bundle;
mod check;
mod diff;
mod explain;
mod least_privilege;
mod replay;
mod test;
mod who_can;

use crate::{command::Outcome, out::Out};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List each role and tool: whether it may, who holds it, and when it was used last, by audit records
    AccessReview(access_review::Args),
    /// Sign a policy with its version and end, for the plugin to fetch
    Bundle(bundle::Args),
    /// Say what is wrong in a policy, at which line, and how to mend it
    Check(check::Args),
    /// Say who gains or loses what from one policy to another
    Diff(diff::Args),
    /// Say what a policy decides about one call, and which rule decides it
    Explain(Box<explain::Args>),
    /// Say what is granted and was never used, by audit records
    LeastPrivilege(least_privilege::Args),
    /// Ask a policy about the requests in audit records: who would be allowed or denied otherwise
    Replay(replay::Args),
    /// Run the cases that stand beside policies
    Test(test::Args),
    /// Say which roles and grants lead to a tool, and who holds them
    WhoCan(who_can::Args),
}

impl Command {
    pub(crate) fn run(self, out: Out) -> Outcome {
        match self {
            Self::AccessReview(args) => access_review::run(&args, out),
            Self::Bundle(args) => bundle::run(&args, out),
            Self::Check(args) => check::run(&args, out),
            Self::Diff(args) => diff::run(&args, out),
            Self::Explain(args) => explain::run(&args, out),
            Self::LeastPrivilege(args) => least_privilege::run(&args, out),
            Self::Replay(args) => replay::run(&args, out),
            Self::Test(args) => test::run(&args, out),
            Self::WhoCan(args) => who_can::run(&args, out),
        }
    }
}
