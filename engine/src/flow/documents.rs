// SPDX-License-Identifier: Apache-2.0
//! Documents of the gate's own that anyone may read: where tokens come from (RFC 9728), and the keys of its signer.

use super::front::{Address, Front};
use crate::config::{Config, Server};
use crate::deny::Answer;
use crate::oauth::WELL_KNOWN;
use alloc::string::{String, ToString};

/// A document, and how long it may be kept.
struct Document<'c> {
    text: &'c str,
    details: &'static str,
    cache: &'static str,
    /// What a page may send when it asks for it.
    headers: Option<&'static str>,
}

/// The document that a request asks for, if it asks for one.
pub(super) fn answer(front: &Front<'_>, address: &Address<'_>, config: &Config) -> Option<Answer> {
    let asks = matches!(front.method, "GET" | "HEAD" | "OPTIONS");
    let document = || metadata(front, address, config).or_else(|| own_keys(front, config));
    let document = asks.then(document).flatten()?;
    Some(match front.method {
        "OPTIONS" => document.answer(204, ""),
        _ => document.answer(200, document.text),
    })
}

/// RFC 9728: the document is there without a token. The root form answers where one server has the host.
fn metadata<'c>(front: &Front<'_>, address: &Address<'_>, config: &'c Config) -> Option<Document<'c>> {
    if !front.path.starts_with(WELL_KNOWN) {
        return None;
    }
    let mut here = config.servers.iter().filter(|server| server.takes_host(&address.host));
    let full = address.query.map(|query| [front.path, "?", query].concat());
    let wanted = full.as_deref().unwrap_or(front.path);
    let by_path = here.clone().find(|server| server.metadata_path == wanted);
    let server: &Server = match (by_path, here.next(), here.next()) {
        (Some(server), _, _) => server,
        (None, Some(only), None) if wanted == WELL_KNOWN => only,
        (None, _, _) => return None,
    };
    Some(Document {
        text: &server.metadata,
        details: "protected_resource_metadata",
        cache: "public, max-age=300",
        headers: Some("mcp-protocol-version"),
    })
}

/// The public keys of the gate's own signer.
fn own_keys<'c>(front: &Front<'_>, config: &'c Config) -> Option<Document<'c>> {
    let signer = config.signer.as_ref().filter(|signer| signer.jwks_path() == front.path)?;
    Some(Document {
        text: signer.jwks(),
        details: "signer_keys",
        cache: "public, max-age=3600",
        headers: None,
    })
}

impl Document<'_> {
    /// Public, so anyone's page may read it, and it may be kept for some time.
    fn answer(&self, status: u16, body: &str) -> Answer {
        let mut answer = Answer::new(status, String::from(body), self.details);
        answer.headers.retain(|(name, _)| *name != "cache-control");
        answer = answer
            .with("cache-control", self.cache.to_string())
            .with("access-control-allow-origin", "*".to_string())
            .with("access-control-allow-methods", "GET, OPTIONS".to_string());
        match self.headers {
            Some(headers) => answer.with("access-control-allow-headers", headers.to_string()),
            None => answer,
        }
    }
}
