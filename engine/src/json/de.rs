// SPDX-License-Identifier: Apache-2.0
//! Typed reading of operator-written documents: serde over a [`Value`], with the path of every error and a
//! did-you-mean for every closed vocabulary.

use super::{Kind, Value};
use crate::suggest::did_you_mean;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::de::{self, DeserializeOwned, IntoDeserializer, Unexpected};

/// One step from the root of a document to a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// A member name.
    Key(String),
    /// A position in an array.
    Index(usize),
}

/// What is wrong in a document, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeError {
    /// From the root to the value (or the member) that is wrong.
    pub path: Vec<Segment>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// How to mend it, where that is known.
    pub help: Option<String>,
}

impl DeError {
    /// An error at the place it is raised; callers prepend the path with [`DeError::inside`].
    #[must_use]
    pub fn new(message: String) -> Self {
        DeError { path: Vec::new(), message, help: None }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn with_help(mut self, help: String) -> Self {
        self.help = Some(help);
        self
    }

    /// Prepends one step to the path.
    #[must_use]
    pub fn inside(mut self, segment: Segment) -> Self {
        self.path.insert(0, segment);
        self
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for DeError {}

impl de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        DeError::new(message.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let error = DeError::new(format!("unknown key `{field}`")).inside(Segment::Key(field.to_owned()));
        error.with_help(did_you_mean(field, expected).unwrap_or_else(|| known(expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let error = DeError::new(format!("`{variant}` is not one of the words known here"));
        error.with_help(did_you_mean(variant, expected).unwrap_or_else(|| known(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        DeError::new(format!("the key `{field}` is missing")).with_help(format!("add `{field}`"))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        DeError::new(format!("expected {}, found {}", plain_words(expected), type_of(&unexpected)))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        DeError::new(format!("the value is out of range: expected {}", plain_words(expected)))
    }
}

/// What serde expected, in an operator's words.
fn plain_words(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        other if other.starts_with("struct ") => "a mapping".to_owned(),
        _ => text,
    }
}

fn known(expected: &[&str]) -> String {
    match expected {
        [] => "nothing can stand here".to_owned(),
        words => format!(
            "known here: {}",
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The type only, never the value: it may be a secret put into the wrong place.
fn type_of(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Str(_) | Unexpected::Char(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a mapping",
        _ => "something else",
    }
}

/// Reads a `T` from a value.
///
/// # Errors
/// What does not fit, with its path.
pub fn from_value<T: DeserializeOwned>(value: Value<'_>) -> Result<T, DeError> {
    T::deserialize(Reader(value))
}

struct Reader<'d>(Value<'d>);

/// Numbers come as integers where they are integers: the proxy's `Struct` makes every number a double and prints
/// `1` or `1.0`, so a double without a fraction counts as an integer.
fn visit_number<'de, V: de::Visitor<'de>>(value: Value<'_>, visitor: V) -> Result<V::Value, DeError> {
    if let Some(integer) = value.as_i64() {
        return visitor.visit_i64(integer);
    }
    let raw = value.raw();
    if let Some(integer) = raw.strip_suffix(".0").and_then(|digits| digits.parse::<i64>().ok()) {
        return visitor.visit_i64(integer);
    }
    match value.as_f64() {
        Some(number) => visitor.visit_f64(number),
        None => Err(DeError::new("the number is out of range".to_owned())),
    }
}

impl<'de> de::Deserializer<'de> for Reader<'de> {
    type Error = DeError;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0.kind() {
            Kind::Null => visitor.visit_unit(),
            Kind::True => visitor.visit_bool(true),
            Kind::False => visitor.visit_bool(false),
            Kind::Number => visit_number(self.0, visitor),
            Kind::String | Kind::EscapedString => visitor.visit_str(&self.0.as_str().unwrap_or_default()),
            Kind::Array => visitor.visit_seq(Seq { items: self.0.items(), at: 0 }),
            Kind::Object => visitor.visit_map(Map { members: self.0.members(), current: None }),
        }
    }

    fn deserialize_option<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0.kind() {
            // A key with nothing behind it: taken for an absent one it could widen what the operator meant to narrow.
            Kind::Null => Err(DeError::new("expected a value, found null".to_owned())
                .with_help("give it a value, or take the key out".to_owned())),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match self.0.kind() {
            Kind::String | Kind::EscapedString => {
                visitor.visit_enum(self.0.as_str().unwrap_or_default().into_owned().into_deserializer())
            }
            Kind::Object => visitor.visit_enum(Tagged(self.0, variants)),
            _ => Err(DeError::new(format!("expected a word, found a {}", self.0.type_name()))
                .with_help(known(variants))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Seq<'d> {
    items: super::Items<'d>,
    at: usize,
}

impl<'de> de::SeqAccess<'de> for Seq<'de> {
    type Error = DeError;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeError> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let at = self.at;
        self.at = at.saturating_add(1);
        seed.deserialize(Reader(item)).map(Some).map_err(|error| error.inside(Segment::Index(at)))
    }
}

struct Map<'d> {
    members: super::Members<'d>,
    current: Option<(String, Value<'d>)>,
}

impl<'de> de::MapAccess<'de> for Map<'de> {
    type Error = DeError;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DeError> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        let name = name.as_str().unwrap_or_default().into_owned();
        self.current = Some((name.clone(), value));
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeError> {
        match self.current.take() {
            Some((name, value)) => {
                seed.deserialize(Reader(value)).map_err(|error| error.inside(Segment::Key(name)))
            }
            None => Err(DeError::new("a value without a name".to_owned())),
        }
    }
}

/// An enum written as `{ word: content }`.
struct Tagged<'d>(Value<'d>, &'static [&'static str]);

impl<'de> de::EnumAccess<'de> for Tagged<'de> {
    type Error = DeError;
    type Variant = Content<'de>;

    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'de>), DeError> {
        let mut members = self.0.members();
        let (Some((name, content)), None) = (members.next(), members.next()) else {
            return Err(DeError::new("expected exactly one key here".to_owned()).with_help(known(self.1)));
        };
        let name = name.as_str().unwrap_or_default().into_owned();
        let variant = seed.deserialize(name.clone().into_deserializer())?;
        Ok((variant, Content { name, content }))
    }
}

struct Content<'d> {
    name: String,
    content: Value<'d>,
}

impl<'de> de::VariantAccess<'de> for Content<'de> {
    type Error = DeError;

    fn unit_variant(self) -> Result<(), DeError> {
        Err(DeError::new(format!("`{}` takes no content", self.name))
            .with_help(format!("write just `{}`", self.name)))
    }

    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DeError> {
        seed.deserialize(Reader(self.content)).map_err(|error| error.inside(Segment::Key(self.name)))
    }

    fn tuple_variant<V: de::Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DeError> {
        de::Deserializer::deserialize_any(Reader(self.content), visitor)
            .map_err(|error| error.inside(Segment::Key(self.name)))
    }

    fn struct_variant<V: de::Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        de::Deserializer::deserialize_any(Reader(self.content), visitor)
            .map_err(|error| error.inside(Segment::Key(self.name)))
    }
}
