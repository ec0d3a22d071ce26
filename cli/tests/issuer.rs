// SPDX-License-Identifier: Apache-2.0
//! `toolgate issuer` as a client, a resource server and a test meet it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use common::{Issuer, get, post, post_form, run};
use serde_json::{Value, json};

const ALICE: &str = "grant_type=client_credentials&client_id=alice&client_secret=alice-secret";

fn inspect(token: &Value) -> Value {
    run(&["token", "inspect", "--json", token.as_str().unwrap()]).json()
}

fn kids(issuer: &Issuer) -> Vec<String> {
    let keys = get(&issuer.url("jwks_uri")).body["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn metadata_leads_to_keys_and_tokens() {
    let issuer = Issuer::start(&[]);
    for name in ["oauth-authorization-server", "openid-configuration"] {
        let answer = get(&format!("{}/.well-known/{name}", issuer.url("issuer")));
        assert_eq!(answer.status, 200);
        for member in ["issuer", "token_endpoint", "jwks_uri"] {
            assert_eq!(answer.body[member], issuer.ready[member], "{member}");
        }
        assert_eq!(answer.body["code_challenge_methods_supported"], json!(["S256"]));
    }
    let keys = get(&issuer.url("jwks_uri"));
    assert_eq!(keys.headers["cache-control"], "public, max-age=3600");
    assert_eq!(keys.headers["access-control-allow-origin"], "*");
    let key = &keys.body["keys"][0];
    assert_eq!((&key["use"], &key["alg"], key["iat"].is_i64()), (&json!("sig"), &json!("ES256"), true));
    assert!(key.get("d").is_none());

    let answer =
        post_form(&issuer.url("token_endpoint"), &format!("{ALICE}&resource=https://mcp.example.com/mcp"));
    assert_eq!((answer.status, answer.headers["cache-control"].to_str().unwrap()), (200, "no-store"));
    let seen = inspect(&answer.body["access_token"]);
    assert_eq!(seen["verified"], json!(false));
    assert_eq!(seen["warnings"], json!([]));
    assert_eq!(seen["header"]["kid"], key["kid"]);
    assert_eq!(seen["claims"]["aud"], json!("https://mcp.example.com/mcp"));
    assert_eq!(seen["claims"]["roles"], json!(["developer"]));
}

#[test]
fn a_wrong_secret_is_refused_as_rfc_6749_says() {
    let issuer = Issuer::start(&[]);
    let token = issuer.url("token_endpoint");
    let answer = post_form(&token, "grant_type=client_credentials&client_id=alice&client_secret=bob-secret");
    assert_eq!((answer.status, &answer.body["error"]), (401, &json!("invalid_client")));
    assert!(answer.headers.get("www-authenticate").is_none());
    let basic = [("content-type", "application/x-www-form-urlencoded"), ("authorization", "Basic eDp5")];
    let answer = post(&token, &basic, "grant_type=client_credentials");
    assert_eq!(
        (answer.status, answer.headers["www-authenticate"].to_str().unwrap().starts_with("Basic")),
        (401, true)
    );
    let answer = post(&token, &[("content-type", "application/json")], "{}");
    assert_eq!((answer.status, &answer.body["error"]), (400, &json!("invalid_request")));
}

#[test]
fn keys_rotate_and_are_pruned() {
    let issuer = Issuer::start(&[]);
    let admin = issuer.url("admin");
    let old = kids(&issuer);
    let rotated = post(&format!("{admin}/rotate"), &[], "");
    let new = rotated.body["kid"].as_str().unwrap().to_owned();
    assert_eq!(kids(&issuer), [new.clone(), old[0].clone()]);
    let token = post_form(&issuer.url("token_endpoint"), ALICE).body["access_token"].clone();
    assert_eq!(inspect(&token)["header"]["kid"], json!(new));
    let by_old = post(&format!("{admin}/mint"), &[], &json!({ "kid": old[0] }).to_string());
    assert_eq!(inspect(&by_old.body["access_token"])["header"]["kid"], json!(old[0]));
    assert_eq!(post(&format!("{admin}/prune"), &[], "").body["dropped"], json!(1));
    assert_eq!(kids(&issuer), [new]);
    let rsa = post(&format!("{admin}/rotate"), &[], r#"{"algorithm":"RS256"}"#);
    assert_eq!((rsa.status, &rsa.body["algorithm"]), (200, &json!("RS256")));
    assert_eq!(post(&format!("{admin}/rotate"), &[], r#"{"algorithm":"none"}"#).status, 400);
    assert_eq!(post(&format!("{admin}/rotate"), &[], r#"{"algoritm":"ES256"}"#).status, 400);
}

#[test]
fn a_minted_token_says_what_was_asked_and_nothing_where_null() {
    let issuer = Issuer::start(&[]);
    let wish = json!({ "claims": { "sub": "eve", "exp": null, "iss": "https://evil.example" }, "header": { "typ": null } });
    let answer = post(&format!("{}/mint", issuer.url("admin")), &[], &wish.to_string());
    let seen = inspect(&answer.body["access_token"]);
    assert_eq!(
        (&seen["claims"]["sub"], &seen["claims"]["iss"]),
        (&json!("eve"), &json!("https://evil.example"))
    );
    assert!(seen["claims"].get("exp").is_none() && seen["header"].get("typ").is_none());
}

#[test]
fn a_page_in_a_browser_cannot_administer() {
    let issuer = Issuer::start(&[]);
    let answer = post(&format!("{}/rotate", issuer.url("admin")), &[("origin", "http://127.0.0.1")], "");
    assert_eq!(answer.status, 403);
    assert_eq!(kids(&issuer).len(), 1);
}

#[test]
fn an_issuer_with_a_path_is_found_in_all_three_forms() {
    let issuer = Issuer::start(&["--issuer", "https://idp.example.com/tenant"]);
    let here = issuer.url("admin").replace("/admin", "");
    for path in [
        "/.well-known/oauth-authorization-server/tenant",
        "/.well-known/openid-configuration/tenant",
        "/tenant/.well-known/openid-configuration",
    ] {
        let answer = get(&format!("{here}{path}"));
        assert_eq!(answer.body["jwks_uri"], json!("https://idp.example.com/tenant/jwks"), "{path}");
    }
    assert_eq!(get(&issuer.url("jwks_uri")).status, 200);
    assert_eq!(get(&format!("{here}/.well-known/oauth-authorization-server")).status, 404);
}

#[test]
fn clients_come_from_a_file_and_faults_in_it_have_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.yaml");
    let name = file.to_str().unwrap();
    std::fs::write(&file, "clients:\n  ci:\n    secret: { value: s3cret }\n    scopes: [build]\n").unwrap();
    let issuer = Issuer::start(&["--clients", name]);
    let ask = "grant_type=client_credentials&client_id=ci&client_secret=s3cret&scope=";
    assert_eq!(post_form(&issuer.url("token_endpoint"), &format!("{ask}build")).status, 200);
    let refused = post_form(&issuer.url("token_endpoint"), &format!("{ask}admin"));
    assert_eq!((refused.status, &refused.body["error"]), (400, &json!("invalid_scope")));

    std::fs::write(&file, "clients:\n  ci:\n    secret: { value: s3cret }\n    rolez: [build]\n").unwrap();
    let run = run(&["issuer", "--clients", name]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains(&format!("--> {name}:4:5")), "{}", run.stderr);
    assert!(run.stderr.contains("    rolez: [build]\n  |     ^^^^^"), "{}", run.stderr);
}

#[test]
fn an_address_that_others_reach_is_refused() {
    let run = run(&["issuer", "--listen", "0.0.0.0:0"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    assert!(run.stderr.contains("--allow-remote"));
}

#[test]
fn a_signal_ends_it_well() {
    let mut issuer = Issuer::start(&[]);
    let pid = issuer.process.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(issuer.process.wait().unwrap().code(), Some(0));
}
