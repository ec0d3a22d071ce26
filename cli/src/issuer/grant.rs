// SPDX-License-Identifier: Apache-2.0
//! The token endpoint: client credentials (RFC 6749 section 4.4), `resource` (RFC 8707), access tokens (RFC 9068).

use std::collections::BTreeMap;

use axum::http::{HeaderMap, StatusCode, header};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::{
    issuer::{clients::Client, state::Issuer},
    jws,
};

/// An error body of RFC 6749 section 5.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) description: String,
    /// Whether the client tried HTTP Basic, and is to be challenged for it.
    pub(super) challenge: bool,
}

impl Refusal {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description: description.into(), challenge: false }
    }

    fn invalid(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    fn client(challenge: bool) -> Self {
        let description = "unknown client or wrong secret".to_owned();
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description, challenge }
    }
}

/// The parameters of a request: each one once, but for `resource`.
#[derive(Debug, Default)]
struct Form {
    single: BTreeMap<String, String>,
    resources: Vec<String>,
}

impl Form {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::invalid("send application/x-www-form-urlencoded"));
        }
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(body).filter(|(_, value)| !value.is_empty()) {
            if name == "resource" {
                form.resources.push(value.into_owned());
            } else if form.single.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Refusal::invalid("a parameter is there twice"));
            }
        }
        Ok(form)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.single.get(name).map(String::as_str)
    }
}

/// Answers a token request.
pub(super) fn token(issuer: &Issuer, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let form = Form::read(headers, body)?;
    let (id, client) = authenticate(issuer, headers, &form)?;
    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err(Refusal::new("unsupported_grant_type", "only client_credentials")),
        None => return Err(Refusal::invalid("grant_type is missing")),
    }
    let scope = scope(client, form.get("scope"))?;
    let mut claims = issuer.claims(&client.subject, &id, audience(issuer, &form.resources)?);
    claims.insert("roles".to_owned(), json!(client.roles));
    claims.extend(client.claims.clone());
    if let Some(scope) = &scope {
        claims.insert("scope".to_owned(), json!(scope));
    }
    let Some(key) = issuer.key(None) else {
        return Err(Refusal::new("server_error", "no key"));
    };
    let token = jws::sign(&key, &jws::access_token_header(&key), &claims);
    let mut answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": issuer.settings.token_lifetime });
    if let (Some(scope), Some(answer)) = (scope, answer.as_object_mut()) {
        answer.insert("scope".to_owned(), json!(scope));
    }
    Ok(answer)
}

fn authenticate<'i>(
    issuer: &'i Issuer,
    headers: &HeaderMap,
    form: &Form,
) -> Result<(String, &'i Client), Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let header = values.next();
    let challenge = header.is_some();
    let credentials = match (header, form.get("client_secret")) {
        (Some(_), Some(_)) => return Err(Refusal::invalid("two ways of authentication at once")),
        (Some(_), None) if values.next().is_some() => {
            return Err(Refusal::invalid("two Authorization headers"));
        }
        (Some(value), None) => basic(value.as_bytes()),
        (None, secret) => {
            form.get("client_id").zip(secret).map(|(id, secret)| (id.to_owned(), secret.to_owned()))
        }
    };
    let (id, secret) = credentials.ok_or_else(|| Refusal::client(challenge))?;
    if form.get("client_id").is_some_and(|named| named != id) {
        return Err(Refusal::invalid("client_id is not the client that authenticates"));
    }
    let client = issuer.clients.authenticate(&id, &secret).ok_or_else(|| Refusal::client(challenge))?;
    Ok((id, client))
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

fn scope(client: &Client, asked: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(asked) = asked else { return Ok(None) };
    // RFC 6749 section 3.3.
    let token = |char: char| matches!(char, '\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
    for scope in asked.split(' ') {
        let known = client.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|known| known == scope));
        if scope.is_empty() || !scope.chars().all(token) || !known {
            return Err(Refusal::new("invalid_scope", "a scope that this client may not ask for"));
        }
    }
    Ok(Some(asked.to_owned()))
}

