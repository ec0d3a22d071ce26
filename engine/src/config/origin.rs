// SPDX-License-Identifier: Apache-2.0
//! Hosts, paths and URLs: read from the configuration, compared with requests (design section 3, "Matching").

use super::template::PathTemplate;
use crate::percent;
use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;

/// A host as it is compared: lower case, without a trailing dot, with a port only if one was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName<'h> {
    name: Cow<'h, str>,
    port: Option<Cow<'h, str>>,
}

impl<'h> HostName<'h> {
    /// Reads a host of the configuration or of a request; copies only what is not in lower case.
    #[must_use]
    pub fn parse(text: &'h str) -> Option<HostName<'h>> {
        let (name, port) = split_port(text)?;
        let name = name.strip_suffix('.').unwrap_or(name);
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'[' | b']' | b':')
        };
        let fine = !name.is_empty() && name.bytes().all(allowed);
        let name = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
        fine.then(|| HostName { name, port: port.map(Cow::Borrowed) })
    }

    /// A copy that outlives the text.
    #[must_use]
    pub fn into_owned(self) -> HostName<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        HostName { name: own(self.name), port: self.port.map(own) }
    }

    /// Whether both are the same host, whatever the ports.
    #[must_use]
    pub fn same_name(&self, host: &HostName<'_>) -> bool {
        self.name == host.name
    }

    /// Whether a port was written.
    #[must_use]
    pub fn has_port(&self) -> bool {
        self.port.is_some()
    }

    /// Whether a request to `host` is meant: ports are compared only if this one has one.
    #[must_use]
    pub fn covers(&self, host: &HostName<'_>) -> bool {
        self.name == host.name && (self.port.is_none() || self.port == host.port)
    }
}

fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    let after_bracket = text.rfind(']').map_or(0, |at| at + 1);
    let (_, tail) = text.split_at_checked(after_bracket)?;
    match tail.rsplit_once(':') {
        Some((_, port)) if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) => None,
        Some((_, port)) => {
            let name = text.strip_suffix(port)?.strip_suffix(':')?;
            Some((name, Some(port)))
        }
        None => Some((text, None)),
    }
}

/// An absolute URL, split where this crate needs it split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `https` or `http`.
    pub scheme: String,
    /// Host and port as written.
    pub authority: String,
    /// Path, without query; empty if none was written.
    pub path: String,
    /// Query, without its question mark.
    pub query: Option<String>,
}

impl Url {
    /// Reads an absolute `https` or `http` URL without fragment and user information.
    #[must_use]
    pub fn parse(text: &str) -> Option<Url> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let visible =
            rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>'));
        if !matches!(scheme.as_str(), "https" | "http") || !visible || rest.contains('#') {
            return None;
        }
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(authority_end)?;
        if authority.contains('@') {
            return None;
        }
        HostName::parse(authority)?;
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let own = ToOwned::to_owned;
        Some(Url { scheme, authority: own(authority), path: own(path), query: query.map(own) })
    }

    /// Scheme, host and port, as browsers write an origin: without the scheme's own port.
    #[must_use]
    pub fn origin(&self) -> String {
        let authority = self.authority.to_ascii_lowercase();
        let usual = if self.scheme == "https" { ":443" } else { ":80" };
        [self.scheme.as_str(), "://", authority.strip_suffix(usual).unwrap_or(&authority)].concat()
    }

    /// Path and query as they stand in a request line.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        match &self.query {
            Some(query) => [path, "?", query].concat(),
            None => path.to_owned(),
        }
    }
}

/// Which paths belong to a server or a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRule {
    /// This one path.
    Exact(String),
    /// This path and what is below it, by segments.
    Prefix(String),
    /// Paths of this form, of which some segments are open.
    Template(PathTemplate),
}

/// How narrowly a rule that fits was written: of two, the greater is meant. Whole paths before prefixes, longer
/// before shorter; of two templates, the one with the first literal segment where the other is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Narrowness {
    /// Bytes of the path that the rule speaks about.
    reach: usize,
    kind: u8,
    literals: u64,
}

/// How a request path stands to a [`PathRule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFit {
    /// It is meant, byte for byte.
    Fits,
    /// Another reader could take it for one that is meant.
    Ambiguous,
    /// It is something else.
    Elsewhere,
}

impl PathRule {
    /// Compares a raw path, without query, and its canonical form with this rule.
    #[must_use]
    pub fn fit(&self, raw: &str, canonical: &str) -> PathFit {
        let path = match self {
            PathRule::Template(template) => return template.fit(raw, canonical),
            PathRule::Exact(path) | PathRule::Prefix(path) => path,
        };
        let under = |inner: &str| is_under(path, inner);
        // Some upstreams route without regard to case.
        let alike = |inner: &str| is_under_in_any_case(path, inner);
        match self {
            PathRule::Template(_) => PathFit::Elsewhere,
            PathRule::Exact(_) if raw == path => PathFit::Fits,
            PathRule::Prefix(_) if raw == canonical && under(raw) => PathFit::Fits,
            // Everything is below the root, but only the root looks like it.
            PathRule::Exact(_) if path == "/" && canonical != "/" => PathFit::Elsewhere,
            PathRule::Exact(_) | PathRule::Prefix(_) if alike(canonical) || alike(raw) => PathFit::Ambiguous,
            PathRule::Exact(_) | PathRule::Prefix(_) => PathFit::Elsewhere,
        }
    }

