// SPDX-License-Identifier: Apache-2.0
//! What callers may show at a place, and what they must.

use crate::certificate::ForwardedRules;
use alloc::string::String;
use alloc::vec::Vec;

/// What callers may show at a server or a route besides a token, and what they must.
#[derive(Debug, Default)]
pub struct Credentials {
    /// Sets of API keys, by index.
    pub api_keys: Vec<usize>,
    /// What a client certificate is good for.
    pub certificates: Certificates,
    /// What must be shown.
    pub require: Requirement,
}

impl Credentials {
    /// Whether something besides a token can say who calls.
    #[must_use]
    pub fn alone(&self) -> bool {
        !self.api_keys.is_empty() || self.certificates == Certificates::Identity
    }
}

/// What a client certificate is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificates {
    /// It is not looked at, except to prove a token that is bound to it.
    #[default]
    Ignored,
    /// It counts beside another credential.
    Factor,
    /// Alone it says who calls.
    Identity,
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialKind {
    /// An access token.
    Token,
    /// An API key.
    ApiKey,
    /// A client certificate.
    Certificate,
}

impl CredentialKind {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            CredentialKind::Token => "token",
            CredentialKind::ApiKey => "api_key",
            CredentialKind::Certificate => "certificate",
        }
    }
}

/// What must be shown before anything else is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// All of these.
    pub credentials: Vec<CredentialKind>,
    /// One of these as the token's `acr`; any if empty.
    pub acr: Vec<String>,
    /// All of these in the token's `amr`.
    pub amr: Vec<String>,
    /// All of these among the token's scopes.
    pub scopes: Vec<String>,
    /// How long ago the user may have logged in, in seconds.
    pub max_age_secs: Option<u64>,
}

impl Requirement {
    /// Whether nothing has to be shown.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.credentials.is_empty() && self.scopes.is_empty() && !self.speaks_of_login()
    }

    /// Whether it says something about how the user has logged in, which only a token can tell.
    #[must_use]
    pub fn speaks_of_login(&self) -> bool {
        !self.acr.is_empty() || !self.amr.is_empty() || self.max_age_secs.is_some()
    }
}

/// What becomes of `x-forwarded-client-cert`.
#[derive(Debug, Default)]
pub enum ForwardedHeader {
    /// It means nothing here and is not touched: no place looks at certificates.
    #[default]
    Untouched,
    /// Nobody is trusted with it: it goes nowhere.
    Removed,
    /// From trusted hops it counts; from others it goes nowhere.
    From(ForwardedRules),
}
