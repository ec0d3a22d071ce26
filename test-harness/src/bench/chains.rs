//! The chains that are compared. Each is a listener of the same Envoy process, made of the listener that ships.

use std::{net::SocketAddr, path::Path};

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
    /// A Wasm filter that makes the host calls of `toolgate`, holds as it does, and decides nothing.
    Calls,
    /// `jwt_authn` with its cache, `mcp`, `rbac` on role and tool.
    Native,
    /// The same without the cache, every token new to it.
    NativeUncached,
    /// `native`, a limit per principal and one per tool, a JSON access log.
    NativeFull,
    /// Toolgate with authentication, per-tool RBAC and metrics; request headers held until the body is judged.
    Toolgate,
    /// `toolgate` with its mark, and the filter behind it that refuses what has none.
    ToolgatePresence,
    /// `toolgate` with a limit per principal and one per tool, shared by all workers.
    ToolgateLimits,
    /// Toolgate as it is when nothing is switched off: its mark, identity headers, every answer looked into.
    ToolgateDefaults,
    /// `toolgate` as Istio's `WasmPlugin` runs it: headers leave first.
    ToolgateStreamed,
    /// `toolgate` with a cache that is too small for the tokens.
    ToolgateCold,
    /// `toolgate` without a token cache: one token is as cold as many.
    ToolgateUncached,
    /// Toolgate with identity headers, filter state, two limits, and an access log of sealed audit records.
    ToolgateFull,
    /// `toolgate_full` that looks into every answer, not lists alone.
    ToolgateInspected,
    /// `toolgate_defaults` with audit records in Envoy's log.
    ToolgateLog,
    /// `toolgate_defaults` with audit records in an access log.
    ToolgateAccessLog,
    /// `toolgate_defaults` with audit records sent to a collector.
    ToolgateCollector,
    /// `ext_authz` with a policy server beside Envoy; its CPU counts too.
    ExtAuthz,
}

