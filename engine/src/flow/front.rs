// SPDX-License-Identifier: Apache-2.0
//! The header fields of a request that decide, each read once.

use super::peer::FORWARDED;
use super::role::Role;
use super::{Edit, Fields};
use crate::config::origin::HostName;
use crate::deny::Door;
use crate::identity::IDENTITY_PREFIX;
use crate::mcp::{Head as McpHead, HeaderValue, PARAM_PREFIX};
use alloc::vec::Vec;

/// What the names of MCP's headers begin with.
const MCP_PREFIX: &str = "mcp-";
/// The one that is not MCP's own, and says where an event stream goes on.
const EVENT_ID: &str = "last-event-id";

/// The header fields that decide.
pub(super) struct Front<'h> {
    /// All fields, for those whose name the configuration chooses.
    pub fields: &'h Fields<'h>,
    pub method: &'h str,
    /// Path without query, as it came.
    pub path: &'h str,
    /// Path and query, as they came.
    pub target: &'h str,
    pub origin: HeaderValue<'h>,
    /// The first two values: two are too many, however many follow.
    pub authorization: [Option<&'h [u8]>; 2],
    pub dpop: HeaderValue<'h>,
    /// Whether a body of this content type and encoding can be a message.
    pub media: Result<(), Door>,
    pub content_length: HeaderValue<'h>,
    pub preflight: HeaderValue<'h>,
    /// `x-request-id`, as the proxy has it.
    pub request_id: HeaderValue<'h>,
    pub traceparent: HeaderValue<'h>,
    /// `x-forwarded-client-cert`, from whomever.
    pub forwarded: HeaderValue<'h>,
    /// The same in other spellings, to be removed where the header means something.
    pub respelled: Vec<Edit>,
    pub mcp: McpHead<'h>,
    /// Whether a header came that may mirror an argument.
    pub params: Params,
    /// What must not reach the upstream.
    pub spoofed: Vec<Edit>,
    pub has_accept_encoding: bool,
    pub keep: Keep,
}

/// What only the door asks for.
pub(super) struct Address<'h> {
    pub host: HostName<'h>,
    pub query: Option<&'h str>,
}

/// Whether headers came that may mirror arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Params {
    Absent,
    Present,
}

/// Whether a head may be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It was read field by field.
    Offered,
    /// It is remembered already, or something else than its fields said where it goes.
    No,
}

/// Notes a field that may come once.
pub(super) fn note<'h>(slot: &mut HeaderValue<'h>, value: &'h [u8]) {
    *slot = match slot {
        HeaderValue::Absent => HeaderValue::One(value),
        HeaderValue::One(_) | HeaderValue::Several => HeaderValue::Several,
    };
}

fn once<'h>(value: HeaderValue<'h>) -> Result<&'h str, Door> {
    match value {
        HeaderValue::One(bytes) => core::str::from_utf8(bytes).map_err(|_| Door::MalformedHead),
        HeaderValue::Absent | HeaderValue::Several => Err(Door::MalformedHead),
    }
}

/// What is known once all of a head is read.
struct Outside<'h> {
    method: HeaderValue<'h>,
    path: HeaderValue<'h>,
    authority: HeaderValue<'h>,
    host: HeaderValue<'h>,
    content_type: HeaderValue<'h>,
    content_encoding: HeaderValue<'h>,
}

