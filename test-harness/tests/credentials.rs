//! API keys and client certificates under Envoy: keys made by the command, certificates over a real mutual TLS.

use std::sync::OnceLock;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use toolgate_harness::{
    gate::{Gate, Mode, Upstream},
    in_both_modes,
    mtls::Authority,
    paths,
    scrape::Metrics,
    scripted::Scripted,
    shared_gate,
};

shared_gate!(gate, start);

in_both_modes!(gate:
    a_key_made_by_the_command_passes_and_stays_here,
    a_certificate_says_who_calls,
    a_bound_token_is_good_over_its_connection_alone,
    a_hop_tells_of_its_clients_and_nobody_else_does,
    an_old_version_of_tls_is_refused,
);

/// The authority of this process: its certificates stand in every bootstrap.
fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let make = || -> Result<Authority> {
            let authority = Authority::new("credentials")?;
            authority.issue("server", "IP:127.0.0.1")?;
            authority.issue("ci", "URI:spiffe://corp/ci,DNS:ci.corp")?;
            authority.issue("stranger", "URI:spiffe://corp/stranger")?;
            authority.issue("hop", "URI:spiffe://corp/hop")?;
            Ok(authority)
        };
        make().unwrap_or_else(|error| panic!("{error:?}"))
    })
}

/// A key of the command, and its entry.
fn key() -> &'static (String, Value) {
    static KEY: OnceLock<(String, Value)> = OnceLock::new();
    KEY.get_or_init(|| {
        let make = || -> Result<(String, Value)> {
            let mut command = std::process::Command::new(paths::toolgate()?);
            let made = command.args(["apikey", "create", "--json", "--owner", "acme"]).output()?;
            let made: Value = serde_json::from_slice(&made.stdout)?;
            Ok((made["key"].as_str().context("no key")?.to_owned(), made["entry"].clone()))
        };
        make().unwrap_or_else(|error| panic!("{error:?}"))
    })
}

async fn start(mode: Mode) -> Result<Gate> {
    let change = |configuration: &mut Value| {
        configuration["api_keys"] = json!({ "partners": { "keys": [key().1] } });
        configuration["client_certificates"] =
            json!({ "forwarded": { "trusted_hops": [{ "uri": "spiffe://corp/hop" }] } });
        let server = &mut configuration["servers"][0];
        server["api_keys"] = json!(["partners"]);
        server["client_certificates"] = json!("identity");
        server["require_tls"] = json!("1.3");
        let bindings = configuration.pointer_mut("/policies/default/inline/bindings");
        let bindings = bindings.and_then(Value::as_array_mut);
        bindings.into_iter().for_each(|bindings| {
            bindings
                .push(json!({ "role": "developer", "when": { "key": { "owner": { "equals": "acme" } } } }));
            let uri = json!({ "contains": "spiffe://corp/ci" });
            bindings.push(json!({ "role": "developer", "when": { "certificate": { "uri": uri } } }));
        });
    };
    let upstream = Upstream::Scripted(Scripted::start()?);
    Gate::start(mode, upstream, change, |gateway| gateway.patch = Some(with_tls)).await
}

fn with_tls(bootstrap: &mut Value) {
    let socket = authority().socket("server").unwrap_or_else(|error| panic!("{error:?}"));
    let chain = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0];
    chain["transport_socket"] = socket;
    let manager = &mut chain["filters"][0]["typed_config"];
    manager["forward_client_cert_details"] = json!("ALWAYS_FORWARD_ONLY");
}

/// Calls `echo`; the status, and the reason of a refusal.
fn call(
    gate: &Gate,
    mark: &str,
    client: Option<&str>,
    headers: &[(&str, &str)],
    more: &[&str],
) -> Result<(u16, String)> {
    let usual = gate.call(mark, "echo", json!({}));
    let call = headers.iter().fold(usual, |call, (name, value)| call.header(name, value));
    let answer = authority().send(&call, client, more)?;
    Ok((answer.status, answer.reason().unwrap_or_default()))
}