impl Chain {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Bare,
        Self::Noop,
        Self::Calls,
        Self::Native,
        Self::NativeUncached,
        Self::NativeFull,
        Self::Toolgate,
        Self::ToolgatePresence,
        Self::ToolgateLimits,
        Self::ToolgateDefaults,
        Self::ToolgateStreamed,
        Self::ToolgateCold,
        Self::ToolgateFull,
        Self::ToolgateInspected,
        Self::ExtAuthz,
    ];

    /// Whether a claim is made about it: about its cost beside another's.
    #[must_use]
    pub fn is_claimed(self) -> bool {
        use Chain::{Native, NativeFull, NativeUncached, Toolgate, ToolgateCold, ToolgateFull};
        matches!(self, Toolgate | ToolgateCold | ToolgateFull | Native | NativeUncached | NativeFull)
    }

    /// Whether it remembers what it has verified.
    #[must_use]
    pub fn has_cache(self) -> bool {
        !matches!(
            self,
            Self::Bare
                | Self::Noop
                | Self::Calls
                | Self::NativeUncached
                | Self::ToolgateUncached
                | Self::ExtAuthz
        )
    }

    /// What is compared at fixed rates; what is held against each other comes one after the other.
    pub const PACED: [Self; 7] = [
        Self::Bare,
        Self::Native,
        Self::Toolgate,
        Self::NativeUncached,
        Self::ToolgateUncached,
        Self::NativeFull,
        Self::ToolgateFull,
    ];

    /// What is compared to see what outlets of audit records cost.
    pub const OUTLETS: [Self; 4] =
        [Self::ToolgateDefaults, Self::ToolgateLog, Self::ToolgateAccessLog, Self::ToolgateCollector];

    /// The outlet of its audit records.
    #[must_use]
    pub fn outlet(self) -> Option<&'static str> {
        match self {
            Self::ToolgateLog => Some("log"),
            Self::ToolgateAccessLog | Self::ToolgateFull | Self::ToolgateInspected => Some("access_log"),
            Self::ToolgateCollector => Some("collector"),
            _ => None,
        }
    }

    /// Its name in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Noop => "noop",
            Self::Calls => "calls",
            Self::Native => "native",
            Self::NativeUncached => "native_uncached",
            Self::NativeFull => "native_full",
            Self::Toolgate => "toolgate",
            Self::ToolgatePresence => "toolgate_presence",
            Self::ToolgateLimits => "toolgate_limits",
            Self::ToolgateDefaults => "toolgate_defaults",
            Self::ToolgateStreamed => "toolgate_streamed",
            Self::ToolgateCold => "toolgate_cold",
            Self::ToolgateUncached => "toolgate_uncached",
            Self::ToolgateFull => "toolgate_full",
            Self::ToolgateInspected => "toolgate_inspected",
            Self::ToolgateLog => "toolgate_log",
            Self::ToolgateAccessLog => "toolgate_access_log",
            Self::ToolgateCollector => "toolgate_collector",
            Self::ExtAuthz => "ext_authz",
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
        !matches!(self, Self::Bare | Self::Noop | Self::Calls)
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
    /// The policy server of `ext_authz`.
    pub authz: SocketAddr,
    /// Rules of Toolgate's policy besides those that the budgets speak of.
    pub more_rules: usize,
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
        let (gate, presence) = (take(filters, "toolgate")?, take(filters, "toolgate-presence")?);
        let own = match chain {
            Chain::Bare => Vec::new(),
            Chain::Noop => vec![self.noop(gate, "")?],
            Chain::Calls => vec![self.noop(gate, "calls")?],
            Chain::Native => self.native(Some(COLD)),
            Chain::NativeUncached => self.native(None),
            Chain::NativeFull => {
                let mut filters = self.native(Some(COLD));
                filters.push(local_limits());
                filters
            }
            Chain::Toolgate => vec![self.toolgate(gate, chain, Setup::WARM)?],
            Chain::ToolgatePresence => {
                vec![self.toolgate(gate, chain, Setup { marked: true, ..Setup::WARM })?, presence]
            }
            // What outlets cost is their difference to the first.
            Chain::ToolgateDefaults
            | Chain::ToolgateLog
            | Chain::ToolgateAccessLog
            | Chain::ToolgateCollector => {
                vec![
                    self.toolgate(
                        gate,
                        chain,
                        Setup { told: true, inspected: true, marked: true, ..Setup::WARM },
                    )?,
                    presence,
                ]
            }
            Chain::ToolgateStreamed => {
                vec![self.toolgate(gate, chain, Setup { held: false, ..Setup::WARM })?]
            }
            Chain::ToolgateCold => vec![self.toolgate(gate, chain, Setup { cache: 64, ..Setup::WARM })?],
            Chain::ToolgateUncached => vec![self.toolgate(gate, chain, Setup { cache: 0, ..Setup::WARM })?],
            Chain::ToolgateLimits => {
                vec![self.toolgate(gate, chain, Setup { limited: true, ..Setup::WARM })?]
            }
            Chain::ToolgateFull => {
                vec![self.toolgate(gate, chain, Setup::FULL)?]
            }
            Chain::ToolgateInspected => {
                vec![self.toolgate(gate, chain, Setup { inspected: true, ..Setup::FULL })?]
            }
            Chain::ExtAuthz => vec![ext_authz(self.authz)],
        };
        filters.splice(0..0, own);
        if let Some(log) = access_log(chain) {
            manager["access_log"] = json!([log]);
        }
        Ok(listener)
    }

    fn noop(&self, mut gate: Value, configuration: &str) -> Result<Value> {
        gate["name"] = json!("noop");
        let config = at(&mut gate, "/typed_config/config")?;
        config["name"] = json!("noop");
        config["root_id"] = json!("noop");
        config["configuration"] = string(configuration);
        config["allow_on_headers_stop_iteration"] = json!(true);
        config["vm_config"]["vm_id"] = json!(format!("noop-{configuration}"));
        config["vm_config"]["code"] = json!({ "local": { "filename": self.noop } });
        Ok(gate)
    }

    /// A VM of its own for each chain, so that caches and shared data are too.
    fn toolgate(&self, mut gate: Value, chain: Chain, setup: Setup) -> Result<Value> {
        let config = at(&mut gate, "/typed_config/config")?;
        config["allow_on_headers_stop_iteration"] = json!(setup.held);
        let outlet = chain.outlet();
        let mut own = configuration(&self.jwks, setup);
        grow(&mut own, self.more_rules)?;
        if let Some(outlet) = outlet {
            record(&mut own, outlet);
        }
        config["configuration"] = string(&own.to_string());
        config["vm_config"]["vm_id"] = json!(chain.name());
        config["vm_config"]["code"] = json!({ "local": { "filename": self.wasm } });
        let keys = json!({
            "BENCH_AUDIT_KEY": "an audit key of thirty-two bytes", "BENCH_STATE_KEY": "a shared key of thirty-two bytes",
        });
        config["vm_config"]["environment_variables"] = json!({ "key_values": keys });
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
            "max_request_body_size": 131_072,
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

/// Takes the filter of this name away.
fn take(filters: &mut Vec<Value>, name: &str) -> Result<Value> {
    let place = filters.iter().position(|filter| filter["name"] == name);
    Ok(filters.remove(place.with_context(|| format!("there is no filter `{name}`"))?))
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

/// A limit per principal and one per tool, large enough to let everything through.
fn local_limits() -> Value {
    let bucket =
        json!({ "max_tokens": 1_000_000_000, "tokens_per_fill": 1_000_000_000, "fill_interval": "1s" });
    let dynamic = |key: &str, filter: &str, path: [&str; 2]| {
        let path = path.map(|key| json!({ "key": key }));
        json!({ "actions": [{ "metadata": {
            "descriptor_key": key, "source": "DYNAMIC",
            "metadata_key": { "key": format!("envoy.filters.http.{filter}"), "path": path },
        } }] })
    };
    json!({ "name": "envoy.filters.http.local_ratelimit", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limits",
        "token_bucket": bucket,
        "filter_enabled": { "default_value": { "numerator": 100 } },
        "filter_enforced": { "default_value": { "numerator": 100 } },
        "rate_limits": [
            dynamic("principal", "jwt_authn", ["jwt", "sub"]),
            dynamic("tool", "mcp", ["params", "name"]),
        ],
        "descriptors": [
            { "entries": [{ "key": "principal" }], "token_bucket": bucket },
            { "entries": [{ "key": "tool" }], "token_bucket": bucket },
        ],
        "max_dynamic_descriptors": 4_096,
    } })
}

/// One JSON line a request, to nowhere: what it costs is the making.
fn access_log(chain: Chain) -> Option<Value> {
    let format = match chain {
        Chain::NativeFull => json!({ "json_format": {
            "time": "%START_TIME%", "status": "%RESPONSE_CODE%", "details": "%RESPONSE_CODE_DETAILS%", "own": {
                "subject": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:jwt:sub)%",
                "tool": "%DYNAMIC_METADATA(envoy.filters.http.mcp:params:name)%",
            },
        } }),
        // The audit record has all of that and more, and is JSON already.
        Chain::ToolgateFull | Chain::ToolgateInspected | Chain::ToolgateAccessLog => {
            json!({ "text_format_source": {
            "inline_string": "%FILTER_STATE(wasm.toolgate_audit:PLAIN)%\n",
        } })
        }
        _ => return None,
    };
    Some(json!({ "name": "envoy.access_loggers.file", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": "/dev/null",
        "log_format": format,
    } }))
}

