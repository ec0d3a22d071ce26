//! Servers of other kinds: anonymous callers, denials that read like answers, hosts that nobody guards, and servers
//! that a route chooses.

use anyhow::Result;
use serde_json::{Value, json};
use toolgate_harness::{
    bootstrap::Gateway,
    client::Call,
    gate::{Gate, Mode, Upstream},
    in_both_modes,
    raw::RawRequest,
    scripted::Scripted,
    shared_gate,
};

/// The route `/routed` names the server `readable`.
fn name_server(bootstrap: &mut Value) {
    let chain = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0];
    let hosts = &mut chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"];
    let route = json!({
        "match": { "prefix": "/routed" },
        "route": { "cluster": "mcp" },
        "metadata": { "filter_metadata": { "toolgate": { "server": "readable" } } },
    });
    if let Some(routes) = hosts[0]["routes"].as_array_mut() {
        routes.insert(0, route);
    }
}

fn configure(configuration: &mut Value) {
    let server = configuration["servers"][0].clone();
    for name in ["readable", "hidden", "open"] {
        let mut copy = server.clone();
        copy["name"] = json!(name);
        copy["match"]["path"] = json!(format!("/{name}"));
        match name {
            "open" => copy["anonymous"] = json!({ "role": "readonly" }),
            style => copy["denial"] = json!(style),
        }
        if let Some(servers) = configuration["servers"].as_array_mut() {
            servers.push(copy);
        }
    }
    configuration["unmatched"] = json!("pass");
    configuration["host"]["route_metadata"] = json!(true);
}

async fn start(mode: Mode) -> Result<Gate> {
    let tune = |gateway: &mut Gateway| gateway.patch = Some(name_server);
    Gate::start(mode, Upstream::Scripted(Scripted::start()?), configure, tune).await
}

shared_gate!(gate, start);

in_both_modes!(gate:
    a_readable_denial_is_an_answer,
    a_hidden_denial_names_no_gate,
    anonymous_callers_get_their_role_and_no_more,
    hosts_that_nobody_names_pass_without_our_headers,
    a_route_chooses_the_server,
);

fn call(gate: &Gate, path: &str, mark: &str, tool: &str) -> Call {
    Call::modern(gate.envoy.url(path), mark, "tools/call", json!({ "name": tool }))
}

async fn a_readable_denial_is_an_answer(gate: &Gate) -> Result<()> {
    let token = gate.token("bob", &["readonly"])?;
    let answer = call(gate, "/readable", "readable", "admin_reset").token(&token).send().await?;
    assert_eq!((answer.status, answer.code()), (200, Some(403)), "{}", answer.text());
    assert_eq!(answer.message()["id"], "readable");
    assert_eq!(answer.reason().as_deref(), Some("no_rule"));
    assert!(gate.upstream.seen().with("\"readable\"").is_empty());
    Ok(())
}

async fn a_hidden_denial_names_no_gate(gate: &Gate) -> Result<()> {
    let token = gate.token("bob", &["readonly"])?;
    let answer = call(gate, "/hidden", "concealed", "admin_reset").token(&token).send().await?;
    assert_eq!((answer.status, answer.code()), (200, Some(-32602)), "{}", answer.text());
    let message = answer.message();
    assert_eq!((&message["id"], &message["error"]["data"]), (&json!("concealed"), &Value::Null));
    assert_eq!(message["error"]["message"], "Unknown tool: admin_reset");
    assert!(gate.upstream.seen().with("concealed").is_empty());
    Ok(())
}

async fn anonymous_callers_get_their_role_and_no_more(gate: &Gate) -> Result<()> {
    assert_eq!(call(gate, "/open", "anybody", "echo").send().await?.status, 200);
    let denied = call(gate, "/open", "nobody", "code_edit").send().await?;
    assert_eq!((denied.status, denied.code()), (403, Some(403)), "{}", denied.text());
    // A bad credential does not make a caller anonymous.
    assert_eq!(call(gate, "/open", "liar", "echo").token("nonsense").send().await?.status, 401);
    assert_eq!(call(gate, "/mcp", "closed", "echo").send().await?.status, 401);
    assert!(gate.upstream.seen().with("nobody").is_empty() && gate.upstream.seen().with("liar").is_empty());
    Ok(())
}

async fn hosts_that_nobody_names_pass_without_our_headers(gate: &Gate) -> Result<()> {
    let request =
        RawRequest::new("GET", "/elsewhere", "other.example.com").header("x-toolgate-subject", "forged");
    assert_eq!(request.header("x-mark", "stranger").send(gate.envoy.port()).await?.status, 202);
    let seen = gate.upstream.seen().all();
    let passed = seen.iter().filter(|seen| seen.header("x-mark") == Some("stranger")).collect::<Vec<_>>();
    assert!(!passed.is_empty() && passed.iter().all(|seen| seen.header("x-toolgate-subject").is_none()));
    let named = RawRequest::new("GET", "/elsewhere", "mcp.example.com").send(gate.envoy.port()).await?;
    assert_eq!(named.status, 404, "a host that a server names does not pass");
    Ok(())
}

async fn a_route_chooses_the_server(gate: &Gate) -> Result<()> {
    assert_eq!(call(gate, "/routed", "unknown", "echo").send().await?.status, 401);
    let token = gate.token("bob", &["readonly"])?;
    assert_eq!(call(gate, "/routed", "routed", "echo").token(&token).send().await?.status, 200);
    let denied = call(gate, "/routed", "astray", "admin_reset").token(&token).send().await?;
    assert_eq!(
        (denied.status, denied.code()),
        (200, Some(403)),
        "the style of `readable`: {}",
        denied.text()
    );
    let ambiguous = call(gate, "/routed/", "crooked", "echo").token(&token).send().await?;
    assert_eq!(ambiguous.status, 400);
    Ok(())
}
