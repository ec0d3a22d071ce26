//! The official MCP clients, unchanged, before a real gate: they find the issuer by themselves, log in, and call.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use toolgate_harness::{
    bootstrap::Gateway,
    client::Call,
    dpop::ProofKey,
    envoy::Envoy,
    foreign::{self, Talker},
    gate::{Mode, plugin_configuration},
    issuer::{Client, Issuer},
    mcp_server::McpServer,
    paths,
};

/// An MCP server behind a gate, and the issuer that both the gate and the clients learn of from its metadata.
struct Stage {
    envoy: Envoy,
    issuer: Issuer,
    mcp: McpServer,
}

/// The server at `/mcp`, again at `/readable` and `/hidden` with these styles of denial, and at `/proven` for bound tokens.
fn styles(configuration: &mut Value) {
    let server = configuration["servers"][0].clone();
    let mut audiences = vec![server["resource"].clone()];
    for style in ["readable", "hidden", "proven"] {
        let mut copy = server.clone();
        copy["name"] = json!(style);
        copy["match"]["path"] = json!(format!("/{style}"));
        copy["resource"] = json!(format!("http://127.0.0.1:@LISTENER_PORT@/{style}"));
        match style {
            "proven" => copy["dpop"] = json!({ "mode": "accepted" }),
            style => copy["denial"] = json!(style),
        }
        audiences.push(copy["resource"].clone());
        if let Some(servers) = configuration["servers"].as_array_mut() {
            servers.push(copy);
        }
    }
    configuration["issuers"]["corp"]["audiences"] = json!(audiences);
}

/// The real server knows one path.
fn rewrite(bootstrap: &mut Value) {
    let chain = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0];
    let hosts = &mut chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"];
    let routes = ["/readable", "/hidden", "/proven"].map(
        |path| json!({ "match": { "path": path }, "route": { "cluster": "mcp", "prefix_rewrite": "/mcp" } }),
    );
    if let Some(known) = hosts[0]["routes"].as_array_mut() {
        known.splice(0..0, routes);
    }
}

impl Stage {
    async fn start(mode: Mode, options: &[&str]) -> Result<Self> {
        let (issuer, mcp) = (Issuer::start_with(options).await?, McpServer::start()?);
        let (endpoints, address) = (issuer.endpoints(), issuer.address()?);
        let mut configuration =
            plugin_configuration(&endpoints.issuer, &endpoints.jwks_uri, &address.to_string(), mode)?;
        styles(&mut configuration);
        let mut gateway = Gateway::new(mcp.address(), address).with_plugin(configuration)?;
        gateway.patch = Some(rewrite);
        let envoy = Envoy::start(gateway).await?;
        Ok(Self { envoy, issuer, mcp })
    }

