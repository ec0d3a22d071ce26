// SPDX-License-Identifier: Apache-2.0

use super::*;
use alloc::format;
use alloc::rc::Rc;

const NOW: UnixTime = UnixTime::from_secs(1_000);
const LATER: UnixTime = UnixTime::from_secs(2_000);

fn cache(capacity: usize) -> TokenCache<u32> {
    TokenCache::new(capacity, [9; 16])
}

#[test]
fn a_hit_needs_server_token_time_and_generation() {
    let mut cache = cache(64);
    let key = cache.key(1, b"token");
    assert_eq!(cache.get(key, NOW, |_| 5), Lookup::Miss);
    assert_eq!(cache.insert(key, 42, LATER, 5, NOW), Inserted::Added);
    assert_eq!(cache.get(key, NOW, |value| u64::from(*value) - 37), Lookup::Hit(42));
    for other in [cache.key(2, b"token"), cache.key(1, b"tokem"), cache.key(1, b"token ")] {
        assert_eq!(cache.get(other, NOW, |_| 5), Lookup::Miss);
    }
    assert_eq!(cache.get(key, NOW, |_| 6), Lookup::Outdated);
    assert_eq!(cache.get(key, NOW, |_| 5), Lookup::Miss);
    assert_eq!(cache.insert(key, 43, LATER, 5, NOW), Inserted::Added);
    assert_eq!(cache.insert(key, 44, LATER, 5, NOW), Inserted::Replaced);
    assert_eq!(cache.get(key, LATER, |_| 5), Lookup::Expired);
    assert_eq!(cache.count(), 0);
    assert_eq!(cache.insert(key, 44, NOW, 5, NOW), Inserted::Ignored);
}

#[test]
fn the_key_is_under_the_secret_of_the_vm() {
    let one = TokenCache::<u32>::new(8, [1; 16]).key(0, b"token");
    let two = TokenCache::<u32>::new(8, [2; 16]).key(0, b"token");
    assert!(one != two);
    assert_eq!(format!("{one:?}"), "CacheKey(hidden)");
}

#[test]
fn never_more_than_its_capacity() {
    for (capacity, places) in [(0, 0), (1, 1), (5, 5), (8, 8), (15, 8), (64, 64), (100, 96), (4_096, 4_096)] {
        let mut cache = cache(capacity);
        assert_eq!(cache.capacity(), places);
        let before = cache.entries.capacity();
        for number in 0..3 * places as u64 + 5 {
            let key = cache.key(0, &number.to_le_bytes());
            let inserted = cache.insert(key, 1, LATER, 1, NOW);
            assert_eq!(inserted == Inserted::Ignored, places == 0);
            assert_eq!(cache.get(key, NOW, |_| 1) == Lookup::Hit(1), places > 0);
        }
        assert!(cache.count() <= places);
        assert!(cache.count() * 10 >= places * 9, "{} of {places}", cache.count());
        assert_eq!(cache.entries.capacity(), before);
        cache.clear();
        assert_eq!(cache.count(), 0);
    }
}

#[test]
fn the_least_recently_used_makes_room() {
    let mut cache = cache(8);
    let keys: Vec<CacheKey> = (0..9_u8).map(|number| cache.key(0, &[number])).collect();
    for key in &keys[..8] {
        assert_eq!(cache.insert(*key, 1, LATER, 1, NOW), Inserted::Added);
    }
    assert_eq!(cache.get(keys[0], NOW, |_| 1), Lookup::Hit(1));
    assert_eq!(cache.insert(keys[8], 1, LATER, 1, NOW), Inserted::Evicted);
    assert_eq!(cache.get(keys[0], NOW, |_| 1), Lookup::Hit(1));
    assert_eq!(cache.get(keys[1], NOW, |_| 1), Lookup::Miss);
    assert_eq!(cache.get(keys[8], NOW, |_| 1), Lookup::Hit(1));
}

#[test]
fn expired_values_make_room_first() {
    let mut cache = cache(8);
    let keys: Vec<CacheKey> = (0..9_u8).map(|number| cache.key(0, &[number])).collect();
    for (number, key) in (0..).zip(&keys[..8]) {
        let until = if number == 7 { NOW.plus_secs(1) } else { LATER };
        let _ = cache.insert(*key, number, until, 1, NOW);
    }
    assert_eq!(cache.insert(keys[8], 8, LATER, 1, NOW.plus_secs(1)), Inserted::Added);
    assert_eq!(cache.get(keys[7], NOW, |_| 1), Lookup::Miss);
    assert_eq!(cache.get(keys[0], NOW, |_| 1), Lookup::Hit(0));
}

/// Against a map that never forgets: whatever the cache says, it is either what was put there last, or nothing.
#[test]
fn agrees_with_a_map_under_random_use() {
    let mut cache = TokenCache::new(32, [3; 16]);
    let mut model = alloc::collections::BTreeMap::new();
    let mut state = 0x1234_5678_9ABC_DEF1_u64;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut hits = 0;
    for step in 0..50_000_u64 {
        let now = UnixTime::from_secs(step / 10);
        let generation = step / 5_000;
        let id = next(60);
        let key = cache.key(0, &id.to_le_bytes());
        if next(2) == 0 {
            let until = now.plus_secs(next(200));
            let value = Rc::new((id, step));
            let _ = cache.insert(key, Rc::clone(&value), until, generation, now);
            if until > now {
                model.insert(id, (value, until, generation));
            }
        } else if let Lookup::Hit(value) = cache.get(key, now, |_| generation) {
            let (expected, until, put_under) = &model[&id];
            assert!(Rc::ptr_eq(&value, expected) && now < *until && *put_under == generation);
            hits += 1;
        }
        assert!(cache.count() <= 32);
    }
    assert!(hits > 3_000, "{hits}");
}
