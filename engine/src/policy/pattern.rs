// SPDX-License-Identifier: Apache-2.0
//! Name and URI patterns: `*` stands for any run of characters, `?` for one. Compiled to literals, prefixes and
//! suffixes first; what remains is matched in linear space and at most length × length steps.

use super::truth::Truth;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// The longest pattern that is accepted, in bytes.
const MAX_PATTERN: usize = 512;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// `*`
    Anything,
    /// no wildcard
    Literal(String),
    /// `abc*`
    Prefix(String),
    /// `*abc`
    Suffix(String),
    /// all others
    Glob(String),
}

impl Pattern {
    pub(super) fn compile(text: &str) -> Result<Pattern, String> {
        if text.is_empty() {
            return Err("an empty pattern matches nothing".to_owned());
        }
        if text.len() > MAX_PATTERN {
            return Err(format!("the pattern is longer than {MAX_PATTERN} bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err("the pattern holds a control character".to_owned());
        }
        if text.contains('[') || text.contains('{') && text.contains('}') && text.contains(',') {
            return Err(format!("`{text}` does not compile: only `*` and `?` are wildcards here"));
        }
        let wild = |part: &str| part.contains(['*', '?']);
        Ok(match (text.strip_suffix('*'), text.strip_prefix('*')) {
            (Some(""), _) => Pattern::Anything,
            (Some(head), _) if !wild(head) => Pattern::Prefix(head.to_owned()),
            (_, Some(tail)) if !wild(tail) => Pattern::Suffix(tail.to_owned()),
            _ if wild(text) => Pattern::Glob(text.to_owned()),
            _ => Pattern::Literal(text.to_owned()),
        })
    }

    pub(super) fn fits(&self, name: &str) -> Truth {
        Truth::from_bool(match self {
            Pattern::Anything => true,
            Pattern::Literal(text) => name == text,
            Pattern::Prefix(head) => name.starts_with(head.as_str()),
            Pattern::Suffix(tail) => name.ends_with(tail.as_str()),
            Pattern::Glob(glob) => glob_fits(glob, name),
        })
    }

    /// As [`Pattern::fits`] for URIs: a URI that servers may read as another one (dot segments, encoded
    /// separators, backslashes) fits wildcards only perhaps. `*` alone means every resource and stays certain.
    pub(super) fn fits_uri(&self, uri: &str) -> Truth {
        match self {
            Pattern::Anything => Truth::True,
            Pattern::Literal(_) | Pattern::Prefix(_) | Pattern::Suffix(_) | Pattern::Glob(_)
                if is_slippery(uri) && self.fits_exactly(uri) != Truth::True =>
            {
                Truth::Unknown
            }
            Pattern::Literal(_) | Pattern::Prefix(_) | Pattern::Suffix(_) | Pattern::Glob(_) => self.fits(uri),
        }
    }

    fn fits_exactly(&self, uri: &str) -> Truth {
        match self {
            Pattern::Literal(text) => Truth::from_bool(uri == text),
            Pattern::Anything | Pattern::Prefix(_) | Pattern::Suffix(_) | Pattern::Glob(_) => Truth::False,
        }
    }
}

/// Whether a server may resolve `uri` to something else than it says.
pub(super) fn is_slippery(uri: &str) -> bool {
    let path = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let encoded = |code: &str| path.as_bytes().windows(3).any(|window| window.eq_ignore_ascii_case(code.as_bytes()));
    path.contains('\\')
        || path.contains('\0')
        || path.split(['/', '?', '#']).any(|segment| segment == "." || segment == "..")
        || path.contains("//")
        || ["%2e", "%2f", "%5c", "%25", "%00"].iter().any(|code| encoded(code))
}

/// The two-pointer glob: on a mismatch, go back to the last `*` and let it eat one character more.
pub(super) fn glob_fits(glob: &str, name: &str) -> bool {
    let (mut pattern, mut text) = (glob.chars(), name.chars());
    let mut retry: Option<(core::str::Chars<'_>, core::str::Chars<'_>)> = None;
    loop {
        let mut ahead = pattern.clone();
        match (ahead.next(), text.clone().next()) {
            (Some('*'), _) => {
                pattern = ahead;
                retry = Some((pattern.clone(), text.clone()));
                continue;
            }
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            (None, None) => return true,
            _ => {
                let Some((after_star, mut from)) = retry.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                text = from.clone();
                retry = Some((after_star, from));
                continue;
            }
        }
        pattern = ahead;
        text.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_fit_what_they_say() {
        for (glob, name, fits) in [
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acb", false),
            ("*a*b*", "xxaxxbxx", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "é", true),
            ("**", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(glob_fits(glob, name), fits, "{glob} {name}");
        }
    }

    #[test]
    fn slippery_uris_fit_wildcards_only_perhaps() {
        let pattern = Pattern::compile("file:///src/*").unwrap();
        assert_eq!(pattern.fits_uri("file:///src/a"), Truth::True);
        assert_eq!(pattern.fits_uri("file:///etc/a"), Truth::False);
        for uri in ["file:///src/../etc", "file:///src/%2e%2E/etc", "file:///src/a\\..\\b", "file:///etc/./src/x"] {
            assert_eq!(pattern.fits_uri(uri), Truth::Unknown, "{uri}");
        }
    }
}
