// SPDX-License-Identifier: Apache-2.0
//! How a decision and a compilation grow with a policy: `cargo run --release -p toolgate-engine --example policy_scale`.
//!
//! Roles stand in chains of six, so that each caller has the rules of six levels. Four kinds of rules: an exact name, a
//! beginning, a pattern with both ends, and a name under a condition; a tenth of them deny. `shared` has a rule of
//! every role on the same tool, of which six are the caller's. The best of several rounds is told, in nanoseconds for a decision and in milliseconds for a
//! compilation.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a measurement for people"
)]

use std::hint::black_box;
use std::time::Instant;
use toolgate_engine::json::{Doc, Limits};
use toolgate_engine::policy::{Arguments, Ask, Context, Facts, Policy, RoleSet};
use toolgate_engine::time::UnixTime;

fn rule(at: usize, shared: bool) -> String {
    match (shared, at % 4) {
        (true, _) => {
            r#"{"tools":["get_*","code_edit"],"when":{"args":{"/path":{"path_under":"src"}}}}"#.to_owned()
        }
        (false, 0) => format!(r#"{{"tools":["tool_{at}"]}}"#),
        (false, 1) => format!(r#"{{"tools":["area{at}_*"]}}"#),
        (false, 2) => format!(r#"{{"tools":["part{at}_*_end"]}}"#),
        (false, _) => {
            format!(r#"{{"tools":["edit_{at}"],"when":{{"args":{{"/path":{{"path_under":"src"}}}}}}}}"#)
        }
    }
}

/// `rules` rules over `roles` roles.
fn document(rules: usize, roles: usize, shared: bool) -> String {
    let role = |role: usize| {
        let own = (role..rules).step_by(roles);
        let (mut allow, mut deny) = (Vec::new(), Vec::new());
        for at in own {
            if at % 10 == 9 && !shared { &mut deny } else { &mut allow }.push(rule(at, shared));
        }
        let inherits = if role.is_multiple_of(6) { String::new() } else { format!("\"r{}\"", role - 1) };
        format!(
            r#""r{role}":{{"inherits":[{inherits}],"allow":[{}],"deny":[{}]}}"#,
            allow.join(","),
            deny.join(",")
        )
    };
    let binding = |role| format!(r#"{{"role":"r{role}","when":{{"roles":{{"contains":"r{role}"}}}}}}"#);
    format!(
        r#"{{"version":1,"roles":{{{}}},"bindings":[{}]}}"#,
        (0..roles).map(role).collect::<Vec<_>>().join(","),
        (0..roles).map(binding).collect::<Vec<_>>().join(",")
    )
}

fn compile(json: &str) -> Policy {
    let doc = Doc::parse(json.as_bytes(), Limits::CONFIG).expect("the policy is JSON");
    Policy::compile(doc.root()).expect("the policy compiles")
}

fn best(rounds: usize, mut work: impl FnMut() -> f64) -> f64 {
    (0..rounds).map(|_| work()).fold(f64::INFINITY, f64::min)
}

fn decision(policy: &Policy, roles: &RoleSet, tool: &str) -> f64 {
    const TIMES: u32 = 20_000;
    let doc = Doc::parse(br#"{"path":"src/main.rs"}"#, Limits::MESSAGE).expect("JSON");
    let context = Context::at(UnixTime::from_secs(1_794_787_200)).with(Arguments::Given(doc.root()));
    let facts = Facts { subject: Some("user-1"), ..Facts::default() };
    best(9, || {
        let start = Instant::now();
        for _ in 0..TIMES {
            let _ =
                black_box(policy.decide(roles, &facts, Ask::Tool("tools/call", black_box(tool)), &context));
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
    })
}

fn main() {
    println!(
        "policy        rules  roles  compile ms  exact ns  prefix ns  glob ns  condition ns  no rule ns"
    );
    for (name, rules, roles, shared) in [
        ("spread", 10, 6, false),
        ("spread", 100, 60, false),
        ("spread", 1_000, 600, false),
        ("spread", 10_000, 1_000, false),
        ("shared", 60, 60, true),
        ("shared", 1_000, 1_000, true),
    ] {
        let json = document(rules, roles, shared);
        let compiled = best(7, || {
            let start = Instant::now();
            let _ = black_box(compile(&json));
            start.elapsed().as_secs_f64() * 1e3
        });
        let policy = compile(&json);
        // The last role of the first chain: it has six levels.
        let set = policy.role("r5").expect("a role");
        let of = |tool| decision(&policy, &set, tool);
        let times = match shared {
            false => [of("tool_0"), of("area1_x"), of("part2_x_end"), of("edit_3"), of("nothing_at_all")],
            true => [of("code_edit"), of("get_x"), of("get_y"), of("code_edit"), of("nothing_at_all")],
        };
        let [exact, prefix, glob, condition, none] = times;
        println!(
            "{name:10} {rules:8} {roles:6} {compiled:11.2} {exact:9.0} {prefix:10.0} {glob:8.0} {condition:13.0} {none:11.0}"
        );
    }
}
