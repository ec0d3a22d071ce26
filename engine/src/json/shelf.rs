// SPDX-License-Identifier: Apache-2.0
//! Documents that are kept for long and rarely read.

use super::{Doc, Limits, Node, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::fmt;

/// No bounds: the text was read within some before.
const READ_BEFORE: Limits = Limits { depth: usize::MAX, nodes: usize::MAX };

/// The text of a document that was read, and its nodes while somebody needs them. Nodes take more memory than the text.
#[derive(Clone)]
pub struct Shelf {
    text: Box<str>,
    count: usize,
    nodes: OnceCell<Vec<Node>>,
}

impl fmt::Debug for Shelf {
    /// Documents hold tokens and arguments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shelf({} bytes)", self.text.len())
    }
}

impl Shelf {
    /// Of a document.
    #[must_use]
    pub fn of(doc: Doc<'_>) -> Shelf {
        let count = doc.nodes.len();
        Shelf { text: doc.text.into_owned().into_boxed_str(), count, nodes: OnceCell::from(doc.nodes) }
    }

    /// Lets the nodes go, until somebody reads again.
    pub fn close(&mut self) {
        self.nodes.take();
    }

    /// The outermost value; reads the text again if it was closed.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        let read = || {
            // Room for just those that there were: a list that grows and shrinks leaves holes in the heap.
            let nodes = Vec::with_capacity(self.count);
            // It was read before, so it can be read again.
            Doc::parse_with(self.text.as_bytes(), READ_BEFORE, nodes).map(Doc::into_nodes).unwrap_or_default()
        };
        Value { text: &self.text, nodes: self.nodes.get_or_init(read), index: 0 }
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether its nodes are there.
    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.nodes.get().is_some()
    }

    /// What the nodes take now: nothing while they are not there.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.nodes.get().map_or(0, Vec::capacity).saturating_mul(size_of::<Node>())
    }

    /// What the nodes take while they are there.
    #[must_use]
    pub fn node_bytes(&self) -> usize {
        self.kept_bytes().max(self.count.saturating_mul(size_of::<Node>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_closed_document_is_read_again() {
        let text = r#" {"a":[1,{"b":"c\u0041"}],"d":null} "#;
        let doc = Doc::parse(text.as_bytes(), Limits::TOKEN).expect("JSON");
        let mut shelf = Shelf::of(doc.clone());
        for _ in 0..2 {
            assert_eq!(shelf.root().raw(), doc.root().raw());
            assert_eq!(
                shelf.root().pointer("/a/1/b").and_then(|value| value.as_str()).as_deref(),
                Some("cA")
            );
            assert_eq!(shelf.node_bytes(), 9 * size_of::<Node>());
            shelf.close();
            assert!(shelf.nodes.get().is_none());
            assert_eq!(shelf.node_bytes(), 9 * size_of::<Node>());
        }
        assert_eq!(format!("{shelf:?}"), "Shelf(36 bytes)");
    }
}
