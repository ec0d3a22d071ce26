// SPDX-License-Identifier: Apache-2.0
//! Keys that are shown: good ones, spoilt ones, others' ones.

use super::*;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn entry(id: &str, set: usize, random: u8) -> (ApiKey, String) {
    let text = compose("tgk", id, &[random; 32]);
    let hash = KeyHash::of(KeyText::parse(text.as_bytes(), "tgk").unwrap(), [random; 16]);
    let key = ApiKey {
        id: id.into(),
        set,
        owner: "acme".into(),
        hash,
        roles: Vec::new(),
        expires: None,
        state: KeyState::Live,
        labels: Vec::new(),
    };
    (key, text)
}

fn judge(keys: &ApiKeys, text: &str, set: usize) -> Result<usize, KeyFault> {
    let shown = KeyText::parse(text.as_bytes(), "tgk").ok_or(KeyFault::Malformed)?;
    keys.judge(shown, &[set], NOW)
}

#[test]
fn a_key_is_known_by_itself_alone() {
    let ((one, one_text), (two, two_text)) = (entry("one", 0, 1), entry("two", 0, 2));
    let ((over, over_text), (gone, gone_text)) = (entry("over", 0, 3), entry("gone", 0, 4));
    let (other, other_text) = entry("other", 1, 5);
    let (last, last_text) = entry("last", 0, 6);
    let over = ApiKey { expires: Some(NOW), ..over };
    let last = ApiKey { expires: Some(NOW.plus_secs(1)), ..last };
    let gone = ApiKey { state: KeyState::Revoked, expires: Some(NOW), ..gone };
    let keys = ApiKeys::new(Vec::new(), vec![two, one, over, gone, other, last]);
    // Two live keys of one owner: both are good while one replaces the other.
    assert_eq!(judge(&keys, &one_text, 0).map(|at| &*keys.get(at).unwrap().id), Ok("one"));
    assert_eq!(judge(&keys, &two_text, 0).map(|at| &*keys.get(at).unwrap().id), Ok("two"));
    assert!(judge(&keys, &last_text, 0).is_ok());
    for (text, set, fault) in [
        (over_text, 0, KeyFault::Expired),
        (gone_text.clone(), 0, KeyFault::Revoked),
        (other_text.clone(), 0, KeyFault::Unknown),
        (compose("tgk", "nobody", &[1; 32]), 0, KeyFault::Unknown),
        (compose("tgk", "one", &[2; 32]), 0, KeyFault::Wrong),
        // Whether a key is withdrawn is told only to who has it.
        (compose("tgk", "gone", &[9; 32]), 0, KeyFault::Wrong),
        (compose("key", "one", &[1; 32]), 0, KeyFault::Malformed),
    ] {
        assert_eq!(judge(&keys, &text, set).err(), Some(fault), "{text}");
    }
    assert!(judge(&keys, &other_text, 1).is_ok());
    assert_eq!(format!("{keys:?}").matches("KeyHash").count(), 0);
    assert!(!format!("{keys:?}{:?}", KeyText::parse(gone_text.as_bytes(), "tgk")).contains(&gone_text));
}

#[test]
fn the_end_of_a_key_that_was_withdrawn_is_told_no_more() {
    let [(live, _), (gone, _), (lasting, _)] = [entry("a", 0, 1), entry("b", 0, 2), entry("c", 0, 3)];
    let live = ApiKey { expires: Some(NOW), ..live };
    let gone = ApiKey { state: KeyState::Revoked, expires: Some(NOW), ..gone };
    let keys = ApiKeys::new(Vec::new(), vec![live, gone, lasting]);
    let told: Vec<_> = keys.ends().map(|sample| (sample.series, sample.value)).collect();
    let series = |at| Series::new(Metric::ApiKeyExpires, "").of_key(at);
    assert_eq!(told, [(series(0), NOW.as_secs()), (series(1), 0)]);
}

#[test]
fn every_changed_character_and_every_truncation_is_refused() {
    let (key, text) = entry("one", 0, 7);
    let keys = ApiKeys::new(Vec::new(), vec![key]);
    for length in 0..text.len() {
        assert_eq!(judge(&keys, text.get(..length).unwrap(), 0), Err(KeyFault::Malformed), "{length}");
    }
    for at in 0..text.len() {
        for bit in 0..7 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(judge(&keys, &changed, 0), Err(KeyFault::Malformed), "{changed}");
        }
    }
    assert_eq!(judge(&keys, &format!("{text}0"), 0), Err(KeyFault::Malformed));
    assert_eq!(judge(&keys, &text.to_uppercase(), 0), Err(KeyFault::Malformed));
}

#[test]
fn only_a_hash_is_a_hash() {
    let (key, text) = entry("one", 0, 8);
    let written = key.hash.text();
    assert_eq!(KeyHash::parse(&written), Some(key.hash.clone()));
    assert!(!written.contains(text.rsplit('_').nth(1).unwrap()));
    assert_ne!(KeyHash::of(KeyText::parse(text.as_bytes(), "tgk").unwrap(), [9; 16]), key.hash, "salted");
    let cut = written.get(..written.len() - 2).unwrap().to_string();
    for bad in [text, String::new(), "sha256:".into(), written.replace("sha256", "md5"), cut, written + "A"] {
        assert_eq!(KeyHash::parse(&bad), None, "{bad}");
    }
}
