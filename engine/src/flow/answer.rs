// SPDX-License-Identifier: Apache-2.0
//! From a denial to the answer that the caller gets (design section 3, "Answers").

use super::memory::DecisionId;
use super::{Desk, facts};
use crate::config::{Config, CredentialKind, DenialStyle, Fact, Requirement, Route, Server, ShowRule};
use crate::deny::{Answer, Auth, Denial, Door, ErrorData, Surface, error_body};
use crate::dpop::DpopRules;
use crate::identity::{Identity, header_value};
use crate::mcp::{Era, HeaderValue, Refused, Shape, Target, VersionSet};
use crate::oauth::{Challenge, step_up, www_authenticate};
use crate::policy;
use crate::time::UnixTime;
use alloc::format;
use alloc::string::{String, ToString};

/// Where a denial happened, as far as the answer depends on it.
#[derive(Clone, Copy)]
pub(super) struct Scene<'s> {
    pub config: &'s Config,
    pub server: Option<&'s Server>,
    pub route: Option<&'s Route>,
    pub metadata_url: Option<&'s str>,
    /// What is required of callers, for a challenge that names it.
    pub require: Option<&'s Requirement>,
    /// Who calls, once that is known.
    pub who: Option<&'s Identity>,
    /// The method of the call, once that is known.
    pub method: Option<&'static str>,
    /// The tool that the call is aimed at.
    pub tool: Option<&'s str>,
    /// The scopes that a challenge names.
    pub scope: Option<&'s str>,
    pub origin: HeaderValue<'s>,
    pub decision: DecisionId,
    pub dpop: Option<&'s DpopRules>,
    pub now: UnixTime,
}

impl<'s> Scene<'s> {
    /// Before it is known which server or route is meant.
    pub(super) fn new<'d: 's>(desk: &mut Desk<'d>, origin: HeaderValue<'s>) -> Scene<'s> {
        Scene::of(desk.config, desk.memory.next_decision(), desk.now, origin)
    }

    /// The same, of a decision that has its id already.
    pub(super) fn of(
        config: &'s Config,
        decision: DecisionId,
        now: UnixTime,
        origin: HeaderValue<'s>,
    ) -> Scene<'s> {
        Scene {
            config,
            server: None,
            route: None,
            metadata_url: None,
            require: None,
            who: None,
            method: None,
            tool: None,
            scope: None,
            origin,
            decision,
            dpop: None,
            now,
        }
    }

    /// At a server, with what it asks of callers.
    pub(super) fn at(self, server: &'s Server) -> Scene<'s> {
        Scene {
            server: Some(server),
            metadata_url: server.challenge_url(),
            require: Some(&server.credentials.require),
            dpop: server.dpop.as_ref(),
            ..self
        }
    }
}

/// The call that was denied, as far as it is known.
#[derive(Clone, Copy)]
pub(super) struct Denied<'c> {
    pub id: Option<&'c str>,
    pub shape: Shape,
    pub era: Era,
    pub target: &'c Target<'c>,
    pub rule: Option<&'c str>,
}

/// The answer to a request whose message is not known (yet).
pub(super) fn plain(scene: &Scene<'_>, denial: Denial) -> Answer {
    explicit(scene, denial, None, None)
}

/// The answer to a request that the policy does not allow and of which no message is known: always explicit.
pub(super) fn refused(scene: &Scene<'_>, refused: &policy::Refused) -> Answer {
    let denial = scene.scope.map_or(Denial::Policy(refused.reason), |_| Denial::Auth(Auth::Scope));
    explicit(scene, denial, None, refused.rule.as_deref())
}

/// The answer to a request beyond a limit of which no message is known: always explicit.
pub(super) fn limited(scene: &Scene<'_>, denial: Denial, limit: &str) -> Answer {
    explicit(scene, denial, None, Some(limit))
}

/// The answer to a call that needs another credential, a better login or more scopes.
pub(super) fn for_caller(scene: &Scene<'_>, auth: Auth, id: Option<&str>, rule: Option<&str>) -> Answer {
    explicit(scene, Denial::Auth(auth), id, rule)
}

/// An answer that says what it is, to the message of that id, if it has one.
fn explicit(scene: &Scene<'_>, denial: Denial, id: Option<&str>, rule: Option<&str>) -> Answer {
    let text = scene.decision.text();
    let data = data_of(denial, &text, shown(scene.config, rule));
    let body = error_body(id, denial.code(), denial.message(), Some(data));
    let answer = decorate(scene, denial, Answer::new(denial.status(), body, denial.label()));
    ruled(scene.config, answer, rule)
}

