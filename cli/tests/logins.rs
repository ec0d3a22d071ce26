// SPDX-License-Identifier: Apache-2.0
//! Logins at `toolgate issuer`: codes, refresh tokens, registration, and their ends, as a client and a browser meet them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use base64ct::{Base64UrlUnpadded, Encoding};
use common::{Answer, Issuer, get, post, post_form, run_with};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const REDIRECT: &str = "http://127.0.0.1:7777/callback";
const RESOURCE: &str = "https://mcp.example.com/mcp";

fn query(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

fn parameters(location: &str) -> std::collections::BTreeMap<String, String> {
    form_urlencoded::parse(location.split_once('?').unwrap().1.as_bytes()).into_owned().collect()
}

fn location(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.headers["location"].to_str().unwrap().to_owned()
}

/// Registers a public client that may refresh.
fn register(issuer: &Issuer) -> String {
    let wish = json!({
        "client_name": "A <b>client</b>",
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    });
    let answer = post(&format!("{}/register", issuer.url("issuer")), &[], &wish.to_string());
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(answer.body.get("client_secret").is_none());
    answer.body["client_id"].as_str().unwrap().to_owned()
}

/// The authorization URL of a good request, with some parameters changed; an empty one is left out.
fn authorization(issuer: &Issuer, client: &str, changes: &[(&str, &str)]) -> String {
    let challenge = Base64UrlUnpadded::encode_string(&Sha256::digest(VERIFIER.as_bytes()));
    let mut all = vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", REDIRECT),
        ("state", "a state & more"),
        ("scope", "mcp"),
        ("resource", RESOURCE),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    all.retain(|(_, value)| !value.is_empty());
    format!("{}?{}", issuer.url("authorization_endpoint"), query(&all))
}

fn code(issuer: &Issuer, client: &str) -> String {
    let back = parameters(&location(&get(&authorization(issuer, client, &[]))));
    assert_eq!(
        (back["state"].as_str(), back["iss"].as_str()),
        ("a state & more", issuer.url("issuer").as_str())
    );
    back["code"].clone()
}

fn redeem(issuer: &Issuer, client: &str, code: &str, verifier: &str) -> Answer {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", verifier),
    ];
    post_form(&issuer.url("token_endpoint"), &query(&form))
}

fn refresh(issuer: &Issuer, client: &str, token: &Value) -> Answer {
    let form =
        [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token.as_str().unwrap())];
    post_form(&issuer.url("token_endpoint"), &query(&form))
}

fn is_active(issuer: &Issuer, token: &Value) -> bool {
    let form = [("client_id", "gate"), ("client_secret", "gate-secret"), ("token", token.as_str().unwrap())];
    let answer = post_form(&format!("{}/introspect", issuer.url("issuer")), &query(&form));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["active"].as_bool().unwrap()
}

fn error(answer: &Answer) -> &str {
    answer.body["error"].as_str().unwrap_or_default()
}

#[test]
fn a_code_is_traded_for_tokens_once() {
    let issuer = Issuer::start(&["--auto-approve", "alice"]);
    let client = register(&issuer);
    let code = code(&issuer, &client);
    let tokens = redeem(&issuer, &client, &code, VERIFIER);
    assert_eq!((tokens.status, &tokens.body["expires_in"]), (200, &json!(1_800)), "{tokens:?}");
    assert_eq!(tokens.headers["cache-control"], "no-store");
    let (access, renewal) = (&tokens.body["access_token"], &tokens.body["refresh_token"]);
    let seen = common::run(&["token", "inspect", "--json", access.as_str().unwrap()]).json();
    for (claim, value) in [
        ("sub", json!("alice")),
        ("client_id", json!(client)),
        ("aud", json!(RESOURCE)),
        ("roles", json!(["developer"])),
        ("scope", json!("mcp")),
    ] {
        assert_eq!(seen["claims"][claim], value, "{claim}");
    }
    assert!(is_active(&issuer, access));
    let again = redeem(&issuer, &client, &code, VERIFIER);
    assert_eq!((again.status, error(&again)), (400, "invalid_grant"));
    assert!(!is_active(&issuer, access), "a code that comes twice ends what it gave");
    assert_eq!(error(&refresh(&issuer, &client, renewal)), "invalid_grant");
}

