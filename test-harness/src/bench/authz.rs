//! The policy server of the reference line `ext_authz`: a process of its own that answers Envoy's question about each
//! request, with the tokens that it has verified in memory. What people build before they look for a gate.

use std::{
    collections::HashMap,
    io::Write,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::JwkSet};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::tokens::{ISSUER, RESOURCE};

#[derive(Debug, Deserialize)]
struct Claims {
    roles: Vec<String>,
}

#[derive(Deserialize)]
struct Message {
    method: String,
    params: Params,
}

#[derive(Deserialize)]
struct Params {
    name: String,
}

struct Judge {
    keys: HashMap<String, DecodingKey>,
    known: Mutex<HashMap<String, Vec<String>>>,
}

/// Serves for ever on a free port, whose number is the first line of stdout; the keys are in a file.
///
/// # Errors
/// If the keys cannot be read, no port can be bound, or stdout is gone.
pub fn serve(jwks: &str) -> Result<()> {
    let set: JwkSet = serde_json::from_str(&std::fs::read_to_string(jwks)?)?;
    let key = |jwk: &jsonwebtoken::jwk::Jwk| {
        Ok((jwk.common.key_id.clone().context("a key without an id")?, DecodingKey::from_jwk(jwk)?))
    };
    let keys = set.keys.iter().map(key).collect::<Result<_>>()?;
    let judge = Arc::new(Judge { keys, known: Mutex::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut out = std::io::stdout();
        writeln!(out, "{}", listener.local_addr()?)?;
        out.flush()?;
        axum::serve(listener, Router::new().fallback(answer).with_state(judge)).await?;
        ensure!(false, "the policy server ended");
        Ok(())
    })
}

async fn answer(State(judge): State<Arc<Judge>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(roles) = token.and_then(|token| judge.roles(token)) else { return StatusCode::UNAUTHORIZED };
    let Ok(message) = serde_json::from_slice::<Message>(&body) else { return StatusCode::BAD_REQUEST };
    let tools = |role: &String| match role.as_str() {
        "developer" => ["code_edit", "get_weather"],
        "readonly" => ["get_weather", "echo"],
        _ => ["", ""],
    };
    let allowed = message.method == "tools/call"
        && roles.iter().any(|role| tools(role).contains(&message.params.name.as_str()));
    if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN }
}

impl Judge {
    fn roles(&self, token: &str) -> Option<Vec<String>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(roles) = known.get(token) {
            return Some(roles.clone());
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        let mut rules = Validation::new(match header.alg {
            Algorithm::ES256 => Algorithm::ES256,
            _ => Algorithm::RS256,
        });
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[RESOURCE]);
        let claims = decode::<Claims>(token, self.keys.get(&header.kid?)?, &rules).ok()?.claims;
        known.insert(token.to_owned(), claims.roles.clone());
        Some(claims.roles)
    }
}
