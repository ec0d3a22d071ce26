// SPDX-License-Identifier: Apache-2.0
//! Where a request carries its token (RFC 6750 section 2.1), and where it must not.
//!
//! What enters: every value of `Authorization`, and the path with its query as the proxy gives it.
//! What leaves: no credentials, one token and its scheme, or why the request is invalid (400 `invalid_request`).
//! Deliberately absent: tokens in the query or in a form (RFC 6750 sections 2.2 and 2.3; MCP forbids them).

use crate::percent;
use core::fmt;

/// Longest token, in bytes, where the configuration says nothing.
pub const DEFAULT_MAX_TOKEN_BYTES: usize = 8 * 1024;

/// A token as it was presented: b64token characters only, nothing else known about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BearerToken<'a>(&'a str);

impl<'a> BearerToken<'a> {
    /// Takes 1 to `max_bytes` characters of RFC 6750's b64token.
    ///
    /// # Errors
    /// [`CredentialError::TooLarge`] or [`CredentialError::Malformed`].
    pub fn new(token: &'a [u8], max_bytes: usize) -> Result<Self, CredentialError> {
        if token.len() > max_bytes {
            return Err(CredentialError::TooLarge);
        }
        let content = token.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last.saturating_add(1));
        let plain = token.get(..content).unwrap_or_default();
        // All characters are looked at, with no branch for each: most tokens are long and right.
        let odd =
            plain.iter().fold(0, |odd, byte| odd | B64TOKEN.get(usize::from(*byte)).copied().unwrap_or(1));
        if plain.is_empty() || odd != 0 {
            return Err(CredentialError::Malformed);
        }
        core::str::from_utf8(token).map(BearerToken).map_err(|_| CredentialError::Malformed)
    }

    /// The token itself. Not for logs.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(hidden)")
    }
}

/// The credentials behind `Bearer`, of allowed length, whose characters nobody has looked at. Enough to look them up
/// among those that were verified before: what is remembered was looked at when it came first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Unread<'a>(&'a [u8]);

impl<'a> Unread<'a> {
    /// The bytes as they came. Not for logs.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Looks at the characters.
    ///
    /// # Errors
    /// [`CredentialError::Malformed`] where they are not a b64token's.
    pub fn read(&self) -> Result<BearerToken<'a>, CredentialError> {
        BearerToken::new(self.0, self.0.len())
    }
}

impl fmt::Debug for Unread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unread(hidden)")
    }
}

/// What a request presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No `Authorization`: a challenge without `error` (RFC 6750 section 3.1).
    None,
    /// One bearer token.
    Bearer(Unread<'a>),
    /// One token under the scheme `DPoP` (RFC 9449 section 7.1), whose proof is to be asked for.
    Dpop(Unread<'a>),
}

/// Why the credentials of a request cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialError {
    /// More than one `Authorization`.
    Several,
    /// Not `Bearer` or `DPoP`, spaces, b64token.
    Malformed,
    /// The token is longer than allowed.
    TooLarge,
    /// Another scheme than `Bearer` and `DPoP`.
    UnsupportedScheme,
    /// The query has `access_token`.
    InQuery,
}

impl CredentialError {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            CredentialError::Several => "several_credentials",
            CredentialError::Malformed => "malformed_credentials",
            CredentialError::TooLarge => "credentials_too_large",
            CredentialError::UnsupportedScheme => "unsupported_scheme",
            CredentialError::InQuery => "token_in_query",
        }
    }
}

/// Finds the one token of a request. `path` is the request target, query included.
///
/// # Errors
/// Why the credentials cannot be read.
pub fn present<'a>(
    mut authorization: impl Iterator<Item = &'a [u8]>,
    path: &[u8],
    max_token_bytes: usize,
) -> Result<Presented<'a>, CredentialError> {
    if names_token(path) {
        return Err(CredentialError::InQuery);
    }
    let Some(value) = authorization.next() else { return Ok(Presented::None) };
    if authorization.next().is_some() {
        return Err(CredentialError::Several);
    }
    // As nearly everybody writes it.
    if let Some(token) = value.strip_prefix(b"Bearer ")
        && token.first() != Some(&b' ')
    {
        return within(token, max_token_bytes).map(Presented::Bearer);
    }
    spelled(value, max_token_bytes)
}

/// One token and its scheme, in whatever spelling.
#[inline(never)]
fn spelled(value: &[u8], max_token_bytes: usize) -> Result<Presented<'_>, CredentialError> {
    let space = value.iter().position(|byte| *byte == b' ').ok_or(CredentialError::Malformed)?;
    let (scheme, rest) = value.split_at_checked(space).ok_or(CredentialError::Malformed)?;
    let presented = match scheme {
        bearer if bearer.eq_ignore_ascii_case(b"Bearer") => Presented::Bearer,
        dpop if dpop.eq_ignore_ascii_case(b"DPoP") => Presented::Dpop,
        _ => return Err(CredentialError::UnsupportedScheme),
    };
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = rest.get(spaces..).unwrap_or_default();
    within(token, max_token_bytes).map(presented)
}

