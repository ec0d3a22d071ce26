use super::*;
use crate::store::{MemoryStore, NoStore, Unavailable};
use alloc::string::ToString;
use core::cell::Cell;

const NOW: u64 = 1_800_000_000;

fn now(after: u64) -> UnixTime {
    UnixTime::from_secs(NOW + after)
}

fn keyed() -> SharedState {
    SharedState::Keyed(StateKey::from_secret(b"0123456789abcdef").unwrap())
}

fn used(jti: &str) -> Use {
    Use::new(&[1; 32], jti, now(60))
}

fn note(replay: &mut Replay, store: &dyn Store, jti: &str, at: UnixTime) -> Noted {
    replay.note(&used(jti), store, at, &mut |rejected| panic!("{rejected:?}"))
}

#[test]
fn what_one_worker_has_seen_no_other_accepts() {
    let store = MemoryStore::default();
    let (mut one, mut two) = (Replay::new(&keyed(), [1; 16]), Replay::new(&keyed(), [2; 16]));
    assert_eq!(note(&mut one, &store, "a", now(0)), Noted::Fresh);
    assert_eq!(note(&mut two, &store, "a", now(0)), Noted::Replayed);
    assert_eq!(note(&mut one, &store, "a", now(59)), Noted::Replayed);
    assert_eq!(note(&mut two, &store, "b", now(0)), Noted::Fresh);
    // Another key may use the same words.
    let other = Use::new(&[2; 32], "a", now(60));
    assert_eq!(two.note(&other, &store, now(0), &mut |_| ()), Noted::Fresh);
    // Now the proof itself is too old.
    assert_eq!(note(&mut two, &store, "a", now(60)), Noted::Fresh);
}

#[test]
fn a_fraction_of_a_second_is_not_forgotten() {
    let store = MemoryStore::default();
    let mut replay = Replay::new(&keyed(), [1; 16]);
    let used = Use::new(&[1; 32], "a", now(60).plus_millis(1));
    let at = now(60);
    assert_eq!(replay.note(&used, &store, at, &mut |_| ()), Noted::Fresh);
    assert_eq!(replay.note(&used, &store, at, &mut |_| ()), Noted::Replayed);
}

#[test]
fn a_worker_on_its_own_remembers_for_itself() {
    let mut replay = Replay::new(&SharedState::Off, [1; 16]);
    assert_eq!(note(&mut replay, &NoStore, "a", now(0)), Noted::Fresh);
    assert_eq!(note(&mut replay, &NoStore, "a", now(0)), Noted::Replayed);
    let mut fresh = 0;
    while note(&mut replay, &NoStore, &fresh.to_string(), now(0)) == Noted::Fresh {
        fresh += 1;
    }
    // Bounded, and never by forgetting.
    assert!((LOCAL_PAGES * PLACES / 4..=LOCAL_PAGES * PLACES).contains(&fresh), "{fresh}");
    assert_eq!(note(&mut replay, &NoStore, "a", now(0)), Noted::Replayed);
    assert_eq!(note(&mut replay, &NoStore, &fresh.to_string(), now(60)), Noted::Fresh);
}

#[test]
fn a_full_page_refuses_until_a_place_is_free() {
    let mut page = empty();
    for tag in 0..u32::try_from(PLACES).unwrap() {
        let entry = Entry { tag: tag.into(), until: 100 + tag };
        assert_eq!(note_in(&mut page, &entry, 50), Noted::Fresh);
    }
    assert_eq!(note_in(&mut page, &Entry { tag: 500, until: 200 }, 99), Noted::Full);
    assert_eq!(note_in(&mut page, &Entry { tag: 7, until: 200 }, 99), Noted::Replayed);
    assert_eq!(note_in(&mut page, &Entry { tag: 500, until: 200 }, 100), Noted::Fresh);
    assert_eq!(note_in(&mut page, &Entry { tag: 501, until: 200 }, 100), Noted::Full);
    assert_eq!(page.len(), PAGE_BYTES);
}

