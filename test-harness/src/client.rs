//! Clients: plain JSON-RPC over HTTP, and the official Rust client in both eras.

use std::collections::HashMap;

use anyhow::{Context, Result};
use http::{HeaderMap, Method};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient,
    model::{ClientConfig, ProtocolVersion},
    service::RunningService,
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::{Value, json};

use crate::envoy::http;

/// A modern protocol version.
pub const MODERN: &str = "2026-07-28";
/// A legacy protocol version.
pub const LEGACY: &str = "2025-11-25";

/// The official client, connected.
pub type McpClient = RunningService<RoleClient, ClientConfig>;

/// A generation of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `initialize`, sessions: up to 2025-11-25.
    Legacy,
    /// Stateless: 2026-07-28.
    Modern,
}

/// Connects the official client.
///
/// # Errors
/// If the handshake fails.
pub async fn connect(url: &str, token: Option<&str>, era: Era) -> Result<McpClient> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    if let Some(token) = token {
        config = config.auth_header(token);
    }
    config.custom_headers = HashMap::new();
    let transport = StreamableHttpClientTransport::with_client(http()?, config);
    let lifecycle = match era {
        Era::Legacy => ClientLifecycleMode::Initialize,
        Era::Modern => {
            ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
        }
    };
    ClientConfig::default()
        .serve_with_lifecycle(transport, lifecycle)
        .await
        .with_context(|| format!("the MCP client ({era:?}) cannot connect to `{url}`"))
}

/// An HTTP request to be sent.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Call {
    /// A request without headers or body.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A POST as an MCP client makes it: JSON in, JSON or SSE out.
    #[must_use]
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        let mut call = Self::new(Method::POST, url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        call.body = body.into();
        call
    }

    /// A legacy request.
    #[must_use]
    pub fn legacy(url: impl Into<String>, id: &str, method: &str, params: Value) -> Self {
        Self::post(url, request(id, method, &params).to_string()).header("mcp-protocol-version", LEGACY)
    }

    /// A modern request, with its `_meta` and its mirrored headers.
    #[must_use]
    pub fn modern(url: impl Into<String>, id: &str, method: &str, mut params: Value) -> Self {
        let name =
            params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str).map(str::to_owned);
        params["_meta"] = meta();
        let call = Self::post(url, request(id, method, &params).to_string())
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", method);
        match name {
            Some(name) => call.header("mcp-name", &name),
            None => call,
        }
    }

    /// With a bearer token.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// With this header; one that is there already gets company.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With this header instead of the one that is there.
    #[must_use]
    pub fn replace(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).header(name, value)
    }

    /// Without this header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Where it goes.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// Its body.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn send(&self) -> Result<Answer> {
        self.send_by(&http()?).await
    }

    /// The same over the connections of `client`.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn send_by(&self, client: &reqwest::Client) -> Result<Answer> {
        let mut request = client.request(self.method.clone(), &self.url).body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_slice());
        }
        let answer = request.send().await.with_context(|| format!("{} {}", self.method, self.url))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.context("the answer's body broke off")?.to_vec();
        Ok(Answer { status, headers, body })
    }
}

/// A JSON-RPC request.
#[must_use]
pub fn request(id: &str, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The `_meta` every modern request carries.
#[must_use]
pub fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "toolgate-harness", "version": "0" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON-RPC message in it: the JSON body, or the last event of the stream that is a response. Null if none.
    #[must_use]
    pub fn message(&self) -> Value {
        if let Ok(message) = serde_json::from_slice(&self.body) {
            return message;
        }
        let events = events(&self.text());
        let mut responses = events.iter().filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let answers = |message: &Value| message.get("result").or_else(|| message.get("error")).is_some();
        responses.rfind(answers).unwrap_or_default()
    }

    /// The JSON-RPC error code, if the message is an error.
    #[must_use]
    pub fn code(&self) -> Option<i64> {
        self.message().pointer("/error/code").and_then(Value::as_i64)
    }

    /// The reason a refusal states.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.message().pointer("/error/data/reason").and_then(Value::as_str).map(str::to_owned)
    }

    /// The values of `field` in the list `list` of the result, in order.
    #[must_use]
    pub fn listed(&self, list: &str, field: &str) -> Vec<String> {
        let message = self.message();
        let items = message.pointer(&format!("/result/{list}")).and_then(Value::as_array);
        let fields = items.into_iter().flatten().filter_map(|item| item.get(field)?.as_str());
        fields.map(str::to_owned).collect()
    }
}

/// The data of each event of an SSE stream, by the WHATWG rules.
#[must_use]
pub fn events(stream: &str) -> Vec<String> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream).replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Vec::new();
    let mut data: Option<String> = None;
    for line in stream.split('\n') {
        if line.is_empty() {
            events.extend(data.take());
        } else if let Some(value) = line.strip_prefix("data") {
            let value = value.strip_prefix(':').unwrap_or(value);
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => data = Some(value.to_owned()),
            }
        }
    }
    events
}