fn audience(issuer: &Issuer, resources: &[String]) -> Result<Value, Refusal> {
    let absolute = |resource: &String| {
        let (scheme, rest) = resource.split_once(':').unwrap_or_default();
        let scheme_ok = scheme.starts_with(|char: char| char.is_ascii_alphabetic())
            && scheme.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char));
        scheme_ok && !rest.is_empty() && !resource.contains(['#', ' ']) && resource.is_ascii()
    };
    match resources {
        _ if !resources.iter().all(absolute) => {
            Err(Refusal::new("invalid_target", "resource must be an absolute URI without a fragment"))
        }
        [] => Ok(json!(issuer.settings.default_audience)),
        [one] => Ok(json!(one)),
        several => Ok(json!(several)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        issuer::{Clients, Settings},
        signer::{Algorithm, SigningKey},
    };

    fn ask(authorization: Option<&str>, body: &str) -> Result<Value, Refusal> {
        let settings = Settings {
            issuer: "https://idp.example.com".into(),
            default_audience: "https://default.example.com".into(),
            token_lifetime: 300,
            jwks_max_age: 60,
        };
        let issuer =
            Issuer::new(settings, Clients::standard(), SigningKey::generate(Algorithm::Es256).unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        token(&issuer, &headers, body.as_bytes())
    }

    #[test]
    fn a_token_says_who_for_what_and_how_long() {
        let body = "grant_type=client_credentials&client_id=alice&client_secret=alice-secret&scope=a+b&resource=https%3A%2F%2Fmcp.example.com%2Fmcp";
        let answer = ask(None, body).unwrap();
        assert_eq!((answer["expires_in"].as_i64(), answer["scope"].as_str()), (Some(300), Some("a b")));
        let seen = jws::peek(answer["access_token"].as_str().unwrap()).unwrap();
        assert_eq!((&seen.header["typ"], &seen.header["alg"]), (&json!("at+jwt"), &json!("ES256")));
        for (claim, value) in [
            ("iss", json!("https://idp.example.com")),
            ("sub", json!("alice")),
            ("aud", json!("https://mcp.example.com/mcp")),
            ("client_id", json!("alice")),
            ("roles", json!(["developer"])),
            ("scope", json!("a b")),
        ] {
            assert_eq!(seen.claims[claim], value, "{claim}");
        }
        let time = |name: &str| seen.claims[name].as_i64().unwrap();
        assert_eq!((time("exp") - time("iat"), time("nbf")), (300, time("iat")));
    }

    #[test]
    fn basic_authentication_works_and_is_challenged() {
        let answer = ask(Some("Basic Ym9iOmJvYi1zZWNyZXQ="), "grant_type=client_credentials").unwrap();
        let seen = jws::peek(answer["access_token"].as_str().unwrap()).unwrap();
        assert_eq!(seen.claims["aud"], json!("https://default.example.com"));
        let refusal = ask(Some("Basic Ym9iOndyb25n"), "grant_type=client_credentials").unwrap_err();
        assert_eq!((refusal.error, refusal.challenge), ("invalid_client", true));
    }

    #[test]
    fn each_fault_has_its_error() {
        let alice = "client_id=alice&client_secret=alice-secret";
        for (body, error) in [
            ("grant_type=client_credentials".to_owned(), "invalid_client"),
            ("grant_type=client_credentials&client_id=alice&client_secret=no".to_owned(), "invalid_client"),
            (alice.to_owned(), "invalid_request"),
            (format!("{alice}&grant_type=password"), "unsupported_grant_type"),
            (format!("{alice}&grant_type=client_credentials&client_id=bob"), "invalid_request"),
            (format!("{alice}&grant_type=client_credentials&scope=a%22"), "invalid_scope"),
            (format!("{alice}&grant_type=client_credentials&resource=mcp"), "invalid_target"),
            (format!("{alice}&grant_type=client_credentials&resource=https://a%23b"), "invalid_target"),
        ] {
            assert_eq!(ask(None, &body).unwrap_err().error, error, "{body}");
        }
    }
}
