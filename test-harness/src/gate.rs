//! A whole gate for tests: foreign issuer, upstream, and Envoy with the filter.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    bootstrap::Gateway,
    client::Call,
    envoy::Envoy,
    jwks::TestIssuer,
    mcp_server::{McpServer, Recorder},
    node::EverythingServer,
    paths,
    scripted::Scripted,
    typescript::TypescriptServer,
};

/// How Envoy runs the filter: `allow_on_headers_stop_iteration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Headers leave before the body is judged; Istio's `WasmPlugin` knows nothing else.
    Streamed,
    /// Headers are held until the body is judged.
    Held,
}

/// What stands behind the gate.
#[derive(Debug)]
pub enum Upstream {
    /// A real MCP server.
    Mcp(McpServer),
    /// Scripted answers.
    Scripted(Scripted),
    /// A server of the official TypeScript SDK.
    Everything(EverythingServer),
    /// A server of that SDK which keeps a record.
    Typescript(TypescriptServer),
}

impl Upstream {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Mcp(server) => server.address(),
            Self::Scripted(server) => server.address(),
            Self::Everything(server) => server.address(),
            Self::Typescript(server) => server.address(),
        }
    }

    /// What reached it; of a server in another process, what it told last.
    #[must_use]
    pub fn seen(&self) -> &Recorder {
        match self {
            Self::Mcp(server) => server.seen(),
            Self::Scripted(server) => server.seen(),
            Self::Everything(server) => server.seen(),
            Self::Typescript(server) => server.seen(),
        }
    }

    /// What has reached it by now, asked of it where it is in another process.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ask(&self) -> Result<&Recorder> {
        if let Self::Typescript(server) = self {
            server.ask().await?;
        }
        Ok(self.seen())
    }
}

/// A gate in front of an upstream; ended on drop.
#[derive(Debug)]
pub struct Gate {
    /// Envoy.
    pub envoy: Envoy,
    /// Who signs the tokens.
    pub issuer: TestIssuer,
    /// What stands behind.
    pub upstream: Upstream,
    /// How Envoy runs the filter.
    pub mode: Mode,
}

