//! Tokens: what is refused, what is remembered, and how keys come and go.

use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use toolgate_harness::{
    client::Answer,
    gate::{Gate, Mode, Upstream},
    in_both_modes,
    jwks::{Key, TestIssuer, now},
    scripted::Scripted,
    serve::wait_for,
    shared_gate,
};

shared_gate!(gate, |mode| Gate::scripted(mode, |_| ()));

in_both_modes!(gate:
    no_token_is_challenged_without_an_error,
    bad_claims_are_refused,
    bad_headers_are_refused,
    bad_credentials_are_refused,
    every_flipped_byte_is_refused,
    a_token_in_the_query_is_refused,
    both_algorithms_are_accepted,
    audiences_may_be_a_list,
);

async fn with(gate: &Gate, token: &str) -> Result<Answer> {
    gate.call("token-test", "echo", json!({})).token(token).send().await
}

fn refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    assert_eq!(answer.code(), Some(401), "{what}");
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with("Bearer "), "{what}: {challenge}");
    assert!(challenge.contains("resource_metadata=\"http://127.0.0.1:"), "{what}: {challenge}");
    assert!(challenge.contains("error=\"invalid_token\""), "{what}: {challenge}");
}

async fn no_token_is_challenged_without_an_error(gate: &Gate) -> Result<()> {
    let answer = gate.call("no-token", "echo", json!({})).send().await?;
    assert_eq!(answer.status, 401);
    let metadata = gate.envoy.url("/.well-known/oauth-protected-resource/mcp");
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert_eq!(challenge, format!("Bearer resource_metadata=\"{metadata}\""));
    assert_eq!(answer.message()["id"], Value::Null, "the body is not looked at before the caller is known");
    assert!(gate.upstream.seen().with("no-token").is_empty());
    Ok(())
}

async fn bad_claims_are_refused(gate: &Gate) -> Result<()> {
    let key = gate.issuer.key()?;
    let good = gate.claims("alice", &["developer"]);
    let change = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().map(|claims| claims.remove(name));
        claims
    };
    let cases = [
        ("another issuer", change("iss", json!("https://idp.example.com"))),
        ("issuer with a slash", change("iss", json!(format!("{}/", gate.issuer.issuer())))),
        ("no issuer", without("iss")),
        ("another audience", change("aud", json!("https://other.example.com/mcp"))),
        ("audience with a slash", change("aud", json!(format!("{}/", gate.audience())))),
        ("no audience", without("aud")),
        ("empty audiences", change("aud", json!([]))),
        ("audience is a number", change("aud", json!(1))),
        ("expired", change("exp", json!(now() - 3600))),
        ("no expiry", without("exp")),
        ("expiry is a text", change("exp", json!("2099-01-01"))),
        ("not yet valid", change("nbf", json!(now() + 3600))),
    ];
    for (what, claims) in cases {
        refused(&with(gate, &key.sign(&claims)?).await?, what);
    }
    assert_eq!(with(gate, &key.sign(&good)?).await?.status, 200);
    assert_eq!(with(gate, &key.sign(&change("exp", json!(now() - 2)))?).await?.status, 200, "leeway");
    Ok(())
}

