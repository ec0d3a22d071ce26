// SPDX-License-Identifier: Apache-2.0

use super::*;
use alloc::format;

fn key() -> SealKey {
    SealKey::of(&StateKey::from_secret(b"0123456789abcdef0123456789abcdef").unwrap())
}

const BOND: Bond<'static> = Bond { purpose: Purpose::Task, server: "main", principal: b"alice" };

#[test]
fn what_was_sealed_opens_under_the_same_bond_only() {
    for (note, id) in
        [("echo", "task-1"), ("", ""), ("é", "\"\\\u{7f}"), (&"n".repeat(256), &"i".repeat(256))]
    {
        let sealed = key().seal(&BOND, note, id);
        assert!(sealed.bytes().all(|byte| byte.is_ascii_graphic()), "{sealed}");
        assert_eq!(key().open(&BOND, &sealed), Ok(Opened { note: note.into(), id: id.into() }));
        for other in [
            Bond { purpose: Purpose::Session, ..BOND },
            Bond { server: "other", ..BOND },
            Bond { principal: b"bob", ..BOND },
            // The same bytes, cut elsewhere.
            Bond { server: "maina", principal: b"lice", ..BOND },
        ] {
            assert_eq!(key().open(&other, &sealed), Err(NotSealed), "{other:?}");
        }
        let stranger = SealKey::of(&StateKey::from_secret(b"0123456789abcdef0123456789abcdeg").unwrap());
        assert_eq!(stranger.open(&BOND, &sealed), Err(NotSealed));
    }
}

#[test]
fn no_change_of_a_sealed_text_opens() {
    let sealed = key().seal(&BOND, "echo", "task-1");
    for length in 0..sealed.len() {
        assert_eq!(key().open(&BOND, sealed.get(..length).unwrap_or_default()), Err(NotSealed));
    }
    for bit in 0..sealed.len() * 8 {
        let mut bytes = sealed.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = String::from_utf8(bytes) {
            assert_eq!(key().open(&BOND, &text), Err(NotSealed), "{text}");
        }
    }
    for text in
        [&format!("{sealed}="), &format!("{sealed}.x"), "task-1", "", "tg1.", "tg1..", &sealed.repeat(40)]
    {
        assert_eq!(key().open(&BOND, text), Err(NotSealed), "{text}");
    }
}

#[test]
fn nothing_personal_is_printed() {
    assert_eq!(format!("{:?} {BOND:?}", key()), "SealKey(hidden) Bond(Task of main)");
}

#[test]
fn the_memory_is_bounded_and_knows_bonds() {
    let mut table = Remembered::new(2, [7; 16]);
    for id in ["a", "b", "a", "c"] {
        table.add(&BOND, id, "echo");
    }
    assert_eq!(
        [table.note(&BOND, "a"), table.note(&BOND, "b"), table.note(&BOND, "c")].map(|note| note.is_some()),
        [false, true, true]
    );
    assert_eq!(table.note(&Bond { principal: b"bob", ..BOND }, "c"), None);
    let mut mark = |note: &str, mark| table.mark(&BOND, "c", note, mark);
    let seen = [
        mark("echo", Mark::Over),
        mark("echo", Mark::Fetched),
        mark("echo", Mark::Over),
        // Under another note it is another thing.
        mark("other", Mark::Over),
        mark("other", Mark::Over),
    ];
    assert_eq!(seen, [Seen::First, Seen::First, Seen::Again, Seen::First, Seen::Again]);
    assert_eq!(format!("{table:?}"), "Remembered(2 of 2)");
}
