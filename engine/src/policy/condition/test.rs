// SPDX-License-Identifier: Apache-2.0
//! One value under test: every test is total, and says unknown where it cannot say.

use super::path::path_under;
use super::work::Work;
use crate::expression::Expression;
use crate::json::{Kind, Value};
use crate::policy::truth::Truth;
use crate::policy::wire::{EXACT, JsonType, Scalar};
use alloc::string::String;
use alloc::vec::Vec;

/// The longest string that string tests look at, in bytes; longer is unknown.
const MAX_TESTED: usize = 65_536;

#[derive(Debug)]
pub(in crate::policy) enum Test {
    OneOf(Vec<Scalar>),
    Contains(Scalar),
    Prefix(String),
    Suffix(String),
    Glob(String),
    Regex(Expression),
    PathUnder(String),
    Min(f64),
    Max(f64),
    Length(usize, usize),
    Exists(bool),
    Type(JsonType),
    Some(Vec<Test>),
    Every(Vec<Test>),
}

/// A value under test, whatever it comes from.
#[derive(Clone, Copy)]
pub(super) enum Tested<'t> {
    Absent,
    Json(Value<'t>),
    Text(&'t str),
    List(&'t [String]),
    Count(u32),
    Flag(bool),
}

impl<'t> Tested<'t> {
    pub(super) fn json(value: Option<Value<'t>>) -> Tested<'t> {
        value.map_or(Tested::Absent, Tested::Json)
    }

    pub(super) fn flag(flag: Option<bool>) -> Tested<'t> {
        flag.map_or(Tested::Absent, Tested::Flag)
    }

    pub(super) fn text(text: Option<&'t str>) -> Tested<'t> {
        text.map_or(Tested::Absent, Tested::Text)
    }
}

/// What all tests say together. Each has work of its own, so that none depends on another.
pub(super) fn all(tests: &[Test], value: Tested<'_>) -> Truth {
    tests.iter().fold(Truth::True, |truth, test| truth.and(one(test, value, &mut Work::new())))
}

fn one(test: &Test, value: Tested<'_>, work: &mut Work) -> Truth {
    match test {
        // To some readers null is nothing, to others it is something.
        Test::Exists(_) if matches!(value, Tested::Json(json) if json.kind() == Kind::Null) => Truth::Unknown,
        Test::Exists(wanted) => Truth::from_bool(*wanted != matches!(value, Tested::Absent)),
        Test::OneOf(scalars) => {
            scalars.iter().fold(Truth::False, |truth, scalar| truth.or(equals(scalar, value)))
        }
        Test::Contains(scalar) => contains(scalar, value),
        Test::Prefix(head) => on_string(value, |text| Truth::from_bool(text.starts_with(head.as_str()))),
        Test::Suffix(tail) => on_string(value, |text| Truth::from_bool(text.ends_with(tail.as_str()))),
        Test::Glob(glob) => on_string(value, |text| work.glob(glob, text)),
        Test::Regex(regex) => on_string(value, |text| work.expression(regex, text)),
        Test::PathUnder(base) => on_string(value, |text| path_under(base, text)),
        Test::Min(bound) => on_number(value, |number| number >= *bound),
        Test::Max(bound) => on_number(value, |number| number <= *bound),
        Test::Length(min, max) => match length(value) {
            Some(length) => Truth::from_bool((*min..=*max).contains(&length)),
            None => Truth::Unknown,
        },
        Test::Type(wanted) => has_type(*wanted, value),
        Test::Some(tests) => on_items(value, (Truth::False, Truth::or), tests, work),
        Test::Every(tests) => on_items(value, (Truth::True, Truth::and), tests, work),
    }
}

fn equals(scalar: &Scalar, value: Tested<'_>) -> Truth {
    match (scalar, value) {
        (Scalar::Text(wanted), _) => on_string(value, |text| Truth::from_bool(text == wanted)),
        (Scalar::Number(wanted), _) => on_number(value, |number| number == *wanted),
        (Scalar::Bool(wanted), Tested::Json(json)) => {
            json.as_bool().map_or(Truth::Unknown, |found| Truth::from_bool(found == *wanted))
        }
        (Scalar::Bool(wanted), Tested::Flag(found)) => Truth::from_bool(found == *wanted),
        (Scalar::Bool(_), Tested::Absent | Tested::Text(_) | Tested::List(_) | Tested::Count(_)) => {
            Truth::Unknown
        }
    }
}

fn contains(scalar: &Scalar, value: Tested<'_>) -> Truth {
    match value {
        Tested::List(list) => match scalar {
            Scalar::Text(wanted) => Truth::from_bool(list.contains(wanted)),
            Scalar::Number(_) | Scalar::Bool(_) => Truth::False,
        },
        Tested::Json(json) if json.kind() == Kind::Array => {
            // An item that cannot be compared might be the one: not found is unknown then.
            json.items().fold(Truth::False, |truth, item| truth.or(equals(scalar, Tested::Json(item))))
        }
        Tested::Json(_) | Tested::Text(_) | Tested::Count(_) | Tested::Flag(_) | Tested::Absent => {
            Truth::Unknown
        }
    }
}

/// The tests on each item of a list, joined.
fn on_items(
    value: Tested<'_>,
    (start, join): (Truth, fn(Truth, Truth) -> Truth),
    tests: &[Test],
    work: &mut Work,
) -> Truth {
    let each = |truth, item| {
        join(truth, tests.iter().fold(Truth::True, |truth, test| truth.and(one(test, item, work))))
    };
    match value {
        Tested::List(list) => list.iter().map(|item| Tested::Text(item)).fold(start, each),
        Tested::Json(json) if json.kind() == Kind::Array => json.items().map(Tested::Json).fold(start, each),
        Tested::Json(_) | Tested::Text(_) | Tested::Count(_) | Tested::Flag(_) | Tested::Absent => {
            Truth::Unknown
        }
    }
}

fn on_string(value: Tested<'_>, test: impl FnOnce(&str) -> Truth) -> Truth {
    match value {
        Tested::Text(text) if text.len() <= MAX_TESTED => test(text),
        Tested::Json(json) if json.raw().len() <= MAX_TESTED => {
            json.as_str().map_or(Truth::Unknown, |text| test(&text))
        }
        Tested::Text(_)
        | Tested::Json(_)
        | Tested::List(_)
        | Tested::Count(_)
        | Tested::Flag(_)
        | Tested::Absent => Truth::Unknown,
    }
}

fn on_number(value: Tested<'_>, test: impl FnOnce(f64) -> bool) -> Truth {
    match value {
        // A large integer is rounded on its way to a double, and upstreams may read it exactly.
        Tested::Json(json) => match json.as_f64() {
            Some(number) if number.abs() < EXACT => Truth::from_bool(test(number)),
            Some(_) | None => Truth::Unknown,
        },
        Tested::Count(count) => Truth::from_bool(test(f64::from(count))),
        Tested::Text(_) | Tested::List(_) | Tested::Flag(_) | Tested::Absent => Truth::Unknown,
    }
}

/// Characters of a string, items of a list, members of an object.
fn length(value: Tested<'_>) -> Option<usize> {
    match value {
        Tested::Absent | Tested::Count(_) | Tested::Flag(_) => None,
        Tested::Text(text) => (text.len() <= MAX_TESTED).then(|| text.chars().count()),
        Tested::List(list) => Some(list.len()),
        Tested::Json(json) => match json.kind() {
            Kind::String | Kind::EscapedString if json.raw().len() <= MAX_TESTED => {
                json.as_str().map(|text| text.chars().count())
            }
            Kind::Array => Some(json.items().count()),
            Kind::Object => Some(json.members().count()),
            Kind::String | Kind::EscapedString | Kind::Null | Kind::True | Kind::False | Kind::Number => None,
        },
    }
}

fn has_type(wanted: JsonType, value: Tested<'_>) -> Truth {
    let found = match value {
        Tested::Absent => return Truth::Unknown,
        Tested::Text(_) => JsonType::String,
        Tested::List(_) => JsonType::Array,
        Tested::Count(_) => JsonType::Number,
        Tested::Flag(_) => JsonType::Boolean,
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
