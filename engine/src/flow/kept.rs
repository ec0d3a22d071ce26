// SPDX-License-Identifier: Apache-2.0
//! Header values that outlive the head phase, as copies in one buffer: the host may have released its own.

use crate::mcp::{Head as McpHead, HeaderValue};
use alloc::vec::Vec;
use core::fmt;

/// What the body is compared with, and the origin for answers.
pub(super) struct KeptHead {
    text: Vec<u8>,
    version: Kept,
    method: Kept,
    name: Kept,
    session: Kept,
    origin: Kept,
}

/// A header of which the text is kept elsewhere.
#[derive(Clone, Copy)]
enum Kept {
    Absent,
    /// Start and end of its text.
    One(usize, usize),
    Several,
}

impl KeptHead {
    pub(super) fn new(head: &McpHead<'_>, origin: HeaderValue<'_>) -> KeptHead {
        let values = [head.protocol_version, head.method, head.name, head.session, origin];
        let size = |value: HeaderValue<'_>| match value {
            HeaderValue::One(bytes) => bytes.len(),
            HeaderValue::Absent | HeaderValue::Several => 0,
        };
        let mut text = Vec::with_capacity(values.into_iter().map(size).sum());
        let [version, method, name, session, origin] = values.map(|value| keep(&mut text, value));
        KeptHead { text, version, method, name, session, origin }
    }

    /// The headers of the protocol.
    pub(super) fn mcp(&self) -> McpHead<'_> {
        McpHead {
            protocol_version: self.view(self.version),
            method: self.view(self.method),
            name: self.view(self.name),
            session: self.view(self.session),
        }
    }

    /// The browser origin.
    pub(super) fn origin(&self) -> HeaderValue<'_> {
        self.view(self.origin)
    }

    fn view(&self, kept: Kept) -> HeaderValue<'_> {
        match kept {
            Kept::Absent => HeaderValue::Absent,
            // What is not there any more must not look like a header that never came.
            Kept::One(start, end) => self.text.get(start..end).map_or(HeaderValue::Several, HeaderValue::One),
            Kept::Several => HeaderValue::Several,
        }
    }
}

fn keep(text: &mut Vec<u8>, value: HeaderValue<'_>) -> Kept {
    match value {
        HeaderValue::Absent => Kept::Absent,
        HeaderValue::Several => Kept::Several,
        HeaderValue::One(bytes) => {
            let start = text.len();
            text.extend_from_slice(bytes);
            Kept::One(start, text.len())
        }
    }
}

impl fmt::Debug for KeptHead {
    /// A session id is as good as a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptHead({} bytes)", self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_comes_back_as_it_was() {
        let (absent, several) = (HeaderValue::Absent, HeaderValue::Several);
        let values =
            [HeaderValue::One(b"one"), HeaderValue::One(b""), absent, several, HeaderValue::One(b"two")];
        for turn in 0..values.len() {
            let at = |place: usize| values.get((place + turn) % values.len()).copied().unwrap_or(absent);
            let head = McpHead { protocol_version: at(0), method: at(1), name: at(2), session: at(3) };
            let kept = KeptHead::new(&head, at(4));
            assert_eq!((kept.mcp(), kept.origin()), (head, at(4)));
        }
    }
}
