// SPDX-License-Identifier: Apache-2.0
//! Data that all workers of a proxy share, as the engine sees it: named values, replaced by compare-and-swap.
//!
//! The proxy neither bounds nor protects them (design section 4): whoever writes here uses a fixed number of names and
//! seals each value.

use alloc::string::String;
use alloc::vec::Vec;

/// A value and the version that a replacement has to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Changes with every replacement.
    pub version: u32,
}

/// The store does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// What became of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Replaced {
    /// The value stands there now.
    Yes,
    /// Somebody else was faster: read again.
    Conflict,
}

/// Shared data. The shell asks the proxy; tests use [`MemoryStore`].
pub trait Store {
    /// Reads a value; `None` where there is none yet.
    ///
    /// # Errors
    /// The store does not work.
    fn read(&self, name: &str) -> Result<Option<Stored>, Unavailable>;

    /// Replaces a value if its version is still `version`, or creates it where that is `None`.
    ///
    /// # Errors
    /// The store does not work.
    fn replace(&self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Replaced, Unavailable>;
}

/// No shared data at all: for tools that judge one request.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStore;

impl Store for NoStore {
    fn read(&self, _: &str) -> Result<Option<Stored>, Unavailable> {
        Err(Unavailable)
    }

    fn replace(&self, _: &str, _: &[u8], _: Option<u32>) -> Result<Replaced, Unavailable> {
        Err(Unavailable)
    }
}

/// Shared data of one process without a proxy.
#[derive(Debug, Default)]
pub struct MemoryStore(core::cell::RefCell<alloc::collections::BTreeMap<String, Stored>>);

#[cfg(test)]
impl MemoryStore {
    /// The names of all values.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.borrow().keys().cloned().collect()
    }
}

impl Store for MemoryStore {
    fn read(&self, name: &str) -> Result<Option<Stored>, Unavailable> {
        Ok(self.0.try_borrow().map_err(|_| Unavailable)?.get(name).cloned())
    }

    fn replace(&self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Replaced, Unavailable> {
        let mut values = self.0.try_borrow_mut().map_err(|_| Unavailable)?;
        let found = values.get(name).map(|stored| stored.version);
        if found != version {
            return Ok(Replaced::Conflict);
        }
        let version = found.unwrap_or(0).wrapping_add(1);
        values.insert(name.into(), Stored { bytes: bytes.to_vec(), version });
        Ok(Replaced::Yes)
    }
}
