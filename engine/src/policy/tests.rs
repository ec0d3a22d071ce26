// SPDX-License-Identifier: Apache-2.0

mod answers;
mod asks;
mod compile;
mod conditions;
mod edges;
mod explain;
mod language;
mod lint;
mod many;
mod naive;
mod property;
mod scopes;

use super::*;
use crate::json::{DeError, Doc, Limits};
use alloc::string::{String, ToString};

/// A caller without any facts.
const NOBODY: Facts<'static> = Facts {
    claims: None,
    roles: &[],
    scopes: &[],
    groups: &[],
    subject: None,
    client: None,
    issuer: None,
    key: None,
    certificate: None,
};

/// A call at an hour that does not matter.
fn now<'c>(arguments: Arguments<'c>) -> Context<'c> {
    let context = Context::at(UnixTime::from_secs(1_000_000_000));
    match arguments {
        Arguments::Open => context.listed(),
        given => context.with(given),
    }
}

fn compile(json: &str) -> Result<Policy, DeError> {
    let doc = Doc::parse(json.as_bytes(), Limits::CONFIG).expect("the test's policy is JSON");
    Policy::compile(doc.root())
}

fn policy(json: &str) -> Policy {
    compile(json).unwrap_or_else(|error| panic!("{json}: {error:?}"))
}

/// One role `r` with these rules.
fn with_rules(rules: &str) -> Policy {
    policy(&alloc::format!(r#"{{"version":1,"roles":{{"r":{{{rules}}}}}}}"#))
}

/// Holders of `role` ask.
fn ask(policy: &Policy, role: &str, ask: Ask<'_>, arguments: Arguments<'_>) -> String {
    word(&policy.decide(&policy.role(role).unwrap_or_default(), &NOBODY, ask, &now(arguments)))
}

/// `allow RULE` or `REASON RULE`.
fn word(result: &Result<Permit, Refused>) -> String {
    match result {
        Ok(permit) => ["allow ", permit.rule()].concat(),
        Err(refused) => {
            [crate::deny::policy_label(refused.reason), " ", refused.rule.as_deref().unwrap_or("-")].concat()
        }
    }
}

/// `path: message | help` of what is wrong.
fn complaint(json: &str) -> String {
    let error = compile(json).expect_err(json);
    let help = error.help().unwrap_or("-");
    [crate::config::Config::path_text(error.path()).as_str(), ": ", error.message(), " | ", help].concat()
}
