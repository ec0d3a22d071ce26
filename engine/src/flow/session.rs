// SPDX-License-Identifier: Apache-2.0
//! Sessions that stay with who began them. The id that a client has is the upstream's, sealed for the server and the
//! caller: another caller's is one that never was. A token may be renewed; whom it speaks of stays the same.

use super::edit::Edit;
use super::surfaces::principal;
use crate::config::{Server, Sessions};
use crate::deny::Door;
use crate::identity::Identity;
use crate::mcp::{Era, Head, HeaderValue};
use crate::seal::{Bond, Purpose};
use alloc::string::String;
use alloc::vec::Vec;

/// The header that names a session.
pub(super) const SESSION: &str = "mcp-session-id";
/// The longest id of an upstream that is bound.
const MAX_ID: usize = 512;

/// Whether a message follows the head, which says what is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    Comes,
    None,
}

/// The id in a request, as the upstream knows it.
///
/// # Errors
/// It is not one that this caller was given here.
pub(super) fn opened(
    head: &Head<'_>,
    message: Message,
    server: &Server,
    identity: &Identity,
) -> Result<Option<Edit>, Door> {
    let Sessions::Bound(key) = &server.sessions else { return Ok(None) };
    let text = match head.session {
        HeaderValue::Absent => return Ok(None),
        // There are none since 2026-07-28, and what means nothing must not mean something to the upstream.
        _ if head.era(server.versions) == Era::Modern => return Ok(Some(Edit::remove(SESSION))),
        HeaderValue::One(text) => text,
        // Refused for that later, with what the message is; nothing of it leaves before.
        HeaderValue::Several => return Ok(Some(Edit::remove(SESSION))),
    };
    let text = match core::str::from_utf8(text) {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => text,
        // A message is refused for that itself, with its id.
        Ok(_) | Err(_) if message == Message::Comes => return Ok(Some(Edit::remove(SESSION))),
        Ok(_) | Err(_) => return Err(Door::SessionUnknown),
    };
    let principal = principal(identity).unwrap_or_default();
    let bond = Bond { purpose: Purpose::Session, server: &server.name, principal: &principal };
    let opened = key.open(&bond, text).map_err(|_| Door::SessionUnknown)?;
    Ok(Some(Edit::set(SESSION, opened.id)))
}

/// The id in an answer, as the client may know it.
///
/// # Errors
/// It is none that a client could send back.
pub(super) fn sealed(
    value: HeaderValue<'_>,
    server: &Server,
    identity: &Identity,
) -> Result<Option<Edit>, &'static str> {
    let Sessions::Bound(key) = &server.sessions else { return Ok(None) };
    let value = match value {
        HeaderValue::Absent => return Ok(None),
        HeaderValue::One(value) => value,
        HeaderValue::Several => return Err("answer_session"),
    };
    let sound = (1..=MAX_ID).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    let id = core::str::from_utf8(value).ok().filter(|_| sound).ok_or("answer_session")?;
    let principal: Vec<u8> = principal(identity).unwrap_or_default();
    let bond = Bond { purpose: Purpose::Session, server: &server.name, principal: &principal };
    let text: String = key.seal(&bond, "", id);
    Ok(Some(Edit::set(SESSION, text)))
}