/// The policy server sees head and body of each request.
fn ext_authz(server: SocketAddr) -> Value {
    json!({ "name": "envoy.filters.http.ext_authz", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "http_service": {
            "server_uri": { "uri": format!("http://{server}"), "cluster": AUTHZ_CLUSTER, "timeout": "5s" },
            "authorization_request": { "allowed_headers": { "patterns": [{ "exact": "content-type" }] } },
        },
        "with_request_body": { "max_request_bytes": 131_072, "allow_partial_message": false },
        "failure_mode_allow": false,
    } })
}

/// The cluster of the collector.
pub const COLLECTOR_CLUSTER: &str = "collector";
/// The cluster of the policy server.
pub const AUTHZ_CLUSTER: &str = "authz";

/// How a chain differs from the others of its kind.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    held: bool,
    cache: usize,
    /// Whether the upstream is told who calls, by identity headers.
    told: bool,
    /// Whether answers to calls are looked into, not lists and event streams alone.
    inspected: bool,
    /// Whether subject and tool go to filter state.
    state: bool,
    /// Whether there is a limit per principal and one per tool.
    limited: bool,
    /// Whether requests are marked, for a filter behind.
    marked: bool,
}

impl Setup {
    /// What the native chain does too: authentication, RBAC per tool, metrics.
    pub const WARM: Self = Self {
        held: true,
        cache: 4_096,
        told: false,
        inspected: false,
        state: false,
        limited: false,
        marked: false,
    };
    /// What the full native chain does too, and identity headers; its outlet of records is the chain's.
    const FULL: Self = Self { told: true, state: true, limited: true, ..Self::WARM };
}

