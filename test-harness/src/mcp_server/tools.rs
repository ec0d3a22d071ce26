//! What the tools do.

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, InputRequest, InputRequiredResult, ProgressNotificationParam,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

use super::{
    catalogue::{PNG, WAV},
    everything::typed,
};

/// Whether the caller speaks the 2026-07-28 era.
pub(super) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| !version.has_initialize())
}

/// Runs one tool.
pub(super) async fn call(
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let argument = |name: &str| request.arguments.as_ref().and_then(|arguments| arguments.get(name)).cloned();
    let text =
        |name: &str| argument(name).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
    let image = json!({ "type": "image", "data": PNG, "mimeType": "image/png" });
    match request.name.as_ref() {
        "test_simple_text" => say("This is a simple text response for testing."),
        "test_image_content" => content(json!([image])),
        "test_audio_content" => content(json!([{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }])),
        "test_embedded_resource" => content(json!([resource(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content.",
        )])),
        "test_multiple_content_types" => content(json!([
            { "type": "text", "text": "Multiple content types test:" },
            image,
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ])),
        "test_error_handling" => typed(json!({
            "content": [{ "type": "text", "text": "This tool intentionally returns an error for testing" }],
            "isError": true,
            "resultType": "complete",
        }))
        .map(CallToolResponse::Complete),
        "test_tool_with_logging" => log(&context).await,
        "test_tool_with_progress" => progress(&context).await,
        "test_reconnection" => say("Reconnection test completed successfully."),
        "test_sampling" => ask(&request, &context, sampling(&text("prompt")), sampled).await,
        "test_elicitation" => {
            let schema = json!({ "response": { "type": "string", "description": "User's response" } });
            ask(&request, &context, form(&text("message"), schema, &["response"]), |answer| {
                format!("User response: {}", elicited(answer))
            })
            .await
        }
        "test_elicitation_sep1034_defaults" => {
            let question = form("Please review and update the form fields with defaults", defaults(), &[]);
            ask(&request, &context, question, |answer| format!("Elicitation completed: {}", elicited(answer)))
                .await
        }
        "test_elicitation_sep1330_enums" => {
            let question = form("Please select options from the enum fields", enumerations(), &[]);
            ask(&request, &context, question, |answer| format!("Elicitation completed: {}", elicited(answer)))
                .await
        }
        "json_schema_2020_12_tool" | "echo" => say(&Value::from(request.arguments).to_string()),
        "get_weather" => say(&format!("sunny in {}", text("city"))),
        "code_edit" => say(&format!("edited {}", text("path"))),
        "code_delete" => say(&format!("deleted {}", text("path"))),
        "admin_reset" => say("everything was reset"),
        // Tools of the classes that the gate meters; they are in no list.
        "agent_spawn" | "agent_stop" | "task_submit" | "task_run" | "memory_store" | "neural_infer" => {
            typed(json!({
                "content": [{ "type": "text", "text": "done" }],
                "structuredContent": { "usage": { "total_tokens": 17 }, "bytes": 4096 },
                "isError": argument("fail").is_some(),
                "resultType": "complete",
            }))
            .map(CallToolResponse::Complete)
        }
        other => Err(ErrorData::invalid_params(format!("unknown tool: {other}"), None)),
    }
}

fn content(content: Value) -> Result<CallToolResponse, ErrorData> {
    typed(json!({ "content": content, "resultType": "complete" })).map(CallToolResponse::Complete)
}

fn say(text: &str) -> Result<CallToolResponse, ErrorData> {
    content(json!([{ "type": "text", "text": text }]))
}

fn resource(uri: &str, kind: &str, text: &str) -> Value {
    json!({ "type": "resource", "resource": { "uri": uri, "mimeType": kind, "text": text } })
}

