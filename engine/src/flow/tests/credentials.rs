// SPDX-License-Identifier: Apache-2.0
//! Callers with API keys and client certificates, and what a place requires of them.

use super::*;
use crate::apikey::{KeyHash, KeyText, compose};
use crate::connection::ConnectionFact as F;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const DIGEST: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// The same in base64url.
const X5T: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const OTHER: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

pub(super) fn key(id: &str) -> String {
    compose("tgk", id, &[7; 32])
}

pub(super) fn entry(id: &str, more: &str) -> String {
    let text = key(id);
    let hash = KeyHash::of(KeyText::parse(text.as_bytes(), "tgk").expect("a key"), [3; 16]).text();
    format!(r#"{{"id":"{id}","owner":"acme","hash":"{hash}"{more}}}"#)
}

/// A server that accepts keys of the set `partners`, under a policy that knows keys and certificates.
fn world(server: &str, top: &str) -> World {
    let keys = [
        entry("one", r#","roles":["ops"],"labels":{"team":"data"}"#),
        entry("two", r#","expires":"2027-01-15T08:00:50Z""#),
        entry("gone", r#","revoked":true"#),
    ];
    let top = format!(r#","api_keys":{{"partners":{{"keys":[{}]}}}}{top}"#, keys.join(","));
    let bindings = r#"{"role":"dev","when":{"any":[{"key":{"owner":{"equals":"acme"}}},
        {"certificate":{"uri":{"contains":"spiffe://corp/ci"}}}]}},"#;
    let policy = POLICY.replace(r#""bindings":["#, &format!(r#""bindings":[{bindings}"#));
    World::of(&document(server, &format!(r#""inline":{}"#, jwks()), &top).replace(POLICY, &policy))
}

fn peer(world: &mut World, facts: &[(F, &str)]) {
    world.connection = Facts::of(facts);
}

const CERTIFICATE: [(F, &str); 2] = [(F::PeerDigest, DIGEST), (F::PeerUri, "spiffe://corp/ci")];

/// What a request to list tools comes to: 0 and `allowed`, or a status and a label.
fn outcome(world: &mut World, fields: &[(&str, &str)]) -> (u16, String) {
    let outcome = world.post(fields, LIST);
    let label = match &outcome {
        Outcome::Answer(answer) => answer.details.to_string(),
        Outcome::Pass(_) => "allowed".to_string(),
    };
    (outcome.status(), label)
}

fn attempts(world: &World) -> String {
    world.counted(Metric::AuthAttempts).pop().unwrap_or_default()
}

#[test]
fn a_key_in_its_header_or_as_bearer_says_who_calls() {
    let (text, bearer) = (key("one"), format!("Bearer {}", key("one")));
    for (name, value) in [("x-api-key", &text), ("X-Api-Key", &text), ("authorization", &bearer)] {
        let mut world = world(r#","api_keys":["partners"]"#, "");
        let passage = world.post(&[(name, value)], LIST).passage();
        for (header, wanted) in
            [("x-toolgate-subject", "acme"), ("x-toolgate-client", "one"), ("x-toolgate-roles", "dev")]
        {
            assert!(passage.edits.contains(&Edit::set(header, wanted.as_bytes().to_vec())), "{header}");
        }
        // The key stays here, whatever it was shown in.
        assert!(passage.edits.contains(&Edit::remove(name.to_ascii_lowercase().into_bytes())), "{name}");
        assert_eq!(
            attempts(&world),
            "toolgate_auth_attempts_total;server=main;credential=api_key;result=success"
        );
        let used = world.samples.iter().find(|sample| sample.series.metric == Metric::ApiKeyLastUsed);
        let used =
            used.map(|sample| (sample.series.host_name(&world.config, &world.memory.policies), sample.value));
        assert_eq!(used, Some(("toolgate_api_key_last_used_timestamp_seconds;key=one".to_string(), NOW)));
        assert!(!format!("{passage:?} {:?}", world.config).contains(&text));
    }
}

#[test]
fn bad_keys_get_the_answer_of_every_bad_credential() {
    let wrong = compose("tgk", "one", &[8; 32]);
    let spoilt = key("one").replace("_one_", "_onf_");
    for (text, label) in [
        (key("gone"), "api_key_revoked"),
        (key("nobody"), "api_key_unknown"),
        (wrong, "api_key_wrong"),
        (spoilt, "api_key_malformed"),
        ("tgk_".to_string(), "api_key_malformed"),
        (String::from("x"), "api_key_malformed"),
    ] {
        let mut world = world(r#","api_keys":["partners"],"anonymous":{"role":"guest"}"#, "");
        let answer = world.post(&[("x-api-key", &text)], LIST).answer();
        assert_eq!((answer.status, answer.details), (401, label), "{text}");
        assert!(answer.body.contains(r#""reason":"invalid_token""#), "{}", answer.body);
        assert!(
            header(&answer, "www-authenticate").is_some_and(|www| www.ends_with(r#"error="invalid_token""#))
        );
        assert!(attempts(&world).contains(&format!("credential=api_key;result={label}")));
    }
    // Its time ends to the second.
    let mut world = world(r#","api_keys":["partners"]"#, "");
    world.now = NOW + 49;
    assert_eq!(outcome(&mut world, &[("x-api-key", &key("two"))]).0, 0);
    world.now = NOW + 50;
    assert_eq!(outcome(&mut world, &[("x-api-key", &key("two"))]), (401, "api_key_expired".into()));
}

/// What has dots is a token, however it begins; what does not begin as a key does is none.
#[test]
fn a_token_that_begins_as_a_key_is_a_token() {
    for bearer in ["Bearer tgk_a.b.c", "Bearer tgkx", "Bearer x"] {
        let mut world = world(r#","api_keys":["partners"]"#, "");
        assert_eq!(outcome(&mut world, &[("authorization", bearer)]), (401, "malformed".into()), "{bearer}");
    }
}

#[test]
fn one_credential_a_request_and_keys_only_where_they_are_accepted() {
    let (text, bearer, token) = (key("one"), format!("Bearer {}", key("one")), engineer());
    let accepting = r#","api_keys":["partners"]"#;
    for fields in [
        &[("x-api-key", text.as_str()), ("authorization", token.as_str())][..],
        &[("x-api-key", &text), ("authorization", &bearer)],
        &[("x-api-key", &text), ("x-api-key", &text)],
        &[("x-api-key", ""), ("X-API-KEY", &text), ("x-api-key", &text)],
    ] {
        assert_eq!(outcome(&mut world(accepting, ""), fields), (400, "several_credentials".into()));
    }
    assert_eq!(outcome(&mut world(accepting, ""), &[("authorization", &token)]), (0, "allowed".into()));
    // Elsewhere the header means nothing, and a key is no token.
    let mut plain = world("", "");
    let passage = plain.post(&[("x-api-key", &text), ("authorization", &token)], LIST).passage();
    assert!(!passage.edits.contains(&Edit::remove("x-api-key")));
    assert_eq!(outcome(&mut plain, &[("x-api-key", &text)]), (401, "missing_token".into()));
    assert_eq!(outcome(&mut plain, &[("authorization", &bearer)]), (401, "malformed".into()));
}

#[test]
fn a_certificate_alone_is_an_identity_where_the_place_says_so() {
    for (server, expected) in [
        (r#","client_certificates":"identity""#, (0, "allowed")),
        (r#","client_certificates":"factor""#, (401, "missing_token")),
        ("", (401, "missing_token")),
    ] {
        let mut world = world(server, "");
        peer(&mut world, &CERTIFICATE);
        assert_eq!(outcome(&mut world, &[]), (expected.0, expected.1.into()), "{server}");
        // Who asks nothing costs nothing.
        assert_eq!(world.connection.1.get() == 0, server.is_empty(), "{server}");
    }
    let mut world = world(r#","client_certificates":"identity""#, "");
    peer(&mut world, &CERTIFICATE);
    let passage = world.post(&[], LIST).passage();
    assert!(passage.edits.contains(&Edit::set("x-toolgate-subject", b"spiffe://corp/ci".to_vec())));
    assert!(attempts(&world).ends_with("credential=certificate;result=success"));
    // No certificate, one that no binding knows, one that cannot be read.
    peer(&mut world, &[]);
    assert_eq!(outcome(&mut world, &[]), (401, "missing_token".into()));
    peer(&mut world, &[(F::PeerDigest, OTHER), (F::PeerUri, "spiffe://corp/other")]);
    assert_eq!(outcome(&mut world, &[]), (403, "no_role".into()));
    peer(&mut world, &[(F::PeerDigest, "00")]);
    assert_eq!(outcome(&mut world, &[]), (400, "certificate_unreadable".into()));
}

#[test]
fn a_bound_token_is_good_with_its_certificate_alone_also_when_remembered() {
    let bound = token(Alg::Es256, "e", &format!(r#","groups":["eng"],"cnf":{{"x5t#S256":"{X5T}"}}"#));
    for server in ["", r#","client_certificates":"factor""#] {
        let mut world = world(server, "");
        for (digest, expected) in [
            (DIGEST, (0, "allowed")),
            (OTHER, (401, "possession_not_proven")),
            ("", (401, "possession_not_proven")),
            (DIGEST, (0, "allowed")),
        ] {
            peer(&mut world, &[(F::PeerDigest, digest)]);
            let found = outcome(&mut world, &[("authorization", &bound)]);
            assert_eq!(found, (expected.0, expected.1.into()), "{server} {digest}");
        }
        assert!(world.counted(Metric::TokenCache).iter().any(|name| name.ends_with("=hit")));
    }
    // A plain token asks nothing of the connection.
    let mut world = world("", "");
    assert_eq!(outcome(&mut world, &[("authorization", &engineer())]).0, 0);
    assert_eq!(world.connection.1.get(), 0);
}

#[test]
fn roles_from_a_certificate_do_not_outlive_it_in_memory() {
    let mut world = world(r#","client_certificates":"factor""#, "");
    let guest = token(Alg::Es256, "e", "");
    for (facts, expected) in [
        (&CERTIFICATE[..], "allowed"),
        (&[], "no_role"),
        (&[(F::PeerDigest, DIGEST)], "no_role"),
        (&CERTIFICATE, "allowed"),
    ] {
        peer(&mut world, facts);
        assert_eq!(outcome(&mut world, &[("authorization", &guest)]).1, expected);
    }
}

const HOPS: &str = r#","client_certificates":{"forwarded":{"trusted_hops":[{"uri":"spiffe://corp/gate"}]}}"#;

#[test]
fn forwarded_certificates_count_from_trusted_hops_alone() {
    let gate = [(F::PeerDigest, OTHER), (F::PeerUri, "spiffe://corp/gate")];
    let told = format!("By=spiffe://corp/gate;Hash={DIGEST};URI=spiffe://corp/ci");
    let removed = Edit::remove("x-forwarded-client-cert");
    for (top, facts, header, expected, goes) in [
        (HOPS, &gate[..], told.as_str(), (0, "allowed"), true),
        // The hop's own certificate is nobody's identity.
        (HOPS, &gate, "", (401, "missing_token"), true),
        (HOPS, &gate, "URI=\"a", (400, "certificate_unreadable"), true),
        (HOPS, &[], &told, (401, "missing_token"), false),
        (HOPS, &CERTIFICATE, "URI=spiffe://corp/boss", (0, "allowed"), false),
        ("", &CERTIFICATE, "URI=spiffe://corp/boss", (0, "allowed"), false),
        ("", &gate, &told, (403, "no_role"), false),
    ] {
        let mut world = world(r#","client_certificates":"identity""#, top);
        peer(&mut world, facts);
        let outcome = world.post(&[("x-forwarded-client-cert", header)], LIST);
        let (status, details) = expected;
        assert_eq!(outcome.status(), status, "{top} {facts:?} {header}");
        match outcome {
            Outcome::Pass(passage) => assert_eq!(passage.edits.contains(&removed), !goes, "{header}"),
            Outcome::Answer(answer) => assert_eq!(answer.details, details, "{header}"),
        }
    }
    // Where the header is repeated, somebody behind may read the other one.
    let mut world = world(r#","client_certificates":"identity""#, HOPS);
    peer(&mut world, &gate);
    let twice = [("x-forwarded-client-cert", told.as_str()), ("x-forwarded-client-cert", &told)];
    assert_eq!(outcome(&mut world, &twice), (400, "certificate_unreadable".into()));
    // A token bound to a certificate that a hop tells of.
    let bound = token(Alg::Es256, "e", &format!(r#","groups":["eng"],"cnf":{{"x5t#S256":"{X5T}"}}"#));
    let with = [("authorization", bound.as_str()), ("x-forwarded-client-cert", &told)];
    assert_eq!(outcome(&mut world, &with), (0, "allowed".into()));
    peer(&mut world, &[]);
    assert_eq!(outcome(&mut world, &with), (401, "possession_not_proven".into()));
    // Where nobody looks at certificates, the header is none of ours.
    let plain = World::new("", "").post(&[("authorization", &engineer()), twice[0]], LIST).passage();
    assert!(!plain.edits.contains(&removed));
}

#[test]
fn a_place_may_require_several_credentials() {
    let (token, text) = (engineer(), key("one"));
    let (token, text) = (("authorization", token.as_str()), ("x-api-key", text.as_str()));
    let accepting = r#","api_keys":["partners"],"client_certificates":"identity""#;
    for (require, fields, facts, expected) in [
        (r#"["token","certificate"]"#, &[token][..], &CERTIFICATE[..], (0, "allowed")),
        (r#"["token","certificate"]"#, &[token], &[], (403, "certificate_required")),
        (r#"["token","certificate"]"#, &[text], &CERTIFICATE, (401, "token_required")),
        (r#"["token","certificate"]"#, &[], &CERTIFICATE, (401, "token_required")),
        (r#"["token"]"#, &[], &CERTIFICATE, (401, "token_required")),
        (r#"["api_key","certificate"]"#, &[text], &CERTIFICATE, (0, "allowed")),
        (r#"["api_key","certificate"]"#, &[text], &[], (403, "certificate_required")),
        (r#"["api_key"]"#, &[token], &CERTIFICATE, (401, "api_key_required")),
        (r#"["certificate"]"#, &[text], &[], (403, "certificate_required")),
        (r#"["certificate"]"#, &[], &CERTIFICATE, (0, "allowed")),
    ] {
        let mut world = world(&format!(r#"{accepting},"require":{{"credentials":{require}}}"#), "");
        peer(&mut world, facts);
        let found = outcome(&mut world, fields);
        assert_eq!(found, (expected.0, expected.1.into()), "{require} {fields:?} {facts:?}");
    }
    // What is required is looked at, without saying so twice; a challenge comes only where a header can help.
    let mut world = world(r#","require":{"credentials":["token","certificate"]}"#, "");
    let answer = world.post(&[token], LIST).answer();
    assert_eq!((answer.status, header(&answer, "www-authenticate")), (403, None));
    peer(&mut world, &CERTIFICATE);
    assert_eq!(outcome(&mut world, &[token]).0, 0);
}

#[test]
fn a_login_must_be_as_good_as_required_and_is_asked_again_when_remembered() {
    let require = r#","require":{"acr":["urn:mfa","urn:phr"],"amr":["otp","pwd"],"max_age_seconds":300}"#;
    let good = format!(r#","groups":["eng"],"acr":"urn:phr","amr":["pwd","otp","x"],"auth_time":{NOW}"#);
    let with = |from: &str, to: &str| token(Alg::Es256, "e", &good.replace(from, to));
    let mut world = world(require, "");
    assert_eq!(outcome(&mut world, &[("authorization", &with("", ""))]), (0, "allowed".into()));
    let www = concat!(
        r#"Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", "#,
        r#"error="insufficient_user_authentication", acr_values="urn:mfa urn:phr", max_age="300""#
    );
    let at = |secs: u64| format!(r#""auth_time":{secs}"#);
    for (from, to) in [
        (r#""urn:phr""#, r#""urn:pwd""#),
        (r#""acr""#, r#""acrr""#),
        (r#""acr":"urn:phr""#, r#""acr":["urn:phr"]"#),
        (r#""otp","#, ""),
        (r#"["pwd","otp","x"]"#, r#""pwd otp""#),
        (r#""amr""#, r#""amrr""#),
        (r#""auth_time""#, r#""auth_tim""#),
        (&at(NOW), &at(NOW - 361)),
        (&at(NOW), &at(NOW + 61)),
        (&at(NOW), r#""auth_time":"1800000000""#),
    ] {
        let answer = world.post(&[("authorization", &with(from, to))], LIST).answer();
        assert_eq!((answer.status, answer.details), (401, "insufficient_user_authentication"), "{to}");
        assert_eq!(header(&answer, "www-authenticate"), Some(www), "{to}");
    }
    assert_eq!(outcome(&mut world, &[("authorization", &with(&at(NOW), &at(NOW - 299)))]).0, 0);
    let remembered = with("", "");
    world.now = NOW + 120;
    let old = with(&at(NOW), &at(NOW - 239));
    world.now = NOW;
    assert_eq!(outcome(&mut world, &[("authorization", &old)]).0, 0);
    world.now = NOW + 122;
    assert_eq!(outcome(&mut world, &[("authorization", &old)]).1, "insufficient_user_authentication");
    assert_eq!(outcome(&mut world, &[("authorization", &remembered)]).0, 0);
    assert!(world.counted(Metric::TokenCache).iter().any(|name| name.ends_with("=hit")));
    // No login makes a key better; a token would.
    let mut world = self::world(&format!(r#","api_keys":["partners"]{require}"#), "");
    assert_eq!(outcome(&mut world, &[("x-api-key", &key("one"))]), (401, "token_required".into()));
}

#[test]
fn a_tool_may_require_more_than_its_server() {
    let catalogue = r#""catalogue":[{"name":"echo"},"#;
    let with = r#""catalogue":[{"name":"echo","require":{"acr":["urn:mfa"]}},{"name":"get","require":{"credentials":["certificate"]}},"#;
    let document = document("", &format!(r#""inline":{}"#, jwks()), "").replace(catalogue, with);
    let policy = POLICY.replace(r#""tools":["echo"]"#, r#""tools":["echo","get"]"#);
    let mut world = World::of(&document.replace(POLICY, &policy));
    let better = token(Alg::Es256, "e", r#","groups":["eng"],"acr":"urn:mfa""#);
    let stranger = token(Alg::Es256, "e", "");
    let mut ask = |token: &str, tool: &str, facts: &[(F, &str)]| {
        peer(&mut world, facts);
        let outcome = world.post(&[("authorization", token)], &call(tool, "{}"));
        let details = match outcome {
            Outcome::Answer(answer) => {
                let www = header(&answer, "www-authenticate").unwrap_or_default();
                assert_eq!(www.contains(r#"acr_values="urn:mfa""#), answer.status == 401);
                assert!(answer.body.contains(r#""id":7"#), "{}", answer.body);
                answer.details
            }
            Outcome::Pass(_) => "allowed",
        };
        (details, world.verdict())
    };
    let of = |tool: &str, reason: &str| match reason {
        "allowed" => format!("main tools/call {tool} allow {reason}"),
        _ => format!("main tools/call {tool} deny {reason}"),
    };
    let step_up = "insufficient_user_authentication";
    assert_eq!(ask(&engineer(), "echo", &[]), (step_up, of("echo", step_up)));
    assert_eq!(ask(&better, "echo", &[]), ("allowed", of("echo", "allowed")));
    assert_eq!(ask(&better, "get", &[]).0, "certificate_required");
    assert_eq!(ask(&better, "get", &CERTIFICATE), ("allowed", of("get", "allowed")));
    // Whom the policy does not let through learns nothing of it.
    assert_eq!(ask(&stranger, "echo", &[]).0, "no_role");
}

#[test]
fn a_place_may_require_tls() {
    let route = r#","routes":[{"name":"open","match":{"hosts":["h"],"path":"/open"},"allow":"anyone","require_tls":"1.3"}]"#;
    for (version, server, open) in [
        ("", (403, "tls_required"), 403),
        ("TLSv1.1", (403, "tls_required"), 403),
        ("TLSv1.2", (0, "allowed"), 403),
        ("TLSv1.3", (0, "allowed"), 0),
    ] {
        let mut world = world(r#","require_tls":"1.2""#, route);
        peer(&mut world, &[(F::TlsVersion, version)]);
        let found = outcome(&mut world, &[("authorization", &engineer())]);
        assert_eq!(found, (server.0, server.1.into()), "{version}");
        let fields = [(":method", "GET"), (":path", "/open"), (":authority", "h")];
        let status = match world.head(&fields, BodyFollows::No, Attempt::First) {
            Step::Answer(answer) => answer.status,
            Step::Pass(_) => 0,
            other => panic!("{other:?}"),
        };
        assert_eq!(status, open, "{version}");
    }
}

#[test]
fn a_route_takes_keys_and_certificates_too() {
    let route = r#","routes":[{"name":"site","match":{"hosts":["h"],"path":"/site"},"policy":"default",
        "api_keys":["partners"],"client_certificates":"identity"}]"#;
    let text = key("one");
    for (field, facts, status) in
        [(Some(("x-api-key", text.as_str())), &[][..], 0), (None, &CERTIFICATE[..], 0), (None, &[], 401)]
    {
        let mut world = world("", route);
        peer(&mut world, facts);
        let fields: Vec<_> =
            [(":method", "GET"), (":path", "/site"), (":authority", "h")].into_iter().chain(field).collect();
        let found = match world.head(&fields, BodyFollows::No, Attempt::First) {
            Step::Answer(answer) => {
                assert_eq!(header(&answer, "www-authenticate"), Some("Bearer"));
                answer.status
            }
            Step::Pass(passage) => {
                assert_eq!(field.is_some(), passage.edits.contains(&Edit::remove("x-api-key")));
                0
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(found, status);
    }
}

/// Sets of one prefix are told apart by the id in the key, not by which of them stands first.
#[test]
fn sets_that_are_shown_alike_are_both_accepted() {
    let sets = format!(
        r#","api_keys":{{"a":{{"keys":[{}]}},"b":{{"keys":[{}]}},"c":{{"header":"x-c","keys":[{}]}}}}"#,
        entry("one", ""),
        entry("two", ""),
        entry("three", "")
    );
    let of = |server: &str| {
        let policy = POLICY.replace(
            r#""bindings":["#,
            r#""bindings":[{"role":"dev","when":{"key":{"owner":{"equals":"acme"}}}},"#,
        );
        World::of(&document(server, &format!(r#""inline":{}"#, jwks()), &sets).replace(POLICY, &policy))
    };
    let (both, one) = (r#","api_keys":["a","b","c"]"#, r#","api_keys":["a"]"#);
    for (server, name, id, expected) in [
        (both, "x-api-key", "one", "allowed"),
        (both, "x-api-key", "two", "allowed"),
        (both, "x-c", "three", "allowed"),
        // Each header is for the sets that name it.
        (both, "x-api-key", "three", "api_key_unknown"),
        (both, "x-c", "two", "api_key_unknown"),
        (one, "x-api-key", "one", "allowed"),
        (one, "x-api-key", "two", "api_key_unknown"),
    ] {
        assert_eq!(outcome(&mut of(server), &[(name, &key(id))]).1, expected, "{server} {name} {id}");
        let bearer = format!("Bearer {}", key(id));
        let expected = if server == one && id != "one" { "api_key_unknown" } else { "allowed" };
        assert_eq!(outcome(&mut of(server), &[("authorization", &bearer)]).1, expected, "{server} {id}");
    }
}

#[test]
fn revoked_keys_and_certificates_fall() {
    let text = key("one");
    let listed = |list: &str| format!(r#","revocation":{{"lists":{{"gone":{{{list}}}}}}}"#);
    for (list, key, certificate) in [
        (r#""kid":["one"]"#, 401, 0),
        (r#""kid":["two"]"#, 0, 0),
        (r#""sub":["acme"]"#, 401, 0),
        (r#""sub":["spiffe://corp/ci"]"#, 0, 401),
        (r#""client_id":["one"],"jti":["one"]"#, 0, 0),
    ] {
        let server = r#","api_keys":["partners"],"client_certificates":"identity""#;
        let mut world = world(server, &listed(list));
        assert_eq!(outcome(&mut world, &[("x-api-key", &text)]).0, key, "{list}");
        peer(&mut world, &CERTIFICATE);
        assert_eq!(outcome(&mut world, &[]).0, certificate, "{list}");
    }
}
