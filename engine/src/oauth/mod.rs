// SPDX-License-Identifier: Apache-2.0
//! What an OAuth resource server tells its clients: challenges (RFC 6750) and where its metadata is (RFC 9728).

use alloc::format;
use alloc::string::String;

/// RFC 9728 section 3: where protected resource metadata is found.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Why a challenge is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// No credentials were sent: no error code (RFC 6750 section 3.1).
    Missing,
    /// The token was refused, for whatever reason: an outsider learns nothing more.
    InvalidToken,
    /// The request itself is malformed: several credentials, or a token in the query.
    InvalidRequest,
}

/// The value of `WWW-Authenticate`. One header, `Bearer` first, no quotes inside values: clients' parsers are simple.
#[must_use]
pub fn www_authenticate(challenge: Challenge, metadata_url: Option<&str>) -> String {
    let error = match challenge {
        Challenge::Missing => None,
        Challenge::InvalidToken => Some("invalid_token"),
        Challenge::InvalidRequest => Some("invalid_request"),
    };
    match (metadata_url, error) {
        (Some(url), None) => format!("Bearer resource_metadata=\"{url}\""),
        (Some(url), Some(error)) => format!("Bearer resource_metadata=\"{url}\", error=\"{error}\""),
        (None, Some(error)) => format!("Bearer error=\"{error}\""),
        (None, None) => String::from("Bearer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credentials_no_error_code() {
        let url = Some("https://mcp.example.com/.well-known/oauth-protected-resource/mcp");
        assert_eq!(
            www_authenticate(Challenge::Missing, url),
            "Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\""
        );
        assert!(www_authenticate(Challenge::InvalidToken, url).ends_with(", error=\"invalid_token\""));
        assert_eq!(www_authenticate(Challenge::Missing, None), "Bearer");
    }
}
