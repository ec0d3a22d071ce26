// SPDX-License-Identifier: Apache-2.0

use super::*;

const NOTHING: VersionSet = VersionSet::EMPTY;

fn set(versions: &[Version]) -> VersionSet {
    versions.iter().copied().collect()
}

#[test]
fn a_version_is_in_a_set_once() {
    let once = NOTHING.with(Version::V2026_07_28);
    assert_eq!(once.with(Version::V2026_07_28), once);
    assert!(once.contains(Version::V2026_07_28) && !once.contains(Version::V2025_11_25));
}

#[test]
fn only_a_later_date_speaks_for_the_modern_era() {
    use crate::mcp::head::era_of;
    for (text, era) in [
        ("2026-07-28", Era::Modern),
        ("2026-07-29", Era::Modern),
        ("9999-99-99", Era::Modern),
        ("2025-11-25", Era::Legacy),
        ("2026-07-27", Era::Legacy),
        ("zzzz-zz-zz", Era::Legacy),
        ("2027-1-1", Era::Legacy),
        ("2027-01-011", Era::Legacy),
        ("", Era::Legacy),
    ] {
        assert_eq!(era_of(text), era, "{text}");
    }
}

#[test]
fn a_header_is_read_up_to_its_bound() {
    const MOST: usize = 4_096 / 3 * 4 + 64;
    let long = "a".repeat(MOST + 1);
    let most = "a".repeat(MOST);
    assert_eq!(one(&most).text(), Ok(Some(&*most)));
    assert_eq!(one(&long).text(), Err(Refusal::HeaderEncoding));
}

