// SPDX-License-Identifier: Apache-2.0
//! Conditions: typed tests on arguments, claims and identity, three-valued.
//!
//! Absent, wrong type, over a limit: unknown. Only `exists` turns absence into a truth.

use super::pattern::glob_fits;
use super::truth::{Possible, Truth};
use super::wire::{EXACT, JsonType, Scalar, TestWire, WhenWire};
use crate::json::{DeError, Kind, Segment, Value};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The longest string that string tests look at, in bytes; longer is unknown.
const MAX_TESTED: usize = 65_536;
/// The longest regular expression, in bytes.
const MAX_REGEX: usize = 512;
/// How deep `all`, `any` and `not` may nest.
const MAX_NESTING: usize = 8;

/// What conditions may look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// The caller's claims, an object; none for anonymous callers.
    pub claims: Option<Value<'f>>,
    /// The roles that the token states.
    pub roles: &'f [String],
    /// The scopes that the token states.
    pub scopes: &'f [String],
    /// The groups that the token states.
    pub groups: &'f [String],
    /// The subject.
    pub subject: Option<&'f str>,
    /// The OAuth client.
    pub client: Option<&'f str>,
    /// The issuer's name in the configuration.
    pub issuer: Option<&'f str>,
}

/// The arguments of the call that is judged.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'a> {
    /// The call has none.
    Absent,
    /// The call has these.
    Given(Value<'a>),
    /// The call is yet to come: a list is filtered.
    Open,
}

#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(alloc::boxed::Box<Condition>),
    Atom(Source, Vec<Test>),
}

#[derive(Debug)]
pub(super) enum Source {
    Argument(String),
    Claim(String),
    Roles,
    Scopes,
    Groups,
    Subject,
    Client,
    Issuer,
}

#[derive(Debug)]
pub(super) enum Test {
    OneOf(Vec<Scalar>),
    Contains(Scalar),
    Prefix(String),
    Suffix(String),
    Glob(String),
    Regex(regex_lite::Regex),
    PathUnder(String),
    Min(f64),
    Max(f64),
    Exists(bool),
    Type(JsonType),
}

/// Which sources a condition may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Rule,
    Binding,
}

pub(super) fn compile(wire: &WhenWire, place: Place) -> Result<Condition, DeError> {
    compile_nested(wire, place, 0)
}

fn compile_nested(wire: &WhenWire, place: Place, depth: usize) -> Result<Condition, DeError> {
    if depth >= MAX_NESTING {
        return Err(DeError::new(format!("conditions nest deeper than {MAX_NESTING} levels")));
    }
    let mut parts = Vec::new();
    if place == Place::Binding && !wire.args.is_empty() {
        return Err(at("args", DeError::new("a binding cannot look at arguments".to_owned())));
    }
    pointers("args", &wire.args, Source::Argument, &mut parts)?;
    pointers("claims", &wire.claims, Source::Claim, &mut parts)?;
    for (name, test, source) in [
        ("roles", &wire.roles, Source::Roles),
        ("scopes", &wire.scopes, Source::Scopes),
        ("groups", &wire.groups, Source::Groups),
        ("subject", &wire.subject, Source::Subject),
        ("client", &wire.client, Source::Client),
        ("issuer", &wire.issuer, Source::Issuer),
    ] {
        if let Some(test) = test {
            parts.push(Condition::Atom(source, tests(test).map_err(|error| at(name, error))?));
        }
    }
    if let Some(all) = &wire.all {
        parts.push(Condition::All(list("all", all, place, depth)?));
    }
    if let Some(any) = &wire.any {
        parts.push(Condition::Any(list("any", any, place, depth)?));
    }
    if let Some(not) = &wire.not {
        let inner = compile_nested(not, place, depth + 1).map_err(|error| at("not", error))?;
        parts.push(Condition::Not(alloc::boxed::Box::new(inner)));
    }
    if parts.is_empty() {
        let error = DeError::new("the condition is empty".to_owned());
        return Err(error.with_help("leave `when` out, or say what must hold".to_owned()));
    }
    Ok(Condition::All(parts))
}

