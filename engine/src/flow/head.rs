// SPDX-License-Identifier: Apache-2.0
//! The head of a request: which server is meant, who calls, and whether the body has to be seen.

use super::answer::{self, Scene};
use super::auth::{self, Authenticated};
use super::body::{AwaitBody, Waiting};
use super::door::{self, Front};
use super::peer::Peer;
use super::reply::Reply;
use super::shadow::{self, Note};
use super::shown;
use super::{Attempt, BodyFollows, Desk, Edit, Head, Passage, Step, surfaces};
use crate::config::{
    Access, Authorization, Config, DenialStyle, HostMode, IdentityHeaders, InternalJwt, JwtHeader, Route,
    RouteAnswer, Server, Upstream,
};
use crate::deny::{Answer, Denial, Door};
use crate::identity::{Caller, Identity};
use crate::mcp::{
    Era, HeadFacts, HeaderValue, Method, MethodClass, NameSource, Refusal, Refused, judge_head,
};
use crate::metrics::{MethodLabel, Metric, Place, Sample, Series, ToolLabel};
use crate::oauth::WELL_KNOWN;
use crate::onward::{Signer, Subject};
use crate::policy;
use crate::policy::{Arguments, Ask, Context, Permit, Policy};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// Looks at the head of a request.
pub fn start(head: &Head<'_>, desk: &mut Desk<'_>) -> Step {
    let mut front = match Front::read(head.fields) {
        Ok(front) => front,
        Err((door, _)) => {
            let scene = Scene {
                config: desk.config,
                server: None,
                route: None,
                metadata_url: None,
                require: None,
                origin: HeaderValue::Absent,
                decision: desk.memory.next_decision(),
                dpop: None,
                now: desk.now,
            };
            return deny(desk, &scene, Place::None, Denial::Door(door));
        }
    };
    let config = desk.config;
    if let Some(answer) = metadata(&front, config).or_else(|| own_keys(&front, config)) {
        return Step::Answer(Box::new(answer));
    }
    let decision = desk.memory.next_decision();
    let peer = Peer::new(config, head.connection, &mut front);
    let place = door::place(&front, config, head.route_server);
    let mut scene = Scene {
        config,
        server: None,
        route: None,
        metadata_url: None,
        require: None,
        origin: front.origin,
        decision,
        dpop: None,
        now: desk.now,
    };
    match place {
        Err((door, place)) => {
            if let Place::Route(at) = place {
                scene.route = config.routes.get(at);
            }
            deny(desk, &scene, place, Denial::Door(door))
        }
        Ok(Place::None) => pass(desk, Place::None, front.spoofed, Reply::untouched()),
        Ok(Place::Route(at)) => match config.routes.get(at) {
            Some(route) => on_route(desk, &front, scene, at, route, head.attempt, &peer),
            None => deny(desk, &scene, Place::None, Denial::Door(Door::Unmatched)),
        },
        Ok(Place::Server(at)) => match config.servers.get(at) {
            Some(server) => {
                scene.server = Some(server);
                scene.metadata_url = server.challenge_url();
                scene.dpop = server.dpop.as_ref();
                scene.require = Some(&server.credentials.require);
                on_server(desk, Visit { front, scene, at, server, body: head.body }, head.attempt, &peer)
            }
            None => deny(desk, &scene, Place::None, Denial::Door(Door::Unmatched)),
        },
    }
}

/// A request at a guarded server.
struct Visit<'v> {
    front: Front<'v>,
    scene: Scene<'v>,
    at: usize,
    server: &'v Server,
    body: BodyFollows,
}

impl Visit<'_> {
    fn place(&self) -> Place {
        Place::Server(self.at)
    }

    fn deny(&self, desk: &mut Desk<'_>, denial: Denial) -> Step {
        deny(desk, &self.scene, self.place(), denial)
    }
}

/// What becomes of a request once it is allowed, and of its answer.
struct Onward {
    edits: Vec<Edit>,
    reply: Reply,
}

pub(super) fn verdict(place: Place, decision: &'static str, reason: &'static str) -> Series {
    Series { decision, ..Series::new(Metric::Requests, reason).at(place) }
}

/// What is counted of a refusal.
pub(super) fn refusal(place: Place, denial: Denial) -> Series {
    Series { kind: denial.class(), ..verdict(place, "deny", denial.label()) }
}

/// What is counted of a verdict before it is known which.
fn verdict_on(place: Place, method: MethodLabel) -> Series {
    Series { method, ..Series::new(Metric::Requests, "").at(place) }
}

