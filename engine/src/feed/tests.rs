// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::config::origin::Url;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// A number that may not go back.
#[derive(Debug)]
struct Number(u64);

impl Content for Number {
    type Rules = ();
    const MAX_BYTES: usize = 16;

    fn read(bytes: &[u8], (): &(), held: Option<&Number>, _: UnixTime) -> Result<Number, &'static str> {
        let text = core::str::from_utf8(bytes).map_err(|_| "not_text")?;
        let number = text.trim().parse().map_err(|_| "not_a_number")?;
        match held {
            Some(held) if number < held.0 => Err("older"),
            Some(_) | None => Ok(Number(number)),
        }
    }

    fn generation(&self) -> u64 {
        self.0
    }
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(1_000_000 + secs)
}

fn target(path: &str) -> Endpoint {
    let url = Url::parse(&["https://feed.example.com", path].concat()).unwrap();
    Endpoint { cluster: "feed".to_owned(), url, accept: "text/plain", timeout_millis: 5_000 }
}

fn document(paths: &[&str]) -> Document<Number> {
    Document::new(
        SourceId::new(&["n"]),
        paths.iter().map(|path| target(path)).collect(),
        RefreshPolicy::default(),
        (),
    )
}

fn answer<'a>(status: u16, body: &'a str, etag: Option<&'a str>) -> Response<'a> {
    Response { status, freshness: Freshness::default(), etag, body: body.as_bytes() }
}

fn asked(document: &Document<Number>, now: UnixTime) -> Option<(Reason, String)> {
    document.next_fetch(now).map(|fetch| (fetch.reason, fetch.call.path))
}

fn tag(document: &Document<Number>, now: UnixTime) -> Option<String> {
    let headers = document.next_fetch(now).unwrap().call.headers;
    headers.into_iter().find(|(name, _)| *name == "if-none-match").map(|(_, value)| value)
}

#[test]
fn an_entity_tag_is_sent_back_and_304_confirms() {
    let mut document = document(&["/n"]);
    assert_eq!(tag(&document, at(0)), None);
    // Nothing is there that could be unchanged.
    assert_eq!(document.on_response(0, &answer(304, "", None), at(0), 0).label(), "status");
    assert_eq!(document.on_response(0, &answer(200, "7", Some("\"a\"")), at(10), 0), Outcome::Fresh);
    assert_eq!(tag(&document, at(600)).as_deref(), Some("\"a\""));
    assert_eq!(document.on_response(0, &answer(304, "", None), at(600), 0), Outcome::Unchanged);
    assert_eq!(document.schedule().fetched(), Some((at(600), at(1_200))));
    assert_eq!(document.held().unwrap().0, 7);
    // Another text of the same content; a tag that no header can carry is not kept.
    assert_eq!(
        document.on_response(0, &answer(200, " 7", Some("\"b\n\"")), at(1_200), 0),
        Outcome::Unchanged
    );
    assert_eq!(tag(&document, at(1_800)), None);
}

#[test]
fn content_that_may_not_go_back_does_not() {
    let mut document = document(&["/n"]);
    assert_eq!(document.on_response(0, &answer(200, "7", None), at(0), 0), Outcome::Fresh);
    assert_eq!(document.on_response(0, &answer(200, "6", None), at(1), 0).label(), "older");
    assert_eq!(
        document.on_response(0, &answer(200, "99999999999999999", None), at(1), 0).label(),
        "too_large"
    );
    assert_eq!(document.held().unwrap().0, 7);
}

