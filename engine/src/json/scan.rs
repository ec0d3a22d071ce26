// SPDX-License-Identifier: Apache-2.0
//! The scanner: bytes to nodes, without recursion.

use super::{Kind, Limits, Node, Value};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Why a text is not acceptable JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// Byte offset of the first byte that does not fit.
    pub at: usize,
}

/// What can be wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// The text ends before the value does.
    Incomplete,
    /// A byte that cannot stand here.
    Unexpected,
    /// Not UTF-8.
    NotUtf8,
    /// Something stands behind the value.
    Trailing,
    /// More arrays and objects open than allowed.
    TooDeep,
    /// More values than allowed.
    TooLarge,
    /// A member name stands twice in one object.
    DuplicateKey,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// A control character in a string, unescaped.
    ControlCharacter,
}

impl JsonErrorKind {
    /// What to tell a person.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            JsonErrorKind::Incomplete => "the text ends inside a value",
            JsonErrorKind::Unexpected => "this character cannot stand here",
            JsonErrorKind::NotUtf8 => "the text is not UTF-8",
            JsonErrorKind::Trailing => "something stands behind the value",
            JsonErrorKind::TooDeep => "too many levels of arrays and objects",
            JsonErrorKind::TooLarge => "too many values",
            JsonErrorKind::DuplicateKey => "a member name stands twice in one object",
            JsonErrorKind::LoneSurrogate => "half of a surrogate pair",
            JsonErrorKind::ControlCharacter => "a control character that is not escaped",
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.kind.message(), self.at)
    }
}

/// Up to this many members an object's names are compared in pairs; beyond, they are sorted.
const PAIRWISE_MEMBERS: usize = 8;
/// Up to this many members names are told apart by their marks first. Not more: whoever writes names of one mark makes each
/// of them a walk over all before it.
const MARKED_MEMBERS: usize = 16;

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrClose,
    Name,
    NameOrClose,
    CommaOrClose,
    End,
}

struct Scanner<'a, 'n> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    nodes: &'n mut Vec<Node>,
    /// The innermost array or object that is open. While one is open, its node holds the one around it as `next`.
    innermost: u32,
    /// How many are open.
    depth: usize,
    limits: Limits,
}

/// Around the outermost value.
const OUTSIDE: u32 = u32::MAX;

pub(super) fn scan<'a>(bytes: &'a [u8], limits: Limits, nodes: &mut Vec<Node>) -> Result<&'a str, JsonError> {
    let text = core::str::from_utf8(bytes)
        .map_err(|error| JsonError { kind: JsonErrorKind::NotUtf8, at: error.valid_up_to() })?;
    if u32::try_from(bytes.len()).is_err() {
        return Err(JsonError { kind: JsonErrorKind::TooLarge, at: 0 });
    }
    nodes.clear();
    let mut scanner = Scanner { text, bytes, at: 0, nodes, innermost: OUTSIDE, depth: 0, limits };
    scanner.run()?;
    Ok(text)
}

impl Scanner<'_, '_> {
    fn run(&mut self) -> Result<(), JsonError> {
        let mut expect = Expect::Value;
        loop {
            self.skip_space();
            let Some(byte) = self.peek() else {
                return if expect == Expect::End { Ok(()) } else { self.fail(JsonErrorKind::Incomplete) };
            };
            expect = match (expect, byte) {
                (Expect::End, _) => return self.fail(JsonErrorKind::Trailing),
                (Expect::ValueOrClose, b']') | (Expect::NameOrClose, b'}') => self.close()?,
                (Expect::CommaOrClose, b']' | b'}') if self.closes(byte) => self.close()?,
                (Expect::CommaOrClose, b',') => {
                    self.advance(1);
                    if self.in_object() { Expect::Name } else { Expect::Value }
                }
                (Expect::Name | Expect::NameOrClose, b'"') => {
                    self.string()?;
                    self.colon()?;
                    Expect::Value
                }
                (Expect::Value | Expect::ValueOrClose, _) => self.value(byte)?,
                (Expect::Name | Expect::NameOrClose | Expect::CommaOrClose, _) => {
                    return self.fail(JsonErrorKind::Unexpected);
                }
            };
        }
    }

    fn value(&mut self, byte: u8) -> Result<Expect, JsonError> {
        match byte {
            b'{' | b'[' => return self.open(byte),
            b'"' => self.string()?,
            b't' => self.literal("true", Kind::True)?,
            b'f' => self.literal("false", Kind::False)?,
            b'n' => self.literal("null", Kind::Null)?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return self.fail(JsonErrorKind::Unexpected),
        }
        Ok(self.after_value())
    }

    fn after_value(&self) -> Expect {
        if self.depth == 0 { Expect::End } else { Expect::CommaOrClose }
    }

    #[inline]
    fn open(&mut self, byte: u8) -> Result<Expect, JsonError> {
        let (kind, expect) = match byte {
            b'{' => (Kind::Object, Expect::NameOrClose),
            _ => (Kind::Array, Expect::ValueOrClose),
        };
        if self.depth >= self.limits.depth {
            return self.fail(JsonErrorKind::TooDeep);
        }
        let (start, own) = (self.at, narrow(self.nodes.len()));
        self.advance(1);
        self.push(kind, start, self.innermost)?;
        self.innermost = own;
        self.depth = self.depth.saturating_add(1);
        Ok(expect)
    }