impl Gate {
    /// A gate before a real MCP server; `change` edits the configuration.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn mcp(mode: Mode, change: impl FnOnce(&mut Value)) -> Result<Self> {
        Self::start(mode, Upstream::Mcp(McpServer::start()?), change, |_| ()).await
    }

    /// A gate before a scripted upstream; `change` edits the configuration.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn scripted(mode: Mode, change: impl FnOnce(&mut Value)) -> Result<Self> {
        Self::start(mode, Upstream::Scripted(Scripted::start()?), change, |_| ()).await
    }

    /// A gate before `upstream`; `change` edits the configuration, `tune` the way Envoy is started.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start(
        mode: Mode,
        upstream: Upstream,
        change: impl FnOnce(&mut Value),
        tune: impl FnOnce(&mut Gateway),
    ) -> Result<Self> {
        Self::start_under(TestIssuer::start()?, mode, upstream, change, tune).await
    }

    /// The same under an issuer that is prepared already: the gate may fetch keys as soon as it starts.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start_under(
        issuer: TestIssuer,
        mode: Mode,
        upstream: Upstream,
        change: impl FnOnce(&mut Value),
        tune: impl FnOnce(&mut Gateway),
    ) -> Result<Self> {
        let mut configuration = configuration(&issuer, mode)?;
        change(&mut configuration);
        let mut gateway = Gateway::new(upstream.address(), issuer.address()).with_plugin(configuration)?;
        tune(&mut gateway);
        let envoy = Envoy::start(gateway).await?;
        Ok(Self { envoy, issuer, upstream, mode })
    }

    /// The guarded endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        self.envoy.url("/mcp")
    }

    /// The audience the gate wants.
    #[must_use]
    pub fn audience(&self) -> String {
        self.url()
    }

    /// A good token.
    ///
    /// # Errors
    /// If signing fails.
    pub fn token(&self, subject: &str, roles: &[&str]) -> Result<String> {
        self.issuer.token(subject, &self.audience(), roles)
    }

    /// The claims of a good token, to be spoilt.
    #[must_use]
    pub fn claims(&self, subject: &str, roles: &[&str]) -> Value {
        self.issuer.claims(subject, &self.audience(), roles)
    }

    /// A modern call of a tool.
    #[must_use]
    pub fn call(&self, id: &str, tool: &str, arguments: Value) -> Call {
        Call::modern(self.url(), id, "tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// The scripted upstream.
    ///
    /// # Errors
    /// If a real MCP server stands there.
    pub fn script(&self) -> Result<&Scripted> {
        match &self.upstream {
            Upstream::Scripted(scripted) => Ok(scripted),
            Upstream::Mcp(_) | Upstream::Everything(_) | Upstream::Typescript(_) => {
                anyhow::bail!("the upstream is a real MCP server")
            }
        }
    }
}

/// The policy of the tour.
///
/// # Errors
/// If it is missing or is not YAML.
pub fn tour_policy() -> Result<Value> {
    let path = paths::repository().join("policies/tour/policy.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    serde_norway::from_str(&text).with_context(|| format!("`{}` is not YAML", path.display()))
}

/// The configuration of a gate for `issuer`, under the policy of the tour.
///
/// # Errors
/// If the policy cannot be read.
pub fn configuration(issuer: &TestIssuer, mode: Mode) -> Result<Value> {
    plugin_configuration(&issuer.issuer(), &issuer.jwks_uri(), &issuer.address().to_string(), mode)
}

/// The plugin configuration; `authority` is the issuer's host and port, reached by the cluster `idp`.
///
/// # Errors
/// If the policy cannot be read.
pub fn plugin_configuration(issuer: &str, jwks: &str, authority: &str, mode: Mode) -> Result<Value> {
    let resource = "http://127.0.0.1:@LISTENER_PORT@/mcp";
    let catalogue = [
        ("echo", "read"),
        ("get_weather", "read"),
        ("test_simple_text", "read"),
        ("code_edit", "write"),
        ("code_delete", "write"),
        ("admin_reset", "write"),
    ];
    let catalogue = catalogue.map(|(name, class)| json!({ "name": name, "class": class }));
    Ok(json!({
        "host": { "headers_stop_iteration": mode == Mode::Held },
        "unmatched": "refuse",
        "servers": [{
            "name": "everything",
            "match": { "hosts": ["127.0.0.1", "mcp.example.com"], "path": "/mcp" },
            "resource": resource,
            "issuers": ["corp"],
            "policy": "default",
            "denial": "explicit",
            "tools": { "catalogue": catalogue },
            "origins": ["https://app.example.com"],
            "cors": { "origins": ["https://app.example.com"] },
            "upstream": { "authorization": "strip" },
        }],
        "issuers": { "corp": {
            "issuer": issuer,
            "audiences": [resource],
            "algorithms": ["RS256", "ES256"],
            "jwks": { "uri": jwks },
            "claims": { "roles": ["roles"], "scopes": ["scope"], "groups": ["groups"] },
        } },
        "clusters": { authority: "idp" },
        "policies": { "default": { "inline": tour_policy()? } },
        "secrets": { "shared_state": { "env": "TOOLGATE_STATE_KEY" } },
    }))
}

/// Runs each test in both host modes; `$gate` gives the shared gate of a mode.
///
/// `in_both_modes!(gate: one_test, another_test);` where `async fn one_test(gate: &Gate) -> anyhow::Result<()>`.
#[macro_export]
macro_rules! in_both_modes {
    ($gate:ident: $($test:ident),+ $(,)?) => {
        mod streamed { $(
            #[tokio::test]
            async fn $test() -> anyhow::Result<()> {
                super::$test(super::$gate($crate::gate::Mode::Streamed).await?).await
            }
        )+ }
        mod held { $(
            #[tokio::test]
            async fn $test() -> anyhow::Result<()> {
                super::$test(super::$gate($crate::gate::Mode::Held).await?).await
            }
        )+ }
    };
}

/// Defines `async fn $name(mode: Mode) -> Result<&'static Gate>`: one gate for each host mode, shared by all tests of a file.
#[macro_export]
macro_rules! shared_gate {
    ($name:ident, $make:expr) => {
        async fn $name(mode: $crate::gate::Mode) -> anyhow::Result<&'static $crate::gate::Gate> {
            static STREAMED: tokio::sync::OnceCell<$crate::gate::Gate> = tokio::sync::OnceCell::const_new();
            static HELD: tokio::sync::OnceCell<$crate::gate::Gate> = tokio::sync::OnceCell::const_new();
            let cell = match mode {
                $crate::gate::Mode::Streamed => &STREAMED,
                $crate::gate::Mode::Held => &HELD,
            };
            cell.get_or_try_init(|| ($make)(mode)).await
        }
    };
}