fn within(token: &[u8], max_token_bytes: usize) -> Result<Unread<'_>, CredentialError> {
    if token.len() > max_token_bytes { Err(CredentialError::TooLarge) } else { Ok(Unread(token)) }
}

/// 0 for each byte that a b64token may have (RFC 6750 section 2.1), before its padding.
const B64TOKEN: [u8; 256] = {
    let mut table = [1; 256];
    let mut at = 0;
    while at < 256 {
        #[expect(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "below 256, when compiling"
        )]
        {
            let byte = at as u8;
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/') {
                table[at] = 0;
            }
        }
        at += 1;
    }
    table
};

/// Whether the query has a parameter `access_token`, its name percent-decoded, `;` separating as well as `&`:
/// some upstream would read it so.
fn names_token(path: &[u8]) -> bool {
    let Some(start) = path.iter().position(|byte| *byte == b'?') else { return false };
    let query = path.get(start.saturating_add(1)..).unwrap_or_default();
    query.split(|byte| matches!(byte, b'&' | b';' | b'?' | b'#')).any(|pair| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        percent::decode(name).eq_ignore_ascii_case(b"access_token")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn one(value: &[u8]) -> Result<&str, CredentialError> {
        match present([value].into_iter(), b"/mcp", 64) {
            Ok(Presented::Bearer(token)) => token.read().map(|token| token.as_str()),
            Ok(Presented::None) => panic!("a header was there"),
            Ok(Presented::Dpop(_)) => panic!("another scheme was meant"),
            Err(error) => Err(error),
        }
    }

    #[test]
    fn one_bearer_token_is_found() {
        for value in ["Bearer a.b-c", "Bearer  a.b-c", "bearer a.b-c", "BEARER   a.b-c"] {
            assert_eq!(one(value.as_bytes()), Ok("a.b-c"), "{value}");
        }
        assert_eq!(one(b"Bearer a~+/=="), Ok("a~+/=="));
        assert_eq!(present(core::iter::empty(), b"/mcp?x=1", 64), Ok(Presented::None));
    }

    #[test]
    fn a_token_under_dpop_is_told_apart() {
        for value in ["DPoP a.b-c", "dpop  a.b-c"] {
            let presented = present([value.as_bytes()].into_iter(), b"/mcp", 64);
            assert_eq!(presented, Ok(Presented::Dpop(Unread(b"a.b-c"))), "{value}");
        }
    }

    #[test]
    fn everything_else_is_an_error() {
        use CredentialError as E;
        for (value, error) in [
            (&b""[..], E::Malformed),
            (b"Bearer", E::Malformed),
            (b"Bearer ", E::Malformed),
            (b"Bearer ==", E::Malformed),
            (b"Bearer a b", E::Malformed),
            (b"Bearer a ", E::Malformed),
            (b"Bearer a=b", E::Malformed),
            (b"Bearer a, Bearer b", E::Malformed),
            (b"Bearer \"a\"", E::Malformed),
            (b"Bearer a\xff", E::Malformed),
            (b"Bearer\ta", E::Malformed),
            (b" Bearer a", E::UnsupportedScheme),
            (b"Basic YTpi", E::UnsupportedScheme),
            (b"DPoPx a", E::UnsupportedScheme),
            (b"DPoP", E::Malformed),
        ] {
            assert_eq!(one(value), Err(error), "{}", value.escape_ascii());
        }
        assert_eq!(one(format!("Bearer {}", "a".repeat(64)).as_bytes()).map(str::len), Ok(64));
        assert_eq!(one(format!("Bearer {}", "a".repeat(65)).as_bytes()), Err(E::TooLarge));
        let twice: [&[u8]; 2] = [b"Bearer a", b"Bearer a"];
        assert_eq!(present(twice.into_iter(), b"/", 64), Err(E::Several));
    }

    #[test]
    fn a_token_in_the_query_is_an_error_under_any_spelling() {
        for path in [
            "/?access_token=a",
            "/?x=1&access_token",
            "/?a;access_token=",
            "/?%61ccess%5Ftoken=b",
            "/?%61%63%63%65%73%73%5f%74%6f%6b%65%6e=b",
            "/?ACCESS_token=b",
        ] {
            assert_eq!(
                present(core::iter::empty(), path.as_bytes(), 64),
                Err(CredentialError::InQuery),
                "{path}"
            );
        }
        for path in [
            "/access_token=a",
            "/?access_token_type=a",
            "/?x=access_token",
            "/?%access_token=1",
            "/?access%00_token=1",
        ] {
            assert_eq!(present(core::iter::empty(), path.as_bytes(), 64), Ok(Presented::None), "{path}");
        }
    }
}