#[test]
fn a_code_is_of_no_use_without_its_verifier_client_and_redirect_uri() {
    let issuer = Issuer::start(&["--auto-approve", "alice"]);
    let (client, other) = (register(&issuer), register(&issuer));
    let wrong = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl";
    for (who, verifier) in [(&client, wrong), (&client, ""), (&other, VERIFIER)] {
        let code = code(&issuer, &client);
        assert_eq!(error(&redeem(&issuer, who, &code, verifier)), "invalid_grant");
        assert_eq!(error(&redeem(&issuer, &client, &code, VERIFIER)), "invalid_grant", "a fault uses it up");
    }
    let code = code(&issuer, &client);
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client.as_str()),
        ("code", code.as_str()),
        ("redirect_uri", "http://127.0.0.1:7778/callback"),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(error(&post_form(&issuer.url("token_endpoint"), &query(&form))), "invalid_grant");
}

#[test]
fn a_browser_is_sent_back_only_where_the_client_lives() {
    let issuer = Issuer::start(&["--auto-approve", "alice"]);
    let client = register(&issuer);
    for changes in [
        &[("client_id", "nobody")][..],
        &[("client_id", "")],
        &[("redirect_uri", "")],
        &[("redirect_uri", "https://evil.example/")],
        &[("redirect_uri", "http://127.0.0.1:7777/callback/")],
        &[("redirect_uri", "http://127.0.0.1:7777@evil.example/callback")],
        &[("state", "x".repeat(9_000).as_str())],
    ] {
        let answer = get(&authorization(&issuer, &client, changes));
        assert_eq!((answer.status, answer.headers.contains_key("location")), (400, false), "{changes:?}");
    }
    let port = authorization(&issuer, &client, &[("redirect_uri", "http://127.0.0.1:9/callback")]);
    assert!(
        location(&get(&port)).starts_with("http://127.0.0.1:9/callback?code="),
        "a loopback port is free"
    );
    for (changes, error) in [
        (&[("response_type", "token")][..], "unsupported_response_type"),
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("scope", "a\"b")], "invalid_scope"),
        (&[("resource", "mcp")], "invalid_target"),
        (&[("request_uri", "https://evil.example/")], "request_not_supported"),
    ] {
        let back = parameters(&location(&get(&authorization(&issuer, &client, changes))));
        assert_eq!(
            (back["error"].as_str(), back["state"].as_str()),
            (error, "a state & more"),
            "{changes:?}"
        );
        assert_eq!(back["iss"], issuer.url("issuer"));
        assert!(!back.contains_key("code"));
    }
}

#[test]
fn a_refresh_token_is_used_once_and_reuse_ends_the_family() {
    let issuer = Issuer::start(&["--auto-approve", "alice"]);
    let client = register(&issuer);
    let first = redeem(&issuer, &client, &code(&issuer, &client), VERIFIER).body;
    let second = refresh(&issuer, &client, &first["refresh_token"]).body;
    assert!(is_active(&issuer, &first["access_token"]) && is_active(&issuer, &second["access_token"]));
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(error(&refresh(&issuer, &client, &first["refresh_token"])), "invalid_grant");
    assert!(!is_active(&issuer, &first["access_token"]) && !is_active(&issuer, &second["access_token"]));
    assert_eq!(error(&refresh(&issuer, &client, &second["refresh_token"])), "invalid_grant");
    let listed = get(&format!("{}/revoked", issuer.url("issuer"))).body["jti"].as_array().unwrap().len();
    assert_eq!(listed, 2);
    assert!(metrics(&issuer).contains("toolgate_issuer_refreshes_total{outcome=\"reused\"} 1"));
}

fn metrics(issuer: &Issuer) -> String {
    let answer = get(&format!("{}/metrics", issuer.url("admin").trim_end_matches("/admin")));
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    answer.body.as_str().unwrap().to_owned()
}

