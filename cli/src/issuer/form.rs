// SPDX-License-Identifier: Apache-2.0
//! What clients send: parameters, each once, and the refusals of RFC 6749 section 5.2.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, StatusCode, header};

/// An error body of RFC 6749 section 5.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) description: String,
    /// The challenge that belongs to a 401.
    pub(super) challenge: Option<&'static str>,
    /// A nonce to come back with (RFC 9449 section 8).
    pub(super) nonce: Option<String>,
}

impl Refusal {
    pub(super) fn new(error: &'static str, description: impl Into<String>) -> Self {
        let (status, description) = (StatusCode::BAD_REQUEST, description.into());
        Self { status, error, description, challenge: None, nonce: None }
    }

    pub(super) fn invalid(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    /// One answer for a grant that is unknown, used up, expired or somebody else's.
    pub(super) fn grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    pub(super) fn client(tried_basic: bool) -> Self {
        let refusal = Self::new("invalid_client", "unknown client or wrong secret");
        let challenge = tried_basic.then_some("Basic realm=\"toolgate issuer\"");
        Self { status: StatusCode::UNAUTHORIZED, challenge, ..refusal }
    }

    pub(super) fn full() -> Self {
        let refusal = Self::new("temporarily_unavailable", "too many entries are held; try again later");
        Self { status: StatusCode::SERVICE_UNAVAILABLE, ..refusal }
    }

    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

/// The parameters of a request: each one once, but for `resource`.
#[derive(Debug, Default)]
pub(super) struct Form {
    single: BTreeMap<String, String>,
    pub(super) resources: Vec<String>,
}

impl Form {
    /// The body of a POST.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::invalid("send application/x-www-form-urlencoded"));
        }
        Self::parse(body)
    }

    /// A query or a body. A parameter without a value counts as absent (RFC 6749 section 3.1).
    pub(super) fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(text).filter(|(_, value)| !value.is_empty()) {
            if name == "resource" {
                form.resources.push(value.into_owned());
            } else if form.single.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Refusal::invalid("a parameter is there twice"));
            }
        }
        Ok(form)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.single.get(name).map(String::as_str)
    }

    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::invalid(format!("{name} is missing")))
    }
}