fn deny(desk: &mut Desk<'_>, scene: &Scene<'_>, place: Place, denial: Denial) -> Step {
    desk.samples.push(Sample { series: refusal(place, denial), value: 1 });
    Step::Answer(Box::new(answer::plain(scene, denial)))
}

fn pass(desk: &mut Desk<'_>, place: Place, edits: Vec<Edit>, reply: Reply) -> Step {
    let reason = if place == Place::None { "unmatched" } else { "allowed" };
    desk.samples.push(Sample { series: verdict(place, "allow", reason), value: 1 });
    Step::Pass(Box::new(Passage { edits, body: None, reply, facts: Vec::new() }))
}

/// RFC 9728: the document is there without a token. The root form answers where one server has the host.
fn metadata(front: &Front<'_>, config: &Config) -> Option<Answer> {
    if !front.path.starts_with(WELL_KNOWN) || !matches!(front.method, "GET" | "HEAD" | "OPTIONS") {
        return None;
    }
    let mut here = config.servers.iter().filter(|server| server.takes_host(&front.host));
    let full = front.query.map(|query| [front.path, "?", query].concat());
    let wanted = full.as_deref().unwrap_or(front.path);
    let by_path = here.clone().find(|server| server.metadata_path == wanted);
    let server = match (by_path, here.next(), here.next()) {
        (Some(server), _, _) => Some(server),
        (None, Some(only), None) if wanted == WELL_KNOWN => Some(only),
        (None, _, _) => None,
    }?;
    match front.method {
        "OPTIONS" => {
            let mut answer = answer::metadata("");
            answer.status = 204;
            Some(answer)
        }
        _ => Some(answer::metadata(&server.metadata)),
    }
}

/// Tells a caller who it is. The permit is spent on the answer.
fn whoami(
    desk: &mut Desk<'_>,
    place: Place,
    permit: Permit,
    identity: &Identity,
    policy: usize,
    nonce: Option<String>,
) -> Step {
    drop(permit);
    desk.samples.push(Sample { series: verdict(place, "allow", "allowed"), value: 1 });
    let mut answer = super::whoami::answer(desk, identity, policy);
    answer.headers.extend(nonce.map(|nonce| ("dpop-nonce", nonce)));
    Step::Answer(Box::new(answer))
}

/// The public keys of the gate's own signer.
fn own_keys(front: &Front<'_>, config: &Config) -> Option<Answer> {
    let signer = config.signer.as_ref().filter(|signer| signer.jwks_path() == front.path)?;
    match front.method {
        "GET" | "HEAD" => Some(answer::own_keys(signer.jwks())),
        "OPTIONS" => {
            let mut answer = answer::own_keys("");
            answer.status = 204;
            Some(answer)
        }
        _ => None,
    }
}

fn on_route<'s>(
    desk: &mut Desk<'_>,
    front: &Front<'_>,
    mut scene: Scene<'s>,
    at: usize,
    route: &'s Route,
    attempt: Attempt,
    peer: &Peer<'_>,
) -> Step {
    let place = Place::Route(at);
    if route.tls.is_some_and(|oldest| peer.tls() < Some(oldest)) {
        return deny(desk, &scene, place, Denial::Door(Door::TlsRequired));
    }
    let mut edits = front.spoofed.clone();
    let (identity, nonce, permit, note) = match &route.access {
        Access::Anyone => {
            upstream_edits(&mut edits, front, &route.upstream, None, &scene);
            return pass(desk, place, edits, Reply::untouched());
        }
        Access::Policy { policy, issuers, credentials, metadata_url, dpop, answer } => {
            scene.metadata_url = metadata_url.as_deref();
            scene.dpop = dpop.as_ref();
            scene.require = Some(&credentials.require);
            let caller = auth::Caller {
                place,
                issuers,
                credentials,
                policy: *policy,
                slot: desk.config.servers.len() + at,
                anonymous: None,
                dpop: dpop.as_ref(),
            };
            let (identity, nonce) = match auth::authenticate(desk, front, peer, &caller, attempt) {
                Authenticated::Known(identity, nonce) => (identity, nonce),
                Authenticated::Wait => return Step::Wait,
                Authenticated::Refused(auth) => return deny(desk, &scene, place, Denial::Auth(auth)),
            };
            let judged = desk.config.policies.get(*policy).map(|policy| {
                let context = Context::at(desk.now).from(desk.source);
                policy.decide(identity.roles(), &identity.facts(), Ask::Route(&route.name), &context)
            });
            let note = judged.as_ref().and_then(|judged| {
                shadow::compare_one(desk, place, *policy, judged, (&identity, Ask::Route(&route.name)))
            });
            match judged {
                Some(Ok(permit)) => match answer {
                    Some(RouteAnswer::Whoami) => {
                        let step = whoami(desk, place, permit, &identity, *policy, nonce);
                        return shadow::note_on_head(step, note);
                    }
                    None => {
                        shown::withhold(&mut edits, desk.config, front, &credentials.api_keys);
                        (identity, nonce, permit, note)
                    }
                },
                Some(Err(refused)) => {
                    let step = forbid(desk, &scene, verdict_on(place, MethodLabel::None), &refused);
                    return shadow::note_on_head(step, note);
                }
                None => return deny(desk, &scene, place, Denial::Door(Door::Unmatched)),
            }
        }
    };
    let named = policy_of(desk.config, route).map(|policy| (&*identity, policy));
    upstream_edits(&mut edits, front, &route.upstream, named, &scene);
    let reply = Reply::untouched().with_nonce(nonce);
    let passage = Passage { edits, body: None, reply, facts: Vec::new() };
    shadow::note_on_head(allow(desk, &scene, (place, MethodLabel::None), permit, &identity, passage), note)
}

