// SPDX-License-Identifier: Apache-2.0
//! Whose turn it is to be looked at again.

use super::*;
use crate::flow::parked::{AGAIN_PER_ROUND, LAST_PER_ROUND};
use crate::introspection::{Asked, Asker, Fate, Introspection};
use alloc::collections::{BTreeMap, VecDeque};

const NOW: UnixTime = UnixTime::from_secs(super::NOW);

fn questions() -> (Config, Introspection) {
    let config = opaque::world().config;
    let questions = Introspection::new(&config, 1 << 20, [7; 16]);
    (config, questions)
}

fn ask(questions: &mut Introspection, token: &str) -> u64 {
    match questions.ask(questions.key(0, token), 0, token, Asker::Request) {
        Asked::Waits(question) => question,
        Asked::Full => panic!("{token}"),
    }
}

fn parked(wanted: Wanted) -> Parked {
    Parked { deadline: NOW.plus_secs(5), wanted, epoch: 1 }
}

/// Each answer has those look again that wait for it, once, and no tick has more than a few do so.
#[test]
fn an_answer_costs_a_look_of_each_that_waits_for_it() {
    let (config, mut questions) = questions();
    let (shared, others) = (900, 100);
    let first = ask(&mut questions, "shared");
    let own = (0..others).map(|at| ask(&mut questions, &format!("own-{at}")));
    let wanted: Vec<u64> = core::iter::repeat_n(first, shared).chain(own).collect();
    let mut line: VecDeque<(usize, Parked)> =
        wanted.iter().map(|question| parked(Wanted::Answer(*question))).enumerate().collect();
    let mut looked_at: BTreeMap<usize, usize> = BTreeMap::new();
    while let Some((number, _)) = questions.next_call(&config) {
        let _ = questions.on_answer(number, Some((200, br#"{"active":false}"#)), &config, NOW);
        // Something is fetched meanwhile, which nobody here waits for.
        let taken = turns(&mut line, |(_, parked)| Some(*parked), (NOW, number), &questions);
        assert!(taken.len() <= AGAIN_PER_ROUND, "{}", taken.len());
        for ((at, _), attempt) in taken {
            assert_eq!(attempt, Attempt::Again);
            assert_eq!(questions.fate(wanted[at]), Fate::Over, "{at}");
            *looked_at.entry(at).or_default() += 1;
        }
    }
    assert!(line.is_empty(), "all were answered: {}", line.len());
    assert!(looked_at.len() == shared + others && looked_at.values().all(|looks| *looks == 1));
}

/// Those that wait on go behind those that were not looked at yet.
#[test]
fn everyone_who_waits_for_keys_has_a_turn() {
    let (_, questions) = questions();
    let count = 3 * AGAIN_PER_ROUND;
    let mut line: VecDeque<(usize, Parked)> = (0..count).map(|at| (at, parked(Wanted::Feed))).collect();
    assert!(turns(&mut line, |(_, parked)| Some(*parked), (NOW, 1), &questions).is_empty());
    let mut looked_at = Vec::new();
    // Something else comes at every tick.
    for epoch in 2..5 {
        for ((at, parked), _) in turns(&mut line, |(_, parked)| Some(*parked), (NOW, epoch), &questions) {
            looked_at.push(at);
            line.push_back((at, Parked { epoch, ..parked }));
        }
    }
    assert!(looked_at.iter().copied().eq(0..count), "{looked_at:?}");
}

#[test]
fn nobody_waits_longer_than_allowed_and_who_has_gone_leaves() {
    let (_, mut questions) = questions();
    let question = ask(&mut questions, "a");
    let count = LAST_PER_ROUND + 16;
    let wanted = |at: usize| if at.is_multiple_of(2) { Wanted::Feed } else { Wanted::Answer(question) };
    let mut line: VecDeque<usize> = (0..count).collect();
    let parked_as = |at: &usize| (*at != 7).then(|| parked(wanted(*at)));
    assert!(turns(&mut line, parked_as, (NOW.plus_secs(4), 1), &questions).is_empty());
    assert_eq!(line.len(), count - 1, "one has gone");
    // However many there are, a tick has its bound; who was first is first.
    for (from, looks) in [(0, LAST_PER_ROUND), (LAST_PER_ROUND + 1, 15), (count, 0)] {
        let taken = turns(&mut line, parked_as, (NOW.plus_secs(5), 2), &questions);
        assert!(taken.iter().all(|(at, attempt)| *attempt == Attempt::Last && *at >= from));
        assert_eq!(taken.len(), looks);
    }
    assert!(line.is_empty());
}
