// SPDX-License-Identifier: Apache-2.0

use super::*;

fn json(text: &str) -> String {
    match reader::read(text) {
        Ok(read) => read.json,
        Err(error) => format!("{}:{} {}", error.mark.line, error.mark.column, error.message),
    }
}

#[test]
fn yaml_becomes_json_in_the_order_of_the_document() {
    assert_eq!(
        json("b: 1\na: [x, 'y', \"z\\n\"]\nc: { d: }\n"),
        r#"{"b":1,"a":["x","y","z\n"],"c":{"d":null}}"#
    );
    assert_eq!(json("text: |\n  one\n  two\n"), r#"{"text":"one\ntwo\n"}"#);
    assert_eq!(json("---\nversion: 1\n...\n"), r#"{"version":1}"#);
    assert_eq!(json(r#"{"a": "\u00e9\/", "b": [1.5, true, null]}"#), r#"{"a":"é/","b":[1.5,true,null]}"#);
}

#[test]
fn traps_are_refused_where_they_stand() {
    for (text, expected) in [
        ("a: 1\nb: 2\na: 3\n", "3:1 `a` is there twice"),
        ("a: &x 1\nb: *x\n", "an anchor"),
        ("b: *x\n", "not YAML"),
        ("a: !!str 1\n", "the tag"),
        ("a: !env HOME\n", "the tag"),
        ("1: a\n", "1:1 the key `1` is not a string"),
        ("true: a\n", "1:1 the key `true` is not a string"),
        ("[a]: b\n", "1:1 a key that is not a string"),
        ("a: { <<: b }\n", "1:6 a merge key `<<`"),
        ("a: 010\n", "1:4 `010` is a number that YAML readers disagree on"),
        ("a: 1\n---\nb: 1\n", "a second document"),
        ("", "1:1 an empty document"),
        ("# nothing\n", "1:1 an empty document"),
        ("a: [1, 2\n", "not YAML"),
        ("a:\n\t- b\n", "not YAML"),
    ] {
        assert!(json(text).contains(expected), "{text:?} gives {}", json(text));
    }
    assert!(json(&format!("a: {}{}", "[".repeat(200), "]".repeat(200))).contains("nested more than 64"));
}

#[test]
fn every_key_has_its_place() {
    let document = Document::parse("f.yaml", "servers:\n  - name: one\n    issuerz: [corp]\n").unwrap();
    let path = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let place = document.place(&path("servers/0/issuerz")).unwrap();
    assert_eq!((place.line, place.column, place.width), (3, 5, 7));
    assert_eq!(place.source, "    issuerz: [corp]");
    let missing = document.place(&path("servers/0/match/path")).unwrap();
    assert_eq!((missing.line, missing.column), (2, 5));
}

#[test]
fn json_is_handed_on_as_it_is() {
    let text = "{\"a\": \"\\ud83d\\ude00\", \"a\": 1}";
    assert_eq!(Document::parse("f.json", text).unwrap().json(), text);
}
