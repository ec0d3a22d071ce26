//! Rows walked by the official MCP client, in both eras.

use anyhow::Result;
use rmcp::model::{CallToolRequestParams, GetPromptRequestParams, ReadResourceRequestParams};
use serde_json::{Value, json};

use super::{Row, Stage};
use crate::{
    client::{Era, McpClient, connect},
    issuer::Client,
};

pub(super) async fn rows(stage: &Stage) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    rows.extend(visit(stage, Client::Bob, Era::Legacy, bob).await);
    rows.extend(visit(stage, Client::Alice, Era::Modern, alice).await);
    Ok(rows)
}

/// Connects, walks, hangs up. A client that cannot connect is a row, too.
async fn visit<F>(stage: &Stage, who: Client, era: Era, walk: fn(String, McpClient) -> F) -> Vec<Row>
where
    F: Future<Output = Vec<Row>>,
{
    let name = format!("{} ({})", who.id(), if era == Era::Legacy { "legacy client" } else { "2026 client" });
    match connect(&stage.url(), Some(stage.token(who)), era).await {
        Ok(client) => {
            let mut rows = vec![Row::new(&name, "connects", "connected", "connected")];
            rows.extend(walk(name, client).await);
            rows
        }
        Err(error) => vec![Row::new(&name, "connects", "connected", format!("{error:#}"))],
    }
}

async fn bob(who: String, client: McpClient) -> Vec<Row> {
    let mut rows = Vec::new();
    let tools =
        client.list_all_tools().await.map(|tools| joined(tools.iter().map(|tool| tool.name.as_ref())));
    rows.push(Row::new(&who, "lists the tools", "echo get_weather test_simple_text", said(tools)));
    let arguments = json!({ "city": "Oslo" }).as_object().cloned().unwrap_or_default();
    let weather = client.call_tool(CallToolRequestParams::new("get_weather").with_arguments(arguments)).await;
    rows.push(Row::new(&who, "calls get_weather", "sunny in Oslo", text(weather, "/content/0/text")));
    let prompts = client.list_all_prompts().await;
    let prompts = prompts.map(|prompts| joined(prompts.iter().map(|prompt| prompt.name.as_str())));
    rows.push(Row::new(&who, "lists the prompts", "test_simple_prompt", said(prompts)));
    let prompt = client.get_prompt(GetPromptRequestParams::new("test_simple_prompt")).await;
    let prompt = text(prompt, "/messages/0/content/text");
    rows.push(Row::new(&who, "gets test_simple_prompt", "This is a simple prompt for testing.", prompt));
    let denied = client.get_prompt(GetPromptRequestParams::new("test_prompt_with_image")).await;
    rows.push(Row::new(&who, "gets test_prompt_with_image", "refused", outcome(&denied)));
    let resources = client.list_all_resources().await;
    let resources = resources.map(|list| joined(list.iter().map(|resource| resource.uri.as_str())));
    rows.push(Row::new(&who, "lists the resources", "test://static-text", said(resources)));
    let resource = client.read_resource(ReadResourceRequestParams::new("test://static-text")).await;
    let resource = text(resource, "/contents/0/text");
    let expected = "This is the content of the static text resource.";
    rows.push(Row::new(&who, "reads test://static-text", expected, resource));
    let denied = client.read_resource(ReadResourceRequestParams::new("test://static-binary")).await;
    rows.push(Row::new(&who, "reads test://static-binary", "refused", outcome(&denied)));
    client.cancel().await.ok();
    rows
}

async fn alice(who: String, client: McpClient) -> Vec<Row> {
    let mut rows = Vec::new();
    let tools =
        client.list_all_tools().await.map(|tools| joined(tools.iter().map(|tool| tool.name.as_ref())));
    let expected = "code_edit echo get_weather test_simple_text";
    rows.push(Row::new(&who, "lists the tools", expected, said(tools)));
    let arguments = json!({ "path": "src/lib.rs" }).as_object().cloned().unwrap_or_default();
    let edit = client.call_tool(CallToolRequestParams::new("code_edit").with_arguments(arguments)).await;
    rows.push(Row::new(&who, "edits src/lib.rs", "edited src/lib.rs", text(edit, "/content/0/text")));
    let denied = client.call_tool(CallToolRequestParams::new("admin_reset")).await;
    rows.push(Row::new(&who, "calls admin_reset", "refused", outcome(&denied)));
    client.cancel().await.ok();
    rows
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names = names.collect::<Vec<_>>();
    names.sort_unstable();
    names.join(" ")
}

fn said(list: Result<String, rmcp::ServiceError>) -> String {
    list.unwrap_or_else(|error| error.to_string())
}

fn text(result: Result<impl serde::Serialize, rmcp::ServiceError>, pointer: &str) -> String {
    let value = result.map(|result| serde_json::to_value(result).unwrap_or_default());
    match value {
        Ok(value) => value.pointer(pointer).and_then(Value::as_str).unwrap_or("no text").to_owned(),
        Err(error) => error.to_string(),
    }
}

fn outcome<T>(result: &Result<T, rmcp::ServiceError>) -> &'static str {
    if result.is_err() { "refused" } else { "answered" }
}
