// SPDX-License-Identifier: Apache-2.0

use super::*;
use alloc::vec::Vec;

type Seen = Vec<Vec<u8>>;

fn verdict(payload: &[u8]) -> EventVerdict<&'static str> {
    match payload {
        b"drop" => EventVerdict::Drop,
        b"fail" => EventVerdict::Fail("no"),
        b"two\nlines" => EventVerdict::Replace(b"a\nb".to_vec()),
        _ if payload.starts_with(b"replace") => EventVerdict::Replace(b"new".to_vec()),
        _ => EventVerdict::Keep,
    }
}

fn run(chunks: &[&[u8]], max: usize) -> (Vec<u8>, Seen, Result<Tail, SseError<&'static str>>) {
    let (mut out, mut seen) = (Vec::new(), Seen::new());
    let mut filter = SseFilter::new(max);
    let mut judge = |payload: &[u8]| {
        seen.push(payload.to_vec());
        verdict(payload)
    };
    for chunk in chunks {
        if let Err(error) = filter.push(chunk, &mut out, &mut judge) {
            assert_eq!(filter.push::<&str>(b"data: x\n\n", &mut out, &mut judge), Err(SseError::Ended));
            return (out, seen, Err(error));
        }
    }
    let tail = filter.finish();
    (out, seen, tail)
}

/// Input, output, what the judge saw.
const ROWS: &[(&str, &str, &[&str])] = &[
    ("data: a\n\n", "data: a\n\n", &["a"]),
    ("data: a\r\n\r\n", "data: a\r\n\r\n", &["a"]),
    ("data: a\r\rdata: b\r\r", "data: a\r\rdata: b\r\r", &["a", "b"]),
    ("data:a\n\rdata:b\r\n\n", "data:a\n\rdata:b\r\n\n", &["a", "b"]),
    ("\u{feff}data: a\n\n\u{feff}data: b\n\n", "\u{feff}data: a\n\n\u{feff}data: b\n\n", &["a"]),
    (": ping\n: pong\r\n\ndata: a\n\n", ": ping\n: pong\r\n\ndata: a\n\n", &["a"]),
    ("\u{feff}: ping\r\ndata: a\n\n", "\u{feff}: ping\r\ndata: a\n\n", &["a"]),
    ("id: 1\ndata:\n\n", "id: 1\ndata:\n\n", &[]),
    ("retry: 5\nid\n\n\n\n", "retry: 5\nid\n\n\n\n", &[]),
    ("data\ndata:  x\n\n", "data\ndata:  x\n\n", &["\n x"]),
    ("Data: a\ndatax: b\n data: c\n\n", "Data: a\ndatax: b\n data: c\n\n", &[]),
    ("data: two\nid: 1\ndata:lines\n\n", "data: a\ndata: b\nid: 1\n\n", &["two\nlines"]),
    (
        "id: 7\r\ndata: replace\r\nevent: message\r\n\r\n",
        "id: 7\r\ndata: new\r\nevent: message\r\n\r\n",
        &["replace"],
    ),
    ("data: replace\r\rdata: a\r\r", "data: new\r\rdata: a\r\r", &["replace", "a"]),
    ("\u{feff}data: replace\n\n", "\u{feff}data: new\n\n", &["replace"]),
    ("data: a\n\nid: 2\r\ndata: drop\r\n\r\ndata: b\n\n", "data: a\n\ndata: b\n\n", &["a", "drop", "b"]),
    ("data: a\n\ndata: b\n", "data: a\n\n", &["a"]),
    ("data: a\n\ndata: b", "data: a\n\n", &["a"]),
    (
        "data: 0123456789abcdef\r\ndata: ghijklmnopqrs\n\n",
        "data: 0123456789abcdef\r\ndata: ghijklmnopqrs\n\n",
        &["0123456789abcdef\nghijklmnopqrs"],
    ),
    ("data: two\r\nid: 1\r\ndata:lines\r\n\r\n", "data: a\r\ndata: b\r\nid: 1\r\n\r\n", &["two\nlines"]),
    // Only what stands first in the stream is a byte order mark.
    ("data: a\n\u{feff}\ndata: b\n\n", "data: a\n\u{feff}\ndata: b\n\n", &["a\nb"]),
    ("id: 1\n\u{feff}data: x\ndata: replace\n\n", "id: 1\n\u{feff}data: x\ndata: new\n\n", &["replace"]),
    ("\u{feff}\ndata: a\n\n", "\u{feff}\ndata: a\n\n", &["a"]),
    ("", "", &[]),
];

