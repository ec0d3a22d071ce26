// SPDX-License-Identifier: Apache-2.0
//! At the door: which server or route is meant, and what is refused before anybody asks who calls.

use super::peer::FORWARDED;
use super::{Edit, Fields};
use crate::config::origin::{HostName, Narrowness, PathFit, canonical_path};
use crate::config::{Config, RouteMetadata, Server, Unmatched};
use crate::deny::Door;
use crate::identity::IDENTITY_PREFIX;
use crate::mcp::{Head as McpHead, HeaderValue};
use crate::metrics::Place;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// The header fields that decide, each read once.
pub(super) struct Front<'h> {
    /// All fields, for those whose name the configuration chooses.
    pub fields: &'h Fields<'h>,
    pub method: &'h str,
    /// Path without query, as it came.
    pub path: &'h str,
    pub query: Option<&'h str>,
    /// Path and query, as they came.
    pub target: &'h str,
    pub host: HostName<'h>,
    pub origin: HeaderValue<'h>,
    /// The first two values: two are too many, however many follow.
    pub authorization: [Option<&'h [u8]>; 2],
    pub dpop: HeaderValue<'h>,
    pub content_type: HeaderValue<'h>,
    pub content_encoding: HeaderValue<'h>,
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
    /// What must not reach the upstream.
    pub spoofed: Vec<Edit>,
    pub has_accept_encoding: bool,
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

impl<'h> Front<'h> {
    /// Reads every field once.
    pub(super) fn read(fields: &'h Fields<'h>) -> Result<Front<'h>, (Door, Vec<Edit>)> {
        let absent = HeaderValue::Absent;
        let (mut method, mut path, mut host, mut host_header) = (absent, absent, absent, absent);
        let (mut origin, mut content_type, mut content_encoding, mut content_length) =
            (absent, absent, absent, absent);
        let (mut preflight, mut forwarded, mut mcp) = (absent, absent, McpHead::EMPTY);
        let mut authorization = [None; 2];
        let (mut dpop, mut request_id, mut traceparent) = (absent, absent, absent);
        let (mut spoofed, mut respelled) = (Vec::new(), Vec::new());
        let mut has_accept_encoding = false;
        for (name, value) in fields {
            match *name {
                b":method" => note(&mut method, value),
                b":path" => note(&mut path, value),
                b":authority" => note(&mut host, value),
                b"host" => note(&mut host_header, value),
                b"origin" => note(&mut origin, value),
                b"authorization" => {
                    if let Some(free) = authorization.iter_mut().find(|slot| slot.is_none()) {
                        *free = Some(*value);
                    }
                }
                b"dpop" => note(&mut dpop, value),
                b"x-request-id" => note(&mut request_id, value),
                b"traceparent" => note(&mut traceparent, value),
                b"content-type" => note(&mut content_type, value),
                b"content-encoding" => note(&mut content_encoding, value),
                b"content-length" => note(&mut content_length, value),
                b"access-control-request-method" => note(&mut preflight, value),
                b"x-forwarded-client-cert" => note(&mut forwarded, value),
                b"mcp-protocol-version" => note(&mut mcp.protocol_version, value),
                b"mcp-method" => note(&mut mcp.method, value),
                b"mcp-name" => note(&mut mcp.name, value),
                b"mcp-session-id" => note(&mut mcp.session, value),
                b"accept-encoding" => has_accept_encoding = true,
                b"connection" if nominates(value) => spoofed.push(Edit::remove(name.to_vec())),
                other if is_ours(other) => spoofed.push(Edit::remove(other.to_vec())),
                other if is_forwarded(other) => respelled.push(Edit::remove(other.to_vec())),
                _ => {}
            }
        }
        match (host, host_header) {
            (HeaderValue::Absent, only) => host = only,
            (HeaderValue::One(one), HeaderValue::One(two)) if one.eq_ignore_ascii_case(two) => {}
            // Two hosts: whichever is judged here, somebody behind may follow the other.
            (_, HeaderValue::One(_) | HeaderValue::Several) => host = HeaderValue::Several,
            (_, HeaderValue::Absent) => {}
        }
        let read = || -> Result<_, Door> {
            let target = once(path)?;
            let (path, query) =
                target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
            let host = HostName::parse(once(host)?).ok_or(Door::MalformedHead)?;
            Ok((once(method)?, target, path, query, host))
        };
        match read() {
            Err(door) => Err((door, spoofed)),
            Ok((method, target, path, query, host)) => Ok(Front {
                fields,
                target,
                method,
                path,
                query,
                host,
                origin,
                authorization,
                dpop,
                content_type,
                content_encoding,
                content_length,
                preflight,
                request_id,
                traceparent,
                forwarded,
                respelled,
                mcp,
                spoofed,
                has_accept_encoding,
            }),
        }
    }

    /// A header's size is no reason to read it as text: only a plain number counts.
    pub(super) fn declared_length(&self) -> Option<usize> {
        match self.content_length {
            HeaderValue::One(bytes) => core::str::from_utf8(bytes).ok()?.parse().ok(),
            HeaderValue::Absent | HeaderValue::Several => None,
        }
    }
}

