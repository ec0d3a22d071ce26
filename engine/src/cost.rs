// SPDX-License-Identifier: Apache-2.0
//! What values take of the heap, reckoned: for bounds on what is remembered.

use alloc::string::String;

/// What an allocator takes for one piece of memory besides its bytes: its own word, and rounding up to 16.
const PIECE: usize = 16;

/// From this size on a piece leaves holes where it goes that the next large one does not fit into: half of it is added.
const LARGE: usize = 2_048;

/// One piece of memory of that many bytes; none for no bytes.
pub(crate) const fn piece(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..LARGE => bytes.saturating_add(PIECE),
        LARGE.. => bytes.saturating_add(bytes / 2),
    }
}

/// A value behind an `Rc`, with its two counts.
pub(crate) const fn counted<T>() -> usize {
    piece(size_of::<T>().saturating_add(2 * size_of::<usize>()))
}

/// A text of its own, if there is one.
pub(crate) fn text(text: Option<&str>) -> usize {
    text.map_or(0, |text| piece(text.len()))
}

/// A list of texts.
pub(crate) fn texts(list: &[String]) -> usize {
    list.iter().map(|text| piece(text.capacity())).sum::<usize>().saturating_add(piece(size_of_val(list)))
}