fn on_server(desk: &mut Desk<'_>, visit: Visit<'_>, attempt: Attempt, peer: &Peer<'_>) -> Step {
    let Visit { front, server, .. } = &visit;
    if server.tls.is_some_and(|oldest| peer.tls() < Some(oldest)) {
        return visit.deny(desk, Denial::Door(Door::TlsRequired));
    }
    if let Err(door) = door::check_origin(front, server) {
        return visit.deny(desk, Denial::Door(door));
    }
    if let ("OPTIONS", HeaderValue::One(origin), HeaderValue::One(_)) =
        (front.method, front.origin, front.preflight)
        && let Some(answer) = answer::preflight(server, origin)
    {
        return Step::Answer(Box::new(answer));
    }
    let legacy = server.versions.newest(Era::Legacy).is_some();
    let method = match front.method {
        "POST" => None,
        "GET" if legacy => Some(Method::Stream),
        "DELETE" if legacy => Some(Method::Delete),
        _ => return visit.deny(desk, Denial::Door(Door::MethodNotAllowed)),
    };
    let caller = auth::Caller {
        place: visit.place(),
        issuers: &server.issuers,
        credentials: &server.credentials,
        policy: server.policy,
        slot: visit.at,
        anonymous: desk.memory.anonymous.get(visit.at).cloned().flatten(),
        dpop: server.dpop.as_ref(),
    };
    let (identity, nonce) = match auth::authenticate(desk, front, peer, &caller, attempt) {
        Authenticated::Known(identity, nonce) => (identity, nonce),
        Authenticated::Wait => return Step::Wait,
        Authenticated::Refused(auth) => return visit.deny(desk, Denial::Auth(auth)),
    };
    let onward = Onward::new(&visit, &identity, method, nonce);
    match method {
        Some(_) if let Some(step) = refuse_head(desk, &visit) => step,
        Some(method) => without_body(desk, &visit, &identity, method, onward),
        None => with_body(desk, visit, identity, onward),
    }
}

impl Onward {
    fn new(
        visit: &Visit<'_>,
        identity: &Rc<Identity>,
        method: Option<Method>,
        nonce: Option<String>,
    ) -> Onward {
        let Visit { front, server, .. } = visit;
        let mut edits = front.spoofed.clone();
        shown::withhold(&mut edits, visit.scene.config, front, &server.credentials.api_keys);
        let policy = visit.scene.config.policies.get(server.policy);
        let named = policy.map(|policy| (&**identity, policy));
        upstream_edits(&mut edits, front, &server.upstream, named, &visit.scene);
        if front.has_accept_encoding {
            edits.push(Edit::remove("accept-encoding"));
        }
        let reply = Reply::guarded(visit.at, identity.clone(), front, server, method).with_nonce(nonce);
        Onward { edits, reply }
    }
}

/// What the protocol's headers forbid where no body is read: a session named twice, a version that is not served, a
/// version that knows neither GET nor DELETE.
fn refuse_head(desk: &mut Desk<'_>, visit: &Visit<'_>) -> Option<Step> {
    let head = &visit.front.mcp;
    let reason = match (head.session, judge_head(head, visit.server.versions)) {
        (HeaderValue::Several, _) => Refusal::HeaderRepeated,
        (_, HeadFacts::Doubtful(refusal)) => refusal,
        (_, HeadFacts::Claims { .. }) => {
            return Some(visit.deny(desk, Denial::Door(Door::MethodNotAllowed)));
        }
        (_, HeadFacts::Silent) => return None,
    };
    desk.samples.push(Sample { series: refusal(visit.place(), Denial::Message(reason)), value: 1 });
    let refused = Refused { reason, id: None, era: Era::Legacy, shape: None, requested: None };
    Some(Step::Answer(Box::new(answer::malformed(&visit.scene, &refused))))
}

