// SPDX-License-Identifier: Apache-2.0
//! The pages that a person sees: no script, nothing from elsewhere, everything escaped.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

use crate::{
    html::escape,
    issuer::{authorize::Asked, redirect, routes::set},
};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;color:#1b1f24}\
input,button{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin:.25rem 0 .75rem}\
dt{color:#57606a}dd{margin:0 0 .5rem;overflow-wrap:anywhere}.fault{color:#a40e26}";

/// The page that asks for name, password and consent.
pub(super) fn login(asked: &Asked, transaction: &str, action: &str, fault: Option<&str>) -> Response {
    let fault = fault.map(|fault| format!("<p class=\"fault\" role=\"alert\">{}</p>", escape(fault)));
    let scope = asked.scope.as_deref().unwrap_or("no particular scope");
    let resources = match asked.resources.as_slice() {
        [] => "the default audience".to_owned(),
        named => named.join(" "),
    };
    let body = format!(
        "<h1>Log in</h1>{fault}<p><strong>{client}</strong> asks for access in your name.</p>\
         <dl><dt>for</dt><dd>{resources}</dd><dt>scope</dt><dd>{scope}</dd><dt>and sends you back to</dt><dd>{place}</dd></dl>\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"transaction\" value=\"{transaction}\">\
         <label>Name<input name=\"username\" autocomplete=\"username\" required maxlength=\"256\"></label>\
         <label>Password<input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>\
         <button name=\"decision\" value=\"allow\">Log in and allow</button>\
         <button name=\"decision\" value=\"deny\" formnovalidate>Deny</button></form>\
         <p>This is a development issuer.</p>",
        fault = fault.unwrap_or_default(),
        client = escape(&asked.client.name),
        resources = escape(&resources),
        scope = escape(scope),
        place = escape(redirect::place(&asked.redirect)),
        action = escape(action),
        transaction = escape(transaction),
    );
    // Browsers hold the redirect that follows the form to `form-action`, too.
    page(StatusCode::OK, &body, &format!("'self' {}", redirect::source(&asked.redirect)))
}

/// A page that says what is wrong, where nobody can be sent back.
pub(super) fn fault(status: StatusCode, message: &str) -> Response {
    page(status, &format!("<h1>That did not work</h1><p>{}</p>", escape(message)), "'none'")
}

fn page(status: StatusCode, body: &str, form_action: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Toolgate issuer</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>{body}</body></html>"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let style = Base64::encode_string(&Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    set(&mut response, header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(&mut response, header::CONTENT_SECURITY_POLICY, &policy);
    guard(&mut response);
    response
}

/// The way back to the client.
pub(super) fn back(uri: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(uri) = HeaderValue::from_str(uri) {
        response.headers_mut().insert(header::LOCATION, uri);
    }
    guard(&mut response);
    response
}

fn guard(response: &mut Response) {
    let fixed: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        set(response, name, value);
    }
}