impl<'h> Front<'h> {
    /// Reads every field once.
    pub(super) fn read(fields: &'h Fields<'h>) -> Result<(Front<'h>, Address<'h>), Door> {
        let absent = HeaderValue::Absent;
        let mut outside = Outside {
            method: absent,
            path: absent,
            authority: absent,
            host: absent,
            content_type: absent,
            content_encoding: absent,
        };
        let mut front = Front::bare(fields);
        for (name, value) in fields {
            match Role::of(name) {
                Role::Method => note(&mut outside.method, value),
                Role::Path => note(&mut outside.path, value),
                Role::Authority => note(&mut outside.authority, value),
                Role::Host => note(&mut outside.host, value),
                Role::ContentType => note(&mut outside.content_type, value),
                Role::ContentEncoding => note(&mut outside.content_encoding, value),
                Role::Connection if nominates(value) => front.spoofed.push(Edit::remove(name.to_vec())),
                Role::Other => front.note_name(name),
                role => front.note(role, value),
            }
        }
        let Outside { method, path, authority, host, content_type, content_encoding } = outside;
        let host = match (authority, host) {
            (HeaderValue::Absent, only) => only,
            (HeaderValue::One(one), HeaderValue::One(two)) if one.eq_ignore_ascii_case(two) => authority,
            // Two hosts: whichever is judged here, somebody behind may follow the other.
            (_, HeaderValue::One(_) | HeaderValue::Several) => HeaderValue::Several,
            (_, HeaderValue::Absent) => authority,
        };
        front.target = once(path)?;
        let split = front.target.split_once('?');
        let (path, query) = split.map_or((front.target, None), |(path, query)| (path, Some(query)));
        let host = HostName::parse(once(host)?).ok_or(Door::MalformedHead)?;
        front.method = once(method)?;
        front.path = path;
        front.media = message_body(content_type, content_encoding);
        Ok((front, Address { host, query }))
    }

    /// A field whose value is kept as it came.
    pub(super) fn note(&mut self, role: Role, value: &'h [u8]) {
        let slot = match role {
            Role::Authorization => {
                if let Some(free) = self.authorization.iter_mut().find(|slot| slot.is_none()) {
                    *free = Some(value);
                }
                return;
            }
            Role::AcceptEncoding => {
                self.has_accept_encoding = true;
                return;
            }
            Role::Origin => &mut self.origin,
            Role::Dpop => &mut self.dpop,
            Role::RequestId => &mut self.request_id,
            Role::Traceparent => &mut self.traceparent,
            Role::ContentLength => &mut self.content_length,
            Role::Preflight => &mut self.preflight,
            Role::Forwarded => &mut self.forwarded,
            Role::ProtocolVersion => &mut self.mcp.protocol_version,
            Role::McpMethod => &mut self.mcp.method,
            Role::McpName => &mut self.mcp.name,
            Role::Session => &mut self.mcp.session,
            // These say where a request goes, or nothing.
            Role::Method
            | Role::Path
            | Role::Authority
            | Role::Host
            | Role::ContentType
            | Role::ContentEncoding
            | Role::Connection
            | Role::Other => return,
        };
        note(slot, value);
    }

    /// Names that are known by how they begin, or in several spellings.
    fn note_name(&mut self, name: &[u8]) {
        if is_ours(name) || is_respelled(name) {
            self.spoofed.push(Edit::remove(name.to_vec()));
        } else if is_forwarded(name) {
            self.respelled.push(Edit::remove(name.to_vec()));
        } else if name.starts_with(PARAM_PREFIX.as_bytes()) {
            self.params = Params::Present;
        }
    }

    /// Of which nothing is read yet.
    pub(super) fn bare(fields: &'h Fields<'h>) -> Front<'h> {
        let absent = HeaderValue::Absent;
        Front {
            fields,
            method: "",
            path: "",
            target: "",
            origin: absent,
            authorization: [None; 2],
            dpop: absent,
            media: Err(Door::ContentType),
            content_length: absent,
            preflight: absent,
            request_id: absent,
            traceparent: absent,
            forwarded: absent,
            respelled: Vec::new(),
            mcp: McpHead::EMPTY,
            params: Params::Absent,
            spoofed: Vec::new(),
            has_accept_encoding: false,
            keep: Keep::Offered,
        }
    }

    /// A header's size is no reason to read it as text: only a plain number counts.
    pub(super) fn declared_length(&self) -> Option<usize> {
        match self.content_length {
            HeaderValue::One(bytes) => number(bytes),
            HeaderValue::Absent | HeaderValue::Several => None,
        }
    }
}

/// A plain number: digits, and nothing else.
fn number(digits: &[u8]) -> Option<usize> {
    let next = |number: usize, byte: &u8| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        number.checked_mul(10)?.checked_add(usize::from(digit))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, next) }
}

/// Whether a header name is one of ours once `_` is read as `-` and case is folded, as upstreams may do.
pub fn is_ours(name: &[u8]) -> bool {
    begins_like(name, IDENTITY_PREFIX)
}

