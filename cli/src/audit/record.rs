// SPDX-License-Identifier: Apache-2.0
//! A record as the tools read it, borrowed from its line. Members that this does not know are passed over. Whether the
//! record is genuine is asked before, of its bytes.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de::Visitor};

use super::time;

/// A text of a record, borrowed where it has no escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'r>(pub(crate) Cow<'r, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'r, 'r> Deserialize<'de> for Text<'r> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Take;
        impl<'de> Visitor<'de> for Take {
            type Value = Text<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        source.deserialize_str(Take)
    }
}

/// One record.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Record<'r> {
    #[serde(borrow)]
    pub(crate) stream: Text<'r>,
    pub(crate) seq: u64,
    #[serde(borrow)]
    pub(crate) time: Text<'r>,
    #[serde(borrow)]
    pub(crate) kind: Text<'r>,
    #[serde(borrow)]
    pub(crate) id: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) request_id: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) trace_id: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) principal: Option<Principal<'r>>,
    #[serde(borrow)]
    pub(crate) source: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) server: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) route: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) method: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) tool: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) target: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) class: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) decision: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) reason: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) rules: Vec<Text<'r>>,
    #[serde(borrow)]
    pub(crate) policy: Option<PolicyName<'r>>,
    pub(crate) status: Option<u16>,
    #[serde(borrow)]
    pub(crate) outcome: Option<Text<'r>>,
    pub(crate) duration_us: Option<u64>,
    /// Of a thousand allows so many are kept, where it is not all.
    pub(crate) sampled_per_mille: Option<u64>,
    /// Of `start`.
    #[serde(borrow)]
    pub(crate) outlet: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) build: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) config: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) policies: Vec<PolicyName<'r>>,
    /// Of `gap`: how many are missing. Of `checkpoint`: how many there were.
    pub(crate) records: Option<u64>,
    /// Of `checkpoint`.
    pub(crate) dropped: Option<u64>,
    /// Of `checkpoint`.
    pub(crate) sampled_out: Option<u64>,
}

impl<'r> Record<'r> {
    /// Reads the text of a record.
    pub(crate) fn parse(text: &'r str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// When it was written, in microseconds since 1970.
    pub(crate) fn at(&self) -> Option<i64> {
        time::micros(self.time.as_str())
    }
}

/// Who called.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Principal<'r> {
    #[serde(borrow)]
    pub(crate) subject: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) issuer: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) client: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) credential: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) key_id: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) roles: Vec<Text<'r>>,
}

/// Which policy judged.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PolicyName<'r> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) version: Option<Text<'r>>,
    #[serde(borrow)]
    pub(crate) digest: Option<Text<'r>>,
}
