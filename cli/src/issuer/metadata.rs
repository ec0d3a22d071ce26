// SPDX-License-Identifier: Apache-2.0
//! What the issuer says of itself (RFC 8414).

use serde_json::{Value, json};
use toolgate_engine::keys::Alg;

use crate::issuer::{
    access::asymmetric,
    settings::{Documents, Registration},
    state::Issuer,
};

/// The document, the same at the OAuth and the OpenID well-known path: there are no ID tokens.
pub(super) fn document(issuer: &Issuer) -> Value {
    let base = &issuer.settings.issuer;
    let mut scopes = issuer.clients.scopes();
    if scopes.is_empty() {
        // Clients without a list may ask for any; an empty list would have to be left out (section 3.2).
        scopes.push("mcp");
    }
    let secrets = ["client_secret_basic", "client_secret_post"];
    let or_none = ["none", "client_secret_basic", "client_secret_post"];
    let proofs: Vec<&str> = asymmetric().map(Alg::name).collect();
    let mut document = json!({
        "issuer": base,
        "authorization_endpoint": issuer.url("authorize"),
        "token_endpoint": issuer.url("token"),
        "jwks_uri": issuer.url("jwks"),
        "revocation_endpoint": issuer.url("revoke"),
        "introspection_endpoint": issuer.url("introspect"),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "token_endpoint_auth_methods_supported": or_none,
        "revocation_endpoint_auth_methods_supported": or_none,
        "introspection_endpoint_auth_methods_supported": secrets,
        // MCP clients refuse an issuer that does not name S256, whatever grant they use.
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": issuer.settings.documents != Documents::Off,
        "dpop_signing_alg_values_supported": proofs,
        "scopes_supported": scopes,
        // OpenID Discovery section 3 demands these two, and so do clients that read its path.
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    if let (Registration::Open, Some(members)) = (issuer.settings.registration, document.as_object_mut()) {
        members.insert("registration_endpoint".to_owned(), json!(issuer.url("register")));
    }
    document
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
