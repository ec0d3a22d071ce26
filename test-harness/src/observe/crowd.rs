//! More callers than there is room for: the buckets of rate limits displace each other.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::Sources;
use crate::{client::Call, envoy::http, tour::Stage};

/// How many limits have a bucket for each address: with the tour's as many as a configuration may have.
const LIMITS: usize = 31;
/// How many addresses call at once.
const WAVE: u32 = 64;

/// Adds limits in shadow to the second server: wide ones, whose buckets take a minute to be full again.
pub(super) fn crowded(configuration: &mut Value) {
    let limit = |number: usize| {
        json!({
            "id": format!("crowd-{number}"), "by": ["address"], "requests": 60, "seconds": 3600, "burst": 1000,
            "counted": "arrived", "shadow": true, "on": { "servers": ["opaque"] },
        })
    };
    if let Some(rates) = configuration["limits"]["rates"].as_array_mut() {
        rates.extend((0..LIMITS).map(limit));
    }
}

/// Calls without a token from one address after another (the bootstrap believes `x-forwarded-for`), until one of them
/// finds no room.
///
/// # Errors
/// If all of them find room, or there is no answer at all.
pub async fn crowd(stage: &Stage, sources: &Sources) -> Result<()> {
    let (url, _) = sources.door(&stage.url());
    let client = http()?;
    let begun = Instant::now();
    for wave in 0.. {
        let calls = (0..WAVE).map(|caller| {
            let [_, a, b, c] = (wave * WAVE + caller).to_be_bytes();
            let address = format!("10.{a}.{b}.{c}");
            let call = Call::post(url.clone(), "{}").header("x-forwarded-for", address);
            let client = &client;
            async move { call.send_by(client).await }
        });
        try_join_all(calls).await?;
        let displaced = stage.envoy.metrics().await?;
        let displaced = displaced.metric("toolgate_rate_buckets_total").label("result", "displaced").value();
        if displaced > 0.0 {
            break;
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "{} callers find room", wave * WAVE);
    }
    Ok(())
}