/// Whether a name begins with that to an upstream that makes variables of headers (CGI, WSGI): `_` is `-` there.
fn begins_like(name: &[u8], own: &str) -> bool {
    let fold = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.get(..own.len()).is_some_and(|head| head.iter().map(fold).eq(own.bytes()))
}

/// Whether that is all of the name.
fn is_like(name: &[u8], own: &str) -> bool {
    name.len() == own.len() && begins_like(name, own)
}

/// Whether a name is in MCP's part of the names only to an upstream that reads `_` as `-`: nobody here has judged its
/// value, and it would stand beside, or in the place of, the one that was judged. The name of a parameter may hold a `_`
/// of its own, and is compared as it is.
fn is_respelled(name: &[u8]) -> bool {
    let meant = begins_like(name, MCP_PREFIX) || is_like(name, EVENT_ID);
    meant && name.contains(&b'_') && !name.starts_with(PARAM_PREFIX.as_bytes())
}

/// Whether an upstream that reads `_` as `-` would take a name for `x-forwarded-client-cert`.
fn is_forwarded(name: &[u8]) -> bool {
    is_like(name, FORWARDED)
}

/// Whether a `Connection` header nominates one of our headers to be dropped behind the gate.
fn nominates(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|token| is_ours(token.trim_ascii()))
}

/// One content type, no encoding.
fn message_body(content_type: HeaderValue<'_>, content_encoding: HeaderValue<'_>) -> Result<(), Door> {
    match content_encoding {
        HeaderValue::Absent => {}
        HeaderValue::One(encoding) if encoding.eq_ignore_ascii_case(b"identity") => {}
        HeaderValue::One(_) | HeaderValue::Several => return Err(Door::ContentEncoding),
    }
    match content_type {
        HeaderValue::One(text) if is_json(text) => Ok(()),
        HeaderValue::One(_) | HeaderValue::Several | HeaderValue::Absent => Err(Door::ContentType),
    }
}

/// `application/json`, alone or with `charset=utf-8`.
fn is_json(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(b"application/json"));
    let charset = match (parts.next(), parts.next()) {
        (None, _) => true,
        (Some(parameter), None) => [&b"charset=utf-8"[..], b"charset=\"utf-8\""]
            .iter()
            .any(|known| parameter.eq_ignore_ascii_case(known)),
        (Some(_), Some(_)) => false,
    };
    json && charset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_are_known_in_every_spelling() {
        for name in [
            "x-toolgate-subject",
            "X-Toolgate-Roles",
            "x_toolgate_subject",
            "x-toolgate_decision-id",
            "x-toolgate-",
        ] {
            assert!(is_ours(name.as_bytes()), "{name}");
        }
        for name in ["x-toolgat", "toolgate-subject", "x-tool-gate-x", "x"] {
            assert!(!is_ours(name.as_bytes()), "{name}");
        }
        assert!(nominates(b"close, X_Toolgate_Subject"));
        assert!(!nominates(b"keep-alive, te"));
    }

    #[test]
    fn headers_of_mcp_in_other_spellings_are_known() {
        for name in ["mcp_session_id", "Mcp-Session_Id", "mcp_name", "mcp-param_a", "Last_Event-ID"] {
            assert!(is_respelled(name.as_bytes()), "{name}");
        }
        for name in
            ["mcp-session-id", "mcp-param-a_b", "last-event-id", "last_event_id_", "mcp", "my_mcp-name", ""]
        {
            assert!(!is_respelled(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_length_is_digits_and_nothing_else() {
        assert_eq!(["0", "9", "1024"].map(|text| number(text.as_bytes())), [Some(0), Some(9), Some(1_024)]);
        // `/` and `:` stand beside the digits.
        for bad in ["", "1:", "1/", "-1", "+1", " 1", "99999999999999999999"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn one_content_type() {
        for fine in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
        ] {
            assert!(is_json(fine.as_bytes()), "{fine}");
        }
        for bad in [
            "text/plain",
            "application/json; charset=utf-16",
            "application/json; a=b",
            "application/json, text/plain",
            "",
            "application/jsonx",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }
}
