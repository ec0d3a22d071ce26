// SPDX-License-Identifier: Apache-2.0
//! The token endpoint: client credentials, authorization codes and refresh tokens (RFC 6749), `resource` (RFC 8707),
//! access tokens (RFC 9068), bound to a key where a proof comes along (RFC 9449).

use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::{
    clock,
    issuer::{
        access::Issued,
        client::{Client, Refresh},
        code::{self, Code},
        dpop::About,
        family::Turn,
        form::{Form, Refusal},
        metrics::Event,
        secret::Secret,
        state::Issuer,
        subject::{self, Terms},
    },
};

/// Answers a token request.
pub(super) async fn token(issuer: &Issuer, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let form = Form::read(headers, body)?;
    let client = issuer.authenticated(headers, &form).await?;
    let about = About { method: "POST", url: &issuer.url("token"), token: None };
    let key = issuer.proofs.key(headers, about, clock::now())?;
    match form.need("grant_type")? {
        "client_credentials" => own(issuer, &form, &client, key),
        "authorization_code" => by_code(issuer, &form, &client, key),
        "refresh_token" => by_refresh(issuer, &form, &client, key),
        _ => Err(Refusal::new(
            "unsupported_grant_type",
            "grant_type can be authorization_code, refresh_token or client_credentials",
        )),
    }
}

/// A token in the client's own name (section 4.4).
fn own(issuer: &Issuer, form: &Form, client: &Client, key: Option<String>) -> Result<Value, Refusal> {
    let Some(subject) = client.own.clone() else {
        return Err(Refusal::new("unauthorized_client", "this client has no name of its own"));
    };
    let terms = Terms {
        client: client.id.clone(),
        subject,
        scope: subject::scope(client.scopes.as_deref(), form.get("scope"))?,
        resources: subject::resources(&form.resources)?,
        key,
    };
    let issued = issuer.issue(&terms, "client_credentials")?;
    Ok(answer(issuer, &issued, &terms, None))
}

/// A token for a code (section 4.1.3).
fn by_code(issuer: &Issuer, form: &Form, client: &Client, key: Option<String>) -> Result<Value, Refusal> {
    let now = clock::now();
    let fresh = issuer.grants().redeem(form, &client.id, &issuer.metrics, now)?;
    if fresh.terms.key.is_some() && fresh.terms.key != key {
        return Err(Refusal::grant("the code is bound to another key"));
    }
    let terms = Terms { key, ..fresh.terms };
    let narrowed = terms.narrowed(None, &form.resources)?;
    let issued = issuer.issue(&narrowed, "authorization_code")?;
    let mut grants = issuer.grants();
    let founded = match fresh.refresh {
        Refresh::Given => Some(grants.found(terms, &issued, now + issuer.settings.refresh_lifetime, now)?),
        Refresh::Withheld => None,
    };
    let (refresh, family) = founded.unzip();
    let used = Code::Used { family, token: (issued.id.clone(), issued.until) };
    // Its place has just become free; remembered for as long as what it gave can be used.
    let _ = grants.codes.insert(Secret::of(form.need("code")?), used, now + code::LIFETIME * 10, now);
    drop(grants);
    Ok(answer(issuer, &issued, &narrowed, refresh))
}

/// A token for a refresh token, and the next refresh token (section 6).
fn by_refresh(issuer: &Issuer, form: &Form, client: &Client, key: Option<String>) -> Result<Value, Refusal> {
    let now = clock::now();
    let turn = issuer.grants().turn(form.need("refresh_token")?, &client.id, now);
    let (family, terms) = match turn {
        Turn::Current(family, terms) => (family, terms),
        Turn::Ended => {
            issuer.count(Event::Refresh("reused"));
            return Err(Refusal::grant("the refresh token was used before; the login has ended"));
        }
        Turn::Unknown => {
            issuer.count(Event::Refresh("unknown"));
            return Err(Refusal::grant("the refresh token is unknown or has expired"));
        }
    };
    if terms.key.is_some() && terms.key != key {
        issuer.count(Event::Refresh("unproven"));
        return Err(Refusal::grant("the refresh token is bound to another key"));
    }
    let terms = Terms { key, ..terms.narrowed(form.get("scope"), &form.resources)? };
    let issued = issuer.issue(&terms, "refresh_token")?;
    let next = issuer.grants().renew(&family, &issued, now);
    let next = next.ok_or_else(|| Refusal::grant("the login has ended"))?;
    issuer.count(Event::Refresh("renewed"));
    Ok(answer(issuer, &issued, &terms, Some(next)))
}

/// The body of section 5.1.
fn answer(issuer: &Issuer, issued: &Issued, terms: &Terms, refresh: Option<String>) -> Value {
    let kind = if terms.key.is_some() { "DPoP" } else { "Bearer" };
    let mut answer = json!({ "access_token": issued.token, "token_type": kind, "expires_in": issuer.settings.token_lifetime });
    if let Some(members) = answer.as_object_mut() {
        members.extend(terms.scope.as_ref().map(|scope| ("scope".to_owned(), json!(scope))));
        members.extend(refresh.map(|token| ("refresh_token".to_owned(), json!(token))));
    }
    answer
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;
    use crate::{
        issuer::{Known, Settings},
        jws,
        signer::{Algorithm, SigningKey},
    };

    async fn ask(authorization: Option<&str>, body: &str) -> Result<Value, Refusal> {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let issuer = Issuer::new(Settings::of("https://idp.example.com"), Known::standard(), key);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        token(&issuer, &headers, body.as_bytes()).await
    }

    #[tokio::test]
    async fn a_token_says_who_for_what_and_how_long() {
        let body = "grant_type=client_credentials&client_id=alice&client_secret=alice-secret&scope=a+b&resource=https%3A%2F%2Fmcp.example.com%2Fmcp";
        let answer = ask(None, body).await.unwrap();
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

    #[tokio::test]
    async fn basic_authentication_works_and_is_challenged() {
        let answer = ask(Some("Basic Ym9iOmJvYi1zZWNyZXQ="), "grant_type=client_credentials").await.unwrap();
        let seen = jws::peek(answer["access_token"].as_str().unwrap()).unwrap();
        assert_eq!(seen.claims["aud"], json!("https://default.example.com"));
        let refusal = ask(Some("Basic Ym9iOndyb25n"), "grant_type=client_credentials").await.unwrap_err();
        assert_eq!((refusal.error, refusal.challenge.is_some()), ("invalid_client", true));
    }

    #[tokio::test]
    async fn each_fault_has_its_error() {
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
            (format!("{alice}&grant_type=authorization_code"), "invalid_request"),
            (format!("{alice}&grant_type=authorization_code&code=x"), "invalid_grant"),
            (format!("{alice}&grant_type=refresh_token&refresh_token=tgr_x.y"), "invalid_grant"),
            (
                "grant_type=client_credentials&client_id=gate&client_secret=gate-secret".to_owned(),
                "unauthorized_client",
            ),
        ] {
            assert_eq!(ask(None, &body).await.unwrap_err().error, error, "{body}");
        }
    }
}
