// SPDX-License-Identifier: Apache-2.0
//! A document of keys: what stands under `api_keys.NAME` of a configuration, in a file of its own.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use toolgate_engine::apikey::{DEFAULT_PREFIX, KeyHash, is_id, is_prefix};

use crate::{
    diagnostic::Failure,
    file::{self, Existing},
    yaml::{self, Document},
};

/// The whole document.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default)]
    pub(super) keys: Vec<Entry>,
}

/// All of a key but the key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) hash: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) revoked: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
}

impl Keys {
    /// Reads a document; one that is not there is empty.
    pub(super) fn open_or_new(path: &Path) -> Result<Keys, Failure> {
        if path.exists() { Keys::open(path) } else { Ok(Keys::default()) }
    }

    /// Reads a document. What is wrong in it is not repeated: it may be a key.
    pub(super) fn open(path: &Path) -> Result<Keys, Failure> {
        let keys: Keys = Document::open(path)?.decode()?;
        let sound = |entry: &Entry| is_id(&entry.id) && KeyHash::parse(&entry.hash).is_some();
        if let Some(at) = keys.keys.iter().position(|entry| !sound(entry)) {
            let message = format!("`{}` has no sound id or hash in entry {}", path.display(), at + 1);
            return Err(Failure::refused(message).help("take the entry out and make the key anew"));
        }
        Ok(keys)
    }

    /// What its keys begin with.
    pub(super) fn prefix(&self) -> Result<&str, Failure> {
        let prefix = self.prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
        match is_prefix(prefix) {
            true => Ok(prefix),
            false => Err(Failure::refused(format!("`{prefix}` cannot be what keys begin with"))
                .help("use 2 to 16 lower case letters and digits")),
        }
    }

    /// The entry of a key.
    pub(super) fn entry(&mut self, id: &str) -> Result<&mut Entry, Failure> {
        self.keys.iter_mut().find(|entry| entry.id == id).ok_or_else(|| {
            Failure::refused("no key of the document has this id").help("the id is the second part of a key")
        })
    }

    /// Writes the document whole, or not at all: as JSON where its name says so, else as YAML.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let value = serde_json::to_value(self).map_err(|error| Failure::new(error.to_string()))?;
        let text = match path.extension().is_some_and(|extension| extension == "json") {
            true => format!("{value:#}\n"),
            false => yaml::block(&value, 0),
        };
        file::write_private(path, &text, Existing::Replace)
    }
}

/// An entry as it stands in a document.
pub(super) fn block(entry: &Entry) -> Result<String, Failure> {
    let value = serde_json::to_value([entry]).map_err(|error| Failure::new(error.to_string()))?;
    Ok(yaml::block(&value, 0))
}
