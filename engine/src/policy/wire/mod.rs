// SPDX-License-Identifier: Apache-2.0
//! A policy as written. Compiled by [`super::compile`]; nothing else reads these types.

#[cfg(feature = "schema")]
mod schema;
mod when;

pub(super) use when::EXACT;
pub use when::{
    AnnotationsWire, AnswerWire, CertificateWire, JsonType, KeyWire, LengthWire, Scalar, TestWire, TimeWire,
    Weekday, WhenWire,
};

use crate::config::wire::RequireWire;
use crate::json::Named;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// The policy document, version 1.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyWire {
    /// The version of this language: 1.
    pub version: u32,
    /// Whether it may be in force, or only beside one that is.
    #[serde(default)]
    pub mode: Mode,
    /// The operator's own name for this state of the policy, which decisions report.
    pub revision: Option<String>,
    /// How deep roles may inherit; 5 unless written, 16 at most.
    pub max_inheritance: Option<u8>,
    /// Roles by name.
    pub roles: Named<RoleWire>,
    /// What roles may share, by name.
    #[serde(default)]
    pub permissions: Named<RuleWire>,
    /// What tools do, by tool name.
    #[serde(default)]
    pub operations: OperationsWire,
    /// Servers, by their names in the configuration, whose own annotations of their tools count.
    #[serde(default)]
    pub trusted_servers: Vec<String>,
    /// Which tools have which class.
    #[serde(default)]
    pub classes: Named<Vec<PatternWire>>,
    /// What single subjects may do.
    #[serde(default)]
    pub grants: Vec<GrantWire>,
    /// Who holds which role.
    #[serde(default)]
    pub bindings: Vec<BindingWire>,
}

/// A role as written.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoleWire {
    /// For people; not evaluated.
    #[serde(default)]
    pub description: String,
    /// Roles whose rules this role has too.
    #[serde(default)]
    pub inherits: Vec<String>,
    /// Named permissions that holders have.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// What holders may do.
    #[serde(default)]
    pub allow: Vec<RuleWire>,
    /// What holders may not do, whatever allows it.
    #[serde(default)]
    pub deny: Vec<RuleWire>,
}

/// A rule as written: the union of its targets, under one condition.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleWire {
    /// The name under which decisions report it.
    pub id: Option<String>,
    /// For people; not evaluated.
    #[serde(default)]
    pub description: String,
    /// MCP methods without a target of their own.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Tool names.
    #[serde(default)]
    pub tools: Vec<PatternWire>,
    /// Prompt names.
    #[serde(default)]
    pub prompts: Vec<PatternWire>,
    /// Resource URIs.
    #[serde(default)]
    pub resources: Vec<PatternWire>,
    /// Names of plain HTTP routes of the configuration.
    #[serde(default)]
    pub routes: Vec<PatternWire>,
    /// Only tools that do nothing but this; any, if absent.
    pub operations: Option<Vec<Operation>>,
    /// Whether it is about seeing, doing, or both, which it is if absent; or about answers.
    pub on: Option<Vec<SurfaceWire>>,
    /// Whether it counts, or only says what it would have done.
    #[serde(default)]
    pub mode: Mode,
    /// The condition; always, if absent.
    pub when: Option<Box<WhenWire>>,
    /// What the caller has to show besides; who has not is told how to come back (RFC 9470).
    pub require: Option<Box<RequireWire>>,
}

/// `mode` of a rule or a policy.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It counts.
    #[default]
    Enforce,
    /// It changes no answer; what it would have said is counted.
    Shadow,
}

/// A pattern as written: a text with `*` and `?`, or `{ regex: … }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternWire {
    /// `*` is any run of characters, `?` is one.
    Glob(String),
    /// An expression that matches the whole.
    Regex(String),
}

impl<'de> Deserialize<'de> for PatternWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PatternVisitor)
    }
}

struct PatternVisitor;

impl<'de> Visitor<'de> for PatternVisitor {
    type Value = PatternWire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pattern or `{ regex: EXPRESSION }`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<PatternWire, E> {
        Ok(PatternWire::Glob(text.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PatternWire, A::Error> {
        let mut regex = None;
        while let Some(name) = map.next_key::<String>()? {
            if name != "regex" {
                return Err(de::Error::unknown_field(&name, &["regex"]));
            }
            regex = Some(map.next_value()?);
        }
        regex.map(PatternWire::Regex).ok_or_else(|| de::Error::missing_field("regex"))
    }
}

/// What a tool does.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// It looks.
    Read,
    /// It changes.
    Write,
    /// It runs something.
    Execute,
    /// It manages.
    Admin,
}

/// `operations`: which tools do what. A tool may do several things.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct OperationsWire {
    /// Tools that look.
    pub read: Vec<PatternWire>,
    /// Tools that change.
    pub write: Vec<PatternWire>,
    /// Tools that run something.
    pub execute: Vec<PatternWire>,
    /// Tools that manage.
    pub admin: Vec<PatternWire>,
}

/// One of `on`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SurfaceWire {
    /// Doing it.
    Call,
    /// Seeing it in a list.
    List,
    /// What is answered to who does it; in rules that deny.
    Answer,
}

/// One of `grants`: what one subject may do, as if it held a role of its own.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GrantWire {
    /// For people; not evaluated.
    #[serde(default)]
    pub description: String,
    /// The subject.
    pub subject: String,
    /// The issuer's name in the configuration, if subjects of others must not be meant.
    pub issuer: Option<String>,
    /// Named permissions.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// What the subject may do.
    #[serde(default)]
    pub allow: Vec<RuleWire>,
    /// What the subject may not do, whatever allows it.
    #[serde(default)]
    pub deny: Vec<RuleWire>,
    /// From when on (RFC 3339, UTC).
    pub from: Option<String>,
    /// Until when, exclusive (RFC 3339, UTC).
    pub until: Option<String>,
}

/// A binding as written: callers for whom `when` is true hold `role`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BindingWire {
    /// The role.
    pub role: String,
    /// Who holds it.
    pub when: Option<Box<WhenWire>>,
    /// From when on (RFC 3339, UTC).
    pub from: Option<String>,
    /// Until when, exclusive (RFC 3339, UTC).
    pub until: Option<String>,
}
