// SPDX-License-Identifier: Apache-2.0
//! Generated policies against a naive evaluator, and what must hold of every policy.

use super::*;
use alloc::format;
use alloc::vec::Vec;

/// xorshift64: enough to wander, and the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

const TOOLS: [&str; 8] = ["get_a", "get_b", "code_edit", "code_delete", "delete", "echo", "a", "get_"];
const PATTERNS: [&str; 9] = ["*", "get_*", "*_delete", "code_edit", "echo", "g*a", "?", "*e*", "get_?"];
const ROLES: [&str; 3] = ["a", "b", "c"];
const VALUES: [&str; 4] = ["", "\"x\"", "\"y\"", "5"];

/// A rule before it is written: effect, role, pattern, and what the argument `/v` and the subject must be.
#[derive(Clone)]
struct Drawn {
    deny: bool,
    role: usize,
    pattern: &'static str,
    argument: Option<(&'static str, bool)>,
    subject: Option<&'static str>,
}

fn draw(random: &mut Random) -> Drawn {
    Drawn {
        deny: random.below(3) == 0,
        role: random.below(3),
        pattern: random.of(&PATTERNS),
        argument: (random.below(3) == 0).then(|| (random.of(&["x", "y"]), random.below(2) == 0)),
        subject: (random.below(4) == 0).then(|| random.of(&["u", "v"])),
    }
}

/// `c` inherits `b` inherits `a`.
fn write(rules: &[Drawn]) -> Policy {
    let one = |rule: &Drawn| {
        let mut parts = Vec::new();
        if let Some((value, negated)) = rule.argument {
            let test = format!(r#"{{"args":{{"/v":{{"equals":"{value}"}}}}}}"#);
            parts.push(if negated { format!(r#"{{"not":{test}}}"#) } else { test });
        }
        parts.extend(rule.subject.map(|subject| format!(r#"{{"subject":{{"equals":"{subject}"}}}}"#)));
        let when = if parts.is_empty() {
            String::new()
        } else {
            format!(r#","when":{{"all":[{}]}}"#, parts.join(","))
        };
        format!(r#"{{"tools":["{}"]{when}}}"#, rule.pattern)
    };
    let list = |role: usize, deny: bool| {
        rules
            .iter()
            .filter(|rule| rule.role == role && rule.deny == deny)
            .map(one)
            .collect::<Vec<_>>()
            .join(",")
    };
    let roles: Vec<String> = (0..3)
        .map(|at| {
            let inherits = if at == 0 { String::new() } else { format!("\"{}\"", ROLES[at - 1]) };
            format!(
                r#""{}":{{"inherits":[{inherits}],"allow":[{}],"deny":[{}]}}"#,
                ROLES[at],
                list(at, false),
                list(at, true)
            )
        })
        .collect();
    policy(&format!(r#"{{"version":1,"roles":{{{}}}}}"#, roles.join(",")))
}

#[derive(Clone, Copy)]
struct Question {
    role: usize,
    tool: &'static str,
    value: &'static str,
    subject: Option<&'static str>,
}

fn question(random: &mut Random) -> Question {
    Question {
        role: random.below(3),
        tool: random.of(&TOOLS),
        value: random.of(&VALUES),
        subject: [None, Some("u"), Some("v")][random.below(3)],
    }
}

fn decide(policy: &Policy, asked: Question) -> bool {
    let json = if asked.value.is_empty() { "{}".to_string() } else { format!(r#"{{"v":{}}}"#, asked.value) };
    let doc = Doc::parse(json.as_bytes(), Limits::MESSAGE).expect("JSON");
    let facts = Facts { subject: asked.subject, ..NOBODY };
    let role = policy.role(ROLES[asked.role]).expect("a role");
    policy
        .decide(&role, &facts, Ask::Tool("tools/call", asked.tool), &now(Arguments::Given(doc.root())))
        .is_ok()
}

/// A glob by recursion, a condition by cases, a verdict by two walks: nothing shared with what is tested.
fn naive(rules: &[Drawn], asked: Question) -> bool {
    fn fits(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.first(), name.first()) {
            (None, None) => true,
            (Some(b'*'), _) => fits(&pattern[1..], name) || !name.is_empty() && fits(pattern, &name[1..]),
            (Some(b'?'), Some(_)) => fits(&pattern[1..], &name[1..]),
            (Some(one), Some(two)) if one == two => fits(&pattern[1..], &name[1..]),
            _ => false,
        }
    }
    let holds = |rule: &Drawn| -> Option<bool> {
        let argument = match (rule.argument, asked.value) {
            (None, _) => Some(true),
            (Some(_), "" | "5") => None,
            (Some((wanted, negated)), value) => Some((value == format!("\"{wanted}\"")) != negated),
        };
        let subject = match (rule.subject, asked.subject) {
            (None, _) => Some(true),
            (Some(_), None) => None,
            (Some(wanted), Some(found)) => Some(wanted == found),
        };
        match (argument, subject) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    };
    let mut speaks = rules
        .iter()
        .filter(|rule| rule.role <= asked.role && fits(rule.pattern.as_bytes(), asked.tool.as_bytes()));
    let denied = speaks.clone().any(|rule| rule.deny && holds(rule) != Some(false));
    !denied && speaks.any(|rule| !rule.deny && holds(rule) == Some(true))
}

#[test]
fn a_naive_evaluator_agrees_and_rules_only_move_verdicts_their_own_way() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut seen = [0_usize; 2];
    for _ in 0..1_000 {
        let rules: Vec<Drawn> = (0..random.below(7)).map(|_| draw(&mut random)).collect();
        let mut turned = rules.clone();
        turned.reverse();
        let (denying, allowing) =
            (Drawn { deny: true, ..draw(&mut random) }, Drawn { deny: false, ..draw(&mut random) });
        let with = |rule: &Drawn| write(&[rules.as_slice(), core::slice::from_ref(rule)].concat());
        let (policy, turned, less, more) = (write(&rules), write(&turned), with(&denying), with(&allowing));
        for _ in 0..25 {
            let asked = question(&mut random);
            let verdict = decide(&policy, asked);
            seen[usize::from(verdict)] += 1;
            assert_eq!(verdict, naive(&rules, asked));
            assert_eq!(verdict, decide(&turned, asked), "order");
            assert!(verdict || !decide(&less, asked), "a deny widened");
            assert!(!verdict || decide(&more, asked), "an allow narrowed");
        }
    }
    assert!(seen[0] > 4_000 && seen[1] > 4_000, "{seen:?}");
}

/// What a list shows and what calls get: no call is allowed that the list hides.
#[test]
fn a_list_hides_nothing_that_a_call_could_get() {
    let mut random = Random(42);
    let mut hidden = 0;
    for _ in 0..600 {
        let rules: Vec<Drawn> = (0..random.below(6)).map(|_| draw(&mut random)).collect();
        let policy = write(&rules);
        for _ in 0..10 {
            let asked = question(&mut random);
            let facts = Facts { subject: asked.subject, ..NOBODY };
            let role = policy.role(ROLES[asked.role]).expect("a role");
            let shown = policy
                .decide(&role, &facts, Ask::Tool("tools/call", asked.tool), &now(Arguments::Open))
                .is_ok();
            let callable = VALUES.iter().any(|value| decide(&policy, Question { value, ..asked }));
            assert!(shown || !callable);
            hidden += usize::from(!shown);
        }
    }
    assert!(hidden > 1_000, "{hidden}");
}