    fn close(&mut self) -> Result<Expect, JsonError> {
        self.advance(1);
        let (end, next) = (narrow(self.at), narrow(self.nodes.len()));
        let index = self.innermost as usize;
        let Some(node) = self.nodes.get_mut(index) else { return self.fail(JsonErrorKind::Unexpected) };
        node.end = end;
        self.innermost = core::mem::replace(&mut node.next, next);
        self.depth = self.depth.saturating_sub(1);
        if node.kind == Kind::Object {
            self.refuse_duplicates(index)?;
        }
        Ok(self.after_value())
    }

    fn in_object(&self) -> bool {
        self.nodes.get(self.innermost as usize).is_some_and(|node| node.kind == Kind::Object)
    }

    fn closes(&self, byte: u8) -> bool {
        (byte == b'}') == self.in_object()
    }

    fn colon(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b':') => {
                self.advance(1);
                Ok(())
            }
            Some(_) => self.fail(JsonErrorKind::Unexpected),
            None => self.fail(JsonErrorKind::Incomplete),
        }
    }

    #[inline(never)]
    fn literal(&mut self, word: &str, kind: Kind) -> Result<(), JsonError> {
        let start = self.at;
        for expected in word.bytes() {
            match self.peek() {
                Some(byte) if byte == expected => self.advance(1),
                Some(_) => return self.fail(JsonErrorKind::Unexpected),
                None => return self.fail(JsonErrorKind::Incomplete),
            }
        }
        self.leaf(kind, start)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.advance(1);
        }
        if self.peek() == Some(b'0') {
            self.advance(1);
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.advance(1);
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.advance(1);
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.advance(1);
            }
            self.digits()?;
        }
        self.leaf(Kind::Number, start)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.advance(1);
        }
        match (self.at > start, self.peek()) {
            (true, _) => Ok(()),
            (false, Some(_)) => self.fail(JsonErrorKind::Unexpected),
            (false, None) => self.fail(JsonErrorKind::Incomplete),
        }
    }

    fn string(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        self.advance(1);
        let mut kind = Kind::String;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => {
                    self.advance(1);
                    return self.leaf(kind, start);
                }
                Some(b'\\') => {
                    kind = Kind::EscapedString;
                    self.escape()?;
                }
                Some(_) => return self.fail(JsonErrorKind::ControlCharacter),
                None => return self.fail(JsonErrorKind::Incomplete),
            }
        }
    }

    /// Moves over bytes that stand for themselves, eight at a time while none of them is special.
    fn skip_plain(&mut self) {
        while let Some(chunk) = self.bytes.get(self.at..self.at.saturating_add(8)) {
            let Ok(eight) = <[u8; 8]>::try_from(chunk) else { break };
            match specials(u64::from_le_bytes(eight)).trailing_zeros() {
                64 => self.advance(8),
                // The lowest mark is exact; the loop below looks at what it marks.
                bits => {
                    self.advance((bits / 8) as usize);
                    break;
                }
            }
        }
        while let Some(byte) = self.peek() {
            if byte == b'"' || byte == b'\\' || byte < 0x20 {
                return;
            }
            self.advance(1);
        }
    }

    #[inline(never)]
    fn escape(&mut self) -> Result<(), JsonError> {
        self.advance(1);
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.advance(1);
                Ok(())
            }
            Some(b'u') => {
                self.advance(1);
                self.unicode_escape()
            }
            Some(_) => self.fail(JsonErrorKind::Unexpected),
            None => self.fail(JsonErrorKind::Incomplete),
        }
    }

    fn unicode_escape(&mut self) -> Result<(), JsonError> {
        let unit = self.hex4()?;
        match unit {
            0xD800..=0xDBFF => {
                if self.bytes.get(self.at..self.at.saturating_add(2)) != Some(b"\\u") {
                    return self.fail(JsonErrorKind::LoneSurrogate);
                }
                self.advance(2);
                match self.hex4()? {
                    0xDC00..=0xDFFF => Ok(()),
                    _ => self.fail(JsonErrorKind::LoneSurrogate),
                }
            }
            0xDC00..=0xDFFF => self.fail(JsonErrorKind::LoneSurrogate),
            _ => Ok(()),
        }
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else { return self.fail(JsonErrorKind::Incomplete) };
            let Some(digit) = char::from(byte).to_digit(16) else {
                return self.fail(JsonErrorKind::Unexpected);
            };
            unit = unit * 16 + digit;
            self.advance(1);
        }
        Ok(unit)
    }

    fn refuse_duplicates(&self, object: usize) -> Result<(), JsonError> {
        let value = Value { text: self.text, nodes: self.nodes, index: object };
        let mut marks = 0_u64;
        for (at, (name, _)) in value.members().enumerate() {
            let own = name.bytes();
            let mark = mark(own);
            // Only names with the same mark can be the same.
            let twice = marks & mark != 0 && value.members().take(at).any(|(other, _)| other.bytes() == own);
            if twice || at >= MARKED_MEMBERS || name.kind() != Kind::String {
                return compare_all(value);
            }
            marks |= mark;
        }
        Ok(())
    }

    fn leaf(&mut self, kind: Kind, start: usize) -> Result<(), JsonError> {
        self.push(kind, start, narrow(self.nodes.len().saturating_add(1)))
    }

    fn push(&mut self, kind: Kind, start: usize, next: u32) -> Result<(), JsonError> {
        if self.nodes.len() >= self.limits.nodes {
            return self.fail(JsonErrorKind::TooLarge);
        }
        self.nodes.push(Node { kind, start: narrow(start), end: narrow(self.at), next });
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.advance(1);
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn advance(&mut self, by: usize) {
        self.at += by;
    }

    fn fail<T>(&self, kind: JsonErrorKind) -> Result<T, JsonError> {
        Err(JsonError { kind, at: self.at })
    }
}

