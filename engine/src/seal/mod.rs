// SPDX-License-Identifier: Apache-2.0
//! Ids of an upstream, bound to who got them.
//!
//! What enters: an id, a note, and what it is bound to: purpose, server, principal. What leaves: a text that carries
//! id and note under HMAC-SHA256 (RFC 2104), and, later, the two again, if the text comes back to the same server
//! from the same principal. Nothing is remembered, so every worker and every replica under the same secret opens what
//! another has sealed.
//! Deliberately absent: secrecy (who holds the text may read the id), time, and what an id means.

mod table;

pub use table::{Mark, Remembered, Seen};

use crate::feed::StateKey;
use crate::mac::MacKey;
use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64UrlUnpadded, Encoding};
use core::fmt;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// How every sealed text begins; the digit is the version of the form.
const PREFIX: &str = "tg1.";
/// Bytes of the authenticator: 128 bits.
const TAG: usize = 16;
/// Longest sealed text that is opened.
const MAX_TEXT: usize = 2_048;

/// The key of sealed ids, derived from the secret of shared state.
#[derive(Clone)]
pub struct SealKey(MacKey);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(hidden)")
    }
}

/// What an id is for: one sealed as the one does not open as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A task.
    Task,
    /// A session.
    Session,
}

/// What an id is bound to.
#[derive(Clone, Copy)]
pub struct Bond<'b> {
    /// What it is for.
    pub purpose: Purpose,
    /// The name of the server.
    pub server: &'b str,
    /// Who got it.
    pub principal: &'b [u8],
}

impl fmt::Debug for Bond<'_> {
    /// Who calls is personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bond({:?} of {})", self.purpose, self.server)
    }
}

/// A sealed text that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The note: for a task, its tool and when it began.
    pub note: String,
    /// The id of the upstream.
    pub id: String,
}

/// The text is not one that was sealed under this bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSealed;

impl SealKey {
    /// The key of sealed ids under this secret.
    #[must_use]
    pub fn of(state: &StateKey) -> SealKey {
        SealKey(MacKey::new(&state.derive(b"toolgate sealed ids v1")))
    }

    /// Seals an id with a note.
    #[must_use]
    pub fn seal(&self, bond: &Bond<'_>, note: &str, id: &str) -> String {
        let payload = payload(note, id);
        let tag = self.tag(bond, &payload);
        [PREFIX, &Base64UrlUnpadded::encode_string(&payload), ".", &Base64UrlUnpadded::encode_string(&tag)]
            .concat()
    }

    /// Whether a text has the form of a sealed one. It says nothing of who made it.
    #[must_use]
    pub fn looks_sealed(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Opens a sealed text.
    ///
    /// # Errors
    /// It is none, was changed, or belongs to another purpose, server or principal: which of these is not told.
    pub fn open(&self, bond: &Bond<'_>, text: &str) -> Result<Opened, NotSealed> {
        let rest = text.strip_prefix(PREFIX).filter(|_| text.len() <= MAX_TEXT).ok_or(NotSealed)?;
        let (payload, tag) = rest.split_once('.').ok_or(NotSealed)?;
        let payload = crate::keys::decode_base64url(payload).ok_or(NotSealed)?;
        let tag = crate::keys::decode_base64url(tag).filter(|tag| tag.len() == TAG).ok_or(NotSealed)?;
        // Compares in constant time.
        self.mac(bond, &payload).verify_truncated_left(&tag).map_err(|_| NotSealed)?;
        unpack(payload)
    }

    fn tag(&self, bond: &Bond<'_>, payload: &[u8]) -> Vec<u8> {
        self.mac(bond, payload).finalize().into_bytes().into_iter().take(TAG).collect()
    }

    /// Every part with its length before it, so that no two bonds read alike.
    fn mac(&self, bond: &Bond<'_>, payload: &[u8]) -> Hmac<Sha256> {
        let purpose: &[u8] = match bond.purpose {
            // The note of a task has had another form.
            Purpose::Task => b"task 2",
            Purpose::Session => b"session",
        };
        let mut mac = self.0.begin();
        for part in [purpose, bond.server.as_bytes(), bond.principal, payload] {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

/// The length of the note in two bytes, the note, the id.
fn payload(note: &str, id: &str) -> Vec<u8> {
    // A note is the name of a tool and two numbers: 300 bytes at most. A longer one is left out, so that it never opens as another.
    let (length, note) = u16::try_from(note.len()).map_or((0, ""), |length| (length, note));
    [&length.to_be_bytes(), note.as_bytes(), id.as_bytes()].concat()
}

fn unpack(payload: Vec<u8>) -> Result<Opened, NotSealed> {
    let (length, rest) = payload.split_first_chunk::<2>().ok_or(NotSealed)?;
    let (note, id) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(NotSealed)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| NotSealed);
    Ok(Opened { note: text(note)?, id: text(id)? })
}

#[cfg(test)]
mod tests;
