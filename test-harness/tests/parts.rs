//! The harness's own parts, under an Envoy without the filter.

use anyhow::Result;
use http::Method;
use rmcp::model::CallToolRequestParams;
use serde_json::json;
use tokio::sync::OnceCell;
use toolgate_harness::{
    bootstrap::Gateway,
    client::{Call, Era, connect, events},
    envoy::{Envoy, Refused},
    jwks::TestIssuer,
    mcp_server::McpServer,
    raw::RawRequest,
    scripted::{Script, Scripted},
};

struct Open {
    envoy: Envoy,
    mcp: McpServer,
    issuer: TestIssuer,
}

async fn open() -> Result<&'static Open> {
    static OPEN: OnceCell<Open> = OnceCell::const_new();
    OPEN.get_or_try_init(|| async {
        let (mcp, issuer) = (McpServer::start()?, TestIssuer::start()?);
        let envoy = Envoy::start(Gateway::new(mcp.address(), issuer.address())).await?;
        Ok(Open { envoy, mcp, issuer })
    })
    .await
}

async fn walk(era: Era) -> Result<()> {
    let open = open().await?;
    let client = connect(&open.envoy.url("/mcp"), None, era).await?;
    let tools = client.list_all_tools().await?;
    assert!(tools.iter().any(|tool| tool.name == "test_simple_text"));
    assert!(client.list_all_prompts().await?.iter().any(|prompt| prompt.name == "test_simple_prompt"));
    let city = json!({ "city": format!("{era:?}-town") });
    let arguments = city.as_object().cloned().unwrap_or_default();
    let call = CallToolRequestParams::new("get_weather").with_arguments(arguments);
    let result = serde_json::to_value(client.call_tool(call).await?)?;
    assert_eq!(result["content"][0]["text"], format!("sunny in {era:?}-town"));
    for name in tools.iter().map(|tool| tool.name.clone()).filter(|name| name.starts_with("test_tool")) {
        client.call_tool(CallToolRequestParams::new(name)).await?;
    }
    client.cancel().await?;
    let seen = open.mcp.seen().with(&format!("{era:?}-town"));
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].method, "POST");
    Ok(())
}

#[tokio::test]
async fn the_official_client_walks_the_legacy_era() -> Result<()> {
    walk(Era::Legacy).await
}

#[tokio::test]
async fn the_official_client_walks_the_modern_era() -> Result<()> {
    walk(Era::Modern).await
}

#[tokio::test]
async fn a_modern_call_by_hand_is_answered() -> Result<()> {
    let open = open().await?;
    let params = json!({ "name": "echo", "arguments": { "a": 1 } });
    let answer = Call::modern(open.envoy.url("/mcp"), "by-hand", "tools/call", params).send().await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.message()["id"], "by-hand");
    Ok(())
}

#[tokio::test]
async fn a_raw_request_arrives_as_it_is() -> Result<()> {
    let open = open().await?;
    let request = RawRequest::new("GET", "/x/..//%6dcp;raw-mark", "Somewhere.Example")
        .header("x-twice", "1")
        .header("x-twice", "2");
    assert_eq!(request.send(open.envoy.port()).await?.status, 404);
    let seen = open.mcp.seen().with("raw-mark");
    assert_eq!(seen[0].target, "/x/..//%6dcp;raw-mark");
    assert_eq!(seen[0].all("x-twice").concat().replace([',', ' '], ""), "12");
    Ok(())
}

#[tokio::test]
async fn a_script_is_played_byte_by_byte() -> Result<()> {
    let (scripted, issuer) = (Scripted::start()?, TestIssuer::start()?);
    let envoy = Envoy::start(Gateway::new(scripted.address(), issuer.address())).await?;
    let body = ": hello\r\rdata: a\rdata:b\r\ndata: c\n\nevent: x\ndata: d\n\n";
    scripted.on("odd", Script::new("text/event-stream").in_pieces(body, 3));
    let answer = Call::new(Method::GET, envoy.url("/any")).header("x-script", "odd").send().await?;
    assert_eq!(answer.text(), body);
    assert_eq!(events(&answer.text()), ["a\nb\nc", "d"]);
    Ok(())
}

#[tokio::test]
async fn the_foreign_issuer_serves_the_keys_it_signs_with() -> Result<()> {
    let issuer = &open().await?.issuer;
    let answer = Call::new(Method::GET, issuer.jwks_uri()).send().await?;
    assert_eq!(answer.message()["keys"].as_array().map(Vec::len), Some(2));
    assert_eq!(issuer.token("alice", "somewhere", &["developer"])?.split('.').count(), 3);
    Ok(())
}

#[tokio::test]
async fn an_envoy_that_cannot_start_says_why() -> Result<()> {
    let open = open().await?;
    let mut gateway = Gateway::new(open.mcp.address(), open.issuer.address());
    gateway.plugin = Some(toolgate_harness::bootstrap::Plugin {
        wasm: "/nonexistent.wasm".into(),
        configuration: json!({}),
        carrier: Default::default(),
    });
    let error = Envoy::start(gateway).await.expect_err("a missing filter");
    let refused = error.downcast::<Refused>()?;
    assert!(refused.log.contains("/nonexistent.wasm"), "{}", refused.log);
    Ok(())
}