#[test]
fn the_era_is_decided_by_the_body_and_checked_by_the_header() {
    let call = modern("tools/call", r#""name":"echo""#);
    let future = call.replace(MODERN, "2027-01-01");
    let old = call.replace(MODERN, "2025-11-25");
    let no_capabilities = call.replace("clientCapabilities\":{}", "clientCapabilities\":1");
    let number = call.replace("\"2026-07-28\"", "1");
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
    let all = VersionSet::STREAMABLE;
    let young = set(&[Version::V2025_11_25, Version::V2026_07_28]);
    let only_modern = set(&[Version::V2026_07_28]);
    let only_legacy = set(&[Version::V2025_03_26, Version::V2025_06_18]);
    let rows: &[(&str, &str, VersionSet, &str)] = &[
        (&call, MODERN, all, "tools/call echo 2026-07-28"),
        (&call, " 2026-07-28\t", all, "tools/call echo 2026-07-28"),
        (&call, "", all, "!header_missing_version Modern -32020 400 1"),
        (&call, "2025-11-25", all, "!header_mismatch_version Modern -32020 400 1"),
        (&call, "2026-07-28, 2026-07-28", all, "!header_mismatch_version Modern -32020 400 1"),
        (&call, MODERN, only_legacy, "!unsupported_version Modern -32022 400 1"),
        (&future, "2027-01-01", all, "!unsupported_version Modern -32022 400 1"),
        (&old, "2025-11-25", all, "!unsupported_version Modern -32022 400 1"),
        (&no_capabilities, MODERN, all, "!missing_meta Modern -32602 400 1"),
        (&number, MODERN, all, "!missing_meta Modern -32602 400 1"),
        (CALL, MODERN, all, "!missing_meta Modern -32602 400 1"),
        (CALL, MODERN, only_legacy, "!unsupported_version Modern -32022 400 1"),
        (CALL, "2027-01-01", all, "!unsupported_version Modern -32022 400 1"),
        (CALL, "", all, "tools/call echo 2025-03-26"),
        (CALL, "", young, "!header_missing_version Legacy -32600 400 1"),
        (CALL, "", only_modern, "!header_missing_version Modern -32020 400 1"),
        (CALL, "2025-06-18", all, "tools/call echo 2025-06-18"),
        (CALL, "2025-06-18", young, "!unsupported_version Legacy -32600 400 1"),
        (CALL, "2024-11-05", all, "!unsupported_version Legacy -32600 400 1"),
        (CALL, "nonsense", all, "!unsupported_version Legacy -32600 400 1"),
        (CALL, "\u{e9}", all, "!header_encoding Legacy -32600 400 1"),
        (CALL, "2025-11-25", NOTHING, "!unsupported_version Legacy -32600 400 1"),
        (response, "2025-11-25", all, "response - 2025-11-25"),
        (response, MODERN, all, "!modern_response Modern -32600 400 1"),
        (note, MODERN, all, "notifications/cancelled - 2026-07-28"),
        (note, "", all, "notifications/cancelled - 2025-03-26"),
        (note, "", only_modern, "!header_missing_version Modern -32020 400 -"),
    ];
    for (text, version, versions, expected) in rows {
        let (method, name) = if *version == "2025-06-18" { ("", "") } else { ("tools/call", "echo") };
        let (method, name) = if text.contains("tools/call") { (method, name) } else { ("", "") };
        assert_eq!(outcome(text, &head(version, method, name), *versions), *expected, "{version} {text}");
    }
}

#[test]
fn initialize_only_negotiates() {
    let ask = |version: &str| legacy("initialize", &[r#""protocolVersion":""#, version, "\""].concat());
    let young = set(&[Version::V2025_06_18, Version::V2025_11_25, Version::V2026_07_28]);
    for (asked, expected) in [
        ("2025-06-18", "initialize - 2025-06-18"),
        ("2025-03-26", "initialize - 2025-11-25"),
        ("2026-07-28", "initialize - 2025-11-25"),
        ("1.0", "initialize - 2025-11-25"),
    ] {
        assert_eq!(outcome(&ask(asked), &Head::EMPTY, young), expected);
    }
    let only_modern = set(&[Version::V2026_07_28]);
    let refused = outcome(&ask("2025-06-18"), &Head::EMPTY, only_modern);
    assert_eq!(refused, "!unsupported_version Modern -32022 400 1");
    let modern = modern("initialize", r#""protocolVersion":"2026-07-28""#);
    let refused = outcome(&modern, &head(MODERN, "initialize", ""), young);
    assert_eq!(refused, "!method_not_in_version Modern -32601 404 1");
}

#[test]
fn mirrored_headers_agree_with_the_body() {
    let call = modern("tools/call", r#""name":"echo""#);
    let odd = modern("tools/call", r#""name":"é=?base64?x?=""#);
    let read = modern("resources/read", r#""uri":"test://a""#);
    let list = modern("tools/list", "");
    let task = modern("tasks/get", r#""taskId":"t1""#);
    let nobody = modern("tools/fly", "");
    let nameless = modern("tools/call", "");
    let encoded_odd = "=?base64?w6k9P2Jhc2U2ND94Pz0=?=";
    let rows: &[(&str, &str, &str, &str)] = &[
        (&call, "tools/call", "echo", "tools/call echo 2026-07-28"),
        (&call, " tools/call ", "\techo ", "tools/call echo 2026-07-28"),
        (&call, "tools/call", "=?base64?ZWNobw==?=", "tools/call echo 2026-07-28"),
        (&odd, "tools/call", encoded_odd, "tools/call é=?base64?x?= 2026-07-28"),
        (&call, "", "echo", "!header_missing_method Modern -32020 400 1"),
        (&call, "tools/call", "", "!header_missing_name Modern -32020 400 1"),
        (&call, "tools/list", "echo", "!header_mismatch_method Modern -32020 400 1"),
        (&call, "Tools/call", "echo", "!header_mismatch_method Modern -32020 400 1"),
        (&call, "=?base64?dG9vbHMvY2FsbA==?=", "echo", "!header_mismatch_method Modern -32020 400 1"),
        (&call, "tools/call", "Echo", "!header_mismatch_name Modern -32020 400 1"),
        (&call, "tools/call", "echo, echo", "!header_mismatch_name Modern -32020 400 1"),
        (&call, "tools/call", "=?base64?ZWNobw==", "!header_mismatch_name Modern -32020 400 1"),
        (&call, "tools/call", "=?BASE64?ZWNobw==?=", "!header_mismatch_name Modern -32020 400 1"),
        (&call, "tools/call", "=?base64?=", "!header_mismatch_name Modern -32020 400 1"),
        (&call, "tools/call", "=?base64??=", "!header_mismatch_name Modern -32020 400 1"),
        (&call, "tools/call", "=?base64?ZWNobw?=", "!header_encoding Modern -32020 400 1"),
        (&call, "tools/call", "=?base64?ZWNobx==?=", "!header_encoding Modern -32020 400 1"),
        (&call, "tools/call", "=?base64?ZWN bw==?=", "!header_encoding Modern -32020 400 1"),
        (&call, "tools/call", "=?base64?/w==?=", "!header_encoding Modern -32020 400 1"),
        (&call, "tools/call", "=?base64?_w==?=", "!header_encoding Modern -32020 400 1"),
        (&call, "tools/call", "\u{e9}", "!header_encoding Modern -32020 400 1"),
        (&call, "tools/call", "ec\u{1}ho", "!header_encoding Modern -32020 400 1"),
        (&read, "resources/read", "test://a", "resources/read test://a 2026-07-28"),
        (&read, "resources/read", "test://b", "!header_mismatch_name Modern -32020 400 1"),
        (&read, "resources/read", "", "!header_missing_name Modern -32020 400 1"),
        (&list, "tools/list", "whatever", "tools/list - 2026-07-28"),
        (&list, "tools/list", "", "tools/list - 2026-07-28"),
        (&task, "tasks/get", "", "tasks/get t1 2026-07-28"),
        (&task, "tasks/get", "t1", "tasks/get t1 2026-07-28"),
        (&task, "tasks/get", "t2", "!header_mismatch_name Modern -32020 400 1"),
        (&nobody, "tools/fly", "", "!unknown_method Modern -32601 404 1"),
        (&nobody, "tools/list", "", "!header_mismatch_method Modern -32020 400 1"),
        (&nameless, "tools/call", "echo", "!missing_name Modern -32602 400 1"),
    ];
    for (text, method, name, expected) in rows {
        assert_eq!(
            outcome(text, &head(MODERN, method, name), VersionSet::STREAMABLE),
            *expected,
            "{method} {name} {text}"
        );
    }
}

#[test]
fn legacy_headers_may_lack_but_not_lie() {
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    for (text, method, name, expected) in [
        (CALL, "tools/call", "echo", "tools/call echo 2025-11-25"),
        (CALL, "", "", "tools/call echo 2025-11-25"),
        (CALL, "tools/list", "", "!header_mismatch_method Legacy -32600 400 1"),
        (CALL, "", "other", "!header_mismatch_name Legacy -32600 400 1"),
        (note, "notifications/initialized", "", "notifications/initialized - 2025-11-25"),
        (note, "tools/call", "", "!header_mismatch_method Legacy -32600 400 -"),
        (response, "tools/call", "", "!header_mismatch_method Legacy -32600 400 1"),
    ] {
        assert_eq!(
            outcome(text, &head("2025-11-25", method, name), VersionSet::STREAMABLE),
            expected,
            "{method} {name} {text}"
        );
    }
}

#[test]
fn a_header_stands_once() {
    let call = modern("tools/call", r#""name":"echo""#);
    let good = head(MODERN, "tools/call", "echo");
    let twice = HeaderValue::Several;
    for (text, head, expected) in [
        (&*call, Head { protocol_version: twice, ..good }, "!header_repeated Modern -32020 400 1"),
        (&*call, Head { method: twice, ..good }, "!header_repeated Modern -32020 400 1"),
        (&*call, Head { name: twice, ..good }, "!header_repeated Modern -32020 400 1"),
        (&*call, Head { session: twice, ..good }, "tools/call echo 2026-07-28"),
        (CALL, Head { protocol_version: twice, ..Head::EMPTY }, "!header_repeated Legacy -32600 400 1"),
        (CALL, Head { session: twice, ..Head::EMPTY }, "!header_repeated Legacy -32600 400 1"),
        (CALL, Head { session: one("a b"), ..Head::EMPTY }, "!bad_session Legacy -32600 400 1"),
        (CALL, Head { session: one(""), ..Head::EMPTY }, "!bad_session Legacy -32600 400 1"),
        (CALL, Head { session: one("a-b_~!"), ..Head::EMPTY }, "tools/call echo 2025-03-26"),
    ] {
        assert_eq!(outcome(text, &head, VersionSet::STREAMABLE), expected, "{head:?}");
    }
}

#[test]
fn the_header_phase_knows_only_what_a_modern_head_says() {
    let tool = |name: &'static str| HeadFacts::Claims {
        method: Method::ToolsCall,
        target: Target::Tool(name.into()),
    };
    for (version, method, name, expected) in [
        ("", "tools/call", "echo", HeadFacts::Silent),
        ("2025-11-25", "tools/call", "echo", HeadFacts::Silent),
        (MODERN, "", "", HeadFacts::Silent),
        (MODERN, "tools/call", "echo", tool("echo")),
        (MODERN, "tools/call", "=?base64?ZWNobw==?=", tool("echo")),
        (MODERN, "tools/list", "x", HeadFacts::Claims { method: Method::ToolsList, target: Target::None }),
        (
            MODERN,
            "prompts/get",
            "p",
            HeadFacts::Claims { method: Method::PromptsGet, target: Target::Prompt("p".into()) },
        ),
        (
            MODERN,
            "resources/read",
            "t://a",
            HeadFacts::Claims { method: Method::ResourcesRead, target: Target::Resource("t://a".into()) },
        ),
        (
            MODERN,
            "tasks/get",
            "t",
            HeadFacts::Claims { method: Method::TasksGet, target: Target::Task("t".into()) },
        ),
        (MODERN, "tools/call", "", HeadFacts::Doubtful(Refusal::HeaderMissingName)),
        (MODERN, "tools/call", "=?base64?x?=", HeadFacts::Doubtful(Refusal::HeaderEncoding)),
        (MODERN, "tools/call", "=?base64?AA==?=", HeadFacts::Doubtful(Refusal::BadName)),
        (MODERN, "resources/read", "a b", HeadFacts::Doubtful(Refusal::BadUri)),
        (MODERN, "tools/fly", "", HeadFacts::Doubtful(Refusal::UnknownMethod)),
        (MODERN, "initialize", "", HeadFacts::Doubtful(Refusal::MethodNotInVersion)),
        ("2027-01-01", "tools/call", "echo", HeadFacts::Doubtful(Refusal::UnsupportedVersion)),
        ("2024-11-05", "tools/call", "echo", HeadFacts::Doubtful(Refusal::UnsupportedVersion)),
    ] {
        assert_eq!(
            judge_head(&head(version, method, name), VersionSet::STREAMABLE),
            expected,
            "{version} {method} {name}"
        );
    }
}