#[test]
fn a_refresh_token_is_no_access_token_and_of_no_use_to_others() {
    let issuer = Issuer::start(&["--auto-approve", "alice"]);
    let (client, other) = (register(&issuer), register(&issuer));
    let tokens = redeem(&issuer, &client, &code(&issuer, &client), VERIFIER).body;
    let renewal = &tokens["refresh_token"];
    assert!(!is_active(&issuer, renewal));
    let logout = format!("{}/logout", issuer.url("issuer"));
    let bearer = format!("Bearer {}", renewal.as_str().unwrap());
    assert_eq!(post(&logout, &[("authorization", &bearer)], "").status, 401);
    for wider in ["scope=mcp+admin", "resource=https://other.example.com/mcp"] {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &client),
            ("refresh_token", renewal.as_str().unwrap()),
        ];
        let answer = post_form(&issuer.url("token_endpoint"), &format!("{}&{wider}", query(&form)));
        assert!(["invalid_scope", "invalid_target"].contains(&error(&answer)), "{answer:?}");
    }
    assert_eq!(error(&refresh(&issuer, &other, renewal)), "invalid_grant");
    assert_eq!(error(&refresh(&issuer, &client, renewal)), "invalid_grant", "a stolen one ends the family");
}

#[test]
fn revocation_ends_a_token_or_a_family_of_the_own_client_only() {
    let issuer = Issuer::start(&["--auto-approve", "alice"]);
    let (client, other) = (register(&issuer), register(&issuer));
    let revoke = |who: &str, token: &Value| {
        let form = [("client_id", who), ("token", token.as_str().unwrap())];
        post_form(&format!("{}/revoke", issuer.url("issuer")), &query(&form)).status
    };
    let tokens = redeem(&issuer, &client, &code(&issuer, &client), VERIFIER).body;
    let (access, renewal) = (&tokens["access_token"], &tokens["refresh_token"]);
    assert_eq!(
        (revoke(&other, access), revoke(&other, renewal), is_active(&issuer, access)),
        (400, 200, true)
    );
    assert_eq!((revoke(&client, access), is_active(&issuer, access)), (200, false));
    let renewed = refresh(&issuer, &client, renewal).body;
    assert_eq!(revoke(&client, renewal), 200, "an older turn names its family, too");
    assert!(!is_active(&issuer, &renewed["access_token"]));
    assert_eq!(error(&refresh(&issuer, &client, &renewed["refresh_token"])), "invalid_grant");
    assert_eq!(revoke(&client, &json!("unknown")), 200);
}

#[test]
fn a_logout_ends_everything_of_the_subject_and_the_next_login_works() {
    let issuer = Issuer::start(&["--auto-approve", "alice"]);
    let client = register(&issuer);
    let here = issuer.url("issuer");
    let tokens = redeem(&issuer, &client, &code(&issuer, &client), VERIFIER).body;
    let own = |form: &str| {
        let secret = "grant_type=client_credentials&client_id=alice&client_secret=alice-secret";
        post_form(&issuer.url("token_endpoint"), &format!("{secret}{form}")).body["access_token"].clone()
    };
    let logout = |token: &Value| {
        let bearer = format!("Bearer {}", token.as_str().unwrap());
        post(&format!("{here}/logout"), &[("authorization", &bearer)], "")
    };
    assert_eq!(logout(&tokens["access_token"]).status, 401, "it is for another audience");
    let answer = logout(&own(""));
    assert_eq!((answer.status, &answer.body["logins_ended"]), (200, &json!(1)));
    assert!(!is_active(&issuer, &tokens["access_token"]));
    assert_eq!(error(&refresh(&issuer, &client, &tokens["refresh_token"])), "invalid_grant");
    let feed = get(&format!("{here}/revoked"));
    assert!(feed.body["not_before"]["sub"]["alice"].is_i64(), "{feed:?}");
    assert!(is_active(&issuer, &own("")));
}

