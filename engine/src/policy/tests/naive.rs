// SPDX-License-Identifier: Apache-2.0
//! A policy before it is written, and what it means: a glob by recursion, a condition by cases, a verdict by two walks.
//! Nothing here is shared with what is tested.

use alloc::vec::Vec;

pub(super) const ROLES: usize = 4;

/// What is asked for, and what a rule is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[rustfmt::skip]
pub(super) enum Kind { Tool, Prompt, Resource, Method }

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[rustfmt::skip]
pub(super) enum On { Call, List, Answer }

/// On the argument `/v`: this string, at least this number, there at all. On the caller: subject, scope, an address in
/// 10.0.0.0/8. On the time: before noon, UTC. On the answer: a failure of the tool, a level of at least this.
#[derive(Clone, Debug)]
#[rustfmt::skip]
pub(super) enum Test { Argument(&'static str), AtLeast(i32), Present, Subject(&'static str), Scope(&'static str), Inside, Morning, Failed, Level(i32) }

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub deny: bool,
    pub roles: Vec<usize>,
    pub kind: Kind,
    pub patterns: Vec<&'static str>,
    /// Nothing: on calls and lists.
    pub on: Option<On>,
    /// Bits: read 1, write 2, execute 4, admin 8.
    pub operations: Option<u8>,
    /// Each with whether it is negated.
    pub tests: Vec<(Test, bool)>,
    /// Whether one test is enough.
    pub any: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    /// For each role, those that it inherits; always earlier ones.
    pub inherits: Vec<Vec<usize>>,
    /// Operation bits by pattern.
    pub operations: Vec<(u8, &'static str)>,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug)]
#[rustfmt::skip]
pub(super) enum Value { Absent, Text(&'static str), Number(i32) }

#[derive(Clone, Debug)]
#[rustfmt::skip]
pub(super) struct Question {
    pub held: Vec<usize>, pub kind: Kind, pub name: &'static str, pub on: On, pub value: Value, pub morning: bool,
    pub subject: Option<&'static str>, pub scopes: Vec<&'static str>,
    /// Whether the address lies inside, if there is one.
    pub inside: Option<bool>,
    /// Of an answer: whether it is known to what (if not, each rule may be about it), and what it says.
    pub known: bool, pub failed: bool, pub level: Option<i32>,
}

fn fits(pattern: &str, name: &str) -> bool {
    let (Some(wanted), rest) = first(pattern) else { return name.is_empty() };
    match (wanted, first(name)) {
        ('*', (None, _)) => fits(rest, name),
        ('*', (Some(_), less)) => fits(rest, name) || fits(pattern, less),
        (wanted, (Some(found), less)) => (wanted == '?' || wanted == found) && fits(rest, less),
        (_, (None, _)) => false,
    }
}

fn first(text: &str) -> (Option<char>, &str) {
    let mut chars = text.chars();
    (chars.next(), chars.as_str())
}

impl Model {
    pub(super) fn allows(&self, asked: &Question) -> bool {
        let mut speaking = self.rules.iter().filter(|rule| self.speaks(rule, asked));
        let denied = speaking.clone().any(|rule| rule.deny && self.holds(rule, asked) != Some(false));
        let allowed = speaking.any(|rule| !rule.deny && self.holds(rule, asked) == Some(true));
        (allowed || asked.on == On::Answer) && !denied
    }

    fn reaches(&self, held: usize, role: usize) -> bool {
        held == role || self.inherits[held].iter().any(|parent| self.reaches(*parent, role))
    }

    fn speaks(&self, rule: &Rule, asked: &Question) -> bool {
        let names = |name| rule.patterns.iter().any(|pattern| fits(pattern, name));
        let on_method = rule.deny && rule.kind == Kind::Method;
        asked.held.iter().any(|held| rule.roles.iter().any(|role| self.reaches(*held, *role)))
            && rule.on.map_or(asked.on != On::Answer, |on| on == asked.on)
            && match (rule.kind == asked.kind, asked.kind) {
                _ if !asked.known => true,
                (true, _) => names(asked.name),
                // A deny rule on a method takes its targets away.
                (false, Kind::Tool) => on_method && names("tools/call"),
                (false, Kind::Prompt) => on_method && names("prompts/get"),
                (false, Kind::Resource) => on_method && names("resources/read"),
                (false, Kind::Method) => false,
            }
    }

    /// `None` is unknown.
    fn holds(&self, rule: &Rule, asked: &Question) -> Option<bool> {
        let tests = rule.tests.iter().map(|(test, negated)| says(test, asked).map(|truth| truth != *negated));
        let tests: Vec<Option<bool>> = tests.collect();
        let decisive = Some(rule.any);
        let tests = match () {
            () if tests.is_empty() => Some(true),
            () if tests.contains(&decisive) => decisive,
            () if tests.contains(&None) => None,
            () => Some(!rule.any),
        };
        let operations = rule.operations.map_or(Some(true), |granted| {
            let own = self.operations.iter().filter(|(_, pattern)| asked.known && fits(pattern, asked.name));
            let own = own.fold(0, |bits, (bit, _)| bits | bit);
            match (own & granted != 0, own & !granted != 0) {
                (true, false) => Some(true),
                (false, true) => Some(false),
                _ => None,
            }
        });
        match (tests, operations) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}

fn says(test: &Test, asked: &Question) -> Option<bool> {
    match (test, asked.value) {
        (Test::Argument(_) | Test::AtLeast(_) | Test::Present, _) if !asked.known => None,
        (Test::Present, value) => Some(!matches!(value, Value::Absent)),
        (Test::Argument(wanted), Value::Text(text)) => Some(text == *wanted),
        (Test::AtLeast(bound), Value::Number(number)) => Some(number >= *bound),
        (Test::Argument(_) | Test::AtLeast(_), _) => None,
        (Test::Subject(wanted), _) => asked.subject.map(|subject| subject == *wanted),
        (Test::Scope(wanted), _) => Some(asked.scopes.contains(wanted)),
        (Test::Inside, _) => asked.inside,
        (Test::Morning, _) => Some(asked.morning),
        (Test::Failed, _) => Some(asked.failed),
        (Test::Level(bound), _) => asked.level.map(|level| level >= *bound),
    }
}
