// SPDX-License-Identifier: Apache-2.0
//! The back door for tests: new keys, dropped keys, and tokens that say anything.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::Response,
    routing::post,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    issuer::{routes::answer, state::Issuer},
    jws::{self, Object},
    signer::{Algorithm, SigningKey},
};

pub(super) fn router() -> Router<Arc<Issuer>> {
    Router::new()
        .route("/admin/rotate", post(rotate))
        .route("/admin/prune", post(prune))
        .route("/admin/mint", post(mint))
        .route_layer(from_fn(only_from_here))
}

/// Other machines, and pages in a browser on this one, are turned away.
async fn only_from_here(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if peer.ip().to_canonical().is_loopback() && !request.headers().contains_key(header::ORIGIN) {
        return next.run(request).await;
    }
    refuse(StatusCode::FORBIDDEN, "administration is for programs on this machine")
}

fn refuse(status: StatusCode, message: &str) -> Response {
    answer(status, &json!({ "error": "invalid_request", "error_description": message }))
}

/// An empty body asks for nothing in particular.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    algorithm: Option<String>,
}

async fn rotate(State(issuer): State<Arc<Issuer>>, body: Bytes) -> Response {
    let wish: Rotate = match read(&body) {
        Ok(wish) => wish,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let algorithm = match &wish.algorithm {
        Some(name) => Algorithm::from_name(name),
        None => issuer.keys.key(None).map(|key| key.algorithm()),
    };
    let Some(algorithm) = algorithm else {
        return refuse(StatusCode::BAD_REQUEST, "no algorithm of this name signs here");
    };
    // An RSA key takes a while; tokens are given out meanwhile.
    let made = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await;
    let key = made.ok().and_then(Result::ok).and_then(|key| issuer.keys.rotate(key));
    let Some(key) = key else {
        return refuse(StatusCode::CONFLICT, "too many keys are published; prune them first");
    };
    let body =
        json!({ "kid": key.kid(), "algorithm": key.algorithm().name(), "published": issuer.keys.kids() });
    answer(StatusCode::OK, &body)
}

async fn prune(State(issuer): State<Arc<Issuer>>) -> Response {
    let dropped = issuer.keys.prune();
    answer(StatusCode::OK, &json!({ "dropped": dropped, "published": issuer.keys.kids() }))
}

/// What a token shall say. A claim or header member of `null` is left out of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mint {
    #[serde(default)]
    claims: Object,
    #[serde(default)]
    header: Object,
    /// The published key that signs; the current one if left out.
    kid: Option<String>,
}

async fn mint(State(issuer): State<Arc<Issuer>>, body: Bytes) -> Response {
    let wish: Mint = match read(&body) {
        Ok(wish) => wish,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let Some(key) = issuer.keys.key(wish.kid.as_deref()) else {
        return refuse(StatusCode::NOT_FOUND, "no published key has this kid");
    };
    let audience = json!(issuer.settings.default_audience);
    let claims = overlaid(issuer.claims("developer", "developer", audience), wish.claims);
    let header = overlaid(jws::access_token_header(&key), wish.header);
    let token = jws::sign(&key, &header, &claims);
    answer(StatusCode::OK, &json!({ "access_token": token, "token_type": "Bearer", "kid": key.kid() }))
}

fn overlaid(mut base: Object, over: Object) -> Object {
    base.extend(over);
    base.into_iter().filter(|(_, value)| *value != Value::Null).collect()
}