fn list(name: &str, wires: &[WhenWire], place: Place, depth: usize) -> Result<Vec<Condition>, DeError> {
    if wires.is_empty() {
        let error = DeError::new(format!("`{name}` lists no conditions"));
        return Err(at(name, error.with_help("take it out, or say what must hold".to_owned())));
    }
    let each = wires.iter().enumerate().map(|(index, wire)| {
        compile_nested(wire, place, depth + 1).map_err(|error| at(name, error.inside(Segment::Index(index))))
    });
    each.collect()
}

fn pointers(
    name: &str,
    wires: &BTreeMap<String, TestWire>,
    source: fn(String) -> Source,
    parts: &mut Vec<Condition>,
) -> Result<(), DeError> {
    for (pointer, wire) in wires {
        let here = |error: DeError| at(name, error.inside(Segment::Key(pointer.clone())));
        if !pointer.starts_with('/') {
            let error = DeError::new(format!("`{pointer}` is not a JSON pointer"));
            return Err(here(error.with_help(format!("write `/{}`", pointer.replace('.', "/")))));
        }
        parts.push(Condition::Atom(source(pointer.clone()), tests(wire).map_err(here)?));
    }
    Ok(())
}

fn at(name: &str, error: DeError) -> DeError {
    error.inside(Segment::Key(name.to_owned()))
}

fn tests(wire: &TestWire) -> Result<Vec<Test>, DeError> {
    let mut tests = Vec::new();
    tests.extend(wire.equals.clone().map(|scalar| Test::OneOf(Vec::from([scalar]))));
    match &wire.one_of {
        Some(scalars) if scalars.is_empty() => {
            return Err(at("one_of", DeError::new("an empty list can never match".to_owned())));
        }
        other => tests.extend(other.clone().map(Test::OneOf)),
    }
    tests.extend(wire.contains.clone().map(Test::Contains));
    tests.extend(wire.prefix.clone().map(Test::Prefix));
    tests.extend(wire.suffix.clone().map(Test::Suffix));
    tests.extend(wire.glob.clone().map(Test::Glob));
    if let Some(regex) = &wire.regex {
        tests.push(Test::Regex(compile_regex(regex).map_err(|error| at("regex", error))?));
    }
    if let Some(base) = &wire.path_under {
        let base = base.strip_suffix('/').unwrap_or(base);
        if relative_path(base).is_none() {
            let error = DeError::new(format!("`{base}` is not a plain relative path"));
            return Err(at("path_under", error.with_help("write it like `src/app`".to_owned())));
        }
        tests.push(Test::PathUnder(base.to_owned()));
    }
    tests.extend(wire.min.map(Test::Min));
    tests.extend(wire.max.map(Test::Max));
    tests.extend(wire.exists.map(Test::Exists));
    tests.extend(wire.json_type.map(Test::Type));
    if tests.is_empty() {
        let error = DeError::new("the test is empty".to_owned());
        return Err(error.with_help("say what must hold, for example `equals: x`".to_owned()));
    }
    Ok(tests)
}

fn compile_regex(text: &str) -> Result<regex_lite::Regex, DeError> {
    if text.len() > MAX_REGEX {
        return Err(DeError::new(format!("the regular expression is longer than {MAX_REGEX} bytes")));
    }
    let build = |text: &str| regex_lite::RegexBuilder::new(text).size_limit(1 << 18).nest_limit(32).build();
    // By itself first: `a)|(?:b` would otherwise close the group and lose its anchors.
    let built = build(text).and_then(|_| build(&format!("^(?:{text})$")));
    built.map_err(|error| DeError::new(format!("`{text}` does not compile: {error}")))
}

