// SPDX-License-Identifier: Apache-2.0
//! Sets of roles as bits.

use alloc::vec::Vec;

/// A set of roles of one policy. The first 64 need no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleSet {
    low: u64,
    rest: Vec<u64>,
}

impl RoleSet {
    pub(super) fn insert(&mut self, role: usize) {
        let bit = 1_u64 << (role % 64);
        match (role / 64).checked_sub(1) {
            None => self.low |= bit,
            Some(word) => {
                if self.rest.len() <= word {
                    self.rest.resize(word + 1, 0);
                }
                if let Some(slot) = self.rest.get_mut(word) {
                    *slot |= bit;
                }
            }
        }
    }

    pub(super) fn extend(&mut self, other: &RoleSet) {
        for role in other.iter() {
            self.insert(role);
        }
    }

    pub(super) fn meets(&self, other: &RoleSet) -> bool {
        self.low & other.low != 0 || self.rest.iter().zip(&other.rest).any(|(one, two)| one & two != 0)
    }

    /// Whether no role is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.low == 0 && self.rest.iter().all(|word| *word == 0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let words = core::iter::once(&self.low).chain(&self.rest).enumerate();
        words.flat_map(|(word, bits)| {
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_meet_where_they_share_a_role() {
        let of = |roles: &[usize]| {
            let mut set = RoleSet::default();
            roles.iter().for_each(|role| set.insert(*role));
            set
        };
        assert!(of(&[1, 64, 900]).meets(&of(&[900])));
        assert!(of(&[63]).meets(&of(&[63, 64])));
        assert!(!of(&[63, 128]).meets(&of(&[64, 127])));
        assert!(of(&[]).is_empty() && !of(&[200]).is_empty());
        assert_eq!(of(&[3, 64, 200]).iter().collect::<Vec<_>>(), [3, 64, 200]);
    }
}
