// SPDX-License-Identifier: Apache-2.0
//! The headers that mirror a message: what they say, and whether they agree with it.

use super::characters::{MAX_URI, check_name, check_task, check_uri};
use super::method::{Method, NameSource};
use super::refusal::Refusal;
use super::target::Target;
use super::version::{Era, Version, VersionSet};
use alloc::borrow::Cow;
use alloc::string::String;
use base64ct::{Base64, Encoding};

const SENTINEL: &str = "=?base64?";
const SENTINEL_END: &str = "?=";
/// Longest value that is looked at: the longest URI, encoded.
const MAX_VALUE: usize = MAX_URI / 3 * 4 + 64;
/// Longest session id.
const MAX_SESSION: usize = 1024;

/// A header as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderValue<'h> {
    /// It is not there.
    Absent,
    /// It is there once.
    One(&'h [u8]),
    /// It is there more than once.
    Several,
}

/// The headers that matter to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'h> {
    /// `MCP-Protocol-Version`
    pub protocol_version: HeaderValue<'h>,
    /// `Mcp-Method`
    pub method: HeaderValue<'h>,
    /// `Mcp-Name`
    pub name: HeaderValue<'h>,
    /// `Mcp-Session-Id`
    pub session: HeaderValue<'h>,
}

impl Head<'_> {
    /// No header at all.
    pub const EMPTY: Head<'static> = Head {
        protocol_version: HeaderValue::Absent,
        method: HeaderValue::Absent,
        name: HeaderValue::Absent,
        session: HeaderValue::Absent,
    };

    /// Whose rules an answer follows as long as nothing but the headers is known.
    pub(crate) fn era(&self, versions: VersionSet) -> Era {
        match self.protocol_version.text() {
            Ok(Some(text)) => era_of(text),
            Ok(None) | Err(_) => match versions.newest(Era::Legacy) {
                Some(_) => Era::Legacy,
                None => Era::Modern,
            },
        }
    }
}

/// The era that a version header speaks for, known or not: names are dates, so a later one is modern.
pub(super) fn era_of(text: &str) -> Era {
    let date = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match Version::parse(text) {
        Some(version) => version.era(),
        None if date && text > Version::V2026_07_28.as_str() => Era::Modern,
        None => Era::Legacy,
    }
}

impl<'h> HeaderValue<'h> {
    /// The value as plain visible text without the white space around it.
    #[inline(never)]
    pub(super) fn text(self) -> Result<Option<&'h str>, Refusal> {
        let bytes = match self {
            HeaderValue::Absent => return Ok(None),
            HeaderValue::Several => return Err(Refusal::HeaderRepeated),
            HeaderValue::One(bytes) => bytes,
        };
        let plain = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
        if bytes.len() > MAX_VALUE || !bytes.iter().all(plain) {
            return Err(Refusal::HeaderEncoding);
        }
        // Of white space only blanks and tabs are left.
        match core::str::from_utf8(bytes.trim_ascii()) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Refusal::HeaderEncoding),
        }
    }

    /// As [`HeaderValue::text`], with the Base64 form undone. What is not the whole form is literal.
    pub(super) fn decoded(self) -> Result<Option<Cow<'h, str>>, Refusal> {
        let Some(text) = self.text()? else { return Ok(None) };
        let inner = text.strip_prefix(SENTINEL).and_then(|rest| rest.strip_suffix(SENTINEL_END));
        let Some(inner) = inner else { return Ok(Some(Cow::Borrowed(text))) };
        decode(inner).map(|decoded| Some(Cow::Owned(decoded)))
    }
}

#[inline(never)]
fn decode(base64: &str) -> Result<String, Refusal> {
    let bytes = Base64::decode_vec(base64).map_err(|_| Refusal::HeaderEncoding)?;
    String::from_utf8(bytes).map_err(|_| Refusal::HeaderEncoding)
}

/// Whether a mirrored header must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    Optional,
}

pub(super) fn check_method(head: &Head<'_>, method: &str, presence: Presence) -> Result<(), Refusal> {
    match (head.method.text()?, presence) {
        (Some(text), _) if text == method => Ok(()),
        (Some(_), _) => Err(Refusal::HeaderMismatchMethod),
        (None, Presence::Required) => Err(Refusal::HeaderMissingMethod),
        (None, Presence::Optional) => Ok(()),
    }
}