/// Toolgate's configuration; the policy says what the rules of `rbac` say.
#[must_use]
pub fn configuration(jwks: &Value, setup: Setup) -> Value {
    let audit = match setup.state {
        // What the native chain leaves for its access log.
        true => json!({ "filter_state": true, "filter_state_names": ["subject", "tool"] }),
        false => json!({}),
    };
    let catalogue = ["get_weather", "echo", "code_edit", "code_delete"].map(|name| json!({ "name": name }));
    let mut server = json!({
        "name": "bench",
        "match": { "hosts": ["mcp.example.com"], "path": "/mcp" },
        "resource": RESOURCE,
        "issuers": ["corp"],
        "policy": "default",
        "tools": { "catalogue": catalogue },
    });
    if !setup.told {
        server["upstream"] = json!({ "identity_headers": false });
    }
    if !setup.inspected {
        server["answers"] = json!("lists");
    }
    // As those of the native chain, large enough to let everything through.
    let most = 1_000_000_000;
    let (rates, secrets) = match setup.limited {
        true => (
            json!([
                { "id": "principal", "by": ["principal"], "requests": most, "seconds": 1 },
                { "id": "tool", "by": ["tool"], "requests": most, "seconds": 1 },
            ]),
            json!({ "shared_state": { "env": "BENCH_STATE_KEY" } }),
        ),
        false => (json!([]), json!({})),
    };
    json!({
        "host": { "headers_stop_iteration": setup.held, "presence": setup.marked },
        "servers": [server],
        "issuers": { "corp": {
            "issuer": ISSUER,
            "audiences": [RESOURCE],
            "algorithms": ["RS256", "ES256"],
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
        "limits": { "token_cache_entries": setup.cache, "rates": rates },
        "secrets": secrets,
        "audit": audit,
    })
}

/// Adds rules to the role of the callers, half of them exact names, half patterns.
fn grow(configuration: &mut Value, rules: usize) -> Result<()> {
    let allow = at(configuration, "/policies/default/inline/roles/developer/allow")?;
    let name = |at: usize| if at.is_multiple_of(2) { format!("tool_{at}") } else { format!("area{at}_*") };
    let more = (0..rules).map(|at| json!({ "tools": [name(at)] }));
    allow.as_array_mut().context("`allow` is not a list")?.extend(more);
    Ok(())
}

/// Adds sealed records. A collector gets the largest batches there are: what is looked for is the cost of a record that
/// goes out, not of one that is dropped.
fn record(configuration: &mut Value, outlet: &str) {
    configuration["secrets"]["audit"] = json!({ "env": "BENCH_AUDIT_KEY" });
    configuration["audit"]["outlets"] = json!([outlet]);
    if outlet == "collector" {
        configuration["clusters"] = json!({ "collector.example": COLLECTOR_CLUSTER });
        configuration["audit"]["collector"] = json!({
            "uri": "http://collector.example/audit", "batch_bytes": 8 << 20, "queue_bytes": 64 << 20,
        });
    }
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
