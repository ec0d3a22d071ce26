// SPDX-License-Identifier: Apache-2.0
//! A client: how it proves itself and what it may do.

use crate::issuer::{redirect::RedirectUri, secret::Secret, subject::Subject};

/// How a client proves itself at the token endpoint.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// By a secret.
    Secret(Secret),
    /// Not at all: it can keep no secret (RFC 6749 section 2.1).
    Public,
}

/// Whether a client may ask what a token says (RFC 7662).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Introspection {
    Allowed,
    #[default]
    Refused,
}

/// Whether a client is given refresh tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    Given,
    Withheld,
}

/// A client and what it may do.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The claim `client_id`.
    pub(super) id: String,
    /// What a person is shown.
    pub(super) name: String,
    pub(super) proof: Proof,
    /// For whom its own tokens speak; nobody where it may not ask for any (client credentials).
    pub(super) own: Option<Subject>,
    /// Where codes may be sent; it may not ask for any where this is empty.
    pub(super) redirect_uris: Vec<RedirectUri>,
    /// The scopes it may ask for; any, where there is no list.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) introspection: Introspection,
    pub(super) refresh: Refresh,
}

impl Client {
    /// Whether this is it: by its secret, or as a public client by none.
    pub(super) fn is_proven_by(&self, secret: Option<&str>) -> bool {
        match (&self.proof, secret) {
            (Proof::Secret(own), Some(given)) => own.is(given),
            (Proof::Public, None) => true,
            (Proof::Secret(_), None) | (Proof::Public, Some(_)) => false,
        }
    }

    /// Whether codes may be sent to `asked`.
    pub(super) fn admits(&self, asked: &str) -> bool {
        self.redirect_uris.iter().any(|own| own.admits(asked))
    }
}
