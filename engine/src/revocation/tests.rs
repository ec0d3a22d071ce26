// SPDX-License-Identifier: Apache-2.0
//! Lists by themselves; what requests come to is tested in the flow.

mod shards;

use super::*;
use crate::feed::Content;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

const KEY: HashKey = HashKey([9; 16]);

fn read(text: &str) -> Result<List, &'static str> {
    List::read(text.as_bytes(), &KEY, None, UnixTime::from_secs(0))
}

#[test]
fn a_document_is_read_strictly() {
    for (text, expected) in [
        ("{}", Ok(0)),
        (r#"{"jti":["a","b","a"],"not_before":{"sub":{"u":5}}}"#, Ok(3)),
        (r#"{"jti":["a"],"sub":["a"],"client_id":["a"],"kid":["a"],"not_before":{"iss":{"a":0}}}"#, Ok(5)),
        ("", Err("not_json")),
        ("<html>", Err("not_json")),
        (r#"{"jti":[],"jti":[]}"#, Err("not_json")),
        ("[]", Err("wrong_form")),
        (r#"{"not_before":[]}"#, Err("wrong_form")),
        (r#"{"not_before":{"sub":[]}}"#, Err("wrong_form")),
        (r#"{"jtis":[]}"#, Err("wrong_form")),
        (r#"{"jti":[1]}"#, Err("wrong_form")),
        (r#"{"jti":"a"}"#, Err("wrong_form")),
        (r#"{"jti":[""]}"#, Err("wrong_form")),
        (r#"{"not_before":{"aud":{}}}"#, Err("wrong_form")),
        (r#"{"not_before":{"sub":{"u":-1}}}"#, Err("wrong_form")),
        (r#"{"not_before":{"sub":{"u":1.5}}}"#, Err("wrong_form")),
        (r#"{"not_before":{"sub":{"u":1800000000000}}}"#, Err("wrong_form")),
        // A document does not say for whom it speaks.
        (r#"{"issuer":"corp"}"#, Err("wrong_form")),
    ] {
        assert_eq!(read(text).map(|list| list.count()), expected, "{text}");
    }
    assert_eq!(read(&format!(r#"{{"jti":["{}"]}}"#, "x".repeat(1_025))).err(), Some("wrong_form"));
}

#[test]
fn as_many_ids_as_are_promised() {
    let ids = |count: usize| -> String {
        let ids: Vec<String> = (0..count).map(|id| format!(r#""{id}""#)).collect();
        format!(r#"{{"jti":[{}]}}"#, ids.join(","))
    };
    assert_eq!(read(&ids(MAX_IDS)).map(|list| list.count()), Ok(MAX_IDS));
    assert!(read(&ids(MAX_IDS + 1)).is_err());
}

#[test]
fn equal_documents_have_equal_generations_under_every_key() {
    let text = r#"{"jti":["a"]}"#;
    let other = List::read(text.as_bytes(), &HashKey([1; 16]), None, UnixTime::from_secs(0)).unwrap();
    assert_eq!(read(text).unwrap().generation(), other.generation());
    assert_ne!(read(r#"{"jti":["b"]}"#).unwrap().generation(), other.generation());
}

#[test]
fn nothing_of_a_list_is_printed() {
    assert_eq!(
        format!("{:?} {KEY:?}", read(r#"{"jti":["abc"]}"#).unwrap()),
        "List(1 entries) HashKey(<secret>)"
    );
}