/// For a method whose name the header does not mirror, the header means nothing; it must still be one that can be read.
pub(super) fn check_target(
    head: &Head<'_>,
    method: Method,
    target: &Target<'_>,
    presence: Presence,
) -> Result<(), Refusal> {
    let named = head.name.decoded()?;
    let presence = match method.name_source() {
        NameSource::Nothing => return Ok(()),
        NameSource::Name | NameSource::Uri => presence,
        NameSource::TaskId => Presence::Optional,
    };
    match (named, target.text(), presence) {
        (Some(named), Some(target), _) if named == target => Ok(()),
        (Some(_), _, _) => Err(Refusal::HeaderMismatchName),
        (None, _, Presence::Required) => Err(Refusal::HeaderMissingName),
        (None, _, Presence::Optional) => Ok(()),
    }
}

/// A session id is visible ASCII.
pub(super) fn check_session(head: &Head<'_>) -> Result<(), Refusal> {
    match head.session {
        HeaderValue::Absent => Ok(()),
        HeaderValue::Several => Err(Refusal::HeaderRepeated),
        HeaderValue::One(id) => {
            let sound = !id.is_empty() && id.len() <= MAX_SESSION && id.iter().all(u8::is_ascii_graphic);
            if sound { Ok(()) } else { Err(Refusal::BadSession) }
        }
    }
}

/// What the headers of a request say before its body is there. It can only serve to deny: the body is the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadFacts<'h> {
    /// Nothing that may be relied on: an older version, or no mirrored headers.
    Silent,
    /// The body will be refused for this, whatever it holds (except that a notification needs no headers).
    /// Who waits for the body can echo its id; who cannot hold the headers back may refuse at once.
    Doubtful(Refusal),
    /// What the body must turn out to ask for.
    Claims {
        /// The method.
        method: Method,
        /// Its target, as far as headers name one.
        target: Target<'h>,
    },
}

/// Judges the headers alone.
#[must_use]
pub fn judge_head<'h>(head: &Head<'h>, versions: VersionSet) -> HeadFacts<'h> {
    match read_claims(head, versions) {
        Ok(Some((method, target))) => HeadFacts::Claims { method, target },
        Ok(None) => HeadFacts::Silent,
        Err(refusal) => HeadFacts::Doubtful(refusal),
    }
}

fn read_claims<'h>(head: &Head<'h>, versions: VersionSet) -> Result<Option<(Method, Target<'h>)>, Refusal> {
    let Some(text) = head.protocol_version.text()? else { return Ok(None) };
    let version = match Version::parse(text) {
        Some(version) if versions.contains(version) => version,
        Some(_) | None => return Err(Refusal::UnsupportedVersion),
    };
    match version.era() {
        Era::Legacy => return check_session(head).map(|()| None),
        Era::Modern => {}
    }
    let Some(text) = head.method.text()? else { return Ok(None) };
    let method = Method::parse(text).ok_or(Refusal::UnknownMethod)?;
    if !method.known_in(version) {
        return Err(Refusal::MethodNotInVersion);
    }
    claimed_target(method, head.name.decoded()?).map(|target| Some((method, target)))
}

fn claimed_target<'h>(method: Method, name: Option<Cow<'h, str>>) -> Result<Target<'h>, Refusal> {
    let missing = Refusal::HeaderMissingName;
    match method.name_source() {
        NameSource::Nothing => Ok(Target::None),
        NameSource::Name => {
            let name = name.ok_or(missing)?;
            check_name(&name)?;
            Ok(if method == Method::PromptsGet { Target::Prompt(name) } else { Target::Tool(name) })
        }
        NameSource::Uri => {
            let uri = name.ok_or(missing)?;
            check_uri(&uri)?;
            Ok(Target::Resource(uri))
        }
        NameSource::TaskId => match name {
            Some(id) => check_task(&id).map(|()| Target::Task(id)),
            None => Ok(Target::None),
        },
    }
}
