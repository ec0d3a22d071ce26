// SPDX-License-Identifier: Apache-2.0
//! The strict front: the form and header of a signed token (RFC 7515), before any key is looked at.
//!
//! What enters: the presented token. What leaves: a [`Jws`] whose every byte is accounted for, or why not.
//! Deliberately absent: the JSON serializations (RFC 7515 section 7.2), extensions (`crit`), encryption, compression,
//! and every key or key address that the token brings along. Certificate thumbprints (`x5t`) are ignored: Entra ID
//! writes them into each token, and they choose nothing here.

use super::extract::BearerToken;
use super::rejection::{Malformed, Rejection};
use crate::json::{Doc, Kind, Limits, Value};
use crate::keys::{Alg, Signature, decode_base64url_bytes};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

const MAX_KID: usize = 256;
const MAX_TYP: usize = 64;

/// What the header of an acceptable token says.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Its algorithm.
    pub alg: Alg,
    /// Its key id.
    pub kid: Option<String>,
    /// Its media type, as written.
    pub typ: Option<String>,
}

/// A token in three acceptable segments. Nothing in it is verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Jws<'a> {
    /// The protected header.
    pub header: Header,
    /// What was signed: the first two segments as they were sent, with the full stop between.
    pub signing_input: &'a [u8],
    /// The payload, decoded.
    pub payload: Vec<u8>,
    /// The signature, decoded.
    pub signature: Signature,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({})", self.alg.name())
    }
}

impl fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jws({})", self.header.alg.name())
    }
}

impl<'a> Jws<'a> {
    /// Reads the compact serialization (RFC 7515 section 7.1).
    ///
    /// # Errors
    /// Why it is not acceptable.
    pub fn parse(token: BearerToken<'a>) -> Result<Self, Rejection> {
        Self::split(token.as_str().as_bytes())
    }

    /// The same of any bytes: what decodes has no characters but a token's.
    pub(super) fn split(text: &'a [u8]) -> Result<Self, Rejection> {
        // A character is looked for in text, and so in whole words of it. What is no text is no token.
        let text = core::str::from_utf8(text).map_err(|_| SEGMENTS)?;
        let (signing_input, signature) = text.rsplit_once('.').ok_or(SEGMENTS)?;
        let (header, payload) = signing_input.split_once('.').ok_or(SEGMENTS)?;
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(SEGMENTS);
        }
        // What has four parts or more does not decode.
        let segments = |rejection| if payload.contains('.') { SEGMENTS } else { rejection };
        Jws::decode([header, payload, signature].map(str::as_bytes), signing_input.as_bytes())
            .map_err(segments)
    }

    fn decode([header, payload, signature]: [&[u8]; 3], signing_input: &'a [u8]) -> Result<Self, Rejection> {
        let header = read_header(&decode(header)?)?;
        let signature = Signature::from_bytes(decode(signature)?).ok_or(TOO_LARGE)?;
        let payload = decode(payload)?;
        Ok(Jws { header, signing_input, payload, signature })
    }
}

const SEGMENTS: Rejection = Rejection::Malformed(Malformed::Segments);
const TOO_LARGE: Rejection = Rejection::Malformed(Malformed::TooLarge);
const HEADER: Rejection = Rejection::Malformed(Malformed::Header);
const HEADER_MEMBER: Rejection = Rejection::Malformed(Malformed::HeaderMember);

fn decode(segment: &[u8]) -> Result<Vec<u8>, Rejection> {
    decode_base64url_bytes(segment).ok_or(Rejection::Malformed(Malformed::Base64url))
}

fn read_header(bytes: &[u8]) -> Result<Header, Rejection> {
    let doc = Doc::parse(bytes, Limits::TOKEN).map_err(|_| HEADER)?;
    let root = doc.root();
    if !matches!(root.kind(), Kind::Object) {
        return Err(HEADER);
    }
    for (name, _) in root.members() {
        refuse_member(&name.as_str().unwrap_or_default())?;
    }
    let alg = match text(root, "alg", MAX_TYP)?.ok_or(HEADER_MEMBER)? {
        none if none.eq_ignore_ascii_case("none") => return Err(Rejection::AlgNone),
        name => Alg::from_name(&name).ok_or(Rejection::AlgUnknown)?,
    };
    let kid = text(root, "kid", MAX_KID)?.map(Cow::into_owned);
    let typ = text(root, "typ", MAX_TYP)?.map(Cow::into_owned);
    Ok(Header { alg, kid, typ })
}

/// Members whose presence changes what the token means, or where its key comes from.
fn refuse_member(name: &str) -> Result<(), Rejection> {
    match name {
        "crit" => Err(Rejection::UnsupportedCritical),
        "b64" => Err(Rejection::UnencodedPayload),
        "enc" | "zip" => Err(Rejection::Encrypted),
        "jku" | "jwk" | "x5u" | "x5c" => Err(Rejection::KeyHint),
        // RFC 7515 section 4: what is not understood and not critical is ignored.
        _ => Ok(()),
    }
}

fn text<'d>(root: Value<'d>, name: &str, max: usize) -> Result<Option<Cow<'d, str>>, Rejection> {
    let Some(value) = root.get(name) else { return Ok(None) };
    match value.as_str() {
        Some(text) if text.len() <= max => Ok(Some(text)),
        Some(_) | None => Err(HEADER_MEMBER),
    }
}
