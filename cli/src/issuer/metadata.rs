// SPDX-License-Identifier: Apache-2.0
//! What the issuer says of itself (RFC 8414).

use serde_json::{Value, json};

use crate::issuer::state::Issuer;

/// The document, the same at the OAuth and the OpenID well-known path: there are no ID tokens.
pub(super) fn document(issuer: &Issuer) -> Value {
    let base = &issuer.settings.issuer;
    let mut scopes = issuer.clients.scopes();
    if scopes.is_empty() {
        // Clients without a list may ask for any; an empty list would have to be left out (section 3.2).
        scopes.push("mcp");
    }
    json!({
        "issuer": base,
        "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/jwks"),
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        // MCP clients refuse an issuer that does not name S256, whatever grant they use.
        "code_challenge_methods_supported": ["S256"],
        "response_types_supported": [],
        "scopes_supported": scopes,
    })
}

/// Where it is looked for, for an issuer with this path: RFC 8414 section 3.1 (inserted), OpenID Discovery section 4
/// (appended).
pub(super) fn paths(path: &str) -> Vec<String> {
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        paths.push(format!("{path}/.well-known/openid-configuration"));
    }
    paths
}
