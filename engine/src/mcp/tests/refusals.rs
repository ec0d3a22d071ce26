// SPDX-License-Identifier: Apache-2.0

use super::*;

/// Texts of legacy clients without headers.
#[test]
fn every_message_rule_refuses() {
    let long = "x".repeat(257);
    let rows: &[(&str, &str)] = &[
        ("{", "!bad_json Legacy -32700 400 -"),
        ("\u{feff}{}", "!bad_json Legacy -32700 400 -"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","id":1}"#, "!duplicate_key Legacy -32600 400 -"),
        ("[]", "!batch Legacy -32600 400 -"),
        (&["[", CALL, "]"].concat(), "!batch Legacy -32600 400 -"),
        ("1", "!not_an_object Legacy -32600 400 -"),
        ("null", "!not_an_object Legacy -32600 400 -"),
        ("\"x\"", "!not_an_object Legacy -32600 400 -"),
        ("{}", "!bad_jsonrpc Legacy -32600 400 -"),
        (r#"{"jsonrpc":"2.0"}"#, "!missing_method Legacy -32600 400 -"),
        (r#"{"jsonrpc":"2.0","id":7}"#, "!missing_method Legacy -32600 400 7"),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, "!bad_jsonrpc Legacy -32600 400 7"),
        (r#"{"jsonrpc":2.0,"id":7,"method":"ping"}"#, "!bad_jsonrpc Legacy -32600 400 7"),
        (r#"{"jsonrpc":"\u0032.0","id":7,"method":"ping"}"#, "!bad_jsonrpc Legacy -32600 400 7"),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "!id_null Legacy -32600 400 -"),
        (r#"{"jsonrpc":"2.0","id":7,"method":1}"#, "!bad_method Legacy -32600 400 7"),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","x":1}"#, "!unknown_member Legacy -32600 400 7"),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}"#, "!mixed_message Legacy -32600 400 7"),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","error":{}}"#, "!mixed_message Legacy -32600 400 7"),
        (r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{}}"#, "!mixed_message Legacy -32600 400 7"),
        (r#"{"jsonrpc":"2.0","id":7,"result":{},"params":{}}"#, "!mixed_message Legacy -32600 400 7"),
        (r#"{"jsonrpc":"2.0","result":{}}"#, "!missing_id Legacy -32600 400 -"),
        (r#"{"jsonrpc":"2.0","id":7,"result":[]}"#, "!bad_response Legacy -32600 400 7"),
        (r#"{"jsonrpc":"2.0","id":7,"error":{"code":1}}"#, "!bad_response Legacy -32600 400 7"),
        (
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":1.5,"message":""}}"#,
            "!bad_response Legacy -32600 400 7",
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":["echo"]}"#,
            "!bad_params Legacy -32602 400 7",
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":null}"#,
            "!bad_params Legacy -32602 400 7",
        ),
        (r#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#, "!missing_name Legacy -32602 400 7"),
        (
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#,
            "!wrong_shape Legacy -32600 400 -",
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"notifications/initialized"}"#,
            "!wrong_shape Legacy -32600 400 7",
        ),
        (r#"{"jsonrpc":"2.0","method":"notifications/message"}"#, "!unknown_method Legacy -32601 400 -"),
        (&legacy("sampling/createMessage", ""), "!unknown_method Legacy -32601 200 1"),
        (&legacy("Tools/Call", r#""name":"a""#), "!unknown_method Legacy -32601 200 1"),
        (&legacy("response", ""), "!unknown_method Legacy -32601 200 1"),
        (&legacy("server/discover", ""), "!method_not_in_version Legacy -32601 200 1"),
        (&legacy("tasks/get", r#""taskId":"a""#), "!method_not_in_version Legacy -32601 200 1"),
        (&legacy("tools/call", r#""arguments":{}"#), "!missing_name Legacy -32602 400 1"),
        (&legacy("tools/call", r#""name":"echo","arguments":[]"#), "!bad_params Legacy -32602 400 1"),
        (&legacy("tools/call", r#""name":"echo","arguments":null"#), "!bad_params Legacy -32602 400 1"),
        (&legacy("tools/call", r#""name":"echo","task":1"#), "!bad_params Legacy -32602 400 1"),
        (&legacy("tools/call", r#""name":"echo","_meta":[]"#), "!bad_params Legacy -32602 400 1"),
        (&legacy("resources/read", r#""name":"x""#), "!missing_uri Legacy -32602 400 1"),
        (&legacy("resources/read", r#""uri":"""#), "!bad_uri Legacy -32602 400 1"),
        (&legacy("resources/read", r#""uri":"a b""#), "!bad_uri Legacy -32602 400 1"),
        (&legacy("resources/subscribe", r#""uri":"a\u0000""#), "!bad_uri Legacy -32602 400 1"),
        (&legacy("resources/unsubscribe", r#""uri":5"#), "!bad_uri Legacy -32602 400 1"),
        (&legacy("completion/complete", ""), "!bad_ref Legacy -32602 400 1"),
        (&legacy("completion/complete", r#""ref":"x""#), "!bad_params Legacy -32602 400 1"),
        (
            &legacy("completion/complete", r#""ref":{"type":"ref/tool","name":"x"}"#),
            "!bad_ref Legacy -32602 400 1",
        ),
        (
            &legacy("completion/complete", r#""ref":{"type":"ref/prompt","uri":"x"}"#),
            "!bad_ref Legacy -32602 400 1",
        ),
        (
            &legacy("completion/complete", r#""ref":{"type":"ref/prompt","name":"x","uri":"y"}"#),
            "!bad_ref Legacy -32602 400 1",
        ),
        (&legacy("prompts/get", &[r#""name":""#, &long, "\""].concat()), "!bad_name Legacy -32602 400 1"),
    ];
    for (text, expected) in rows {
        assert_eq!(outcome(text, &Head::EMPTY, VersionSet::ALL), *expected, "{text}");
    }
    let doc = Doc::parse(b"\"\xff\"", Limits::MESSAGE).unwrap_err();
    assert_eq!(
        told(&unreadable(&doc, &head(MODERN, "", ""), VersionSet::ALL)),
        "!bad_utf8 Modern -32700 400 -"
    );
}

#[test]
fn calls_are_read() {
    let rows: &[(&str, &str)] = &[
        (CALL, "tools/call echo 2025-03-26"),
        (&legacy("tools/call", r#""name":"\u0065cho","arguments":{"Name":1}"#), "tools/call echo 2025-03-26"),
        (&legacy("tools/call", r#""name":"a b","task":{"ttl":1}"#), "tools/call a b 2025-03-26"),
        (&legacy("prompts/get", r#""name":"p""#), "prompts/get p 2025-03-26"),
        (&legacy("resources/read", r#""uri":"test://a/é""#), "resources/read test://a/é 2025-03-26"),
        (&legacy("resources/subscribe", r#""uri":"test://a""#), "resources/subscribe test://a 2025-03-26"),
        (
            &legacy("completion/complete", r#""ref":{"type":"ref/resource","uri":"t://{x}"}"#),
            "completion/complete t://{x} 2025-03-26",
        ),
        (
            &legacy("completion/complete", r#""ref":{"type":"ref/prompt","name":"p","title":"P"}"#),
            "completion/complete p 2025-03-26",
        ),
        (r#"{"jsonrpc":"2.0","id":-1,"method":"tools/list"}"#, "tools/list - 2025-03-26"),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            "notifications/initialized - 2025-03-26",
        ),
        (r#"{"jsonrpc":"2.0","id":"s","result":{}}"#, "response - 2025-03-26"),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#, "response - 2025-03-26"),
    ];
    for (text, expected) in rows {
        assert_eq!(outcome(text, &Head::EMPTY, VersionSet::ALL), *expected, "{text}");
    }
    let text = legacy("tools/call", r#""name":"echo","arguments":{"a":[1]}"#);
    let doc = Doc::parse(text.as_bytes(), Limits::MESSAGE).unwrap();
    let call = classify(&doc, &Head::EMPTY, VersionSet::ALL).unwrap();
    assert_eq!((call.arguments.unwrap().raw(), call.shape), (r#"{"a":[1]}"#, Shape::Request));
}

#[test]
fn ids_are_short_strings_and_plain_integers() {
    let long = ["\"", &"x".repeat(255), "\""].concat();
    let fits = ["\"", &"x".repeat(254), "\""].concat();
    for good in ["0", "-7", "12345678901234567890", "\"\"", r#""a\n""#, fits.as_str()] {
        let text = CALL.replace("\"id\":1", &["\"id\":", good].concat());
        assert_eq!(outcome(&text, &Head::EMPTY, VersionSet::ALL), "tools/call echo 2025-03-26", "{good}");
    }
    for bad in ["1.0", "1e3", "-0", "123456789012345678901", "true", "[]", "{}", long.as_str()] {
        let text = CALL.replace("\"id\":1", &["\"id\":", bad].concat());
        assert_eq!(outcome(&text, &Head::EMPTY, VersionSet::ALL), "!bad_id Legacy -32600 400 -", "{bad}");
    }
}

#[test]
fn names_that_cannot_be_seen_are_refused() {
    for bad in [
        "",
        " a",
        "a ",
        "a\\n",
        "\\u0000",
        "a\\u0000",
        "a\\u007f",
        "a\u{200b}",
        "\u{feff}a",
        "a\u{202e}b",
        "a\u{ad}b",
        "a\u{a0}",
        "a\u{2028}",
        "a\u{fe0f}",
        "a\u{e0041}",
        "\u{3164}",
        "a\u{85}",
        "a\u{2066}",
    ] {
        let text = CALL.replace("\"echo\"", &["\"", bad, "\""].concat());
        assert_eq!(outcome(&text, &Head::EMPTY, VersionSet::ALL), "!bad_name Legacy -32602 400 1", "{bad:?}");
    }
    for bad in ["1", "null", "[\"echo\"]"] {
        let text = CALL.replace("\"echo\"", bad);
        assert_eq!(outcome(&text, &Head::EMPTY, VersionSet::ALL), "!bad_name Legacy -32602 400 1", "{bad}");
    }
    assert_eq!(check_name(&"é".repeat(128)), Ok(()));
    assert_eq!(check_name(&"é".repeat(129)), Err(Refusal::BadName));
    assert_eq!(check_uri(&"u".repeat(4096)), Ok(()));
    assert_eq!(check_uri(&"u".repeat(4097)), Err(Refusal::BadUri));
}

#[test]
fn look_alikes_of_protocol_keys_are_refused() {
    let version = "io.modelcontextprotocol/protocolVersion";
    let places: &[(&str, &[&str])] = &[
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"KEY":1}"#,
            &[
                "Method",
                "METHOD",
                "method\\u0000",
                " method",
                "method\\t",
                "Params",
                "param\u{17f}",
                "re\u{17f}ult",
                "Id",
                "\u{130}d",
                "\u{131}d",
                "jsonRPC",
                "me\u{200b}thod",
                "\u{feff}id",
            ],
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","KEY":1}}"#,
            &[
                "Name",
                "NAME",
                "name\\u0000",
                "name ",
                "\\u004eame",
                "argument\u{17f}",
                "ta\u{17f}\u{212a}",
                "tas\u{212a}",
                "_Meta",
                "_meta\\u0000\\u0000",
                "URI",
                "requestsTate",
                "n\\u00adame",
            ],
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"KEY":1}}}"#,
            &[
                "IO.modelcontextprotocol/protocolVersion",
                "io.modelcontextprotocol/protocolversion",
                "io.modelcontextprotocol/protocolVer\u{17f}ion",
                "io.modelcontextprotocol/protocolVersion\\u0000",
                "ProgressToken",
            ],
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","task":{"KEY":1}}}"#,
            &["TTL", "ttl "],
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"a","KEY":"b"}}}"#,
            &["Name", "URI", "Type", "name\\u0000"],
        ),
    ];
    for (text, keys) in places {
        for key in *keys {
            let text = text.replace("KEY", key);
            assert_eq!(
                outcome(&text, &Head::EMPTY, VersionSet::ALL),
                "!look_alike_key Legacy -32600 400 1",
                "{text}"
            );
        }
    }
    let text = modern("subscriptions/listen", r#""notifications":{"ResourceSubscriptions":["a"]}"#);
    let head = head(MODERN, "subscriptions/listen", "");
    assert_eq!(outcome(&text, &head, VersionSet::ALL), "!look_alike_key Modern -32600 400 1");
    for harmless in ["names", "x-name", "nam", "method", "id", version] {
        let text = CALL.replace("\"name\"", &["\"", harmless, "\":1,\"name\""].concat());
        assert_eq!(outcome(&text, &Head::EMPTY, VersionSet::ALL), "tools/call echo 2025-03-26", "{text}");
    }
}

#[test]
fn params_have_few_members() {
    let many: String = (0..256).map(|number| alloc::format!(r#","x{number}":1"#)).collect();
    let text = CALL.replace("\"echo\"", &["\"echo\"", &many].concat());
    assert_eq!(outcome(&text, &Head::EMPTY, VersionSet::ALL), "!bad_params Legacy -32602 400 1");
}

#[test]
fn subscriptions_are_bounded_and_read_whole() {
    let head = head(MODERN, "subscriptions/listen", "");
    let listen = |notifications: &str| {
        modern("subscriptions/listen", &[r#""notifications":"#, notifications].concat())
    };
    let list = |count: usize| alloc::vec!["\"t://a\""; count].join(",");
    let text =
        listen(r#"{"toolsListChanged":true,"resourceSubscriptions":["t://a","t://b"],"taskIds":["t1"]}"#);
    let doc = Doc::parse(text.as_bytes(), Limits::MESSAGE).unwrap();
    let target = classify(&doc, &head, VersionSet::ALL).unwrap().target.into_owned();
    let expected =
        Target::Listen { uris: alloc::vec!["t://a".into(), "t://b".into()], tasks: alloc::vec!["t1".into()] };
    assert_eq!(target, expected);
    for (notifications, expected) in [
        ("{}", "subscriptions/listen - 2026-07-28"),
        (&*[r#"{"resourceSubscriptions":["#, &list(256), "]}"].concat(), "subscriptions/listen - 2026-07-28"),
        (
            &*[r#"{"resourceSubscriptions":["#, &list(257), "]}"].concat(),
            "!too_many_subscriptions Modern -32602 400 1",
        ),
        (r#"{"resourceSubscriptions":"t://a"}"#, "!bad_params Modern -32602 400 1"),
        (r#"{"resourceSubscriptions":[1]}"#, "!bad_uri Modern -32602 400 1"),
        (r#"{"taskIds":[""]}"#, "!bad_task_id Modern -32602 400 1"),
        ("[]", "!bad_params Modern -32602 400 1"),
    ] {
        assert_eq!(outcome(&listen(notifications), &head, VersionSet::ALL), expected, "{notifications}");
    }
}

#[test]
fn what_a_client_sends_back_is_told_from_an_empty_answer() {
    use ServerRequest::{Other, Sampling};
    for (result, kinds) in [
        ("{}", &[][..]),
        (r#"{"_meta":{}}"#, &[]),
        (r#"{"_meta":{},"x":1}"#, &[Other]),
        (r#"{"x":1}"#, &[Other]),
        (r#"{"role":"assistant","model":"m","content":{}}"#, &[Sampling]),
    ] {
        let text = [r#"{"jsonrpc":"2.0","id":1,"result":"#, result, "}"].concat();
        let doc = Doc::parse(text.as_bytes(), Limits::MESSAGE).unwrap();
        let call = classify(&doc, &head("2025-11-25", "", ""), VersionSet::STREAMABLE).unwrap();
        assert_eq!(answers(&call).unwrap(), kinds, "{result}");
    }
}
