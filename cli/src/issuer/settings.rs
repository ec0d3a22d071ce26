// SPDX-License-Identifier: Apache-2.0
//! What was set on the command line.

use crate::diagnostic::Failure;

/// What an access token looks like to those who carry it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TokenFormat {
    /// Signed, read by everybody (RFC 9068)
    #[default]
    Jwt,
    /// Random, read through the introspection endpoint (RFC 7662)
    Opaque,
}

/// Whether clients may register themselves (RFC 7591).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Registration {
    #[default]
    Open,
    Closed,
}

/// Which client ids that are URLs are looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Documents {
    /// None
    #[default]
    Off,
    /// `https` URLs of public addresses
    Https,
    /// Those, and `http` URLs of this machine
    Loopback,
}

/// How a person consents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Login {
    /// By name and password on a page.
    #[default]
    Ask,
    /// Not at all: this user is logged in and agrees to everything.
    Approve(String),
}

/// Whether a DPoP proof must hold a nonce of ours (RFC 9449 section 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Nonce {
    #[default]
    Optional,
    Required,
}

/// What was set on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The claim `iss`.
    pub(crate) issuer: String,
    /// `aud` where no resource was asked for.
    pub(crate) default_audience: String,
    /// Seconds.
    pub(crate) token_lifetime: i64,
    /// Seconds that a family of refresh tokens lives, however often they are renewed.
    pub(crate) refresh_lifetime: i64,
    /// Seconds.
    pub(crate) jwks_max_age: i64,
    pub(crate) token_format: TokenFormat,
    pub(crate) registration: Registration,
    pub(crate) documents: Documents,
    pub(crate) login: Login,
    pub(crate) nonce: Nonce,
}

impl Settings {
    /// Refuses an issuer that RFC 8414 section 2 does not allow (`http` is allowed: this is for development).
    pub(crate) fn checked(self) -> Result<Self, Failure> {
        let rest = self.issuer.strip_prefix("https://").or_else(|| self.issuer.strip_prefix("http://"));
        // An absent path counts as a harmless one.
        let (host, path) = rest.map(|rest| rest.split_once('/').unwrap_or((rest, "-"))).unwrap_or_default();
        let plain = |char: char| char.is_ascii_alphanumeric() || "-._~/".contains(char);
        let segments = path.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        let taken = path == "admin" || path.starts_with("admin/") || path.starts_with(".well-known");
        if host.is_empty()
            || host.contains(['?', '#', '@', ' '])
            || !path.chars().all(plain)
            || !segments
            || taken
        {
            return Err(Failure::refused(format!("`{}` cannot be an issuer", self.issuer)).help(
                "write a URL such as `https://idp.example.com/tenant`: no query, fragment or final slash",
            ));
        }
        Ok(self)
    }

    /// The path of the issuer's URL: empty, or with a slash in front.
    pub(crate) fn path(&self) -> &str {
        let rest = self.issuer.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
    }
}

#[cfg(test)]
impl Settings {
    /// Those of a test.
    pub(super) fn of(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            default_audience: "https://default.example.com".to_owned(),
            token_lifetime: 300,
            refresh_lifetime: 3_600,
            jwks_max_age: 60,
            token_format: TokenFormat::default(),
            registration: Registration::default(),
            documents: Documents::default(),
            login: Login::default(),
            nonce: Nonce::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_a_url_without_query_fragment_or_final_slash() {
        let check = |issuer: &str| Settings::of(issuer).checked().map(|settings| settings.path().to_owned());
        assert_eq!(check("http://127.0.0.1:1").unwrap(), "");
        assert_eq!(check("https://idp.example.com/a/b").unwrap(), "/a/b");
        for wrong in [
            "",
            "idp",
            "ftp://a",
            "https://",
            "https://a/",
            "https://a/?x",
            "https://a/{x}",
            "https://a/../b",
            "https://a/admin",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
