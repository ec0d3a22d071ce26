// SPDX-License-Identifier: Apache-2.0
//! What a configuration becomes.

use super::*;
use crate::mcp::{Era, Version};

const FULL: &str = r#"{
    "host": {"headers_stop_iteration": true, "route_metadata": true, "presence": false},
    "unmatched": "pass",
    "servers": [{
        "name": "everything",
        "match": {"hosts": ["mcp.example.com"], "path": "/mcp"},
        "resource": "https://mcp.example.com/mcp",
        "versions": ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"],
        "issuers": ["corp"], "policy": "default",
        "anonymous": {"role": "guest"},
        "denial": "hidden",
        "tools": {"catalogue": [{"name": "code_edit", "class": "write"}, {"name": "add"}]},
        "origins": ["https://app.example.com"],
        "cors": {"origins": ["https://pages.example.com:443"]},
        "upstream": {"authorization": {"value": {"env": "UPSTREAM_TOKEN"}}},
        "scopes_supported": ["mcp:read"]
    }],
    "routes": [{"name": "health", "match": {"path": "/healthz", "methods": ["GET"]}, "allow": "anyone"}],
    "issuers": {"corp": {
        "issuer": "https://idp.example.com",
        "audiences": ["https://mcp.example.com/mcp"],
        "algorithms": ["RS256", "ES256"],
        "jwks": {"uri": "https://idp.example.com/jwks"},
        "claims": {"roles": ["roles", "realm_access.roles"], "scopes": ["scope", "scp"], "groups": ["groups"]}
    }},
    "clusters": {"idp.example.com": "idp"},
    "policies": {"default": {"inline": {"version": 1,
        "roles": {
            "guest": {},
            "readonly": {"allow": [{"methods": ["tools/list"]}, {"tools": ["get_*", "echo"]}]},
            "developer": {"inherits": ["readonly"],
                "allow": [{"id": "edit-code", "tools": ["code_*"], "when": {"args": {"/path": {"path_under": "src"}}}}],
                "deny": [{"id": "no-delete", "tools": ["*_delete"]}]}},
        "bindings": [{"role": "developer", "when": {"claims": {"/groups": {"contains": "eng"}}}, "until": "2027-01-01T00:00:00Z"}]}}},
    "secrets": {"shared_state": {"env": "STATE_KEY"}},
    "limits": {"max_body_bytes": 1000.0}, "audit": {"filter_state": true, "show_rule": true},
    "metrics": {"syntax": "istio", "max_series": 9}
}"#;

#[test]
fn the_example_of_the_design_compiles() {
    let config = good(FULL);
    assert_eq!(
        (config.host_mode, config.route_metadata, config.presence, config.unmatched),
        (HostMode::Held, RouteMetadata::Read, Presence::Unmarked, Unmatched::Pass)
    );
    assert_eq!((config.filter_state, config.show_rule), (FilterState::ALL, ShowRule::Always));
    assert_eq!((config.limits.body, config.limits.json.depth, config.limits.token), (1_000, 64, 8_192));
    assert_eq!((config.metrics.syntax, config.metrics.max_series), (MetricSyntax::Istio, 9));
    let [server] = &config.servers[..] else { panic!("one server") };
    assert_eq!(server.metadata_path, "/.well-known/oauth-protected-resource/mcp");
    assert_eq!(server.metadata_url, "https://mcp.example.com/.well-known/oauth-protected-resource/mcp");
    assert_eq!(
        server.metadata,
        r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://idp.example.com"],"scopes_supported":["mcp:read"],"bearer_methods_supported":["header"],"resource_name":"everything"}"#
    );
    assert_eq!(
        server.origins,
        ["https://app.example.com", "https://mcp.example.com", "https://pages.example.com"]
    );
    assert_eq!(server.cors, ["https://mcp.example.com", "https://pages.example.com"]);
    assert_eq!(
        (server.tool_index("add"), server.tool_index("code_edit"), server.tool_index("x")),
        (Some(0), Some(1), None)
    );
    assert_eq!((server.denial, server.anonymous.is_some()), (DenialStyle::Hidden, true));
    let [issuer] = &config.issuers[..] else { panic!("one issuer") };
    let KeyOrigin::Remote { place: KeyPlace::At(target), .. } = &issuer.keys else { panic!("remote") };
    let (cluster, path) = (target.cluster.as_str(), target.url.path_and_query());
    assert_eq!((cluster, path.as_str(), target.timeout_millis), ("idp", "/jwks", 5_000));
    let warnings: Vec<(String, &str)> = config
        .warnings
        .iter()
        .map(|warning| (Config::path_text(&warning.path), warning.message.as_str()))
        .collect();
    assert_eq!(
        warnings,
        [
            ("servers[0]".to_string(), "server `everything` lets callers without credentials in as `guest`"),
            (
                "unmatched".to_string(),
                "requests to host names that are not written here pass unguarded: the proxy must not route such hosts to a guarded server"
            ),
            (
                "host.presence".to_string(),
                "requests are not marked, so no filter behind the gate can refuse what passes a worker of the proxy that has no gate: leave `presence` on, or have every upstream ask for the token of `internal_jwt`"
            ),
        ]
    );
}

