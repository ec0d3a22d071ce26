// SPDX-License-Identifier: Apache-2.0
//! At the door: which server or route is meant, and what is refused before anybody asks who calls.

use super::front::{Address, Front};
use crate::config::origin::{HostName, Narrowness, PathFit, canonical_path};
use crate::config::{Access, Config, RouteMetadata, Server, Unmatched};
use crate::deny::Door;
use crate::mcp::HeaderValue;
use crate::metrics::Place;
use alloc::borrow::Cow;

/// A server or route whose path and host fit.
struct Fit {
    place: Place,
    /// How closely it was written for this request: path before host.
    closeness: (Narrowness, usize),
    /// Whether the HTTP method fits too, and whether it is named.
    method: (bool, bool),
}

impl Fit {
    /// Whether it is a route that was written for no host in particular.
    fn is_route_of_every_host(&self) -> bool {
        matches!(self.place, Place::Route(_)) && self.closeness.1 == EVERY_HOST
    }

    /// Whether it is one that anyone may use.
    fn is_open_route_of_every_host(&self, config: &Config) -> bool {
        self.is_route_of_every_host() && matches!(self.place, Place::Route(at) if is_open(config, at))
    }
}

fn is_open(config: &Config, route: usize) -> bool {
    config.routes.get(route).is_some_and(|route| matches!(route.access, Access::Anyone))
}

/// How closely a list without hosts is written for any host.
const EVERY_HOST: usize = 0;

/// Which server or route is meant: the most closely written one, whatever the order.
pub(super) fn place(
    front: &Front<'_>,
    address: &Address<'_>,
    config: &Config,
    route_server: Option<&str>,
) -> Result<Place, (Door, Place)> {
    let canonical = canonical(front.path);
    if let (RouteMetadata::Read, Some(name)) = (config.route_metadata, route_server) {
        let at = config.servers.iter().position(|server| &*server.name == name);
        return match at {
            Some(_) if front.path != canonical => Err((Door::AmbiguousPath, Place::None)),
            // A route chooses the server, not who may ask for it: the host list still holds.
            Some(at) if !config.servers.get(at).is_some_and(|server| server.takes_host(&address.host)) => {
                Err((Door::HostNotAllowed, Place::Server(at)))
            }
            Some(at) => Ok(Place::Server(at)),
            None => Err((Door::UnknownRouteServer, Place::None)),
        };
    }
    let (mut named_host, mut other_host) = (false, false);
    let (mut ambiguous, mut server_elsewhere, mut guarded_elsewhere) = (None, None, None);
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
        named_host |= hosts.is_empty() || hosts.iter().any(|host| host.same_name(&address.host));
        let ours = closest_host(hosts, &address.host);
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
            (PathFit::Fits | PathFit::Ambiguous, None) => {
                other_host = true;
                match place {
                    Place::Server(_) => {
                        server_elsewhere = server_elsewhere.max(Some(path.narrowness(&canonical)));
                    }
                    Place::Route(at) if !is_open(config, at) => {
                        guarded_elsewhere = guarded_elsewhere.max(Some(path.narrowness(&canonical)));
                    }
                    Place::Route(_) | Place::None => {}
                }
            }
            (PathFit::Elsewhere, _) => {}
        }
    }
    match (best, config.unmatched) {
        // What is written for more paths must not take what looks like a narrower, guarded one.
        (Some(fit), _) if ambiguous.is_some_and(|narrower| narrower > fit.closeness.0) => {
            Err((Door::AmbiguousPath, Place::None))
        }
        // Whoever writes another host must not walk past a server through a route that asks for none.
        (Some(fit), _)
            if fit.is_route_of_every_host()
                && server_elsewhere.is_some_and(|server| server >= fit.closeness.0) =>
        {
            Err((Door::HostNotAllowed, Place::None))
        }
        // Nor past a route that asks who calls, through a wider one that asks nobody. Of two for the same paths the one
        // without hosts was written for all others.
        (Some(fit), _)
            if fit.is_open_route_of_every_host(config)
                && guarded_elsewhere.is_some_and(|guarded| guarded > fit.closeness.0) =>
        {
            Err((Door::HostNotAllowed, Place::None))
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
    let (front, address) = Front::read(&fields)?;
    place(&front, &address, config, None).map_err(|(door, _)| door)
}

/// How closely a list of hosts is written for `host`: not at all, every host, by name, by name and port.
fn closest_host(hosts: &[HostName<'_>], host: &HostName<'_>) -> Option<usize> {
    if hosts.is_empty() {
        return Some(EVERY_HOST);
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

/// A body that can be a message, of a length within bounds.
pub(super) fn check_body_head(front: &Front<'_>, max_body: usize) -> Result<(), Door> {
    front.media?;
    match front.declared_length() {
        Some(length) if length > max_body => Err(Door::BodyTooLarge),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_their_own_canonical_form() {
        for path in ["/", "/mcp", "/a/b-c/d_e~", "/A1"] {
            assert!(is_plain(path.as_bytes()) && canonical_path(path) == path, "{path}");
        }
        for path in ["", "mcp", "-", "/mcp/", "//", "/a//b", "/a.b", "/%61", "/a;b", "/a b", "/\u{e9}", "*"] {
            assert!(!is_plain(path.as_bytes()), "{path}");
        }
    }
}
