// SPDX-License-Identifier: Apache-2.0
//! Typed reading of operator-written documents: serde over a [`Value`], with the path of every error and a
//! did-you-mean for every closed vocabulary.

use super::{Kind, Value};
use crate::suggest::did_you_mean;
use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::de::{self, DeserializeOwned, Unexpected};

/// One step from the root of a document to a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// A member name.
    Key(String),
    /// A position in an array.
    Index(usize),
}

/// What is wrong in a document, where, and how to mend it.
///
/// Behind one pointer: every reading function carries one, and there are as many of them as types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeError(Box<Wrong>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrong {
    path: Vec<Segment>,
    message: String,
    help: Option<String>,
}

impl DeError {
    /// An error at the place it is raised; callers prepend the path with [`DeError::inside`].
    #[must_use]
    #[inline(never)]
    pub fn new(message: String) -> Self {
        DeError(Box::new(Wrong { path: Vec::new(), message, help: None }))
    }

    /// From the root to the value (or the member) that is wrong.
    #[must_use]
    pub fn path(&self) -> &[Segment] {
        &self.0.path
    }

    /// What is wrong: lower case, no full stop.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// How to mend it, where that is known.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Adds how to mend it.
    #[must_use]
    #[cold]
    #[inline(never)]
    pub fn with_help(mut self, help: String) -> Self {
        self.0.help = Some(help);
        self
    }

    /// Prepends a member's name to the path.
    #[cold]
    #[inline(never)]
    fn inside_key(self, name: &str) -> Self {
        self.inside(Segment::Key(name.to_owned()))
    }

    /// Prepends one step to the path.
    #[must_use]
    pub fn inside(self, segment: impl Into<Segment>) -> Self {
        self.below(segment.into())
    }

    #[cold]
    #[inline(never)]
    fn below(mut self, segment: Segment) -> Self {
        self.0.path.insert(0, segment);
        self
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl core::error::Error for DeError {}

impl de::Error for DeError {
    #[cold]
    #[inline(never)]
    fn custom<T: fmt::Display>(message: T) -> Self {
        DeError::new(message.to_string())
    }

    #[cold]
    #[inline(never)]
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let error = DeError::new(format!("unknown key `{field}`")).inside(Segment::Key(field.to_owned()));
        error.with_help(did_you_mean(field, expected.iter().copied()).unwrap_or_else(|| known(expected)))
    }

    #[cold]
    #[inline(never)]
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let error = DeError::new(format!("`{variant}` is not one of the words known here"));
        error.with_help(did_you_mean(variant, expected.iter().copied()).unwrap_or_else(|| known(expected)))
    }

    /// The scanner refuses a member that stands twice: nobody sees this.
    #[cold]
    #[inline(never)]
    fn duplicate_field(field: &'static str) -> Self {
        DeError::new(format!("the key `{field}` stands twice"))
    }

    #[cold]
    #[inline(never)]
    fn missing_field(field: &'static str) -> Self {
        DeError::new(format!("the key `{field}` is missing")).with_help(format!("add `{field}`"))
    }

    #[cold]
    #[inline(never)]
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        DeError::new(format!("expected {}, found {}", plain_words(expected), type_of(&unexpected)))
    }

    #[cold]
    #[inline(never)]
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

/// A number as serde is told of it.
enum Number {
    Whole(i64),
    Fraction(f64),
}

/// Numbers come as integers where they are integers: the proxy's `Struct` makes every number a double and prints
/// `1` or `1.0`, so a double without a fraction counts as an integer.
fn number(value: Value<'_>) -> Result<Number, DeError> {
    let whole = || value.raw().strip_suffix(".0").and_then(|digits| digits.parse::<i64>().ok());
    if let Some(integer) = value.as_i64().or_else(whole) {
        return Ok(Number::Whole(integer));
    }
    value.as_f64().map(Number::Fraction).ok_or_else(|| DeError::new("the number is out of range".to_owned()))
}

/// A value of another kind than the one that is read.
#[cold]
#[inline(never)]
fn mismatch(value: Value<'_>, expected: &dyn de::Expected) -> DeError {
    let found = match value.kind() {
        Kind::Null => Unexpected::Unit,
        Kind::True => Unexpected::Bool(true),
        Kind::False => Unexpected::Bool(false),
        Kind::Number => Unexpected::Signed(0),
        Kind::String | Kind::EscapedString => Unexpected::Str(""),
        Kind::Array => Unexpected::Seq,
        Kind::Object => Unexpected::Map,
    };
    de::Error::invalid_type(found, expected)
}

