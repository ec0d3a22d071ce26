// SPDX-License-Identifier: Apache-2.0
//! Paths to answers.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, DefaultBodyLimit, RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::Response,
    routing::{get, options, post},
};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::issuer::{
    admin, authorize, ending, enrol,
    form::{Form, Refusal},
    grant, metadata,
    metrics::Event,
    page, register,
    state::Issuer,
};

/// A token request or a mint order is far smaller.
const BODY_LIMIT: usize = 256 << 10;
/// So is what clients say of themselves.
const FORM_LIMIT: usize = 16 << 10;
/// Seconds that the revocation list may be kept: an end must be known soon.
const REVOKED_MAX_AGE: i64 = 5;

type Shared = State<Arc<Issuer>>;

pub(super) fn router(issuer: Issuer) -> Router {
    let path = issuer.settings.path().to_owned();
    let at = |endpoint: &str| format!("{path}/{endpoint}");
    // Scripts on any page may use these: they carry their own credentials.
    let mut open = Router::new()
        .route(&at("jwks"), get(jwks).merge(options(preflight)))
        .route(&at("token"), post(token).merge(options(preflight)))
        .route(&at("register"), post(registration).merge(options(preflight)))
        .route(&at("revoke"), post(revoke).merge(options(preflight)));
    for place in metadata::paths(&path) {
        open = open.route(&place, get(document).merge(options(preflight)));
    }
    let closed = Router::new()
        .route(&at("authorize"), get(ask).post(decide))
        .route(&at("introspect"), post(introspect))
        .route(&at("logout"), post(logout))
        .route(&at("enrolment"), post(permit))
        .route(&at("enrol"), post(join))
        .route(&at("revoked"), get(revoked))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health));
    open.layer(map_response(open_to_browsers))
        .merge(closed)
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .merge(admin::router().layer(DefaultBodyLimit::max(BODY_LIMIT)))
        .fallback(nothing_here)
        .with_state(Arc::new(issuer))
}

/// A JSON answer that is not to be kept.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, "application/json");
    set(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

/// A JSON answer that may be kept, and is not sent again to those who have it.
fn kept(headers: &HeaderMap, body: &Value, max_age: i64) -> Response {
    let mut response = answer(StatusCode::OK, body);
    let tag =
        format!("\"{}\"", Base64UrlUnpadded::encode_string(&Sha256::digest(body.to_string().as_bytes())));
    let held = headers.get(header::IF_NONE_MATCH).and_then(|held| held.to_str().ok()).unwrap_or_default();
    if held.split(',').any(|held| held.trim().trim_start_matches("W/") == tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
    }
    set(&mut response, header::ETAG, &tag);
    set(&mut response, header::CACHE_CONTROL, &format!("public, max-age={max_age}"));
    response
}

pub(super) fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The answer of an endpoint; a refusal is counted.
fn outcome(
    issuer: &Issuer,
    endpoint: &'static str,
    status: StatusCode,
    outcome: Result<Value, Refusal>,
) -> Response {
    let refusal = match outcome {
        Ok(body) => return answer(status, &body),
        Err(refusal) => refusal,
    };
    issuer.count(Event::Refused { endpoint, error: refusal.error });
    let body = json!({ "error": refusal.error, "error_description": refusal.description });
    let mut response = answer(refusal.status, &body);
    if let Some(challenge) = refusal.challenge {
        set(&mut response, header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(nonce) = refusal.nonce {
        set(&mut response, HeaderName::from_static("dpop-nonce"), &nonce);
    }
    response
}

async fn open_to_browsers(mut response: Response) -> Response {
    set(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(&mut response, header::ACCESS_CONTROL_EXPOSE_HEADERS, "dpop-nonce, www-authenticate");
    response
}

async fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    set(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS");
    set(
        &mut response,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "authorization, content-type, dpop, mcp-protocol-version",
    );
    response
}

async fn document(State(issuer): Shared) -> Response {
    answer(StatusCode::OK, &metadata::document(&issuer))
}

async fn jwks(State(issuer): Shared, headers: HeaderMap) -> Response {
    kept(&headers, &issuer.keys.jwks(), issuer.settings.jwks_max_age)
}

async fn revoked(State(issuer): Shared, headers: HeaderMap) -> Response {
    kept(&headers, &ending::revoked(&issuer), REVOKED_MAX_AGE)
}

async fn token(State(issuer): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let result = grant::token(&issuer, &headers, &body).await;
    outcome(&issuer, "token", StatusCode::OK, result)
}

async fn registration(State(issuer): Shared, body: Bytes) -> Response {
    let result = register::register(&issuer, &body);
    outcome(&issuer, "register", StatusCode::CREATED, result)
}

async fn revoke(State(issuer): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let result = ending::revoke(&issuer, &headers, &body).await;
    outcome(&issuer, "revoke", StatusCode::OK, result)
}

async fn introspect(State(issuer): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let result = ending::introspect(&issuer, &headers, &body).await;
    outcome(&issuer, "introspect", StatusCode::OK, result)
}

async fn logout(State(issuer): Shared, headers: HeaderMap) -> Response {
    let result = ending::logout(&issuer, &headers);
    outcome(&issuer, "logout", StatusCode::OK, result)
}

async fn permit(State(issuer): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let result = enrol::permit(&issuer, &headers, &body);
    outcome(&issuer, "enrolment", StatusCode::CREATED, result)
}

async fn join(State(issuer): Shared, body: Bytes) -> Response {
    let result = enrol::enrol(&issuer, &body);
    outcome(&issuer, "enrol", StatusCode::CREATED, result)
}

async fn ask(State(issuer): Shared, RawQuery(query): RawQuery) -> Response {
    authorize::ask(&issuer, query.as_deref().unwrap_or_default()).await
}

async fn decide(
    State(issuer): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match Form::read(&headers, &body) {
        Ok(form) => authorize::decide(&issuer, &form, peer.ip().to_canonical()).await,
        Err(refusal) => page::fault(refusal.status, &refusal.description),
    }
}

async fn metrics(State(issuer): Shared) -> Response {
    let mut response = Response::new(Body::from(issuer.metrics()));
    set(&mut response, header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    response
}

async fn health() -> Response {
    answer(StatusCode::OK, &json!({ "status": "ok" }))
}

async fn nothing_here() -> Response {
    answer(StatusCode::NOT_FOUND, &json!({ "error": "not_found" }))
}
