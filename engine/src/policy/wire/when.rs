// SPDX-License-Identifier: Apache-2.0
//! Conditions as written.

use crate::json::Named;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A condition as written: everything in it must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WhenWire {
    /// Tests on tool arguments by JSON pointer.
    #[serde(default)]
    pub args: Named<TestWire>,
    /// Tests on the token's claims by JSON pointer.
    #[serde(default)]
    pub claims: Named<TestWire>,
    /// A test on the list of roles that the issuer's claim paths yield.
    pub roles: Option<TestWire>,
    /// A test on the list of scopes.
    pub scopes: Option<TestWire>,
    /// A test on the list of groups.
    pub groups: Option<TestWire>,
    /// A test on the subject.
    pub subject: Option<TestWire>,
    /// A test on the client.
    pub client: Option<TestWire>,
    /// A test on the issuer's name in the configuration.
    pub issuer: Option<TestWire>,
    /// Tests on the API key that was shown.
    pub key: Option<KeyWire>,
    /// Tests on the client certificate.
    pub certificate: Option<CertificateWire>,
    /// The operator's classes for the tool, one of which must be among these; in rules on tools only.
    pub classes: Option<Vec<String>>,
    /// What the server says of the tool, where it is trusted; in rules on tools only.
    pub annotations: Option<AnnotationsWire>,
    /// Tests on an answer; only in rules on answers.
    pub answer: Option<AnswerWire>,
    /// Hours of the day and days of the week; in rules only.
    pub time: Option<TimeWire>,
    /// The caller's address lies in one of these networks; in rules only.
    pub source: Option<Vec<String>>,
    /// All of these.
    pub all: Option<Vec<WhenWire>>,
    /// One of these.
    pub any: Option<Vec<WhenWire>>,
    /// Not this.
    pub not: Option<Box<WhenWire>>,
}

/// A test as written: everything in it must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TestWire {
    /// The same value.
    pub equals: Option<Scalar>,
    /// One of these values.
    pub one_of: Option<Vec<Scalar>>,
    /// A list that holds this value.
    pub contains: Option<Scalar>,
    /// A string that starts so.
    pub prefix: Option<String>,
    /// A string that ends so.
    pub suffix: Option<String>,
    /// A string that fits this pattern with `*` and `?`.
    pub glob: Option<String>,
    /// A string in which this regular expression matches the whole.
    pub regex: Option<String>,
    /// A relative path under this one.
    pub path_under: Option<String>,
    /// At least this number.
    pub min: Option<f64>,
    /// At most this number.
    pub max: Option<f64>,
    /// How long the value is.
    pub length: Option<LengthWire>,
    /// A list of which some item passes.
    pub some: Option<Box<TestWire>>,
    /// A list of which every item passes.
    pub every: Option<Box<TestWire>>,
    /// Whether the value is there at all.
    pub exists: Option<bool>,
    /// Of this JSON type.
    #[serde(rename = "type")]
    pub json_type: Option<JsonType>,
}

/// `length`: characters of a string, items of a list, members of an object.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LengthWire {
    /// At least so many.
    pub min: Option<u32>,
    /// At most so many.
    pub max: Option<u32>,
}

/// `key`: tests on an API key.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyWire {
    /// Its public id.
    pub id: Option<TestWire>,
    /// Whose it is.
    pub owner: Option<TestWire>,
    /// What the configuration says of it besides.
    #[serde(default)]
    pub labels: Named<TestWire>,
}

/// `certificate`: tests on a client certificate.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CertificateWire {
    /// The list of URIs among its subject alternative names.
    pub uri: Option<TestWire>,
    /// The list of DNS names among its subject alternative names.
    pub dns: Option<TestWire>,
    /// Its subject.
    pub subject: Option<TestWire>,
}

/// `annotations`: tests on what a server says of its tool, under the names of the protocol.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AnnotationsWire {
    /// It changes nothing.
    #[serde(rename = "readOnlyHint")]
    pub read_only: Option<TestWire>,
    /// What it changes may be lost.
    #[serde(rename = "destructiveHint")]
    pub destructive: Option<TestWire>,
    /// Doing it again does no more.
    #[serde(rename = "idempotentHint")]
    pub idempotent: Option<TestWire>,
    /// It deals with things outside.
    #[serde(rename = "openWorldHint")]
    pub open_world: Option<TestWire>,
}

/// `answer`: tests on what a server has answered.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AnswerWire {
    /// `ok`, `tool_error` (`isError` of the result) or `rpc_error`, a string.
    pub outcome: Option<TestWire>,
    /// How many bytes of JSON the result or error has, a number.
    pub bytes: Option<TestWire>,
    /// The list of types of its content blocks, each once.
    pub types: Option<TestWire>,
    /// Tests on the result by JSON pointer.
    #[serde(default)]
    pub result: Named<TestWire>,
}

/// `time`: a window of every week.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TimeWire {
    /// Days; every day if absent.
    pub days: Option<Vec<Weekday>>,
    /// From when on, as `HH:MM`; from midnight if absent.
    pub from: Option<String>,
    /// Until when, exclusive, as `HH:MM`; until midnight if absent.
    pub until: Option<String>,
    /// `UTC` or an offset such as `+01:00`; `UTC` if absent.
    pub zone: Option<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday
    Mon,
    /// Tuesday
    Tue,
    /// Wednesday
    Wed,
    /// Thursday
    Thu,
    /// Friday
    Fri,
    /// Saturday
    Sat,
    /// Sunday
    Sun,
}

/// The types of JSON.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum JsonType {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// any number
    Number,
    /// a string
    String,
    /// an array
    Array,
    /// an object
    Object,
}

/// A plain value to compare with.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A string.
    Text(String),
    /// A number.
    Number(f64),
    /// A boolean.
    Bool(bool),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// Integers below this (2^53) survive the way through a double.
pub(in crate::policy) const EXACT: f64 = 9_007_199_254_740_992.0;

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number or a boolean")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.into()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar, E> {
        if number.abs() >= EXACT {
            return Err(E::custom("the number is too large to be compared exactly; write it as a string"));
        }
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
        const EXACT: u64 = 1 << 53;
        if number.unsigned_abs() >= EXACT {
            return Err(E::custom("the number is too large to be compared exactly; write it as a string"));
        }
        #[expect(clippy::cast_precision_loss, reason = "within 2^53, checked above")]
        Ok(Scalar::Number(number as f64))
    }
}
