// SPDX-License-Identifier: Apache-2.0
//! One rule, judged again and again: the path of a call's arguments lies under `src`, and the caller is a developer.
//!
//! Without a feature the messages are only parsed, which is what the others are compared with.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot be made stops")]

/// Each of these in turn, so that nothing is judged twice in a row.
const ARGUMENTS: [&str; 2] =
    [r#"{"path":"src/main.rs","content":"fn main() {}"}"#, r#"{"path":"etc/passwd","content":""}"#];
const CLAIMS: &str = r#"{"sub":"alice","roles":["developer","readonly"],"email":"alice@example.com"}"#;

/// Judges `count` calls; how many are allowed.
#[unsafe(no_mangle)]
pub extern "C" fn judge(count: u32) -> u32 {
    run(count)
}

#[cfg(not(any(feature = "cel", feature = "typed")))]
fn run(count: u32) -> u32 {
    let parse = |at: u32| {
        let arguments: serde_json::Value = serde_json::from_str(ARGUMENTS[at as usize % 2]).expect("JSON");
        arguments.get("path").and_then(|path| path.as_str()).is_some_and(|path| path.starts_with("src/"))
    };
    let claims: serde_json::Value = serde_json::from_str(CLAIMS).expect("JSON");
    (0..count).filter(|at| parse(*at) && claims.get("roles").is_some()).count() as u32
}

/// The token's claims are known beforehand, as they are in the filter, and the arguments are new; with `anew` nothing but the program
/// is known beforehand.
#[cfg(feature = "cel")]
fn run(count: u32) -> u32 {
    use cel::{Context, Program, Value};
    let program =
        Program::compile(r#"args.path.startsWith("src/") && "developer" in claims.roles"#).expect("CEL");
    let known = || {
        let claims: serde_json::Value = serde_json::from_str(CLAIMS).expect("JSON");
        let mut known = Context::default();
        known.add_variable("claims", claims).expect("a variable");
        known
    };
    let kept = known();
    let judge = |at: u32| {
        let arguments: serde_json::Value = serde_json::from_str(ARGUMENTS[at as usize % 2]).expect("JSON");
        let anew;
        let known = if cfg!(feature = "anew") {
            anew = known();
            &anew
        } else {
            &kept
        };
        let mut context = known.new_inner_scope();
        context.add_variable("args", arguments).expect("a variable");
        matches!(program.execute(&context), Ok(Value::Bool(true)))
    };
    (0..count).filter(|at| judge(*at)).count() as u32
}

#[cfg(feature = "typed")]
fn run(count: u32) -> u32 {
    use toolgate_engine::{
        json::{Doc, Limits},
        policy::{Arguments, Ask, Context, Facts, Policy},
        time::UnixTime,
    };
    let text = r#"{"version":1,"roles":{"r":{"allow":[{"tools":["t"],"when":{
        "args":{"/path":{"path_under":"src"}},"claims":{"/roles":{"contains":"developer"}}}}]}},
        "bindings":[{"role":"r","when":{"subject":{"exists":true}}}]}"#;
    let policy = Doc::parse(text.as_bytes(), Limits::CONFIG).expect("JSON");
    let policy = Policy::compile(policy.root()).expect("a policy");
    let claims = Doc::parse(CLAIMS.as_bytes(), Limits::MESSAGE).expect("JSON");
    let facts = Facts { claims: Some(claims.root()), subject: Some("alice"), ..Facts::default() };
    let now = UnixTime::from_secs(1_000_000_000);
    let (roles, _) = policy.resolve(&facts, now);
    let judge = |at: u32| {
        let arguments = Doc::parse(ARGUMENTS[at as usize % 2].as_bytes(), Limits::MESSAGE).expect("JSON");
        let context = Context::at(now).with(Arguments::Given(arguments.root()));
        policy.decide(&roles, &facts, Ask::Tool("tools/call", "t"), &context).is_ok()
    };
    (0..count).filter(|at| judge(*at)).count() as u32
}