#[test]
fn names_are_few_and_values_have_one_size() {
    #[derive(Default)]
    struct Watched(MemoryStore, core::cell::RefCell<alloc::collections::BTreeSet<String>>);
    impl Store for Watched {
        fn read(&self, name: &str) -> Result<Option<Stored>, Unavailable> {
            self.0.read(name)
        }
        fn replace(&self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Replaced, Unavailable> {
            assert_eq!(bytes.len(), PAGE_BYTES + 61);
            self.1.borrow_mut().insert(name.into());
            self.0.replace(name, bytes, version)
        }
    }
    let store = Watched::default();
    let mut replay = Replay::new(&keyed(), [1; 16]);
    for jti in 0..8_000 {
        assert_eq!(note(&mut replay, &store, &jti.to_string(), now(0)), Noted::Fresh);
    }
    let names = store.1.borrow().len();
    assert!((PAGES - 5..=PAGES).contains(&names), "{names}");
}

#[test]
fn pages_of_others_count_as_absent_and_are_told() {
    let foreign =
        Replay::new(&SharedState::Keyed(StateKey::from_secret(b"another-secret-16").unwrap()), [1; 16]);
    let (mut ours, mut foreign) = (Replay::new(&keyed(), [1; 16]), foreign);
    let sealed = |replay: &mut Replay, number: usize| {
        let store = MemoryStore::default();
        let Where::Shared(key) = &replay.place else { panic!("shared") };
        let page = Page { store: &store, key, number };
        assert_eq!(page.note(&Entry { tag: 1, until: u32::MAX }, 1, &mut |_| ()), Noted::Fresh);
        store.read(&format!("toolgate.dpop.{number}")).unwrap().unwrap().bytes
    };
    let good = sealed(&mut ours, 5);
    let Where::Shared(key) = &ours.place else { panic!("shared") };
    for (bytes, rejected) in [
        (b"nonsense".to_vec(), Rejected::Version),
        (sealed(&mut foreign, 5), Rejected::Mac),
        (sealed(&mut Replay::new(&keyed(), [3; 16]), 6), Rejected::Digest),
        (Vec::new(), Rejected::Absent),
    ] {
        let store = MemoryStore::default();
        assert_eq!(store.replace("toolgate.dpop.5", &bytes, None), Ok(Replaced::Yes));
        let page = Page { store: &store, key, number: 5 };
        let mut told = Vec::new();
        assert_eq!(
            page.note(&Entry { tag: 1, until: 9 }, 1, &mut |rejected| told.push(rejected)),
            Noted::Fresh
        );
        assert_eq!(told, [rejected]);
    }
    let store = MemoryStore::default();
    assert_eq!(store.replace("toolgate.dpop.5", &good, None), Ok(Replaced::Yes));
    let page = Page { store: &store, key, number: 5 };
    assert_eq!(page.note(&Entry { tag: 1, until: 9 }, 1, &mut |_| panic!("believed")), Noted::Replayed);
}

#[test]
fn nothing_is_accepted_that_cannot_be_remembered() {
    struct Racing(MemoryStore, Cell<u32>);
    impl Store for Racing {
        fn read(&self, name: &str) -> Result<Option<Stored>, Unavailable> {
            self.0.read(name)
        }
        fn replace(&self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Replaced, Unavailable> {
            match self.1.get().checked_sub(1) {
                Some(left) => {
                    self.1.set(left);
                    Ok(Replaced::Conflict)
                }
                None => self.0.replace(name, bytes, version),
            }
        }
    }
    let mut replay = Replay::new(&keyed(), [1; 16]);
    assert_eq!(note(&mut replay, &NoStore, "a", now(0)), Noted::Unavailable);
    let store = Racing(MemoryStore::default(), Cell::new(100));
    assert_eq!(note(&mut replay, &store, "a", now(0)), Noted::Contended);
    assert_eq!(store.1.get(), 92);
    store.1.set(3);
    assert_eq!(note(&mut replay, &store, "a", now(0)), Noted::Fresh);
    assert_eq!(note(&mut replay, &store, "a", now(0)), Noted::Replayed);
}
