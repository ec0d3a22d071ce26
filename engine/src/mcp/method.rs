// SPDX-License-Identifier: Apache-2.0
//! The method catalogue: every request and notification a client may send in a published version, and three names of
//! our own for what a legacy client does without naming a method.

use super::envelope::Shape;
use super::version::Version;

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// `initialize`
    Initialize,
    /// `server/discover`
    ServerDiscover,
    /// `ping`
    Ping,
    /// `tools/list`
    ToolsList,
    /// `tools/call`
    ToolsCall,
    /// `resources/list`
    ResourcesList,
    /// `resources/templates/list`
    ResourcesTemplatesList,
    /// `resources/read`
    ResourcesRead,
    /// `resources/subscribe`
    ResourcesSubscribe,
    /// `resources/unsubscribe`
    ResourcesUnsubscribe,
    /// `subscriptions/listen`
    SubscriptionsListen,
    /// `prompts/list`
    PromptsList,
    /// `prompts/get`
    PromptsGet,
    /// `completion/complete`
    CompletionComplete,
    /// `logging/setLevel`
    LoggingSetLevel,
    /// `tasks/get`
    TasksGet,
    /// `tasks/cancel`
    TasksCancel,
    /// `tasks/result`
    TasksResult,
    /// `tasks/list`
    TasksList,
    /// `tasks/update`
    TasksUpdate,
    /// `notifications/initialized`
    Initialized,
    /// `notifications/cancelled`
    Cancelled,
    /// `notifications/progress`
    Progress,
    /// `notifications/roots/list_changed`
    RootsListChanged,
    /// `notifications/tasks/status`
    TasksStatus,
    /// A response that a legacy client posts; our name: `response`.
    Response,
    /// The stream that a legacy client opens by GET; our name: `stream`.
    Stream,
    /// The end of a legacy session by DELETE; our name: `session/delete`.
    Delete,
}

/// What kind of right a method needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MethodClass {
    /// Open to every caller who holds a role: the handshake, liveness, notifications, answers, the session itself.
    Base,
    /// Needs the method itself to be allowed; it has no target.
    Plain,
    /// Needs the tool to be allowed.
    Tool,
    /// Needs the prompt to be allowed.
    Prompt,
    /// Needs the resource to be allowed.
    Resource,
    /// Needs the prompt or resource that it completes to be allowed.
    Completion,
    /// Needs every resource (and task) that it listens to to be allowed.
    Subscription,
    /// Concerns a task of the caller's own.
    Task,
}

/// Which member of `params` the header `Mcp-Name` mirrors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSource {
    /// None: the header says nothing for this method.
    Nothing,
    /// `params.name`; the header is required in the modern era.
    Name,
    /// `params.uri`; the header is required in the modern era.
    Uri,
    /// `params.taskId`; the header is checked where it is present.
    TaskId,
}

/// The versions that know a method, as a range of age.
#[derive(Clone, Copy)]
struct Span(Version, Version);

const EVER: Span = Span(Version::V2024_11_05, Version::V2026_07_28);
const LEGACY: Span = Span(Version::V2024_11_05, Version::V2025_11_25);
const MODERN: Span = Span(Version::V2026_07_28, Version::V2026_07_28);
const TASKS_CORE: Span = Span(Version::V2025_11_25, Version::V2025_11_25);
const TASKS: Span = Span(Version::V2025_11_25, Version::V2026_07_28);

impl Method {
    /// Every method, in the order of their discriminants.
    pub const ALL: [Method; 28] = [
        Method::Initialize,
        Method::ServerDiscover,
        Method::Ping,
        Method::ToolsList,
        Method::ToolsCall,
        Method::ResourcesList,
        Method::ResourcesTemplatesList,
        Method::ResourcesRead,
        Method::ResourcesSubscribe,
        Method::ResourcesUnsubscribe,
        Method::SubscriptionsListen,
        Method::PromptsList,
        Method::PromptsGet,
        Method::CompletionComplete,
        Method::LoggingSetLevel,
        Method::TasksGet,
        Method::TasksCancel,
        Method::TasksResult,
        Method::TasksList,
        Method::TasksUpdate,
        Method::Initialized,
        Method::Cancelled,
        Method::Progress,
        Method::RootsListChanged,
        Method::TasksStatus,
        Method::Response,
        Method::Stream,
        Method::Delete,
    ];