/// Each kind has a reading of its own that asks the visitor for that kind alone: what a visitor would do with the
/// other kinds is then never compiled, for any of the many types.
impl<'de> de::Deserializer<'de> for Reader<'de> {
    type Error = DeError;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0.kind() {
            Kind::Null => visitor.visit_unit(),
            Kind::True => visitor.visit_bool(true),
            Kind::False => visitor.visit_bool(false),
            Kind::Number => self.deserialize_f64(visitor),
            Kind::String | Kind::EscapedString => self.deserialize_str(visitor),
            Kind::Array => self.deserialize_seq(visitor),
            Kind::Object => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0.kind() {
            Kind::True => visitor.visit_bool(true),
            Kind::False => visitor.visit_bool(false),
            _ => Err(mismatch(self.0, &visitor)),
        }
    }

    #[inline(never)]
    fn deserialize_i64<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0.kind() {
            Kind::Number => match number(self.0)? {
                Number::Whole(integer) => visitor.visit_i64(integer),
                Number::Fraction(float) => Err(de::Error::invalid_type(Unexpected::Float(float), &visitor)),
            },
            _ => Err(mismatch(self.0, &visitor)),
        }
    }

    #[inline(never)]
    fn deserialize_f64<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0.kind() {
            Kind::Number => match number(self.0)? {
                Number::Whole(integer) => visitor.visit_i64(integer),
                Number::Fraction(float) => visitor.visit_f64(float),
            },
            _ => Err(mismatch(self.0, &visitor)),
        }
    }

    #[inline(never)]
    fn deserialize_str<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0.as_str() {
            Some(text) => visitor.visit_str(&text),
            None => Err(mismatch(self.0, &visitor)),
        }
    }

    fn deserialize_seq<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0.kind() {
            Kind::Array => visitor.visit_seq(Seq { items: self.0.items(), at: 0 }),
            _ => Err(mismatch(self.0, &visitor)),
        }
    }

    fn deserialize_map<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.members(&[], visitor)
    }

    fn deserialize_struct<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.members(fields, visitor)
    }

    /// Whatever stands there.
    fn deserialize_ignored_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_unit()
    }

    fn deserialize_i8<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_i16<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_i32<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u8<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u16<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u32<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u64<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_string<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0.kind() {
            // A key with nothing behind it: taken for an absent one it could widen what the operator meant to narrow.
            Kind::Null => Err(null()),
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
        visitor.visit_enum(Tagged::of(self.0, variants)?)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

#[cold]
#[inline(never)]
fn null() -> DeError {
    DeError::new("expected a value, found null".to_owned())
        .with_help("give it a value, or take the key out".to_owned())
}

impl<'de> Reader<'de> {
    /// The members of an object that may have `fields`; of a map, whose names are anyone's, none.
    fn members<V: de::Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match self.0.kind() {
            Kind::Object => visitor.visit_map(Map { members: self.0.members(), current: None, fields }),
            _ => Err(mismatch(self.0, &visitor)),
        }
    }
}

struct Seq<'d> {
    items: super::Items<'d>,
    at: usize,
}

impl<'d> Seq<'d> {
    #[inline(never)]
    fn step(&mut self) -> Option<Value<'d>> {
        self.at = self.at.saturating_add(1);
        self.items.next()
    }

    #[cold]
    #[inline(never)]
    fn inside(&self, error: DeError) -> DeError {
        error.inside(Segment::Index(self.at.saturating_sub(1)))
    }
}

impl<'de> de::SeqAccess<'de> for Seq<'de> {
    type Error = DeError;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeError> {
        let Some(item) = self.step() else { return Ok(None) };
        match seed.deserialize(Reader(item)) {
            Ok(read) => Ok(Some(read)),
            Err(error) => Err(self.inside(error)),
        }
    }
}

struct Map<'d> {
    members: super::Members<'d>,
    current: Option<(Value<'d>, Value<'d>)>,
    fields: &'static [&'static str],
}

impl<'d> Map<'d> {
    #[inline(never)]
    fn step(&mut self) -> Option<Cow<'d, str>> {
        self.current = self.members.next();
        self.current.map(|(name, _)| name.as_str().unwrap_or_default())
    }

    #[cold]
    #[inline(never)]
    fn inside(&self, error: DeError) -> DeError {
        match self.current.and_then(|(name, _)| name.as_str()) {
            Some(name) => error.inside_key(&name),
            None => error,
        }
    }
}