fn is(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

async fn a_key_made_by_the_command_passes_and_stays_here(gate: &Gate) -> Result<()> {
    let (key, entry) = key();
    let id = entry["id"].as_str().context("no id")?;
    let bearer = format!("Bearer {key}");
    for (mark, name, value) in [("key-header", "x-api-key", key), ("key-bearer", "authorization", &bearer)] {
        assert_eq!(call(gate, mark, None, &[(name, value)], &[])?, is(200, ""), "{mark}");
        let seen = gate.upstream.seen().with(mark);
        let seen = seen.first().context("nothing came through")?;
        assert_eq!(seen.header("x-toolgate-subject"), Some("acme"));
        assert_eq!(seen.header("x-toolgate-client"), Some(id));
        assert_eq!((seen.header("x-api-key"), seen.header("authorization")), (None, None));
    }
    let mut spoilt = key.clone();
    spoilt.pop();
    assert_eq!(call(gate, "key-bad", None, &[("x-api-key", &spoilt)], &[])?, is(401, "invalid_token"));
    let both = [("x-api-key", key.as_str()), ("authorization", &bearer)];
    assert_eq!(call(gate, "key-bad", None, &both, &[])?, is(400, "invalid_request"));
    assert!(gate.upstream.seen().with("key-bad").is_empty());
    let attempts = |metrics: &Metrics, result: &str| {
        let attempts = metrics.metric("toolgate_auth_attempts_total").label("credential", "api_key");
        attempts.label("result", result).value()
    };
    let metrics =
        gate.envoy.metrics_with("two good attempts", |metrics| attempts(metrics, "success") >= 2.0).await?;
    let used = metrics.metric("toolgate_api_key_last_used_timestamp_seconds").label("key", id).value();
    let ends = metrics.metric("toolgate_api_key_expires_timestamp_seconds").label("key", id).value();
    assert!(used > 1_700_000_000.0 && ends > used, "{used} {ends}");
    assert!(attempts(&metrics, "api_key_malformed") >= 1.0);
    Ok(())
}

async fn a_certificate_says_who_calls(gate: &Gate) -> Result<()> {
    assert_eq!(call(gate, "certificate-ci", Some("ci"), &[], &[])?, is(200, ""));
    let seen = gate.upstream.seen().with("certificate-ci");
    let subject = seen.first().and_then(|seen| seen.header("x-toolgate-subject"));
    assert_eq!(subject, Some("spiffe://corp/ci"));
    assert_eq!(call(gate, "certificate-bad", None, &[], &[])?, is(401, "missing_token"));
    assert_eq!(call(gate, "certificate-bad", Some("stranger"), &[], &[])?, is(403, "no_role"));
    assert!(gate.upstream.seen().with("certificate-bad").is_empty());
    Ok(())
}

async fn a_bound_token_is_good_over_its_connection_alone(gate: &Gate) -> Result<()> {
    let mut claims = gate.claims("alice", &["developer"]);
    claims["cnf"] = json!({ "x5t#S256": authority().x5t("stranger")? });
    let token = format!("Bearer {}", gate.issuer.key()?.sign(&claims)?);
    let with = [("authorization", token.as_str())];
    for _ in 0..2 {
        assert_eq!(call(gate, "bound-good", Some("stranger"), &with, &[])?, is(200, ""));
        assert_eq!(call(gate, "bound-bad", Some("ci"), &with, &[])?, is(401, "invalid_token"));
        assert_eq!(call(gate, "bound-bad", None, &with, &[])?, is(401, "invalid_token"));
    }
    assert!(gate.upstream.seen().with("bound-bad").is_empty());
    Ok(())
}

async fn a_hop_tells_of_its_clients_and_nobody_else_does(gate: &Gate) -> Result<()> {
    let digest: String = authority().digest("ci")?.iter().map(|byte| format!("{byte:02x}")).collect();
    let told = format!("By=spiffe://corp/hop;Hash={digest};Subject=\"CN=ci,O=Corp\";URI=spiffe://corp/ci");
    let told = [("x-forwarded-client-cert", told.as_str())];
    assert_eq!(call(gate, "hop-good", Some("hop"), &told, &[])?, is(200, ""));
    // A hop without a client's certificate is not that client, and others cannot tell of anybody.
    assert_eq!(call(gate, "hop-bad", Some("hop"), &[], &[])?, is(401, "missing_token"));
    assert_eq!(call(gate, "hop-bad", Some("stranger"), &told, &[])?, is(403, "no_role"));
    assert_eq!(call(gate, "hop-bad", None, &told, &[])?, is(401, "missing_token"));
    let broken = [("x-forwarded-client-cert", "URI=\"spiffe://corp/ci")];
    assert_eq!(call(gate, "hop-bad", Some("hop"), &broken, &[])?, is(400, "invalid_request"));
    assert!(gate.upstream.seen().with("hop-bad").is_empty());
    // What a client made up goes nowhere, also where its own certificate lets it through.
    assert_eq!(call(gate, "hop-made-up", Some("ci"), &told, &[])?, is(200, ""));
    let seen = gate.upstream.seen().with("hop-made-up");
    assert_eq!(seen.first().map(|seen| seen.header("x-forwarded-client-cert")), Some(None));
    Ok(())
}

async fn an_old_version_of_tls_is_refused(gate: &Gate) -> Result<()> {
    let old = call(gate, "tls-old", Some("ci"), &[], &["--tls-max", "1.2"])?;
    assert_eq!(old, is(403, "tls_required"));
    assert!(gate.upstream.seen().with("tls-old").is_empty());
    assert_eq!(call(gate, "tls-new", Some("ci"), &[], &["--tlsv1.3"])?, is(200, ""));
    Ok(())
}
