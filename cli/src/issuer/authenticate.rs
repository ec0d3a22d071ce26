// SPDX-License-Identifier: Apache-2.0
//! Who asks: clients by secret, public clients by name (RFC 6749 section 2.3), callers by access token.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use base64ct::{Base64, Encoding};

use crate::{
    clock,
    issuer::{
        access::text,
        client::Client,
        dpop::{self, About},
        form::{Form, Refusal},
        state::Issuer,
    },
    jws::Object,
};

impl Issuer {
    /// The client that a form comes from.
    pub(super) async fn authenticated(
        &self,
        headers: &HeaderMap,
        form: &Form,
    ) -> Result<Arc<Client>, Refusal> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let header = values.next();
        let tried_basic = header.is_some();
        let (id, secret) = match (header, form.get("client_secret")) {
            (Some(_), Some(_)) => return Err(Refusal::invalid("two ways of authentication at once")),
            (Some(_), None) if values.next().is_some() => {
                return Err(Refusal::invalid("two Authorization headers"));
            }
            (Some(value), None) => {
                let (id, secret) = basic(value.as_bytes()).ok_or_else(|| Refusal::client(true))?;
                (id, Some(secret))
            }
            (None, secret) => {
                let id = form.get("client_id").ok_or_else(|| Refusal::client(false))?;
                (id.to_owned(), secret.map(str::to_owned))
            }
        };
        if form.get("client_id").is_some_and(|named| named != id) {
            return Err(Refusal::invalid("client_id is not the client that authenticates"));
        }
        let client = self.client(&id).await?;
        let client = client.filter(|client| client.is_proven_by(secret.as_deref()));
        client.ok_or_else(|| Refusal::client(tried_basic))
    }

    /// The claims of the access token that a request to `endpoint` carries; it must be for this issuer itself.
    pub(super) fn caller(&self, headers: &HeaderMap, endpoint: &str) -> Result<Object, Refusal> {
        let refused = || dpop::unauthorized("Bearer");
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().and_then(|value| value.to_str().ok()).filter(|_| values.next().is_none());
        let (scheme, token) = value.and_then(|value| value.split_once(' ')).ok_or_else(refused)?;
        let claims = self.recognised(token).ok_or_else(refused)?;
        let own = &self.settings.issuer;
        let audience = claims.get("aud").is_some_and(|aud| {
            aud.as_str() == Some(own)
                || aud.as_array().is_some_and(|all| all.iter().any(|one| one.as_str() == Some(own)))
        });
        let bound = claims.get("cnf").and_then(|cnf| cnf.get("jkt")).and_then(|key| key.as_str());
        let proven = match bound {
            None => scheme.eq_ignore_ascii_case("bearer"),
            Some(bound) => {
                let about = About { method: "POST", url: &self.url(endpoint), token: Some(token) };
                let key = self.proofs.key(headers, about, clock::now())?;
                scheme.eq_ignore_ascii_case("dpop") && key.as_deref() == Some(bound)
            }
        };
        if audience && proven && !text(&claims, "sub").is_empty() {
            return Ok(claims);
        }
        Err(refused().with_status(StatusCode::UNAUTHORIZED))
    }
}

/// HTTP Basic with both halves form-encoded (RFC 6749 section 2.3.1).
fn basic(value: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let plain = scheme.eq_ignore_ascii_case("basic").then(|| Base64::decode_vec(encoded.trim()))?.ok()?;
    let plain = String::from_utf8(plain).ok()?;
    let (id, secret) = plain.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

/// One form-encoded value. `=` and `&` cannot stand in one; those that send them raw mean them.
fn form_decoded(text: &str) -> String {
    let safe = text.replace('=', "%3D").replace('&', "%26");
    form_urlencoded::parse(safe.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}
