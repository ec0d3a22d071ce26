//! What the gate fetches about its issuers: what it does while that fails, where it looks, and how often.

use std::time::{Duration, Instant};

use anyhow::Result;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL};
use futures::future::join_all;
use http::StatusCode;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use toolgate_harness::{
    bootstrap::{Delivery, Gateway},
    client::{Answer, Call},
    envoy::{Envoy, Update},
    gate::{Gate, Mode, Upstream, configuration, plugin_configuration},
    jwks::{Key, TestIssuer, now},
    scripted::Scripted,
    serve::wait_for,
    site::{Page, Site},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Two workers; every issuer is a folder of one site, and all have the same key.
struct Stage {
    envoy: Envoy,
    site: Site,
    key: Key,
    _upstream: Scripted,
}

impl Stage {
    /// Each issuer with the members of its `jwks`.
    async fn start(site: Site, key: Key, issuers: &[(&str, Value)]) -> Result<Self> {
        let upstream = Scripted::start()?;
        let authority = site.address().to_string();
        let mut all = plugin_configuration("x", "x", &authority, Mode::Held)?;
        let pattern = all["issuers"]["corp"].take();
        all["issuers"] = json!({});
        for (name, jwks) in issuers {
            let mut issuer = pattern.clone();
            issuer["issuer"] = json!(site.url(name));
            issuer["jwks"] = jwks.clone();
            all["issuers"][label(name)] = issuer;
        }
        all["servers"][0]["issuers"] = issuers.iter().map(|(name, _)| label(name)).collect();
        all["clusters"]["down.example.com"] = json!("down");
        all["limits"] = json!({ "max_wait_milliseconds": 500 });
        let mut gateway = Gateway::new(upstream.address(), site.address()).with_plugin(all)?;
        gateway.concurrency = 2;
        gateway.patch = Some(add_cluster_that_is_down);
        Ok(Self { envoy: Envoy::start(gateway).await?, site, key, _upstream: upstream })
    }

    fn keys(&self) -> Page {
        Page::Bytes(json!({ "keys": [self.key.jwk] }).to_string().into_bytes())
    }

    /// A call with a fresh token of this issuer: none is remembered.
    async fn call(&self, issuer: &str, subject: &str) -> Result<Answer> {
        let token = self.key.sign(&json!({
            "iss": self.site.url(issuer), "sub": subject, "aud": self.envoy.url("/mcp"), "iat": now(),
            "exp": now() + 300, "client_id": "harness", "roles": ["developer"],
        }))?;
        let params = json!({ "name": "echo", "arguments": {} });
        Call::modern(self.envoy.url("/mcp"), "feeds", "tools/call", params).token(&token).send().await
    }

    async fn until(&self, issuer: &str, status: u16) -> Result<()> {
        let reached = || async { (self.call(issuer, "until").await.ok()?.status == status).then_some(()) };
        wait_for(&format!("{status} for `{issuer}`"), PATIENCE, reached).await
    }

    async fn fetched(&self, metric: &str, issuer: &str, result: &str) -> f64 {
        let Ok(metrics) = self.envoy.metrics().await else { return 0.0 };
        metrics.metric(metric).label("issuer", label(issuer)).label("result", result).value()
    }

    async fn until_fetched(&self, metric: &str, issuer: &str, result: &str, before: f64) -> Result<()> {
        wait_for(&format!("{metric} {issuer} {result}"), PATIENCE, || async {
            (self.fetched(metric, issuer, result).await > before).then_some(())
        })
        .await
    }

    /// Alerts look at numbers, so there are some before the first set: no keys, and an age that goes up.
    async fn until_known_to_have_no_keys(&self, issuer: &str) -> Result<()> {
        wait_for(&format!("no keys of {issuer}, and their age"), PATIENCE, || async {
            let metrics = self.envoy.metrics().await.ok()?;
            let [keys, age] = ["toolgate_jwks_keys", "toolgate_jwks_age_seconds"]
                .map(|name| metrics.metric(name).label("issuer", label(issuer)));
            (keys.count() == 1 && keys.value() == 0.0 && age.value() >= 2.0).then_some(())
        })
        .await
    }
}

/// The name of an issuer in the configuration, by its folder.
fn label(folder: &str) -> &str {
    match folder.trim_start_matches('/') {
        "" => "root",
        name => name,
    }
}

fn add_cluster_that_is_down(bootstrap: &mut Value) {
    let mut cluster = bootstrap["static_resources"]["clusters"][1].clone();
    let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    cluster["name"] = json!("down");
    cluster["load_assignment"]["cluster_name"] = json!("down");
    if let Some(port) = cluster.pointer_mut(address) {
        *port = json!(1);
    }
    if let Some(clusters) = bootstrap["static_resources"]["clusters"].as_array_mut() {
        clusters.push(cluster);
    }
}

const FETCHES: &str = "toolgate_jwks_fetches_total";

/// How an issuer's key set fails, and the word by which that is counted.
fn failures() -> Vec<(&'static str, Page, &'static str)> {
    vec![
        ("/slow", Page::Silence, "timeout"),
        ("/broken", Page::Status(StatusCode::INTERNAL_SERVER_ERROR), "status"),
        ("/missing", Page::Status(StatusCode::NOT_FOUND), "status"),
        ("/redirect", Page::Redirect("/elsewhere".to_owned()), "status"),
        ("/garbage", Page::Bytes(b"<html>".to_vec()), "not_json"),
        ("/empty", Page::Bytes(br#"{"keys":[]}"#.to_vec()), "no_usable_key"),
        ("/large", Page::Bytes(vec![b' '; 1 << 20]), "too_large"),
        // Larger than what Envoy buffers for a call: it gives no answer at all.
        ("/huge", Page::Bytes(vec![b' '; 50 << 20]), "transport"),
    ]
}

#[tokio::test]
async fn a_failing_issuer_leaves_the_last_good_keys_and_concerns_nobody_else() -> Result<()> {
    let (site, key) = (Site::start()?, Key::generate("rsa-1", Algorithm::RS256)?);
    let quick = |path: &str| {
        // Only silence is waited for: on a busy machine what is huge takes its time, and must not end as what is slow.
        let timeout = if path.starts_with("/slow/") { 300 } else { 5_000 };
        json!({
            "uri": site.url(path), "min_refresh_seconds": 1, "max_refresh_seconds": 1, "timeout_milliseconds": timeout,
        })
    };
    let mut issuers: Vec<(&str, Value)> =
        failures().iter().map(|(name, _, _)| (*name, quick(&format!("{name}/jwks")))).collect();
    let mut short = quick("/short/jwks");
    short["max_stale_seconds"] = json!(2);
    issuers.push(("/short", short));
    issuers.push(("/plain", json!({ "uri": site.url("/plain/jwks") })));
    issuers.push(("/down", json!({ "uri": "http://down.example.com/jwks", "min_refresh_seconds": 1 })));
    for (name, page, _) in failures() {
        site.put(&format!("{name}/jwks"), page);
    }
    let keys = json!({ "keys": [key.jwk] });
    ["/short/jwks", "/plain/jwks", "/elsewhere"].iter().for_each(|path| site.json(path, &keys));
    let stage = Stage::start(site, key, &issuers).await?;

    // From the start: no keys, so nobody is let in; other issuers are not concerned.
    stage.until("/short", 200).await?;
    for (name, _, word) in failures().into_iter().chain([("/down", Page::Silence, "status")]) {
        let answer = stage.call(name, "first").await?;
        assert_eq!(answer.status, 503, "{name}: {}", answer.text());
        assert_eq!(answer.header("retry-after"), Some("5"), "{name}");
        stage.until_fetched(FETCHES, name, word, 0.0).await?;
    }
    stage.until_known_to_have_no_keys("/down").await?;
    assert_eq!(stage.site.asked("/elsewhere").times, 0, "a redirect was followed");

    // Each recovers by itself.
    failures().iter().for_each(|(name, _, _)| stage.site.put(&format!("{name}/jwks"), stage.keys()));
    for (name, _, _) in failures() {
        stage.until(name, 200).await?;
    }

    // Later: the last good keys serve, on both workers.
    for (name, page, word) in failures() {
        let before = stage.fetched(FETCHES, name, word).await;
        stage.site.put(&format!("{name}/jwks"), page);
        stage.until_fetched(FETCHES, name, word, before).await?;
        for call in 0..4 {
            let answer = stage.call(name, &format!("later-{call}")).await?;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        }
    }

    // Keys that are older than `max_stale_seconds` are used no more.
    stage.site.put("/short/jwks", Page::Status(StatusCode::BAD_GATEWAY));
    stage.until("/short", 503).await?;
    stage.site.put("/short/jwks", stage.keys());
    stage.until("/short", 200).await?;

    // Without cache headers a set is fresh for ten minutes: one fetch for both workers.
    for call in 0..4 {
        assert_eq!(stage.call("/plain", &format!("plain-{call}")).await?.status, 200);
    }
    assert_eq!(stage.site.asked("/plain/jwks").times, 1);
    Ok(())
}

const DISCOVERIES: &str = "toolgate_discovery_fetches_total";

#[tokio::test]
async fn keys_are_found_where_metadata_says_and_nowhere_else() -> Result<()> {
    let (site, key) = (Site::start()?, Key::generate("rsa-1", Algorithm::RS256)?);
    let places = [
        ("", "/.well-known/oauth-authorization-server"),
        ("/inserted", "/.well-known/oauth-authorization-server/inserted"),
        ("/openid", "/.well-known/openid-configuration/openid"),
        ("/appended", "/appended/.well-known/openid-configuration"),
    ];
    let metadata = |issuer: &str, keys: &str| json!({ "issuer": issuer, "jwks_uri": keys, "x": [1] });
    for (name, place) in places {
        site.json(place, &metadata(&site.url(name), &site.url(&format!("{name}/keys"))));
        site.json(&format!("{name}/keys"), &json!({ "keys": [key.jwk] }));
    }
    let other = format!("{}/", site.url("/other"));
    let bad = [
        ("/other", metadata(&other, &site.url("/keys")), "wrong_issuer"),
        ("/stranger", metadata(&site.url("/stranger"), "http://127.0.0.1:9/keys"), "no_cluster"),
    ];
    let well_known = |name: &str| format!("/.well-known/oauth-authorization-server{name}");
    bad.iter().for_each(|(name, document, _)| site.json(&well_known(name), document));
    let discover = json!({ "discover": true, "min_refresh_seconds": 1, "max_refresh_seconds": 1 });
    let names = places.iter().map(|(name, _)| *name).chain(bad.iter().map(|(name, _, _)| *name));
    let issuers: Vec<(&str, Value)> = names.map(|name| (name, discover.clone())).collect();
    let stage = Stage::start(site, key, &issuers).await?;

    for (name, _) in places {
        stage.until(name, 200).await?;
    }
    for (name, _, word) in bad {
        assert_eq!(stage.call(name, "first").await?.status, 503, "{name}");
        stage.until_fetched(DISCOVERIES, name, word, 0.0).await?;
        let site = &stage.site;
        site.json(&well_known(name), &metadata(&site.url(name), &site.url("/keys")));
        stage.until(name, 200).await?;
    }

    // Keys that move are fetched from the new place; metadata that is gone leaves the last.
    let site = &stage.site;
    site.json("/moved", &json!({ "keys": [stage.key.jwk] }));
    site.json(places[1].1, &metadata(&site.url("/inserted"), &site.url("/moved")));
    wait_for("the new place", PATIENCE, || async { (site.asked("/moved").times > 0).then_some(()) }).await?;
    site.put(places[1].1, Page::Status(StatusCode::NOT_FOUND));
    let before = site.asked("/moved").times;
    wait_for("the last place", PATIENCE, || async {
        (site.asked("/moved").times > before + 1).then_some(())
    })
    .await?;
    assert_eq!(stage.call("/inserted", "moved").await?.status, 200);
    Ok(())
}

/// A token whose signature is never looked at, for its key is not known.
fn unsigned(kid: &str, claims: &Value) -> String {
    let header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": kid });
    let part = |value: &Value| URL.encode(value.to_string());
    [part(&header), part(claims), URL.encode([1_u8; 256])].join(".")
}

#[tokio::test]
async fn a_storm_of_key_ids_causes_the_budgeted_fetches() -> Result<()> {
    let upstream = Upstream::Scripted(Scripted::start()?);
    let tune = |gateway: &mut Gateway| {
        gateway.concurrency = 2;
        gateway.delivery = Delivery::Lds;
    };
    let mut gate = Gate::start(Mode::Held, upstream, |_| (), tune).await?;
    let good = |gate: &Gate, subject: &str| -> Result<Call> {
        Ok(gate.call("storm", "echo", json!({})).token(&gate.token(subject, &["developer"])?))
    };
    assert_eq!(good(&gate, "alice")?.send().await?.status, 200);
    let (claims, began) = (gate.claims("alice", &["developer"]), Instant::now());
    let client = reqwest::Client::builder().no_proxy().build()?;
    for round in 0..100 {
        let calls = (0..100).map(|number| {
            let token = unsigned(&format!("{round}-{number}"), &claims);
            let (call, client) = (gate.call("storm", "echo", json!({})).token(&token), &client);
            async move { call.send_by(client).await }
        });
        for answer in join_all(calls).await {
            assert_eq!(answer?.status, 401);
        }
    }
    // The first fetch; then each of two workers has a burst of two, and one more in each half minute.
    let most = 1 + 2 * (2 + began.elapsed().as_secs() / 30 + 1);
    assert!(gate.issuer.fetches() <= most, "{} fetches, {most} budgeted", gate.issuer.fetches());
    assert_eq!(good(&gate, "bob")?.send().await?.status, 200);

    // Keys survive another configuration, also while the issuer is down.
    gate.issuer.answer_with(StatusCode::INTERNAL_SERVER_ERROR);
    let before = gate.issuer.fetches();
    let mut next = configuration(&gate.issuer, Mode::Held)?;
    next["limits"] = json!({ "max_body_bytes": 4096 });
    assert_eq!(gate.envoy.reconfigure(next).await?, Update::Taken);
    let token = gate.token("alice", &["developer"])?;
    let large = gate.call("large", "echo", json!({ "text": "x".repeat(8192) })).token(&token);
    wait_for("the new configuration", PATIENCE, || async {
        (large.send().await.ok()?.status == 413).then_some(())
    })
    .await?;
    assert_eq!(good(&gate, "carol")?.send().await?.status, 200);
    assert_eq!(gate.issuer.fetches(), before);
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_removed_is_refused_within_the_interval_on_every_worker() -> Result<()> {
    let change = |configuration: &mut Value| {
        let jwks = &mut configuration["issuers"]["corp"]["jwks"];
        jwks["min_refresh_seconds"] = json!(1);
        jwks["max_refresh_seconds"] = json!(1);
    };
    let upstream = Upstream::Scripted(Scripted::start()?);
    let issuer = TestIssuer::start()?;
    let gate =
        Gate::start_under(issuer, Mode::Held, upstream, change, |gateway| gateway.concurrency = 2).await?;
    let old = gate.call("removed", "echo", json!({})).token(&gate.token("alice", &["developer"])?);
    assert_eq!(old.send().await?.status, 200);
    gate.issuer.rotate("rsa-9", Algorithm::RS256)?;
    wait_for("the old key to go", PATIENCE, || async {
        // Each call has a connection of its own, so they are spread over both workers: all of many have to agree.
        let answers = join_all((0..20).map(|_| old.send())).await;
        answers.into_iter().all(|answer| answer.is_ok_and(|answer| answer.status == 401)).then_some(())
    })
    .await?;
    let new = gate.call("removed", "echo", json!({})).token(&gate.token("alice", &["developer"])?);
    assert_eq!(new.send().await?.status, 200);
    Ok(())
}
