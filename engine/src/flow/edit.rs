// SPDX-License-Identifier: Apache-2.0
//! Changes to headers. Most are known before the request, so most of them allocate nothing.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

/// A change to a header.
#[derive(Clone, PartialEq, Eq)]
pub enum Edit {
    /// All fields of this name go.
    Remove(HeaderBytes),
    /// This field replaces all of its name.
    Set(&'static str, HeaderBytes),
}

impl Edit {
    /// All fields of this name go.
    #[must_use]
    pub fn remove(name: impl Into<HeaderBytes>) -> Edit {
        Edit::Remove(name.into())
    }

    /// This field replaces all of its name.
    #[must_use]
    pub fn set(name: &'static str, value: impl Into<HeaderBytes>) -> Edit {
        Edit::Set(name, value.into())
    }
}

impl fmt::Debug for Edit {
    /// Names only: a value may be a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edit::Remove(name) => write!(f, "Remove({})", name.escape_ascii()),
            Edit::Set(name, _) => write!(f, "Set({name})"),
        }
    }
}

/// The bytes of a name or a value: equal where they say the same, wherever they are kept.
#[derive(Clone)]
pub enum HeaderBytes {
    /// Written in this source.
    Static(&'static str),
    /// Kept by a caller's identity or by the configuration.
    Shared(Rc<[u8]>),
    /// Made for this request.
    Own(Vec<u8>),
}

impl Deref for HeaderBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            HeaderBytes::Static(text) => text.as_bytes(),
            HeaderBytes::Shared(bytes) => bytes,
            HeaderBytes::Own(bytes) => bytes,
        }
    }
}

impl PartialEq for HeaderBytes {
    fn eq(&self, other: &HeaderBytes) -> bool {
        **self == **other
    }
}

impl Eq for HeaderBytes {}

impl fmt::Debug for HeaderBytes {
    /// A value may be a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeaderBytes({} bytes)", self.len())
    }
}

impl From<&'static str> for HeaderBytes {
    fn from(text: &'static str) -> HeaderBytes {
        HeaderBytes::Static(text)
    }
}

impl From<String> for HeaderBytes {
    fn from(text: String) -> HeaderBytes {
        HeaderBytes::Own(text.into_bytes())
    }
}

impl From<Vec<u8>> for HeaderBytes {
    fn from(bytes: Vec<u8>) -> HeaderBytes {
        HeaderBytes::Own(bytes)
    }
}

impl From<&Rc<[u8]>> for HeaderBytes {
    fn from(bytes: &Rc<[u8]>) -> HeaderBytes {
        HeaderBytes::Shared(bytes.clone())
    }
}
