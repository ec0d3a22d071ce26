//! The first nine shapes before Envoy's own filters: `jwt_authn`, `mcp` and `rbac`, as the benchmark has them, and with
//! `mcp` in its default mode and a deny rule for the tool. What the table says of them is what they do.

use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use toolgate_harness::{
    bench::{
        chains::{Chain, Parts},
        tokens::{ISSUER, RESOURCE},
    },
    bootstrap::{Gateway, http_filters},
    envoy::Envoy,
    jwks::{Key, now},
    paths,
    scripted::{Script, Scripted},
};

use super::{BAD, Shape, headers, raw, table};

/// The key of the tokens; a patch of the bootstrap cannot hold one.
static KEY: OnceLock<Key> = OnceLock::new();

fn key() -> Result<&'static Key> {
    if KEY.get().is_none() {
        // Whoever is first sets it.
        KEY.set(Key::generate("native", Algorithm::RS256)?).ok();
    }
    KEY.get().context("no key")
}

fn token(role: &str) -> Result<String> {
    let claims =
        json!({ "iss": ISSUER, "aud": RESOURCE, "sub": "mallory", "exp": now() + 600, "roles": [role] });
    key()?.sign(&claims)
}

/// The shipped listener with Envoy's own filters in the place of Toolgate.
fn at_its_best(bootstrap: &mut Value) {
    if let Ok(listener) = native(&bootstrap["static_resources"]["listeners"][0]) {
        bootstrap["static_resources"]["listeners"] = json!([listener]);
    }
}

fn native(shipped: &Value) -> Result<Value> {
    let port = shipped.pointer("/address/socket_address/port_value").and_then(Value::as_u64);
    let none = paths::repository();
    let parts = Parts {
        listener: shipped.clone(),
        noop: &none,
        wasm: &none,
        jwks: json!({ "keys": [key()?.jwk] }),
        authz: ([127, 0, 0, 1], 1).into(),
        more_rules: 0,
    };
    parts.listener(Chain::Native, u16::try_from(port.context("no port")?)?)
}

/// `mcp` passes what it does not take for MCP, and `rbac` denies one tool.
fn in_default_mode(bootstrap: &mut Value) {
    at_its_best(bootstrap);
    let filters = http_filters(bootstrap).ok();
    for filter in filters.into_iter().flatten() {
        let kind = filter["typed_config"]["@type"].clone();
        if filter["name"] == "envoy.filters.http.mcp" {
            filter["typed_config"] = json!({ "@type": kind });
        } else if filter["name"] == "envoy.filters.http.rbac" {
            let path = [json!({ "key": "params" }), json!({ "key": "name" })];
            let bad = json!({ "filter": "envoy.filters.http.mcp", "path": path, "value": { "string_match": { "exact": BAD } } });
            let bad = json!({ "sourced_metadata": { "metadata_matcher": bad } });
            let policy = json!({ "principals": [{ "any": true }], "permissions": [bad] });
            filter["typed_config"] =
                json!({ "@type": kind, "rules": { "action": "DENY", "policies": { "bad": policy } } });
        }
    }
}

/// Sends each row that states what this chain does; the server sees what is answered with 200, and nothing else.
async fn chain(patch: fn(&mut Value), stated: fn(&Shape) -> Option<u16>) -> Result<()> {
    key()?;
    let upstream = Scripted::start()?;
    let mut gateway = Gateway::new(upstream.address(), upstream.address()).with_plugin(json!({}))?;
    gateway.patch = Some(patch);
    let envoy = Envoy::start(gateway).await?;
    let ask = async |row: &Shape| {
        let mark = format!("<{}>", row.id);
        upstream.on(&mark, Script::new("application/json").piece("{}").with_length());
        let mut headers = headers(token, row, &mark)?;
        headers.push(("x-script".to_owned(), mark.clone()));
        let answer = raw(row, headers)?.send(envoy.port()).await?;
        let seen = !upstream.seen().with(&mark).is_empty();
        ensure!(seen == (answer.status == 200), "{}: {} and seen: {seen}", row.id, answer.status);
        anyhow::Ok(answer.status)
    };
    let rows: Vec<Shape> = table()?.requests.into_iter().filter(|row| stated(row).is_some()).collect();
    ensure!(rows.len() == 9, "{} rows", rows.len());
    // The tool asked for plainly is denied, and another is not: the chain judges.
    let plain = |tool: &str| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } });
        Shape { id: tool.to_owned(), body: body.to_string(), ..Shape::default() }
    };
    for (tool, status) in [(BAD, 403), ("echo", 200)] {
        let got = ask(&plain(tool)).await?;
        ensure!(got == status, "{tool}: {got} instead of {status}\n{}", envoy.log());
    }
    let mut faults = Vec::new();
    for row in &rows {
        let got = ask(row).await?;
        if Some(got) != stated(row) {
            faults.push(format!("{}: {got}, and the table says {:?}", row.id, stated(row)));
        }
    }
    if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("\n")) }
}

#[tokio::test]
async fn what_envoys_own_chain_passes_in_its_default_mode() -> Result<()> {
    chain(in_default_mode, |row| row.native).await
}

#[tokio::test]
async fn what_envoys_own_chain_does_at_its_best() -> Result<()> {
    chain(at_its_best, |row| row.native_best).await
}
