//! The chains that are compared. Each is a listener of the same Envoy process, made of the listener that ships.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use super::tokens::{COLD, ISSUER, RESOURCE, WARM};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chain {
    /// The router alone.
    Bare,
    /// A Wasm filter that does nothing.
    Noop,
    /// `jwt_authn` with its cache, `mcp`, `rbac` on role and tool.
    Native,
    /// The same without the cache, every token new to it.
    NativeUncached,
    /// Toolgate, request headers held until the body is judged.
    Toolgate,
    /// Toolgate as Istio's `WasmPlugin` runs it: headers leave first.
    ToolgateStreamed,
    /// Toolgate with a cache that is too small for the tokens.
    ToolgateCold,
}

impl Chain {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Bare,
        Self::Noop,
        Self::Native,
        Self::NativeUncached,
        Self::Toolgate,
        Self::ToolgateStreamed,
        Self::ToolgateCold,
    ];

    /// Its name in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Noop => "noop",
            Self::Native => "native",
            Self::NativeUncached => "native_uncached",
            Self::Toolgate => "toolgate",
            Self::ToolgateStreamed => "toolgate_streamed",
            Self::ToolgateCold => "toolgate_cold",
        }
    }

    /// How many tokens rotate.
    #[must_use]
    pub fn tokens(self) -> usize {
        match self {
            Self::NativeUncached | Self::ToolgateCold => COLD,
            _ => WARM,
        }
    }

    /// Whether it judges at all.
    #[must_use]
    pub fn judges(self) -> bool {
        !matches!(self, Self::Bare | Self::Noop)
    }
}

/// What the chains are made of.
#[derive(Clone, Debug)]
pub struct Parts<'p> {
    /// A listener with Toolgate, as it ships.
    pub listener: Value,
    /// The filter that does nothing.
    pub noop: &'p Path,
    /// Toolgate.
    pub wasm: &'p Path,
    /// The issuer's keys.
    pub jwks: Value,
}

impl Parts<'_> {
    /// The listener of `chain` on `port`.
    ///
    /// # Errors
    /// If the shipped listener has lost a part.
    pub fn listener(&self, chain: Chain, port: u16) -> Result<Value> {
        let mut listener = self.listener.clone();
        listener["name"] = json!(chain.name());
        *at(&mut listener, "/address/socket_address/port_value")? = json!(port);
        let manager = at(&mut listener, "/filter_chains/0/filters/0/typed_config")?;
        manager["stat_prefix"] = json!(chain.name());
        let filters = at(manager, "/http_filters")?.as_array_mut().context("`http_filters` is not a list")?;
        let gate = filters.remove(0);
        let own = match chain {
            Chain::Bare => Vec::new(),
            Chain::Noop => vec![self.noop(gate)?],
            Chain::Native => self.native(Some(COLD)),
            Chain::NativeUncached => self.native(None),
            Chain::Toolgate => vec![self.toolgate(gate, chain, true, 4_096)?],
            Chain::ToolgateStreamed => vec![self.toolgate(gate, chain, false, 4_096)?],
            Chain::ToolgateCold => vec![self.toolgate(gate, chain, true, 64)?],
        };
        filters.splice(0..0, own);
        Ok(listener)
    }

    fn noop(&self, mut gate: Value) -> Result<Value> {
        gate["name"] = json!("noop");
        let config = at(&mut gate, "/typed_config/config")?;
        config["name"] = json!("noop");
        config["root_id"] = json!("noop");
        config["configuration"] = string("");
        config["vm_config"]["vm_id"] = json!("noop");
        config["vm_config"]["code"] = json!({ "local": { "filename": self.noop } });
        Ok(gate)
    }

    /// A VM of its own for each chain, so that caches and shared data are too.
    fn toolgate(&self, mut gate: Value, chain: Chain, held: bool, cache: usize) -> Result<Value> {
        let config = at(&mut gate, "/typed_config/config")?;
        config["allow_on_headers_stop_iteration"] = json!(held);
        config["configuration"] = string(&configuration(&self.jwks, held, cache).to_string());
        config["vm_config"]["vm_id"] = json!(chain.name());
        config["vm_config"]["code"] = json!({ "local": { "filename": self.wasm } });
        Ok(gate)
    }

    fn native(&self, cache: Option<usize>) -> Vec<Value> {
        let mut provider = json!({
            "issuer": ISSUER,
            "audiences": [RESOURCE],
            "local_jwks": { "inline_string": self.jwks.to_string() },
            "payload_in_metadata": "jwt",
        });
        if let Some(size) = cache {
            provider["jwt_cache_config"] = json!({ "jwt_cache_size": size });
        }
        let authn = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": { "corp": provider },
            "rules": [{ "match": { "path": "/mcp" }, "requires": { "provider_name": "corp" } }],
        });
        let mcp = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.mcp.v3.Mcp",
            "traffic_mode": "REJECT_NO_MCP",
            "reject_duplicate_keys": true,
        });
        let rbac = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": { "action": "ALLOW", "policies": {
                "developer": rule(&["developer"], &["code_edit", "get_weather"]),
                "readonly": rule(&["readonly"], &["get_weather", "echo"]),
            } },
        });
        let filter = |name: &str, config: Value| json!({ "name": format!("envoy.filters.http.{name}"), "typed_config": config });
        vec![filter("jwt_authn", authn), filter("mcp", mcp), filter("rbac", rbac)]
    }
}