impl Condition {
    pub(super) fn evaluate(&self, facts: &Facts<'_>, arguments: Arguments<'_>) -> Possible {
        match self {
            Condition::All(parts) => parts
                .iter()
                .fold(Possible::only(Truth::True), |set, part| set.and(part.evaluate(facts, arguments))),
            Condition::Any(parts) => parts
                .iter()
                .fold(Possible::only(Truth::False), |set, part| set.or(part.evaluate(facts, arguments))),
            Condition::Not(part) => part.evaluate(facts, arguments).negate(),
            Condition::Atom(Source::Argument(pointer), tests) => match arguments {
                Arguments::Open => Possible::ANY,
                Arguments::Absent => Possible::only(on_json(tests, None)),
                Arguments::Given(value) => Possible::only(on_json(tests, value.pointer(pointer))),
            },
            Condition::Atom(Source::Claim(pointer), tests) => {
                Possible::only(on_json(tests, facts.claims.and_then(|claims| claims.pointer(pointer))))
            }
            Condition::Atom(Source::Roles, tests) => Possible::only(on_list(tests, facts.roles)),
            Condition::Atom(Source::Scopes, tests) => Possible::only(on_list(tests, facts.scopes)),
            Condition::Atom(Source::Groups, tests) => Possible::only(on_list(tests, facts.groups)),
            Condition::Atom(Source::Subject, tests) => Possible::only(on_text(tests, facts.subject)),
            Condition::Atom(Source::Client, tests) => Possible::only(on_text(tests, facts.client)),
            Condition::Atom(Source::Issuer, tests) => Possible::only(on_text(tests, facts.issuer)),
        }
    }

    /// Whether any part looks at claims, so that they must be kept.
    pub(super) fn looks_at_arguments(&self) -> bool {
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().any(Condition::looks_at_arguments),
            Condition::Not(part) => part.looks_at_arguments(),
            Condition::Atom(source, _) => matches!(source, Source::Argument(_)),
        }
    }
}