    /// How narrowly it was written for a path with this canonical form.
    #[must_use]
    pub fn narrowness(&self, canonical: &str) -> Narrowness {
        match self {
            PathRule::Exact(path) => Narrowness { reach: path.len(), kind: 2, literals: 0 },
            PathRule::Template(template) => {
                Narrowness { reach: template.reach(canonical), kind: 1, literals: template.literals() }
            }
            PathRule::Prefix(path) => Narrowness { reach: path.len(), kind: 0, literals: 0 },
        }
    }

    /// Two rules with the same key speak about the same paths.
    #[must_use]
    pub fn key(&self) -> (u8, String) {
        match self {
            PathRule::Exact(path) => (2, path.clone()),
            PathRule::Template(template) => (1, template.key()),
            PathRule::Prefix(path) => (0, path.clone()),
        }
    }
}

fn is_under(path: &str, inner: &str) -> bool {
    let base = path.strip_suffix('/').unwrap_or(path);
    inner.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_under_in_any_case(path: &str, inner: &str) -> bool {
    let base = path.strip_suffix('/').unwrap_or(path);
    let Some((head, rest)) = inner.split_at_checked(base.len()) else { return false };
    head.eq_ignore_ascii_case(base) && (rest.is_empty() || rest.starts_with('/'))
}

/// The path as the most generous upstream would read it: percent-decoded until nothing changes (three rounds at
/// most), backslashes as slashes, `;` parameters dropped, cut at NUL and `#`, slashes merged, dot segments removed,
/// no slash at the end.
#[must_use]
pub fn canonical_path(raw: &str) -> String {
    let mut bytes = raw.as_bytes().to_vec();
    for _ in 0..3 {
        let decoded = percent::decode(&bytes);
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    let text = String::from_utf8_lossy(&bytes).replace('\\', "/");
    let text = text.split(['\0', '#']).next().unwrap_or_default();
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            plain => segments.push(plain),
        }
    }
    ["/", &segments.join("/")].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_path_fits_and_its_look_alikes_are_ambiguous() {
        let rule = PathRule::Exact("/mcp".to_owned());
        let fit = |raw: &str| rule.fit(raw, &canonical_path(raw));
        assert_eq!(fit("/mcp"), PathFit::Fits);
        for raw in [
            "/mcp/",
            "/./mcp",
            "/x/../mcp",
            "/%6dcp",
            "/%6Dcp",
            "/mcp%2f",
            "/mcp;a=1",
            "//mcp",
            "/mcp/x",
            "/mcp%00",
            "/mcp%00x",
            "/x/%2e%2e/mcp",
            "/%256dcp",
            "/mcp\\",
            "\\mcp",
            "/mcp#",
            "/;/mcp",
            "/mcp/.",
            "/mcp%2Fx",
            "/mcp/..%2fmcp",
            "/mcp/../x",
            "/MCP",
            "/Mcp/x",
            "/%4dCP",
        ] {
            assert_eq!(fit(raw), PathFit::Ambiguous, "{raw}");
        }
        for raw in ["/", "/mcpx", "/x", "/x/mcp", "/MCPX", "/mc%20p"] {
            assert_eq!(fit(raw), PathFit::Elsewhere, "{raw}");
        }
    }

    #[test]
    fn prefixes_go_by_segments() {
        let rule = PathRule::Prefix("/srv".to_owned());
        let fit = |raw: &str| rule.fit(raw, &canonical_path(raw));
        assert_eq!(
            (fit("/srv"), fit("/srv/a"), fit("/srv/a/b")),
            (PathFit::Fits, PathFit::Fits, PathFit::Fits)
        );
        assert_eq!(
            (fit("/srv/"), fit("/srv/../x"), fit("/x/../srv/a")),
            (PathFit::Ambiguous, PathFit::Ambiguous, PathFit::Ambiguous)
        );
        assert_eq!(fit("/srvx"), PathFit::Elsewhere);
    }

    #[test]
    fn hosts_are_compared_without_case_dot_and_unwritten_port() {
        let host = |text: &'static str| HostName::parse(text).unwrap();
        assert!(host("mcp.example.com").covers(&host("MCP.example.com.:8443")));
        assert!(!host("mcp.example.com:443").covers(&host("mcp.example.com:8443")));
        assert!(!host("mcp.example.com").covers(&host("evil-mcp.example.com")));
        assert!(host("[::1]").covers(&host("[::1]:80")));
        for bad in ["", "a b", "a/b", "a@b", "host:", "host:x", "a\u{e9}"] {
            assert_eq!(HostName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn urls_are_split_and_strange_ones_refused() {
        let url = Url::parse("HTTPS://Mcp.Example.com:8443/a/b?x=1").unwrap();
        assert_eq!(
            (url.origin().as_str(), url.path_and_query().as_str()),
            ("https://mcp.example.com:8443", "/a/b?x=1")
        );
        for bad in [
            "",
            "mcp.example.com",
            "ftp://x/",
            "https://",
            "https://u@h/",
            "https://h/#f",
            "https://h/\"",
            "https://h/ ",
        ] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
    }
}