/// Whether a name is one of ours once `_` is read as `-` and case is folded, as upstreams may do.
fn is_ours(name: &[u8]) -> bool {
    let Some(head) = name.get(..IDENTITY_PREFIX.len()) else { return false };
    let folded = head.iter().map(|byte| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() });
    folded.eq(IDENTITY_PREFIX.bytes())
}

/// Whether an upstream that reads `_` as `-` would take a name for `x-forwarded-client-cert`.
fn is_forwarded(name: &[u8]) -> bool {
    name.len() == FORWARDED.len()
        && name
            .iter()
            .map(|byte| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() })
            .eq(FORWARDED.bytes())
}

/// Whether a `Connection` header nominates one of our headers to be dropped behind the gate.
fn nominates(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|token| is_ours(token.trim_ascii()))
}

/// A server or route whose path and host fit.
struct Fit {
    place: Place,
    /// How closely it was written for this request: path before host.
    closeness: (Narrowness, usize),
    /// Whether the HTTP method fits too, and whether it is named.
    method: (bool, bool),
}

/// Which server or route is meant: the most closely written one, whatever the order.
pub(super) fn place(
    front: &Front<'_>,
    config: &Config,
    route_server: Option<&str>,
) -> Result<Place, (Door, Place)> {
    let canonical = canonical(front.path);
    if let (RouteMetadata::Read, Some(name)) = (config.route_metadata, route_server) {
        let at = config.servers.iter().position(|server| &*server.name == name);
        return match at {
            Some(_) if front.path != canonical => Err((Door::AmbiguousPath, Place::None)),
            // A route chooses the server, not who may ask for it: the host list still holds.
            Some(at) if !config.servers.get(at).is_some_and(|server| server.takes_host(&front.host)) => {
                Err((Door::HostNotAllowed, Place::Server(at)))
            }
            Some(at) => Ok(Place::Server(at)),
            None => Err((Door::UnknownRouteServer, Place::None)),
        };
    }
    let (mut named_host, mut other_host) = (false, false);
    let mut ambiguous = None;
    let mut best: Option<Fit> = None;
    let servers = config
        .servers
        .iter()
        .enumerate()
        .map(|(at, server)| (Place::Server(at), &server.hosts, &server.path, &[][..]));
    let routes = config
        .routes
        .iter()
        .enumerate()
        .map(|(at, route)| (Place::Route(at), &route.hosts, &route.path, &route.methods[..]));
    for (place, hosts, path, methods) in servers.chain(routes) {
        // A host is named whatever its port: another port must not be a way around the gate.
        named_host |= hosts.is_empty() || hosts.iter().any(|host| host.same_name(&front.host));
        let ours = closest_host(hosts, &front.host);
        match (path.fit(front.path, &canonical), ours) {
            (PathFit::Ambiguous, Some(_)) => ambiguous = ambiguous.max(Some(path.narrowness(&canonical))),
            (PathFit::Fits, Some(host)) => {
                let named = methods.iter().any(|method| method == front.method);
                let method = (methods.is_empty() || named, named);
                let closeness = (path.narrowness(&canonical), host);
                let closer = |than: &Fit| (closeness, method) > (than.closeness, than.method);
                if best.as_ref().is_none_or(closer) {
                    best = Some(Fit { place, closeness, method });
                }
            }
            (PathFit::Fits | PathFit::Ambiguous, None) => other_host = true,
            (PathFit::Elsewhere, _) => {}
        }
    }
    match (best, config.unmatched) {
        // What is written for more paths must not take what looks like a narrower, guarded one.
        (Some(fit), _) if ambiguous.is_some_and(|narrower| narrower > fit.closeness.0) => {
            Err((Door::AmbiguousPath, Place::None))
        }
        (Some(fit), _) if fit.method.0 => Ok(fit.place),
        (Some(fit), _) => Err((Door::MethodNotAllowed, fit.place)),
        (None, _) if ambiguous.is_some() => Err((Door::AmbiguousPath, Place::None)),
        (None, Unmatched::Pass) if !named_host => Ok(Place::None),
        (None, _) if other_host => Err((Door::HostNotAllowed, Place::None)),
        (None, Unmatched::Refuse | Unmatched::Pass) => Err((Door::Unmatched, Place::None)),
    }
}

