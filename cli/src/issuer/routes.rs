// SPDX-License-Identifier: Apache-2.0
//! Paths to answers.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::Response,
    routing::{get, options, post},
};
use serde_json::{Value, json};

use crate::issuer::{admin, grant, metadata, state::Issuer};

/// A token request or a mint order is far smaller.
const BODY_LIMIT: usize = 256 << 10;

pub(super) fn router(issuer: Issuer) -> Router {
    let path = issuer.settings.path().to_owned();
    let mut public = Router::new()
        .route(&format!("{path}/jwks"), get(jwks).merge(options(preflight)))
        .route(&format!("{path}/token"), post(token).merge(options(preflight)));
    for place in metadata::paths(&path) {
        public = public.route(&place, get(document).merge(options(preflight)));
    }
    public
        .layer(map_response(open_to_browsers))
        .merge(admin::router())
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
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

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

async fn open_to_browsers(mut response: Response) -> Response {
    set(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    response
}

async fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    set(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS");
    set(
        &mut response,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "authorization, content-type, mcp-protocol-version",
    );
    response
}

async fn document(State(issuer): State<Arc<Issuer>>) -> Response {
    answer(StatusCode::OK, &metadata::document(&issuer))
}

async fn jwks(State(issuer): State<Arc<Issuer>>) -> Response {
    let mut response = answer(StatusCode::OK, &issuer.jwks());
    let cache = format!("public, max-age={}", issuer.settings.jwks_max_age);
    set(&mut response, header::CACHE_CONTROL, &cache);
    response
}

async fn token(State(issuer): State<Arc<Issuer>>, headers: HeaderMap, body: Bytes) -> Response {
    match grant::token(&issuer, &headers, &body) {
        Ok(token) => answer(StatusCode::OK, &token),
        Err(refusal) => {
            let body = json!({ "error": refusal.error, "error_description": refusal.description });
            let mut response = answer(refusal.status, &body);
            if refusal.challenge {
                set(&mut response, header::WWW_AUTHENTICATE, "Basic realm=\"toolgate issuer\"");
            }
            response
        }
    }
}

async fn nothing_here() -> Response {
    answer(StatusCode::NOT_FOUND, &json!({ "error": "not_found" }))
}