#[test]
fn an_issuer_may_share_secrets() {
    let issuer = r#""issuer":"https://idp.example.com","audiences":["https://mcp.example.com/mcp"],"algorithms":["HS512","HS256"],
        "secrets":[{"id":"old","value":{"env":"HS_512"},"until":"2027-01-01T00:00:00Z"},
                   {"id":"new","value":{"env":"HS_BASE64URL"},"encoding":"base64url"}],
        "max_age_seconds":900,"max_lifetime_seconds":1800,"clients":["cli"]"#;
    let config = good(&Parts { issuer, ..PARTS }.json());
    let [issuer] = &config.issuers[..] else { panic!("one issuer") };
    let KeyOrigin::Secrets(secrets) = &issuer.keys else { panic!("secrets") };
    let told: Vec<_> =
        secrets.iter().map(|secret| (secret.id(), secret.ends().map(|at| at.as_secs()))).collect();
    assert_eq!(told, [(Some("old"), Some(1_798_761_600)), (Some("new"), None)]);
    let rules = &issuer.rules;
    assert_eq!((rules.max_age_secs, rules.max_lifetime_secs), (Some(900), Some(1_800)));
    assert_eq!(rules.clients, ["cli"]);
    let printed = format!("{config:?}");
    assert!(
        printed.contains("SecretSet(2 secrets)") && !printed.contains("72, 72") && !printed.contains("HHHH")
    );
}

#[test]
fn no_secret_is_printed() {
    let printed = format!("{:?}", good(FULL));
    assert!(printed.contains("Replace(<secret>)") && printed.contains("StateKey(hidden)"));
    for secret in ["s3cr3t", "kkkk", format!("{:?}", b"s3cr3t".to_vec()).get(1..20).unwrap(), "107, 107"] {
        assert!(!printed.contains(secret), "{secret}");
    }
}

#[test]
fn defaults_are_narrow() {
    let config = good(&PARTS.json());
    assert_eq!(
        (config.host_mode, config.route_metadata, config.presence, config.unmatched),
        (HostMode::Streamed, RouteMetadata::Ignored, Presence::Marked, Unmatched::Refuse)
    );
    let [server] = &config.servers[..] else { panic!("one server") };
    assert!(server.anonymous.is_none() && matches!(server.upstream.authorization, Authorization::Strip));
    assert_eq!(server.denial, DenialStyle::Explicit);
    assert_eq!(
        server.versions.iter().map(Version::as_str).collect::<Vec<_>>(),
        ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
    );
    assert_eq!(server.versions.newest(Era::Legacy), Some(Version::V2025_11_25));
    assert_eq!(server.origins, ["https://mcp.example.com"]);
    assert_eq!(
        (config.limits.body, config.limits.token_cache, config.limits.wait_millis, config.limits.waiting),
        (1 << 20, 4_096, 5_000, 1_024)
    );
    assert_eq!(config.limits.token_cache_bytes, 12 << 20);
    let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
    assert!(warning.message.contains("DNS rebinding"));
}

/// Servers that share an issuer do not take each other's tokens, in whatever spelling.
#[test]
fn servers_do_not_accept_each_others_audience() {
    let server = |name: &str| {
        format!(
            r#""name":"{name}","match":{{"path":"/{name}"}},"resource":"https://h/{name}","issuers":["corp"],"policy":"default""#
        )
    };
    let issuer = r#""issuer":"https://idp","algorithms":["RS256"],"jwks":{"inline":JWKS},
        "audiences":["https://h/a","https://h/a/","https://H:443/b","https://h/b","https://h/r","api"]"#;
    let route = r#","routes":[{"name":"r","match":{"path":"/r"},"policy":"default","issuers":["corp"],"resource":"https://h/r"}]"#;
    let both = format!("{}}},{{{}", server("a"), server("b"));
    let config = good(&Parts { server: &both, issuer, top: route }.json());
    let accepted: Vec<&[String]> =
        config.servers.iter().map(|server| server.issuers[0].accepted.as_slice()).collect();
    assert_eq!(accepted[0], ["https://h/a", "https://h/a/", "api"]);
    assert_eq!(accepted[1], ["https://H:443/b", "https://h/b", "api"]);
    let Access::Policy(rules) = &config.routes[0].access else { panic!("a policy") };
    assert_eq!(rules.issuers[0].accepted, ["https://h/r", "api"]);
    assert_eq!(rules.metadata_url.as_deref(), Some("https://h/.well-known/oauth-protected-resource/r"));
}

#[test]
fn the_metadata_of_a_server_at_the_root_has_no_slash_at_the_end() {
    for (resource, path) in [
        ("https://h", "/.well-known/oauth-protected-resource"),
        ("https://h/", "/.well-known/oauth-protected-resource"),
        ("https://h/a/b?x=1", "/.well-known/oauth-protected-resource/a/b?x=1"),
    ] {
        let server = SERVER.replace("https://mcp.example.com/mcp", resource);
        assert_eq!(good(&Parts { server: &server, ..PARTS }.json()).servers[0].metadata_path, path);
    }
}

#[test]
fn keys_are_not_fresh_once_they_are_too_old_to_be_used() {
    for (written, expected) in [
        ("", (60, 3_600, 86_400)),
        (r#","max_stale_seconds":90"#, (60, 90, 90)),
        (r#","max_stale_seconds":30"#, (30, 30, 30)),
        (r#","min_refresh_seconds":5,"max_stale_seconds":30"#, (5, 30, 30)),
        (r#","max_refresh_seconds":20"#, (20, 20, 86_400)),
    ] {
        let uri = r#""jwks": {"uri": "https://idp.example.com/jwks""#;
        let config = good(&FULL.replace(uri, &format!("{uri}{written}")));
        let Some(KeyOrigin::Remote { refresh, .. }) = config.issuers.first().map(|issuer| &issuer.keys)
        else {
            panic!("{written}")
        };
        let found = (refresh.freshness.floor_secs, refresh.freshness.ceiling_secs, refresh.max_stale_secs);
        assert_eq!(found, expected, "{written}");
    }
}
