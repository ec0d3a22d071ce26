// SPDX-License-Identifier: Apache-2.0
//! `toolgate keys`, `toolgate token` and the habits that every command shares.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use common::{run, run_with};
use serde_json::json;

#[test]
fn a_key_becomes_a_jwks_and_signs_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    let key = key.to_str().unwrap();
    let made = run(&["keys", "generate", "--algorithm", "ES256", "--out", key, "--json"]).json();
    let jwks = run(&["keys", "jwks", key]).json();
    assert_eq!(jwks["keys"][0]["kid"], made["kid"]);

    let mint = |expires: &str, format: &[&str]| {
        let mut arguments =
            vec!["token", "mint", "--subject", "alice", "--role", "developer", "--role", "ops"];
        arguments.extend([
            "--audience",
            "https://mcp.example.com/mcp",
            "--issuer",
            "https://idp.example.com",
        ]);
        arguments.extend(["--key", key, "--expires", expires]);
        arguments.extend(format);
        run(&arguments)
    };
    let minted = mint("30m", &["--json"]).json();
    assert_eq!((&minted["kid"], &minted["expires_in"]), (&made["kid"], &json!(1800)));
    assert_eq!(minted["warnings"], json!([]));
    let seen = run(&["token", "inspect", "--json", minted["access_token"].as_str().unwrap()]).json();
    assert_eq!(seen["claims"]["roles"], json!(["developer", "ops"]));
    assert_eq!((&seen["warnings"], &seen["verified"]), (&json!([]), &json!(false)));

    let long = mint("25h", &[]);
    assert_eq!(long.code, Some(0));
    assert!(long.stderr.starts_with("warning: the token lives 1d 1h"), "{}", long.stderr);
    assert_eq!(long.stdout.trim().split('.').count(), 3);
}

#[test]
fn a_token_is_verified_as_the_plugin_does_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, jwks) = (path("key.pem"), path("jwks.json"));
    for algorithm in ["RS256", "ES256"] {
        run(&["keys", "generate", "--algorithm", algorithm, "--out", &key, "--force"]);
        std::fs::write(&jwks, run(&["keys", "jwks", &key]).stdout).unwrap();
        let mut mint = vec!["token", "mint", "--subject", "alice", "--role", "developer", "--key", &key];
        mint.extend(["--audience", "https://a.example", "--issuer", "https://i.example"]);
        let token = run(&mint).stdout.trim().to_owned();
        let verify = |token: &str, issuer: &str, audience: &str| {
            run(&[
                "token",
                "verify",
                token,
                "--jwks",
                &jwks,
                "--issuer",
                issuer,
                "--audience",
                audience,
                "--json",
            ])
        };
        let good = verify(&token, "https://i.example", "https://a.example");
        assert_eq!(good.code, Some(0), "{good:?}");
        assert_eq!(good.json()["token"]["roles"], json!(["developer"]));
        let reason = |run: common::Run| (run.code, run.json()["reason"].as_str().unwrap().to_owned());
        let refused = |word: &str| (Some(2), word.to_owned());
        assert_eq!(
            reason(verify(&token, "https://x.example", "https://a.example")),
            refused("unknown_issuer")
        );
        assert_eq!(
            reason(verify(&token, "https://i.example", "https://x.example")),
            refused("wrong_audience")
        );
        let other = token.rsplit_once('.').unwrap().0.to_owned()
            + "."
            + &"A".repeat(if algorithm == "RS256" { 342 } else { 86 });
        assert_eq!(
            reason(verify(&other, "https://i.example", "https://a.example")),
            refused("bad_signature")
        );
    }
}

#[test]
fn a_key_file_is_not_replaced_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    let key = key.to_str().unwrap();
    assert_eq!(run(&["keys", "generate", "--out", key]).code, Some(0));
    let before = std::fs::read(key).unwrap();
    let again = run(&["keys", "generate", "--out", key]);
    assert_eq!((again.code, std::fs::read(key).unwrap() == before), (Some(1), true));
    assert!(again.stderr.contains("--force"));
    assert_eq!(run(&["keys", "generate", "--out", key, "--force"]).code, Some(0));
    assert!(std::fs::read(key).unwrap() != before);
}

