// SPDX-License-Identifier: Apache-2.0
//! What an OAuth resource server tells its clients: challenges (RFC 6750) and where its metadata is (RFC 9728).

pub mod scope;

use crate::config::Requirement;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

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
    /// The token is good, and opens too little (RFC 6750 section 3.1).
    InsufficientScope,
    /// A proof of possession is missing or refused: the error stands at the scheme that was used (RFC 9449 section
    /// 7.1).
    Dpop(&'static str),
}

/// The value of `WWW-Authenticate`. One header, `Bearer` first, no quotes inside values: clients' parsers are simple.
/// `scope` is what a token needs, and `dpop_algs` are the algorithms for proofs, where proofs are accepted.
#[must_use]
pub fn www_authenticate(
    challenge: Challenge,
    metadata_url: Option<&str>,
    scope: Option<&str>,
    dpop_algs: Option<&str>,
) -> String {
    let (bearer, dpop) = match challenge {
        Challenge::Missing => (None, None),
        Challenge::InvalidToken => (Some("invalid_token"), None),
        Challenge::InvalidRequest => (Some("invalid_request"), None),
        Challenge::InsufficientScope => (Some("insufficient_scope"), None),
        Challenge::Dpop(error) => (None, Some(error)),
    };
    let mut value =
        scheme("Bearer", &[("resource_metadata", metadata_url), ("error", bearer), ("scope", scope)]);
    if dpop_algs.is_some() {
        value.push_str(", ");
        value.push_str(&scheme("DPoP", &[("algs", dpop_algs), ("error", dpop)]));
    }
    value
}

fn scheme(name: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let written = parameters.iter().filter_map(|(name, value)| Some(format!("{name}=\"{}\"", (*value)?)));
    let written: Vec<String> = written.collect();
    if written.is_empty() { String::from(name) } else { format!("{name} {}", written.join(", ")) }
}

/// The challenge for a better login (RFC 9470 section 3). What `amr` should hold has no place in it.
#[must_use]
pub fn step_up(require: Option<&Requirement>, metadata_url: Option<&str>) -> String {
    let mut value = String::from("Bearer ");
    if let Some(url) = metadata_url {
        value.push_str(&format!("resource_metadata=\"{url}\", "));
    }
    value.push_str("error=\"insufficient_user_authentication\"");
    if let Some(require) = require {
        if !require.acr.is_empty() {
            value.push_str(&format!(", acr_values=\"{}\"", require.acr.join(" ")));
        }
        if let Some(secs) = require.max_age_secs {
            value.push_str(&format!(", max_age=\"{secs}\""));
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credentials_no_error_code() {
        let url = Some("https://mcp.example.com/.well-known/oauth-protected-resource/mcp");
        assert_eq!(
            www_authenticate(Challenge::Missing, url, None, None),
            "Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\""
        );
        assert!(
            www_authenticate(Challenge::InvalidToken, url, None, None).ends_with(", error=\"invalid_token\"")
        );
        assert_eq!(www_authenticate(Challenge::Missing, None, None, None), "Bearer");
    }

    #[test]
    fn too_little_scope_says_what_is_needed() {
        assert_eq!(
            www_authenticate(Challenge::InsufficientScope, Some("u"), Some("a b"), None),
            r#"Bearer resource_metadata="u", error="insufficient_scope", scope="a b""#
        );
    }

    #[test]
    fn an_error_stands_at_the_scheme_that_was_used() {
        for (challenge, value) in [
            (Challenge::Missing, r#"Bearer resource_metadata="u", DPoP algs="ES256 EdDSA""#),
            (
                Challenge::InvalidToken,
                r#"Bearer resource_metadata="u", error="invalid_token", DPoP algs="ES256 EdDSA""#,
            ),
            (
                Challenge::Dpop("use_dpop_nonce"),
                r#"Bearer resource_metadata="u", DPoP algs="ES256 EdDSA", error="use_dpop_nonce""#,
            ),
        ] {
            assert_eq!(www_authenticate(challenge, Some("u"), None, Some("ES256 EdDSA")), value);
        }
        assert_eq!(
            www_authenticate(Challenge::Missing, None, None, Some("ES256")),
            r#"Bearer, DPoP algs="ES256""#
        );
    }
}
