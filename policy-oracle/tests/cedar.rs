// SPDX-License-Identifier: Apache-2.0
//! Roles, allow, deny and rules on answers against Cedar: generated policies, written in both languages, must come to
//! the same verdicts.
//!
//! Where the languages differ is left to the engine's own naive evaluator: in Cedar a condition on what is not there is
//! an error, and its rule, `forbid` too, counts for nothing; here a deny rule fires. So each answer has what is tested.

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
    mcp::{Method, Target},
    policy::{AnswerFacts, Answering, Arguments, Ask, Context, Facts, Policy, RoleSet},
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
    /// Role, effect, patterns.
    rules: Vec<(usize, Effect, Vec<&'static str>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
    /// On answers: where the tool has failed, or has not; the level from which on; the argument that was given.
    Withhold(Answer),
}

/// What an answer is, or what a rule on answers looks for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Answer {
    failed: bool,
    level: usize,
    draft: bool,
}

impl Answer {
    fn draw(random: &mut Random) -> Answer {
        Answer { failed: random.below(2) == 0, level: random.below(3), draft: random.below(2) == 0 }
    }

    fn outcome(self) -> &'static str {
        if self.failed { "tool_error" } else { "ok" }
    }
}

fn draw(random: &mut Random) -> Drawn {
    let inherits =
        (0..ROLES).map(|role| (0..role.min(3)).filter(|_| random.below(3) == 0).collect()).collect();
    let count = random.below(14);
    let rules = (0..count).map(|_| {
        let patterns = (0..=random.below(2)).map(|_| PATTERNS[random.below(PATTERNS.len())]).collect();
        let effect = match random.below(6) {
            0 | 1 => Effect::Deny,
            2 => Effect::Withhold(Answer::draw(random)),
            _ => Effect::Allow,
        };
        (random.below(ROLES), effect, patterns)
    });
    Drawn { rules: rules.collect(), inherits }
}

fn toolgate(drawn: &Drawn) -> Policy {
    let rules = |role: usize, allows: bool| {
        let own = drawn.rules.iter().filter(|rule| rule.0 == role && (rule.1 == Effect::Allow) == allows);
        let written = own.map(|(_, effect, patterns)| match effect {
            Effect::Allow | Effect::Deny => format!(r#"{{"tools":{patterns:?}}}"#),
            Effect::Withhold(answer) => format!(
                r#"{{"tools":{patterns:?},"on":["answer"],"when":{{"args":{{"/draft":{{"equals":{}}}}},"answer":{{"outcome":{{"equals":"{}"}},"result":{{"/structuredContent/level":{{"min":{}}}}}}}}}}}"#,
                answer.draft,
                answer.outcome(),
                answer.level
            ),
        });
        written.collect::<Vec<_>>().join(",")
    };
    let roles = drawn.inherits.iter().enumerate().map(|(role, inherits)| {
        let inherits: Vec<String> = inherits.iter().map(|parent| format!("\"r{parent}\"")).collect();
        let (allow, deny) = (rules(role, true), rules(role, false));
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
    // What was allowed is answered.
    let mut text = String::from("permit(principal, action == Action::\"answer\", resource);\n");
    for (role, effect, patterns) in &drawn.rules {
        let (effect, action, when) = match effect {
            Effect::Allow => ("permit", "call", String::new()),
            Effect::Deny => ("forbid", "call", String::new()),
            Effect::Withhold(answer) => {
                let (draft, outcome, level) = (answer.draft, answer.outcome(), answer.level);
                let when = format!(
                    " && context.draft == {draft} && context.outcome == {outcome:?} && context.level >= {level}"
                );
                ("forbid", "answer", when)
            }
        };
        let fits: Vec<String> =
            patterns.iter().map(|pattern| format!("context.tool like {pattern:?}")).collect();
        let fits = fits.join(" || ");
        let _ = writeln!(
            text,
            "{effect}(principal in Role::\"r{role}\", action == Action::\"{action}\", resource) when {{ ({fits}){when} }};"
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

/// Whether the caller is told this answer of a tool.
fn tells(policy: &Policy, roles: &RoleSet, facts: &Facts<'_>, tool: &str, answer: Answer) -> bool {
    let arguments = format!(r#"{{"draft":{}}}"#, answer.draft);
    let arguments = Doc::parse(arguments.as_bytes(), Limits::MESSAGE).expect("JSON");
    let target = Target::Tool(tool.into());
    let kept = policy.keep(roles, (Method::ToolsCall, &target), Arguments::Given(arguments.root()));
    let result = format!(
        r#"{{"content":[],"isError":{},"structuredContent":{{"level":{}}}}}"#,
        answer.failed, answer.level
    );
    let result = Doc::parse(result.as_bytes(), Limits::MESSAGE).expect("JSON");
    let context = Context::at(UnixTime::default()).answered(AnswerFacts::of_result(result.root()));
    let context = context.with(policy.recall(kept.iter()));
    policy.judge_answer(roles, facts, Answering::Call(Method::ToolsCall, &target), &context).is_ok()
}

#[test]
fn cedar_comes_to_the_same_verdicts() {
    let mut random = Random(0x0DDB_1A5E_5BAD_5EED);
    let authorizer = Authorizer::new();
    // Calls and answers, each denied and allowed.
    let mut seen = [[0_usize; 2]; 2];
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
                let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
                let judge = |action: &str, more: Vec<(String, RestrictedExpression)>| {
                    let known = more.into_iter().chain([("tool".to_owned(), text(tool))]);
                    let context = CedarContext::from_pairs(known).expect("a context");
                    let action = uid(&format!("Action::{action:?}"));
                    let request =
                        Request::new(uid("User::\"u\""), action, uid("Server::\"s\""), context, None);
                    let judged = authorizer.is_authorized(&request.expect("a request"), &theirs, &entities);
                    assert_eq!(judged.diagnostics().errors().count(), 0);
                    judged.decision() == Decision::Allow
                };
                assert_eq!(verdict, judge("call", Vec::new()), "{tool} for {held:?}\n{theirs}");
                seen[0][usize::from(verdict)] += 1;
                if held.is_empty() {
                    continue;
                }
                let answer = Answer::draw(&mut random);
                let told = tells(&ours, &roles, &facts, tool, answer);
                let level = i64::try_from(answer.level).expect("small");
                let more = [
                    ("draft".to_owned(), RestrictedExpression::new_bool(answer.draft)),
                    ("outcome".to_owned(), text(answer.outcome())),
                    ("level".to_owned(), RestrictedExpression::new_long(level)),
                ];
                assert_eq!(told, judge("answer", more.into()), "answer of {tool} for {held:?}\n{theirs}");
                seen[1][usize::from(told)] += 1;
            }
        }
    }
    assert!(seen[0].iter().all(|seen| *seen > 2_000), "{seen:?}");
    assert!(seen[1].iter().all(|seen| *seen > 300), "{seen:?}");
}
