// SPDX-License-Identifier: Apache-2.0
//! Bundles by themselves; what requests come to is tested in the flow.

use super::*;
use crate::keys::PublicKey;
use crate::policy::Mode;
use crate::time::UnixTime;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signer, SigningKey};

/// A bundle of a document, by the key of that seed.
pub(crate) fn sealed(seed: u8, document: &str) -> String {
    let signed = signed_part(document);
    let signature = SigningKey::from_bytes(&[seed; 32]).sign(signed.as_bytes());
    format!("{signed}{}\n", Base64UrlUnpadded::encode_string(&signature.to_bytes()))
}

/// The public half of that key.
pub(crate) fn public(seed: u8) -> String {
    Base64UrlUnpadded::encode_string(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes())
}

const POLICY: &str = r#"{"version":1,"roles":{"guest":{"allow":[{"tools":["echo"]}]}}}"#;

fn rules() -> BundleRules {
    BundleRules {
        name: "default".to_owned(),
        keys: [1, 2].iter().filter_map(|seed| PublicKey::from_ed25519(&public(*seed))).collect(),
        min_version: 3,
        roles: Vec::from(["guest".into()]),
        mode: Mode::Enforce,
    }
}

fn document(from: &str, to: &str) -> String {
    let all = format!(
        r#"{{"name":"default","version":7,"expires":"2027-01-01T00:00:00Z","parts":{{"policy":{POLICY}}}}}"#
    );
    assert!(all.contains(from), "{from}");
    all.replace(from, to)
}

fn read(text: &str, held: Option<u64>) -> Result<u64, Fault> {
    let now = UnixTime::from_secs(1_790_000_000);
    Bundle::read(text.as_bytes(), &rules(), held, now).map(|bundle| bundle.version)
}

#[test]
fn a_bundle_is_believed_only_if_all_of_it_is_good() {
    let cases = [
        ("", "", Ok(7)),
        (r#""name":"#, r#""created":"2026-11-21T00:00:00Z","name":"#, Ok(7)),
        ("\"default\"", "\"other\"", Err(Fault::Name)),
        (":7,", ":3,", Ok(3)),
        (":7,", ":2,", Err(Fault::Older)),
        (":7,", ":0,", Err(Fault::Format)),
        (":7,", ":-7,", Err(Fault::Format)),
        (":7,", ":\"7\",", Err(Fault::Format)),
        ("2027-01-01", "2025-01-01", Err(Fault::Expired)),
        ("2027-01-01T00:00:00Z", "2027", Err(Fault::Format)),
        (r#""expires":"2027-01-01T00:00:00Z","#, "", Err(Fault::Format)),
        (r#""parts":"#, r#""more":1,"parts":"#, Err(Fault::Format)),
        (r#""policy":"#, r#""baselines":{},"policy":"#, Err(Fault::Part)),
        (r#""policy":"#, r#""content_rules":{},"policy":"#, Err(Fault::Part)),
        (r#""version":7,"#, r#""version":7,"version":8,"#, Err(Fault::Format)),
        (POLICY, "{}", Err(Fault::Policy)),
        (r#""tools":["echo"]"#, r#""tols":["echo"]"#, Err(Fault::Policy)),
        ("guest", "friend", Err(Fault::Unfit)),
        (r#"{"version":1,"#, r#"{"version":1,"mode":"shadow","#, Err(Fault::Unfit)),
    ];
    for (from, to, expected) in cases {
        assert_eq!(read(&sealed(1, &document(from, to)), None), expected, "{to}");
    }
    let whole = document("", "");
    assert_eq!(read(&sealed(2, &whole), None), Ok(7), "any of the keys");
    assert_eq!(read(&sealed(3, &whole), None), Err(Fault::Signature));
    assert_eq!(read(&sealed(1, &whole), Some(6)), Ok(7));
    assert_eq!(read(&sealed(1, &whole), Some(7)), Err(Fault::Older));
    assert_eq!(read(&sealed(1, &whole), Some(8)), Err(Fault::Older));
}

#[test]
fn without_a_good_signature_nothing_is_read() {
    let whole = document("", "");
    let good = sealed(1, &whole);
    for text in ["", "\n", &whole, "toolgate-bundle 1\n", HEAD, &signed_part(&whole), "<html>\n</html>\n"] {
        assert_eq!(read(text, None), Err(Fault::Unsigned), "{text}");
    }
    assert_eq!(read(&good.replace("toolgate-bundle 1", "toolgate-bundle 2"), None), Err(Fault::Unsigned));
    assert_eq!(read(&good.replace("\"echo\"", "\"exec\""), None), Err(Fault::Signature));
    assert_eq!(read(&good.replacen('\n', "\n\n", 1), None), Err(Fault::Signature));
    assert_eq!(read(good.trim_end(), None), Ok(7), "the last line may lack its end");
    for length in 0..good.len() - 1 {
        assert!(read(good.split_at(length).0, None).is_err(), "{length}");
    }
    let mut bytes = good.clone().into_bytes();
    for at in 0..bytes.len() - 1 {
        bytes[at] ^= 1;
        let now = UnixTime::from_secs(1_790_000_000);
        assert!(Bundle::read(&bytes, &rules(), None, now).is_err(), "{at}");
        bytes[at] ^= 1;
    }
}

#[test]
fn only_a_whole_key_is_a_key() {
    assert!(PublicKey::from_ed25519(&public(1)).is_some());
    let padded = format!("{}=", public(1));
    let zero = Base64UrlUnpadded::encode_string(&[0; 32]);
    for text in ["", "AAAA", public(1).split_at(1).1, &padded, &zero, "\",\"d\":\"x"] {
        assert!(PublicKey::from_ed25519(text).is_none(), "{text}");
    }
}

#[test]
fn a_candidate_may_say_that_it_is_one() {
    let shadow = BundleRules { mode: Mode::Shadow, roles: Vec::new(), ..rules() };
    let text = sealed(1, &document(r#"{"version":1,"#, r#"{"version":1,"mode":"shadow","#));
    let now = UnixTime::from_secs(1_790_000_000);
    assert_eq!(Bundle::read(text.as_bytes(), &shadow, None, now).map(|bundle| bundle.version), Ok(7));
}
