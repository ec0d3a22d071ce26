// SPDX-License-Identifier: Apache-2.0
//! What a server asks of a client, wherever it travels: a request on a stream (up to 2025-11-25), an entry of
//! `inputRequests` in a result (2026-07-28), an error that carries elicitations (2025-11-25); and what a client
//! answers to it.

use super::envelope::is_plain_integer;
use super::lookalike::{Likeness, likeness};
use super::pass::{FilterError, Pass, Visibility, Withheld, refuse_look_alikes};
use super::refusal::Refusal;
use super::request::Call;
use super::task::Mention;
use crate::json::{Kind, Value};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// A kind of thing that a server asks of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerRequest {
    /// `sampling/createMessage`: the client's model works for the server.
    Sampling,
    /// `elicitation/create`: the client's user answers the server.
    Elicitation,
    /// `roots/list`: the client names its folders.
    Roots,
    /// `tasks/*` of the client: what became of a sampling or elicitation that it does as a task.
    ClientTask,
    /// A request or notification that no published version knows.
    Other,
}

impl ServerRequest {
    /// Every kind, for tables of metrics.
    pub const ALL: [ServerRequest; 5] = [
        ServerRequest::Sampling,
        ServerRequest::Elicitation,
        ServerRequest::Roots,
        ServerRequest::ClientTask,
        ServerRequest::Other,
    ];

    /// The metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            ServerRequest::Sampling => "sampling",
            ServerRequest::Elicitation => "elicitation",
            ServerRequest::Roots => "roots",
            ServerRequest::ClientTask => "client_task",
            ServerRequest::Other => "other",
        }
    }

    /// The kind of a method; nothing for a ping, which asks for nothing.
    fn of(method: &str) -> Option<ServerRequest> {
        match method {
            "ping" => None,
            "sampling/createMessage" => Some(ServerRequest::Sampling),
            "elicitation/create" => Some(ServerRequest::Elicitation),
            "roots/list" => Some(ServerRequest::Roots),
            "tasks/get" | "tasks/result" | "tasks/list" | "tasks/cancel" => Some(ServerRequest::ClientTask),
            _ => Some(ServerRequest::Other),
        }
    }
}

/// The code of 2025-11-25 for a request that needs the user to visit a URL first.
const URL_ELICITATION: f64 = -32042.0;

/// What every reader takes for the id of a request.
fn is_id(id: Value<'_>) -> bool {
    match id.kind() {
        Kind::String | Kind::EscapedString => true,
        Kind::Number => is_plain_integer(id.raw()),
        Kind::Null | Kind::True | Kind::False | Kind::Array | Kind::Object => false,
    }
}

/// A client may read `-3.2042e4` as that code too.
fn is_url_elicitation(code: Value<'_>) -> bool {
    code.as_f64().is_some_and(|code| (code - URL_ELICITATION).abs() < 0.5)
}

