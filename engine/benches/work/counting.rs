//! The system's allocator, counting by thread: for whoever measures what is kept.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator as it came.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get().wrapping_add(layout.size());
        HELD.set(held);
        PEAK.set(PEAK.get().max(held));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What this thread holds, in bytes.
pub(crate) fn held() -> usize {
    HELD.get()
}

/// What `make` leaves allocated and the most that it took, over what there was before.
pub(crate) fn measure<T>(make: impl FnOnce() -> T) -> (usize, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let made = black_box(make());
    let (held, peak) = (HELD.get(), PEAK.get());
    drop(made);
    (held.saturating_sub(before), peak.saturating_sub(before))
}