#[test]
fn opaque_tokens_are_read_by_introspection_alone() {
    let issuer = Issuer::start(&["--token-format", "opaque"]);
    let form = format!(
        "grant_type=client_credentials&client_id=alice&client_secret=alice-secret&resource={RESOURCE}"
    );
    let token = post_form(&issuer.url("token_endpoint"), &form).body["access_token"].clone();
    assert!(token.as_str().unwrap().starts_with("tga_"));
    let ask = |who: &str| {
        let form = [
            ("token", token.as_str().unwrap()),
            ("client_id", who),
            ("client_secret", &format!("{who}-secret")),
        ];
        post_form(&format!("{}/introspect", issuer.url("issuer")), &query(&form))
    };
    let answer = ask("gate");
    for (member, value) in [
        ("active", json!(true)),
        ("sub", json!("alice")),
        ("aud", json!(RESOURCE)),
        ("token_type", json!("Bearer")),
    ] {
        assert_eq!(answer.body[member], value, "{member}");
    }
    assert_eq!((ask("alice").status, ask("eve").status), (403, 401));
}

#[test]
fn a_person_logs_in_on_a_page_that_runs_nothing_and_guessing_is_slowed() {
    let hash = run_with(&["issuer", "hash-password"], "correct horse\n", &[]);
    assert_eq!(hash.code, Some(0));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.yaml");
    std::fs::write(
        &file,
        "clients: {}\nusers:\n  ann: { password: { env: ANN_HASH }, roles: [developer] }\n",
    )
    .unwrap();
    let variables = [("ANN_HASH", hash.stdout.trim())];
    let issuer = Issuer::start_with(&["--clients", file.to_str().unwrap()], &variables);
    let client = register(&issuer);
    let page = get(&authorization(&issuer, &client, &[]));
    let html = page.body.as_str().unwrap().to_owned();
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(policy.contains("form-action 'self' http://127.0.0.1:7777;"), "{policy}");
    assert!(
        html.contains("A &lt;b&gt;client&lt;/b&gt;") && !html.contains("<b>") && !html.contains("<script")
    );
    let transaction = |html: &str| {
        let rest = html.split_once("name=\"transaction\" value=\"").unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    let submit = |html: &str, password: &str, decision: &str| {
        let form = [
            ("transaction", transaction(html).as_str()),
            ("username", "ann"),
            ("password", password),
            ("decision", decision),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        post_form(&issuer.url("authorization_endpoint"), &query(&form))
    };
    let wrong = submit(&html, "wrong horse", "allow");
    assert_eq!((wrong.status, wrong.headers.contains_key("location")), (403, false));
    assert_eq!(submit(&html, "correct horse", "allow").status, 400, "a page is used once");
    let back = parameters(&location(&submit(wrong.body.as_str().unwrap(), "correct horse", "allow")));
    let tokens = redeem(&issuer, &client, &back["code"], VERIFIER);
    assert_eq!(tokens.status, 200, "{tokens:?}");

    let fresh = || get(&authorization(&issuer, &client, &[])).body.as_str().unwrap().to_owned();
    let denied = parameters(&location(&submit(&fresh(), "", "deny")));
    assert_eq!(denied["error"], "access_denied");
    let statuses: Vec<u16> = (0..6).map(|_| submit(&fresh(), "guess", "allow").status).collect();
    assert_eq!((statuses[0], statuses[5]), (403, 429), "{statuses:?}");
    let slowed = submit(&fresh(), "correct horse", "allow");
    assert!(slowed.status == 429 && slowed.headers.contains_key("retry-after"), "{slowed:?}");
    assert!(metrics(&issuer).contains("toolgate_issuer_logins_total{outcome=\"passed\"} 1"));
}

#[test]
fn registration_takes_what_a_client_may_be_and_can_be_closed() {
    let issuer = Issuer::start(&[]);
    let at = format!("{}/register", issuer.url("issuer"));
    for (wish, error) in [
        (json!([]), "invalid_client_metadata"),
        (json!({}), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": vec!["https://a.example/"; 17] }), "invalid_redirect_uri"),
        (
            json!({ "redirect_uris": [REDIRECT], "grant_types": ["client_credentials"] }),
            "invalid_client_metadata",
        ),
        (
            json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "tls_client_auth" }),
            "invalid_client_metadata",
        ),
        (json!({ "redirect_uris": [REDIRECT], "client_name": "x".repeat(201) }), "invalid_client_metadata"),
    ] {
        let answer = post(&at, &[], &wish.to_string());
        assert_eq!((answer.status, answer.body["error"].as_str().unwrap()), (400, error), "{wish}");
    }
    let confidential = post(&at, &[], &json!({ "redirect_uris": [REDIRECT] }).to_string());
    let (id, secret) = (&confidential.body["client_id"], &confidential.body["client_secret"]);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str().unwrap()),
        ("client_secret", secret.as_str().unwrap()),
    ];
    assert_eq!(error(&post_form(&issuer.url("token_endpoint"), &query(&form))), "unauthorized_client");

    let closed = Issuer::start(&["--no-registration"]);
    let wish = json!({ "redirect_uris": [REDIRECT] }).to_string();
    assert_eq!(post(&format!("{}/register", closed.url("issuer")), &[], &wish).status, 403);
    let metadata = get(&format!("{}/.well-known/oauth-authorization-server", closed.url("issuer"))).body;
    assert!(metadata.get("registration_endpoint").is_none());
}

