// SPDX-License-Identifier: Apache-2.0
//! The claims of a token (RFC 7519 section 4), read strictly; true only once the signature is verified.

use super::confirmation::Confirmation;
use super::date::numeric_date;
use super::rejection::{Malformed, Rejection};
use crate::json::{Doc, Kind, Limits, Value};
use crate::time::UnixTime;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

const MAX_TEXT: usize = 1_024;
const MAX_AUDIENCES: usize = 32;
const PAYLOAD: Rejection = Rejection::Malformed(Malformed::Payload);
const CLAIM: Rejection = Rejection::Malformed(Malformed::Claim);

/// The claims that every token is judged by, and the document they came from.
#[derive(Clone)]
pub struct Claims {
    pub(super) doc: Doc<'static>,
    pub(super) iss: String,
    pub(super) exp: UnixTime,
    pub(super) sub: Option<String>,
    pub(super) aud: Vec<String>,
    pub(super) nbf: Option<UnixTime>,
    pub(super) iat: Option<UnixTime>,
    pub(super) jti: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) cnf: Confirmation,
}

impl Claims {
    /// Reads a payload: a JSON object with unique names, `iss` and `exp` present, every registered claim of its type.
    ///
    /// # Errors
    /// What is malformed or missing.
    pub fn parse(payload: &[u8]) -> Result<Self, Rejection> {
        let doc = Doc::parse(payload, Limits::TOKEN).map_err(|_| PAYLOAD)?;
        let root = doc.root();
        if !matches!(root.kind(), Kind::Object) {
            return Err(PAYLOAD);
        }
        let iss = text(root, "iss")?.ok_or(Rejection::MissingClaim)?;
        let exp = date(root, "exp")?.ok_or(Rejection::MissingClaim)?;
        Claims::rest(doc, iss, exp)
    }

    /// Reads what an issuer says of an opaque token (RFC 7662 section 2.2): as a payload, except that `iss` and `exp`
    /// may be missing there.
    ///
    /// # Errors
    /// What is malformed.
    pub(crate) fn introspected(answer: &[u8], issuer: &str, ends: UnixTime) -> Result<Self, Rejection> {
        let doc = Doc::parse(answer, Limits::TOKEN).map_err(|_| PAYLOAD)?;
        let root = doc.root();
        let iss = text(root, "iss")?.unwrap_or_else(|| String::from(issuer));
        let exp = date(root, "exp")?.unwrap_or(ends);
        Claims::rest(doc, iss, exp)
    }

    /// The claims that both kinds have, beside who issued them and until when they hold.
    fn rest(doc: Doc<'_>, iss: String, exp: UnixTime) -> Result<Self, Rejection> {
        let root = doc.root();
        Ok(Claims {
            iss,
            exp,
            sub: text(root, "sub")?,
            aud: audiences(root)?,
            nbf: date(root, "nbf")?,
            iat: date(root, "iat")?,
            jti: text(root, "jti")?,
            client_id: client(root)?,
            cnf: Confirmation::read(root)?,
            doc: doc.into_owned(),
        })
    }

    /// `exp`
    pub(crate) fn expires(&self) -> UnixTime {
        self.exp
    }

    /// The issuer that the token claims to come from.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.iss
    }

    /// All claims, as they were written.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        self.doc.root()
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(hidden)")
    }
}

/// `client_id` (RFC 9068 section 2.2), or `azp` as OpenID providers write it. Both are the party that the token was
/// issued to, so they must agree.
fn client(root: Value<'_>) -> Result<Option<String>, Rejection> {
    match (text(root, "client_id")?, text(root, "azp")?) {
        (Some(client_id), Some(azp)) if client_id != azp => Err(Rejection::ClientMismatch),
        (client_id, azp) => Ok(client_id.or(azp)),
    }
}

pub(super) fn text(root: Value<'_>, name: &str) -> Result<Option<String>, Rejection> {
    root.get(name).map(bounded).transpose()
}

fn bounded(value: Value<'_>) -> Result<String, Rejection> {
    match value.as_str() {
        Some(text) if (1..=MAX_TEXT).contains(&text.len()) => Ok(Cow::into_owned(text)),
        Some(_) | None => Err(CLAIM),
    }
}

fn date(root: Value<'_>, name: &str) -> Result<Option<UnixTime>, Rejection> {
    let Some(value) = root.get(name) else { return Ok(None) };
    match value.kind() {
        Kind::Number => numeric_date(value.raw()).map(Some).ok_or(CLAIM),
        Kind::Null
        | Kind::True
        | Kind::False
        | Kind::String
        | Kind::EscapedString
        | Kind::Array
        | Kind::Object => Err(CLAIM),
    }
}

/// RFC 7519 section 4.1.3: a string, or a list of strings; here not an empty one.
fn audiences(root: Value<'_>) -> Result<Vec<String>, Rejection> {
    let Some(value) = root.get("aud") else { return Ok(Vec::new()) };
    match value.kind() {
        Kind::String | Kind::EscapedString => bounded(value).map(|audience| [audience].into()),
        Kind::Array => {
            let count = value.items().take(MAX_AUDIENCES.saturating_add(1)).count();
            match (1..=MAX_AUDIENCES).contains(&count) {
                true => value.items().map(bounded).collect(),
                false => Err(CLAIM),
            }
        }
        Kind::Null | Kind::True | Kind::False | Kind::Number | Kind::Object => Err(CLAIM),
    }
}
