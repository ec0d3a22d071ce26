// SPDX-License-Identifier: Apache-2.0

use super::*;
use alloc::string::ToString;
use alloc::vec;

fn refusal(text: &str) -> JsonErrorKind {
    Doc::parse(text.as_bytes(), Limits::MESSAGE).map(|_| ()).expect_err(text).kind
}

#[test]
fn a_member_is_found_by_its_whole_name_however_it_is_written() {
    let text = br#"{"aud":1,"azp":2,"azq":3,"\u0061\u0062":4,"a\u0062\u0063":5,"":6,"x":{"aud":7},"\"":8}"#;
    let doc = Doc::parse(text, Limits::TOKEN).unwrap();
    let found = |name: &str| doc.root().get(name).and_then(|value| value.as_i64());
    let all = [("aud", 1), ("azp", 2), ("azq", 3), ("ab", 4), ("abc", 5), ("", 6), ("\"", 8)];
    for (name, number) in all {
        assert_eq!(found(name), Some(number), "{name}");
    }
    for absent in ["azr", "bud", "au", "audi", "x", "\\u0061\\u0062", "abd", " "] {
        assert_eq!(found(absent), None, "{absent}");
    }
    assert!(doc.root().get("x").unwrap().get("aud").is_some());
    assert!(doc.root().get("aud").unwrap().get("aud").is_none());
}

