// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::flow::Outcome;
use crate::time::UnixTime;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

const SECRET: &[u8] = b"an audit key of thirty-two bytes";
const OTHER: &[u8] = b"another key of thirty-two bytes.";
const DIGEST: [u8; 32] = [7; 32];

fn key(secret: &[u8]) -> AuditKey {
    AuditKey::new(secret).unwrap()
}

fn at(seq: u64) -> UnixTime {
    UnixTime::from_micros(1_795_000_000_000_000 + seq * 1_001)
}

/// One stream with its lines.
struct Book {
    chain: Chain,
    lines: Vec<String>,
}

impl Book {
    fn new(stream: u8, seal: Seal, continues: &[Head]) -> Book {
        let start_seal = seal.clone();
        let mut book = Book { chain: Chain::new(StreamId([stream; 16]), seal), lines: Vec::new() };
        book.add(Kind::Start, &mut |members| {
            let policies = [PolicyName { name: "default", version: Some("3"), digest: &DIGEST }];
            Start {
                build: "0.1.0",
                config: &DIGEST,
                policies: &policies,
                outlet: Outlet::AccessLog,
                seal: &start_seal,
                allows_per_mille: 1_000,
                continues,
            }
            .write(members);
        });
        book
    }

    fn keyed(stream: u8) -> Book {
        Book::new(stream, Seal::Keyed(key(SECRET)), &[])
    }

    fn add(&mut self, kind: Kind, write: &mut dyn FnMut(&mut Members<'_>)) {
        let mut line = String::new();
        self.chain.append(&mut line, at(self.chain.head().seq), kind, write);
        self.lines.push(line);
    }

    fn decisions(mut self, count: u64) -> Book {
        for number in 0..count {
            let (decision, ending) = sample();
            let id = format!("0123456789ab-{number:08x}");
            self.add(Kind::Decision, &mut |members| {
                Decision { id: &id, ..decision }.write(members);
                Ending { decision_micros: number, ..ending }.write(members);
            });
        }
        self
    }

    fn checkpoint(mut self, heads: &[Head]) -> Book {
        let records = self.chain.head().seq;
        self.add(Kind::Checkpoint, &mut |members| {
            Checkpoint { records, dropped: 0, sampled_out: 0, heads }.write(members);
        });
        self
    }
}

fn sample() -> (Decision<'static>, Ending) {
    let decision = Decision {
        id: "",
        request_id: Some("8e2ff3a0-7d25-4a2a-9b7e-0f0b6a5e2c11"),
        trace: Trace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        session: Some([1, 2, 3, 4, 5, 6, 7, 8]),
        principal: Some("{\"subject\":\"zo\u{eb}\",\"credential\":\"token\",\"roles\":[\"developer\"]}"),
        source: Some("192.0.2.7".parse().unwrap()),
        server: Some("everything"),
        route: None,
        version: Some("2025-11-25"),
        http_method: "POST",
        method: Some("tools/call"),
        tool: Some("get \"quoted\"\n"),
        target: None,
        class: Some("read"),
        arguments: Arguments::Shown("{\"/path\":\"0011223344556677\"}"),
        decision: "allow",
        reason: "allowed",
        rule: Some("readonly.allow[1]"),
        policy: Some(PolicyName { name: "default", version: None, digest: &DIGEST }),
        shadow: Some(Shadow { decision: "deny", rule: Some("r"), policy: None }),
    };
    let ending = Ending {
        status: Some(200),
        outcome: Outcome::Ok,
        decision_micros: 12,
        duration_micros: 1_234,
        request_bytes: 110,
        response_bytes: 420,
        sampled_per_mille: Some(100),
    };
    (decision, ending)
}

/// Faults by line, from 0; and what was found at the end.
fn verify(keys: Vec<AuditKey>, lines: &[String]) -> (Vec<(usize, Fault)>, Vec<Summary>) {
    let mut verifier = Verifier::new(keys);
    let mut faults = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if let Err(fault) = verifier.look(line.as_bytes()) {
            faults.push((at, fault));
        }
    }
    (faults, verifier.finish())
}

fn first(lines: &[String]) -> Option<(usize, Fault)> {
    verify(vec![key(SECRET)], lines).0.first().copied()
}

