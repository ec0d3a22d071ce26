// SPDX-License-Identifier: Apache-2.0
//! Nodes: an admin makes a token, a node trades it once for credentials of its own.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock,
    issuer::{
        client::{Client, Introspection, Proof, Refresh},
        form::Refusal,
        metrics::Event,
        secret::{self, Secret},
        state::Issuer,
        subject::Subject,
    },
    jws::Object,
};

/// Seconds that an enrolment token is good for, if not said otherwise, and at most.
const LIFETIME: i64 = 600;
const LONGEST: i64 = 86_400;
/// Seconds that the credentials of a node are held.
const NODE_LIFETIME: i64 = 30 * 86_400;

/// What an enrolment token is good for.
#[derive(Debug)]
pub(super) struct Enrolment {
    node: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    node: String,
    expires_in: Option<i64>,
}

/// Makes an enrolment token, for whom holds a token of this issuer with the role `admin`.
pub(super) fn permit(issuer: &Issuer, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let claims = issuer.caller(headers, "enrolment")?;
    let roles = claims.get("roles").and_then(Value::as_array);
    if !roles.is_some_and(|roles| roles.contains(&json!("admin"))) {
        return Err(Refusal::new("access_denied", "only an admin may").with_status(StatusCode::FORBIDDEN));
    }
    let wish: Wish = serde_json::from_slice(body).map_err(|_| Refusal::invalid("send {\"node\": NAME}"))?;
    let plain = |char: char| char.is_ascii_alphanumeric() || "-._".contains(char);
    if wish.node.is_empty() || wish.node.len() > 64 || !wish.node.chars().all(plain) {
        return Err(Refusal::invalid("node is a name of letters, digits and `-._`"));
    }
    let lifetime = wish.expires_in.unwrap_or(LIFETIME);
    if !(1..=LONGEST).contains(&lifetime) {
        return Err(Refusal::invalid("expires_in is 1 to 86400 seconds"));
    }
    let (now, token) = (clock::now(), secret::random("tge_"));
    let enrolment = Enrolment { node: wish.node };
    let kept = issuer.grants().enrolments.insert(Secret::of(&token), enrolment, now + lifetime, now);
    kept.map_err(|_| Refusal::full())?;
    Ok(json!({ "enrolment_token": token, "expires_in": lifetime }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Presented {
    enrolment_token: String,
}

/// Trades an enrolment token for a client with the role `node`.
pub(super) fn enrol(issuer: &Issuer, body: &[u8]) -> Result<Value, Refusal> {
    let presented: Presented =
        serde_json::from_slice(body).map_err(|_| Refusal::invalid("send {\"enrolment_token\": TOKEN}"))?;
    let now = clock::now();
    let found = issuer.grants().enrolments.remove(&Secret::of(&presented.enrolment_token), now);
    let Some(Enrolment { node }) = found else {
        return Err(Refusal::grant("the enrolment token is unknown, used or expired"));
    };
    let (id, secret) = (secret::random("node_"), secret::random(""));
    let client = Client {
        id: id.clone(),
        name: node.clone(),
        proof: Proof::Secret(Secret::of(&secret)),
        own: Some(Subject { name: node, roles: vec!["node".to_owned()], claims: Object::new() }),
        redirect_uris: Vec::new(),
        scopes: None,
        introspection: Introspection::Refused,
        refresh: Refresh::Withheld,
    };
    let kept = issuer.grants().nodes.insert(id.clone(), Arc::new(client), now + NODE_LIFETIME, now);
    kept.map_err(|_| Refusal::full())?;
    issuer.count(Event::Client("enrolled"));
    Ok(json!({
        "client_id": id,
        "client_secret": secret,
        "client_secret_expires_at": now + NODE_LIFETIME,
        "token_endpoint": issuer.url("token"),
    }))
}
