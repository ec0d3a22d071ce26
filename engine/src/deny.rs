// SPDX-License-Identifier: Apache-2.0
//! Why a request does not go on, and the answer it gets: one exhaustive way from reason to status, code and label.

use crate::config::CredentialKind;
use crate::dpop::Fault;
use crate::json::quoted;
use crate::mcp::Refusal;
use crate::policy::RefusedReason;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What is wrong at the door, before anybody asks who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Method, path or host are missing, repeated or not text.
    MalformedHead,
    /// The path could be read as a guarded one.
    AmbiguousPath,
    /// No server or route claims the request.
    Unmatched,
    /// The path is a server's, the host is not.
    HostNotAllowed,
    /// The route's metadata names a server that is not there.
    UnknownRouteServer,
    /// The browser origin is not on the list.
    OriginNotAllowed,
    /// The HTTP method is none that MCP, or the route, knows.
    MethodNotAllowed,
    /// The content type is not `application/json`.
    ContentType,
    /// The body is encoded.
    ContentEncoding,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// There is no body.
    BodyMissing,
    /// The connection has no TLS, or too old a version.
    TlsRequired,
    /// The session is over, or never was this caller's.
    SessionUnknown,
}

/// What is wrong with the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// There are none.
    Missing,
    /// They are of another scheme than `Bearer`; the word is the label. To RFC 6750 that is as if there were none.
    OtherScheme(&'static str),
    /// They are not one well-formed credential; the word is the label.
    Malformed(&'static str),
    /// The token is refused; the word is the label, and stays inside.
    Rejected(&'static str),
    /// A credential of this kind is required too.
    Required(CredentialKind),
    /// The token is good, and its login is not good enough here (RFC 9470).
    StepUp,
    /// The token is good, and its scopes open too little (RFC 6750 section 3.1).
    Scope,
    /// The keys to judge the token are not there.
    KeysUnavailable,
    /// The issuer that has to be asked about the token does not answer.
    IntrospectionUnavailable,
    /// Whether the credential was revoked cannot be told.
    RevocationUnavailable,
    /// The policy is not there: its bundle has not come, or has ended.
    PolicyUnavailable,
    /// Too much work of this kind is under way.
    Busy {
        /// Whole seconds after which there will be room again.
        retry_after_secs: u64,
    },
    /// The sender has not proved that the token is its own (RFC 9449).
    Possession(Fault),
}

/// What the configuration of the server forbids, whoever calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// A server asks, or a client answers, what is not allowed on this server.
    ServerRequest,
    /// Tasks are not bound to their callers here, so there are none.
    TasksOff,
    /// The task is unknown, or another caller's.
    TaskForeign,
    /// The arguments do not fit the tool's schema.
    Arguments,
    /// The tool's schema is not known, or not understood, and has to be.
    SchemaUnknown,
    /// The tool is not the one that was pinned.
    ToolWithheld,
}

/// Why a request does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// At the door.
    Door(Door),
    /// Who calls is not proven.
    Auth(Auth),
    /// The message is not one.
    Message(Refusal),
    /// The policy does not allow it.
    Policy(RefusedReason),
    /// The server's configuration does not allow it.
    Surface(Surface),
    /// It is beyond a rate limit.
    Limited {
        /// Whole seconds after which there will be room again.
        retry_after_secs: u64,
    },
    /// The upstream's answer cannot be filtered; the word is the label.
    Answer(&'static str),
}

impl Door {
    fn facts(self) -> (u16, &'static str, &'static str) {
        match self {
            Door::MalformedHead => (400, "malformed_head", "the request line or the host cannot be read"),
            Door::AmbiguousPath => (400, "ambiguous_path", "the path can be read in two ways"),
            Door::Unmatched => (404, "unmatched", "nothing is served here"),
            Door::HostNotAllowed => (403, "host_not_allowed", "this host is not served here"),
            Door::UnknownRouteServer => {
                (500, "unknown_route_server", "the route names a server that is not configured")
            }
            Door::OriginNotAllowed => (403, "origin_not_allowed", "this origin is not allowed"),
            Door::MethodNotAllowed => (405, "method_not_allowed", "this HTTP method is not allowed here"),
            Door::ContentType => (415, "content_type", "the content type must be application/json in UTF-8"),
            Door::ContentEncoding => (415, "content_encoding", "the body must not be encoded"),
            Door::BodyTooLarge => (413, "body_too_large", "the body is too large"),
            Door::BodyMissing => (400, "body_missing", "the body is missing"),
            Door::SessionUnknown => (404, "session_unknown", "the session is not known here"),
            Door::TlsRequired => {
                (403, "tls_required", "a connection with a newer version of TLS is required")
            }
        }
    }
}

impl Surface {
    fn facts(self) -> (u16, i32, &'static str, &'static str) {
        match self {
            Surface::ServerRequest => {
                (403, 403, "server_request_denied", "what the server asks of clients is not allowed here")
            }
            Surface::Arguments => {
                (400, -32602, "arguments_do_not_fit", "the arguments do not fit the schema of the tool")
            }
            Surface::SchemaUnknown => (
                403,
                403,
                "tool_schema_unknown",
                "the schema of the tool is not known here, or cannot be checked",
            ),
            Surface::ToolWithheld => (403, 403, "tool_withheld", "the tool is withheld"),
            Surface::TasksOff => (403, 403, "tasks_not_bound", "tasks are not available here"),
            Surface::TaskForeign => (403, 403, "task_not_yours", "the task is not one of this caller's"),
        }
    }
}

impl Denial {
    /// The metric label: a closed set.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Denial::Door(door) => door.facts().1,
            Denial::Auth(Auth::Missing) => "missing_token",
            Denial::Auth(Auth::OtherScheme(label) | Auth::Malformed(label) | Auth::Rejected(label)) => label,
            Denial::Auth(Auth::Required(kind)) => match kind {
                CredentialKind::Token => "token_required",
                CredentialKind::ApiKey => "api_key_required",
                CredentialKind::Certificate => "certificate_required",
            },
            Denial::Auth(Auth::StepUp) => "insufficient_user_authentication",
            Denial::Auth(Auth::Scope) => "insufficient_scope",
            Denial::Auth(Auth::KeysUnavailable) => "keys_unavailable",
            Denial::Auth(Auth::IntrospectionUnavailable) => "introspection_unavailable",
            Denial::Auth(Auth::RevocationUnavailable) => "revocation_unavailable",
            Denial::Auth(Auth::PolicyUnavailable) => "policy_unavailable",
            Denial::Auth(Auth::Busy { .. }) => "verification_busy",
            Denial::Auth(Auth::Possession(fault)) => fault.label(),
            Denial::Message(refusal) => refusal.label(),
            Denial::Policy(reason) => policy_label(reason),
            Denial::Surface(surface) => surface.facts().2,
            Denial::Limited { .. } => "rate_limited",
            Denial::Answer(label) => label,
        }
    }

    /// The class of errors that it belongs to: a metric label.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Denial::Door(_) => "door",
            Denial::Auth(
                Auth::KeysUnavailable
                | Auth::IntrospectionUnavailable
                | Auth::RevocationUnavailable
                | Auth::Busy { .. },
            ) => "unavailable",
            Denial::Auth(Auth::Scope) => "authorization",
            Denial::Auth(_) => "authentication",
            Denial::Message(_) => "protocol",
            Denial::Policy(_) => "authorization",
            Denial::Surface(_) => "surface",
            Denial::Limited { .. } => "limit",
            Denial::Answer(_) => "upstream",
        }
    }

    /// What an outsider may know of the reason: of a failed authentication, only that it failed.
    #[must_use]
    pub fn public_reason(self) -> &'static str {
        match self {
            Denial::Auth(Auth::Rejected(_)) => "invalid_token",
            Denial::Auth(Auth::Malformed(_)) => "invalid_request",
            Denial::Auth(Auth::Possession(fault)) => fault.error().unwrap_or(fault.label()),
            Denial::Answer(_) => "upstream_answer",
            Denial::Door(_)
            | Denial::Auth(_)
            | Denial::Message(_)
            | Denial::Policy(_)
            | Denial::Limited { .. }
            | Denial::Surface(_) => self.label(),
        }
    }

    /// The HTTP status where the message itself does not decide it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Denial::Door(door) => door.facts().0,
            Denial::Auth(
                Auth::Missing
                | Auth::OtherScheme(_)
                | Auth::Rejected(_)
                | Auth::Required(CredentialKind::Token | CredentialKind::ApiKey)
                | Auth::StepUp,
            ) => 401,
            // No credential in a header makes up for a certificate: a challenge would only send clients around.
            Denial::Auth(Auth::Required(CredentialKind::Certificate) | Auth::Scope) => 403,
            Denial::Auth(Auth::Malformed(_)) | Denial::Message(_) => 400,
            Denial::Auth(
                Auth::KeysUnavailable
                | Auth::IntrospectionUnavailable
                | Auth::RevocationUnavailable
                | Auth::PolicyUnavailable
                | Auth::Busy { .. },
            ) => 503,
            Denial::Auth(Auth::Possession(fault)) => fault.error().map_or(503, |_| 401),
            Denial::Policy(_) => 403,
            Denial::Surface(surface) => surface.facts().0,
            Denial::Limited { .. } => 429,
            Denial::Answer(_) => 502,
        }
    }

    /// After how many seconds there is room again, where a limit says so.
    #[must_use]
    pub fn retry_after_secs(self) -> Option<u64> {
        match self {
            Denial::Limited { retry_after_secs } => Some(retry_after_secs),
            Denial::Door(_)
            | Denial::Auth(_)
            | Denial::Message(_)
            | Denial::Policy(_)
            | Denial::Surface(_)
            | Denial::Answer(_) => None,
        }
    }

    /// The JSON-RPC code where the message itself does not decide it: the status, except for what JSON-RPC has a
    /// code for.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Denial::Door(Door::BodyMissing) => -32700,
            Denial::Door(Door::AmbiguousPath | Door::MalformedHead) | Denial::Auth(Auth::Malformed(_)) => {
                -32600
            }
            Denial::Surface(surface) => surface.facts().1,
            Denial::Door(_)
            | Denial::Auth(_)
            | Denial::Message(_)
            | Denial::Policy(_)
            | Denial::Limited { .. }
            | Denial::Answer(_) => i32::from(self.status()),
        }
    }

    /// A sentence for the caller.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Denial::Door(door) => door.facts().2,
            Denial::Auth(Auth::Missing | Auth::OtherScheme(_)) => "a bearer token is required",
            Denial::Auth(Auth::Malformed(_)) => "the credentials are malformed",
            Denial::Auth(Auth::Rejected(_)) => "the token is not valid here",
            Denial::Auth(Auth::Required(kind)) => match kind {
                CredentialKind::Token => "a token is required",
                CredentialKind::ApiKey => "an API key is required",
                CredentialKind::Certificate => "a client certificate is required",
            },
            Denial::Auth(Auth::Scope) => "a token with more scopes is required",
            Denial::Auth(Auth::StepUp) => "a stronger or more recent login is required",
            Denial::Auth(Auth::KeysUnavailable | Auth::IntrospectionUnavailable) => {
                "the token cannot be verified right now"
            }
            Denial::Auth(Auth::PolicyUnavailable) => "nothing can be allowed right now",
            Denial::Auth(Auth::RevocationUnavailable) => "the credentials cannot be checked right now",
            Denial::Auth(Auth::Busy { .. }) => "too many tokens are being verified right now",
            Denial::Auth(Auth::Possession(fault)) => match fault.error() {
                Some("use_dpop_nonce") => "the proof of possession needs the nonce of this answer",
                Some(_) => "possession of the token's key is not proven",
                None => "whether the proof was used before cannot be told right now",
            },
            Denial::Message(refusal) => refusal.message(),
            Denial::Policy(_) => "the policy does not allow this",
            Denial::Surface(surface) => surface.facts().3,
            Denial::Limited { .. } => "too many requests: try again later",
            Denial::Answer(_) => "the answer of the server cannot be passed on",
        }
    }
}