/// GET opens a stream, DELETE ends a session: the base protocol of the legacy era.
fn without_body(
    desk: &mut Desk<'_>,
    visit: &Visit<'_>,
    identity: &Identity,
    method: Method,
    onward: Onward,
) -> Step {
    // A body behind GET or DELETE means nothing to MCP, and one that nobody judged must not go on.
    if visit.body == BodyFollows::Yes {
        return visit.deny(desk, Denial::Door(Door::ContentType));
    }
    let judged = desk.config.policies.get(visit.server.policy).map(|policy| {
        let context = Context::at(desk.now).from(desk.source);
        policy.decide(identity.roles(), &identity.facts(), Ask::Base(method.name()), &context)
    });
    let label = MethodLabel::Known(method.index());
    let note = judged.as_ref().and_then(|judged| {
        let asked = (identity, Ask::Base(method.name()));
        shadow::compare_one(desk, visit.place(), visit.server.policy, judged, asked)
    });
    let step = match judged {
        Some(Ok(permit)) => {
            let Onward { edits, reply } = onward;
            let passage = Passage { edits, body: None, reply, facts: Vec::new() };
            allow(desk, &visit.scene, (visit.place(), label), permit, identity, passage)
        }
        Some(Err(refused)) => forbid(desk, &visit.scene, verdict_on(visit.place(), label), &refused),
        None => visit.deny(desk, Denial::Door(Door::Unmatched)),
    };
    shadow::note_on_head(step, note)
}

/// The only way on for a judged request: it takes the permit.
#[expect(clippy::needless_pass_by_value, reason = "the permit is spent here")]
fn allow(
    desk: &mut Desk<'_>,
    scene: &Scene<'_>,
    (place, method): (Place, MethodLabel),
    permit: Permit,
    identity: &Identity,
    mut passage: Passage,
) -> Step {
    let series = Series { method, ..verdict(place, "allow", "allowed") };
    desk.samples.push(Sample { series, value: 1 });
    passage.facts = super::body::facts(desk.config, identity.subject(), scene.decision, permit.rule());
    Step::Pass(Box::new(passage))
}

/// The answer of a policy before any body is read.
fn forbid(desk: &mut Desk<'_>, scene: &Scene<'_>, on: Series, refused: &policy::Refused) -> Step {
    let series =
        Series { method: on.method, tool: on.tool, ..refusal(on.place, Denial::Policy(refused.reason)) };
    desk.samples.push(Sample { series, value: 1 });
    Step::Answer(Box::new(answer::refused(scene, refused)))
}

fn with_body(desk: &mut Desk<'_>, visit: Visit<'_>, identity: Rc<Identity>, onward: Onward) -> Step {
    if let Err(door) = door::check_body_head(&visit.front, desk.config.limits.body) {
        return visit.deny(desk, Denial::Door(door));
    }
    if visit.body == BodyFollows::No {
        return visit.deny(desk, Denial::Door(Door::BodyMissing));
    }
    if desk.config.host_mode == HostMode::Streamed
        && let Some((refused, method, tool, note)) = judge_early(desk, &visit, &identity)
    {
        let series = Series { tool, ..verdict_on(visit.place(), method) };
        return shadow::note_on_head(forbid(desk, &visit.scene, series, &refused), note);
    }
    let Onward { mut edits, reply } = onward;
    edits.extend(surfaces::task_header(&visit.front.mcp, visit.server, &identity));
    let waiting = Waiting { at: visit.at, identity, decision: visit.scene.decision, edits, reply };
    Step::Body(Box::new(AwaitBody::new(waiting, &visit.front.mcp, visit.front.origin)))
}