#[test]
fn a_client_is_read_from_the_url_that_is_its_id() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/client.json", listener.local_addr().unwrap().port());
    let document =
        json!({ "client_id": url, "client_name": "App", "redirect_uris": ["http://127.0.0.1/callback"] });
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4_096];
        let _ = std::io::Read::read(&mut stream, &mut request).unwrap();
        let body = document.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        std::io::Write::write_all(&mut stream, (head + &body).as_bytes()).unwrap();
    });
    let off = Issuer::start(&["--auto-approve", "alice"]);
    assert_eq!(get(&authorization(&off, &url, &[])).status, 400);
    let issuer = Issuer::start(&["--auto-approve", "alice", "--client-documents", "loopback"]);
    let metadata = get(&format!("{}/.well-known/oauth-authorization-server", issuer.url("issuer"))).body;
    assert_eq!(metadata["client_id_metadata_document_supported"], json!(true));
    let tokens = redeem(&issuer, &url, &code(&issuer, &url), VERIFIER);
    server.join().unwrap();
    let seen =
        common::run(&["token", "inspect", "--json", tokens.body["access_token"].as_str().unwrap()]).json();
    assert_eq!(seen["claims"]["client_id"], json!(url));
}

#[test]
fn a_node_enrols_once_with_a_token_that_only_an_admin_makes() {
    let issuer = Issuer::start(&[]);
    let here = issuer.url("issuer");
    let token = |name: &str| {
        let form = format!("grant_type=client_credentials&client_id={name}&client_secret={name}-secret");
        format!(
            "Bearer {}",
            post_form(&issuer.url("token_endpoint"), &form).body["access_token"].as_str().unwrap()
        )
    };
    let permit = |who: &str| {
        post(&format!("{here}/enrolment"), &[("authorization", who)], r#"{"node":"node-7","expires_in":60}"#)
    };
    assert_eq!((permit(&token("alice")).status, permit("Bearer x").status), (403, 401));
    let permitted = permit(&token("root"));
    assert_eq!((permitted.status, &permitted.body["expires_in"]), (201, &json!(60)));
    let wish = json!({ "enrolment_token": permitted.body["enrolment_token"] }).to_string();
    let enrolled = post(&format!("{here}/enrol"), &[], &wish);
    assert_eq!(enrolled.status, 201);
    assert_eq!(error(&post(&format!("{here}/enrol"), &[], &wish)), "invalid_grant");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", enrolled.body["client_id"].as_str().unwrap()),
        ("client_secret", enrolled.body["client_secret"].as_str().unwrap()),
    ];
    let own = post_form(&issuer.url("token_endpoint"), &query(&form)).body["access_token"].clone();
    let claims = common::run(&["token", "inspect", "--json", own.as_str().unwrap()]).json()["claims"].clone();
    assert_eq!((&claims["sub"], &claims["roles"]), (&json!("node-7"), &json!(["node"])));
}

