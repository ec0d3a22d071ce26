// SPDX-License-Identifier: Apache-2.0
//! What servers and routes share: hosts, paths, resources, and that no two places claim the same requests.

use super::{Step, at, key, shown, wrong};
use crate::config::origin::{HostName, PathRule, Url, canonical_path};
use crate::config::template::PathTemplate;
use crate::config::wire::{ConfigWire, MatchWire};
use crate::config::{Route, Server};
use crate::json::DeError;
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub(super) fn matches(wire: &MatchWire) -> Result<(Vec<HostName<'static>>, PathRule), DeError> {
    let mut hosts = Vec::new();
    if wire.hosts.as_ref().is_some_and(Vec::is_empty) {
        let error = wrong(
            "an empty list matches no host".to_owned(),
            "name a host, or leave `hosts` out for every host",
        );
        return at(Err(error), &[key("hosts")]);
    }
    for (index, host) in wire.hosts.iter().flatten().enumerate() {
        let parsed = HostName::parse(host).map(HostName::into_owned).ok_or_else(|| {
            wrong(
                format!("`{host}` is not a host name"),
                "write it like `mcp.example.com`, with `:port` if wanted",
            )
        });
        hosts.push(at(parsed, &[key("hosts"), Step::Index(index)])?);
    }
    Ok((hosts, path_rule(wire)?))
}

/// From a path as written to a rule.
type MakeRule = fn(&str) -> Result<PathRule, DeError>;

fn path_rule(wire: &MatchWire) -> Result<PathRule, DeError> {
    let (word, path, rule): (_, _, MakeRule) = match (&wire.path, &wire.path_prefix, &wire.path_template) {
        (Some(path), None, None) => ("path", path, |path| Ok(PathRule::Exact(path.to_owned()))),
        (None, Some(path), None) => ("path_prefix", path, |path| Ok(PathRule::Prefix(path.to_owned()))),
        (None, None, Some(path)) => ("path_template", path, template),
        (None, None, None) => {
            return Err(wrong("it is not said which path is meant".to_owned(), "add `path`"));
        }
        (Some(_), _, _) | (_, Some(_), Some(_)) => {
            let message = "`path`, `path_prefix` and `path_template` exclude each other";
            return Err(wrong(message.to_owned(), "keep one of them"));
        }
    };
    if canonical_path(path) != *path {
        let error = wrong(
            format!("`{path}` could be read in two ways"),
            "write it plainly: `/`, then segments, no `.`, `%`, `;` or slash at the end",
        );
        return at(Err(error), &[key(word)]);
    }
    at(rule(path), &[key(word)])
}

fn template(path: &str) -> Result<PathRule, DeError> {
    let help = "write it like `/api/v1/servers/{id}`";
    let parsed = PathTemplate::parse(path);
    parsed.map(PathRule::Template).map_err(|error| wrong(error.message().to_owned(), help))
}

/// A resource as it is compared with others: another spelling of a server's URL still means that server.
pub(super) fn usual_resource(text: &str) -> String {
    let Some(url) = Url::parse(text) else { return text.to_owned() };
    let query = url.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    [url.origin().as_str(), url.path.trim_end_matches('/'), &query].concat()
}

pub(super) fn resource(text: &str) -> Result<Url, DeError> {
    Url::parse(text).ok_or_else(|| {
        wrong(
            format!("{} is not an absolute URL without fragment", shown(text)),
            "write it like `https://mcp.example.com/mcp`",
        )
    })
}

/// RFC 9728 section 3.1: the well-known part goes between host and path.
pub(super) fn metadata_location(resource: &Url) -> (String, String) {
    let path = if resource.path == "/" { "" } else { resource.path.as_str() };
    let query = resource.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let path = [crate::oauth::WELL_KNOWN, path, &query].concat();
    let url = format!("{}://{}{path}", resource.scheme, resource.authority);
    (path, url)
}

pub(super) fn check_unique(wire: &ConfigWire) -> Result<(), DeError> {
    let mut seen = BTreeSet::new();
    let servers = wire.servers.iter().map(|server| ("servers", &server.name));
    let routes = wire.routes.iter().map(|route| ("routes", &route.name));
    let indexed = servers.enumerate().chain(routes.enumerate());
    for (index, (list, name)) in indexed {
        // Both are values of one metric label.
        if !seen.insert(name) {
            let error = wrong(format!("the name `{name}` stands twice"), "rename one of them");
            return at(Err(error), &[key(list), Step::Index(index), key("name")]);
        }
    }
    Ok(())
}

/// Name, hosts and methods of a place on the same path, and whether it is a server.
type Earlier<'c> = (&'c Arc<str>, &'c Vec<HostName<'static>>, &'c [String], bool);

/// Two places written for the same requests: the second would never be reached.
pub(super) fn check_overlap(servers: &[Server], routes: &[Route]) -> Result<(), DeError> {
    let servers = servers
        .iter()
        .enumerate()
        .map(|(index, server)| ("servers", index, &server.name, &server.hosts, &server.path, &[][..]));
    let routes = routes
        .iter()
        .enumerate()
        .map(|(index, route)| ("routes", index, &route.name, &route.hosts, &route.path, &route.methods[..]));
    let mut seen: BTreeMap<(u8, String), Vec<Earlier<'_>>> = BTreeMap::new();
    for (list, index, name, hosts, path, methods) in servers.chain(routes) {
        let earlier = seen.entry(path.key()).or_default();
        let same_host = |other: &Vec<HostName<'static>>| {
            hosts.is_empty() && other.is_empty() || hosts.iter().any(|host| other.contains(host))
        };
        let same_method = |other: &[String]| {
            // A server takes every method; of two routes the one that names the method is closer.
            let either = methods.is_empty() || other.is_empty();
            list == "servers"
                || either && methods == other
                || methods.iter().any(|method| other.contains(method))
        };
        // At another host than the server's such a route is not asked (see the door), at the server's own it is not closer.
        let shut_out = list == "routes" && hosts.is_empty();
        let twin = earlier.iter().find(|(_, hosts, methods, server)| match server {
            true => shut_out || same_host(hosts),
            false => same_host(hosts) && same_method(methods),
        });
        if let Some((twin, ..)) = twin {
            let error = wrong(
                format!("`{name}` is written for the same requests as `{twin}`"),
                "give one of them another host or path",
            );
            return at(Err(error), &[key(list), Step::Index(index), key("match")]);
        }
        earlier.push((name, hosts, methods, list == "servers"));
    }
    Ok(())
}