#[test]
fn what_is_not_a_key_or_a_token_is_refused_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret.pem");
    std::fs::write(&file, "hunter2").unwrap();
    let refused = run(&["keys", "jwks", file.to_str().unwrap()]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("no RSA, P-256, P-384 or Ed25519 private key")
            && !refused.stderr.contains("hunter2")
    );
    for token in ["hunter2", "hunter2.hunter2.", "a.b.c.d.e", "e30.W10.x"] {
        let refused = run(&["token", "inspect", token]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{token}");
        assert!(!refused.stderr.contains("hunter2"));
    }
}

#[test]
fn a_missing_file_is_a_failure_with_its_name() {
    let missing = run(&["keys", "jwks", "/no/such/key.pem", "--json"]);
    assert_eq!(missing.code, Some(1));
    let message = missing.json()["diagnostics"][0]["message"].to_string();
    assert!(message.contains("`/no/such/key.pem`"), "{message}");
}

#[test]
fn a_folder_without_keys_is_not_pruned_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for dir in [folder.path().to_owned(), folder.path().join("keyz")] {
        let refused = run(&["keys", "prune", "--dir", dir.to_str().unwrap()]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
        assert!(refused.stderr.contains("keys.json`"), "{refused:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn bad_usage_has_its_own_exit_code_and_suggests_the_word_that_was_meant() {
    let typo = run(&["tokn"]);
    assert_eq!(typo.code, Some(64));
    assert!(typo.stderr.contains("'token'"));
    let in_json = run(&["token", "mint", "--json"]);
    assert_eq!((in_json.code, &in_json.json()["ok"]), (Some(64), &json!(false)));
    assert_eq!(run(&["--help"]).code, Some(0));
    assert_eq!(run(&["--version"]).code, Some(0));
}

#[test]
fn keys_rotate_encrypted_and_the_old_one_stays_for_its_grace() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let dir = keys.to_str().unwrap();
    let variables = [("TOOLGATE_KEY_PASSPHRASE", "correct horse battery")];
    let run_in = |arguments: &[&str]| run_with(arguments, "", &variables);
    let missing = run(&["keys", "rotate", "--dir", dir]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("TOOLGATE_KEY_PASSPHRASE"), "{}", missing.stderr);
    let first = run_in(&["keys", "rotate", "--dir", dir, "--algorithm", "EdDSA", "--json"]).json();
    let second =
        run_in(&["keys", "rotate", "--dir", dir, "--algorithm", "PS384", "--grace", "0s", "--json"]).json();
    assert_eq!(second["published"].as_array().unwrap().len(), 2);
    let pem =
        std::fs::read_to_string(keys.join(format!("key-{}.pem", second["kid"].as_str().unwrap()))).unwrap();
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));

    let jwks = run(&["keys", "jwks", dir]).json();
    assert_eq!(jwks["keys"][0]["kid"], second["kid"]);
    assert_eq!((&jwks["keys"][1]["kid"], &jwks["keys"][1]["crv"]), (&first["kid"], &json!("Ed25519")));
    let public = keys.join("jwks.json");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(&public).unwrap()).unwrap(),
        jwks
    );
    let mut mint =
        vec!["token", "mint", "--subject", "alice", "--key", dir, "--audience", "https://a.example"];
    mint.extend(["--issuer", "https://i.example"]);
    let token = run_in(&mint).stdout.trim().to_owned();
    let mut verify =
        vec!["token", "verify", &token, "--jwks", public.to_str().unwrap(), "--algorithm", "PS384"];
    verify.extend(["--issuer", "https://i.example", "--audience", "https://a.example", "--json"]);
    let verified = run(&verify);
    assert_eq!((verified.code, &verified.json()["token"]["kid"]), (Some(0), &second["kid"]), "{verified:?}");
    let closed = run_with(&mint, "", &[("TOOLGATE_KEY_PASSPHRASE", "another horse battery")]);
    assert_eq!(closed.code, Some(2));
    assert!(!closed.stderr.contains("horse"), "{}", closed.stderr);

    let pruned = run(&["keys", "prune", "--dir", dir, "--json"]).json();
    assert_eq!((&pruned["dropped"], &pruned["published"]), (&json!([first["kid"]]), &json!(1)));
    assert_eq!(run(&["keys", "jwks", dir]).json()["keys"].as_array().unwrap().len(), 1);
}
