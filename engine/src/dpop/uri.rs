// SPDX-License-Identifier: Apache-2.0
//! URLs as RFC 9449 section 4.3 compares them: normalised by syntax and scheme (RFC 3986 sections 6.2.2 and 6.2.3).

use crate::config::origin::Url;
use alloc::string::String;
use alloc::vec::Vec;

/// The normal form of an `http` or `https` URL: scheme and host in lower case, the scheme's own port left out, triplets
/// of unreserved characters decoded and the others in upper case, dot segments removed, an empty path as `/`.
/// A URL with query, fragment or user information gives `None`: `htu` has none (RFC 9449 section 4.2).
#[must_use]
pub fn normal_url(text: &str) -> Option<String> {
    let url = Url::parse(text).filter(|url| url.query.is_none())?;
    let host = !url.authority.contains('%');
    let path = normal_path(&url.path)?;
    host.then(|| [url.origin(), path].concat())
}

/// The normal form of a path.
pub(super) fn normal_path(path: &str) -> Option<String> {
    let decoded = normal_triplets(path)?;
    Some(without_dots(&decoded))
}

/// Section 6.2.2.1 and 6.2.2.2. A `%` that begins no triplet gives `None`.
fn normal_triplets(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path.chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let (high, low) = (rest.next()?, rest.next()?);
        let value = high.to_digit(16)? << 4 | low.to_digit(16)?;
        match char::from_u32(value).filter(|plain| unreserved(*plain)) {
            Some(plain) => out.push(plain),
            None => out.extend(['%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
        }
    }
    Some(out)
}

fn unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
}

/// Section 5.2.4, for absolute paths.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            plain => kept.push(plain),
        }
    }
    ["/", &kept.join("/")].concat()
}

#[cfg(test)]
mod tests {
    use super::normal_url;

    #[test]
    fn equivalent_urls_have_one_form() {
        for text in [
            "https://mcp.example.com/mcp",
            "HTTPS://MCP.Example.com/mcp",
            "https://mcp.example.com:443/mcp",
            "https://mcp.example.com/%6Dcp",
            "https://mcp.example.com/./mcp",
            "https://mcp.example.com/x/../mcp",
            "https://mcp.example.com/x/%2e%2E/mcp",
        ] {
            assert_eq!(normal_url(text).as_deref(), Some("https://mcp.example.com/mcp"), "{text}");
        }
        for (text, normal) in [
            ("http://h", "http://h/"),
            ("http://h:80", "http://h/"),
            ("http://h:443/", "http://h:443/"),
            ("https://h:8443/a/", "https://h:8443/a/"),
            ("https://h/a%2fb", "https://h/a%2Fb"),
            ("https://h/a//b", "https://h/a//b"),
            ("https://h/a/.", "https://h/a/"),
            ("https://h/a/b/..", "https://h/a/"),
            ("https://h/../../a", "https://h/a"),
            ("https://[::1]:443/a", "https://[::1]/a"),
        ] {
            assert_eq!(normal_url(text).as_deref(), Some(normal), "{text}");
        }
    }

    #[test]
    fn what_is_no_target_uri_has_none() {
        for text in [
            "",
            "/mcp",
            "mcp.example.com/mcp",
            "ftp://h/a",
            "https://h/a?",
            "https://h/a?b=c",
            "https://h/a#b",
            "https://h/a#",
            "https://u@h/a",
            "https://h:/a",
            "https://h:x/a",
            "https://h/%",
            "https://h/%2",
            "https://h/%zz",
            "https://h%41/a",
            "https://h/a b",
            "https://h/\u{e9}",
            "https:///a",
        ] {
            assert_eq!(normal_url(text), None, "{text}");
        }
    }
}