/// Where headers leave before the body is judged, what they say of it can already deny; the body confirms.
///
/// Only where denials are explicit: the other styles answer with the id, which only the body has.
fn judge_early(
    desk: &mut Desk<'_>,
    visit: &Visit<'_>,
    identity: &Identity,
) -> Option<(policy::Refused, MethodLabel, ToolLabel, Note)> {
    let Visit { front, server, .. } = visit;
    let (HeadFacts::Claims { method, target }, DenialStyle::Explicit) =
        (judge_head(&front.mcp, server.versions), server.denial)
    else {
        return None;
    };
    let policy = desk.config.policies.get(server.policy)?;
    let context = Context::at(desk.now).from(desk.source);
    let open = context.of_class(server.class_of(&target)).with(Arguments::Open);
    let judged = match (method.class(), method.name_source()) {
        // What these aim at stands in no header, so the headers say too little to deny by.
        (MethodClass::Completion | MethodClass::Resource, NameSource::Nothing) => return None,
        (MethodClass::Subscription, _) => {
            policy.decide(identity.roles(), &identity.facts(), Ask::Method(method.name()), &context)
        }
        (
            MethodClass::Base
            | MethodClass::Plain
            | MethodClass::Task
            | MethodClass::Tool
            | MethodClass::Prompt
            | MethodClass::Completion
            | MethodClass::Resource,
            _,
        ) => policy.judge(identity.roles(), &identity.facts(), method, &target, &open),
    };
    let (at, live) = (server.policy, shadow::effect(&judged));
    let refused = judged.err()?;
    let asked = match method.class() {
        MethodClass::Subscription => shadow::Asked::One(Ask::Method(method.name())),
        MethodClass::Base
        | MethodClass::Plain
        | MethodClass::Task
        | MethodClass::Tool
        | MethodClass::Prompt
        | MethodClass::Completion
        | MethodClass::Resource => shadow::Asked::Call(method, &target),
    };
    let note = shadow::compare(
        desk,
        &shadow::Verdict { place: visit.place(), policy: at, live, identity, asked },
        &open,
    );
    let tool = super::body::tool_label(server, &target);
    Some((refused, MethodLabel::Known(method.index()), tool, note))
}

/// What the upstream sees: no spoofed identity, the real one, and `Authorization` as configured.
fn upstream_edits(
    edits: &mut Vec<Edit>,
    front: &Front<'_>,
    upstream: &Upstream,
    identity: Option<(&Identity, &Policy)>,
    scene: &Scene<'_>,
) {
    match &upstream.authorization {
        Authorization::Strip if front.authorization != [None; 2] => edits.push(Edit::remove("authorization")),
        Authorization::Strip | Authorization::Keep => {}
        Authorization::Replace(value) => edits.push(Edit::set("authorization", value)),
    }
    // A proof is of no use without its token, and not meant for anybody behind the gate.
    match (front.dpop, &upstream.authorization) {
        (HeaderValue::Absent, _) | (_, Authorization::Keep) => {}
        (HeaderValue::One(_) | HeaderValue::Several, Authorization::Strip | Authorization::Replace(_)) => {
            edits.push(Edit::remove("dpop"));
        }
    }
    let Some((identity, policy)) = identity else { return };
    if let (Some(jwt), Some(signer)) = (&upstream.internal_jwt, &scene.config.signer) {
        edits.extend(internal_jwt(jwt, signer, identity, policy, scene));
    }
    if upstream.identity_headers == IdentityHeaders::Withheld {
        return;
    }
    for (name, value) in identity.headers() {
        edits.push(Edit::set(name, value));
    }
    edits.push(Edit::set("x-toolgate-decision-id", scene.decision.text()));
}

/// The gate's own token for the upstream; none for who showed no credentials.
fn internal_jwt(
    jwt: &InternalJwt,
    signer: &Signer,
    identity: &Identity,
    policy: &Policy,
    scene: &Scene<'_>,
) -> Option<Edit> {
    let issuer = match identity.caller() {
        Caller::Anonymous => return None,
        Caller::Token { issuer, .. } => scene.config.issuers.get(issuer)?.rules.issuer.as_str(),
        Caller::ApiKey { .. } => "urn:toolgate:api-key",
        Caller::Certificate { .. } => "urn:toolgate:certificate",
    };
    let make = || {
        let subject = Subject {
            audience: &jwt.audience,
            subject: identity.subject(),
            issuer,
            client: identity.facts().client,
            roles: policy.role_names(identity.roles()).collect(),
            until: identity.valid_until(),
            id: scene.decision.text(),
        };
        let token = signer.mint(&subject, scene.now);
        match jwt.header {
            JwtHeader::Authorization => ["Bearer ", &token].concat(),
            JwtHeader::Own => token,
        }
    };
    let value = identity.onward().get(signer, scene.now, make);
    Some(match jwt.header {
        JwtHeader::Authorization => Edit::set("authorization", &value),
        JwtHeader::Own => Edit::set("x-toolgate-token", &value),
    })
}

fn policy_of<'c>(config: &'c Config, route: &Route) -> Option<&'c Policy> {
    match &route.access {
        Access::Anyone => None,
        Access::Policy { policy, .. } => config.policies.get(*policy),
    }
}