#[test]
fn a_record_has_its_form() {
    let book = Book::keyed(0xAB).decisions(1);
    let expected = "{\"v\":1,\"stream\":\"abababababababababababababababab\",\"seq\":2,\
        \"time\":\"2026-11-18T11:06:40.001001Z\",\"kind\":\"decision\",\"id\":\"0123456789ab-00000000\",\
        \"request_id\":\"8e2ff3a0-7d25-4a2a-9b7e-0f0b6a5e2c11\",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\
        \"span_id\":\"00f067aa0ba902b7\",\"session\":\"0102030405060708\",\
        \"principal\":{\"subject\":\"zo\u{eb}\",\"credential\":\"token\",\"roles\":[\"developer\"]},\
        \"source\":\"192.0.2.7\",\"server\":\"everything\",\"version\":\"2025-11-25\",\"http_method\":\"POST\",\
        \"method\":\"tools/call\",\"tool\":\"get \\\"quoted\\\"\\n\",\"class\":\"read\",\
        \"arguments\":{\"/path\":\"0011223344556677\"},\"decision\":\"allow\",\"reason\":\"allowed\",\
        \"rules\":[\"readonly.allow[1]\"],\"policy\":{\"name\":\"default\",\"digest\":\
        \"0707070707070707070707070707070707070707070707070707070707070707\"},\
        \"shadow\":{\"decision\":\"deny\",\"rules\":[\"r\"]},\"status\":200,\"outcome\":\"ok\",\"decision_us\":0,\
        \"duration_us\":1234,\"bytes\":{\"request\":110,\"response\":420},\"sampled_per_mille\":100,\"prev\":\"";
    let line = &book.lines[1];
    assert!(line.starts_with(expected), "{line}");
    let link = Link::parse(line.as_bytes()).unwrap();
    assert_eq!((link.seq, link.kind, link.stream), (2, Kind::Decision, StreamId([0xAB; 16])));
    assert_eq!(link.prev, Link::parse(book.lines[0].as_bytes()).unwrap().mac);
    for line in &book.lines {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(read["v"], 1);
    }
    let start: serde_json::Value = serde_json::from_str(&book.lines[0]).unwrap();
    assert_eq!(start["key"], key(SECRET).id().text());
    assert_eq!(start["chain"], "hmac-sha256");
}

#[test]
fn a_stream_as_it_was_written_is_good() {
    let mut book = Book::keyed(1).decisions(20).checkpoint(&[]);
    book.add(Kind::End, &mut |_| {});
    let (faults, found) = verify(vec![key(OTHER), key(SECRET)], &book.lines);
    assert_eq!(faults, []);
    let [only] = &found[..] else { panic!("{found:?}") };
    assert_eq!((only.records, only.first_seq, only.ended, only.faults), (23, 1, true, 0));
    assert_eq!(only.key, Some(key(SECRET).id()));
    assert_eq!(only.last, book.chain.head());
}

#[test]
fn deletion_edit_swap_insertion_and_repetition_are_found_where_they_are() {
    let book = Book::keyed(1).decisions(30);
    let lines = &book.lines;
    assert_eq!(first(lines), None);
    for at in 1..lines.len() - 1 {
        let mut cut = lines.clone();
        cut.remove(at);
        let seq = u64::try_from(at).unwrap() + 1;
        assert_eq!(first(&cut), Some((at, Fault::Missing { due: seq, found: seq + 1 })));
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        assert_eq!(first(&swapped).map(|(at, fault)| (at, fault.label())), Some((at, "missing")));
        let mut edited = lines.clone();
        edited[at] = edited[at].replacen("\"allow\"", "\"deny\"", 1);
        assert_eq!(first(&edited), Some((at, Fault::Changed)));
        let mut twice = lines.clone();
        twice.insert(at, lines[at].clone());
        assert_eq!(first(&twice).map(|(at, fault)| (at, fault.label())), Some((at + 1, "repeated")));
        let mut renumbered = lines.clone();
        renumbered.remove(at);
        renumbered[at] =
            renumbered[at].replacen(&format!("\"seq\":{}", seq + 1), &format!("\"seq\":{seq}"), 1);
        assert_eq!(first(&renumbered), Some((at, Fault::Changed)));
    }
    assert_eq!(first(&lines[1..]), Some((0, Fault::NotStarted { seq: 2 })));
    assert_eq!(verify(vec![key(SECRET)], &lines[1..]).0.len(), 1, "the rest is judged by itself");
}

#[test]
fn a_record_of_another_chain_does_not_fit() {
    // The same numbers, the same key: only the seals before them differ.
    let (one, two) = (Book::keyed(1).decisions(5), Book::keyed(1).checkpoint(&[]).decisions(4));
    let mut spliced = one.lines.clone();
    spliced[4] = two.lines[4].clone();
    assert_eq!(first(&spliced), Some((4, Fault::Unlinked)));
    // A whole stream, written by somebody without the key.
    let forged = Book::new(1, Seal::Keyed(key(OTHER)), &[]).decisions(3);
    assert_eq!(first(&forged.lines), Some((0, Fault::UnknownKey(key(OTHER).id()))));
    let unkeyed = Book::new(1, Seal::Plain, &[]).decisions(3);
    assert_eq!(first(&unkeyed.lines), Some((0, Fault::Unkeyed)));
    let claims = forged.lines[0].replace(&key(OTHER).id().text(), &key(SECRET).id().text());
    assert_eq!(first(&[claims]), Some((0, Fault::Changed)));
    let (faults, _) = verify(vec![], &unkeyed.lines);
    assert_eq!(faults, [], "without a key there is no more to ask for");
}