/// What stands in `error.data`.
pub(super) fn data_of<'a>(denial: Denial, decision_id: &'a str, rule: Option<&'a str>) -> ErrorData<'a> {
    let retry_after_secs = denial.retry_after_secs();
    ErrorData { reason: denial.public_reason(), decision_id, rule, retry_after_secs }
}

/// What the answer says of the rule.
fn shown<'r>(config: &Config, rule: Option<&'r str>) -> Option<&'r str> {
    match config.show_rule {
        ShowRule::Always => rule,
        ShowRule::Never => None,
    }
}

/// With the rule for access logs, where they are to have it.
fn ruled(config: &Config, mut answer: Answer, rule: Option<&str>) -> Answer {
    if config.filter_state.shows(Fact::Rule)
        && let Some(rule) = rule.and_then(header_value)
    {
        answer.facts.push((Fact::Rule.name(), rule));
    }
    answer
}

/// The answer to a message that is none.
pub(super) fn malformed(scene: &Scene<'_>, refused: &Refused<'_>) -> Answer {
    let versions = scene.server.map_or(VersionSet::EMPTY, |server| server.versions);
    let body = refused.body(versions, &scene.decision.text());
    let denial = Denial::Message(refused.reason);
    decorate(scene, denial, Answer::new(refused.http_status(), body, denial.label()))
}

/// The answer to a call that the policy does not allow, in the style of the server.
pub(super) fn by_policy(scene: &Scene<'_>, denial: Denial, denied: &Denied<'_>) -> Answer {
    let style = scene.server.map_or(DenialStyle::Explicit, |server| server.denial);
    // Nobody reads a body in answer to a notification or a response: the status has to say it.
    let style = match denied.shape {
        Shape::Request => style,
        Shape::Notification | Shape::Response => DenialStyle::Explicit,
    };
    let (status, body) = worded((scene.config, style), scene.decision, denial, denied);
    let answer = decorate(scene, denial, Answer::new(status, body, denial.label()));
    ruled(scene.config, answer, denied.rule)
}

fn worded(
    (config, style): (&Config, DenialStyle),
    decision: DecisionId,
    denial: Denial,
    denied: &Denied<'_>,
) -> (u16, String) {
    let text = decision.text();
    let rule = shown(config, denied.rule);
    let data = Some(data_of(denial, &text, rule));
    let body = || error_body(denied.id, denial.code(), denial.message(), data);
    match style {
        DenialStyle::Readable => (200, body()),
        // There is nothing to hide about a limit: it is asked before it is known what the caller may see.
        DenialStyle::Hidden if !matches!(denial, Denial::Limited { .. }) => hidden(denial, denied),
        DenialStyle::Explicit | DenialStyle::Hidden => (denial.status(), body()),
    }
}

/// The message in the place of an answer that a rule denies. The status is that of the server: its head has been read.
pub(super) fn instead(
    config: &Config,
    server: Option<&Server>,
    decision: DecisionId,
    denial: Denial,
    denied: &Denied<'_>,
) -> String {
    let style = server.map_or(DenialStyle::Explicit, |server| server.denial);
    worded((config, style), decision, denial, denied).1
}

/// As a server answers that does not have what was asked for. Nothing in it names the gate.
fn hidden(denial: Denial, denied: &Denied<'_>) -> (u16, String) {
    let (code, message) = match denied.target {
        Target::Tool(name) => (-32602, format!("Unknown tool: {name}")),
        Target::Prompt(name) | Target::PromptRef(name) => (-32602, format!("Unknown prompt: {name}")),
        Target::Resource(uri) | Target::ResourceRef(uri) => {
            (if denied.era == Era::Modern { -32602 } else { -32002 }, format!("Resource not found: {uri}"))
        }
        Target::Task(_) if denial == Denial::Surface(Surface::TaskForeign) => {
            (-32602, "Task not found".to_string())
        }
        Target::None | Target::Listen { .. } | Target::Task(_) => (-32601, "Method not found".to_string()),
    };
    let status = if code == -32601 && denied.era == Era::Modern { 404 } else { 200 };
    (status, error_body(denied.id, code, &message, None))
}

