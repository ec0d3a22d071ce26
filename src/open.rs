// SPDX-License-Identifier: Apache-2.0
//! Event streams that are open, in the order in which they have to end.

use crate::stream::{Stream, note_open};
use crate::vm::{self, Vm};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Weak;
use toolgate_engine::time::UnixTime;

/// Streams that one tick ends at most.
const ENDED_PER_TICK: usize = 256;

/// Event streams by the time they have to end, and their context.
pub(crate) type OpenStreams = BTreeMap<(UnixTime, u32), Weak<RefCell<Stream>>>;

/// Ends the event streams whose time has come; runs from the root context. What is left over ends on the next tick.
pub(crate) fn end_streams(vm: &Vm) {
    if vm.open.borrow().is_empty() {
        return;
    }
    let now = vm::now();
    for _ in 0..ENDED_PER_TICK {
        let Some(stream) = next_due(vm, now).map(|stream| stream.upgrade()) else { return };
        let Some(stream) = stream else { continue };
        let ending = stream.try_borrow_mut().map(|mut stream| {
            stream.open = None;
            stream.end(|body, desk| body.end(desk))
        });
        // One whose token is asked about comes up again.
        if matches!(ending, Ok(Ending::GoesOn)) {
            note_open(&stream);
        }
    }
}

/// How far the open streams have been asked whether their credentials were revoked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walk {
    /// The epoch of the lists that the walk is about.
    epoch: u64,
    /// The stream asked last; nothing once all have been asked.
    after: Option<(UnixTime, u32)>,
}

/// Ends the event streams whose credentials were revoked; runs from the root context. Each is asked once for each change
/// of the lists; what is left over is asked on the next tick.
pub(crate) fn end_revoked(vm: &Vm) {
    let epoch = vm.memory(|memory| memory.epoch());
    let mut walk = vm.walk.get();
    if walk.epoch != epoch {
        walk = Walk { epoch, after: Some((UnixTime::default(), 0)) };
    }
    let Some(after) = walk.after else { return };
    let range = (Bound::Excluded(after), Bound::Unbounded);
    let next = |(key, stream): (&(UnixTime, u32), &Weak<RefCell<Stream>>)| (*key, stream.clone());
    let due: Vec<_> = vm.open.borrow().range(range).take(ENDED_PER_TICK).map(next).collect();
    walk.after = due.last().filter(|_| due.len() == ENDED_PER_TICK).map(|(key, _)| *key);
    vm.walk.set(walk);
    for (key, stream) in due {
        if let Some(stream) = stream.upgrade()
            && let Ok(mut stream) = stream.try_borrow_mut()
            && stream.end(|body, desk| body.revoked(desk)) == Ending::Ended
        {
            stream.open = None;
            vm.open.borrow_mut().remove(&key);
        }
    }
}

/// What became of an event stream that was asked whether it has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Ended,
    GoesOn,
}

/// Takes the first stream off the list whose time has come.
fn next_due(vm: &Vm, now: UnixTime) -> Option<Weak<RefCell<Stream>>> {
    let mut open = vm.open.borrow_mut();
    let first = open.first_entry().filter(|first| first.key().0 <= now)?;
    Some(first.remove())
}
