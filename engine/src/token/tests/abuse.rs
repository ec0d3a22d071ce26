// SPDX-License-Identifier: Apache-2.0
//! The table of what somebody might try (`abuse.json`): each row is refused for its own reason, and what is refused for
//! its form never reaches a verifier.

use super::*;
use crate::json::{Doc, Limits};
use crate::keys::fixtures::{ED25519_X, P256_X, P256_Y};
use alloc::collections::BTreeSet;
use serde_json::Value;

fn table() -> Value {
    serde_json::from_str(include_str!("abuse.json")).unwrap()
}

fn rows(table: &Value, name: &str) -> Vec<Value> {
    table[name].as_array().unwrap().clone()
}

/// Every algorithm, so that the key decides.
fn abused_rules() -> IssuerRules {
    let algorithms = Alg::ALL.into_iter().filter(|alg| alg.family() != crate::keys::Family::Secret).collect();
    IssuerRules { algorithms, ..rules() }
}

#[test]
fn tokens_are_refused_for_their_own_reason() {
    let table = table();
    let (header, claims) = (table["good_header"].as_str().unwrap(), table["good_claims"].as_str().unwrap());
    let good = sign(Alg::Es256, header, claims);
    assert!(judge(&good, &abused_rules()).is_ok());
    let segments: Vec<&str> = good.split('.').collect();
    let rows = rows(&table, "tokens");
    let mut names = BTreeSet::new();
    for row in &rows {
        let name = row["name"].as_str().unwrap();
        assert!(names.insert(name), "{name} stands there twice");
        let text = |member: &str| row[member].as_str();
        let token = match text("token") {
            Some(token) => token
                .replace("{h}", segments[0])
                .replace("{p}", segments[1])
                .replace("{s}", segments[2])
                .replace("{{", "{")
                .replace("}}", "}"),
            None => sign(Alg::Es256, text("header").unwrap_or(header), text("claims").unwrap_or(claims)),
        };
        let counting = Counting::default();
        let told = judge_with(&token, &abused_rules(), &key_set(), &counting, NOW).err();
        assert_eq!(told.map(Rejection::label), text("label"), "{name}");
        let formal = matches!(told, Some(Rejection::Malformed(_) | Rejection::AlgNone | Rejection::KeyHint));
        assert!(!formal || counting.0.get() == 0, "{name} reached a verifier");
    }
    assert!(rows.len() >= 60, "{}", rows.len());
}

#[test]
fn keys_are_refused_for_their_own_reason() {
    let rows = rows(&table(), "keys");
    for row in &rows {
        let jwk = row["jwk"].to_string();
        let jwk = jwk.replace("{rsa}", RSA_2048_N).replace("{x}", P256_X).replace("{y}", P256_Y);
        let jwk = jwk.replace("{ed}", ED25519_X);
        let doc = Doc::parse(jwk.as_bytes(), Limits::CONFIG).unwrap();
        let told = PublicKey::from_jwk(doc.root()).err();
        assert_eq!(told.map(crate::keys::JwkRefusal::label), row["label"].as_str(), "{}", row["name"]);
    }
    assert!(rows.len() >= 40, "{}", rows.len());
}
