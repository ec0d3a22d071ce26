// SPDX-License-Identifier: Apache-2.0
//! What is written and would do nothing, or not what it seems to.

use super::*;

fn with(server: &str, top: &str) -> String {
    Parts { server: &format!("{SERVER}{server}"), top, ..PARTS }.json()
}

fn audit(audit: &str) -> String {
    with("", &format!(r#","audit":{{{audit}}},"secrets":{{"audit":{{"env":"STATE_KEY"}}}}"#))
}

fn tools(tools: &str) -> String {
    with(&format!(r#","tools":{{{tools}}}"#), "")
}

#[test]
fn what_would_do_nothing_is_refused() {
    let nothing = "nothing is recorded | add to `audit.outlets`, or take it out";
    let pins = "no tool has a `pin`, so nothing would be withheld | print pins with `toolgate tools pin FILE`, or take `drift` out";
    for (json, path, expected) in [
        (audit(r#""arguments":"names""#), "audit.arguments", nothing),
        (audit(r#""arguments":"hashes""#), "audit.arguments", nothing),
        (audit(r#""allows_per_mille":10"#), "audit.allows_per_mille", nothing),
        (
            audit(r#""outlets":["log"],"redact":["/password"]"#),
            "audit.redact",
            "no argument is recorded | set `audit.arguments`, or take it out",
        ),
        (tools(r#""drift":"withhold""#), "servers[0].tools.drift", pins),
        (tools(r#""drift":"withhold","catalogue":[{"name":"a"}]"#), "servers[0].tools.drift", pins),
    ] {
        assert_eq!(complaint(&json), format!("{path}: {expected}"), "{json}");
    }
    let spaced =
        "white space stands before or behind `echo`, and no call would be of that tool | take it out";
    for (json, path, expected) in [
        (
            with("", r#","clusters":{"idp.example.com":""}"#),
            "clusters.idp.example.com",
            "the cluster has no name | write the name of a cluster of the proxy",
        ),
        (tools(r#""catalogue":[{"name":" echo"}]"#), "servers[0].tools.catalogue[0].name", spaced),
        (tools(r#""catalogue":[{"name":"echo\u00a0"}]"#), "servers[0].tools.catalogue[0].name", spaced),
    ] {
        assert_eq!(complaint(&json), format!("{path}: {expected}"), "{json}");
    }
    let pin = "0".repeat(64);
    for json in [
        audit(r#""outlets":["log"],"arguments":"names","redact":["/password"],"allows_per_mille":10"#),
        audit(r#""outlets":[],"arguments":"none","allows_per_mille":1000"#),
        tools(&format!(
            r#""drift":"withhold","catalogue":[{{"name":"a"}},{{"name":"b","pin":"sha256:{pin}"}}]"#
        )),
        tools(r#""drift":"report""#),
    ] {
        good(&json);
    }
}

/// The warnings whose message holds `part`, with their paths.
fn warned(json: &str, part: &str) -> Vec<String> {
    let config = good(json);
    let told = config.warnings.iter().filter(|warning| warning.message.contains(part));
    told.map(|warning| Config::path_text(&warning.path)).collect()
}

#[test]
fn a_policy_that_is_its_own_shadow_is_told() {
    let same = with(r#","shadow_policy":"default""#, "");
    let next = same.replace(r#""policies":{"#, &format!(r#""policies":{{"next":{POLICY},"#));
    let other = next.replace(r#""shadow_policy":"default""#, r#""shadow_policy":"next""#);
    for (json, expected) in [(same, &["servers[0].shadow_policy"][..]), (other, &[])] {
        assert_eq!(warned(&json, "would never differ"), expected, "{json}");
    }
}

#[test]
fn what_goes_over_plain_http_is_told() {
    const CLUSTERS: &str = r#","clusters":{"h":"h"}"#;
    let issuer = |keys: &str| {
        let issuer = format!(r#""issuer":"https://h","audiences":["https://mcp.example.com/mcp"],{keys}"#);
        Parts { issuer: &issuer, top: CLUSTERS, ..PARTS }.json()
    };
    let top = |top: &str| with("", &format!("{CLUSTERS},{top}"));
    let collector = |more: &str| {
        top(&format!(r#""audit":{{"outlets":["collector"],"collector":{{"uri":"https://h/x"{more}}}}}"#))
    };
    let feed = |more: &str| {
        top(&format!(
            r#""revocation":{{"feeds":{{"f":{{"uri":"https://h/x","on_failure":"close"{more}}}}}}}"#
        ))
    };
    let signed = r#","public_key":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    for (https, path) in [
        (issuer(r#""algorithms":["RS256"],"jwks":{"uri":"https://h/x"}"#), "issuers.corp.jwks.uri"),
        (issuer(r#""algorithms":["RS256"],"jwks":{"discover":true}"#), "issuers.corp.jwks.discover"),
        (
            issuer(
                r#""introspection":{"uri":"https://h/x","client_id":"c","client_secret":{"env":"STATE_KEY"}}"#,
            ),
            "issuers.corp.introspection.uri",
        ),
        (feed(""), "revocation.feeds.f.uri"),
        (feed(signed), ""),
        (collector(r#","authorization":{"env":"UPSTREAM_TOKEN"}"#), "audit.collector.uri"),
        (collector(""), ""),
    ] {
        assert_eq!(warned(&https, "plain HTTP"), [""; 0], "{https}");
        let expected = [path].into_iter().filter(|path| !path.is_empty()).collect::<Vec<_>>();
        assert_eq!(warned(&https.replace("https://h", "http://h"), "plain HTTP"), expected, "{https}");
    }
}
