// SPDX-License-Identifier: Apache-2.0
//! Roles, allow and deny against Cedar: generated policies, written in both languages, must come to the same verdicts.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails should say where"
)]

use std::{collections::HashSet, fmt::Write, str::FromStr};

use cedar_policy::{
    Authorizer, Context as CedarContext, Decision, Entities, Entity, EntityUid, PolicySet, Request,
    RestrictedExpression,
};
use toolgate_engine::{
    json::{Doc, Limits},
    policy::{Ask, Context, Facts, Policy},
    time::UnixTime,
};

const TOOLS: [&str; 10] =
    ["get_a", "get_b", "get_", "code_edit", "code_delete", "delete", "echo", "a", "admin_reset", "é_delete"];
const PATTERNS: [&str; 10] =
    ["*", "get_*", "*_delete", "code_edit", "echo", "g*a", "*e*", "a", "*_*_*", "admin_reset"];
const ROLES: usize = 6;

/// xorshift64: enough to wander, and the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).expect("small")).expect("small")
    }
}

/// A policy before it is written in either language.
struct Drawn {
    /// For each role, earlier roles that it inherits.
    inherits: Vec<Vec<usize>>,
    /// Role, whether it denies, patterns.
    rules: Vec<(usize, bool, Vec<&'static str>)>,
}

fn draw(random: &mut Random) -> Drawn {
    let inherits =
        (0..ROLES).map(|role| (0..role.min(3)).filter(|_| random.below(3) == 0).collect()).collect();
    let count = random.below(12);
    let rules = (0..count).map(|_| {
        let patterns = (0..=random.below(2)).map(|_| PATTERNS[random.below(PATTERNS.len())]).collect();
        (random.below(ROLES), random.below(3) == 0, patterns)
    });
    Drawn { rules: rules.collect(), inherits }
}

fn toolgate(drawn: &Drawn) -> Policy {
    let rules = |role: usize, denies: bool| {
        let own = drawn.rules.iter().filter(|rule| rule.0 == role && rule.1 == denies);
        own.map(|rule| format!(r#"{{"tools":{:?}}}"#, rule.2)).collect::<Vec<_>>().join(",")
    };
    let roles = drawn.inherits.iter().enumerate().map(|(role, inherits)| {
        let inherits: Vec<String> = inherits.iter().map(|parent| format!("\"r{parent}\"")).collect();
        let (allow, deny) = (rules(role, false), rules(role, true));
        format!(r#""r{role}":{{"inherits":[{}],"allow":[{allow}],"deny":[{deny}]}}"#, inherits.join(","))
    });
    let bindings =
        (0..ROLES).map(|role| format!(r#"{{"role":"r{role}","when":{{"roles":{{"contains":"r{role}"}}}}}}"#));
    let json = format!(
        r#"{{"version":1,"roles":{{{}}},"bindings":[{}]}}"#,
        roles.collect::<Vec<_>>().join(","),
        bindings.collect::<Vec<_>>().join(",")
    );
    let doc = Doc::parse(json.as_bytes(), Limits::CONFIG).expect("the policy is JSON");
    Policy::compile(doc.root()).expect("the policy compiles")
}

fn uid(text: &str) -> EntityUid {
    EntityUid::from_str(text).expect("an entity")
}

fn cedar(drawn: &Drawn) -> PolicySet {
    let mut text = String::new();
    for (role, denies, patterns) in &drawn.rules {
        let effect = if *denies { "forbid" } else { "permit" };
        let fits: Vec<String> =
            patterns.iter().map(|pattern| format!("context.tool like {pattern:?}")).collect();
        let fits = fits.join(" || ");
        let _ = writeln!(
            text,
            "{effect}(principal in Role::\"r{role}\", action == Action::\"call\", resource) when {{ {fits} }};"
        );
    }
    PolicySet::from_str(&text).expect("the policies parse")
}

fn entities(drawn: &Drawn, held: &[usize]) -> Entities {
    let parents =
        |roles: &[usize]| roles.iter().map(|role| uid(&format!("Role::\"r{role}\""))).collect::<HashSet<_>>();
    let roles =
        drawn.inherits.iter().enumerate().map(|(role, inherits)| {
            Entity::new_no_attrs(uid(&format!("Role::\"r{role}\"")), parents(inherits))
        });
    let user = Entity::new_no_attrs(uid("User::\"u\""), parents(held));
    Entities::from_entities(roles.chain([user]), None).expect("entities")
}

#[test]
fn cedar_comes_to_the_same_verdicts() {
    let mut random = Random(0x0DDB_1A5E_5BAD_5EED);
    let authorizer = Authorizer::new();
    let mut seen = [0_usize; 2];
    for _ in 0..400 {
        let drawn = draw(&mut random);
        let (ours, theirs) = (toolgate(&drawn), cedar(&drawn));
        for _ in 0..4 {
            let held: Vec<usize> = (0..ROLES).filter(|_| random.below(4) == 0).collect();
            let names: Vec<String> = held.iter().map(|role| format!("r{role}")).collect();
            let facts = Facts { roles: &names, ..Facts::default() };
            let (roles, _) = ours.resolve(&facts, UnixTime::default());
            let entities = entities(&drawn, &held);
            for tool in TOOLS {
                let context = Context::at(UnixTime::default());
                let ask = Ask::Tool("tools/call", tool);
                let verdict = ours.decide(&roles, &facts, ask, &context).is_ok();
                let value = RestrictedExpression::new_string(tool.to_owned());
                let request = Request::new(
                    uid("User::\"u\""),
                    uid("Action::\"call\""),
                    uid("Server::\"s\""),
                    CedarContext::from_pairs([("tool".to_owned(), value)]).expect("a context"),
                    None,
                )
                .expect("a request");
                let answer = authorizer.is_authorized(&request, &theirs, &entities);
                assert_eq!(answer.diagnostics().errors().count(), 0);
                assert_eq!(verdict, answer.decision() == Decision::Allow, "{tool} for {held:?}\n{theirs}");
                seen[usize::from(verdict)] += 1;
            }
        }
    }
    assert!(seen[0] > 2_000 && seen[1] > 2_000, "{seen:?}");
}
