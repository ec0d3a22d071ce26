// SPDX-License-Identifier: Apache-2.0
//! API keys, client certificates and requirements: what they become, and what is refused.

use super::*;
use crate::connection::TlsVersion;

const HASH: &str = "sha256:AAAAAAAAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn keys(entries: &str) -> String {
    format!(r#","api_keys":{{"partners":{{"keys":[{entries}]}}}}"#).replace("HASH", HASH)
}

fn with(server: &str, top: &str) -> String {
    Parts { server: &format!("{SERVER}{server}"), top, ..PARTS }.json()
}

#[test]
fn credentials_are_resolved() {
    let top = keys(
        r#"{"id":"b","owner":"acme","hash":"HASH","roles":["ops"],"expires":"2027-01-01T00:00:00Z","labels":{"team":"x"}},
           {"id":"a","owner":"acme","hash":"HASH","revoked":true},{"id":"c","owner":"acme","hash":"HASH"}"#,
    );
    let top = format!(
        r#"{top},"client_certificates":{{"forwarded":{{"trusted_hops":[{{"network":"10.0.0.0/8"}},{{"dns":"gate"}}],"element_from_end":2}}}}"#
    );
    let server = r#","api_keys":["partners"],"require_tls":"1.3","require":{"credentials":["token","certificate"],"max_age_seconds":60}"#;
    let config = good(&with(server, &top));
    let ids: Vec<&str> = config.api_keys.all().iter().map(|key| &*key.id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!((&*config.api_keys.sets[0].header, &*config.api_keys.sets[0].prefix), ("x-api-key", "tgk"));
    let credentials = &config.servers[0].credentials;
    assert_eq!(credentials.api_keys, [0]);
    // What is required is looked at.
    assert_eq!(credentials.certificates, Certificates::Factor);
    assert!(config.servers[0].metadata.contains(r#""tls_client_certificate_bound_access_tokens":true,"#));
    assert_eq!(config.servers[0].tls, Some(TlsVersion::V1_3));
    assert!(
        matches!(&config.forwarded, ForwardedHeader::From(rules) if rules.element == 2 && rules.hops.len() == 2)
    );
    let told: Vec<&str> = config.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert!(told.contains(&"API key `c` never expires") && !told.contains(&"API key `a` never expires"));
    assert!(told.iter().any(|told| told.starts_with("a hop is known by its network")));
    assert!(!told.iter().any(|told| told.contains("series")));
    let few = good(&with("", &format!(r#"{},"metrics":{{"max_series":11}}"#, top)));
    let few: Vec<&str> = few.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert!(few.contains(&"3 API keys may take 6 of 11 series, and leave too few for verdicts"), "{few:?}");
    assert!(matches!(good(&with("", "")).forwarded, ForwardedHeader::Untouched));
    assert!(matches!(
        good(&with(r#","client_certificates":"factor""#, "")).forwarded,
        ForwardedHeader::Removed
    ));
    let tool = r#","tools":{"catalogue":[{"name":"t","require":{"credentials":["certificate"]}}]}"#;
    let config = good(&with(tool, ""));
    assert!(matches!(config.forwarded, ForwardedHeader::Removed));
    assert_eq!(config.servers[0].credentials.certificates, Certificates::Factor);
    // Whoever has a key can call: no issuer is needed.
    let alone = SERVER.replace(r#""issuers":["corp"]"#, r#""issuers":[],"api_keys":["partners"]"#);
    assert_eq!(
        good(&Parts { server: &alone, top: &keys(""), ..PARTS }.json()).servers[0].challenge_url(),
        None
    );
}

#[test]
fn a_plain_key_cannot_stand_in_the_configuration() {
    let secret = crate::apikey::compose("tgk", "one", &[5; 32]);
    for entry in [
        format!(r#"{{"id":"one","owner":"a","hash":"{secret}"}}"#),
        format!(r#"{{"id":"{secret}","owner":"a","hash":"HASH"}}"#),
        format!(r#"{{"id":"one","owner":"a","hash":"HASH","key":"{secret}"}}"#),
        format!(r#"{{"id":"one","owner":"a","hash":["{secret}"]}}"#),
    ] {
        let complaint = complaint(&with("", &keys(&entry)));
        assert!(
            !complaint.contains(&secret) && complaint.starts_with("api_keys.partners.keys[0]"),
            "{complaint}"
        );
    }
}

#[test]
fn a_key_has_a_header_of_its_own() {
    for header in [
        "authorization",
        "accept-encoding",
        "transfer-encoding",
        "te",
        "expect",
        "upgrade",
        "user-agent",
        "last-event-id",
        "forwarded",
        "x-forwarded-for",
        "x-request-id",
    ] {
        let told = complaint(&with("", &format!(r#","api_keys":{{"partners":{{"header":"{header}"}}}}"#)));
        let expected = format!(
            "api_keys.partners.header: `{header}` has a meaning of its own | choose another, like `x-api-key`"
        );
        assert_eq!(told, expected);
    }
    good(&with("", r#","api_keys":{"partners":{"header":"x-partner"}}"#));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let entry = |more: &str| with("", &keys(&format!(r#"{{"id":"a","owner":"o","hash":"HASH"{more}}}"#)));
    let set = |more: &str| with("", &format!(r#","api_keys":{{"partners":{{{more}}}}}"#));
    let hop = |hop: &str| {
        with("", &format!(r#","client_certificates":{{"forwarded":{{"trusted_hops":[{hop}]}}}}"#))
    };
    let require = |server: &str| with(server, &keys(""));
    for (json, expected) in [
        (set(r#""header":"X-Api-Key""#), "api_keys.partners.header: `X-Api-Key` cannot be the header"),
        (
            set(r#""header":"authorization""#),
            "api_keys.partners.header: `authorization` has a meaning of its own",
        ),
        (set(r#""header":"x-toolgate-key""#), "api_keys.partners.header: `x-toolgate-key` has a meaning"),
        (set(r#""header":"mcp-session-id""#), "api_keys.partners.header: `mcp-session-id` has a meaning"),
        (set(r#""prefix":"tgk_""#), "api_keys.partners.prefix: `tgk_` cannot be what keys begin with"),
        (set(r#""prefix":"t""#), "api_keys.partners.prefix: `t` cannot"),
        (entry(r#","expires":"tomorrow""#), "api_keys.partners.keys[0].expires: `tomorrow` is not a time"),
        (entry(r#","roles":[""]"#), "api_keys.partners.keys[0].roles: a text here is empty"),
        (
            with("", &keys(r#"{"id":"a","owner":"o","hash":"HASH"},{"id":"a","owner":"o","hash":"HASH"}"#)),
            "api_keys.partners.keys[1].id: key `a` stands twice",
        ),
        (hop(""), "client_certificates.forwarded.trusted_hops: nobody is trusted"),
        (hop("{}"), "client_certificates.forwarded.trusted_hops[0]: a hop is known by one thing"),
        (hop(r#"{"uri":"a","dns":"b"}"#), "client_certificates.forwarded.trusted_hops[0]: a hop is known"),
        (
            hop(r#"{"network":"10.0.0.1/8"}"#),
            "client_certificates.forwarded.trusted_hops[0].network: `10.0.0.1/8` has",
        ),
        (
            require(r#","api_keys":["partner"]"#),
            "servers[0].api_keys[0]: there is no set of API keys `partner`",
        ),
        (
            require(r#","require":{"credentials":["api_key"]}"#),
            "servers[0].require: nobody could show an API key here",
        ),
        (
            require(r#","api_keys":["partners"],"require":{"credentials":["api_key"],"acr":["x"]}"#),
            "servers[0].require: nobody could show both an API key and a token here",
        ),
        (
            require(r#","require":{"acr":["a b"]}"#),
            "servers[0].require.acr[0]: `a b` cannot stand in a challenge",
        ),
        (
            require(r#","require_tls":"1.1""#),
            "servers[0].require_tls: `1.1` is not one of the words known here",
        ),
        (
            require(r#","client_certificates":"yes""#),
            "servers[0].client_certificates: `yes` is not one of the words",
        ),
        (
            require(r#","tools":{"catalogue":[{"name":"t","require":{"credentials":["api_key"]}}]}"#),
            "servers[0].tools.catalogue[0].require: nobody could show an API key here",
        ),
        (
            with(
                "",
                r#","routes":[{"name":"r","match":{"path":"/r"},"allow":"anyone","require":{"amr":["otp"]}}]"#,
            ),
            "routes[0]: `allow: anyone` asks nobody who calls",
        ),
    ] {
        let complaint = complaint(&json);
        assert!(complaint.starts_with(expected), "{complaint}");
    }
    let nobody = SERVER.replace(
        r#""issuers":["corp"]"#,
        r#""issuers":[],"api_keys":["partners"],"require":{"max_age_seconds":1}"#,
    );
    let complaint = complaint(&Parts { server: &nobody, top: &keys(""), ..PARTS }.json());
    assert!(complaint.starts_with("servers[0].require: nobody could show a token here"), "{complaint}");
}
