// SPDX-License-Identifier: Apache-2.0
//! Generated policies against a naive evaluator, and what must hold of every policy.

use super::naive::{Kind, Model, On, Question, ROLES, Rule, Test, Value};
use super::*;
use crate::mcp::{Method, Target};
use crate::xorshift::Xorshift;
use alloc::format;
use alloc::vec::Vec;

struct Random(Xorshift);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0.index(bound)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn some<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        all.iter().copied().filter(|_| self.one_in(3)).collect()
    }
}

const NAMES: [&str; 9] = ["get_a", "get_b", "code_edit", "code_delete", "delete", "echo", "a", "get_", "x_é"];
const URIS: [&str; 6] = ["file:///src/a", "file:///etc/x", "docs://one", "docs://two", "a", "get_a"];
const METHODS: [&str; 3] = ["tools/list", "prompts/list", "logging/setLevel"];
const PATTERNS: [&str; 13] = [
    "*",
    "get_*",
    "*_delete",
    "code_edit",
    "echo",
    "g*a",
    "?",
    "*e*",
    "get_?",
    "c*_*t",
    "**a",
    "*_?",
    "code_*",
];
const URI_PATTERNS: [&str; 6] = ["*", "file:///src/*", "docs://one", "*://t*", "*a", "file:///*/?"];
const METHOD_PATTERNS: [&str; 4] = ["*", "tools/list", "*/list", "logging/*"];
const VALUES: [Value; 5] =
    [Value::Absent, Value::Text("x"), Value::Text("y"), Value::Number(5), Value::Number(50)];
const KINDS: [Kind; 6] = [Kind::Tool, Kind::Tool, Kind::Tool, Kind::Prompt, Kind::Resource, Kind::Method];
const NOON: u64 = 1_000_036_800;

fn draw_test(random: &mut Random, arguments: bool, on: Option<On>) -> (Test, bool) {
    let of_call = if arguments { 7 } else { 4 };
    let test = match random.below(if on == Some(On::Answer) { of_call + 4 } else { of_call }) {
        own if own >= of_call && own < of_call + 2 => Test::Failed,
        own if own >= of_call => Test::Level(random.of(&[1, 3])),
        0 => Test::Subject(random.of(&["u", "v"])),
        1 => Test::Scope(random.of(&["r", "w"])),
        2 => Test::Inside,
        3 => Test::Morning,
        4 => Test::Argument(random.of(&["x", "y"])),
        5 => Test::AtLeast(random.of(&[5, 20])),
        _ => Test::Present,
    };
    (test, random.one_in(3))
}

fn draw_rule(random: &mut Random, deny: bool) -> Rule {
    let kind = random.of(&KINDS);
    let all: &[&'static str] = match kind {
        Kind::Tool | Kind::Prompt => &PATTERNS,
        Kind::Resource => &URI_PATTERNS,
        Kind::Method => &METHOD_PATTERNS,
    };
    let patterns = (0..=random.below(2)).map(|_| random.of(all)).collect();
    let roles = match random.one_in(4) && !deny {
        true => random.some(&[0, 1, 2, 3]),
        false => Vec::from([random.below(ROLES)]),
    };
    let with_arguments = matches!(kind, Kind::Tool | Kind::Prompt);
    let count = if random.one_in(3) { random.below(3) + 1 } else { 0 };
    let on = match (kind, deny) {
        (Kind::Method, _) => None,
        (_, true) if !random.one_in(3) => Some(On::Answer),
        _ => random.one_in(6).then(|| random.of(&[On::Call, On::List])),
    };
    // A rule on answers without a condition would deny most of them.
    let count = if on == Some(On::Answer) { random.below(3) + 1 } else { count };
    Rule {
        deny,
        roles,
        kind,
        patterns,
        on,
        operations: (kind == Kind::Tool && random.one_in(4))
            .then(|| u8::try_from(random.below(15) + 1).unwrap()),
        tests: (0..count).map(|_| draw_test(random, with_arguments, on)).collect(),
        any: random.one_in(2),
    }
}

