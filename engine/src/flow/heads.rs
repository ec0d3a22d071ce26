// SPDX-License-Identifier: Apache-2.0
//! Heads that were read before.
//!
//! The heads of one client differ in little: a token, an id, a length. One that has the same names in the same order, and
//! the same values where these say which server is meant and what its body is, goes where the one before it went, so nobody reads
//! it again. All other values are taken from it anew; whatever they say is judged anew.
//!
//! Bounded, and told only of heads that led a known caller to the body of its message: strangers push nothing out.

use super::Fields;
use super::front::{Front, Keep, Params};
use super::role::Role;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

/// The method of those that are remembered: it is the one with a message.
const METHOD: &str = "POST";
/// How many heads are remembered.
const HEADS: usize = 8;
/// Most fields of one of them, and most bytes of their names and of the values that have to be the same.
const FIELDS: usize = 48;
const BYTES: usize = 2_048;
/// Of heads that are not known, one in so many is remembered: where none comes twice, that they are costs next to nothing.
const ADMITTED: u32 = 8;

/// Heads that were read before.
#[derive(Debug)]
pub struct Heads {
    known: Vec<Rc<Known>>,
    room: usize,
    next: usize,
    offered: u32,
}

/// A head that was read before.
pub(super) struct Known {
    /// The server.
    pub at: usize,
    fields: Box<[Field]>,
    /// Names, and values that have to be the same, one behind the other.
    text: Box<[u8]>,
    target: Box<str>,
    /// How long the path is, without the query.
    path: usize,
    params: Params,
}

/// One of its fields.
#[derive(Clone, Copy)]
struct Field {
    name: u16,
    value: Value,
}

/// What the value of a field is to a head that has the same names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// So many bytes that have to be the same.
    Same(u16),
    /// Whatever it says now counts.
    Taken(Role),
    /// Nobody at the door asks for it.
    Any,
}

impl Default for Heads {
    fn default() -> Heads {
        Heads { known: Vec::new(), room: HEADS, next: 0, offered: 0 }
    }
}

impl Heads {
    /// That remembers none.
    #[cfg(test)]
    pub(super) fn off() -> Heads {
        Heads { room: 0, ..Heads::default() }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    /// The head that this one repeats.
    pub(super) fn find(&self, fields: &Fields<'_>) -> Option<Rc<Known>> {
        self.known.iter().find(|known| known.is_repeated_by(fields)).cloned()
    }

    /// Is told of a head that led to a server, and to the body that it announces.
    #[cold]
    #[inline(never)]
    pub(super) fn offer(&mut self, front: &Front<'_>, at: usize) {
        let turn = self.offered;
        self.offered = turn.wrapping_add(1);
        if self.room == 0 || !turn.is_multiple_of(ADMITTED) {
            return;
        }
        let Some(known) = Known::of(front, at).map(Rc::new) else { return };
        match self.known.get_mut(self.next) {
            Some(place) => *place = known,
            None => self.known.push(known),
        }
        self.next = self.next.saturating_add(1).checked_rem(self.room).unwrap_or(0);
    }
}

impl Known {
    /// Of the most ordinary heads only: what the door looks at more closely is read every time.
    fn of(front: &Front<'_>, at: usize) -> Option<Known> {
        let ordinary = front.method == METHOD
            && front.media == Ok(())
            && front.spoofed.is_empty()
            && front.respelled.is_empty();
        if !ordinary || front.fields.len() > FIELDS {
            return None;
        }
        let mut known = Vec::with_capacity(front.fields.len());
        let mut text = Vec::new();
        for (name, value) in front.fields {
            let field = Field { name: u16::try_from(name.len()).ok()?, value: Value::of(name, value)? };
            // What comes twice is read every time.
            let twice = |other: &Field| matches!(field.value, Value::Taken(_)) && other.value == field.value;
            if known.iter().any(twice) {
                return None;
            }
            text.extend_from_slice(name);
            if let Value::Same(_) = field.value {
                text.extend_from_slice(value);
            }
            known.push(field);
        }
        (text.len() <= BYTES).then(|| Known {
            at,
            fields: known.into(),
            text: text.into(),
            target: front.target.into(),
            path: front.path.len(),
            params: front.params,
        })
    }

    fn is_repeated_by(&self, fields: &Fields<'_>) -> bool {
        let mut rest = &*self.text;
        let mut next = |length: u16, text: &[u8]| match rest.split_at_checked(usize::from(length)) {
            Some((own, behind)) => {
                rest = behind;
                same(own, text)
            }
            None => false,
        };
        self.fields.len() == fields.len()
            && self.fields.iter().zip(fields).all(|(own, (name, value))| {
                next(own.name, name)
                    && match own.value {
                        Value::Same(length) => next(length, value),
                        Value::Taken(_) | Value::Any => true,
                    }
            })
    }

    /// What a head says that repeats this one.
    pub(super) fn tell<'k>(&'k self, front: &mut Front<'k>) {
        front.method = METHOD;
        front.target = &self.target;
        front.path = self.target.get(..self.path).unwrap_or_default();
        front.media = Ok(());
        front.params = self.params;
        front.keep = Keep::No;
        for (own, (_, value)) in self.fields.iter().zip(front.fields) {
            if let Value::Taken(role) = own.value {
                front.note(role, value);
            }
        }
    }
}

impl Value {
    /// Nothing where the door looks more closely: such heads are read every time.
    fn of(name: &[u8], value: &[u8]) -> Option<Value> {
        let role = Role::of(name);
        match role {
            Role::Method | Role::Path | Role::Authority | Role::ContentType | Role::Connection => {
                Some(Value::Same(u16::try_from(value.len()).ok()?))
            }
            Role::AcceptEncoding
            | Role::Authorization
            | Role::RequestId
            | Role::Traceparent
            | Role::ContentLength
            | Role::ProtocolVersion
            | Role::McpMethod
            | Role::McpName
            | Role::Session => Some(Value::Taken(role)),
            // Its name is all that counts.
            Role::Other => Some(Value::Any),
            Role::Host
            | Role::Origin
            | Role::Dpop
            | Role::ContentEncoding
            | Role::Preflight
            | Role::Forwarded => None,
        }
    }
}

/// Whether two texts are the same, by words of eight bytes.
fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    match (one.last_chunk(), other.last_chunk()) {
        // The last words reach back over what does not fill one.
        (Some(one_end), Some(other_end)) => {
            let pairs = one.as_chunks().0.iter().zip(other.as_chunks().0);
            word(one_end) == word(other_end) && pairs.into_iter().all(|(one, other)| word(one) == word(other))
        }
        _ => one.iter().zip(other).all(|(one, other)| one == other),
    }
}

impl fmt::Debug for Known {
    /// A path may hold what is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known({} fields, server {})", self.fields.len(), self.at)
    }
}