/// A policy of `rbac`: one of these roles may call one of these tools.
fn rule(roles: &[&str], tools: &[&str]) -> Value {
    let matcher = |filter: &str, path: &[&str], value: Value| {
        let path = path.iter().map(|key| json!({ "key": key })).collect::<Vec<_>>();
        json!({ "sourced_metadata": {
            "metadata_matcher": { "filter": format!("envoy.filters.http.{filter}"), "path": path, "value": value },
        } })
    };
    let text = |text: &str| json!({ "string_match": { "exact": text } });
    let role = |role: &&str| {
        matcher("jwt_authn", &["jwt", "roles"], json!({ "list_match": { "one_of": text(role) } }))
    };
    let tool = |tool: &&str| matcher("mcp", &["params", "name"], text(tool));
    let call = matcher("mcp", &["method"], text("tools/call"));
    let tools = json!({ "or_rules": { "rules": tools.iter().map(tool).collect::<Vec<_>>() } });
    json!({
        "principals": roles.iter().map(role).collect::<Vec<_>>(),
        "permissions": [{ "and_rules": { "rules": [call, tools] } }],
    })
}

/// Toolgate's configuration; the policy says what the rules of `rbac` say.
#[must_use]
pub fn configuration(jwks: &Value, held: bool, cache: usize) -> Value {
    let catalogue = ["get_weather", "echo", "code_edit", "code_delete"].map(|name| json!({ "name": name }));
    json!({
        "host": { "headers_stop_iteration": held },
        "servers": [{
            "name": "bench",
            "match": { "hosts": ["mcp.example.com"], "path": "/mcp" },
            "resource": RESOURCE,
            "issuers": ["corp"],
            "policy": "default",
            "tools": { "catalogue": catalogue },
        }],
        "issuers": { "corp": {
            "issuer": ISSUER,
            "audiences": [RESOURCE],
            "algorithms": ["RS256"],
            "jwks": { "inline": jwks },
        } },
        "policies": { "default": { "inline": {
            "version": 1,
            "roles": {
                "readonly": { "allow": [{ "tools": ["get_weather", "echo"] }] },
                "developer": { "allow": [{ "tools": ["code_edit", "get_weather"] }] },
            },
            "bindings": [bind("readonly"), bind("developer")],
        } } },
        "limits": { "token_cache_entries": cache },
    })
}

fn bind(role: &str) -> Value {
    json!({ "role": role, "when": { "claims": { "/roles": { "contains": role } } } })
}

fn string(text: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": text })
}

fn at<'v>(value: &'v mut Value, pointer: &str) -> Result<&'v mut Value> {
    value.pointer_mut(pointer).ok_or_else(|| anyhow!("the shipped listener has no `{pointer}`"))
}