/// A value under test, whatever it comes from.
enum Tested<'t> {
    Absent,
    Json(Value<'t>),
    Text(&'t str),
    List(&'t [String]),
}

fn on_json(tests: &[Test], value: Option<Value<'_>>) -> Truth {
    all(tests, &value.map_or(Tested::Absent, Tested::Json))
}

fn on_text(tests: &[Test], text: Option<&str>) -> Truth {
    all(tests, &text.map_or(Tested::Absent, Tested::Text))
}

/// An empty list counts as present: a token without roles has no roles.
fn on_list(tests: &[Test], list: &[String]) -> Truth {
    all(tests, &Tested::List(list))
}

fn all(tests: &[Test], value: &Tested<'_>) -> Truth {
    tests.iter().fold(Truth::True, |truth, test| truth.and(one(test, value)))
}

fn one(test: &Test, value: &Tested<'_>) -> Truth {
    match test {
        Test::Exists(wanted) => Truth::from_bool(*wanted != matches!(value, Tested::Absent)),
        Test::OneOf(scalars) => {
            scalars.iter().fold(Truth::False, |truth, scalar| truth.or(equals(scalar, value)))
        }
        Test::Contains(scalar) => contains(scalar, value),
        Test::Prefix(head) => on_string(value, |text| Truth::from_bool(text.starts_with(head.as_str()))),
        Test::Suffix(tail) => on_string(value, |text| Truth::from_bool(text.ends_with(tail.as_str()))),
        Test::Glob(glob) => on_string(value, |text| Truth::from_bool(glob_fits(glob, text))),
        Test::Regex(regex) => on_string(value, |text| Truth::from_bool(regex.is_match(text))),
        Test::PathUnder(base) => on_string(value, |text| path_under(base, text)),
        Test::Min(bound) => on_number(value, |number| number >= *bound),
        Test::Max(bound) => on_number(value, |number| number <= *bound),
        Test::Type(wanted) => has_type(*wanted, value),
    }
}

fn equals(scalar: &Scalar, value: &Tested<'_>) -> Truth {
    match (scalar, value) {
        (Scalar::Text(wanted), _) => on_string(value, |text| Truth::from_bool(text == wanted)),
        (Scalar::Number(wanted), _) => on_number(value, |number| number == *wanted),
        (Scalar::Bool(wanted), Tested::Json(json)) => {
            json.as_bool().map_or(Truth::Unknown, |found| Truth::from_bool(found == *wanted))
        }
        (Scalar::Bool(_), Tested::Absent | Tested::Text(_) | Tested::List(_)) => Truth::Unknown,
    }
}

fn contains(scalar: &Scalar, value: &Tested<'_>) -> Truth {
    match value {
        Tested::List(list) => match scalar {
            Scalar::Text(wanted) => Truth::from_bool(list.contains(wanted)),
            Scalar::Number(_) | Scalar::Bool(_) => Truth::False,
        },
        Tested::Json(json) if json.kind() == Kind::Array => {
            // An item that cannot be compared might be the one: not found is unknown then.
            json.items().fold(Truth::False, |truth, item| truth.or(equals(scalar, &Tested::Json(item))))
        }
        Tested::Json(_) | Tested::Text(_) | Tested::Absent => Truth::Unknown,
    }
}

fn on_string(value: &Tested<'_>, test: impl FnOnce(&str) -> Truth) -> Truth {
    match value {
        Tested::Text(text) if text.len() <= MAX_TESTED => test(text),
        Tested::Json(json) if json.raw().len() <= MAX_TESTED => {
            json.as_str().map_or(Truth::Unknown, |text| test(&text))
        }
        Tested::Text(_) | Tested::Json(_) | Tested::List(_) | Tested::Absent => Truth::Unknown,
    }
}

fn on_number(value: &Tested<'_>, test: impl FnOnce(f64) -> bool) -> Truth {
    match value {
        // A large integer is rounded on its way to a double, and upstreams may read it exactly.
        Tested::Json(json) => match json.as_f64() {
            Some(number) if number.abs() < EXACT => Truth::from_bool(test(number)),
            Some(_) | None => Truth::Unknown,
        },
        Tested::Text(_) | Tested::List(_) | Tested::Absent => Truth::Unknown,
    }
}

fn has_type(wanted: JsonType, value: &Tested<'_>) -> Truth {
    let found = match value {
        Tested::Absent => return Truth::Unknown,
        Tested::Text(_) => JsonType::String,
        Tested::List(_) => JsonType::Array,
        Tested::Json(json) => match json.kind() {
            Kind::Null => JsonType::Null,
            Kind::True | Kind::False => JsonType::Boolean,
            Kind::Number => JsonType::Number,
            Kind::String | Kind::EscapedString => JsonType::String,
            Kind::Array => JsonType::Array,
            Kind::Object => JsonType::Object,
        },
    };
    Truth::from_bool(found == wanted)
}

/// Whether `path` lies at or under `base`. A path that could be read in two ways is unknown, so that an allow rule
/// does not fire on it and a deny rule does.
fn path_under(base: &str, path: &str) -> Truth {
    let Some(path) = relative_path(path.strip_suffix('/').unwrap_or(path)) else { return Truth::Unknown };
    let Some((head, rest)) = path.split_at_checked(base.len()) else { return Truth::False };
    match rest.is_empty() || rest.starts_with('/') {
        true if head == base => Truth::True,
        // Some file systems do not tell the cases apart.
        true if head.eq_ignore_ascii_case(base) => Truth::Unknown,
        true | false => Truth::False,
    }
}

/// `path` if it is plain: relative, no `.` or `..`, no empty segment, no backslash, no NUL, no percent-encoding, no
/// drive letter, and no segment that ends in a dot or a space, which Windows drops.
fn relative_path(path: &str) -> Option<&str> {
    let drive = matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let plain = !drive
        && !path.contains(['\\', '\0', '%'])
        && path.split('/').all(|segment| !segment.is_empty() && !segment.ends_with(['.', ' ']))
        && !path.chars().any(char::is_control);
    plain.then_some(path)
}
