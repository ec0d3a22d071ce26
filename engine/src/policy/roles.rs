// SPDX-License-Identifier: Apache-2.0
//! Sets of roles as bits.

use super::Policy;
use crate::cost;
use alloc::vec::Vec;

/// The roles of one policy that a caller holds, and all whose rules reach the caller through them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleSet {
    /// The tag of the policy whose roles these are.
    of: u64,
    held: Bits,
    effective: Bits,
    /// The members of `effective`, ascending.
    list: Vec<u32>,
}

impl RoleSet {
    /// A set of these roles of the policy with that tag; `parents` says which roles a role inherits.
    pub(super) fn of(policy: u64, held: Bits, parents: &[Vec<u32>]) -> RoleSet {
        let mut effective = Bits::default();
        let mut open: Vec<u32> = held.iter().collect();
        while let Some(role) = open.pop() {
            if effective.insert(role) {
                let own = usize::try_from(role).ok().and_then(|at| parents.get(at));
                open.extend(own.into_iter().flatten());
            }
        }
        RoleSet { of: policy, held, list: effective.iter().collect(), effective }
    }

    /// What it takes of the heap.
    pub(crate) fn cost(&self) -> usize {
        let bits = |bits: &Bits| cost::piece(bits.rest.capacity() * size_of::<u64>());
        bits(&self.held) + bits(&self.effective) + cost::piece(self.list.capacity() * size_of::<u32>())
    }

    /// Whether no role is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether these are roles of the policy with that tag. To any other they mean nothing.
    pub(super) fn fits(&self, policy: u64) -> bool {
        self.of == policy
    }

    /// The roles that are held themselves.
    pub(super) fn held(&self) -> impl Iterator<Item = u32> + '_ {
        self.held.iter()
    }

    /// The roles whose rules count, ascending.
    pub(super) fn effective(&self) -> &[u32] {
        &self.list
    }

    /// Whether the rules of this role count.
    pub(super) fn reaches(&self, role: u32) -> bool {
        self.effective.has(role)
    }
}

impl Policy {
    /// A set with these roles too. What is not the name of a role of this policy adds nothing.
    #[must_use]
    pub fn with_roles<'n>(&self, set: &RoleSet, names: impl Iterator<Item = &'n str>) -> RoleSet {
        let mut held = if self.knows(set) { set.held.clone() } else { Bits::default() };
        for name in names {
            let at = self.roles.iter().position(|role| &**role == name);
            if let Some(at) = at.and_then(|at| u32::try_from(at).ok()) {
                held.insert(at);
            }
        }
        RoleSet::of(self.digest().tag(), held, &self.parents)
    }
}

/// A set of small numbers. The first 64 need no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    low: u64,
    rest: Vec<u64>,
}

impl Bits {
    /// Whether it was not there before.
    pub(super) fn insert(&mut self, at: u32) -> bool {
        let bit = 1_u64 << (at % 64);
        let word = match usize::try_from(at / 64).unwrap_or(usize::MAX).checked_sub(1) {
            None => &mut self.low,
            Some(word) => {
                if self.rest.len() <= word {
                    self.rest.resize(word + 1, 0);
                }
                match self.rest.get_mut(word) {
                    Some(slot) => slot,
                    None => return false,
                }
            }
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub(super) fn has(&self, at: u32) -> bool {
        let word = match usize::try_from(at / 64).unwrap_or(usize::MAX).checked_sub(1) {
            None => self.low,
            Some(word) => self.rest.get(word).copied().unwrap_or(0),
        };
        word >> (at % 64) & 1 == 1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = (0_u32..).step_by(64).zip(core::iter::once(&self.low).chain(&self.rest));
        words.flat_map(|(first, bits)| {
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| first + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn bits_are_kept_apart() {
        let mut bits = Bits::default();
        let new = [3, 64, 200, 3].map(|at| bits.insert(at));
        assert_eq!(new, [true, true, true, false]);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [3, 64, 200]);
        assert!(bits.has(64) && !bits.has(63) && !bits.has(128) && !bits.has(4_000));
    }

    #[test]
    fn what_is_inherited_counts_and_is_not_held() {
        let parents = [vec![1], vec![2], vec![], vec![1]];
        let mut held = Bits::default();
        held.insert(0);
        let set = RoleSet::of(0, held, &parents);
        assert_eq!(set.held().collect::<Vec<_>>(), [0]);
        assert_eq!(set.effective(), [0, 1, 2]);
        assert!(set.reaches(2) && !set.reaches(3));
        assert!(RoleSet::of(0, Bits::default(), &parents).is_empty());
    }

    #[test]
    fn a_set_takes_its_list_and_the_bits_that_are_not_in_it() {
        let set = |roles: &[u32]| {
            let mut held = Bits::default();
            roles.iter().for_each(|role| assert!(held.insert(*role)));
            RoleSet { of: 0, held: held.clone(), effective: held, list: roles.to_vec() }
        };
        assert_eq!(set(&[]).cost(), 0);
        assert_eq!(set(&[1, 2, 3]).cost(), cost::piece(12));
        let far = set(&[1, 300]);
        let [held, effective] = [&far.held, &far.effective].map(|bits| bits.rest.capacity());
        assert!(held > 1 && effective > 1);
        assert_eq!(far.cost(), cost::piece(8 * held) + cost::piece(8 * effective) + cost::piece(8));
    }
}