fn draw(random: &mut Random, rules: usize) -> Model {
    Model {
        inherits: (0..ROLES).map(|role| (0..role).filter(|_| random.one_in(3)).collect()).collect(),
        operations: (0..random.below(5)).map(|_| (1 << random.below(4), random.of(&PATTERNS))).collect(),
        rules: (0..random.below(rules))
            .map(|_| {
                let deny = random.one_in(4);
                draw_rule(random, deny)
            })
            .collect(),
    }
}

fn write_test((test, negated): &(Test, bool)) -> String {
    let test = match test {
        Test::Argument(text) => format!(r#"{{"args":{{"/v":{{"equals":"{text}"}}}}}}"#),
        Test::AtLeast(bound) => format!(r#"{{"args":{{"/v":{{"min":{bound}}}}}}}"#),
        Test::Present => r#"{"args":{"/v":{"exists":true}}}"#.to_string(),
        Test::Subject(subject) => format!(r#"{{"subject":{{"equals":"{subject}"}}}}"#),
        Test::Scope(scope) => format!(r#"{{"scopes":{{"contains":"{scope}"}}}}"#),
        Test::Inside => r#"{"source":["10.0.0.0/8"]}"#.to_string(),
        Test::Morning => r#"{"time":{"until":"12:00"}}"#.to_string(),
        Test::Failed => r#"{"answer":{"outcome":{"equals":"tool_error"}}}"#.to_string(),
        Test::Level(bound) => {
            format!(r#"{{"answer":{{"result":{{"/structuredContent/level":{{"min":{bound}}}}}}}}}"#)
        }
    };
    if *negated { format!(r#"{{"not":{test}}}"#) } else { test }
}

fn write_rule(rule: &Rule) -> String {
    let mut text = match rule.kind {
        Kind::Tool => format!(r#"{{"tools":{:?}"#, rule.patterns),
        Kind::Prompt => format!(r#"{{"prompts":{:?}"#, rule.patterns),
        Kind::Resource => format!(r#"{{"resources":{:?}"#, rule.patterns),
        Kind::Method => format!(r#"{{"methods":{:?}"#, rule.patterns),
    };
    if let Some(on) = rule.on {
        let word = match on {
            On::Call => "call",
            On::List => "list",
            On::Answer => "answer",
        };
        text.push_str(&format!(r#","on":["{word}"]"#));
    }
    if let Some(bits) = rule.operations {
        let words = ["read", "write", "execute", "admin"].into_iter().enumerate();
        let words: Vec<&str> = words.filter(|(at, _)| bits >> at & 1 == 1).map(|(_, word)| word).collect();
        text.push_str(&format!(r#","operations":{words:?}"#));
    }
    if !rule.tests.is_empty() {
        let tests: Vec<String> = rule.tests.iter().map(write_test).collect();
        let word = if rule.any { "any" } else { "all" };
        text.push_str(&format!(r#","when":{{"{word}":[{}]}}"#, tests.join(",")));
    }
    text.push('}');
    text
}

/// Rules of one role stand in the role, those of several are permissions.
fn write(model: &Model) -> String {
    let list = |role: usize, deny: bool| {
        let own = model.rules.iter().filter(|rule| rule.roles == [role] && rule.deny == deny);
        own.map(write_rule).collect::<Vec<_>>().join(",")
    };
    let shared: Vec<(String, &Rule)> = model
        .rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.roles.len() != 1)
        .map(|(at, rule)| (format!("\"p{at}\""), rule))
        .collect();
    let roles = (0..ROLES).map(|role| {
        let inherits: Vec<String> =
            model.inherits[role].iter().map(|parent| format!("\"r{parent}\"")).collect();
        let own = shared.iter().filter(|(_, rule)| rule.roles.contains(&role));
        let own: Vec<&str> = own.map(|(name, _)| name.as_str()).collect();
        format!(
            r#""r{role}":{{"inherits":[{}],"permissions":[{}],"allow":[{}],"deny":[{}]}}"#,
            inherits.join(","),
            own.join(","),
            list(role, false),
            list(role, true)
        )
    });
    let permissions: Vec<String> =
        shared.iter().map(|(name, rule)| format!("{name}:{}", write_rule(rule))).collect();
    let operations = [(1, "read"), (2, "write"), (4, "execute"), (8, "admin")].map(|(bit, word)| {
        let own = model.operations.iter().filter(|(own, _)| *own == bit);
        format!("\"{word}\":{:?}", own.map(|(_, pattern)| *pattern).collect::<Vec<_>>())
    });
    let bindings: Vec<String> = (0..ROLES)
        .map(|role| format!(r#"{{"role":"r{role}","when":{{"roles":{{"contains":"r{role}"}}}}}}"#))
        .collect();
    format!(
        r#"{{"version":1,"operations":{{{}}},"permissions":{{{}}},"roles":{{{}}},"bindings":[{}]}}"#,
        operations.join(","),
        permissions.join(","),
        roles.collect::<Vec<_>>().join(","),
        bindings.join(",")
    )
}

fn question(random: &mut Random) -> Question {
    let kind = random.of(&KINDS);
    let names: &[&'static str] = match kind {
        Kind::Tool | Kind::Prompt => &NAMES,
        Kind::Resource => &URIS,
        Kind::Method => &METHODS,
    };
    Question {
        held: (0..=random.below(3)).map(|_| random.below(ROLES)).collect(),
        kind,
        name: random.of(names),
        on: random.of(&[On::Call, On::Call, On::Call, On::Answer]),
        known: true,
        failed: random.one_in(2),
        level: random.of(&[None, Some(1), Some(2), Some(3)]),
        value: random.of(&VALUES),
        subject: random.of(&[None, Some("u"), Some("v")]),
        scopes: random.some(&["r", "w"]),
        inside: random.of(&[None, Some(true), Some(false)]),
        morning: random.one_in(2),
    }
}

fn decide(policy: &Policy, asked: &Question) -> bool {
    let json = match asked.value {
        Value::Absent => "{}".to_string(),
        Value::Text(text) => format!(r#"{{"v":"{text}"}}"#),
        Value::Number(number) => format!(r#"{{"v":{number}}}"#),
    };
    let doc = Doc::parse(json.as_bytes(), Limits::MESSAGE).expect("JSON");
    let texts = |all: &[&str]| all.iter().map(|text| text.to_string()).collect::<Vec<_>>();
    let (roles, scopes) =
        (asked.held.iter().map(|role| format!("r{role}")).collect::<Vec<_>>(), texts(&asked.scopes));
    let facts = Facts { roles: &roles, scopes: &scopes, subject: asked.subject, ..NOBODY };
    let source = asked.inside.map(|inside| if inside { "10.1.2.3" } else { "192.0.2.1" });
    let now = UnixTime::from_secs(if asked.morning { NOON - 3_600 } else { NOON + 3_600 });
    let call = Context::at(now).from(source.and_then(|source| source.parse().ok()));
    let (set, _) = policy.resolve(&facts, now);
    if asked.on == On::Answer {
        return tells(policy, &set, &facts, asked, &call, Arguments::Given(doc.root()));
    }
    let context = if asked.on == On::List { call.listed() } else { call.with(Arguments::Given(doc.root())) };
    let ask = match asked.kind {
        Kind::Tool => Ask::Tool("tools/call", asked.name),
        Kind::Prompt => Ask::Prompt("prompts/get", asked.name),
        Kind::Resource => Ask::Resource("resources/read", asked.name),
        Kind::Method => Ask::Method(METHODS.into_iter().find(|method| *method == asked.name).unwrap()),
    };
    policy.decide(&set, &facts, ask, &context).is_ok()
}

/// Whether the caller is told the answer: the arguments are kept, as they are for as long as the call is under way.
fn tells(
    policy: &Policy,
    roles: &RoleSet,
    facts: &Facts<'_>,
    asked: &Question,
    call: &Context<'_>,
    arguments: Arguments<'_>,
) -> bool {
    let level = asked.level.map(|level| format!(r#","structuredContent":{{"level":{level}}}"#));
    let json = format!(r#"{{"content":[],"isError":{}{}}}"#, asked.failed, level.unwrap_or_default());
    let doc = Doc::parse(json.as_bytes(), Limits::MESSAGE).expect("JSON");
    let (method, target) = match asked.kind {
        Kind::Tool => (Method::ToolsCall, Target::Tool(asked.name.into())),
        Kind::Prompt => (Method::PromptsGet, Target::Prompt(asked.name.into())),
        Kind::Resource => (Method::ResourcesRead, Target::Resource(asked.name.into())),
        Kind::Method => (Method::from_name(asked.name).unwrap(), Target::None),
    };
    let kept = policy.keep(roles, (method, &target), arguments).filter(|_| asked.known);
    let context = call.answered(AnswerFacts::of_result(doc.root())).with(policy.recall(kept.iter()));
    let answering = if asked.known { Answering::Call(method, &target) } else { Answering::Unknown };
    policy.judge_answer(roles, facts, answering, &context).is_ok()
}

/// 2,700 policies, 52 questions each, of which a quarter are on answers; every fifth of them beside three variants of the policy.
#[test]
fn a_naive_evaluator_agrees_and_rules_only_move_verdicts_their_own_way() {
    assert!(include_str!("naive.rs").lines().count() < 150, "an evaluator to be read at a glance");
    let mut random = Random(Xorshift(0x9E37_79B9_7F4A_7C15));
    // Calls and answers, each denied and allowed.
    let mut seen = [[0_usize; 2]; 2];
    for _ in 0..2_700 {
        let model = draw(&mut random, 9);
        let mut turned = model.clone();
        turned.rules.reverse();
        let mut with = |deny: bool| {
            let mut more = model.clone();
            let rule = draw_rule(&mut random, deny);
            more.rules.push(Rule { roles: Vec::from([random.below(ROLES)]), ..rule });
            policy(&write(&more))
        };
        let (less, more) = (with(true), with(false));
        let (ours, turned) = (policy(&write(&model)), policy(&write(&turned)));
        for turn in 0..52 {
            let asked = question(&mut random);
            let asked = Question { known: asked.on == On::Call || !random.one_in(4), ..asked };
            let verdict = decide(&ours, &asked);
            seen[usize::from(asked.on == On::Answer)][usize::from(verdict)] += 1;
            assert_eq!(verdict, model.allows(&asked), "{asked:?}\n{}", write(&model));
            if turn % 5 != 0 {
                continue;
            }
            assert_eq!(verdict, decide(&turned, &asked), "order");
            assert!(verdict || !decide(&less, &asked), "a deny widened");
            assert!(!verdict || decide(&more, &asked), "an allow narrowed");
        }
    }
    let calls = seen[0].iter().sum::<usize>();
    assert!(calls >= 100_000 && seen[0][1] > 10_000 && seen[1].iter().all(|seen| *seen > 2_000), "{seen:?}");
}

/// What a list shows and what calls get: where no rule looks at arguments, and none is on one of them only, they are
/// the same; otherwise no call is allowed that the list hides.
#[test]
fn a_filtered_list_equals_the_verdicts_of_calls() {
    let mut random = Random(Xorshift(42));
    let (mut hidden, mut equal) = (0, 0);
    for _ in 0..1_500 {
        let mut model = draw(&mut random, 8);
        model.rules.iter_mut().for_each(|rule| {
            rule.on = None;
            rule.tests.retain(|(test, _)| !matches!(test, Test::Failed | Test::Level(_)));
        });
        let ours = policy(&write(&model));
        for _ in 0..10 {
            let asked = Question { on: On::Call, ..question(&mut random) };
            let listed = Question { on: On::List, ..asked.clone() };
            let shown = decide(&ours, &listed);
            let callable = |value| decide(&ours, &Question { value, ..asked.clone() });
            assert!(shown || !VALUES.into_iter().any(callable));
            hidden += usize::from(!shown);
            if !ours.looks_at_arguments() {
                assert_eq!(shown, callable(asked.value));
                assert_eq!(shown, model.allows(&listed));
                equal += usize::from(shown);
            }
        }
    }
    assert!(hidden > 1_000 && equal > 500, "{hidden} {equal}");
}

#[test]
fn the_same_document_compiles_to_the_same_policy() {
    let mut random = Random(Xorshift(7));
    for _ in 0..50 {
        let json = write(&draw(&mut random, 12));
        let (one, two) = (policy(&json), policy(&json));
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
        assert_eq!(one.digest(), two.digest());
    }
}
