// SPDX-License-Identifier: Apache-2.0
//! From a parsed body and its headers to a call, or the reason why there is none.
//!
//! The body is the truth; headers are checked against it. The order of checks is: envelope, era, `_meta`, version,
//! headers of version and method, method, target, header of the name.

use super::envelope::{self, Envelope, Id, Shape};
use super::head::{self, Head, HeaderValue, Presence, era_of};
use super::lookalike::{META, PARAMS, member_object, refuse_look_alikes};
use super::method::Method;
use super::refusal::{Refusal, Refused};
use super::target::{self, Target};
use super::version::{Era, Version, VersionSet};
use crate::json::{Doc, JsonError, Kind, Value};
use alloc::string::String;

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
pub(super) const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_KEY: &str = "io.modelcontextprotocol/clientInfo";
/// How much of a version that is not served is told back.
const MAX_REQUESTED: usize = 32;

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct Call<'d> {
    /// The id to echo; a notification has none.
    pub id: Option<Id<'d>>,
    /// The method.
    pub method: Method,
    /// What it is aimed at.
    pub target: Target<'d>,
    /// The arguments of a tool or prompt: an object.
    pub arguments: Option<Value<'d>>,
    /// The version it is under; for `initialize`, the one asked for, or the newest legacy one served.
    pub version: Version,
    /// Request, notification or response.
    pub shape: Shape,
    /// The parameters of a request or notification.
    pub params: Option<Value<'d>>,
    /// The result that a response brings.
    pub result: Option<Value<'d>>,
}

/// A refusal in the making: what the era and the version have to do with it.
struct Fault {
    reason: Refusal,
    era: Era,
    requested: Option<String>,
}

impl Fault {
    fn new(reason: Refusal, era: Era) -> Fault {
        Fault { reason, era, requested: None }
    }

    fn unsupported(requested: &str, era: Era) -> Fault {
        let requested = requested.chars().take(MAX_REQUESTED).collect();
        Fault { reason: Refusal::UnsupportedVersion, era, requested: Some(requested) }
    }