#[expect(deprecated, reason = "logging is deprecated since 2026-07-28 and still part of every version")]
async fn log(context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        let notification = typed(json!({ "level": "info", "data": message }))?;
        context.peer.notify_logging_message(notification).await.map_err(gone)?;
    }
    say("Tool with logging executed successfully")
}

async fn progress(context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    let token = context.meta.get_progress_token();
    for step in [0, 50, 100] {
        let Some(token) = &token else { break };
        let notification: ProgressNotificationParam = typed(json!({
            "progressToken": token,
            "progress": step,
            "total": 100,
            "message": format!("Completed step {step} of 100"),
        }))?;
        context.peer.notify_progress(notification).await.map_err(gone)?;
    }
    say(&json!(token).to_string())
}

fn sampling(prompt: &str) -> Value {
    json!({ "method": "sampling/createMessage", "params": {
        "messages": [{ "role": "user", "content": { "type": "text", "text": prompt } }],
        "maxTokens": 100,
    } })
}

fn form(message: &str, properties: Value, required: &[&str]) -> Value {
    json!({ "method": "elicitation/create", "params": {
        "mode": "form",
        "message": message,
        "requestedSchema": { "type": "object", "properties": properties, "required": required },
    } })
}

fn defaults() -> Value {
    json!({
        "name": { "type": "string", "description": "User name", "default": "John Doe" },
        "age": { "type": "integer", "description": "User age", "default": 30 },
        "score": { "type": "number", "description": "User score", "default": 95.5 },
        "status": {
            "type": "string", "description": "User status",
            "enum": ["active", "inactive", "pending"], "default": "active",
        },
        "verified": { "type": "boolean", "description": "Verification status", "default": true },
    })
}

fn enumerations() -> Value {
    let options = ["option1", "option2", "option3"];
    let titled = json!([
        { "const": "value1", "title": "First Option" },
        { "const": "value2", "title": "Second Option" },
        { "const": "value3", "title": "Third Option" },
    ]);
    json!({
        "untitledSingle": { "type": "string", "enum": options },
        "titledSingle": { "type": "string", "oneOf": titled },
        "legacyEnum": { "type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"] },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled } },
    })
}

/// Asks the client: by a request of its own in the legacy era, by `input_required` in the modern one.
async fn ask(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
    question: Value,
    answered: impl Fn(&Value) -> String,
) -> Result<CallToolResponse, ErrorData> {
    const KEY: &str = "question";
    if !is_modern(context) {
        return match ask_legacy(context, question).await {
            Ok(answer) => say(&answered(&answer)),
            Err(error) => say(&format!("not supported or error: {error}")),
        };
    }
    if let Some(answer) = request.input_responses.as_ref().and_then(|responses| responses.get(KEY)) {
        return say(&answered(answer));
    }
    let question: InputRequest = typed(question)?;
    let questions = [(KEY.to_owned(), question)].into();
    Ok(CallToolResponse::InputRequired(InputRequiredResult::from_input_requests(questions)))
}

#[expect(deprecated, reason = "sampling is deprecated since 2026-07-28 and part of every legacy version")]
async fn ask_legacy(context: &RequestContext<RoleServer>, question: Value) -> anyhow::Result<Value> {
    let params = question["params"].clone();
    Ok(if question["method"] == "sampling/createMessage" {
        serde_json::to_value(context.peer.create_message(serde_json::from_value(params)?).await?)?
    } else {
        serde_json::to_value(context.peer.create_elicitation(serde_json::from_value(params)?).await?)?
    })
}

fn sampled(answer: &Value) -> String {
    let text = answer.pointer("/content/text").or_else(|| answer.pointer("/content/0/text"));
    format!("LLM response: {}", text.and_then(Value::as_str).unwrap_or("No response"))
}

fn elicited(answer: &Value) -> String {
    let action = answer["action"].as_str().unwrap_or("none");
    format!("action={action}, content={}", answer.get("content").unwrap_or(&json!({})))
}

fn gone(error: rmcp::ServiceError) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
