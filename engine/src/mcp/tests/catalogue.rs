// SPDX-License-Identifier: Apache-2.0

use super::*;
use alloc::vec::Vec;

#[test]
fn methods_have_one_name_and_one_index() {
    for (position, method) in Method::ALL.into_iter().enumerate() {
        assert_eq!(method.index(), position);
        assert_eq!(Method::from_name(method.name()), Some(method));
        let own = matches!(method, Method::Response | Method::Stream | Method::Delete);
        assert_eq!(Method::parse(method.name()), if own { None } else { Some(method) });
    }
    for stranger in
        ["", "Tools/call", "tools/call ", "tools/call\0", "tools", "response", "stream", "session/delete"]
    {
        assert_eq!(Method::parse(stranger), None, "{stranger}");
    }
}

/// The table of reference/mcp.md 2.2, by hand: 24, 03, 06, 11, 26.
#[test]
fn versions_know_the_methods_they_publish() {
    for (name, known) in [
        ("initialize", "yyyy-"),
        ("server/discover", "----y"),
        ("ping", "yyyy-"),
        ("tools/list", "yyyyy"),
        ("tools/call", "yyyyy"),
        ("resources/list", "yyyyy"),
        ("resources/templates/list", "yyyyy"),
        ("resources/read", "yyyyy"),
        ("resources/subscribe", "yyyy-"),
        ("resources/unsubscribe", "yyyy-"),
        ("subscriptions/listen", "----y"),
        ("prompts/list", "yyyyy"),
        ("prompts/get", "yyyyy"),
        ("completion/complete", "yyyyy"),
        ("logging/setLevel", "yyyy-"),
        ("tasks/get", "---yy"),
        ("tasks/cancel", "---yy"),
        ("tasks/result", "---y-"),
        ("tasks/list", "---y-"),
        ("tasks/update", "----y"),
        ("notifications/initialized", "yyyy-"),
        ("notifications/cancelled", "yyyyy"),
        ("notifications/progress", "yyyy-"),
        ("notifications/roots/list_changed", "yyyy-"),
        ("notifications/tasks/status", "---y-"),
        ("response", "yyyy-"),
        ("stream", "yyyy-"),
        ("session/delete", "yyyy-"),
    ] {
        let method = Method::from_name(name).unwrap();
        let found: String =
            Version::ALL.map(|version| if method.known_in(version) { 'y' } else { '-' }).iter().collect();
        assert_eq!(found, known, "{name}");
    }
}

#[test]
fn only_the_harmless_is_open_to_every_role() {
    let base = Method::ALL.into_iter().filter(|method| method.class() == MethodClass::Base);
    let names: Vec<&str> = base.map(Method::name).collect();
    assert_eq!(
        names.join(" "),
        "initialize server/discover ping notifications/initialized notifications/cancelled \
        notifications/progress notifications/roots/list_changed notifications/tasks/status response stream session/delete"
    );
}

#[test]
fn version_sets_hold_what_was_put_in() {
    assert_eq!(Version::ALL.into_iter().collect::<VersionSet>(), VersionSet::ALL);
    for version in Version::ALL {
        assert_eq!(Version::parse(version.as_str()), Some(version));
        assert_eq!(VersionSet::EMPTY.with(version).iter().collect::<Vec<_>>(), [version]);
        assert_eq!(VersionSet::STREAMABLE.contains(version), version != Version::V2024_11_05);
    }
    assert!(Version::ALL.is_sorted_by_key(|version| version.as_str()));
    assert_eq!(VersionSet::STREAMABLE.newest(Era::Legacy), Some(Version::V2025_11_25));
    assert_eq!(VersionSet::EMPTY.newest(Era::Modern), None);
}

#[test]
fn labels_are_one_per_reason() {
    let mut labels: Vec<&str> = Refusal::ALL.iter().map(|refusal| refusal.label()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), Refusal::ALL.len());
    let plain = |label: &&str| label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    assert!(labels.iter().all(plain));
}

/// mcp.md 2.4: nothing outside this list, and no reserved code that the specification does not define.
#[test]
fn codes_and_statuses_are_those_of_the_specification() {
    for refusal in Refusal::ALL {
        for era in [Era::Legacy, Era::Modern] {
            let code = refusal.code(era);
            let known: &[i32] = match era {
                Era::Legacy => &[-32700, -32600, -32601, -32602],
                Era::Modern => &[-32700, -32600, -32601, -32602, -32020, -32022],
            };
            assert!(known.contains(&code), "{refusal:?} {era:?} {code}");
            for shape in [None, Some(Shape::Request), Some(Shape::Notification), Some(Shape::Response)] {
                let expected = match (code, era, shape) {
                    (-32601, Era::Modern, _) => 404,
                    (-32601, Era::Legacy, Some(Shape::Request)) => 200,
                    _ => 400,
                };
                assert_eq!(refusal.http_status(era, shape), expected, "{refusal:?} {era:?} {shape:?}");
            }
        }
    }
}