#[test]
fn streams_may_be_mixed_and_are_judged_apart() {
    let (one, two) = (Book::keyed(1).decisions(10), Book::keyed(2).decisions(10));
    let mut mixed: Vec<String> =
        one.lines.iter().zip(&two.lines).flat_map(|(one, two)| [one.clone(), two.clone()]).collect();
    assert_eq!(first(&mixed), None);
    mixed.remove(7);
    let (faults, found) = verify(vec![key(SECRET)], &mixed);
    assert_eq!(faults.len(), 1);
    assert_eq!(found.iter().map(|stream| stream.faults).collect::<Vec<_>>(), [0, 1]);
    // Two streams made one, by name: the seal is over the name.
    let merged: Vec<String> =
        mixed.iter().map(|line| line.replace(&"02".repeat(16), &"01".repeat(16))).collect();
    assert!(first(&merged).is_some());
}

#[test]
fn a_cut_end_shows_by_what_others_have_seen() {
    let one = Book::keyed(1).decisions(10);
    let head = one.chain.head();
    let two = Book::new(2, Seal::Keyed(key(SECRET)), &[head]).decisions(2);
    let later = one.decisions(5);
    let three = Book::keyed(3).checkpoint(&[later.chain.head()]);
    for (kept, others, witnessed) in
        [(11, &two, 11), (16, &three, 16), (10, &two, 11), (15, &three, 16), (0, &two, 11)]
    {
        let mut lines = later.lines[..kept].to_vec();
        lines.extend(others.lines.clone());
        let (faults, found) = verify(vec![key(SECRET)], &lines);
        assert_eq!(faults, []);
        let cut: Vec<Fault> = found.iter().filter_map(Summary::truncation).collect();
        let last = u64::try_from(kept).unwrap();
        match last < witnessed {
            true => assert_eq!(cut, [Fault::Truncated { witnessed, last }]),
            false => assert_eq!(cut, []),
        }
    }
    // Nothing is learned from a record that is not genuine.
    let mut verifier = Verifier::new(vec![key(SECRET)]);
    let forged = Book::new(4, Seal::Plain, &[later.chain.head()]);
    assert!(verifier.look(forged.lines[0].as_bytes()).is_err());
    assert!(verifier.finish().iter().all(|stream| stream.witnessed == 0));
    let mut verifier = Verifier::new(vec![key(SECRET)]);
    verifier.expect(StreamId([1; 16]), 3);
    assert!(verifier.finish()[0].truncation().is_some());
}

#[test]
fn nothing_follows_an_end_and_a_stream_may_go_on_from_an_archive() {
    let mut book = Book::keyed(1).decisions(3);
    let middle = book.chain.head();
    book.add(Kind::End, &mut |_| {});
    book.add(Kind::Checkpoint, &mut |members| {
        Checkpoint { records: 5, dropped: 0, sampled_out: 0, heads: &[] }.write(members);
    });
    assert_eq!(first(&book.lines), Some((5, Fault::AfterEnd)));
    let mut verifier = Verifier::new(vec![key(SECRET)]);
    verifier.resume(middle, Some(key(SECRET).id()));
    assert!(verifier.look(book.lines[4].as_bytes()).is_ok());
    let mut verifier = Verifier::new(vec![key(SECRET)]);
    verifier.resume(Head { mac: [9; 32], ..middle }, Some(key(SECRET).id()));
    assert_eq!(verifier.look(book.lines[4].as_bytes()).unwrap_err(), Fault::Unlinked);
}

#[test]
fn a_key_hands_over_to_the_next() {
    let mut book = Book::keyed(1).decisions(2);
    let mut line = String::new();
    book.chain.hand_over(&mut line, at(9), key(OTHER));
    book.lines.push(line);
    let book = book.decisions(2);
    let both = verify(vec![key(SECRET), key(OTHER)], &book.lines);
    assert_eq!(both.0, []);
    assert_eq!(both.1[0].key, Some(key(OTHER).id()));
    let unknown = Fault::UnknownKey(key(OTHER).id());
    assert_eq!(verify(vec![key(SECRET)], &book.lines).0, [(4, unknown), (5, unknown)]);
    // Who only has the new key cannot have written what stands before; nor does the old one seal what comes after.
    let mut late = Book::keyed(1).decisions(3);
    late.lines[3] = book.lines[3].clone();
    let late = late.decisions(1);
    assert!(verify(vec![key(SECRET), key(OTHER)], &late.lines).0.iter().any(|(at, _)| *at == 4));
}