#[test]
fn places_are_tried_in_order_and_the_one_that_has_it_is_kept() {
    let mut document = document(&["/a", "/b", "/c"]);
    assert_eq!(asked(&document, at(0)), Some((Reason::First, "/a".to_owned())));
    document.fetch_started(0, at(0));
    assert_eq!(document.on_response(0, &answer(404, "", None), at(0), 0).label(), "status");
    assert_eq!(asked(&document, at(0)), Some((Reason::Retry, "/b".to_owned())));
    assert_eq!(document.on_response(0, &answer(200, "<html>", None), at(0), 0).label(), "not_a_number");
    assert_eq!(asked(&document, at(0)), Some((Reason::Retry, "/c".to_owned())));
    // A server that is down says nothing about where the document is.
    assert_eq!(document.on_response(0, &answer(503, "", None), at(0), 0).label(), "status");
    assert_eq!(asked(&document, at(0)), None);
    assert_eq!(asked(&document, at(60)), Some((Reason::Retry, "/c".to_owned())));
    assert_eq!(document.on_response(0, &answer(200, "1", None), at(60), 0), Outcome::Fresh);
    assert_eq!(asked(&document, at(660)), Some((Reason::Refresh, "/c".to_owned())));
    // Where none has it, all is begun again, after a wait.
    assert_eq!(document.on_response(0, &answer(404, "", None), at(660), u64::MAX).label(), "status");
    assert_eq!(asked(&document, at(660)), None);
    assert_eq!(asked(&document, at(661)), Some((Reason::Retry, "/a".to_owned())));
}

#[test]
fn a_document_that_moves_is_fetched_there_and_not_by_the_old_tag() {
    let mut document = document(&[]);
    assert_eq!(asked(&document, at(0)), None);
    document.move_to(target("/a"), at(0));
    assert_eq!(asked(&document, at(0)), Some((Reason::First, "/a".to_owned())));
    let _ = document.on_response(0, &answer(200, "1", Some("\"a\"")), at(0), 0);
    document.move_to(target("/a"), at(1));
    assert_eq!(asked(&document, at(1)), None);
    document.move_to(target("/b"), at(1));
    assert_eq!(asked(&document, at(1)), Some((Reason::Wanted, "/b".to_owned())));
    assert_eq!(tag(&document, at(1)), None);
    assert_eq!(document.usable(at(1)).unwrap().0, 1);
}

#[test]
fn what_another_worker_holds_is_taken_by_its_head_and_body() {
    let (mut one, mut two) = (document(&["/n"]), document(&["/n"]));
    let _ = one.on_response(0, &answer(200, "7", Some("\"a\"")), at(0), 0);
    let head = one.head().unwrap();
    assert_eq!(two.adopt(&head, None, at(1), 0), Adopted::NeedsBody);
    assert_eq!(two.adopt(&head, Some(b"8"), at(1), 0), Adopted::Unusable);
    assert_eq!(two.adopt(&head, Some(b"7"), at(1), 0), Adopted::Taken);
    assert_eq!(two.adopt(&head, Some(b"7"), at(1), 0), Adopted::NotNewer);
    // The next fetch of either is by the tag that one of them got.
    assert_eq!(tag(&two, at(600)).as_deref(), Some("\"a\""));
    // What the other has confirmed needs no body.
    let _ = two.on_response(0, &answer(304, "", None), at(600), 0);
    assert_eq!(one.adopt(&two.head().unwrap(), None, at(601), 0), Adopted::Renewed);
    assert_eq!(one.schedule().fetched(), Some((at(600), at(1_200))));
    // Nothing from the future.
    let future = Head { fetched_at: at(9_000), ..two.head().unwrap() };
    assert_eq!(one.adopt(&future, Some(b"7"), at(602), 0), Adopted::NotNewer);
}

#[test]
fn names_of_sources_do_not_run_into_each_other() {
    let names: Vec<SourceId> =
        [&["ab", "c"][..], &["a", "bc"], &["abc"]].iter().map(|parts| SourceId::new(parts)).collect();
    assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2]);
}

#[test]
fn a_call_does_not_print_what_it_carries() {
    let mut call = target("/n").call(None);
    call.headers.push(("authorization", "Basic c2VjcmV0".to_owned()));
    call.body = b"token=secret".to_vec();
    assert_eq!(alloc::format!("{call:?}"), "Call(GET feed.example.com/n by feed)");
}
