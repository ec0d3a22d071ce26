//! What the engine allocates, in bytes: `cargo bench -p toolgate-engine --bench memory [-- FILE]` prints it, and writes it as
//! JSON where a file is named. `held` is what a policy keeps, `peak` the most that is taken while something is done, over
//! what was held before.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may fail loudly, and its output is what it is for"
)]
#![allow(dead_code, reason = "not all that is measured elsewhere is measured here")]

mod work;

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use work::scale::{Shape, compiled, document};

/// The system's allocator, counting.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator as it came.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(held, Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `make` leaves allocated and the most that it took, over what there was before.
fn measure<T>(make: impl FnOnce() -> T) -> (usize, usize) {
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    let made = black_box(make());
    let (held, peak) = (HELD.load(Relaxed), PEAK.load(Relaxed));
    drop(made);
    (held.saturating_sub(before), peak.saturating_sub(before))
}

fn main() {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let shapes = [("exact", Shape::Exact), ("pattern", Shape::Pattern), ("roles", Shape::Roles)];
    for (name, shape) in shapes {
        let sizes = [10, 100, 1_000, 10_000];
        for rules in sizes.into_iter().filter(|rules| shape != Shape::Roles || *rules == 10_000) {
            let document = document(shape, rules);
            let (held, peak) = measure(|| compiled(&document));
            found.insert(format!("policy/{name}/{rules}/held"), held);
            found.insert(format!("policy/{name}/{rules}/peak"), peak);
        }
    }
    found.insert("list/1000_tools/size".to_owned(), work::tools(1_000).len());
    for (name, make) in work::all().into_iter().filter(|(name, _)| name.starts_with("list/")) {
        let mut work = make();
        // The first repetition fills what is kept between requests.
        work();
        found.insert(format!("{name}/peak"), measure(work).1);
    }
    found.iter().for_each(|(name, bytes)| println!("{name:<32} {bytes:>12}"));
    if let Some(file) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        let members: Vec<String> = found.iter().map(|(name, bytes)| format!("\"{name}\": {bytes}")).collect();
        std::fs::write(file, format!("{{{}}}\n", members.join(", "))).expect("the file can be written");
    }
}