/// Headers that depend on the denial: the challenge, what to try instead, who may read the answer.
fn decorate(scene: &Scene<'_>, denial: Denial, mut answer: Answer) -> Answer {
    answer.facts = facts::shown(scene, ("deny", denial.label()), None);
    let challenge = match denial {
        Denial::Auth(Auth::Missing | Auth::OtherScheme(_)) => Some(Challenge::Missing),
        Denial::Auth(Auth::Required(CredentialKind::Token | CredentialKind::ApiKey)) => {
            Some(Challenge::Missing)
        }
        Denial::Auth(Auth::Required(CredentialKind::Certificate)) => None,
        Denial::Auth(Auth::StepUp) => {
            let value = step_up(scene.require, scene.metadata_url);
            answer = answer.with("www-authenticate", value);
            None
        }
        Denial::Auth(Auth::Scope) => scene.scope.map(|_| Challenge::InsufficientScope),
        Denial::Auth(Auth::Rejected(_)) => Some(Challenge::InvalidToken),
        Denial::Auth(Auth::Malformed(_)) => Some(Challenge::InvalidRequest),
        Denial::Auth(Auth::Possession(fault)) if let Some(error) = fault.error() => {
            answer.headers.extend(fresh_nonce(scene).map(|nonce| ("dpop-nonce", nonce)));
            Some(Challenge::Dpop(error))
        }
        Denial::Auth(
            Auth::KeysUnavailable
            | Auth::IntrospectionUnavailable
            | Auth::RevocationUnavailable
            | Auth::PolicyUnavailable
            | Auth::Possession(_),
        ) => {
            answer = answer.with("retry-after", "5".to_string());
            None
        }
        Denial::Auth(Auth::Busy { retry_after_secs }) | Denial::Limited { retry_after_secs } => {
            answer = answer.with("retry-after", retry_after_secs.to_string());
            None
        }
        Denial::Door(Door::MethodNotAllowed) => {
            answer = answer.with("allow", allowed_methods(scene));
            None
        }
        Denial::Door(_) | Denial::Message(_) | Denial::Policy(_) | Denial::Surface(_) | Denial::Answer(_) => {
            None
        }
    };
    if let Some(challenge) = challenge {
        let algs = scene.dpop.map(|dpop| dpop.algs.as_str());
        let base = scene.require.map(|require| require.scopes.join(" ")).filter(|base| !base.is_empty());
        let scope = scene.scope.or(base.as_deref());
        answer =
            answer.with("www-authenticate", www_authenticate(challenge, scene.metadata_url, scope, algs));
    }
    if let (Some(server), HeaderValue::One(origin)) = (scene.server, scene.origin)
        && let Some(origin) = cors_origin(server, origin)
    {
        answer = answer.with("access-control-allow-origin", origin).with("vary", "origin".to_string());
        answer = answer.with("access-control-expose-headers", EXPOSED.to_string());
    }
    answer
}

/// A nonce, where the place asks for one (RFC 9449 section 9).
fn fresh_nonce(scene: &Scene<'_>) -> Option<String> {
    scene.dpop?.nonce_secs?;
    scene.config.nonces.as_ref().map(|nonces| nonces.issue(scene.now))
}

fn allowed_methods(scene: &Scene<'_>) -> String {
    if let Some(route) = scene.route {
        return route.methods.join(", ");
    }
    let legacy = scene.server.is_none_or(|server| server.versions.newest(Era::Legacy).is_some());
    if legacy { "GET, POST, DELETE".to_string() } else { "POST".to_string() }
}

/// What pages may read besides the safelisted headers.
pub(super) const EXPOSED: &str = "mcp-session-id, www-authenticate, retry-after, dpop-nonce";

/// The origin to name in answers, if its pages may read them.
pub(super) fn cors_origin(server: &Server, origin: &[u8]) -> Option<String> {
    let known = server.cors.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(origin));
    if known { core::str::from_utf8(origin).ok().map(ToString::to_string) } else { None }
}

/// The answer to a CORS preflight. Browsers cannot allow-list `Mcp-Param-*` by pattern; those are not sent by them.
pub(super) fn preflight(server: &Server, origin: &[u8]) -> Option<Answer> {
    let origin = cors_origin(server, origin)?;
    let answer = Answer::new(204, String::new(), "cors_preflight");
    let headers = "authorization, dpop, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id";
    Some(
        answer
            .with("access-control-allow-origin", origin)
            .with("access-control-allow-methods", "POST, GET, DELETE".to_string())
            .with("access-control-allow-headers", headers.to_string())
            .with("access-control-max-age", "600".to_string())
            .with("vary", "origin".to_string()),
    )
}
