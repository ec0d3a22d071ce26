// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::json::{Doc, Limits};

fn schema(text: &str) -> Result<Schema, SchemaError> {
    Schema::compile(Doc::parse(text.as_bytes(), Limits::CONFIG).unwrap().root())
}

fn check(text: &str, value: &str) -> Result<(), Misfit> {
    let value = Doc::parse(value.as_bytes(), Limits::MESSAGE).unwrap();
    schema(text).unwrap().check(value.root())
}

/// Keyword, schema, what fits, what does not.
#[test]
fn each_keyword_holds() {
    for (text, fits, misfits) in [
        ("true", &["1", "null", "{}"][..], &[][..]),
        ("false", &[], &["1", "null", "{}"]),
        (r#"{"type":"object"}"#, &["{}"], &["[]", "null", "1"]),
        (
            r#"{"type":"integer"}"#,
            &["1", "1.0", "-0", "1e2", "123456789012345678901"],
            &["1.5", "\"1\"", "1e400"],
        ),
        (r#"{"type":"number"}"#, &["1", "1.5"], &["null", "1e400"]),
        (r#"{"type":["string","null"]}"#, &["\"\"", "null"], &["1"]),
        (
            r#"{"enum":[1,"a",{"b":[1,2],"a":null}]}"#,
            &["1.0", "\"\\u0061\"", r#"{"a":null,"b":[1,2]}"#],
            &["2", r#"{"a":null,"b":[2,1]}"#],
        ),
        (r#"{"const":null}"#, &["null"], &["0"]),
        (r#"{"minimum":1,"maximum":3}"#, &["1", "3", "2.5", "\"x\""], &["0", "3.1", "-1e300"]),
        (r#"{"exclusiveMinimum":1,"exclusiveMaximum":3}"#, &["2"], &["1", "3"]),
        (r#"{"maximum":9007199254740992}"#, &["9007199254740992"], &["9007199254740993"]),
        (r#"{"multipleOf":3}"#, &["0", "9", "9.0", "\"x\""], &["10", "9.5"]),
        (
            r#"{"minLength":2,"maxLength":3}"#,
            &["\"éé\"", "\"\\ud83d\\ude00ab\"", "1"],
            &["\"a\"", "\"abcd\""],
        ),
        (r#"{"pattern":"^a+$"}"#, &["\"aa\"", "1"], &["\"ab\"", "\"\""]),
        (r#"{"required":["a"]}"#, &[r#"{"a":null}"#, "[]"], &["{}", r#"{"A":1}"#]),
        (
            r#"{"properties":{"a":{"type":"string"}},"additionalProperties":false}"#,
            &["{}", r#"{"a":"x"}"#, r#"{"\u0061":"x"}"#],
            &[r#"{"a":1}"#, r#"{"b":1}"#, r#"{"__proto__":{}}"#],
        ),
        (r#"{"additionalProperties":{"type":"integer"}}"#, &[r#"{"x":1}"#], &[r#"{"x":"1"}"#]),
        (r#"{"propertyNames":{"maxLength":2}}"#, &[r#"{"ab":1}"#], &[r#"{"abc":1}"#]),
        (r#"{"minProperties":1,"maxProperties":1}"#, &[r#"{"a":1}"#], &["{}", r#"{"a":1,"b":2}"#]),
        (
            r#"{"items":{"type":"integer"},"minItems":1,"maxItems":2}"#,
            &["[1]", "[1,2]"],
            &["[]", "[1,2,3]", r#"["1"]"#],
        ),
        (r#"{"prefixItems":[{"type":"string"}],"items":false}"#, &["[]", r#"["a"]"#], &["[1]", r#"["a",1]"#]),
        (r#"{"uniqueItems":true}"#, &["[1,2]"], &["[1,1.0]", r#"[{"a":1,"b":2},{"b":2,"a":1}]"#]),
        (r#"{"uniqueItems":false}"#, &["[1,1]"], &[]),
        (r#"{"allOf":[{"minimum":1},{"maximum":2}]}"#, &["1"], &["0", "3"]),
        (r#"{"anyOf":[{"type":"string"},{"minimum":2}]}"#, &["\"\"", "2"], &["1"]),
        (r#"{"oneOf":[{"minimum":1},{"maximum":2}]}"#, &["0", "3"], &["1", "2"]),
        (r#"{"not":{"type":"string"}}"#, &["1"], &["\"\""]),
        (
            r##"{"$defs":{"a":{"type":"string"}},"properties":{"x":{"$ref":"#/$defs/a"}}}"##,
            &[r#"{"x":""}"#],
            &[r#"{"x":1}"#],
        ),
        (
            r##"{"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"next":{"$ref":"#/$defs/tree"}},"additionalProperties":false}}}"##,
            &["{}", r#"{"next":{"next":{}}}"#],
            &[r#"{"next":{"next":1}}"#],
        ),
    ] {
        for value in fits {
            assert_eq!(check(text, value), Ok(()), "{text} {value}");
        }
        for value in misfits {
            assert!(check(text, value).is_err(), "{text} {value}");
        }
        assert!(schema(text).unwrap().unsupported().is_empty(), "{text}");
    }
}

#[test]
fn what_is_not_taken_is_told() {
    for (text, keywords) in [
        (r#"{"if":true,"then":false,"dependentRequired":{}}"#, &["dependentRequired", "if", "then"][..]),
        (r#"{"properties":{"a":{"patternProperties":{}}}}"#, &["patternProperties"]),
        (r#"{"multipleOf":0.5,"pattern":"(?=a)"}"#, &["multipleOf", "pattern"]),
        (r#"{"pattern":"\\p{L}"}"#, &["pattern"]),
        (r#"{"items":[{}]}"#, &["items"]),
        (
            r#"{"title":"a","description":"b","default":1,"format":"uri","x-mcp-header":"A","$schema":"s"}"#,
            &[],
        ),
    ] {
        assert_eq!(schema(text).unwrap().unsupported(), keywords, "{text}");
    }
}

#[test]
fn what_is_no_schema_does_not_compile() {
    use SchemaError::{BadReference, Malformed, TooLarge};
    let deep = ["{\"not\":".repeat(40), "{}".into(), "}".repeat(40)].concat();
    let wide = alloc::format!("{{\"enum\":[{}0]}}", "0,".repeat(2_000));
    for (text, expected) in [
        ("1", Malformed("schema")),
        (r#"{"type":"text"}"#, Malformed("type")),
        (r#"{"properties":[]}"#, Malformed("properties")),
        (r#"{"required":[1]}"#, Malformed("required")),
        (r#"{"minLength":-1}"#, Malformed("size")),
        (r#"{"minimum":"1"}"#, Malformed("number")),
        (r#"{"anyOf":[]}"#, Malformed("branches")),
        (r#"{"$ref":"https://example.com/schema"}"#, BadReference),
        (r#"{"$ref":"other.json"}"#, BadReference),
        (r##"{"$ref":"#/$defs/none"}"##, BadReference),
        (r##"{"$ref":"#/properties/a","properties":{"a":{}}}"##, BadReference),
        (r##"{"$ref":"#"}"##, BadReference),
        (
            r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}"##,
            BadReference,
        ),
        (&deep, TooLarge),
        (&wide, TooLarge),
    ] {
        assert_eq!(schema(text).map(|_| ()), Err(expected), "{text}");
    }
}

/// A schema that doubles its work with each step does not hold the gate up.
#[test]
fn work_is_bounded() {
    let mut defs = alloc::string::String::new();
    for level in 0..24 {
        let next = level + 1;
        defs.push_str(&alloc::format!(
            r##""d{level}":{{"anyOf":[{{"$ref":"#/$defs/d{next}"}},{{"$ref":"#/$defs/d{next}"}}]}},"##
        ));
    }
    let text = alloc::format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{defs}"d24":false}}}}"##);
    match schema(&text) {
        Ok(schema) => {
            let value = Doc::parse(b"1", Limits::MESSAGE).unwrap();
            assert_eq!(schema.check(value.root()), Err(Misfit::TooMuchWork));
        }
        Err(error) => assert_eq!(error, SchemaError::TooLarge),
    }
}

#[test]
fn what_a_server_tells_is_remembered_within_bounds() {
    let doc =
        Doc::parse(br#"[{"type":"object"},{"type":"array"},{"$ref":"https://x"}]"#, Limits::MESSAGE).unwrap();
    let told: Vec<_> = doc.root().items().collect();
    let mut learned = Learned::default();
    assert!(matches!(learned.of("a"), Known::Nothing));
    learned.learn("a", told.first().copied());
    learned.learn("b", told.get(2).copied());
    learned.learn("c", None);
    let Known::Schema(schema) = learned.of("a") else { panic!("known") };
    assert!(schema.check(told[0]).is_ok());
    assert!(matches!((learned.of("b"), learned.of("c")), (Known::Unreadable, Known::Unreadable)));
    learned.learn("a", told.get(1).copied());
    let Known::Schema(schema) = learned.of("a") else { panic!("known") };
    assert!(schema.check(told[0]).is_err(), "the newer one holds");
    for number in 0..3_000 {
        learned.learn(&alloc::format!("t{number}"), told.first().copied());
    }
    assert!(matches!((learned.of("t0"), learned.of("t2999")), (Known::Nothing, Known::Schema(_))));
}

/// What is left out lets more pass, never less, wherever it stands.
#[test]
fn a_keyword_that_is_left_out_refuses_nothing() {
    for (text, value, unsupported) in [
        (
            r#"{"patternProperties":{"^x-":{}},"additionalProperties":false}"#,
            r#"{"x-a":1}"#,
            &["additionalProperties", "patternProperties"][..],
        ),
        (r#"{"not":{"contains":{"const":1}}}"#, "[2]", &["contains", "not"]),
        (
            r##"{"$defs":{"a":{"properties":{"b":{"if":{}}}}},"not":{"anyOf":[{"$ref":"#/$defs/a"}]}}"##,
            "1",
            &["if", "not"],
        ),
        (r#"{"not":{"not":{"contains":{"const":1}}}}"#, "[2]", &["contains", "not"]),
        (r#"{"oneOf":[{"contains":{"const":1}},{"type":"array"}]}"#, "[2]", &["contains", "oneOf"]),
    ] {
        assert_eq!(check(text, value), Ok(()), "{text}");
        assert_eq!(schema(text).unwrap().unsupported(), unsupported, "{text}");
    }
    // What has nothing to do with it stays, and of `oneOf` one has to hold.
    let text = r#"{"contains":{"const":1},"properties":{"a":{"not":{"type":"string"}}}}"#;
    assert_eq!(check(text, r#"{"a":"x"}"#), Err(Misfit::Rule("not")));
    let text = r#"{"oneOf":[{"contains":{"const":1},"type":"array"},{"type":"null"}]}"#;
    assert!(check(text, "{}").is_err());
}