/// One character of each record in turn, and every one of a few, to every other value that differs in one bit.
#[test]
fn no_byte_of_a_thousand_records_can_be_edited() {
    let book = Book::keyed(1).decisions(1_000);
    let heads: Vec<Head> = book
        .lines
        .iter()
        .map(|line| {
            let link = Link::parse(line.as_bytes()).unwrap();
            Head { stream: link.stream, seq: link.seq, mac: link.mac }
        })
        .collect();
    let mut edits = 0_u32;
    for at in 1..book.lines.len() - 1 {
        let (line, next) = (book.lines[at].as_bytes(), book.lines[at + 1].as_bytes());
        let step = if at % 500 == 1 { 1 } else { 31 };
        for place in (at % step..line.len()).step_by(step) {
            let mut edited = line.to_vec();
            edited[place] ^= 1 << ((place + at) % 7);
            let mut verifier = Verifier::new(vec![key(SECRET)]);
            verifier.resume(heads[at - 1], Some(key(SECRET).id()));
            let found = verifier.look(&edited).is_err() || verifier.look(next).is_err();
            assert!(found, "record {at}, byte {place}");
            edits += 1;
        }
    }
    assert!(edits > 20_000, "{edits}");
}

#[test]
fn what_is_no_record_is_said_to_be_none() {
    let line = &Book::keyed(1).decisions(1).lines[1];
    let parse = |text: &str| Link::parse(text.as_bytes()).map(|link| link.seq);
    assert_eq!(parse(line), Ok(2));
    for (from, to, malformed) in [
        ("{\"v\":1,", "{\"v\":2,", Malformed::Begin),
        ("\"stream\":\"01", "\"stream\":\"0G", Malformed::Stream),
        ("\"stream\":\"01", "\"stream\":\"0", Malformed::Stream),
        ("\"seq\":2", "\"seq\":02", Malformed::Seq),
        ("\"seq\":2", "\"seq\":+2", Malformed::Seq),
        ("\"seq\":2", "\"seq\":18446744073709551616", Malformed::Seq),
        ("\"seq\":2", "\"seq\":2 ", Malformed::Seq),
        ("Z\",\"kind", "z\",\"kind", Malformed::Time),
        ("\"decision\",\"id\"", "\"decisions\",\"id\"", Malformed::Kind),
        (",\"prev\":\"", ",\"last\":\"", Malformed::End),
        (",\"mac\":\"", ",\"MAC\":\"", Malformed::End),
        ("\"mac\":\"", "\"mac\":\" ", Malformed::End),
    ] {
        assert_eq!(parse(&line.replacen(from, to, 1)), Err(malformed), "{to}");
    }
    assert_eq!(Link::parse(b"\xff").unwrap_err(), Malformed::Encoding);
    for cut in 0..line.len() {
        if let Some(part) = line.get(..cut) {
            assert!(parse(part).is_err());
        }
    }
    assert_eq!(find(format!("[info] wasm log: {line}\r\n").as_bytes()), Some(line.as_bytes()));
    assert_eq!(find(b"[info] something else"), None);
}

#[test]
fn keys_have_a_length_and_are_not_printed() {
    assert_eq!(AuditKey::new(&SECRET[1..]).unwrap_err(), KeyTooShort);
    let text = format!("{:?} {:?}", key(SECRET), Seal::Keyed(key(SECRET)));
    assert!(!text.contains("thirty"));
    assert_ne!(key(SECRET).id(), key(OTHER).id());
    let hashes = [
        key(SECRET).hash("session", b"x"),
        key(SECRET).hash("argument", b"x"),
        key(SECRET).hash("session", b"y"),
        key(OTHER).hash("session", b"x"),
    ];
    for (at, hash) in hashes.iter().enumerate() {
        assert!(!hashes[at + 1..].contains(hash));
    }
}

#[test]
fn only_a_traceparent_is_a_trace() {
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(Trace::parse(good).unwrap().span, "00f067aa0ba902b7");
    assert!(Trace::parse(&format!("{}-more", good.replacen("00", "01", 1))).is_some());
    for bad in [
        "",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01",
        "secret",
    ] {
        assert_eq!(Trace::parse(bad), None, "{bad}");
    }
}