/// The metric label of a policy's reason.
#[must_use]
pub fn policy_label(reason: RefusedReason) -> &'static str {
    match reason {
        RefusedReason::NoRole => "no_role",
        RefusedReason::NoRule => "no_rule",
        RefusedReason::ConditionFalse => "condition_false",
        RefusedReason::ConditionUnknown => "condition_unknown",
        RefusedReason::Requires => "more_required",
        RefusedReason::DenyRule => "deny_rule",
    }
}

/// An answer that the gate gives itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, without content length.
    pub headers: Vec<(&'static str, String)>,
    /// Body; JSON unless it is empty.
    pub body: String,
    /// What access logs show as response code details.
    pub details: &'static str,
    /// What access logs and traces may show of the decision, where the configuration asks for it.
    pub facts: Vec<(&'static str, String)>,
}

impl Answer {
    /// An answer with the headers that every answer of the gate carries.
    #[must_use]
    pub fn new(status: u16, body: String, details: &'static str) -> Answer {
        let mut headers = Vec::with_capacity(6);
        headers.push(("cache-control", "no-store".to_string()));
        headers.push(("x-content-type-options", "nosniff".to_string()));
        if !body.is_empty() {
            headers.push(("content-type", "application/json".to_string()));
        }
        Answer { status, headers, body, details, facts: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }
}

/// A JSON-RPC error body around an id that has been read already, as raw JSON.
#[must_use]
pub fn error_body(id: Option<&str>, code: i32, message: &str, data: Option<ErrorData<'_>>) -> String {
    let mut body = String::from("{\"jsonrpc\":\"2.0\"");
    let mut add = |parts: &[&str]| parts.iter().for_each(|part| body.push_str(part));
    if let Some(id) = id {
        add(&[",\"id\":", id]);
    }
    add(&[",\"error\":{\"code\":", &code.to_string(), ",\"message\":", &quoted(message)]);
    if let Some(data) = data {
        add(&[
            ",\"data\":{\"reason\":",
            &quoted(data.reason),
            ",\"decision_id\":",
            &quoted(data.decision_id),
        ]);
        if let Some(rule) = data.rule {
            add(&[",\"rule\":", &quoted(rule)]);
        }
        if let Some(secs) = data.retry_after_secs {
            add(&[",\"retry_after_seconds\":", &secs.to_string()]);
        }
        add(&["}"]);
    }
    add(&["}}"]);
    body
}

/// What stands in `error.data`.
#[derive(Clone, Copy, Debug)]
pub struct ErrorData<'a> {
    /// The public reason.
    pub reason: &'a str,
    /// Leads to the record of the decision.
    pub decision_id: &'a str,
    /// The rule, where the configuration wants it shown.
    pub rule: Option<&'a str>,
    /// After how many seconds there is room again, for clients that read no headers.
    pub retry_after_secs: Option<u64>,
}
