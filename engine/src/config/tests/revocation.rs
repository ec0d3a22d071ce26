// SPDX-License-Identifier: Apache-2.0
//! Revocation lists and feeds: what they become, and what is refused.

use super::*;

fn with(revocation: &str) -> String {
    let top = format!(r#","clusters":{{"idp.example.com":"idp"}},"revocation":{{{revocation}}}"#);
    Parts { top: &top, ..PARTS }.json()
}

fn feed(more: &str) -> String {
    with(&format!(r#""feeds":{{"f":{{"uri":"https://idp.example.com/revoked"{more}}}}}"#))
}

#[test]
fn lists_and_feeds_are_resolved() {
    let config = good(&feed(r#","on_failure":"close","issuer":"corp","refresh_seconds":5"#));
    let feed = &config.revocation.feeds[0];
    assert_eq!((&*feed.name, feed.issuer, feed.target.cluster.as_str()), ("f", Some(0), "idp"));
    assert_eq!((feed.refresh.freshness.ceiling_secs, feed.refresh.max_stale_secs), (5, 3_600));
    let config = good(&with(r#""lists":{"l":{"jti":["a"],"issuer":"corp"}}"#));
    assert_eq!(config.revocation.lists[0].issuer, Some(0));
}

#[test]
fn a_signed_list_has_the_name_of_its_feed_or_the_one_that_is_written() {
    for (more, name) in [("", "f"), (r#","name":"everyone""#, "everyone")] {
        let key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let signed = format!(r#","on_failure":"close","public_key":"{key}"{more}"#);
        let config = good(&feed(&signed));
        let ListForm::Shards(packers) = &config.revocation.feeds[0].form else { panic!("{more}") };
        assert_eq!(packers.name(), name);
    }
}

#[test]
fn what_is_refused() {
    for (json, expected) in [
        (with(r#""list":{}"#), "revocation.list: unknown key `list` | did you mean `lists`?"),
        (
            with(r#""lists":{"l":{"jit":[]}}"#),
            "revocation.lists.l.jit: unknown key `jit` | did you mean `jti`?",
        ),
        (
            with(r#""lists":{"l":{"issuer":"crop"}}"#),
            "revocation.lists.l.issuer: there is no issuer `crop` | did you mean `corp`?",
        ),
        (
            with(r#""lists":{"l":{"sub":[""]}}"#),
            "revocation.lists.l.sub: an id is empty or longer than 1024 bytes | -",
        ),
        (
            with(r#""lists":{"l":{"not_before":{"iss":{"corp":5}}}}"#),
            "revocation.lists.l.not_before.iss: no issuer here has the `iss` `corp` | write `https://idp.example.com`",
        ),
        (
            with(r#""lists":{"l":{"not_before":{"iss":{"https://idp.example.com/":5}}}}"#),
            "revocation.lists.l.not_before.iss: no issuer here has the `iss` `https://idp.example.com/` | did you mean `https://idp.example.com`?",
        ),
        (feed(""), "revocation.feeds.f: the key `on_failure` is missing | add `on_failure`"),
        (
            feed(r#","on_failure":"close","refresh_seconds":0"#),
            "revocation.feeds.f.refresh_seconds: 0 is outside 1 to 3600 | -",
        ),
        (
            feed(r#","on_failure":"close","name":"everyone""#),
            "revocation.feeds.f.name: only a signed list has a name | write `public_key`, the key that signs the list",
        ),
        (
            feed(r#","on_failure":"close","max_stale_seconds":59"#),
            "revocation.feeds.f.max_stale_seconds: `max_stale_seconds` is below twice `refresh_seconds` | leave room for one fetch that fails",
        ),
        (
            feed(r#","on_failure":"close""#)
                .replace("https://idp.example.com/revoked", "https://x.example/r"),
            "revocation.feeds.f.uri: no cluster reaches `x.example` | add `x.example: CLUSTER` under `clusters`; a host not listed there is never called",
        ),
    ] {
        assert_eq!(complaint(&json), expected, "{json}");
    }
}