impl Pass<'_> {
    /// A request or notification of the server.
    pub(super) fn server_speaks(
        &mut self,
        message: Value<'_>,
        method: Value<'_>,
    ) -> Result<Visibility, FilterError> {
        let method = method.as_str().ok_or(FilterError::NotAMessage)?;
        let params = message.get("params");
        let fate = match message.get("id") {
            // Readers that cannot use an id as one read a notification.
            Some(id) if !is_id(id) => return Err(FilterError::NotAMessage),
            Some(_) => match ServerRequest::of(&method).map(|kind| self.visible.server_request(kind)) {
                Some(Visibility::Hidden) => Visibility::Hidden,
                Some(Visibility::Shown) if method.starts_with("notifications/") => {
                    self.notification(&method, params)?
                }
                Some(Visibility::Shown) | None => Visibility::Shown,
            },
            None => self.notification(&method, params)?,
        };
        match (fate, params) {
            (Visibility::Shown, Some(params)) => self.related_task(params),
            (Visibility::Hidden, _) | (Visibility::Shown, None) => Ok(fate),
        }
    }

    fn notification(&mut self, method: &str, params: Option<Value<'_>>) -> Result<Visibility, FilterError> {
        match method {
            "notifications/cancelled"
            | "notifications/progress"
            | "notifications/message"
            | "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed" => Ok(Visibility::Shown),
            "notifications/subscriptions/acknowledged" => self.acknowledged(params),
            "notifications/tasks/status" | "notifications/tasks" => self.task_news(params),
            "notifications/resources/updated" => self.updated(params),
            "notifications/elicitation/complete" => {
                Ok(self.visible.server_request(ServerRequest::Elicitation))
            }
            _ => Ok(self.visible.server_request(ServerRequest::Other)),
        }
    }

    /// Who may not read a resource need not know when it changes.
    fn updated(&mut self, params: Option<Value<'_>>) -> Result<Visibility, FilterError> {
        let Some(params) = params else { return Ok(Visibility::Hidden) };
        refuse_look_alikes(params, &["uri"])?;
        let uri = params.get("uri").and_then(|uri| uri.as_str());
        Ok(uri.map_or(Visibility::Hidden, |uri| self.visible.resource(&uri)))
    }

    /// What became of a task, and what it asks of the client.
    fn task_news(&mut self, params: Option<Value<'_>>) -> Result<Visibility, FilterError> {
        let Some(params) = params else { return Ok(Visibility::Hidden) };
        refuse_look_alikes(params, &["taskId", "inputRequests", "_meta"])?;
        let id = params.get("taskId").and_then(|id| id.as_str());
        if self.visible.task_news(id.as_deref(), params) == Visibility::Hidden {
            return Ok(Visibility::Hidden);
        }
        match self.input_requests(params)? {
            Visibility::Hidden => Ok(Visibility::Hidden),
            Visibility::Shown => self.task_id(params, Mention::Unasked),
        }
    }

    /// What a result asks of the client: one forbidden thing forbids all, for the server waits for all of it.
    pub(super) fn input_requests(&mut self, holder: Value<'_>) -> Result<Visibility, FilterError> {
        let Some(requests) = holder.get("inputRequests") else { return Ok(Visibility::Shown) };
        if requests.kind() != Kind::Object {
            return Err(FilterError::BadInputRequests);
        }
        let mut all = Visibility::Shown;
        for (_, request) in requests.members() {
            refuse_look_alikes(request, &["method", "params"])?;
            let method = request.get("method").and_then(|method| method.as_str());
            let kind = method.and_then(|method| ServerRequest::of(&method)).unwrap_or(ServerRequest::Other);
            if self.visible.server_request(kind) == Visibility::Hidden {
                all = Visibility::Hidden;
            }
        }
        Ok(all)
    }

    pub(super) fn error(&mut self, message: Value<'_>, error: Value<'_>) -> Result<Visibility, FilterError> {
        refuse_look_alikes(error, &["code", "message", "data"])?;
        let data = error.get("data");
        data.map_or(Ok(()), |data| refuse_look_alikes(data, &["elicitations"]))?;
        let asks = data.is_some_and(|data| data.get("elicitations").is_some());
        let asks = asks || error.get("code").is_some_and(is_url_elicitation);
        if asks && self.visible.server_request(ServerRequest::Elicitation) == Visibility::Hidden {
            self.replace(message, self.edits.len(), Withheld::ServerRequest);
        }
        Ok(Visibility::Shown)
    }
}

/// What the answers of a client are answers to, known by their shape; nothing for an empty one, which answers a ping.
///
/// # Errors
/// [`Refusal::BadParams`] for what could be an answer to several things or to none.
fn answered(result: Value<'_>) -> Result<Option<ServerRequest>, Refusal> {
    const MARKS: &[(&str, ServerRequest)] = &[
        ("role", ServerRequest::Sampling),
        ("model", ServerRequest::Sampling),
        ("action", ServerRequest::Elicitation),
        ("roots", ServerRequest::Roots),
        ("task", ServerRequest::ClientTask),
        ("taskId", ServerRequest::ClientTask),
        ("tasks", ServerRequest::ClientTask),
    ];
    let mut found = None;
    for (name, _) in result.members() {
        let name: Cow<'_, str> = name.as_str().unwrap_or_default();
        for (mark, kind) in MARKS {
            match (likeness(&name, &[mark]), found) {
                (Likeness::Other, _) => {}
                (Likeness::Alike, _) => return Err(Refusal::LookAlikeKey),
                (Likeness::Same, Some(other)) if other != *kind => return Err(Refusal::BadParams),
                (Likeness::Same, _) => found = Some(*kind),
            }
        }
    }
    Ok(found)
}

/// What the message of a client answers: a posted response, or the `inputResponses` of a repeated request.
///
/// # Errors
/// A form that could be an answer to several things.
pub fn answers(call: &Call<'_>) -> Result<Vec<ServerRequest>, Refusal> {
    let responses = call.params.and_then(|params| params.get("inputResponses"));
    match (call.result, responses) {
        (None, None) => Ok(Vec::new()),
        (result, responses) => kinds(result, responses),
    }
}

#[inline(never)]
fn kinds(result: Option<Value<'_>>, responses: Option<Value<'_>>) -> Result<Vec<ServerRequest>, Refusal> {
    let mut kinds = Vec::new();
    if let Some(result) = result {
        let bare = result.members().all(|(name, _)| name.is_str("_meta"));
        match answered(result)? {
            Some(kind) => kinds.push(kind),
            None if bare => {}
            None => kinds.push(ServerRequest::Other),
        }
    }
    let Some(responses) = responses else { return Ok(kinds) };
    if responses.kind() != Kind::Object {
        return Err(Refusal::BadParams);
    }
    for (_, response) in responses.members() {
        kinds.push(answered(response)?.unwrap_or(ServerRequest::Other));
    }
    Ok(kinds)
}