#[test]
fn secrets_are_never_written_to_the_streams() {
    let refused = run_with(&["issuer", "hash-password"], "hunter2", &[]);
    assert_eq!(refused.code, Some(2));
    assert!(!refused.stderr.contains("hunter2"));
    let unknown = common::run(&["issuer", "--auto-approve", "eve"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(2), ""));
    assert!(unknown.stderr.contains("there is no user `eve`"));
}

#[test]
fn health_and_metrics_are_there_for_probes() {
    let issuer = Issuer::start(&[]);
    let here = issuer.url("issuer");
    assert_eq!(get(&format!("{here}/healthz")).body, json!({ "status": "ok" }));
    let text = metrics(&issuer);
    for name in [
        "toolgate_issuer_key_age_seconds ",
        "toolgate_issuer_keys 1",
        "toolgate_issuer_entries{store=\"codes\"} 0",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
    let keys = get(&issuer.url("jwks_uri"));
    assert!(keys.headers.contains_key("etag"));
}

/// A proof of possession (RFC 9449 section 4.2) for the token endpoint.
fn proof(key: &p256::ecdsa::SigningKey, url: &str) -> String {
    use p256::ecdsa::signature::Signer;
    let point = key.verifying_key().to_encoded_point(false);
    let text = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    let jwk =
        json!({ "kty": "EC", "crv": "P-256", "x": text(point.x().unwrap()), "y": text(point.y().unwrap()) });
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
    let claims = json!({ "jti": format!("{now:?}"), "htm": "POST", "htu": url, "iat": now.as_secs() });
    let input = format!("{}.{}", text(header.to_string().as_bytes()), text(claims.to_string().as_bytes()));
    let signature: p256::ecdsa::Signature = key.sign(input.as_bytes());
    format!("{input}.{}", text(&signature.to_bytes()))
}

#[test]
fn a_login_with_a_key_is_renewed_with_that_key_alone() {
    let issuer = Issuer::start(&["--auto-approve", "alice"]);
    let client = register(&issuer);
    let token = issuer.url("token_endpoint");
    let [own, other] = [[7; 32], [9; 32]].map(|seed| p256::ecdsa::SigningKey::from_slice(&seed).unwrap());
    let ask = |form: &[(&str, &str)], key: Option<&p256::ecdsa::SigningKey>| {
        let proof = key.map(|key| proof(key, &token));
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(proof.as_deref().map(|proof| ("dpop", proof)));
        post(&token, &headers, &query(form))
    };
    let code = code(&issuer, &client);
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &client),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let tokens = ask(&form, Some(&own)).body;
    assert_eq!(tokens["token_type"], "DPoP", "{tokens}");
    let access = tokens["access_token"].as_str().unwrap();
    let claims = common::run(&["token", "inspect", "--json", access]).json()["claims"].clone();
    assert!(claims["cnf"]["jkt"].is_string());
    let renewal = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("client_id", &client), ("refresh_token", renewal)];
    assert_eq!(error(&ask(&form, None)), "invalid_grant");
    assert_eq!(error(&ask(&form, Some(&other))), "invalid_grant");
    let renewed = ask(&form, Some(&own));
    assert_eq!((renewed.status, renewed.body["token_type"].as_str()), (200, Some("DPoP")), "{renewed:?}");

    let form =
        [("grant_type", "client_credentials"), ("client_id", "alice"), ("client_secret", "alice-secret")];
    let bound = ask(&form, Some(&own)).body["access_token"].clone();
    assert!(is_active(&issuer, &bound));
    let bearer = format!("Bearer {}", bound.as_str().unwrap());
    let logout = post(&format!("{}/logout", issuer.url("issuer")), &[("authorization", &bearer)], "");
    assert_eq!(logout.status, 401, "a bound token as a bearer token");
}
