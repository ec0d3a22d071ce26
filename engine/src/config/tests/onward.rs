// SPDX-License-Identifier: Apache-2.0
//! The gate's own signer in the configuration.

use super::*;

fn with(server: &str, signer: &str) -> String {
    let top = format!(r#","signer":{{{signer}}}"#);
    let top = if signer.is_empty() { "" } else { &top };
    Parts { server: &format!("{SERVER}{server}"), top, ..PARTS }.json()
}

const KEYS: &str = r#""keys":[{"env":"SEED"}],"issuer":"https://gate""#;

#[test]
fn a_signer_is_read_and_never_printed() {
    let config = good(&with("", KEYS));
    let signer = config.signer.as_ref().expect("a signer");
    assert_eq!(signer.jwks_path(), "/.well-known/toolgate/jwks.json");
    assert!(!format!("{config:?}").contains("10, 10") && !format!("{config:?}").contains("0a0a"));
    assert!(good(&PARTS.json()).signer.is_none());
}

#[test]
fn an_upstream_that_asks_for_the_token_misses_the_gate_by_itself() {
    let told = |server: &str| {
        let json = with(server, KEYS).replacen('{', r#"{"host":{"presence":false},"#, 1);
        let config = good(&json);
        config.warnings.iter().any(|warning| warning.message.contains("are not marked"))
    };
    assert!(told(""));
    assert!(!told(r#","upstream":{"internal_jwt":{"audience":"https://inner"}}"#));
}

#[test]
fn what_cannot_work_is_refused() {
    let jwt = |more: &str| format!(r#","upstream":{{"internal_jwt":{{"audience":"https://inner"}}{more}}}"#);
    for (json, expected) in [
        (with(&jwt(""), ""), "servers[0].upstream.internal_jwt: nothing signs it | add `signer`"),
        (
            with(&jwt(r#","authorization":"keep""#), KEYS),
            "servers[0].upstream.internal_jwt.header: two credentials would stand in `Authorization` | take `authorization` out, or write `header: x-toolgate-token`",
        ),
        (
            with(r#","upstream":{"internal_jwt":{"audience":""}}"#, KEYS),
            "servers[0].upstream.internal_jwt.audience: the audience is empty | write what the upstream expects as `aud`",
        ),
        (
            with("", r#""keys":[],"issuer":"https://gate""#),
            "signer.keys: there is no key to sign with | add one",
        ),
        (
            with("", r#""keys":[{"env":"SHORT"}],"issuer":"https://gate""#),
            "signer.keys[0].env: the value of `SHORT` is not 64 hexadecimal digits | make one with `openssl rand -hex 32`",
        ),
        (
            with("", r#""keys":[{"env":"SEED"}],"issuer":"""#),
            "signer.issuer: the issuer is empty | write the `iss` that upstreams expect",
        ),
        (
            with("", &format!(r#"{KEYS},"lifetime_seconds":61"#)),
            "signer.lifetime_seconds: 61 is outside 10 to 60 | -",
        ),
        (
            with("", &format!(r#"{KEYS},"jwks_path":"/mcp""#)),
            "signer.jwks_path: `/mcp` belongs to server `s` | take another path",
        ),
        (
            with("", &format!(r#"{KEYS},"jwks_path":"/a/../b""#)),
            "signer.jwks_path: `/a/../b` could be read in two ways | write it like `/keys.json`",
        ),
    ] {
        assert_eq!(complaint(&json), expected, "{json}");
    }
    let route = r#","routes":[{"name":"r","match":{"path":"/r"},"allow":"anyone","answer":"whoami"}]"#;
    assert_eq!(
        complaint(&Parts { top: route, ..PARTS }.json()),
        "routes[0].answer: nobody is known here | replace `allow` by `policy` and `issuers`"
    );
    let route = route.replace(r#""answer":"whoami""#, r#""upstream":{"internal_jwt":{"audience":"a"}}"#);
    assert_eq!(
        complaint(&Parts { top: &route, ..PARTS }.json()),
        "routes[0].upstream.internal_jwt: nobody is known here | replace `allow` by `policy` and `issuers`"
    );
}
