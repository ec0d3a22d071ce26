//! Every shape of data/bypasses.yaml, through Envoy in both host modes, before two real servers: the Rust SDK's and the
//! TypeScript SDK's. And docs/bypasses.md shows that table.
//!
//! `UPDATE=1 cargo test -p toolgate-harness --test bypasses the_page` writes the page's tables anew.

#[path = "bypasses/native.rs"]
mod native;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use toolgate_harness::{
    client::{Call, LEGACY, meta},
    gate::{Gate, Mode, Upstream},
    in_both_modes,
    mcp_server::McpServer,
    paths,
    raw::{RawRequest, RawResponse},
    scripted::Script,
    shared_gate,
    typescript::TypescriptServer,
};

/// The tool that nobody here may run or see.
const BAD: &str = "admin_reset";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    requests: Vec<Shape>,
    answers: Vec<Reply>,
}

/// A real server.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Of the official Rust SDK.
    Rust,
    /// Of the official TypeScript SDK.
    Typescript,
}

impl Kind {
    async fn start(self) -> Result<Upstream> {
        Ok(match self {
            Self::Rust => Upstream::Mcp(McpServer::start()?),
            Self::Typescript => Upstream::Typescript(TypescriptServer::start().await?),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Typescript => "TypeScript",
        }
    }
}

/// A request that tries to run the tool.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    id: String,
    shape: String,
    mechanism: String,
    counter: String,
    status: u16,
    /// What Envoy's own chain answers, in the default mode of its `mcp` filter.
    native: Option<u16>,
    /// What it answers where that filter is as strict as it can be.
    native_best: Option<u16>,
    /// Which servers, asked without a gate, run a tool that the caller may not.
    #[serde(default)]
    alone: BTreeSet<Kind>,
    body: String,
    #[serde(rename = "as")]
    caller: Option<String>,
    era: Option<String>,
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
    http: Option<u8>,
    #[serde(default)]
    chunked: bool,
    trailer: Option<String>,
    #[serde(default)]
    replace: BTreeMap<String, String>,
    #[serde(default)]
    add: BTreeMap<String, String>,
    #[serde(default)]
    without: Vec<String>,
}

/// An answer that tries to show the tool.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    id: String,
    shape: String,
    mechanism: String,
    counter: String,
    #[serde(rename = "type")]
    kind: String,
    body: String,
    status: Option<u16>,
    ask: Option<String>,
    #[serde(default)]
    header: BTreeMap<String, String>,
}

fn table() -> Result<Table> {
    let path = paths::repository().join("test-harness/data/bypasses.yaml");
    Ok(serde_norway::from_str(&std::fs::read_to_string(path)?)?)
}

fn configure(configuration: &mut Value) {
    // One argument of `echo` is mirrored by a header.
    configuration["servers"][0]["tools"]["catalogue"][0]["input_schema"] =
        json!({ "properties": { "text": { "type": "string", "x-mcp-header": "Text" } } });
    configuration["limits"] = json!({ "max_body_bytes": 300_000 });
    configuration["policies"]["default"]["inline"]["roles"]["nothing"] = json!({});
    let allow = &mut configuration["policies"]["default"]["inline"]["roles"]["readonly"]["allow"];
    if let Some(rules) = allow.as_array_mut() {
        rules.push(json!({ "methods": ["tasks/get"] }));
    }
    // A rule on an argument whose name has an `s`.
    let allow = &mut configuration["policies"]["default"]["inline"]["roles"]["developer"]["allow"];
    if let Some(rules) = allow.as_array_mut() {
        let host = json!({ "args": { "/host": { "equals": "ok.example" } } });
        rules.push(json!({ "tools": ["fetch"], "when": host }));
    }
    configuration["policies"]["default"]["inline"]["roles"]["reader"] = json!({
        "allow": [
            { "resources": ["*"] },
            { "tools": ["fetch"], "when": { "args": { "/options/run": { "exists": false } } } },
        ],
        "deny": [{ "resources": ["secret:*", "file:///secret/*", "http://secret/*"] }],
    });
    if let Some(bindings) = configuration["policies"]["default"]["inline"]["bindings"].as_array_mut() {
        bindings.push(json!({ "role": "reader", "when": { "roles": { "contains": "reader" } } }));
    }
}

shared_gate!(gate, |mode| Gate::scripted(mode, configure));