async fn bad_headers_are_refused(gate: &Gate) -> Result<()> {
    let key = gate.issuer.key()?;
    let claims = gate.claims("alice", &["developer"]).to_string();
    let kid = &key.id;
    let headers = [
        ("none", json!({ "alg": "none", "kid": kid })),
        ("no algorithm", json!({ "kid": kid })),
        ("an algorithm not allowed", json!({ "alg": "RS512", "kid": kid })),
        ("the algorithm of another key", json!({ "alg": "ES256", "kid": kid })),
        ("lower case", json!({ "alg": "rs256", "kid": kid })),
        ("crit", json!({ "alg": "RS256", "kid": kid, "crit": ["exp"] })),
        ("b64", json!({ "alg": "RS256", "kid": kid, "b64": false, "crit": ["b64"] })),
        ("jku", json!({ "alg": "RS256", "kid": kid, "jku": "https://evil.example.com/jwks" })),
        ("jwk", json!({ "alg": "RS256", "kid": kid, "jwk": key.jwk })),
        ("x5u", json!({ "alg": "RS256", "kid": kid, "x5u": "https://evil.example.com/x" })),
        ("an identity assertion", json!({ "alg": "RS256", "kid": kid, "typ": "oauth-id-jag+jwt" })),
        ("an unknown key", json!({ "alg": "RS256", "kid": "nobody" })),
        ("a key that is no text", json!({ "alg": "RS256", "kid": 1 })),
    ];
    for (what, header) in headers {
        refused(&with(gate, &key.sign_raw(&header.to_string(), &claims)?).await?, what);
    }
    let twice = format!(r#"{{"alg":"RS256","kid":"{kid}","alg":"RS256"}}"#);
    refused(&with(gate, &key.sign_raw(&twice, &claims)?).await?, "a member twice in the header");
    let header = json!({ "alg": "RS256", "kid": kid }).to_string();
    let twice = claims.replacen('{', r#"{"sub":"root","#, 1);
    refused(&with(gate, &key.sign_raw(&header, &twice)?).await?, "a claim twice");
    refused(&with(gate, &key.sign_raw(&header, "[]")?).await?, "claims that are a list");
    refused(&with(gate, &confused(gate, &key)?).await?, "the public key as an HMAC secret");
    refused(
        &with(gate, &Key::generate(kid, Algorithm::RS256)?.sign(&serde_json::from_str(&claims)?)?).await?,
        "forged",
    );
    Ok(())
}

/// Algorithm confusion: HS256 under what everybody knows.
fn confused(gate: &Gate, key: &Key) -> Result<String> {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(key.id.clone());
    let secret = EncodingKey::from_secret(key.jwk["n"].as_str().unwrap_or_default().as_bytes());
    Ok(jsonwebtoken::encode(&header, &gate.claims("alice", &["developer"]), &secret)?)
}

async fn bad_credentials_are_refused(gate: &Gate) -> Result<()> {
    let good = gate.token("alice", &["developer"])?;
    let (message, _) = good.rsplit_once('.').unwrap_or_default();
    let tokens = [
        ("no signature", format!("{message}.")),
        ("two parts", message.to_owned()),
        ("four parts", format!("{good}.x")),
        ("padding", format!("{good}=")),
        ("nonsense", "nonsense".to_owned()),
        ("dots", "..".to_owned()),
        ("truncated", good.chars().take(good.len() - 3).collect()),
    ];
    for (what, token) in tokens {
        let answer = with(gate, &token).await?;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    }
    let malformed = [
        ("bare", good.clone()),
        ("empty", String::new()),
        ("a space", format!("Bearer {good} x")),
        ("huge", format!("Bearer {good}{}", "A".repeat(20_000))),
    ];
    for (what, value) in malformed {
        let answer = gate.call("scheme", "echo", json!({})).header("authorization", &value).send().await?;
        assert_eq!((answer.status, answer.code()), (400, Some(-32600)), "{what}: {}", answer.text());
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("error=\"invalid_request\""), "{what}: {challenge}");
    }
    // RFC 6750 section 3.1: credentials of another scheme count as none.
    let answer = gate
        .call("scheme", "echo", json!({}))
        .header("authorization", format!("Basic {good}"))
        .send()
        .await?;
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert_eq!((answer.status, challenge.contains("error=")), (401, false), "{challenge}");
    assert!(gate.upstream.seen().with("scheme").is_empty());
    let lower = gate.call("scheme", "echo", json!({})).header("authorization", format!("bearer {good}"));
    assert_eq!(lower.send().await?.status, 200, "the scheme's name has no case (RFC 9110 11.1)");
    Ok(())
}

async fn every_flipped_byte_is_refused(gate: &Gate) -> Result<()> {
    let token = gate.issuer.key_for(Algorithm::ES256)?.sign(&gate.claims("alice", &["developer"]))?;
    // Every seventh byte: the engine's own tests flip every bit.
    for at in (0..token.len()).step_by(7) {
        let mut bytes = token.clone().into_bytes();
        let byte = bytes[at];
        // The last character of each part may hold unused bits: flip the highest one.
        bytes[at] = match byte {
            b'.' => continue,
            b'A'..=b'Z' => byte.to_ascii_lowercase(),
            b'a'..=b'z' => byte.to_ascii_uppercase(),
            _ => b'x',
        };
        let answer = with(gate, &String::from_utf8(bytes)?).await?;
        assert_eq!(answer.status, 401, "byte {at}");
    }
    Ok(())
}

async fn a_token_in_the_query_is_refused(gate: &Gate) -> Result<()> {
    let token = gate.token("alice", &["developer"])?;
    let url = format!("{}?access_token={token}", gate.url());
    let call =
        toolgate_harness::client::Call::modern(url, "in-query", "tools/call", json!({ "name": "echo" }));
    let answer = call.send().await?;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(gate.upstream.seen().with("in-query").is_empty());
    Ok(())
}

async fn both_algorithms_are_accepted(gate: &Gate) -> Result<()> {
    for algorithm in [Algorithm::RS256, Algorithm::ES256] {
        let token = gate.issuer.key_for(algorithm)?.sign(&gate.claims("alice", &["developer"]))?;
        assert_eq!(with(gate, &token).await?.status, 200, "{algorithm:?}");
    }
    Ok(())
}

async fn audiences_may_be_a_list(gate: &Gate) -> Result<()> {
    let mut claims = gate.claims("alice", &["developer"]);
    claims["aud"] = json!(["https://other.example.com", gate.audience()]);
    assert_eq!(with(gate, &gate.issuer.key()?.sign(&claims)?).await?.status, 200);
    Ok(())
}

/// A gate of its own, with two workers: its keys change under it.
async fn two_workers(change: impl FnOnce(&mut Value)) -> Result<Gate> {
    let upstream = Upstream::Scripted(Scripted::start()?);
    Gate::start(Mode::Held, upstream, change, |gateway| gateway.concurrency = 2).await
}

fn keys_change_quickly(configuration: &mut Value) {
    configuration["issuers"]["corp"]["jwks"]["min_refresh_seconds"] = json!(1);
}

#[tokio::test]
async fn one_fetch_serves_all_workers_and_all_calls() -> Result<()> {
    let gate = two_workers(|_| ()).await?;
    for subject in ["alice", "bob", "carol"] {
        let token = gate.token(subject, &["developer"])?;
        let answers = join_all((0..20).map(|_| with(&gate, &token))).await;
        for answer in answers {
            assert_eq!(answer?.status, 200);
        }
    }
    assert_eq!(gate.issuer.fetches(), 1);
    Ok(())
}

#[tokio::test]
async fn calls_wait_for_slow_keys() -> Result<()> {
    for mode in [Mode::Streamed, Mode::Held] {
        let (issuer, upstream) = (TestIssuer::start()?, Upstream::Scripted(Scripted::start()?));
        issuer.hold();
        let gate =
            Gate::start_under(issuer, mode, upstream, |_| (), |gateway| gateway.concurrency = 2).await?;
        let token = gate.token("alice", &["developer"])?;
        let denied = gate.call("waits-denied", "admin_reset", json!({})).token(&token);
        let calls = join_all((0..8).map(|_| with(&gate, &token)));
        let mut calls = std::pin::pin!(futures::future::join(calls, denied.send()));
        let fetched = wait_for("a fetch of the keys", Duration::from_secs(10), || async {
            (gate.issuer.fetches() > 0).then_some(())
        });
        tokio::select! {
            _ = &mut calls => panic!("calls were answered before the keys were there"),
            fetched = fetched => fetched?,
        }
        assert_eq!(gate.upstream.seen().with("token-test").len(), 0);
        gate.issuer.release();
        let (answers, denied) = calls.await;
        for answer in answers {
            assert_eq!(answer?.status, 200);
        }
        assert_eq!(denied?.status, 403);
        assert_eq!(gate.issuer.fetches(), 1, "one fetch for all");
    }
    Ok(())
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() -> Result<()> {
    let gate = two_workers(keys_change_quickly).await?;
    let old = gate.token("alice", &["developer"])?;
    assert_eq!(with(&gate, &old).await?.status, 200);
    let key = gate.issuer.add("rsa-2", Algorithm::RS256)?;
    let new = key.sign(&gate.claims("alice", &["developer"]))?;
    wait_for("the new key to be taken", Duration::from_secs(10), || async {
        (with(&gate, &new).await.ok()?.status == 200).then_some(())
    })
    .await?;
    assert_eq!(with(&gate, &old).await?.status, 200);
    let impostor = Key::generate("rsa-2", Algorithm::RS256)?.sign(&gate.claims("alice", &["developer"]))?;
    refused(&with(&gate, &impostor).await?, "another key under the new name");
    Ok(())
}

#[tokio::test]
async fn unknown_keys_do_not_cause_a_fetch_each() -> Result<()> {
    let gate = two_workers(|_| ()).await?;
    assert_eq!(with(&gate, &gate.token("alice", &["developer"])?).await?.status, 200);
    let key = gate.issuer.key()?;
    let claims = gate.claims("alice", &["developer"]).to_string();
    for round in 0..30 {
        let header = json!({ "alg": "RS256", "kid": format!("unknown-{round}") }).to_string();
        assert_eq!(with(&gate, &key.sign_raw(&header, &claims)?).await?.status, 401);
    }
    assert!(gate.issuer.fetches() <= 2, "{} fetches", gate.issuer.fetches());
    Ok(())
}

#[tokio::test]
async fn an_issuer_that_fails_is_asked_again() -> Result<()> {
    let (issuer, upstream) = (TestIssuer::start()?, Upstream::Scripted(Scripted::start()?));
    issuer.answer_with(StatusCode::SERVICE_UNAVAILABLE);
    let change = |configuration: &mut Value| {
        keys_change_quickly(configuration);
        configuration["limits"] = json!({ "max_wait_milliseconds": 1000 });
    };
    let gate = Gate::start_under(issuer, Mode::Held, upstream, change, |_| ()).await?;
    let token = gate.token("alice", &["developer"])?;
    let answer = with(&gate, &token).await?;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.message()["jsonrpc"], "2.0");
    assert!(gate.issuer.fetches() > 0);
    gate.issuer.answer_with(StatusCode::OK);
    wait_for("the gate to recover", Duration::from_secs(15), || async {
        (with(&gate, &token).await.ok()?.status == 200).then_some(())
    })
    .await?;
    Ok(())
}