#[test]
fn what_rfc_8259_allows_is_read() {
    let doc =
        Doc::parse(r#" {"a":[1,-2.5e+3,{"b":null}],"c":"x\u00e9\n","":true} "#.as_bytes(), Limits::MESSAGE)
            .unwrap();
    let root = doc.root();
    assert_eq!(root.pointer("/a/0").and_then(|value| value.as_i64()), Some(1));
    assert_eq!(root.pointer("/a/1").and_then(|value| value.as_f64()), Some(-2500.0));
    assert_eq!(root.pointer("/a/2/b").map(|value| value.kind()), Some(Kind::Null));
    assert_eq!(root.get("c").and_then(|value| value.as_str()).unwrap(), "x\u{e9}\n");
    assert_eq!(root.get("").and_then(|value| value.as_bool()), Some(true));
    assert_eq!(root.get("a").unwrap().raw(), r#"[1,-2.5e+3,{"b":null}]"#);
    assert!(root.pointer("/a/00").is_none());
    assert!(root.pointer("/a/3").is_none());
    assert!(root.pointer("a").is_none());
}

#[test]
fn every_refusal_has_its_kind() {
    use JsonErrorKind as K;
    for (text, kind) in [
        ("", K::Incomplete),
        ("{", K::Incomplete),
        ("[1", K::Incomplete),
        ("\"a", K::Incomplete),
        ("tru", K::Incomplete),
        ("-", K::Incomplete),
        ("1.", K::Incomplete),
        ("1e", K::Incomplete),
        ("{\"a\":1}x", K::Trailing),
        ("1 2", K::Trailing),
        ("[1,]", K::Unexpected),
        ("{\"a\":1,}", K::Unexpected),
        ("{,}", K::Unexpected),
        ("[}", K::Unexpected),
        ("{]", K::Unexpected),
        ("[1}", K::Unexpected),
        ("{\"a\" 1}", K::Unexpected),
        ("{a:1}", K::Unexpected),
        ("01", K::Trailing),
        ("+1", K::Unexpected),
        (".5", K::Unexpected),
        ("NaN", K::Unexpected),
        ("'a'", K::Unexpected),
        ("\u{feff}1", K::Unexpected),
        ("/**/1", K::Unexpected),
        ("\"\\x\"", K::Unexpected),
        ("\"\\u12g4\"", K::Unexpected),
        ("\"\\ud800\"", K::LoneSurrogate),
        ("\"\\ud800\\u0041\"", K::LoneSurrogate),
        ("\"\\udc00\"", K::LoneSurrogate),
        ("\"a\nb\"", K::ControlCharacter),
        ("\"12345678\u{1}\"", K::ControlCharacter),
        (r#"{"a":1,"a":2}"#, K::DuplicateKey),
        (r#"{"a":1,"\u0061":2}"#, K::DuplicateKey),
        (r#"{"x":{"a":1,"b":2,"a":2}}"#, K::DuplicateKey),
        (r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"a":2}"#, K::DuplicateKey),
    ] {
        assert_eq!(refusal(text), kind, "{text}");
    }
    assert_eq!(Doc::parse(b"\"\xff\"", Limits::MESSAGE).unwrap_err().kind, K::NotUtf8);
}

#[test]
fn depth_and_size_are_bounded() {
    let nest = |levels: usize| ["[".repeat(levels), "]".repeat(levels)].concat();
    assert!(Doc::parse(nest(64).as_bytes(), Limits::MESSAGE).is_ok());
    assert_eq!(refusal(&nest(65)), JsonErrorKind::TooDeep);
    assert_eq!(refusal(&nest(2000)), JsonErrorKind::TooDeep);
    let limits = Limits { depth: 4, nodes: 3 };
    assert!(Doc::parse(b"[1,2]", limits).is_ok());
    assert_eq!(Doc::parse(b"[1,2,3]", limits).unwrap_err().kind, JsonErrorKind::TooLarge);
}

#[test]
fn surrogate_pairs_and_escapes_are_unescaped() {
    let doc = Doc::parse(br#""\ud83d\ude00\/\"\\\b\f\r\t\u0000""#, Limits::MESSAGE).unwrap();
    assert_eq!(doc.root().as_str().unwrap(), "\u{1F600}/\"\\\u{8}\u{c}\r\t\0");
}

#[test]
fn written_strings_read_back() {
    for text in ["", "plain", "q\"b\\s/", "\n\r\t\u{0}\u{1f}\u{7f}", "é\u{1F600}\u{2028}"] {
        let written = quoted(text);
        assert_eq!(Doc::parse(written.as_bytes(), Limits::MESSAGE).unwrap().root().as_str().unwrap(), text);
    }
}

/// The other parser accepts a superset: it keeps the last of two equal names and knows no node limit.
#[test]
fn agrees_with_another_parser_on_mutations() {
    let seeds = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":[1,2.5e-3,"x"]}}}"#,
        r#"[null,true,false,"\u00e9\ud83d\ude00",{"":{}},-0,1E9]"#,
    ];
    let mut random = crate::xorshift::Xorshift(0x2545_F491_4F6C_DD1D);
    let mut next = |below| random.index(below);
    let alphabet = b"{}[]\",:\\ue0123456789.-+truefalsn \n\x00\xff\xc3\xa9ad8";
    let mut accepted = 0_u32;
    for _ in 0..60_000 {
        let mut bytes = seeds[next(seeds.len())].as_bytes().to_vec();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = alphabet[next(alphabet.len())],
                1 => bytes.insert(at, alphabet[next(alphabet.len())]),
                _ => drop(bytes.remove(at)),
            }
        }
        let theirs: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
        match (Doc::parse(&bytes, Limits::MESSAGE), theirs) {
            (Ok(ours), Ok(theirs)) => {
                accepted += 1;
                let again: serde_json::Value = serde_json::from_str(ours.root().raw()).unwrap();
                assert_eq!(again, theirs);
            }
            (Err(_), Err(_)) => {}
            (Err(error), Ok(_)) => assert!(
                matches!(error.kind, JsonErrorKind::DuplicateKey),
                "{error} in {:?}",
                alloc::string::String::from_utf8_lossy(&bytes)
            ),
            // The other parser refuses numbers that a double cannot hold; we keep their text.
            (Ok(ours), Err(error)) => {
                assert!(error.to_string().contains("out of range"), "{error}: {}", ours.text())
            }
        }
    }
    assert!(accepted > 5_000, "{accepted}");
}

#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Sample {
    #[serde(default)]
    numbers: Vec<u16>,
    choice: Choice,
}

#[derive(serde::Deserialize, Debug, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Choice {
    Strip,
    Value { env: String },
}

fn sample(text: &str) -> Result<Sample, DeError> {
    let doc = Doc::parse(text.as_bytes(), Limits::CONFIG).unwrap();
    from_value(doc.root())
}

#[test]
fn typed_reading_names_the_path_and_suggests() {
    let key = |name: &str| Segment::Key(name.to_string());
    let read = sample(r#"{"choice":{"value":{"env":"A"}},"numbers":[1,2.0]}"#).unwrap();
    assert_eq!((read.choice, read.numbers), (Choice::Value { env: "A".to_string() }, vec![1, 2]));
    assert_eq!(sample(r#"{"choice":"strip"}"#).unwrap().choice, Choice::Strip);

    let error = sample(r#"{"choice":"strip","numbrs":[1]}"#).unwrap_err();
    assert_eq!(error.path(), vec![key("numbrs")]);
    assert_eq!(error.message(), "unknown key `numbrs`");
    assert_eq!(error.help().unwrap(), "did you mean `numbers`?");

    let error = sample(r#"{"choice":"strpi"}"#).unwrap_err();
    assert_eq!((error.path(), error.help().unwrap()), (&[key("choice")][..], "did you mean `strip`?"));

    let error = sample(r#"{"choice":"strip","numbers":[1,"secret"]}"#).unwrap_err();
    assert_eq!(error.path(), vec![key("numbers"), Segment::Index(1)]);
    assert_eq!(error.message(), "expected a whole number that is not negative, found a string");

    let error = sample(r#"{"choice":{"value":{"envv":"A"}}}"#).unwrap_err();
    assert_eq!(error.path(), vec![key("choice"), key("value"), key("envv")]);
    assert_eq!(sample("{}").unwrap_err().message(), "the key `choice` is missing");

    let error = sample(r#"{"choice":"value"}"#).unwrap_err();
    assert_eq!((error.path(), error.message()), (&[key("choice")][..], "`value` has no content"));
    assert_eq!(error.help().unwrap(), "write `{ value: … }`");
    let error = sample(r#"{"choice":{"strip":1}}"#).unwrap_err();
    assert_eq!((error.path(), error.message()), (&[key("choice")][..], "`strip` takes no content"));
    for wrong in [r#"{"choice":{}}"#, r#"{"choice":{"strip":1,"value":{}}}"#, r#"{"choice":7}"#] {
        assert_eq!(sample(wrong).unwrap_err().path(), vec![key("choice")], "{wrong}");
    }
}

#[test]
fn a_name_stands_once_however_many_there_are_and_however_alike() {
    // All of one length, with the same first and last character, and some that differ in those.
    let alike = |at: usize| alloc::format!("a{at:03}z");
    let mixed = |at: usize| alloc::format!("{}{at}", char::from(b'a' + u8::try_from(at % 26).unwrap()));
    for name in [&alike as &dyn Fn(usize) -> String, &mixed] {
        for count in [1, 2, 3, 8, 9, 15, 16, 17, 18, 33, 70] {
            let member = |at: usize| alloc::format!("{}:{at}", quoted(&name(at)));
            let all: Vec<String> = (0..count).map(member).collect();
            let text = |members: &[String]| alloc::format!("{{{}}}", members.join(","));
            assert!(Doc::parse(text(&all).as_bytes(), Limits::TOKEN).is_ok(), "{count}");
            for (one, two) in (0..count).flat_map(|two| (0..two).map(move |one| (one, two))) {
                let mut twice = all.clone();
                twice[two] = member(one);
                let error = Doc::parse(text(&twice).as_bytes(), Limits::TOKEN).unwrap_err();
                assert_eq!(error.kind, JsonErrorKind::DuplicateKey, "{one} and {two} of {count}");
            }
        }
    }
}

#[test]
fn a_name_far_longer_than_the_one_that_is_looked_for_is_unclear() {
    for (spaces, expected) in [(1_024, Ok(None)), (1_025, Err(Unclear))] {
        let text = alloc::format!(r#"{{"x{}":1}}"#, " ".repeat(spaces));
        let doc = Doc::parse(text.as_bytes(), Limits { depth: 4, nodes: 8 }).unwrap();
        let found = doc.root().get_clear("y").map(|found| found.map(|value| value.raw().len()));
        assert_eq!(found, expected, "{spaces}");
    }
}

#[test]
fn what_a_copy_would_inherit_is_unclear() {
    for (text, name, expected) in [
        (r#"{"__proto__":{"y":1}}"#, "y", Err(Unclear)),
        (r#"{"y":1,"\u005f_proto__":{"y":2}}"#, "y", Err(Unclear)),
        (r#"{"__proto__":{"y":1}}"#, "__proto__", Ok(true)),
        (r#"{"_proto_":{"y":1}}"#, "y", Ok(false)),
    ] {
        let doc = Doc::parse(text.as_bytes(), Limits { depth: 4, nodes: 8 }).unwrap();
        assert_eq!(doc.root().get_clear(name).map(|found| found.is_some()), expected, "{text}");
    }
}