/// What a closed vocabulary is made of.
#[derive(Clone, Copy)]
enum Vocabulary {
    Keys(&'static [&'static str]),
    Words(&'static [&'static str]),
}

impl Vocabulary {
    /// The place of a name. Whoever asks gets a number: were it the name, each type would compare the names of its
    /// own members, in code of its own. (Aliases would shift the places; nothing here has any.)
    #[inline(never)]
    fn place(self, name: &str) -> Result<u64, DeError> {
        let (Vocabulary::Keys(known) | Vocabulary::Words(known)) = self;
        match (0_u64..).zip(known).find(|(_, word)| **word == name) {
            Some((at, _)) => Ok(at),
            None => Err(match self {
                Vocabulary::Keys(known) => de::Error::unknown_field(name, known),
                Vocabulary::Words(known) => de::Error::unknown_variant(name, known),
            }),
        }
    }
}

/// A member's name, and only that.
struct Name<'n>(&'n str, Vocabulary);

impl<'de> de::Deserializer<'de> for Name<'_> {
    type Error = DeError;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_str(self.0)
    }

    /// No type here passes over what it does not know.
    fn deserialize_identifier<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_u64(self.1.place(self.0)?)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum ignored_any
    }
}

impl<'de> de::MapAccess<'de> for Map<'de> {
    type Error = DeError;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DeError> {
        let Some(name) = self.step() else { return Ok(None) };
        seed.deserialize(Name(&name, Vocabulary::Keys(self.fields))).map(Some)
    }

    #[inline(never)]
    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeError> {
        let Some((_, value)) = self.current else {
            return Err(DeError::new("a value without a name".to_owned()));
        };
        match seed.deserialize(Reader(value)) {
            Ok(read) => Ok(read),
            Err(error) => Err(self.inside(error)),
        }
    }
}

/// An enum, written as `word` or as `{ word: content }`.
struct Tagged<'d> {
    word: Cow<'d, str>,
    content: Option<Value<'d>>,
    known: &'static [&'static str],
}

impl<'d> Tagged<'d> {
    #[inline(never)]
    fn of(value: Value<'d>, known: &'static [&'static str]) -> Result<Tagged<'d>, DeError> {
        if let Some(word) = value.as_str() {
            return Ok(Tagged { word, content: None, known });
        }
        if value.kind() != Kind::Object {
            let error = DeError::new(format!("expected a word, found a {}", value.type_name()));
            return Err(error.with_help(self::known(known)));
        }
        let mut members = value.members();
        let (Some((name, content)), None) = (members.next(), members.next()) else {
            let error = DeError::new("expected exactly one key here".to_owned());
            return Err(error.with_help(self::known(known)));
        };
        Ok(Tagged { word: name.as_str().unwrap_or_default(), content: Some(content), known })
    }
}

impl<'de> de::EnumAccess<'de> for Tagged<'de> {
    type Error = DeError;
    type Variant = Content<'de>;

    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'de>), DeError> {
        let variant = seed.deserialize(Name(&self.word, Vocabulary::Words(self.known)))?;
        Ok((variant, Content { word: self.word, content: self.content }))
    }
}

struct Content<'d> {
    word: Cow<'d, str>,
    content: Option<Value<'d>>,
}

impl<'de> Content<'de> {
    #[inline(never)]
    fn nothing(&self) -> Result<(), DeError> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(DeError::new(format!("`{}` takes no content", self.word))
                .with_help(format!("write just `{}`", self.word))),
        }
    }

    #[inline(never)]
    fn something(&self) -> Result<Value<'de>, DeError> {
        self.content.ok_or_else(|| {
            DeError::new(format!("`{}` has no content", self.word))
                .with_help(format!("write `{{ {}: … }}`", self.word))
        })
    }
}

impl<'de> de::VariantAccess<'de> for Content<'de> {
    type Error = DeError;

    fn unit_variant(self) -> Result<(), DeError> {
        self.nothing()
    }

    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DeError> {
        seed.deserialize(Reader(self.something()?)).map_err(|error| error.inside_key(&self.word))
    }

    fn tuple_variant<V: de::Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DeError> {
        de::Deserializer::deserialize_any(Reader(self.something()?), visitor)
            .map_err(|error| error.inside_key(&self.word))
    }

    fn struct_variant<V: de::Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        Reader(self.something()?).members(fields, visitor).map_err(|error| error.inside_key(&self.word))
    }
}
