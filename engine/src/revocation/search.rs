// SPDX-License-Identifier: Apache-2.0
//! Where a hash stands among sorted ones. Keyed hashes are spread evenly, so a hash's value says about where it is: a
//! guess, one correction, and a small window take as long in a million as in ten. Whoever packs a list can have it hold
//! whatever he likes, so where a guess is far off the window grows eightfold, and what it holds is halved: no list
//! costs more than a few times what halving it from the start would.

/// How far from a guess is looked at first, in places: about as far as a corrected guess is off in the largest shard.
const REACH: usize = 8;
/// By how much, as a power of two, the reach grows where that is too near.
const GROWTH: u32 = 3;

/// Whether a sorted part of a list holds a hash; all in it share their first `bits` bits with it.
pub(super) fn holds(part: &[u64], hash: u64, bits: u32) -> bool {
    if part.len() <= 2 * REACH {
        return part.binary_search(&hash).is_ok();
    }
    // 32 bits say where in a part, to more than a place.
    let share = |hash: u64| hash.checked_shl(bits).unwrap_or(0) >> 32;
    let places = u64::try_from(part.len()).unwrap_or(u64::MAX);
    let spread = |share: u64| usize::try_from(share.saturating_mul(places) >> 32).unwrap_or(usize::MAX);
    let (wanted, mut at) = (share(hash), spread(share(hash)));
    if let Some(there) = part.get(at).map(|there| share(*there)) {
        at = match wanted >= there {
            true => at.saturating_add(spread(wanted.abs_diff(there))),
            false => at.saturating_sub(spread(wanted.abs_diff(there))),
        };
    }
    window(part, hash, at.min(part.len())).binary_search(&hash).is_ok()
}

/// The hashes around a place among which this one is, if it is there at all.
fn window(part: &[u64], hash: u64, at: usize) -> &[u64] {
    let mut reach = REACH;
    loop {
        let (low, high) = (at.saturating_sub(reach), at.saturating_add(reach).min(part.len()));
        let begins = low == 0 || part.get(low).is_some_and(|first| *first <= hash);
        let ends = high == part.len() || part.get(high).is_some_and(|next| *next > hash);
        if begins && ends {
            return part.get(low..high).unwrap_or(part);
        }
        reach = reach.checked_shl(GROWTH).unwrap_or(usize::MAX).max(REACH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    /// An odd number by which counting wanders over all hashes.
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

    fn agrees(ids: &BTreeSet<u64>, bits: u32, asked: impl Iterator<Item = u64>) {
        let part: Vec<u64> = ids.iter().copied().collect();
        for hash in asked {
            assert_eq!(holds(&part, hash, bits), ids.contains(&hash), "{hash:x} of {} ids", part.len());
        }
    }

    fn around(ids: &BTreeSet<u64>) -> impl Iterator<Item = u64> {
        let near = |id: &u64| [*id, id.wrapping_add(1), id.wrapping_sub(1), id.rotate_left(32)];
        ids.iter().flat_map(near).chain([0, 1, u64::MAX, 1 << 63])
    }

    /// The judge is a `BTreeSet`; the lists lie as hashes do, and as nobody's hashes do.
    #[test]
    fn what_is_there_is_found_however_it_lies() {
        let even = |count: u64| -> BTreeSet<u64> { (0..count).map(|at| at.wrapping_mul(STEP)).collect() };
        let low: BTreeSet<u64> = (0..8_192).collect();
        let high: BTreeSet<u64> = (0..8_192).map(|at| u64::MAX - at).collect();
        let both: BTreeSet<u64> = low.union(&high).copied().collect();
        let doubling: BTreeSet<u64> = (0..64).map(|at| 1 << at).collect();
        let mixed = |shift: u64| {
            let clump = (0..500).map(|at: u64| (at.wrapping_mul(STEP) >> 52) << shift);
            even(700).into_iter().chain(clump).collect()
        };
        for ids in
            [even(8_192), even(50_000), low, high, both, doubling, BTreeSet::new(), BTreeSet::from([7])]
                .into_iter()
                .chain((0..52).map(mixed))
        {
            agrees(&ids, 0, around(&ids));
        }
    }

    #[test]
    fn a_part_is_searched_by_what_follows_its_bits() {
        for bits in 1..=8 {
            let part = |hash: u64| 0xAB_u64 >> (8 - bits) << (64 - bits) | hash >> bits;
            let ids: BTreeSet<u64> = (0..4_000_u64).map(|at| part(at.wrapping_mul(STEP))).collect();
            let asked: Vec<u64> = around(&ids).map(|hash| part(hash << bits)).collect();
            agrees(&ids, bits, asked.into_iter());
        }
    }

    /// Of hashes that are spread evenly few places are looked at; of the worst list a third of its places in each look
    /// would already be too many.
    #[test]
    fn the_window_is_small_where_hashes_are_spread_and_bounded_where_not() {
        let even: BTreeSet<u64> = (0..8_192_u64).map(|at| at.wrapping_mul(STEP)).collect();
        let even: Vec<u64> = even.into_iter().collect();
        for (at, hash) in even.iter().enumerate() {
            assert!(window(&even, *hash, at).len() <= 2 * REACH);
        }
        let worst: Vec<u64> = (0..8_191).chain([u64::MAX]).collect();
        assert!(holds(&worst, 4_000, 0) && holds(&worst, u64::MAX, 0) && !holds(&worst, u64::MAX - 1, 0));
    }
}
