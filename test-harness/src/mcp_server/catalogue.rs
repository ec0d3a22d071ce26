//! What the server offers, as the JSON that goes over the wire.

use serde_json::{Value, json};

/// A red pixel.
pub(super) const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// An empty sound.
pub(super) const WAV: &str = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";

fn tool(name: &str, description: &str, arguments: &[(&str, &str)]) -> Value {
    let properties = arguments
        .iter()
        .map(|(name, about)| ((*name).to_owned(), json!({ "type": "string", "description": about })));
    json!({
        "name": name,
        "description": description,
        "inputSchema": {
            "type": "object",
            "properties": properties.collect::<serde_json::Map<_, _>>(),
            "required": arguments.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        },
    })
}

pub(super) fn tools() -> Value {
    let mut tools = vec![
        tool("test_simple_text", "Tests simple text content response", &[]),
        tool("test_image_content", "Tests image content response", &[]),
        tool("test_audio_content", "Tests audio content response", &[]),
        tool("test_embedded_resource", "Tests embedded resource content response", &[]),
        tool("test_multiple_content_types", "Tests response with text, image and resource", &[]),
        tool("test_tool_with_logging", "Tests a tool that logs while it runs", &[]),
        tool("test_tool_with_progress", "Tests a tool that reports progress", &[]),
        tool("test_error_handling", "Tests error response handling", &[]),
        tool("test_reconnection", "Tests reconnection of the response stream", &[]),
        tool("test_sampling", "Tests sampling by the client", &[("prompt", "The prompt to send to the LLM")]),
        tool("test_elicitation", "Tests user input", &[("message", "The message to show the user")]),
        tool("test_elicitation_sep1034_defaults", "Tests elicitation with default values", &[]),
        tool("test_elicitation_sep1330_enums", "Tests elicitation with enumerations", &[]),
        json_schema_tool(),
        tool("echo", "Answers with what it was told", &[]),
        tool("get_weather", "The weather of a city", &[("city", "The city's name")]),
        tool("code_edit", "Edits a file", &[("path", "The file's path")]),
        tool("code_delete", "Deletes a file", &[("path", "The file's path")]),
        tool("admin_reset", "Resets everything", &[]),
    ];
    tools.sort_by(|left, right| left["name"].as_str().cmp(&right["name"].as_str()));
    json!(tools)
}

/// A schema whose less common members must survive the way through the gate.
fn json_schema_tool() -> Value {
    json!({
        "name": "json_schema_2020_12_tool",
        "description": "Tool with JSON Schema 2020-12 features",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": { "address": {
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            } },
            "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" } },
            "additionalProperties": false,
        },
    })
}

pub(super) fn resources() -> Value {
    json!([
        { "uri": "test://static-text", "name": "Static Text Resource", "mimeType": "text/plain" },
        { "uri": "test://static-binary", "name": "Static Binary Resource", "mimeType": "image/png" },
        { "uri": "test://watched-resource", "name": "Watched Resource", "mimeType": "text/plain" },
    ])
}

pub(super) fn resource_templates() -> Value {
    json!([{
        "uriTemplate": "test://template/{id}/data",
        "name": "Resource Template",
        "mimeType": "application/json",
    }])
}

/// The contents of one resource; `None` if there is no such resource.
pub(super) fn contents(uri: &str) -> Option<Value> {
    let text = |text: &str| json!([{ "uri": uri, "mimeType": "text/plain", "text": text }]);
    Some(match uri {
        "test://static-text" => text("This is the content of the static text resource."),
        "test://watched-resource" => text("Watched resource content"),
        "test://static-binary" => json!([{ "uri": uri, "mimeType": "image/png", "blob": PNG }]),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            json!([{ "uri": uri, "mimeType": "application/json", "text": data.to_string() }])
        }
    })
}

pub(super) fn prompts() -> Value {
    json!([
        { "name": "test_simple_prompt", "description": "A simple prompt without arguments" },
        { "name": "test_prompt_with_arguments", "description": "A prompt with required arguments", "arguments": [
            { "name": "arg1", "description": "First test argument", "required": true },
            { "name": "arg2", "description": "Second test argument", "required": true },
        ] },
        { "name": "test_prompt_with_embedded_resource", "description": "A prompt with a resource", "arguments": [
            { "name": "resourceUri", "description": "URI of the resource to embed", "required": true },
        ] },
        { "name": "test_prompt_with_image", "description": "A prompt with an image" },
    ])
}

/// The messages of one prompt; `None` if there is no such prompt.
pub(super) fn messages(name: &str, argument: impl Fn(&str) -> String) -> Option<Value> {
    let text = |text: String| json!({ "role": "user", "content": { "type": "text", "text": text } });
    Some(match name {
        "test_simple_prompt" => json!([text("This is a simple prompt for testing.".to_owned())]),
        "test_prompt_with_arguments" => {
            let (first, second) = (argument("arg1"), argument("arg2"));
            json!([text(format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))])
        }
        "test_prompt_with_embedded_resource" => {
            let resource = json!({
                "uri": argument("resourceUri"),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            });
            json!([
                { "role": "user", "content": { "type": "resource", "resource": resource } },
                text("Please process the embedded resource above.".to_owned()),
            ])
        }
        "test_prompt_with_image" => json!([
            { "role": "user", "content": { "type": "image", "data": PNG, "mimeType": "image/png" } },
            text("Please analyze the image above.".to_owned()),
        ]),
        _ => return None,
    })
}
