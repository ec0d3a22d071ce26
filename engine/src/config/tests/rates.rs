// SPDX-License-Identifier: Apache-2.0
//! Rate limits: what compiles, what is refused.

use super::*;
use crate::config::wire::{RateBy, RateCounted};
use crate::limit::Rate;
use crate::mcp::Method;
use crate::metrics::Place;
use core::num::NonZeroU32;

const ROUTES: &str = r#","routes":[{"name":"site","match":{"path":"/site"},"allow":"anyone"}]"#;

fn rates(rates: &str) -> String {
    let top = format!(r#"{ROUTES},"limits":{{"rates":[{rates}]}}"#);
    Parts { top: &top, ..PARTS }.json()
}

/// A limit with these members besides the usual ones.
fn limit(more: &str) -> String {
    rates(&format!(r#"{{"id":"l","by":["principal"],"requests":10,"seconds":60{more}}}"#))
}

fn rate(requests: u32, secs: u32, burst: u32) -> Rate {
    let count = |number| NonZeroU32::new(number).unwrap();
    Rate::new(count(requests), count(secs), count(burst)).unwrap()
}

#[test]
fn a_limit_is_about_all_servers_and_bursts_as_much_as_it_allows() {
    let config = good(&limit(""));
    let [one] = &config.rates[..] else { panic!("one limit") };
    assert_eq!((&*one.id, one.rate, &one.by[..]), ("l", rate(10, 60, 10), &[RateBy::Principal][..]));
    assert_eq!((one.counted, one.effect), (RateCounted::Understood, RateEffect::Refuse));
    assert_eq!(one.on.places, [Place::Server(0)]);
    assert!(one.on.methods.is_empty() && one.on.tools.is_empty());
    assert!(!config.looks_at_source(), "everybody shows credentials");
    let told = |warning: &Warning| warning.message.contains("every worker counts for itself");
    assert!(config.warnings.iter().any(told), "{:?}", config.warnings);
}

#[test]
fn what_is_written_is_what_is_counted() {
    let more = r#","burst":3,"shadow":true,"on":{"servers":["s"],"routes":["site"],"methods":["tools/call"],"roles":["guest"]}"#;
    let config = good(&limit(more));
    let [one] = &config.rates[..] else { panic!("one limit") };
    assert_eq!((one.rate, one.effect), (rate(10, 60, 3), RateEffect::Count));
    assert_eq!(one.on.places, [Place::Server(0), Place::Route(0)]);
    assert_eq!(one.on.methods, [Method::ToolsCall]);
    assert_eq!(one.on.roles.iter().map(|role| &**role).collect::<Vec<_>>(), ["guest"]);
    let door = r#"{"id":"d","by":["server"],"requests":1,"seconds":1,"counted":"arrived"}"#;
    let config = good(&rates(door));
    assert_eq!(config.rates[0].counted, RateCounted::Arrived);
    assert!(!config.looks_at_source());
    let told =
        |config: &Config| config.warnings.iter().any(|warning| warning.message.contains("for everybody"));
    assert!(told(&config));
    assert!(!told(&good(&rates(&door.replace(r#"["server"]"#, r#"["server","address"]"#)))));
}

#[test]
fn whoever_counts_by_address_is_told_what_an_address_is() {
    let anonymous = format!(r#"{SERVER},"anonymous":{{"role":"guest"}}"#);
    for (json, by_address) in [
        (limit(r#","on":{"routes":["site"]}"#), true),
        (limit("").replace("principal", "address"), true),
        // Callers without credentials are told apart by address.
        (limit("").replace(SERVER, &anonymous), true),
        (limit("").replace(SERVER, &anonymous).replace("principal", "client"), false),
        (limit(""), false),
    ] {
        assert_eq!(good(&json).looks_at_source(), by_address, "{json}");
        let warned = told(&json);
        let expected =
            "limits.rates[0]: an address is what the proxy believes: without `use_remote_address: true`";
        assert_eq!(warned.iter().any(|told| told.starts_with(expected)), by_address, "{json}");
    }
}

fn without_servers(more: &str) -> String {
    limit(more).replace(&format!("[{{{SERVER}}}]"), "[]")
}

/// Two servers, each with a policy of its own, and a third policy that judges nobody.
fn two_servers(on: &str) -> String {
    let second = SERVER.replace(r#""name":"s""#, r#""name":"t""#).replace(r#""/mcp""#, r#""/t""#);
    let second = second.replace(r#""default""#, r#""other","shadow_policy":"next""#);
    let role = |role: &str| format!(r#"{{"inline":{{"version":1,"roles":{{"{role}":{{}}}}}}}}"#);
    let policies = format!(r#""policies":{{"other":{},"next":{},"#, role("reader"), role("tester"));
    limit(on)
        .replace(&format!("{{{SERVER}}}"), &format!("{{{SERVER}}},{{{second}}}"))
        .replace(r#""policies":{"#, &policies)
}

#[test]
fn a_role_belongs_to_a_policy_that_judges_where_it_is_counted() {
    for (on, help) in [
        (r#""servers":["s"],"roles":["guest"]"#, None),
        (r#""servers":["t"],"roles":["reader"]"#, None),
        (r#""roles":["guest","reader"]"#, None),
        (r#""servers":["s"],"routes":["site"],"roles":["guest"]"#, None),
        (
            r#""servers":["s"],"roles":["reader"]"#,
            Some("define it in the policy of a place that the limit is about"),
        ),
        (
            r#""servers":["t"],"roles":["guest"]"#,
            Some("define it in the policy of a place that the limit is about"),
        ),
        (r#""roles":["tester"]"#, Some("define it in the policy of a place that the limit is about")),
        (r#""servers":["t"],"roles":["raeder"]"#, Some("did you mean `reader`?")),
    ] {
        let json = two_servers(&format!(r#","on":{{{on}}}"#));
        match (compile(&json), help) {
            (Ok(_), None) => {}
            (Err(error), Some(help)) => {
                assert!(error.message().starts_with("no policy of these places has the role `"), "{on}");
                assert_eq!(error.help(), Some(help), "{on}");
            }
            (result, _) => panic!("{on}: {:?}", result.err()),
        }
    }
}

/// What is told of limits, with its path.
fn told(json: &str) -> Vec<String> {
    let config = good(json);
    let all = config.warnings.iter().map(|warning| (Config::path_text(&warning.path), &warning.message));
    all.filter(|(path, _)| path.starts_with("limits.rates["))
        .map(|(path, message)| format!("{path}: {message}"))
        .collect()
}

#[test]
fn tools_that_no_catalogue_has_are_told() {
    let catalogue = r#","tools":{"catalogue":[{"name":"echo"},{"name":"code_edit"}]}"#;
    let with =
        |on: &str| limit(&format!(r#","on":{{{on}}}"#)).replace(SERVER, &format!("{SERVER}{catalogue}"));
    let message = "no tool that the catalogue of these servers has fits";
    for (on, expected) in [
        (r#""tools":["echo","code_*","*"]"#, None),
        (
            r#""tools":["echo","ehco"]"#,
            Some(format!("limits.rates[0].on.tools[1]: {message} `ehco`: did you mean `echo`?")),
        ),
        (
            r#""tools":["db_*"]"#,
            Some(format!("limits.rates[0].on.tools[0]: {message} `db_*`: add it to `tools.catalogue`")),
        ),
    ] {
        assert_eq!(told(&with(on)), Vec::from_iter(expected), "{on}");
    }
    // A server without a catalogue may have any tool.
    assert_eq!(told(&limit(r#","on":{"tools":["ehco"]}"#)), Vec::<String>::new());
    let both = two_servers(r#","on":{"tools":["ehco"]}"#);
    assert_eq!(told(&both.replacen(SERVER, &format!("{SERVER}{catalogue}"), 1)), Vec::<String>::new());
}

#[test]
fn what_limits_nothing_or_cannot_be_counted_is_refused() {
    let at = "limits.rates[0]";
    let rows = [
        (limit(r#","on":{"servers":["t"]}"#), "on.servers[0]: there is no server `t` | did you mean `s`?"),
        (
            limit(r#","on":{"routes":["sites"]}"#),
            "on.routes[0]: there is no route `sites` | did you mean `site`?",
        ),
        (
            limit(r#","on":{"methods":["tools/cal"]}"#),
            "on.methods[0]: there is no method `tools/cal` | did you mean `tools/call`?",
        ),
        (
            limit(r#","on":{"roles":["gest"]}"#),
            "on.roles[0]: no policy of these places has the role `gest` | did you mean `guest`?",
        ),
        (
            limit(r#","on":{"classes":["write"]}"#),
            "on.classes[0]: no tool of these servers has the class `write` | give it to tools under `tools.catalogue`",
        ),
        (
            limit(r#","on":{"tools":["a[b]"]}"#),
            "on.tools[0]: `a[b]` does not compile: only `*` and `?` are wildcards here | -",
        ),
        (limit(r#","burst":0"#), "burst: 0 lets nothing pass | to allow nothing, leave it out of the policy"),
        (
            limit(r#","burst":4000000"#).replace(r#""seconds":60"#, r#""seconds":600"#),
            ": an empty bucket would take longer than a year to fill | write a smaller `burst`, or fewer `seconds`",
        ),
        (
            limit(r#","counted":"arrived""#),
            "by: when a request arrives, who calls what is not known yet | use `address` and `server` only, or leave `counted` out",
        ),
        (
            limit(r#","counted":"arrived","on":{"tools":["a"]}"#).replace("principal", "address"),
            "on.tools: when a request arrives, this is not known yet | name `servers` and `routes` only, or leave `counted` out",
        ),
        (
            limit("").replace(r#"["principal"]"#, r#"["tool","address","tool"]"#),
            "by[2]: this stands here twice | -",
        ),
        (
            limit("").replace(r#"["principal"]"#, r#"["principle"]"#),
            "by[0]: `principle` is not one of the words known here | did you mean `principal`?",
        ),
        (
            limit("").replace(r#""id":"l""#, r#""id":"a;b""#),
            "id: `a;b` cannot name a rate limit | use up to 64 letters, digits, `-`, `_` and `.`",
        ),
        (limit(r#","brst":1"#), "brst: unknown key `brst` | did you mean `burst`?"),
        (
            limit(r#","on":{"tools":["a"],"methods":["ping"]}"#),
            "on.methods: no request falls under this: only `tools/call` calls a tool | add `tools/call`, or leave `methods` out",
        ),
        (
            limit(r#","on":{"methods":["ping"]}"#).replace("principal", "tool"),
            "on.methods: no request falls under this: only `tools/call` calls a tool | add `tools/call`, or leave `methods` out",
        ),
        (
            limit(r#","on":{"routes":["site"],"methods":["ping"]}"#),
            "on.routes: no request falls under this: routes have neither methods nor tools | name `servers`, or leave `routes` out",
        ),
        (
            limit(r#","on":{"routes":["site"],"roles":["guest"]}"#),
            "on.roles[0]: no request falls under this: `allow: anyone` asks nobody who calls | leave `roles` out, or name servers, or routes with a `policy`",
        ),
        (
            without_servers(""),
            "on: no request falls under this: where nothing is named all servers are meant, and there are none | name `routes`",
        ),
        (
            without_servers(r#","counted":"arrived""#).replace("principal", "address"),
            "on: no request falls under this: where nothing is named all servers are meant, and there are none | name `routes`",
        ),
    ];
    for (json, expected) in &rows {
        let (path, rest) = expected.split_once(": ").unwrap();
        let dot = if path.is_empty() { "" } else { "." };
        assert_eq!(complaint(json), format!("{at}{dot}{path}: {rest}"), "{json}");
    }
    let one = r#"{"id":"l","by":[],"requests":1,"seconds":1}"#;
    assert_eq!(
        complaint(&rates(&format!("{one},{one}"))),
        "limits.rates[1].id: there are two limits `l` | -"
    );
    let many: Vec<String> = (0..33).map(|at| one.replace("\"l\"", &format!("\"l{at}\""))).collect();
    assert_eq!(complaint(&rates(&many.join(","))), "limits.rates: there are more than 32 | -");
}
