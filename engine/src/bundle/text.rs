// SPDX-License-Identifier: Apache-2.0
//! The text of a bundle: a line that says what it is, a JSON document on lines of its own, a line with the signature.
//!
//! ```text
//! toolgate-bundle 1
//! {"name":"default","version":7,"expires":"2027-01-01T00:00:00Z","parts":{"policy":{…}}}
//! SIGNATURE
//! ```
//!
//! The signature is Ed25519 (RFC 8032) over every byte before its own line, the first line included, in base64url
//! without padding. It is checked before anything of the document is read.

use crate::json::{Doc, Limits, Named, Value, from_value};
use crate::keys::{Alg, PublicKey, Signature, Software, Verdict};
use crate::policy::parse_date;
use crate::time::UnixTime;
use alloc::string::String;
use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The first line. The number is the version of the format; another one is another kind of text.
pub const HEAD: &str = "toolgate-bundle 1\n";

/// Why a bundle is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has no signature, or is no bundle at all.
    Unsigned,
    /// The signature is not by one of the keys.
    Signature,
    /// What is signed is not a bundle.
    Format,
    /// It is for another place.
    Name,
    /// It is not newer than what is held, or older than the configuration takes.
    Older,
    /// Its end has passed.
    Expired,
    /// It carries something that this build does not know, so that it could not be enforced.
    Part,
    /// Its policy does not compile.
    Policy,
    /// Its policy lacks a role that a server gives callers without credentials, or may not be in force.
    Unfit,
}

impl Fault {
    /// A metric label from a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Fault::Unsigned => "unsigned",
            Fault::Signature => "bad_signature",
            Fault::Format => "format",
            Fault::Name => "other_name",
            Fault::Older => "older",
            Fault::Expired => "expired",
            Fault::Part => "unknown_part",
            Fault::Policy => "policy",
            Fault::Unfit => "unfit",
        }
    }
}

/// The document, without its parts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestWire {
    name: String,
    version: u64,
    expires: String,
    #[serde(default)]
    #[expect(dead_code, reason = "for people: when it was made")]
    created: Option<String>,
    /// `policy`; `content_rules` and `baselines` have their names already. A build that does not enforce a part refuses
    /// the whole bundle.
    parts: Named<IgnoredAny>,
}

/// What a bundle says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What it is for: the name of the policy in the configuration, unless that says otherwise.
    pub name: String,
    /// Grows with every change.
    pub version: u64,
    /// When it ends.
    pub expires: UnixTime,
}

/// A bundle whose signature is good.
#[derive(Debug)]
pub struct Opened<'b> {
    /// What it says of itself.
    pub manifest: Manifest,
    document: Doc<'b>,
}

impl Opened<'_> {
    /// The policy, to be compiled.
    #[must_use]
    pub fn policy(&self) -> Option<Value<'_>> {
        self.document.root().get("parts")?.get("policy")
    }
}

/// Everything that is signed, and the signature; nothing where the text has not that form.
fn halves(text: &[u8]) -> Option<(&[u8], Signature)> {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let end = body.iter().rposition(|byte| *byte == b'\n')?;
    let (signed, last) = body.split_at_checked(end.checked_add(1)?)?;
    let signature = Base64UrlUnpadded::decode_vec(core::str::from_utf8(last).ok()?).ok()?;
    let signature = Signature::from_bytes(signature).filter(|signature| signature.as_bytes().len() == 64)?;
    signed.starts_with(HEAD.as_bytes()).then_some((signed, signature))
}

/// What has to be signed to make a bundle of a document.
#[must_use]
pub fn signed_part(document: &str) -> String {
    [HEAD, document.trim_end(), "\n"].concat()
}

/// Opens a bundle.
///
/// # Errors
/// Why it is not believed.
pub fn open<'b>(text: &'b [u8], keys: &[PublicKey]) -> Result<Opened<'b>, Fault> {
    let (signed, signature) = halves(text).ok_or(Fault::Unsigned)?;
    let by = |key: &PublicKey| key.verify(Alg::EdDsa, signed, &signature, &Software) == Verdict::Verified;
    if !keys.iter().any(by) {
        return Err(Fault::Signature);
    }
    let document = signed.strip_prefix(HEAD.as_bytes()).ok_or(Fault::Unsigned)?;
    let document = Doc::parse(document, Limits::CONFIG).map_err(|_| Fault::Format)?;
    let wire: ManifestWire = from_value(document.root()).map_err(|_| Fault::Format)?;
    if wire.parts.keys().any(|name| name != "policy") {
        return Err(Fault::Part);
    }
    let expires = parse_date(&wire.expires).ok_or(Fault::Format)?;
    if wire.version == 0 {
        return Err(Fault::Format);
    }
    Ok(Opened { manifest: Manifest { name: wire.name, version: wire.version, expires }, document })
}
