// SPDX-License-Identifier: Apache-2.0
//! One line of an audit trail, as it is read back: only the members that bind it to others.

use super::chain::StreamId;
use crate::keys::decode_base64url;
use core::fmt;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A stream begins.
    Start,
    /// A request was judged.
    Decision,
    /// A request was refused before it was known who calls.
    Authentication,
    /// A policy has changed.
    Policy,
    /// Something that is fetched has changed, or could not be fetched.
    Feed,
    /// How many records there were, and what is missing.
    Checkpoint,
    /// Records were lost.
    Gap,
    /// The records that follow are sealed under another key.
    Key,
    /// The stream ends in good order.
    End,
    /// Of a session; reserved.
    Session,
    /// Of a limit; reserved.
    Limit,
    /// Of a threat; reserved.
    Threat,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 12] = [
        Kind::Start,
        Kind::Decision,
        Kind::Authentication,
        Kind::Policy,
        Kind::Feed,
        Kind::Checkpoint,
        Kind::Gap,
        Kind::Key,
        Kind::End,
        Kind::Session,
        Kind::Limit,
        Kind::Threat,
    ];

    /// Its word in `kind`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Start => "start",
            Kind::Decision => "decision",
            Kind::Authentication => "authentication",
            Kind::Policy => "policy",
            Kind::Feed => "feed",
            Kind::Checkpoint => "checkpoint",
            Kind::Gap => "gap",
            Kind::Key => "key",
            Kind::End => "end",
            Kind::Session => "session",
            Kind::Limit => "limit",
            Kind::Threat => "threat",
        }
    }

    fn parse(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// How every record begins.
const BEGIN: &str = "{\"v\":1,\"stream\":\"";

/// What is wrong with a line that is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It is not UTF-8.
    Encoding,
    /// It does not begin as records of this version do.
    Begin,
    /// The stream is not 32 hexadecimal digits.
    Stream,
    /// The number is none.
    Seq,
    /// The time is not of its form.
    Time,
    /// The kind is not known.
    Kind,
    /// It does not end in `prev` and `mac`.
    End,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Encoding => "the line is not UTF-8",
            Malformed::Begin => "the line does not begin as an audit record of version 1",
            Malformed::Stream => "`stream` is not 32 hexadecimal digits",
            Malformed::Seq => "`seq` is not a number from 1",
            Malformed::Time => "`time` is not a UTC time to the microsecond",
            Malformed::Kind => "`kind` is not known",
            Malformed::End => "the line does not end in `prev` and `mac`",
        })
    }
}

/// A record: the members that every kind has, borrowed from its line.
#[derive(Clone, Copy, Debug)]
pub struct Link<'l> {
    /// Whose record it is.
    pub stream: StreamId,
    /// Its number, from 1.
    pub seq: u64,
    /// When it was written: `2026-11-21T08:00:00.123456Z`.
    pub time: &'l str,
    /// What it is about.
    pub kind: Kind,
    /// The seal of the record before it.
    pub prev: [u8; 32],
    /// Its own seal.
    pub mac: [u8; 32],
    /// The whole line.
    pub text: &'l str,
    /// What the seal is over.
    pub(super) sealed: &'l str,
}

impl<'l> Link<'l> {
    /// Reads a line, without its line end. Only the form is looked at: whether it is genuine, [`super::Verifier`] says.
    ///
    /// # Errors
    /// What is not of the form.
    pub fn parse(line: &'l [u8]) -> Result<Link<'l>, Malformed> {
        let text = core::str::from_utf8(line).map_err(|_| Malformed::Encoding)?;
        let rest = text.strip_prefix(BEGIN).ok_or(Malformed::Begin)?;
        let (stream, rest) = rest.split_at_checked(32).ok_or(Malformed::Stream)?;
        let stream = unhex(stream).ok_or(Malformed::Stream)?;
        let rest = rest.strip_prefix("\",\"seq\":").ok_or(Malformed::Seq)?;
        let (seq, rest) = rest.split_once(",\"time\":\"").ok_or(Malformed::Seq)?;
        let seq = number(seq).ok_or(Malformed::Seq)?;
        let (time, rest) = rest.split_once("\",\"kind\":\"").ok_or(Malformed::Time)?;
        if !is_time(time) {
            return Err(Malformed::Time);
        }
        let (kind, _) = rest.split_once('"').ok_or(Malformed::Kind)?;
        let kind = Kind::parse(kind).ok_or(Malformed::Kind)?;
        let rest = text.strip_suffix("\"}").ok_or(Malformed::End)?;
        let (rest, mac) = tail(rest)?;
        let sealed = rest.strip_suffix(",\"mac\":\"").ok_or(Malformed::End)?;
        let rest = sealed.strip_suffix('"').ok_or(Malformed::End)?;
        let (rest, prev) = tail(rest)?;
        if !rest.ends_with(",\"prev\":\"") {
            return Err(Malformed::End);
        }
        Ok(Link { stream: StreamId(stream), seq, time, kind, prev, mac, text, sealed })
    }
}

/// The 43 characters at the end, as bytes.
fn tail(text: &str) -> Result<(&str, [u8; 32]), Malformed> {
    let at = text.len().checked_sub(43).ok_or(Malformed::End)?;
    let (rest, last) = text.split_at_checked(at).ok_or(Malformed::End)?;
    let bytes = decode_base64url(last).and_then(|bytes| bytes.try_into().ok());
    Ok((rest, bytes.ok_or(Malformed::End)?))
}

/// One text for each number: no sign, no leading zero, and none for 0.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

fn is_time(text: &str) -> bool {
    let form = b"dddd-dd-ddTdd:dd:dd.ddddddZ";
    text.len() == form.len()
        && text.bytes().zip(form).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            other => byte == *other,
        })
}

/// Lower case only, so that each id has one text.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(out)
}

/// The record in a line of another log, such as the proxy's: from where a record begins to the end of the line.
/// Where the record is the value of a JSON string, decode that first.
#[must_use]
pub fn find(line: &[u8]) -> Option<&[u8]> {
    let at = line.windows(BEGIN.len()).position(|window| window == BEGIN.as_bytes())?;
    line.get(at..).map(<[u8]>::trim_ascii_end)
}
