// SPDX-License-Identifier: Apache-2.0
//! Values by name, as operators write them: a sorted list behind the look-ups of a map. A tree would compile its
//! nodes anew for each of the types that documents hold.

use crate::sort::sort_by;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::iter::Map;
use core::marker::PhantomData;
use core::slice;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// Values by name, in the order of the names, each name once.
#[derive(Clone, PartialEq, Eq)]
pub struct Named<T>(Vec<(String, T)>);

type Pair<'n, T> = fn(&'n (String, T)) -> (&'n String, &'n T);

impl<T> Named<T> {
    /// Names and values, in the order of the names.
    pub fn iter(&self) -> Map<slice::Iter<'_, (String, T)>, Pair<'_, T>> {
        self.into_iter()
    }

    /// The names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &String> + Clone {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values, in the order of their names.
    pub fn values(&self) -> impl Iterator<Item = &T> + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        let at = self.0.binary_search_by(|(own, _)| own.as_str().cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named(Vec::new())
    }
}

impl<T: fmt::Debug> fmt::Debug for Named<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<'n, T> IntoIterator for &'n Named<T> {
    type Item = (&'n String, &'n T);
    type IntoIter = Map<slice::Iter<'n, (String, T)>, Pair<'n, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

/// Of a name that stands twice, the later value counts.
impl<T> FromIterator<(String, T)> for Named<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(pairs: I) -> Self {
        let mut pairs: Vec<(String, T)> = pairs.into_iter().collect();
        pairs.reverse();
        sort_by(&mut pairs, |(one, _), (two, _)| one.cmp(two));
        pairs.dedup_by(|(one, _), (two, _)| one == two);
        Named(pairs)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
        let mut pairs: Vec<(String, T)> = Vec::new();
        while let Some(name) = map.next_key()? {
            pairs.push((name, map.next_value()?));
        }
        let before = pairs.len();
        let named: Named<T> = pairs.into_iter().collect();
        // The scanner has refused that already; other readers may not.
        if named.len() == before { Ok(named) } else { Err(Error::custom("a name stands twice")) }
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::Named;
    use alloc::borrow::Cow;
    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use schemars::{JsonSchema, Schema, SchemaGenerator};
    use serde::{Serialize, Serializer};

    /// So that the schema can tell a default.
    impl<T: Serialize> Serialize for Named<T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self)
        }
    }

    /// As a map has it.
    impl<T: JsonSchema> JsonSchema for Named<T> {
        fn inline_schema() -> bool {
            BTreeMap::<String, T>::inline_schema()
        }

        fn schema_name() -> Cow<'static, str> {
            BTreeMap::<String, T>::schema_name()
        }

        fn schema_id() -> Cow<'static, str> {
            BTreeMap::<String, T>::schema_id()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            BTreeMap::<String, T>::json_schema(generator)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Doc, Limits, from_value};

    #[test]
    fn it_reads_as_a_map_does() {
        let text = br#"{"b":2,"a":1,"c":3,"":0}"#;
        let doc = Doc::parse(text, Limits::CONFIG).unwrap();
        let named: Named<u32> = from_value(doc.root()).unwrap();
        let map: alloc::collections::BTreeMap<String, u32> = from_value(doc.root()).unwrap();
        assert!(named.iter().eq(map.iter()));
        assert!(named.keys().eq(map.keys()) && named.values().eq(map.values()));
        for name in ["", "a", "b", "c", "d", "aa"] {
            assert_eq!(named.get(name), map.get(name));
        }
        assert_eq!((named.len(), named.is_empty()), (4, false));
    }

    #[test]
    fn of_a_name_that_stands_twice_the_later_value_counts() {
        let pairs = [("b", 1), ("a", 2), ("b", 3)];
        let named: Named<u32> = pairs.into_iter().map(|(name, value)| (name.into(), value)).collect();
        assert_eq!((named.get("a"), named.get("b"), named.len()), (Some(&2), Some(&3), 2));
    }
}
