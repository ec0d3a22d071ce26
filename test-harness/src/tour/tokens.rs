//! Rows about tokens: missing, foreign, stale, forged; and a key that changes.

use anyhow::Result;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL};
use http::Method;
use serde_json::{Value, json};

use super::{Row, Stage};
use crate::{client::Call, issuer::Client, jwks};

pub(super) async fn rows(stage: &Stage) -> Result<Vec<Row>> {
    let mut rows = vec![no_token(stage).await?, metadata(stage).await?];
    let refused = "401 (code 401)";
    for (who, what, mark, token) in bad_tokens(stage).await? {
        let call = stage.call(mark, "echo", json!({})).token(&token);
        rows.push(stage.row(who, what, refused, mark, &call).await?);
    }
    Ok(rows)
}

async fn no_token(stage: &Stage) -> Result<Row> {
    let answer = stage.call("no-token", "echo", json!({})).send().await?;
    let metadata = stage.envoy.url("/.well-known/oauth-protected-resource/mcp");
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    let points = challenge.starts_with("Bearer ")
        && challenge.contains(&format!("resource_metadata=\"{metadata}\""))
        && !challenge.contains("error=");
    let got = stage.verdict(&answer, "no-token");
    let got = if points { format!("{got}, points to the metadata") } else { format!("{got}, `{challenge}`") };
    let row = Row::new("nobody", "a call without a token", "401 (code 401), points to the metadata", got);
    Ok(row.because(answer.reason()))
}

async fn metadata(stage: &Stage) -> Result<Row> {
    let url = stage.envoy.url("/.well-known/oauth-protected-resource/mcp");
    let answer = Call::new(Method::GET, url).send().await?;
    let document = answer.message();
    let right = document["resource"] == stage.url().as_str()
        && document["authorization_servers"] == json!([stage.issuer.endpoints().issuer]);
    let got = if right {
        format!("{}, names the issuer", answer.status)
    } else {
        format!("{}, {document}", answer.status)
    };
    Ok(Row::new("nobody", "the metadata document (RFC 9728)", "200, names the issuer", got))
}

type BadToken = (&'static str, &'static str, &'static str, String);

async fn bad_tokens(stage: &Stage) -> Result<Vec<BadToken>> {
    let alice = stage.token(Client::Alice);
    let good = claims(alice);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut claims = good.clone();
        change(&mut claims);
        claims
    };
    let elsewhere = with(&|claims| claims["aud"] = json!("https://other.example.com/mcp"));
    let expired = with(&|claims| {
        claims["iat"] = json!(jwks::now() - 7200);
        claims["exp"] = json!(jwks::now() - 3600);
    });
    let foreign = stage.foreign.token("alice", &stage.url(), &["developer"])?;
    // The header is alice's own, key id included: only the signature can tell.
    let header = alice.split('.').next().and_then(|part| URL.decode(part).ok()).unwrap_or_default();
    let key = stage.foreign.key_for(jsonwebtoken::Algorithm::RS256)?;
    let forged = key.sign_raw(&String::from_utf8_lossy(&header), &good.to_string())?;
    Ok(vec![
        ("mallory", "a token of a foreign issuer", "foreign-issuer", foreign),
        ("mallory", "alice's claims under a key of her own", "forged", forged),
        ("alice", "a token for another audience", "wrong-audience", stage.issuer.mint(&elsewhere).await?),
        ("alice", "an expired token", "expired", stage.issuer.mint(&expired).await?),
        ("mallory", "one bit of the signature flipped", "bit-flipped", flip_one_bit(alice)),
        ("mallory", "alg: none", "alg-none", without_signature(&good)),
    ])
}

/// The claims of a token, unverified.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).and_then(|part| URL.decode(part).ok());
    serde_json::from_slice(&payload.unwrap_or_default()).unwrap_or_default()
}

/// Flips the lowest bit of the signature's middle byte.
pub(super) fn flip_one_bit(token: &str) -> String {
    let Some((message, signature)) = token.rsplit_once('.') else { return token.to_owned() };
    let mut bytes = URL.decode(signature).unwrap_or_default();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    format!("{message}.{}", URL.encode(bytes))
}

fn without_signature(claims: &Value) -> String {
    let header = json!({ "alg": "none", "typ": "at+jwt" }).to_string();
    // Some signature, so that nothing but the algorithm is wrong with its form.
    format!("{}.{}.AA", URL.encode(header), URL.encode(claims.to_string()))
}

/// Calls go on while the issuer changes its key: old and new tokens must both pass.
pub(super) async fn rotation(stage: &Stage) -> Result<Vec<Row>> {
    const ROUNDS: usize = 10;
    let old = stage.token(Client::Alice).to_owned();
    let (mut passed, mut sent) = (0, 0);
    let mut reason = None;
    let mut tokens = vec![old.clone()];
    for round in 0..ROUNDS {
        if round == ROUNDS / 2 {
            stage.issuer.rotate(None).await?;
            tokens.push(stage.issuer.token(Client::Alice, &stage.url()).await?);
        }
        for token in &tokens {
            let answer =
                stage.call("rotation", "echo", json!({ "round": round })).token(token).send().await?;
            sent += 1;
            passed += usize::from(answer.status == 200);
            reason = reason.or(answer.reason());
        }
    }
    let key = |token: &str| token.split('.').next().map(str::to_owned);
    let changed = tokens.last().is_some_and(|new| key(new) != key(&old));
    let got = format!("{passed} of {sent} pass{}", if changed { "" } else { ", the key did not change" });
    Ok(vec![Row::new("alice", "the key is rotated while calls go on", "15 of 15 pass", got).because(reason)])
}
