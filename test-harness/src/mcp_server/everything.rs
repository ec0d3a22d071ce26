//! The server's handler: lists, resources, prompts and completion. Tools are in `tools`.

#![allow(
    deprecated,
    reason = "logging and subscribe are deprecated since 2026-07-28 and still part of legacy versions"
)]

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
        GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
        SetLevelRequestParams, SubscribeRequestParams, UnsubscribeRequestParams,
    },
    service::RequestContext,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{catalogue, tools};

/// Lists may be kept for a minute by anybody: the gate must turn this into `private`.
const CACHE: (&str, u64) = ("public", 60_000);

#[derive(Clone, Copy, Debug)]
pub(super) struct Everything;

/// The typed form of a wire value.
pub(super) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn listing<T: DeserializeOwned>(name: &str, items: Value) -> Result<T, ErrorData> {
    let (scope, milliseconds) = CACHE;
    // The modern protocol demands `resultType`; legacy clients pass over it.
    let mut result = json!({ "ttlMs": milliseconds, "cacheScope": scope, "resultType": "complete" });
    result[name] = items;
    typed(result)
}

impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        let capabilities = json!({
            "tools": { "listChanged": true },
            "resources": { "subscribe": true, "listChanged": true },
            "prompts": { "listChanged": true },
            "logging": {},
            "completions": {},
        });
        let capabilities = serde_json::from_value::<ServerCapabilities>(capabilities).unwrap_or_default();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("everything", "1.0.0"))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        listing("tools", catalogue::tools())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        tools::call(request, context).await
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        listing("resources", catalogue::resources())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        listing("resourceTemplates", catalogue::resource_templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let Some(contents) = catalogue::contents(&request.uri) else {
            let message = format!("resource not found: {}", request.uri);
            let data = Some(json!({ "uri": request.uri }));
            return Err(if tools::is_modern(&context) {
                ErrorData::invalid_params(message, data)
            } else {
                ErrorData::resource_not_found(message, data)
            });
        };
        listing("contents", contents).map(ReadResourceResponse::Complete)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        listing("prompts", catalogue::prompts())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let argument =
            |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match catalogue::messages(&request.name, argument) {
            Some(messages) => typed(json!({ "messages": messages, "resultType": "complete" }))
                .map(GetPromptResponse::Complete),
            None => Err(ErrorData::invalid_params(format!("unknown prompt: {}", request.name), None)),
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let start = request.argument.value;
        let values = ["paris", "park", "party"].iter().filter(|value| value.starts_with(start.as_str()));
        let values = values.collect::<Vec<_>>();
        typed(
            json!({ "completion": { "total": values.len(), "values": values, "hasMore": false }, "resultType": "complete" }),
        )
    }

    async fn set_level(
        &self,
        _: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(
        &self,
        _: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
}