/// Which server or route a request would meet, as the gate finds it, without asking who calls.
///
/// # Errors
/// Why it meets none.
pub fn locate(config: &Config, method: &str, authority: &str, target: &str) -> Result<Place, Door> {
    let fields = [
        (&b":method"[..], method.as_bytes()),
        (b":authority", authority.as_bytes()),
        (b":path", target.as_bytes()),
    ];
    let front = Front::read(&fields).map_err(|(door, _)| door)?;
    place(&front, config, None).map_err(|(door, _)| door)
}

/// How closely a list of hosts is written for `host`: not at all, every host, by name, by name and port.
fn closest_host(hosts: &[HostName<'_>], host: &HostName<'_>) -> Option<usize> {
    if hosts.is_empty() {
        return Some(0);
    }
    hosts.iter().filter(|own| own.covers(host)).map(|own| if own.has_port() { 2 } else { 1 }).max()
}

/// The canonical form; most paths are their own.
fn canonical(raw: &str) -> Cow<'_, str> {
    if is_plain(raw.as_bytes()) { Cow::Borrowed(raw) } else { Cow::Owned(canonical_path(raw)) }
}

/// Whether a path holds nothing that could be read in two ways: no dot, no escape, no empty segment.
fn is_plain(raw: &[u8]) -> bool {
    let mut last = None;
    for byte in raw {
        let plain = match byte {
            b'/' => last != Some(b'/'),
            b'-' | b'_' | b'~' => last.is_some(),
            other => other.is_ascii_alphanumeric() && last.is_some(),
        };
        if !plain {
            return false;
        }
        last = Some(*byte);
    }
    last.is_some() && (raw.len() == 1 || last != Some(b'/'))
}

/// The browser origin: absent is fine, present must be on the list (MCP, all versions).
pub(super) fn check_origin(front: &Front<'_>, server: &Server) -> Result<(), Door> {
    match front.origin {
        HeaderValue::Absent => Ok(()),
        HeaderValue::Several => Err(Door::OriginNotAllowed),
        HeaderValue::One(origin) => {
            let known = server.origins.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(origin));
            if known { Ok(()) } else { Err(Door::OriginNotAllowed) }
        }
    }
}

/// One content type, no encoding, a length within bounds.
pub(super) fn check_body_head(front: &Front<'_>, max_body: usize) -> Result<(), Door> {
    match front.content_encoding {
        HeaderValue::Absent => {}
        HeaderValue::One(encoding) if encoding.eq_ignore_ascii_case(b"identity") => {}
        HeaderValue::One(_) | HeaderValue::Several => return Err(Door::ContentEncoding),
    }
    match front.content_type {
        HeaderValue::One(text) if is_json(text) => {}
        HeaderValue::One(_) | HeaderValue::Several | HeaderValue::Absent => return Err(Door::ContentType),
    }
    match front.declared_length() {
        Some(length) if length > max_body => Err(Door::BodyTooLarge),
        Some(_) | None => Ok(()),
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
    fn plain_paths_are_their_own_canonical_form() {
        for path in ["/", "/mcp", "/a/b-c/d_e~", "/A1"] {
            assert!(is_plain(path.as_bytes()) && canonical_path(path) == path, "{path}");
        }
        for path in ["", "mcp", "-", "/mcp/", "//", "/a//b", "/a.b", "/%61", "/a;b", "/a b", "/\u{e9}", "*"] {
            assert!(!is_plain(path.as_bytes()), "{path}");
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
