//! What the tour takes place on: issuer, MCP server, and Envoy with the filter.

use std::collections::HashMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Row, limits};
use crate::{
    bootstrap::Gateway,
    client::{Answer, Call},
    envoy::Envoy,
    gate::{Mode, plugin_configuration},
    issuer::{Client, Issuer},
    jwks::TestIssuer,
    mcp_server::McpServer,
};

/// A running stage; everything ends on drop.
#[derive(Debug)]
pub struct Stage {
    /// Envoy with the filter.
    pub envoy: Envoy,
    /// `toolgate issuer`.
    pub issuer: Issuer,
    /// An issuer that the gate does not know.
    pub foreign: TestIssuer,
    /// The MCP server behind the gate.
    pub mcp: McpServer,
    tokens: HashMap<&'static str, String>,
}

impl Stage {
    /// Starts everything and fetches a token for each client.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start(mode: Mode) -> Result<Self> {
        Self::start_with(mode, |_| ()).await
    }

    /// The same with a configuration that `change` has edited.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start_with(mode: Mode, change: impl FnOnce(&mut Value)) -> Result<Self> {
        Self::start_tuned(mode, change, |_| ()).await
    }

    /// The same where `tune` says how Envoy is started.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start_tuned(
        mode: Mode,
        change: impl FnOnce(&mut Value),
        tune: impl FnOnce(&mut Gateway),
    ) -> Result<Self> {
        let (issuer, foreign, mcp) = (Issuer::start().await?, TestIssuer::start()?, McpServer::start()?);
        let endpoints = issuer.endpoints();
        let address = issuer.address()?;
        let mut configuration =
            plugin_configuration(&endpoints.issuer, &endpoints.jwks_uri, &address.to_string(), mode)?;
        limits::limit(&mut configuration);
        change(&mut configuration);
        let mut gateway = Gateway::new(mcp.address(), address).with_plugin(configuration)?;
        tune(&mut gateway);
        let envoy = Envoy::start(gateway).await?;
        let mut tokens = HashMap::new();
        for client in [Client::Alice, Client::Bob, Client::Root, Client::Carol] {
            tokens.insert(client.id(), issuer.token(client, &envoy.url("/mcp")).await?);
        }
        Ok(Self { envoy, issuer, foreign, mcp, tokens })
    }

    /// The guarded endpoint; also the resource and the audience.
    #[must_use]
    pub fn url(&self) -> String {
        self.envoy.url("/mcp")
    }

    /// The client's token from the start of the tour.
    #[must_use]
    pub fn token(&self, client: Client) -> &str {
        self.tokens.get(client.id()).map_or("", String::as_str)
    }

    /// A modern tool call; its id `mark` is looked for behind the gate.
    #[must_use]
    pub fn call(&self, mark: &str, tool: &str, arguments: Value) -> Call {
        Call::modern(self.url(), mark, "tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// Sends `call` and makes a row of it.
    ///
    /// # Errors
    /// If there is no answer at all.
    pub async fn row(&self, who: &str, what: &str, expected: &str, mark: &str, call: &Call) -> Result<Row> {
        let answer = call.send().await?;
        Ok(Row::new(who, what, expected, self.verdict(&answer, mark)).because(answer.reason()))
    }

    /// The answer in short: `200`, `403 (code 403)`. A refusal must not have reached the server.
    #[must_use]
    pub fn verdict(&self, answer: &Answer, mark: &str) -> String {
        let short = match answer.code() {
            Some(code) => format!("{} (code {code})", answer.status),
            None => answer.status.to_string(),
        };
        let refused = answer.status >= 400;
        if refused && !self.mcp.seen().with(mark).is_empty() {
            return format!("{short}, but the server saw it");
        }
        short
    }
}

/// What `SERVE=1` prints: where everything is, and commands to paste.
#[must_use]
pub fn serve(stage: &Stage) -> String {
    let url = stage.url();
    let endpoints = stage.issuer.endpoints();
    let mut text = format!(
        "\ngate      {url}\nmetrics   {}\nissuer    {}\nmetadata  {}\n\n",
        stage.envoy.admin("/stats/prometheus"),
        endpoints.issuer,
        stage.envoy.url("/.well-known/oauth-protected-resource/mcp"),
    );
    let about = [
        (Client::Alice, "developer"),
        (Client::Bob, "readonly"),
        (Client::Root, "admin"),
        (Client::Carol, "no role"),
    ];
    for (client, role) in about {
        let name = client.id().to_uppercase();
        text.push_str(&format!("{name}={}   # {role}\n", stage.token(client)));
    }
    let body = |method: &str, params: Value| crate::client::request("1", method, &params).to_string();
    let post = |who: &str, body: &str| {
        format!(
            "curl -sS {url} -H \"authorization: Bearer ${who}\" -H 'content-type: application/json' \\\n  \
             -H 'accept: application/json, text/event-stream' -H 'mcp-protocol-version: 2026-07-28' \\\n  {body}\n"
        )
    };
    let modern = |who: &str, method: &str, mut params: Value| {
        let name = params.get("name").and_then(Value::as_str).map(|name| format!("-H 'mcp-name: {name}' "));
        params["_meta"] = crate::client::meta();
        let rest =
            format!("-H 'mcp-method: {method}' {}-d '{}'", name.unwrap_or_default(), body(method, params));
        post(who, &rest)
    };
    text.push_str("\n# what bob may see\n");
    text.push_str(&modern("BOB", "tools/list", json!({})));
    text.push_str("\n# alice edits under src, and nowhere else\n");
    for path in ["src/main.rs", "../etc/passwd"] {
        let params = json!({ "name": "code_edit", "arguments": { "path": path } });
        text.push_str(&modern("ALICE", "tools/call", params));
    }
    text.push_str(&format!(
        "\n# a program that finds the issuer by itself; log in on its page as alice with alice-password (`make python`)\n\
         target/python/bin/python docs/clients/client.py {url} echo\n",
    ));
    text.push_str(&format!(
        "\n# a fresh token, and a fresh key\ncurl -sS {} -d grant_type=client_credentials -d client_id=alice \\\n  \
         -d client_secret=alice-secret -d resource={url}\ncurl -sS -X POST {}/rotate\n",
        endpoints.token_endpoint, endpoints.admin,
    ));
    text
}
