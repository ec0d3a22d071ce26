// SPDX-License-Identifier: Apache-2.0
//! Clients that register themselves (RFC 7591). They may ask for codes, and for nothing in their own name.

use std::sync::Arc;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock,
    issuer::{
        client::{Client, Introspection, Proof, Refresh},
        form::Refusal,
        metrics::Event,
        redirect::RedirectUri,
        secret::{self, Secret},
        settings::Registration,
        state::Issuer,
        subject,
    },
};

/// Seconds that a registration is held.
const LIFETIME: i64 = 86_400;
const MOST_REDIRECT_URIS: usize = 16;
const LONGEST_NAME: usize = 200;

/// What a client says of itself, in a registration or in its document. Members that mean nothing here are ignored
/// (section 2).
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) client_id: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    pub(super) token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_name: Option<String>,
    scope: Option<String>,
}

impl Metadata {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body)
            .map_err(|_| refused("the metadata is not a JSON object of the right form"))
    }

    /// The client, if it may be one.
    pub(super) fn client(&self, id: String, proof: Proof) -> Result<Client, Refusal> {
        let grants = self.grants();
        let known = |grant: &String| matches!(grant.as_str(), "authorization_code" | "refresh_token");
        if !grants.iter().all(known) || !grants.iter().any(|grant| grant == "authorization_code") {
            return Err(refused("grant_types can be authorization_code and refresh_token"));
        }
        if self.response_types.as_ref().is_some_and(|types| types.as_slice() != ["code"]) {
            return Err(refused("response_types can only be code"));
        }
        let uris = self.redirect_uris.iter().map(|uri| RedirectUri::parse(uri)).collect::<Option<Vec<_>>>();
        let uris = uris.filter(|uris| (1..=MOST_REDIRECT_URIS).contains(&uris.len())).ok_or_else(|| {
            Refusal::new(
                "invalid_redirect_uri",
                "redirect_uris are https, http to this machine, or a private-use scheme with a dot; 1 to 16 of them",
            )
        })?;
        let scope = subject::scope(None, self.scope.as_deref()).map_err(|_| refused("scope is malformed"))?;
        let name = self.client_name.clone().unwrap_or_else(|| id.clone());
        if name.chars().count() > LONGEST_NAME {
            return Err(refused("client_name is too long"));
        }
        Ok(Client {
            name,
            proof,
            own: None,
            redirect_uris: uris,
            scopes: scope.map(|scope| scope.split(' ').map(str::to_owned).collect()),
            introspection: Introspection::Refused,
            refresh: match grants.iter().any(|grant| grant == "refresh_token") {
                true => Refresh::Given,
                false => Refresh::Withheld,
            },
            id,
        })
    }

    fn grants(&self) -> Vec<String> {
        self.grant_types.clone().unwrap_or_else(|| vec!["authorization_code".to_owned()])
    }
}

fn refused(why: &str) -> Refusal {
    Refusal::new("invalid_client_metadata", why)
}

/// Answers a registration.
pub(super) fn register(issuer: &Issuer, body: &[u8]) -> Result<Value, Refusal> {
    if issuer.settings.registration == Registration::Closed {
        return Err(
            Refusal::new("access_denied", "clients cannot register here").with_status(StatusCode::FORBIDDEN)
        );
    }
    let metadata = Metadata::parse(body)?;
    let method = metadata.token_endpoint_auth_method.as_deref().unwrap_or("client_secret_basic");
    let secret = match method {
        "none" => None,
        "client_secret_basic" | "client_secret_post" => Some(secret::random("")),
        _ => {
            return Err(refused(
                "token_endpoint_auth_method can be none, client_secret_basic or client_secret_post",
            ));
        }
    };
    let proof = secret.as_deref().map_or(Proof::Public, |secret| Proof::Secret(Secret::of(secret)));
    let (id, now) = (secret::random("dyn_"), clock::now());
    let client = metadata.client(id.clone(), proof)?;
    let mut answer = json!({
        "client_id": id,
        "client_id_issued_at": now,
        "client_name": client.name,
        "redirect_uris": metadata.redirect_uris,
        "token_endpoint_auth_method": method,
        "grant_types": metadata.grants(),
        "response_types": ["code"],
    });
    if let Some(members) = answer.as_object_mut() {
        if let Some(secret) = secret {
            members.insert("client_secret".to_owned(), json!(secret));
            members.insert("client_secret_expires_at".to_owned(), json!(now + LIFETIME));
        }
        if let Some(scope) = &metadata.scope {
            members.insert("scope".to_owned(), json!(scope));
        }
    }
    let kept = issuer.grants().registered.insert(id, Arc::new(client), now + LIFETIME, now);
    kept.map_err(|_| Refusal::full())?;
    issuer.count(Event::Client("registered"));
    Ok(answer)
}