    /// The position in [`Method::ALL`], for tables of metrics.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The method that a message names exactly so. Our own names are not on the wire: they give `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Method> {
        Method::from_name(text).filter(|method| method.shape().is_some_and(|shape| shape != Shape::Response))
    }

    /// The method of that name, our own names included: for policies and labels.
    #[must_use]
    pub fn from_name(text: &str) -> Option<Method> {
        // In so many words: the text's length and a look or two at it say which.
        Some(match text {
            "initialize" => Method::Initialize,
            "server/discover" => Method::ServerDiscover,
            "ping" => Method::Ping,
            "tools/list" => Method::ToolsList,
            "tools/call" => Method::ToolsCall,
            "resources/list" => Method::ResourcesList,
            "resources/templates/list" => Method::ResourcesTemplatesList,
            "resources/read" => Method::ResourcesRead,
            "resources/subscribe" => Method::ResourcesSubscribe,
            "resources/unsubscribe" => Method::ResourcesUnsubscribe,
            "subscriptions/listen" => Method::SubscriptionsListen,
            "prompts/list" => Method::PromptsList,
            "prompts/get" => Method::PromptsGet,
            "completion/complete" => Method::CompletionComplete,
            "logging/setLevel" => Method::LoggingSetLevel,
            "tasks/get" => Method::TasksGet,
            "tasks/cancel" => Method::TasksCancel,
            "tasks/result" => Method::TasksResult,
            "tasks/list" => Method::TasksList,
            "tasks/update" => Method::TasksUpdate,
            "notifications/initialized" => Method::Initialized,
            "notifications/cancelled" => Method::Cancelled,
            "notifications/progress" => Method::Progress,
            "notifications/roots/list_changed" => Method::RootsListChanged,
            "notifications/tasks/status" => Method::TasksStatus,
            "response" => Method::Response,
            "stream" => Method::Stream,
            "session/delete" => Method::Delete,
            _ => return None,
        })
    }

    /// The name on the wire, or our own; stable, fit for a metric label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::Initialize => "initialize",
            Method::ServerDiscover => "server/discover",
            Method::Ping => "ping",
            Method::ToolsList => "tools/list",
            Method::ToolsCall => "tools/call",
            Method::ResourcesList => "resources/list",
            Method::ResourcesTemplatesList => "resources/templates/list",
            Method::ResourcesRead => "resources/read",
            Method::ResourcesSubscribe => "resources/subscribe",
            Method::ResourcesUnsubscribe => "resources/unsubscribe",
            Method::SubscriptionsListen => "subscriptions/listen",
            Method::PromptsList => "prompts/list",
            Method::PromptsGet => "prompts/get",
            Method::CompletionComplete => "completion/complete",
            Method::LoggingSetLevel => "logging/setLevel",
            Method::TasksGet => "tasks/get",
            Method::TasksCancel => "tasks/cancel",
            Method::TasksResult => "tasks/result",
            Method::TasksList => "tasks/list",
            Method::TasksUpdate => "tasks/update",
            Method::Initialized => "notifications/initialized",
            Method::Cancelled => "notifications/cancelled",
            Method::Progress => "notifications/progress",
            Method::RootsListChanged => "notifications/roots/list_changed",
            Method::TasksStatus => "notifications/tasks/status",
            Method::Response => "response",
            Method::Stream => "stream",
            Method::Delete => "session/delete",
        }
    }

    /// What kind of right it needs.
    #[must_use]
    pub fn class(self) -> MethodClass {
        match self {
            Method::Initialize | Method::ServerDiscover | Method::Ping => MethodClass::Base,
            Method::Initialized
            | Method::Cancelled
            | Method::Progress
            | Method::RootsListChanged
            | Method::TasksStatus => MethodClass::Base,
            Method::Response | Method::Stream | Method::Delete => MethodClass::Base,
            Method::ToolsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList
            | Method::PromptsList
            | Method::LoggingSetLevel => MethodClass::Plain,
            Method::ToolsCall => MethodClass::Tool,
            Method::PromptsGet => MethodClass::Prompt,
            Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                MethodClass::Resource
            }
            Method::CompletionComplete => MethodClass::Completion,
            Method::SubscriptionsListen => MethodClass::Subscription,
            Method::TasksGet
            | Method::TasksCancel
            | Method::TasksResult
            | Method::TasksList
            | Method::TasksUpdate => MethodClass::Task,
        }
    }

    /// The shape of the message that carries it; `None` for what has no message.
    #[must_use]
    pub fn shape(self) -> Option<Shape> {
        match self {
            Method::Initialized
            | Method::Cancelled
            | Method::Progress
            | Method::RootsListChanged
            | Method::TasksStatus => Some(Shape::Notification),
            Method::Response => Some(Shape::Response),
            Method::Stream | Method::Delete => None,
            Method::Initialize
            | Method::ServerDiscover
            | Method::Ping
            | Method::ToolsList
            | Method::ToolsCall
            | Method::ResourcesList
            | Method::ResourcesTemplatesList
            | Method::ResourcesRead
            | Method::ResourcesSubscribe
            | Method::ResourcesUnsubscribe
            | Method::SubscriptionsListen
            | Method::PromptsList
            | Method::PromptsGet
            | Method::CompletionComplete
            | Method::LoggingSetLevel
            | Method::TasksGet
            | Method::TasksCancel
            | Method::TasksResult
            | Method::TasksList
            | Method::TasksUpdate => Some(Shape::Request),
        }
    }

    /// What `Mcp-Name` mirrors for it.
    #[must_use]
    pub fn name_source(self) -> NameSource {
        match self {
            Method::ToolsCall | Method::PromptsGet => NameSource::Name,
            Method::ResourcesRead => NameSource::Uri,
            Method::TasksGet | Method::TasksCancel | Method::TasksUpdate => NameSource::TaskId,
            Method::Initialize
            | Method::ServerDiscover
            | Method::Ping
            | Method::ToolsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList
            | Method::ResourcesSubscribe
            | Method::ResourcesUnsubscribe
            | Method::SubscriptionsListen
            | Method::PromptsList
            | Method::CompletionComplete
            | Method::LoggingSetLevel
            | Method::TasksResult
            | Method::TasksList
            | Method::Initialized
            | Method::Cancelled
            | Method::Progress
            | Method::RootsListChanged
            | Method::TasksStatus
            | Method::Response
            | Method::Stream
            | Method::Delete => NameSource::Nothing,
        }
    }

    /// Whether that version knows it.
    #[must_use]
    pub fn known_in(self, version: Version) -> bool {
        let Span(first, last) = self.span();
        first <= version && version <= last
    }

    /// `notifications/cancelled` is for stdio only in 2026-07-28, but its schema has it and it asks for nothing.
    fn span(self) -> Span {
        match self {
            Method::ToolsList
            | Method::ToolsCall
            | Method::ResourcesList
            | Method::ResourcesTemplatesList
            | Method::ResourcesRead
            | Method::PromptsList
            | Method::PromptsGet
            | Method::CompletionComplete
            | Method::Cancelled => EVER,
            Method::Initialize
            | Method::Ping
            | Method::ResourcesSubscribe
            | Method::ResourcesUnsubscribe
            | Method::LoggingSetLevel
            | Method::Initialized
            | Method::Progress
            | Method::RootsListChanged
            | Method::Response
            | Method::Stream
            | Method::Delete => LEGACY,
            Method::ServerDiscover | Method::SubscriptionsListen | Method::TasksUpdate => MODERN,
            Method::TasksResult | Method::TasksList | Method::TasksStatus => TASKS_CORE,
            Method::TasksGet | Method::TasksCancel => TASKS,
        }
    }
}
