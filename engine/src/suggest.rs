// SPDX-License-Identifier: Apache-2.0
//! Did-you-mean for closed vocabularies.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The nearest of `candidates` to `word`, as a sentence for an operator; nothing where none is near.
#[must_use]
pub fn did_you_mean<'c>(word: &str, mut candidates: impl Iterator<Item = &'c str>) -> Option<String> {
    sentence(word, &mut candidates)
}

/// There once, whatever the candidates come from.
#[cold]
#[inline(never)]
fn sentence(word: &str, candidates: &mut dyn Iterator<Item = &str>) -> Option<String> {
    nearest(word, candidates).map(|near| format!("did you mean `{near}`?"))
}

/// The candidate with the smallest edit distance to `word`, if it is small for the length of the word.
fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours, case folded.
fn distance(one: &str, two: &str) -> usize {
    let one: Vec<char> = one.chars().flat_map(char::to_lowercase).take(64).collect();
    let two: Vec<char> = two.chars().flat_map(char::to_lowercase).take(64).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=two.len()).collect();
    for (row, left) in one.iter().enumerate() {
        let mut current: Vec<usize> = Vec::with_capacity(above.len());
        current.push(row + 1);
        for (column, right) in two.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut cost = at(&above, column) + usize::from(left != right);
            cost = cost.min(at(&above, column + 1) + 1).min(at(&current, column) + 1);
            let swapped =
                row > 0 && column > 0 && one.get(row - 1) == Some(right) && two.get(column - 1) == Some(left);
            if swapped {
                cost = cost.min(at(&before, column - 1) + 1);
            }
            current.push(cost);
        }
        before = above;
        above = current;
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_a_stranger_finds_none() {
        assert_eq!(nearest("isuers", ["issuers", "servers"].into_iter()), Some("issuers"));
        assert_eq!(nearest("audience", ["audiences", "issuer"].into_iter()), Some("audiences"));
        assert_eq!(nearest("ubnuntu", ["issuers", "servers"].into_iter()), None);
        assert_eq!(nearest("cehck", ["check", "chalk"].into_iter()), Some("check"));
    }
}
