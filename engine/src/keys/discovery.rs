// SPDX-License-Identifier: Apache-2.0
//! Where an issuer's keys are, by its own word: authorization server metadata (RFC 8414) and OpenID Connect Discovery.
//!
//! What enters: the issuer's name, the clusters there are, the bytes of a metadata document. What leaves: the endpoint
//! of its key set. A document that names another issuer, or a host that no cluster reaches, is of no use.

use crate::config::origin::Url;
use crate::feed::{Content, Endpoint, SourceId};
use crate::json::{Doc, Limits, Named};
use crate::time::UnixTime;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What key sets are asked for by.
pub const ACCEPT_KEYS: &str = "application/jwk-set+json, application/json";
const LIMITS: Limits = Limits { depth: 16, nodes: 4_096 };

/// What a metadata document is read by.
#[derive(Clone, Debug)]
pub struct DiscoveryRules {
    /// The issuer: must stand in the document, byte for byte (RFC 8414 section 3.3).
    pub issuer: String,
    /// Whether that issuer's keys may be fetched without TLS: only where its own name begins with `http`.
    pub scheme: String,
    /// Hosts and the clusters that reach them.
    pub clusters: Named<String>,
    /// How long the fetch of the keys may take, in milliseconds.
    pub timeout_millis: u32,
}

/// Where the keys are.
#[derive(Clone, Debug)]
pub struct Located {
    /// The endpoint.
    pub endpoint: Endpoint,
    generation: u64,
}

impl Content for Located {
    type Rules = DiscoveryRules;
    const MAX_BYTES: usize = 64 * 1024;

    fn read(
        bytes: &[u8],
        rules: &DiscoveryRules,
        _: Option<&Located>,
        _: UnixTime,
    ) -> Result<Located, &'static str> {
        let doc = Doc::parse(bytes, LIMITS).map_err(|_| "not_json")?;
        let member = |name: &str| doc.root().get(name);
        if !member("issuer").is_some_and(|issuer| issuer.is_str(&rules.issuer)) {
            return Err("wrong_issuer");
        }
        let text = member("jwks_uri").and_then(|uri| uri.as_str()).ok_or("no_jwks_uri")?;
        let url = Url::parse(&text).ok_or("no_jwks_uri")?;
        if url.scheme != "https" && url.scheme != rules.scheme {
            return Err("insecure");
        }
        let cluster = rules.clusters.get(&url.authority).ok_or("no_cluster")?.to_owned();
        let generation = SourceId::new(&[&text]).number();
        let endpoint = Endpoint { cluster, url, accept: ACCEPT_KEYS, timeout_millis: rules.timeout_millis };
        Ok(Located { endpoint, generation })
    }

    fn generation(&self) -> u64 {
        self.generation
    }
}

/// The places of an issuer's metadata, in the order in which MCP clients try them: RFC 8414 section 3.1, OpenID Connect
/// Discovery in the manner of RFC 8414 (section 5), OpenID Connect Discovery 1.0 section 4.
#[must_use]
pub fn metadata_places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path.trim_end_matches('/');
    let at = |path: String| Url { path, query: None, ..issuer.clone() };
    let mut places = Vec::with_capacity(3);
    places.push(at(format!("/.well-known/oauth-authorization-server{path}")));
    places.push(at(format!("/.well-known/openid-configuration{path}")));
    if !path.is_empty() {
        places.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(issuer: &str) -> DiscoveryRules {
        let clusters = [("idp.example.com", "idp"), ("keys.example.com", "keys")];
        DiscoveryRules {
            issuer: issuer.to_owned(),
            scheme: Url::parse(issuer).unwrap().scheme,
            clusters: clusters
                .map(|(host, cluster)| (host.to_owned(), cluster.to_owned()))
                .into_iter()
                .collect(),
            timeout_millis: 1_000,
        }
    }

    fn places(issuer: &str) -> Vec<String> {
        metadata_places(&Url::parse(issuer).unwrap()).iter().map(Url::path_and_query).collect()
    }

    #[test]
    fn places_are_those_of_the_three_rules() {
        let root = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
        assert_eq!(places("https://idp.example.com"), root);
        assert_eq!(places("https://idp.example.com/"), root);
        for issuer in ["https://idp.example.com/realms/a", "https://idp.example.com/realms/a/"] {
            assert_eq!(
                places(issuer),
                [
                    "/.well-known/oauth-authorization-server/realms/a",
                    "/.well-known/openid-configuration/realms/a",
                    "/realms/a/.well-known/openid-configuration",
                ]
            );
        }
    }

    #[test]
    fn a_document_counts_only_for_its_own_issuer_and_known_hosts() {
        let read = |issuer: &str, text: &str| {
            Located::read(text.as_bytes(), &rules(issuer), None, UnixTime::default())
                .map(|located| format!("{} {}", located.endpoint.cluster, located.endpoint.url.origin()))
        };
        let idp = "https://idp.example.com";
        let document =
            |issuer: &str, uri: &str| format!(r#"{{"issuer":"{issuer}","jwks_uri":"{uri}","x":[1]}}"#);
        let good = document(idp, "https://keys.example.com/jwks");
        assert_eq!(read(idp, &good).as_deref(), Ok("keys https://keys.example.com"));
        for (text, label) in [
            ("<html>".to_owned(), "not_json"),
            ("[]".to_owned(), "wrong_issuer"),
            (format!(r#"{{"issuer":"{idp}","issuer":"{idp}"}}"#), "not_json"),
            (document("https://idp.example.com/", "https://keys.example.com/jwks"), "wrong_issuer"),
            (document("https://IDP.example.com", "https://keys.example.com/jwks"), "wrong_issuer"),
            (format!(r#"{{"issuer":"{idp}"}}"#), "no_jwks_uri"),
            (format!(r#"{{"issuer":"{idp}","jwks_uri":7}}"#), "no_jwks_uri"),
            (document(idp, "/jwks"), "no_jwks_uri"),
            (document(idp, "https://evil.example.com/jwks"), "no_cluster"),
            (document(idp, "https://idp.example.com:8443/jwks"), "no_cluster"),
            (document(idp, "http://keys.example.com/jwks"), "insecure"),
        ] {
            assert_eq!(read(idp, &text), Err(label), "{text}");
        }
        // An issuer without TLS of its own may have keys without TLS; that is for development.
        let plain = document("http://idp.example.com", "http://keys.example.com/jwks");
        assert!(read("http://idp.example.com", &plain).is_ok());
    }
}