    /// An official client with a secret of its own: its last word on a call.
    async fn machine(
        &self,
        kind: Kind,
        name: &str,
        path: &str,
        tool: &str,
        arguments: &Value,
    ) -> Result<Talker> {
        let (url, issuer) = (self.envoy.url(path), &self.issuer.endpoints().issuer);
        let arguments = arguments.to_string();
        let mut command = match kind {
            Kind::Python => {
                let mut command = foreign::python("docs/clients/client.py")?;
                command.args([&url, tool, &arguments, "--client-id", name, "--issuer", issuer]);
                command
            }
            Kind::TypeScript => {
                let mut command = foreign::node("docs/clients/client.mjs")?;
                command.args([&url, tool, &arguments, name, issuer]);
                command
            }
        };
        command.env("CLIENT_SECRET", format!("{name}-secret"));
        Talker::start(command)
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Python,
    TypeScript,
}

#[tokio::test]
async fn machines_find_the_issuer_and_call_with_client_credentials() -> Result<()> {
    let stage = Stage::start(Mode::Held, &[]).await?;
    for kind in [Kind::Python, Kind::TypeScript] {
        let mut client =
            stage.machine(kind, "alice", "/mcp", "code_edit", &json!({ "path": "src/main.rs" })).await?;
        let tools = client.said("tools").await?;
        assert_eq!(tools, json!(["code_edit", "echo", "get_weather", "test_simple_text"]), "{kind:?}");
        let line = client.line().await?;
        assert_eq!(line, json!({ "is_error": false, "text": ["edited src/main.rs"] }), "{kind:?}");
    }
    Ok(())
}

#[tokio::test]
async fn people_log_in_through_a_browser_by_themselves() -> Result<()> {
    let stage = Stage::start(Mode::Streamed, &[]).await?;
    let url = stage.envoy.url("/mcp");
    let arguments = [url.as_str(), "code_edit", r#"{"path":"src/main.rs"}"#];
    for (script, more) in [
        ("docs/clients/client.py", &["--mode", "auto"][..]),
        ("docs/clients/client.py", &["--mode", "legacy"]),
        ("docs/clients/client.mjs", &[]),
    ] {
        let command = if script.ends_with("py") { foreign::python(script) } else { foreign::node(script) };
        let mut command = command?;
        command.args(arguments).args(more);
        let mut client = Talker::start(command)?;
        let page = client.said("open_in_a_browser").await?;
        foreign::log_in(page.as_str().unwrap_or_default(), "alice", "alice-password").await?;
        client.said("tools").await?;
        assert_eq!(client.said("is_error").await?, json!(false), "{script} {more:?}");
        if script.ends_with("py") {
            assert_eq!(client.said("refreshable").await?, json!(true));
        }
    }
    Ok(())
}

/// What a program over the client learns of a denial: where the call goes, and whether its text has the reason.
const DENIALS: [(Kind, &str, i64, Option<&str>, &str); 6] = [
    (Kind::Python, "/mcp", 403, Some("no_rule"), "the policy does not allow this"),
    (Kind::Python, "/readable", 403, Some("no_rule"), "the policy does not allow this"),
    (Kind::Python, "/hidden", -32602, None, "Unknown tool: admin_reset"),
    // A status of 403 is an error of the transport: its body is text in the message.
    (Kind::TypeScript, "/mcp", 403, None, "Streamable HTTP error: Error POSTing to endpoint: {\"jsonrpc\""),
    (Kind::TypeScript, "/readable", 403, Some("no_rule"), "MCP error 403: the policy does not allow this"),
    (Kind::TypeScript, "/hidden", -32602, None, "MCP error -32602: Unknown tool: admin_reset"),
];

#[tokio::test]
async fn clients_show_a_denial_in_its_style() -> Result<()> {
    let stage = Stage::start(Mode::Held, &[]).await?;
    for (kind, path, code, reason, message) in DENIALS {
        let mut client = stage.machine(kind, "bob", path, "admin_reset", &json!({})).await?;
        let tools = client.said("tools").await?;
        assert_eq!(tools, json!(["echo", "get_weather", "test_simple_text"]), "{kind:?} {path}");
        let line = client.line().await?;
        let told = line.pointer("/data/reason").and_then(Value::as_str);
        assert_eq!((line["error"].as_i64(), told), (Some(code), reason), "{kind:?} {path}: {line}");
        let text = line["message"].as_str().unwrap_or_default();
        assert!(text.starts_with(message), "{kind:?} {path}: {line}");
    }
    assert!(stage.mcp.seen().with("admin_reset").is_empty());
    Ok(())
}

/// The shell commands of the section `curl` of `docs/clients.md`, as they stand there.
#[tokio::test]
async fn the_curl_example_runs() -> Result<()> {
    let stage = Stage::start(Mode::Held, &[]).await?;
    let page = std::fs::read_to_string(paths::repository().join("docs/clients.md"))?;
    let (_, section) = page.split_once("\n## curl\n").context("the section")?;
    let (_, block) = section.split_once("```sh\n").context("a block")?;
    let (commands, _) = block.split_once("```").context("the end of the block")?;
    let mut shell = tokio::process::Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", commands]).env("NO_PROXY", "*").kill_on_drop(true);
    shell.env("URL", stage.envoy.url("/mcp")).env("ISSUER", &stage.issuer.endpoints().issuer);
    let output = shell.output().await?;
    let (said, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success() && said.contains("\"code_edit\""), "{said}\n{log}");
    assert!(!said.contains("admin_reset"), "{said}");
    Ok(())
}

/// The issuer binds a token to the key of a proof; the gate takes it with a proof of that key, and no other way.
#[tokio::test]
async fn a_token_is_bound_by_the_issuer_and_proven_at_the_gate() -> Result<()> {
    let stage = Stage::start(Mode::Held, &["--dpop-nonce"]).await?;
    let (url, endpoint) = (stage.envoy.url("/proven"), &stage.issuer.endpoints().token_endpoint);
    let key = ProofKey::generate()?;
    let form = format!(
        "grant_type=client_credentials&client_id=alice&client_secret=alice-secret&resource={}",
        url.replace(':', "%3A").replace('/', "%2F"),
    );
    let ask = |nonce: Option<&str>, mark: &str| {
        let mut claims = key.claims(endpoint, "", mark);
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        let call =
            Call::post(endpoint, form.clone()).replace("content-type", "application/x-www-form-urlencoded");
        Ok::<_, anyhow::Error>(call.header("dpop", key.prove(&claims)?))
    };
    let first = ask(None, "a")?.send().await?;
    assert_eq!((first.status, &first.message()["error"]), (400, &json!("use_dpop_nonce")));
    let nonce = first.header("dpop-nonce").context("a nonce")?;
    let granted = ask(Some(nonce), "b")?.send().await?.message();
    assert_eq!(granted["token_type"], "DPoP", "{granted}");
    let token = granted["access_token"].as_str().context("a token")?;

    let call = |mark: &str| {
        Call::modern(url.as_str(), mark, "tools/call", json!({ "name": "echo", "arguments": {} }))
    };
    let proof = key.prove(&key.claims(&url, token, "c"))?;
    let proven =
        call("proven").header("authorization", format!("DPoP {token}")).header("dpop", proof).send().await?;
    assert_eq!(proven.status, 200, "{}", proven.text());
    assert_eq!(call("bearer").token(token).send().await?.status, 401);
    let other = ProofKey::generate()?;
    let proof = other.prove(&other.claims(&url, token, "d"))?;
    let stolen =
        call("stolen").header("authorization", format!("DPoP {token}")).header("dpop", proof).send().await?;
    assert_eq!(stolen.status, 401);
    Ok(())
}

/// What renews a login opens nothing.
#[tokio::test]
async fn a_refresh_token_is_no_access_token() -> Result<()> {
    let stage = Stage::start(Mode::Held, &[]).await?;
    let url = stage.envoy.url("/mcp");
    let login = stage.issuer.log_in(Client::Alice, &url).await?;
    let with = |mark: &str, token: &str| {
        let arguments = json!({ "name": "echo", "arguments": {} });
        Call::modern(url.as_str(), mark, "tools/call", arguments).token(token)
    };
    assert_eq!(with("first", &login.access).send().await?.status, 200);
    assert_eq!(with("renewal", &login.refresh).send().await?.status, 401);
    let renewed = stage.issuer.renew(&login).await?;
    assert_eq!(with("second", &renewed.access).send().await?.status, 200);
    assert!(stage.mcp.seen().with("renewal").is_empty());
    assert!(stage.issuer.renew(&login).await.is_err(), "it is used once");
    Ok(())
}
