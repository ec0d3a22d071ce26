// SPDX-License-Identifier: Apache-2.0

mod catalogue;
mod era;
mod list;
mod refusals;
mod sse;

use super::*;
use crate::json::{Doc, Limits};
use alloc::string::{String, ToString};

pub(super) const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#;
pub(super) const MODERN: &str = "2026-07-28";

pub(super) fn one(text: &str) -> HeaderValue<'_> {
    HeaderValue::One(text.as_bytes())
}

/// Version, method and name, each absent when empty.
pub(super) fn head<'h>(version: &'h str, method: &'h str, name: &'h str) -> Head<'h> {
    let value = |text: &'h str| if text.is_empty() { HeaderValue::Absent } else { one(text) };
    Head {
        protocol_version: value(version),
        method: value(method),
        name: value(name),
        session: HeaderValue::Absent,
    }
}

pub(super) fn envelope() -> &'static str {
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
}

pub(super) fn modern(method: &str, params: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    [r#"{"jsonrpc":"2.0","id":1,"method":""#, method, r#"","params":{"#, envelope(), comma, params, "}}"]
        .concat()
}

pub(super) fn legacy(method: &str, params: &str) -> String {
    [r#"{"jsonrpc":"2.0","id":1,"method":""#, method, r#"","params":{"#, params, "}}"].concat()
}

/// What became of a message, in short: `method target` or `!label era code status id`.
pub(super) fn outcome(text: &str, head: &Head<'_>, versions: VersionSet) -> String {
    let doc = match Doc::parse(text.as_bytes(), Limits::MESSAGE) {
        Ok(doc) => doc,
        Err(error) => return told(&unreadable(&error, head, versions)),
    };
    match classify(&doc, head, versions) {
        Ok(call) => {
            [call.method.name(), " ", call.target.text().unwrap_or("-"), " ", call.version.as_str()].concat()
        }
        Err(refused) => told(&refused),
    }
}

pub(super) fn told(refused: &Refused<'_>) -> String {
    let id = refused.id.as_ref().map_or("-", Id::raw);
    let (label, code, status) = (refused.reason.label(), refused.code(), refused.http_status());
    alloc::format!("!{label} {:?} {code} {status} {id}", refused.era)
}

#[test]
fn error_bodies_echo_the_id_exactly() {
    let text = CALL.replace("\"id\":1", r#""id":"a\u0041\"é""#);
    let doc = Doc::parse(text.as_bytes(), Limits::MESSAGE).unwrap();
    let call = classify(&doc, &Head::EMPTY, VersionSet::ALL).unwrap();
    let data = Data::Reason { reason: "no_rule", decision_id: "d\"1" };
    assert_eq!(
        error_body(call.id.as_ref(), 403, "not \"allowed\"", data),
        r#"{"jsonrpc":"2.0","id":"a\u0041\"é","error":{"code":403,"message":"not \"allowed\"","data":{"reason":"no_rule","decision_id":"d\"1"}}}"#
    );
    assert_eq!(
        error_body(None, -32700, "x", Data::Nothing),
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}"#
    );
    let supported = VersionSet::EMPTY.with(Version::V2026_07_28).with(Version::V2025_03_26);
    let body = error_body(
        call.id.map(Id::into_owned).as_ref(),
        -32022,
        "x",
        Data::Versions { supported, requested: "1\n" },
    );
    assert!(
        body.ends_with(r#""data":{"supported":["2025-03-26","2026-07-28"],"requested":"1\n"}}}"#),
        "{body}"
    );
    assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
}

#[test]
fn a_refusal_has_a_body() {
    let doc = Doc::parse(CALL.as_bytes(), Limits::MESSAGE).unwrap();
    let refused = classify(&doc, &head("2027-01-01", "", ""), VersionSet::STREAMABLE).unwrap_err();
    let body: serde_json::Value = serde_json::from_str(&refused.body(VersionSet::STREAMABLE, "d1")).unwrap();
    assert_eq!(body["error"]["code"], -32022);
    assert_eq!(body["error"]["data"]["requested"], "2027-01-01");
    assert_eq!(body["error"]["data"]["supported"].as_array().unwrap().len(), 4);
    let doc = Doc::parse(b"[]", Limits::MESSAGE).unwrap();
    let refused = classify(&doc, &Head::EMPTY, VersionSet::STREAMABLE).unwrap_err();
    let body: serde_json::Value = serde_json::from_str(&refused.body(VersionSet::STREAMABLE, "d1")).unwrap();
    assert_eq!(body["error"]["data"]["reason"].to_string(), "\"batch\"");
    assert!(body.get("id").is_none());
}