/// A comment by itself keeps a connection alive: it does not wait for an event.
#[test]
fn a_comment_between_events_goes_on_at_once() {
    for (input, output) in [
        (": ping\n", ": ping\n"),
        ("\u{feff}: ping\n", "\u{feff}: ping\n"),
        ("data: a\n\n: ping\n", "data: a\n\n: ping\n"),
        ("data: a\n: ping\n", ""),
        ("data: a\n\n\u{feff}: ping\n", "data: a\n\n"),
    ] {
        let (out, _, tail) = run(&[input.as_bytes()], 1_000);
        assert_eq!(String::from_utf8(out).unwrap(), output, "{input:?}");
        assert_eq!(tail.unwrap() == Tail::Clean, input == output, "{input:?}");
    }
}

#[test]
fn cut_anywhere_a_stream_gives_the_same() {
    for (input, output, payloads) in ROWS {
        let bytes = input.as_bytes();
        let expected: Seen = payloads.iter().map(|payload| payload.as_bytes().to_vec()).collect();
        let check = |chunks: &[&[u8]]| {
            let (out, seen, tail) = run(chunks, 1_000);
            assert_eq!(String::from_utf8(out).unwrap(), *output, "{input:?} {chunks:?}");
            assert_eq!(seen, expected, "{input:?} {chunks:?}");
            tail.unwrap()
        };
        let tail = check(&[bytes]);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let cut = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(check(&cut), tail);
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(check(&single), tail);
        assert_eq!(tail == Tail::Incomplete, input.ends_with("b\n") || input.ends_with("b"), "{input:?}");
    }
}

#[test]
fn an_event_is_bounded_and_a_failure_is_final() {
    let (out, _, result) = run(&[b"data: a\n\ndata: 0123456789\n\n"], 12);
    assert_eq!((out.as_slice(), result), (b"data: a\n\n".as_slice(), Err(SseError::TooLong)));
    let (out, _, result) = run(&[b"data: a\n\n"], 9);
    assert_eq!((out.as_slice(), result), (b"data: a\n\n".as_slice(), Ok(Tail::Clean)));
    let (_, _, result) = run(&[b"data: a\n\n"], 8);
    assert_eq!(result, Err(SseError::TooLong));
    let (_, _, result) = run(&[b"data: 0123", b"456789"], 12);
    assert_eq!(result, Err(SseError::TooLong));
    let (out, _, result) = run(&[b"data: a\n\ndata: fail\n\ndata: b\n\n"], 1_000);
    assert_eq!((out.as_slice(), result), (b"data: a\n\n".as_slice(), Err(SseError::Refused("no"))));
    let (out, _, result) = run(&[": ping\n".repeat(100).as_bytes()], 12);
    assert_eq!((out.len(), result), (700, Ok(Tail::Clean)));
}

#[test]
fn a_line_end_is_found_wherever_it_stands() {
    for length in 0..40 {
        for at in 0..length {
            for end in ["\r", "\n"] {
                let mut line = "\u{b}".repeat(length);
                line.replace_range(at..=at, end);
                let stream = ["data: ", line.as_str(), "\n\n"].concat();
                let (out, seen, _) = run(&[stream.as_bytes()], 1_000);
                assert_eq!(out, stream.as_bytes());
                assert!(at == 0 || seen == [line.as_bytes()[..at].to_vec()], "{stream:?}");
            }
        }
    }
}