in_both_modes!(gate: no_answer_gets_past);

mod before_the_rust_server {
    use super::*;
    shared_gate!(gate, |mode| before(Kind::Rust, mode));
    in_both_modes!(gate: no_request_gets_past);
}

mod before_the_typescript_server {
    use super::*;
    shared_gate!(gate, |mode| before(Kind::Typescript, mode));
    in_both_modes!(gate: no_request_gets_past);
}

async fn before(kind: Kind, mode: Mode) -> Result<Gate> {
    Gate::start(mode, kind.start().await?, configure, |_| ()).await
}

/// The text of a body, with its marks filled in.
fn fill(template: &str) -> Result<Vec<u8>> {
    let call = format!(r#""method":"tools/call","params":{{"name":"{BAD}","arguments":{{}}}}"#);
    let tools =
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{{"name":"echo"}},{{"name":"{BAD}"}}]}}}}"#);
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('@') {
        let (mark, after) = behind.split_once('@').context("a mark without an end")?;
        out.extend_from_slice(before.as_bytes());
        let mut words = mark.split(' ');
        let (word, argument) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let count = || argument.parse::<usize>().with_context(|| format!("`{mark}` has no number"));
        match word {
            "META" => out.extend(meta().to_string().bytes()),
            "CALL" => out.extend(call.bytes()),
            "TOOLS" => out.extend(tools.bytes()),
            "PAD" => out.extend("x".repeat(count()?).bytes()),
            "NEST" => out.extend(["[".repeat(count()?), "]".repeat(count()?)].concat().bytes()),
            "LIST" => out.extend(["[", &"0,".repeat(count()?), "0]"].concat().bytes()),
            "EMPTY" => out.extend(r#"{"jsonrpc":"2.0","id":1,"result":{}},"#.repeat(count()?).bytes()),
            "HEX" => {
                for pair in argument.as_bytes().chunks(2) {
                    out.push(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
                }
            }
            _ => anyhow::bail!("`{mark}` is no mark"),
        }
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

/// The headers of a request: those of its era, with the row's changes.
fn headers(token: impl Fn(&str) -> Result<String>, row: &Shape, mark: &str) -> Result<Vec<(String, String)>> {
    let mut usual = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json, text/event-stream".to_owned()),
        ("x-mark", mark.to_owned()),
    ];
    match row.era.as_deref() {
        Some("modern") => usual.extend([
            ("mcp-protocol-version", "2026-07-28".to_owned()),
            ("mcp-method", "tools/call".to_owned()),
            ("mcp-name", "echo".to_owned()),
        ]),
        _ => usual.push(("mcp-protocol-version", "2025-11-25".to_owned())),
    }
    match row.caller.as_deref() {
        Some("none") => {}
        caller => {
            let role = caller.unwrap_or("readonly");
            usual.push(("authorization", format!("Bearer {}", token(role)?)));
        }
    }
    let mut all: Vec<(String, String)> =
        usual.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    all.retain(|(name, _)| !row.without.contains(name) && !row.replace.contains_key(name));
    all.extend(row.replace.clone());
    all.extend(row.add.clone());
    Ok(all)
}

/// Over HTTP/1.1, byte by byte.
fn raw(row: &Shape, headers: Vec<(String, String)>) -> Result<RawRequest> {
    let (method, path) = (row.method.as_deref().unwrap_or("POST"), row.path.as_deref().unwrap_or("/mcp"));
    let body = fill(&row.body)?;
    let mut request = RawRequest::new(method, path, row.host.as_deref().unwrap_or("mcp.example.com"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if !row.chunked {
        return Ok(request.body(body));
    }
    let mut chunks = Vec::new();
    for piece in body.chunks(60_000) {
        chunks.extend(format!("{:x}\r\n", piece.len()).bytes());
        chunks.extend_from_slice(piece);
        chunks.extend(b"\r\n");
    }
    let trailer = row.trailer.as_ref().map(|trailer| format!("{trailer}\r\n")).unwrap_or_default();
    chunks.extend(format!("0\r\n{trailer}\r\n").bytes());
    Ok(request.header("transfer-encoding", "chunked").body(chunks).claim(0))
}

async fn send(gate: &Gate, row: &Shape, mark: &str) -> Result<u16> {
    let headers = headers(|role| gate.token("mallory", &[role]), row, mark)?;
    if row.http != Some(2) {
        return Ok(raw(row, headers)?.send(gate.envoy.port()).await?.status);
    }
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build()?;
    let path = row.path.as_deref().unwrap_or("/mcp");
    // Written as it is: the client would tidy the path of a URL that it parses.
    let url = reqwest::Url::parse(&gate.envoy.url("/"))?.join(&path.replace("/x/%2e%2e/", "/x/%2e%2e%2f"))?;
    let mut request =
        client.request(row.method.as_deref().unwrap_or("POST").parse()?, url).body(fill(&row.body)?);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    Ok(request.send().await?.status().as_u16())
}

async fn counted(gate: &Gate, metric: &str, label: &str, value: &str) -> Result<f64> {
    let metric = format!("toolgate_{metric}_total");
    Ok(gate.envoy.metrics().await?.metric(&metric).label(label, value).value())
}

async fn no_request_gets_past(gate: &Gate) -> Result<()> {
    let rows = table()?.requests;
    let mut faults = Vec::new();
    for row in &rows {
        let before = counted(gate, "requests", "reason", &row.counter).await?;
        let status = send(gate, row, &mark(row, gate)).await;
        let after = counted(gate, "requests", "reason", &row.counter).await?;
        if !matches!(status, Ok(status) if status == row.status) {
            faults.push(format!("{}: {status:?} instead of {}", row.id, row.status));
        }
        if after <= before {
            faults.push(format!("{}: `{}` does not count it", row.id, row.counter));
        }
    }
    // What goes on to the server goes on in order: when this call is answered, whatever slipped past is there, too.
    let token = gate.token("alice", &["readonly"])?;
    let arguments = json!({ "name": "get_weather", "arguments": { "city": "<last>" } });
    let last = Call::legacy(gate.url(), "1", "tools/call", arguments).token(&token).send().await?;
    let seen = gate.upstream.ask().await?;
    ensure!(seen.with("<last>").len() == 1, "the server does not tell what it saw: {last:?}");
    for row in &rows {
        for seen in seen.with(&mark(row, gate)) {
            // Where headers leave first the upstream may see them, and a stream that breaks off.
            if gate.mode == Mode::Held || String::from_utf8_lossy(&seen.body).contains(BAD) {
                faults.push(format!("{}: the upstream saw {seen:?}", row.id));
            }
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// What tells the requests of a row from others.
fn mark(row: &Shape, gate: &Gate) -> String {
    format!("<{}-{:?}>", row.id, gate.mode)
}

/// Which rows run a tool where no gate stands: most are no theory. The servers here speak no HTTP/2.
async fn alone(kind: Kind) -> Result<()> {
    let server = kind.start().await?;
    let port = server.address().port();
    let session = session(port).await?;
    let (mut found, mut stated) = (Vec::new(), Vec::new());
    for row in table()?.requests.into_iter().filter(|row| row.http.is_none()) {
        let mut headers = headers(|_| Ok("none".to_owned()), &row, &row.id)?;
        if let (Some(session), None) = (&session, row.era.as_ref()) {
            headers.push(("mcp-session-id".to_owned(), session.clone()));
        }
        let answer = raw(&row, headers)?.send(port).await;
        if answer.is_ok_and(|answer| ran(&answer)) {
            found.push(row.id.clone());
        }
        if row.alone.contains(&kind) {
            stated.push(row.id);
        }
    }
    ensure!(found == stated, "without a gate these run at {kind:?}:\n{found:?}\nthe table says:\n{stated:?}");
    Ok(())
}

#[tokio::test]
async fn what_the_rust_server_runs_alone() -> Result<()> {
    alone(Kind::Rust).await
}

#[tokio::test]
async fn what_the_typescript_server_runs_alone() -> Result<()> {
    alone(Kind::Typescript).await
}

/// Whether an answer is one of the tools that the callers of the table may not run so.
fn ran(answer: &RawResponse) -> bool {
    let text = String::from_utf8_lossy(&answer.body);
    ["everything was reset", "deleted src/", "edited src/.."].iter().any(|done| text.contains(done))
}

/// A session of 2025-11-25, where the server keeps any.
async fn session(port: u16) -> Result<Option<String>> {
    let send = async |session: Option<&str>, message: Value| {
        let mut request = RawRequest::new("POST", "/mcp", "mcp.example.com")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        request.body(message.to_string()).send(port).await
    };
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let session = send(None, hello).await?.header("mcp-session-id").map(str::to_owned);
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    send(session.as_deref(), ready).await?;
    Ok(session)
}

async fn no_answer_gets_past(gate: &Gate) -> Result<()> {
    let mut faults = Vec::new();
    let token = gate.token("mallory", &["readonly"])?;
    for row in table()?.answers {
        let name = format!("answer-{}-{:?}", row.id, gate.mode);
        let mut script = Script::new(&row.kind).piece(fill(&row.body)?).with_length();
        for (name, value) in &row.header {
            script = script.header(name, value);
        }
        if let Some(status) = row.status {
            script = script.status(StatusCode::from_u16(status)?);
        }
        gate.script()?.on(&name, script);
        let (metric, label) = match row.counter.as_str() {
            "removed" => ("list_items", "result"),
            _ => ("answer_faults", "reason"),
        };
        let before = counted(gate, metric, label, &row.counter).await?;
        let call = match row.ask.as_deref() {
            Some("GET") => Call::new(Method::GET, gate.url())
                .header("accept", "text/event-stream")
                .header("mcp-protocol-version", LEGACY),
            Some(method) if method.starts_with("notifications/") => {
                Call::post(gate.url(), json!({ "jsonrpc": "2.0", "method": method }).to_string())
                    .header("mcp-protocol-version", LEGACY)
            }
            method => {
                Call::legacy(gate.url(), "1", method.unwrap_or("tools/list"), json!({ "name": "echo" }))
            }
        };
        let call = call.header("x-script", &name);
        // A head that has left can only be followed by a reset.
        let text = call.token(&token).send().await.map(|answer| answer.text()).unwrap_or_default();
        let after = counted(gate, metric, label, &row.counter).await?;
        if text.contains(BAD) {
            faults.push(format!("{}: the client saw {text}", row.id));
        }
        if row.counter == "removed" && !text.contains("echo") {
            faults.push(format!("{}: nothing is left of {text}", row.id));
        }
        if after <= before {
            faults.push(format!("{}: `{}` does not count it", row.id, row.counter));
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn page(table: &Table) -> String {
    let mut text = String::from(
        "| # | request | Envoy's own chain | at its best | the server alone | refused because | counter | status |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (number, row) in table.requests.iter().enumerate() {
        let said = |status: Option<u16>| status.map_or_else(String::new, |status| status.to_string());
        let (native, best) = (said(row.native), said(row.native_best));
        text.push_str(&format!(
            "| {} | {} | {native} | {best} | {} | {} | `{}` | {} |\n",
            number + 1,
            cell(&row.shape),
            row.alone.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "),
            cell(&row.mechanism),
            row.counter,
            row.status
        ));
    }
    text.push_str(
        "\n## Answers\n\n| # | answer | does not get past because | counter |\n|---|---|---|---|\n",
    );
    for (number, row) in table.answers.iter().enumerate() {
        text.push_str(&format!(
            "| {} | {} | {} | `{}` |\n",
            table.requests.len() + number + 1,
            cell(&row.shape),
            cell(&row.mechanism),
            row.counter
        ));
    }
    text
}

/// What stands before the tables on the page.
const START: &str = "<!-- from test-harness/data/bypasses.yaml -->\n";

#[test]
fn the_page_shows_the_table() -> Result<()> {
    let table = table()?;
    ensure!(table.requests.len() + table.answers.len() >= 60);
    let requests = table.requests.iter().map(|row| (&row.mechanism, &row.counter));
    let answers = table.answers.iter().map(|row| (&row.mechanism, &row.counter));
    let mut pairs = BTreeSet::new();
    for pair in requests.chain(answers) {
        ensure!(pairs.insert(pair), "two rows share {pair:?}");
    }
    let path = paths::repository().join("docs/bypasses.md");
    let written = std::fs::read_to_string(&path)?;
    let (head, shown) = written.split_once(START).context("the page has no table")?;
    let expected = format!("\n{}", page(&table));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, [head, START, &expected].concat())?;
    } else {
        ensure!(
            shown == expected,
            "docs/bypasses.md is not what the table says: run this test with UPDATE=1"
        );
    }
    Ok(())
}
