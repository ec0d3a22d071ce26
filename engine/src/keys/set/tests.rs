// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::keys::Family;
use crate::keys::fixtures::*;
use alloc::format;
use alloc::string::String;

fn parse(text: &str) -> Result<KeySet, KeySetError> {
    KeySet::parse(text.as_bytes())
}

#[test]
fn one_bad_key_does_not_take_down_the_others() {
    let keys = [
        rsa_jwk(RSA_1024_N, r#""kid":"weak","#),
        rsa_jwk(RSA_2048_N, r#""kid":"private","d":"AQAB","#),
        String::from(r#"{"kty":"oct","k":"AQAB","kid":"secret"}"#),
        String::from("17"),
        rsa_jwk(RSA_2048_N, r#""kid":"good","#),
    ];
    let set = parse(&set_of(&keys)).unwrap();
    assert_eq!((set.count(), set.skipped_count()), (1, 4));
    let reasons: Vec<_> =
        set.skipped().iter().map(|skipped| (skipped.index, skipped.reason.label())).collect();
    let expected = [(0, "weak_modulus"), (1, "private_member"), (2, "symmetric"), (3, "not_an_object")];
    assert_eq!(reasons, expected);
    assert_eq!(set.candidates(Some("good"), Alg::Rs256).unwrap().iter().count(), 1);
    for kid in ["weak", "private", "secret", "", "Good"] {
        assert_eq!(set.candidates(Some(kid), Alg::Rs256).unwrap_err(), NoCandidate::UnknownKid);
    }
}

#[test]
fn sets_that_are_none() {
    use KeySetError as E;
    assert_eq!(parse("").unwrap_err(), E::NotJson(JsonErrorKind::Incomplete));
    assert_eq!(parse("<html>").unwrap_err(), E::NotJson(JsonErrorKind::Unexpected));
    assert_eq!(parse(r#"{"keys":[],"keys":[]}"#).unwrap_err(), E::NotJson(JsonErrorKind::DuplicateKey));
    for text in ["[]", "{}", r#"{"keys":{}}"#, r#"{"keys":null}"#] {
        assert_eq!(parse(text).unwrap_err(), E::NoKeys, "{text}");
    }
    assert_eq!(parse(r#"{"keys":[]}"#).unwrap_err(), E::NoUsableKey);
    assert_eq!(parse(r#"{"keys":[1]}"#).unwrap_err(), E::NoUsableKey);
    let many = alloc::vec![String::from("1"); 1_001];
    assert_eq!(parse(&set_of(&many)).unwrap_err(), E::TooManyKeys);
    assert_eq!(parse(&" ".repeat(MAX_KEY_SET_BYTES + 1)).unwrap_err(), E::TooLarge);
}

#[test]
fn a_thousand_keys_are_all_found() {
    let keys: Vec<String> =
        (0..1_000).map(|number| ec_jwk(P256_X, P256_Y, &format!(r#""kid":"key-{number}","#))).collect();
    let set = parse(&set_of(&keys)).unwrap();
    assert_eq!(set.count(), 1_000);
    for number in 0..1_000 {
        let kid = format!("key-{number}");
        let found: Vec<_> =
            set.candidates(Some(&kid), Alg::Es256).unwrap().iter().map(PublicKey::kid).collect();
        assert_eq!(found, [Some(kid.as_str())]);
    }
    assert_eq!(set.candidates(Some("key-1000"), Alg::Es256).unwrap_err(), NoCandidate::UnknownKid);
    assert_eq!(set.candidates(None, Alg::Es256).unwrap().iter().count(), 4);
    let longest = (0..set.starts.len() - 1).map(|at| set.starts[at + 1] - set.starts[at]).max().unwrap();
    assert!(longest <= 8, "{longest}");
}

#[test]
fn algorithm_and_key_must_fit() {
    let keys = [
        rsa_jwk(RSA_2048_N, r#""kid":"a","#),
        ec_jwk(P256_X, P256_Y, r#""kid":"a","#),
        rsa_jwk(RSA_2048_B_N, ""),
    ];
    let set = parse(&set_of(&keys)).unwrap();
    let families = |kid, alg| -> Vec<Family> {
        set.candidates(kid, alg).unwrap().iter().map(PublicKey::family).collect()
    };
    assert_eq!(families(Some("a"), Alg::Rs256), [Family::Rsa]);
    assert_eq!(families(Some("a"), Alg::Es256), [Family::P256]);
    assert_eq!(families(None, Alg::Rs256), [Family::Rsa, Family::Rsa]);
    let set = parse(&set_of(&keys[..1])).unwrap();
    assert_eq!(set.candidates(Some("a"), Alg::Es256).unwrap_err(), NoCandidate::NoneFits);
    assert_eq!(set.candidates(None, Alg::Es256).unwrap_err(), NoCandidate::NoneFits);
}

#[test]
fn generation_tells_sets_apart() {
    let one = rsa_jwk(RSA_2048_N, r#""kid":"a","#);
    let two = ec_jwk(P256_X, P256_Y, r#""kid":"b","#);
    let generation = |keys: &[String]| parse(&set_of(keys)).unwrap().generation();
    let both = generation(&[one.clone(), two.clone()]);
    assert_eq!(both, generation(&[one.replace("{\"kid\"", "{ \"new\":1,\"kid\""), two.clone()]));
    for other in [
        generation(core::slice::from_ref(&one)),
        generation(core::slice::from_ref(&two)),
        generation(&[one.replace("\"a\"", "\"c\""), two.clone()]),
        generation(&[one.replace("{", r#"{"alg":"RS256","#), two]),
        generation(&[rsa_jwk(RSA_2048_N, "")]),
        generation(&[rsa_jwk(RSA_2048_N, r#""kid":"","#)]),
    ] {
        assert_ne!(both, other);
    }
    assert_ne!(generation(&[rsa_jwk(RSA_2048_N, "")]), generation(&[rsa_jwk(RSA_2048_N, r#""kid":"","#)]));
}
