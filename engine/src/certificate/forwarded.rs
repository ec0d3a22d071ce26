// SPDX-License-Identifier: Apache-2.0
//! `x-forwarded-client-cert` as Envoy writes it: elements by `,`, pairs by `;`, values quoted where they need it.
//!
//! Read strictly: what could be cut in two ways is refused, since the subject and the names in it are chosen by
//! whoever got the certificate signed.

use super::{Certificate, hex_digest};
use alloc::string::String;
use alloc::vec::Vec;

/// The longest header, in bytes: whole chains may stand in it.
const MAX_HEADER: usize = 65_536;
/// The most elements.
const MAX_ELEMENTS: usize = 16;
/// The most names of one kind in an element.
const MAX_NAMES: usize = 64;
/// The longest name, in bytes.
const MAX_NAME: usize = 4_096;

/// The header cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardedFault;

/// The certificate in the element counted from the end, 1 being the last; none where there are fewer, or where it
/// holds nothing of a certificate. All elements must be well formed, whichever is asked for.
///
/// # Errors
/// [`ForwardedFault`].
pub fn forwarded(value: &[u8], element: usize) -> Result<Option<Certificate>, ForwardedFault> {
    if value.len() > MAX_HEADER {
        return Err(ForwardedFault);
    }
    let text = core::str::from_utf8(value).map_err(|_| ForwardedFault)?;
    let mut elements = Vec::new();
    let mut rest = Some(text).filter(|text| !text.is_empty());
    while let Some(text) = rest {
        if elements.len() >= MAX_ELEMENTS {
            return Err(ForwardedFault);
        }
        let (parsed, after) = one(text.trim_start_matches(' '))?;
        elements.push(parsed);
        rest = after;
    }
    let at = elements.len().checked_sub(element);
    Ok(at.and_then(|at| elements.into_iter().nth(at)).and_then(Element::certificate))
}

#[derive(Default)]
struct Element {
    digest: Option<[u8; 32]>,
    subject: Option<String>,
    uris: Vec<String>,
    dns: Vec<String>,
    /// Members that may stand once and say nothing here.
    other: Vec<Other>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Other {
    Cert,
    Chain,
}

impl Element {
    fn certificate(self) -> Option<Certificate> {
        let Element { digest, subject, uris, dns, other: _ } = self;
        let empty = digest.is_none() && subject.is_none() && uris.is_empty() && dns.is_empty();
        (!empty).then_some(Certificate { digest, uris, dns, subject })
    }

    /// Takes a pair; names have no case.
    fn take(&mut self, name: &str, value: String) -> Result<(), ForwardedFault> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let once = |free: bool| if free { Ok(()) } else { Err(ForwardedFault) };
        if is("hash") {
            once(self.digest.is_none())?;
            self.digest = Some(hex_digest(&value).ok_or(ForwardedFault)?);
        } else if is("subject") {
            once(self.subject.is_none())?;
            // A certificate may do without a subject; Envoy writes it all the same.
            self.subject = named(value)?;
        } else if is("uri") {
            once(self.uris.len() < MAX_NAMES)?;
            self.uris.extend(named(value)?);
        } else if is("dns") {
            once(self.dns.len() < MAX_NAMES)?;
            self.dns.extend(named(value)?);
        } else if is("cert") || is("chain") {
            let kind = if is("cert") { Other::Cert } else { Other::Chain };
            once(!self.other.contains(&kind))?;
            self.other.push(kind);
        } else if !is("by") {
            return Err(ForwardedFault);
        }
        Ok(())
    }
}

fn named(value: String) -> Result<Option<String>, ForwardedFault> {
    match value.len() {
        0 => Ok(None),
        1..=MAX_NAME => Ok(Some(value)),
        _ => Err(ForwardedFault),
    }
}

/// One element, and what follows its comma.
fn one(mut text: &str) -> Result<(Element, Option<&str>), ForwardedFault> {
    let mut element = Element::default();
    loop {
        let (name, rest) = text.split_once('=').ok_or(ForwardedFault)?;
        let (value, rest) = value(rest)?;
        element.take(name, value)?;
        text = match rest.split_at_checked(1) {
            None => return Ok((element, None)),
            Some((",", rest)) => return Ok((element, Some(rest))),
            Some((";", rest)) => rest,
            Some(_) => return Err(ForwardedFault),
        };
    }
}

/// A value and what follows it: quoted, or plain up to the next separator.
fn value(text: &str) -> Result<(String, &str), ForwardedFault> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';']).unwrap_or(text.len());
        let (plain, rest) = text.split_at_checked(end).ok_or(ForwardedFault)?;
        // What would have to be quoted, and blanks around a value, have more than one reading.
        let doubtful = plain.contains(['"', '\\', '=']) || plain.trim() != plain;
        return if doubtful { Err(ForwardedFault) } else { Ok((String::from(plain), rest)) };
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return quoted.get(at.saturating_add(1)..).map(|rest| (value, rest)).ok_or(ForwardedFault),
            // A backslash takes the next letter with it, whatever that is; both stay. So a subject is the same text
            // here as the proxy gives of its own peers: escaped as RFC 4514 says.
            '\\' => value.extend(['\\', letters.next().ok_or(ForwardedFault)?.1]),
            other => value.push(other),
        }
    }
    Err(ForwardedFault)
}
