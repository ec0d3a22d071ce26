// SPDX-License-Identifier: Apache-2.0
//! Tokens after they were given out: asked about (RFC 7662), revoked (RFC 7009), and all ended by a logout.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{
    clock,
    issuer::{
        access::{number, text},
        client::Introspection,
        form::{Form, Refusal},
        metrics::Event,
        state::Issuer,
    },
};

/// Answers what an access token says, to clients that may ask. A refresh token is no access token: it is not active.
pub(super) async fn introspect(issuer: &Issuer, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let form = Form::read(headers, body)?;
    let client = issuer.authenticated(headers, &form).await?;
    if client.introspection == Introspection::Refused {
        let refusal = Refusal::new("access_denied", "this client may not introspect");
        return Err(refusal.with_status(StatusCode::FORBIDDEN));
    }
    let Some(mut claims) = issuer.recognised(form.need("token")?) else {
        issuer.count(Event::Introspected("inactive"));
        return Ok(json!({ "active": false }));
    };
    issuer.count(Event::Introspected("active"));
    let kind = if claims.contains_key("cnf") { "DPoP" } else { "Bearer" };
    claims.insert("active".to_owned(), json!(true));
    claims.insert("token_type".to_owned(), json!(kind));
    Ok(Value::Object(claims))
}

/// Ends a token of the client that asks; a refresh token ends with its family. What is unknown has ended already.
pub(super) async fn revoke(issuer: &Issuer, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let form = Form::read(headers, body)?;
    let client = issuer.authenticated(headers, &form).await?;
    let (token, now) = (form.need("token")?, clock::now());
    let mut grants = issuer.grants();
    if let Some(family) = grants.family_of(token, &client.id, now) {
        grants.end_family(&family, now);
        issuer.count(Event::Ended("family"));
        return Ok(json!({}));
    }
    drop(grants);
    let Some(claims) = issuer.recognised(token) else { return Ok(json!({})) };
    if text(&claims, "client_id") != client.id {
        return Err(Refusal::new("unauthorized_client", "the token was given to another client"));
    }
    issuer.grants().end_token(text(&claims, "jti"), number(&claims, "exp"), now)?;
    issuer.count(Event::Ended("token"));
    Ok(json!({}))
}

/// Ends every token and every family of the subject whose access token comes with the request.
pub(super) fn logout(issuer: &Issuer, headers: &HeaderMap) -> Result<Value, Refusal> {
    let claims = issuer.caller(headers, "logout")?;
    let (subject, now) = (text(&claims, "sub"), clock::now());
    let mut grants = issuer.grants();
    // Times are whole seconds: what was made in this one has ended as well.
    let from = now.saturating_add(1);
    let until = from.saturating_add(issuer.settings.token_lifetime);
    grants.stopped.insert(subject.to_owned(), from, until, now).map_err(|_| Refusal::full())?;
    let families = grants.end_families_of(subject, now);
    issuer.count(Event::Ended("subject"));
    Ok(json!({ "subject": subject, "logins_ended": families }))
}

/// The revocation list: what a gate has to refuse although it has not expired.
pub(super) fn revoked(issuer: &Issuer) -> Value {
    let now = clock::now();
    let grants = issuer.grants();
    let mut tokens: Vec<&String> = grants.ended.live(now).map(|(id, ())| id).collect();
    tokens.sort_unstable();
    let subjects = grants.stopped.live(now).map(|(subject, from)| (subject.clone(), json!(from)));
    let subjects: serde_json::Map<String, Value> = subjects.collect();
    json!({ "jti": tokens, "not_before": { "sub": subjects } })
}

#[cfg(test)]
mod tests {
    use toolgate_engine::{
        feed::Content,
        revocation::{HashKey, List},
        time::UnixTime,
    };

    use super::*;
    use crate::{
        issuer::{Known, Settings},
        jws,
        signer::{Algorithm, SigningKey},
    };

    #[test]
    fn the_longest_list_is_one_that_a_gate_reads() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let issuer = Issuer::new(Settings::of("https://idp.example.com"), Known::standard(), key);
        let now = clock::now();
        {
            let mut grants = issuer.grants();
            while grants.ended.insert(jws::random_id(), (), now + 600, now).is_ok() {}
            let mut number = 0;
            while grants.stopped.insert(format!("subject-{number}"), now, now + 600, now).is_ok() {
                number += 1;
            }
        }
        let list = revoked(&issuer).to_string();
        let read = List::read(list.as_bytes(), &HashKey([0; 16]), None, UnixTime::from_secs(0));
        assert!(read.is_ok(), "{} bytes: {:?}", list.len(), read.err());
    }
}
