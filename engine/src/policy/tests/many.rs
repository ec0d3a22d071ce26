// SPDX-License-Identifier: Apache-2.0
//! Policies of many roles and patterns: the look-ups that only those take.

use super::*;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

const ROLES: usize = 90;

/// What role `at` says of the tool and the resource that all of them speak about, in two thirds of the roles.
fn rules(at: usize) -> (bool, bool) {
    (!at.is_multiple_of(3), at % 7 == 3)
}

/// Every tenth role inherits the one four places before it.
fn with_parents(at: usize) -> Vec<usize> {
    if at % 10 == 9 { Vec::from([at, at - 4]) } else { Vec::from([at]) }
}

fn crowd() -> Policy {
    let role = |at: usize| {
        let targets = r#""tools":["shared"],"resources":["test://x/*"]"#;
        let (allows, denies) = rules(at);
        let allow = if allows { format!(r#"{{"id":"a{at}",{targets}}}"#) } else { String::new() };
        let deny = if denies { format!(r#"{{"id":"d{at}",{targets}}}"#) } else { String::new() };
        let inherits = with_parents(at).get(1).map(|parent| format!(r#""r{parent:02}""#)).unwrap_or_default();
        format!(r#""r{at:02}":{{"inherits":[{inherits}],"allow":[{allow}],"deny":[{deny}]}}"#)
    };
    let roles: Vec<String> = (0..ROLES).map(role).collect();
    policy(&format!(r#"{{"version":1,"roles":{{{}}}}}"#, roles.join(",")))
}

#[test]
fn a_rule_reaches_its_roles_and_no_others_however_many_there_are() {
    let policy = crowd();
    let pairs = (0..ROLES).flat_map(|one| [(one, one), (one, (one * 7 + 1) % ROLES), (one, ROLES - 1 - one)]);
    for (one, other) in pairs {
        let names = [format!("r{one:02}"), format!("r{other:02}")];
        let set = policy.role(&names[0]).expect("the role");
        let set = policy.with_roles(&set, names.iter().map(String::as_str));
        let reached: BTreeSet<usize> =
            [with_parents(one), with_parents(other)].into_iter().flatten().collect();
        let allow: Vec<String> =
            reached.iter().filter(|at| rules(**at).0).map(|at| format!("a{at}")).collect();
        let deny: Vec<String> =
            reached.iter().filter(|at| rules(**at).1).map(|at| format!("d{at}")).collect();
        for ask in [
            Ask::Tool("tools/call", "shared"),
            Ask::Resource("resources/read", "test://x/y"),
            Ask::Resource("resources/read", "test://x/../y"),
        ] {
            let told = word(&policy.decide(&set, &NOBODY, ask, &now(Arguments::Absent)));
            let (reason, rule) = told.split_once(' ').expect("two words");
            let doubtful = matches!(ask, Ask::Resource(_, uri) if uri.contains(".."));
            let (expected, among) = match (deny.is_empty(), allow.is_empty(), doubtful) {
                (false, _, _) => ("deny_rule", &deny),
                (true, false, false) => ("allow", &allow),
                (true, false, true) => ("condition_unknown", &allow),
                (true, true, _) => ("no_rule", &Vec::from(["-".to_string()])),
            };
            assert_eq!(reason, expected, "{names:?} {ask:?}");
            assert!(among.iter().any(|known| known == rule), "{names:?} {ask:?}: {rule}");
        }
    }
}

#[test]
fn the_patterns_of_all_roles_together_are_bounded() {
    // One of a role, and a permission of 125 that 4,000 roles have.
    let tools: Vec<String> = (0..125).map(|at| format!(r#""t{at}""#)).collect();
    let role = |at: usize| match at {
        0 => r#""r0":{"permissions":["p"],"allow":[{"tools":["one"]}]}"#.to_string(),
        _ => format!(r#""r{at}":{{"permissions":["p"]}}"#),
    };
    let roles: Vec<String> = (0..4_000).map(role).collect();
    let document = format!(
        r#"{{"version":1,"permissions":{{"p":{{"tools":[{}]}}}},"roles":{{{}}}}}"#,
        tools.join(","),
        roles.join(",")
    );
    // The bound itself is not too many.
    assert!(compile(&document.replace(r#","allow":[{"tools":["one"]}]"#, "")).is_ok());
    assert_eq!(
        complaint(&document),
        "permissions.p: more than 500000 patterns in the rules of all roles | -"
    );
}