/// One of 64 bits for a name in its quotes, by its length and its outermost characters.
fn mark(quoted: &[u8]) -> u64 {
    let [_, first, .., last, _] = quoted else { return 1 };
    1 << ((usize::from(*first).wrapping_mul(5) ^ usize::from(*last).wrapping_mul(3) ^ quoted.len()) & 63)
}

/// There are many, one has escapes, or one stands twice.
#[inline(never)]
fn compare_all(object: Value<'_>) -> Result<(), JsonError> {
    // A name with escapes is written out to be compared: once, not for each pair.
    let is_plain = |(name, _): (Value<'_>, _)| name.kind() == Kind::String;
    if object.members().count() <= PAIRWISE_MEMBERS && object.members().all(is_plain) {
        for (position, (name, _)) in object.members().enumerate() {
            let earlier = object.members().take(position).any(|(other, _)| name.bytes() == other.bytes());
            if earlier {
                return Err(JsonError { kind: JsonErrorKind::DuplicateKey, at: name.span().start });
            }
        }
        return Ok(());
    }
    let mut names: Vec<Cow<'_, str>> = object.members().filter_map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).any(|pair| matches!(pair, [one, two] if one == two)) {
        true => Err(JsonError { kind: JsonErrorKind::DuplicateKey, at: object.span().start }),
        false => Ok(()),
    }
}

/// Offsets fit: [`scan`] refuses texts of 4 GiB and more, and a node needs at least one byte.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Marks the top bit of each of the eight bytes that is a quote, a backslash or a control character.
/// The classic zero-byte test on the word xor the wanted byte: a borrow may mark bytes above one that is marked rightly.
fn specials(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let quote = zero_byte(word ^ (ONES * 0x22));
    let backslash = zero_byte(word ^ (ONES * 0x5C));
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    quote | backslash | control
}

/// Unescapes the text of a string node, quotes included, that the scanner has accepted.
pub(super) fn unescape(raw: &str) -> String {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(plain) = chars.next() {
        if plain != '\\' {
            out.push(plain);
            continue;
        }
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => out.push(unescape_unicode(&mut chars)),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

fn unescape_unicode(chars: &mut core::str::Chars<'_>) -> char {
    let mut unit = |count: usize| {
        let mut value = 0;
        for digit in chars.by_ref().take(count) {
            value = value * 16 + digit.to_digit(16).unwrap_or(0);
        }
        value
    };
    let high = unit(4);
    if !(0xD800..=0xDBFF).contains(&high) {
        return char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    // `\u` stands between the halves.
    let low = unit(6) & 0xFFFF;
    let point = 0x1_0000 + ((high - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF);
    char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the first byte stands that does not stand for itself, by looking at each.
    fn one_at_a_time(bytes: &[u8], from: usize) -> usize {
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        bytes.iter().skip(from).position(special).map_or(bytes.len(), |at| from + at)
    }

    #[test]
    fn eight_bytes_at_a_time_end_where_one_at_a_time_does() {
        // Specials, their neighbours, and bytes whose top bit or whose difference could leak into the next.
        let dangerous =
            [0, 1, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x5B, 0x5C, 0x5D, 0x7F, 0x80, 0x9F, 0xA2, 0xDC, 0xFF];
        let mut random = crate::xorshift::Xorshift(0x2545_F491_4F6C_DD1D);
        let mut next = |below| random.index(below);
        for _ in 0..30_000 {
            let sparse = next(12) + 1;
            let bytes: Vec<u8> = (0..next(40))
                .map(|_| {
                    if next(sparse) == 0 {
                        dangerous[next(dangerous.len())]
                    } else {
                        *b"aZ0~ :,".get(next(7)).unwrap()
                    }
                })
                .collect();
            for from in 0..bytes.len().min(9) {
                let mut nodes = Vec::new();
                let mut scanner = Scanner {
                    text: "",
                    bytes: &bytes,
                    at: from,
                    nodes: &mut nodes,
                    innermost: OUTSIDE,
                    depth: 0,
                    limits: Limits::MESSAGE,
                };
                scanner.skip_plain();
                assert_eq!(scanner.at, one_at_a_time(&bytes, from), "{bytes:x?} from {from}");
            }
        }
    }
}