    #[cold]
    fn of(self, envelope: Envelope<'_>) -> Refused<'_> {
        let Fault { reason, era, requested } = self;
        Refused { reason, id: envelope.id, era, shape: Some(envelope.shape), requested }
    }
}

/// Gives a parse error the form of a refusal.
#[must_use]
pub fn unreadable(error: &JsonError, head: &Head<'_>, versions: VersionSet) -> Refused<'static> {
    let era = head.era(versions);
    Refused { reason: error.kind.into(), id: None, era, shape: None, requested: None }
}

/// Reads a message as a call.
///
/// # Errors
/// The first thing that is wrong, with what an answer needs.
pub fn classify<'d>(
    doc: &'d Doc<'_>,
    head: &Head<'_>,
    versions: VersionSet,
) -> Result<Call<'d>, Refused<'d>> {
    let envelope = match envelope::read(doc.root()) {
        Ok(envelope) => envelope,
        Err((reason, id)) => {
            return Err(Refused { reason, id, era: head.era(versions), shape: None, requested: None });
        }
    };
    let version = match version_of(&envelope, head, versions) {
        Ok(version) => version,
        Err(fault) => return Err(fault.of(envelope)),
    };
    let refused = |reason, envelope| Err(Fault::new(reason, version.era()).of(envelope));
    let presence = match version.era() {
        Era::Modern => presence(envelope.shape),
        Era::Legacy => Presence::Optional,
    };
    let method = match method_of(&envelope, version, head, presence) {
        Ok(method) => method,
        Err(reason) => return refused(reason, envelope),
    };
    let target = match target::read(method, envelope.params) {
        Ok(target) => target,
        Err(reason) => return refused(reason, envelope),
    };
    let arguments = match target::arguments(method, envelope.params) {
        Ok(arguments) => arguments,
        Err(reason) => return refused(reason, envelope),
    };
    if let Err(reason) = head::check_target(head, method, &target, presence) {
        return refused(reason, envelope);
    }
    let Envelope { id, shape, params, result, .. } = envelope;
    Ok(Call { id, method, target, arguments, version, shape, params, result })
}

fn version_of(envelope: &Envelope<'_>, head: &Head<'_>, versions: VersionSet) -> Result<Version, Fault> {
    let meta = read_meta(envelope.params).map_err(|reason| Fault::new(reason, head.era(versions)))?;
    match meta.and_then(|meta| meta.get(VERSION_KEY).map(|stated| (meta, stated))) {
        Some((meta, stated)) => stateless(envelope, meta, stated, head, versions),
        None => by_header(envelope, head, versions),
    }
}

fn read_meta(params: Option<Value<'_>>) -> Result<Option<Value<'_>>, Refusal> {
    let Some(params) = params else { return Ok(None) };
    refuse_look_alikes(params, PARAMS)?;
    member_object(params, "_meta", META)
}

/// A message that states its version itself.
fn stateless(
    envelope: &Envelope<'_>,
    meta: Value<'_>,
    stated: Value<'_>,
    head: &Head<'_>,
    versions: VersionSet,
) -> Result<Version, Fault> {
    let modern = |reason| Fault::new(reason, Era::Modern);
    let stated = stated.as_str().ok_or(modern(Refusal::MissingMeta))?;
    check_meta(meta, envelope.shape).map_err(modern)?;
    let header = head.protocol_version.text().map_err(modern)?;
    // Two versions are a mismatch, whether or not one of them is served.
    if header.is_some_and(|text| *text != *stated) {
        return Err(modern(Refusal::HeaderMismatchVersion));
    }
    let version = match Version::parse(&stated) {
        Some(version) if version.era() == Era::Modern && versions.contains(version) => version,
        Some(_) | None => return Err(Fault::unsupported(&stated, Era::Modern)),
    };
    if let (None, Presence::Required) = (header, presence(envelope.shape)) {
        return Err(modern(Refusal::HeaderMissingVersion));
    }
    Ok(version)
}

/// Every modern request tells the client's capabilities; who the client is may be left out.
fn check_meta(meta: Value<'_>, shape: Shape) -> Result<(), Refusal> {
    let is_object = |value: Value<'_>| value.kind() == Kind::Object;
    let capabilities = meta.get(CAPABILITIES_KEY).map(is_object);
    let client = meta.get(CLIENT_KEY).map(is_object);
    match (shape, capabilities, client) {
        (Shape::Request, None, _) | (_, Some(false), _) | (_, _, Some(false)) => Err(Refusal::MissingMeta),
        (Shape::Request, Some(true), _) | (Shape::Notification | Shape::Response, _, _) => Ok(()),
    }
}

fn presence(shape: Shape) -> Presence {
    match shape {
        Shape::Request => Presence::Required,
        Shape::Notification | Shape::Response => Presence::Optional,
    }
}

/// A message whose version is in the header, or nowhere.
fn by_header(envelope: &Envelope<'_>, head: &Head<'_>, versions: VersionSet) -> Result<Version, Fault> {
    // As nearly everybody writes it.
    let plain = match head.protocol_version {
        HeaderValue::One(text) => Version::written(text).filter(|version| versions.contains(*version)),
        HeaderValue::Absent | HeaderValue::Several => None,
    };
    let version = match plain {
        Some(version) => version,
        None => match spelled(head, versions)? {
            Some(version) => version,
            None => return headerless(envelope, head, versions),
        },
    };
    match (version.era(), envelope.shape) {
        (Era::Legacy, _) => legacy(version, head),
        (Era::Modern, Shape::Request) => Err(Fault::new(Refusal::MissingMeta, Era::Modern)),
        (Era::Modern, Shape::Response) => Err(Fault::new(Refusal::ModernResponse, Era::Modern)),
        (Era::Modern, Shape::Notification) => Ok(version),
    }
}

/// The version that the header names in whatever spelling; none where there is no header.
#[inline(never)]
fn spelled(head: &Head<'_>, versions: VersionSet) -> Result<Option<Version>, Fault> {
    let text = head.protocol_version.text().map_err(|reason| Fault::new(reason, head.era(versions)))?;
    let Some(text) = text else { return Ok(None) };
    match Version::parse(text) {
        Some(version) if versions.contains(version) => Ok(Some(version)),
        Some(_) | None => Err(Fault::unsupported(text, era_of(text))),
    }
}

/// Neither body nor header name a version: a legacy client before or without negotiation.
fn headerless(envelope: &Envelope<'_>, head: &Head<'_>, versions: VersionSet) -> Result<Version, Fault> {
    let Some(newest) = versions.newest(Era::Legacy) else {
        return Err(match Method::parse(&envelope.method) {
            Some(Method::Initialize) => Fault::unsupported(&negotiated(envelope), Era::Modern),
            Some(_) | None => Fault::new(Refusal::HeaderMissingVersion, Era::Modern),
        });
    };
    let version = match Method::parse(&envelope.method) {
        Some(Method::Initialize) => {
            let asked = Version::parse(&negotiated(envelope)).filter(|asked| asked.era() == Era::Legacy);
            asked.filter(|asked| versions.contains(*asked)).unwrap_or(newest)
        }
        Some(_) | None if versions.contains(Version::ASSUMED) => Version::ASSUMED,
        Some(_) | None => return Err(Fault::new(Refusal::HeaderMissingVersion, Era::Legacy)),
    };
    legacy(version, head)
}

/// What an `initialize` asks for; only a wish, so anything unreadable is no wish.
fn negotiated(envelope: &Envelope<'_>) -> String {
    let wish = envelope.params.and_then(|params| params.get("protocolVersion"));
    wish.and_then(|wish| wish.as_str()).unwrap_or_default().into_owned()
}

fn legacy(version: Version, head: &Head<'_>) -> Result<Version, Fault> {
    match head::check_session(head) {
        Ok(()) => Ok(version),
        Err(reason) => Err(Fault::new(reason, Era::Legacy)),
    }
}

/// The method, as the header has it too.
fn method_of(
    envelope: &Envelope<'_>,
    version: Version,
    head: &Head<'_>,
    presence: Presence,
) -> Result<Method, Refusal> {
    head::check_method(head, &envelope.method, presence)?;
    read_method(envelope, version)
}

fn read_method(envelope: &Envelope<'_>, version: Version) -> Result<Method, Refusal> {
    let method = match envelope.shape {
        Shape::Response => Method::Response,
        Shape::Request | Shape::Notification => {
            Method::parse(&envelope.method).ok_or(Refusal::UnknownMethod)?
        }
    };
    if !method.known_in(version) {
        return Err(Refusal::MethodNotInVersion);
    }
    if method.shape() != Some(envelope.shape) {
        return Err(Refusal::WrongShape);
    }
    Ok(method)
}
