// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy explain`: exits with 2 where the answer is no.

use std::path::PathBuf;

use serde_json::json;
use toolgate_engine::time::UnixTime;

use crate::{
    clock,
    command::Outcome,
    diagnostic::{Exit, Failure},
    jws::Object,
    out::Out,
    policy::{self, Caller, Decision, Question, Target},
    yaml::Document,
};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("target").args(["tool", "prompt", "uri"]))]
pub(crate) struct Args {
    /// The policy, in YAML or JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The caller's claims, in YAML or JSON: `{ sub: alice, roles: [developer] }`
    #[arg(long, value_name = "CLAIMS")]
    claims: String,
    /// The method; by default the one that fits the target
    #[arg(long, value_name = "METHOD", required_unless_present = "target")]
    call: Option<String>,
    /// The tool that is called
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// The prompt that is got
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,
    /// The resource that is read
    #[arg(long, value_name = "URI")]
    uri: Option<String>,
    /// The arguments of the call, in YAML or JSON
    #[arg(long, value_name = "ARGUMENTS")]
    args: Option<String>,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let policy = policy::compile(&Document::open(&args.file)?)?;
    let claims: Object = Document::parse("--claims", &args.claims)?.decode()?;
    let caller = Caller::new(&claims).map_err(Failure::usage)?;
    let arguments = args.args.as_ref().map(|text| Document::parse("--args", text)).transpose()?;
    let (target, fitting) = match (&args.tool, &args.prompt, &args.uri) {
        (Some(tool), _, _) => (Target::Tool(tool.clone()), "tools/call"),
        (_, Some(prompt), _) => (Target::Prompt(prompt.clone()), "prompts/get"),
        (_, _, Some(uri)) => (Target::Resource(uri.clone()), "resources/read"),
        (None, None, None) => (Target::Nothing, ""),
    };
    let call = args.call.as_deref().unwrap_or(fitting);
    let question = Question::new(call, target, arguments.map(|document| document.json().to_owned()))
        .map_err(Failure::usage)?;
    let now = UnixTime::from_secs(u64::try_from(clock::now()).unwrap_or_default());
    let verdict = policy::decide(&policy, &caller, now, &question).map_err(Failure::refused)?;
    let answer = json!({ "ok": true, "verdict": verdict.to_json() });
    out.either(&answer, || {
        let roles = if verdict.roles.is_empty() { "none".to_owned() } else { verdict.roles.join(", ") };
        format!("{}\nroles: {roles}", verdict.say())
    })?;
    Ok(match verdict.decision {
        Decision::Allow => Exit::Success,
        Decision::Deny => Exit::Refused,
    })
}
