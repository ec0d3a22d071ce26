// SPDX-License-Identifier: Apache-2.0
//! Redirect URIs: which may be registered, and which request matches one (RFC 6749 section 3.1.2, RFC 8252).

/// Longest redirect URI.
const LONGEST: usize = 2_048;

/// A redirect URI that a browser may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedirectUri(String);

/// The parts of an `http` or `https` URI.
struct Parts<'t> {
    scheme: &'t str,
    host: &'t str,
    port: Option<&'t str>,
    rest: &'t str,
}

impl RedirectUri {
    /// Takes `https`, `http` to this machine, and private-use schemes with a dot (RFC 8252 section 7.1). No fragment,
    /// no user, nothing that could end a header or an attribute.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}#".contains(&byte);
        if text.len() > LONGEST || !text.bytes().all(plain) {
            return None;
        }
        let (scheme, _) = text.split_once(':')?;
        let fits = match scheme {
            "https" => parts(text).is_some(),
            "http" => parts(text).is_some_and(|parts| is_this_machine(parts.host)),
            private => private.contains('.') && is_scheme(private),
        };
        fits.then(|| Self(text.to_owned()))
    }

    /// Equal byte for byte; or on a loopback address the same but for the port, which a native client may choose
    /// anew each time (RFC 8252 section 7.3).
    pub(super) fn admits(&self, asked: &str) -> bool {
        if self.0 == asked {
            return true;
        }
        let (Some(own), Some(asked)) = (parts(&self.0), parts(asked)) else { return false };
        let loopback = matches!(own.host, "127.0.0.1" | "[::1]");
        loopback
            && own.scheme == "http"
            && (own.scheme, own.host, own.rest) == (asked.scheme, asked.host, asked.rest)
    }
}

/// What a content security policy calls the place: scheme, host and port; or the private-use scheme.
pub(super) fn source(uri: &str) -> String {
    match parts(uri) {
        Some(Parts { scheme, host, port: Some(port), .. }) => format!("{scheme}://{host}:{port}"),
        Some(Parts { scheme, host, port: None, .. }) => format!("{scheme}://{host}"),
        None => format!("{}:", uri.split(':').next().unwrap_or_default()),
    }
}

/// What a person is told: the host, or the private-use scheme.
pub(super) fn place(uri: &str) -> &str {
    parts(uri).map_or_else(|| uri.split(':').next().unwrap_or_default(), |parts| parts.host)
}

/// The URI with these parameters added to its query.
pub(super) fn with(uri: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let separator = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{separator}{}", query.finish())
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
}

pub(super) fn is_this_machine(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "[::1]" | "localhost")
}

fn parts(uri: &str) -> Option<Parts<'_>> {
    let (scheme, after) = uri.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let (authority, rest) = (after.get(..end)?, after.get(end..)?);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let name = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0));
    (port_fits && (host == "[::1]" || name(host))).then_some(Parts { scheme, host, port, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_that_a_browser_may_be_sent_to_are_taken() {
        for good in [
            "https://app.example.com/callback?x=1",
            "http://127.0.0.1/callback",
            "http://localhost:3030/callback",
            "http://[::1]:8/",
            "com.example.app:/callback",
        ] {
            assert!(RedirectUri::parse(good).is_some(), "{good}");
        }
        for bad in [
            "http://app.example.com/callback",
            "https://user@app.example.com/",
            "https:///callback",
            "https://app.example.com/#x",
            "https://app.example.com:0/",
            "https://app.example.com:99999/",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "myapp://callback",
            "https://a.example/ b",
            "https://a.example/\"",
            "http://127.0.0.1.evil.example/",
            "",
        ] {
            assert!(RedirectUri::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_match_is_exact_but_for_the_port_of_a_loopback_address() {
        let admits = |own: &str, asked: &str| RedirectUri::parse(own).unwrap().admits(asked);
        assert!(admits("https://a.example/cb", "https://a.example/cb"));
        assert!(admits("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb"));
        assert!(admits("http://[::1]:1/cb", "http://[::1]:5000/cb"));
        for (own, asked) in [
            ("https://a.example/cb", "https://a.example/cb/"),
            ("https://a.example/cb", "https://a.example/cb?x=1"),
            ("https://a.example/cb", "https://a.example:444/cb"),
            ("https://a.example/cb", "https://A.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/other"),
            ("http://127.0.0.1/cb", "http://[::1]:5000/cb"),
            ("http://127.0.0.1/cb", "https://127.0.0.1:5000/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000@evil.example/cb"),
            ("http://localhost/cb", "http://localhost:5000/cb"),
        ] {
            assert!(!admits(own, asked), "{own} {asked}");
        }
    }

    #[test]
    fn parameters_are_added_to_what_is_there() {
        assert_eq!(with("https://a/cb", &[("code", Some("a b")), ("state", None)]), "https://a/cb?code=a+b");
        assert_eq!(with("https://a/cb?x=1", &[("code", Some("&"))]), "https://a/cb?x=1&code=%26");
        assert_eq!((source("https://a:1/b"), place("https://a:1/b")), ("https://a:1".to_owned(), "a"));
        assert_eq!(source("com.example.app:/cb"), "com.example.app:");
    }
}
