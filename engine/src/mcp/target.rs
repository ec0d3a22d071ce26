// SPDX-License-Identifier: Apache-2.0
//! What a call is aimed at: read from `params` by method.

use super::characters::{check_name, check_task, check_uri};
use super::lookalike::{LISTEN, REF, TASK, member_object};
use super::method::{Method, MethodClass};
use super::refusal::Refusal;
use crate::json::{Kind, Value};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Most URIs, and most task ids, that one request may listen to.
const MAX_SUBSCRIPTIONS: usize = 256;

/// What a call is aimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'d> {
    /// Nothing in particular.
    None,
    /// A tool, by name.
    Tool(Cow<'d, str>),
    /// A prompt, by name.
    Prompt(Cow<'d, str>),
    /// A resource, by URI.
    Resource(Cow<'d, str>),
    /// Everything that `subscriptions/listen` asks for: each has to be allowed.
    Listen {
        /// Resources, by URI.
        uris: Vec<Cow<'d, str>>,
        /// Tasks, by id.
        tasks: Vec<Cow<'d, str>>,
    },
    /// A prompt whose arguments are completed, by name.
    PromptRef(Cow<'d, str>),
    /// A resource or template whose variables are completed, by URI.
    ResourceRef(Cow<'d, str>),
    /// A task, by id.
    Task(Cow<'d, str>),
}

impl Target<'_> {
    /// The one text that names it, where one does.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Target::None | Target::Listen { .. } => None,
            Target::Tool(text)
            | Target::Prompt(text)
            | Target::Resource(text)
            | Target::PromptRef(text)
            | Target::ResourceRef(text)
            | Target::Task(text) => Some(text),
        }
    }

    /// A copy that outlives the message.
    #[must_use]
    pub fn into_owned(self) -> Target<'static> {
        let keep = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Target::None => Target::None,
            Target::Tool(name) => Target::Tool(keep(name)),
            Target::Prompt(name) => Target::Prompt(keep(name)),
            Target::Resource(uri) => Target::Resource(keep(uri)),
            Target::Listen { uris, tasks } => Target::Listen {
                uris: uris.into_iter().map(keep).collect(),
                tasks: tasks.into_iter().map(keep).collect(),
            },
            Target::PromptRef(name) => Target::PromptRef(keep(name)),
            Target::ResourceRef(uri) => Target::ResourceRef(keep(uri)),
            Target::Task(id) => Target::Task(keep(id)),
        }
    }
}

/// What a call is aimed at.
pub(super) fn read<'d>(method: Method, params: Option<Value<'d>>) -> Result<Target<'d>, Refusal> {
    match method {
        Method::ToolsCall => name_of(params).map(Target::Tool),
        Method::PromptsGet => name_of(params).map(Target::Prompt),
        Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
            uri_of(params).map(Target::Resource)
        }
        Method::SubscriptionsListen => listen_of(params),
        Method::CompletionComplete => reference_of(params),
        Method::TasksGet | Method::TasksCancel | Method::TasksResult | Method::TasksUpdate => {
            let id = params.and_then(|params| params.get("taskId")).ok_or(Refusal::BadTaskId)?;
            task_id(id).map(Target::Task)
        }
        Method::Initialize
        | Method::ServerDiscover
        | Method::Ping
        | Method::ToolsList
        | Method::ResourcesList
        | Method::ResourcesTemplatesList
        | Method::PromptsList
        | Method::LoggingSetLevel
        | Method::TasksList
        | Method::Initialized
        | Method::Cancelled
        | Method::Progress
        | Method::RootsListChanged
        | Method::TasksStatus
        | Method::Response
        | Method::Stream
        | Method::Delete => Ok(Target::None),
    }
}

/// The arguments of a call that may have some: the one of a tool, or of a prompt.
pub(super) fn arguments(method: Method, params: Option<Value<'_>>) -> Result<Option<Value<'_>>, Refusal> {
    match method.class() {
        MethodClass::Tool | MethodClass::Prompt => arguments_of(params),
        MethodClass::Base
        | MethodClass::Plain
        | MethodClass::Resource
        | MethodClass::Completion
        | MethodClass::Subscription
        | MethodClass::Task => Ok(None),
    }
}

fn name_of(holder: Option<Value<'_>>) -> Result<Cow<'_, str>, Refusal> {
    let name = holder.and_then(|holder| holder.get("name")).ok_or(Refusal::MissingName)?;
    let name = name.as_str().ok_or(Refusal::BadName)?;
    check_name(&name).map(|()| name)
}

fn uri_of(holder: Option<Value<'_>>) -> Result<Cow<'_, str>, Refusal> {
    let uri = holder.and_then(|holder| holder.get("uri")).ok_or(Refusal::MissingUri)?;
    uri_text(uri)
}

fn uri_text(uri: Value<'_>) -> Result<Cow<'_, str>, Refusal> {
    let uri = uri.as_str().ok_or(Refusal::BadUri)?;
    check_uri(&uri).map(|()| uri)
}

fn task_id(id: Value<'_>) -> Result<Cow<'_, str>, Refusal> {
    let id = id.as_str().ok_or(Refusal::BadTaskId)?;
    check_task(&id).map(|()| id)
}

fn arguments_of(params: Option<Value<'_>>) -> Result<Option<Value<'_>>, Refusal> {
    let Some(params) = params else { return Ok(None) };
    member_object(params, "task", TASK)?;
    match params.get("arguments") {
        Some(arguments) if arguments.kind() != Kind::Object => Err(Refusal::BadParams),
        sound => Ok(sound),
    }
}

fn listen_of<'d>(params: Option<Value<'d>>) -> Result<Target<'d>, Refusal> {
    let wanted = match params {
        Some(params) => member_object(params, "notifications", LISTEN)?,
        None => None,
    };
    let uris = texts(wanted, "resourceSubscriptions", uri_text)?;
    let tasks = texts(wanted, "taskIds", task_id)?;
    Ok(Target::Listen { uris, tasks })
}

fn texts<'d>(
    holder: Option<Value<'d>>,
    name: &str,
    read: fn(Value<'d>) -> Result<Cow<'d, str>, Refusal>,
) -> Result<Vec<Cow<'d, str>>, Refusal> {
    let Some(list) = holder.and_then(|holder| holder.get(name)) else { return Ok(Vec::new()) };
    if list.kind() != Kind::Array {
        return Err(Refusal::BadParams);
    }
    if list.items().count() > MAX_SUBSCRIPTIONS {
        return Err(Refusal::TooManySubscriptions);
    }
    list.items().map(read).collect()
}

/// A reference names a prompt or a resource; one that could be read as both is refused.
fn reference_of<'d>(params: Option<Value<'d>>) -> Result<Target<'d>, Refusal> {
    let params = params.ok_or(Refusal::BadRef)?;
    let reference = member_object(params, "ref", REF)?.ok_or(Refusal::BadRef)?;
    let kind = reference.get("type").and_then(|kind| kind.as_str()).ok_or(Refusal::BadRef)?;
    match (&*kind, reference.get("name"), reference.get("uri")) {
        ("ref/prompt", Some(_), None) => name_of(Some(reference)).map(Target::PromptRef),
        ("ref/resource", None, Some(_)) => uri_of(Some(reference)).map(Target::ResourceRef),
        _ => Err(Refusal::BadRef),
    }
}
