// SPDX-License-Identifier: Apache-2.0
//! Three-valued truth (Kleene) and sets of possible truths.
//!
//! A condition on a value that is absent, of the wrong type or over a limit is [`Truth::Unknown`]. When a list is
//! filtered the arguments of the later call are not there yet: then a test on arguments has a whole set of possible
//! results, and the set is carried through `all`, `any` and `not`.

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be said.
    Unknown,
}

impl Truth {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Truth::True => "true",
            Truth::False => "false",
            Truth::Unknown => "unknown",
        }
    }

    /// From a plain boolean.
    #[must_use]
    pub fn from_bool(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }

    /// Kleene's conjunction: false wins, then unknown.
    #[must_use]
    pub fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::False, _) | (_, Truth::False) => Truth::False,
            (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
            (Truth::True, Truth::True) => Truth::True,
        }
    }

    /// Kleene's disjunction: true wins, then unknown.
    #[must_use]
    pub fn or(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::True, _) | (_, Truth::True) => Truth::True,
            (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
            (Truth::False, Truth::False) => Truth::False,
        }
    }

    /// Negation; unknown stays unknown.
    #[must_use]
    pub fn negate(self) -> Truth {
        match self {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
        }
    }
}

const EACH: [Truth; 3] = [Truth::True, Truth::False, Truth::Unknown];

/// A set of truths, one of which will be the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Possible(u8);

impl Possible {
    /// Nothing is known yet: any of the three.
    pub(super) const ANY: Possible = Possible(0b111);

    pub(super) fn only(truth: Truth) -> Possible {
        Possible(bit(truth))
    }

    pub(super) fn may_be(self, truth: Truth) -> bool {
        self.0 & bit(truth) != 0
    }

    /// The one truth there is, if there is but one.
    pub(super) fn certain(self) -> Option<Truth> {
        EACH.into_iter().find(|truth| self == Possible::only(*truth))
    }

    pub(super) fn and(self, other: Possible) -> Possible {
        self.combine(other, Truth::and)
    }

    pub(super) fn or(self, other: Possible) -> Possible {
        self.combine(other, Truth::or)
    }

    pub(super) fn negate(self) -> Possible {
        self.members().fold(Possible(0), |set, truth| Possible(set.0 | bit(truth.negate())))
    }

    fn combine(self, other: Possible, with: fn(Truth, Truth) -> Truth) -> Possible {
        let pairs = self.members().flat_map(|left| other.members().map(move |right| (left, right)));
        pairs.fold(Possible(0), |set, (left, right)| Possible(set.0 | bit(with(left, right))))
    }

    fn members(self) -> impl Iterator<Item = Truth> + Clone {
        EACH.into_iter().filter(move |truth| self.may_be(*truth))
    }
}

fn bit(truth: Truth) -> u8 {
    match truth {
        Truth::True => 1,
        Truth::False => 2,
        Truth::Unknown => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Truth::{False as F, True as T, Unknown as U};
    use alloc::vec::Vec;

    /// The table of docs/policy.md: `a`, `b`, `a and b`, `a or b`, `not a`.
    #[test]
    fn the_published_table_is_the_one_that_counts() {
        let page = include_str!("../../../docs/policy.md");
        let (_, after) = page.split_once("| a | b | a and b | a or b | not a |").expect("the table");
        let truth = |cell: &str| {
            let found = [T, F, U].into_iter().find(|truth| truth.word() == cell.trim());
            found.unwrap_or_else(|| panic!("{cell}"))
        };
        let mut pairs = 0;
        for line in after.lines().skip(2).take_while(|line| line.starts_with('|')) {
            let cells: Vec<Truth> = line.trim_matches('|').split('|').map(truth).collect();
            let [a, b, both, either, not] = cells[..] else { panic!("{line}") };
            assert_eq!((a.and(b), b.and(a)), (both, both), "{line}");
            assert_eq!((a.or(b), b.or(a)), (either, either), "{line}");
            assert_eq!(a.negate(), not, "{line}");
            pairs += 1;
        }
        assert_eq!(pairs, 6, "every pair, in one order");
    }

    #[test]
    fn sets_hold_every_result_of_their_members() {
        for left in 1..8 {
            for right in 1..8 {
                let (left, right) = (Possible(left), Possible(right));
                for one in left.members() {
                    for two in right.members() {
                        assert!(left.and(right).may_be(one.and(two)));
                        assert!(left.or(right).may_be(one.or(two)));
                    }
                    assert!(left.negate().may_be(one.negate()));
                }
            }
        }
        assert_eq!(Possible::ANY.and(Possible::only(F)), Possible::only(F));
    }
}
