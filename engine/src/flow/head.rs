// SPDX-License-Identifier: Apache-2.0
//! The head of a request: which server is meant, who calls, and whether the body has to be seen.

use super::answer::{self, Scene};
use super::auth::{self, Authenticated};
use super::body::{AwaitBody, Waiting};
use super::door;
use super::front::{Front, Keep};
use super::opaque::Vouched;
use super::peer::Peer;
use super::reply::{Besides, Reply};
use super::scope::{self, Lacking};
use super::trail::Said;
use super::{
    Attempt, BodyFollows, Desk, Edit, Head, Passage, Step, documents, early, facts, rates, route, session,
    shadow, shown, surfaces, upstream,
};
use crate::audit::Kind;
use crate::config::{HostMode, Server};
use crate::deny::{Auth, Denial, Door};
use crate::identity::Identity;
use crate::mcp::{Era, HeadFacts, HeaderValue, Method, Refusal, Refused, Target, judge_head};
use crate::metrics::{MethodLabel, Metric, Place, Series};
use crate::policy::{self, Ask, Context, Facts, Permit, RoleSet};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// Looks at the head of a request.
pub fn start(head: &Head<'_>, desk: &mut Desk<'_>) -> Step {
    // Where a route names the server, the same head may be for another.
    let known = head.route_server.is_none().then(|| desk.memory.heads.find(head.fields)).flatten();
    let Some(known) = known else { return read(desk, head) };
    let mut front = Front::bare(head.fields);
    known.tell(&mut front);
    let peer = Peer::new(desk.config, head.connection, &mut front);
    arrive(desk, head, &front, &peer, Ok(Place::Server(known.at)))
}

/// Looks at a head that nobody knows.
#[inline(never)]
fn read(desk: &mut Desk<'_>, head: &Head<'_>) -> Step {
    let config = desk.config;
    let (mut front, address) = match Front::read(head.fields) {
        Ok(read) => read,
        Err(door) => {
            let scene = Scene::new(desk, HeaderValue::Absent);
            desk.account.trail.begin(config, scene.decision, None, (Place::None, desk.source));
            return deny(desk, &scene, Place::None, Denial::Door(door));
        }
    };
    if let Some(answer) = documents::answer(&front, &address, config) {
        return Step::Answer(Box::new(answer));
    }
    if head.route_server.is_some() {
        front.keep = Keep::No;
    }
    let peer = Peer::new(config, head.connection, &mut front);
    let place = door::place(&front, &address, config, head.route_server);
    arrive(desk, head, &front, &peer, place)
}

/// A request that is read, and goes to that place if it may.
fn arrive(
    desk: &mut Desk<'_>,
    head: &Head<'_>,
    front: &Front<'_>,
    peer: &Peer<'_>,
    place: Result<Place, (Door, Place)>,
) -> Step {
    let config = desk.config;
    let mut scene = Scene::new(desk, front.origin);
    let (Ok(here) | Err((_, here))) = place;
    desk.account.heard(front);
    desk.account.trail.begin(config, scene.decision, Some(front), (here, desk.source));
    // Keys that were waited for make it no other arrival.
    if head.attempt == Attempt::First
        && let Ok(place @ (Place::Server(_) | Place::Route(_))) = place
        && let Err(limited) = rates::charge(desk, |source| rates::Request::arrived(place, source))
    {
        let scene = match place {
            Place::Server(at) => config.servers.get(at).map_or(scene, |server| scene.at(server)),
            Place::Route(_) | Place::None => scene,
        };
        return refuse_limited(desk, &scene, verdict_on(place, MethodLabel::None), &limited);
    }
    match place {
        Err((door, place)) => {
            if let Place::Route(at) = place {
                scene.route = config.routes.get(at);
            }
            deny(desk, &scene, place, Denial::Door(door))
        }
        Ok(Place::None) => pass(desk, &scene, Place::None, front.spoofed.clone(), Reply::untouched()),
        Ok(Place::Route(at)) => match config.routes.get(at) {
            Some(route) => route::start(desk, route::Stop { front, scene, at, route }, head.attempt, peer),
            None => deny(desk, &scene, Place::None, Denial::Door(Door::Unmatched)),
        },
        Ok(Place::Server(at)) => match config.servers.get(at) {
            Some(server) => {
                let visit = Visit { scene: scene.at(server), front, at, server, body: head.body };
                on_server(desk, &visit, head.attempt, peer)
            }
            None => deny(desk, &scene, Place::None, Denial::Door(Door::Unmatched)),
        },
    }
}

/// A request at a guarded server.
#[derive(Clone, Copy)]
pub(super) struct Visit<'v> {
    pub front: &'v Front<'v>,
    pub scene: Scene<'v>,
    pub at: usize,
    pub server: &'v Server,
    pub body: BodyFollows,
}

impl Visit<'_> {
    pub(super) fn place(&self) -> Place {
        Place::Server(self.at)
    }

    fn deny(&self, desk: &mut Desk<'_>, denial: Denial) -> Step {
        deny(desk, &self.scene, self.place(), denial)
    }

    /// The same, once it is known who calls.
    #[cold]
    #[inline(never)]
    fn deny_known(&self, desk: &mut Desk<'_>, who: &Identity, door: Door) -> Step {
        deny(desk, &Scene { who: Some(who), ..self.scene }, self.place(), Denial::Door(door))
    }
}

pub(super) fn verdict(place: Place, decision: &'static str, reason: &'static str) -> Series {
    Series { decision, ..Series::new(Metric::Requests, reason).at(place) }
}

/// What is counted of a refusal.
pub(super) fn refusal(place: Place, denial: Denial) -> Series {
    Series { kind: denial.class(), ..verdict(place, "deny", denial.label()) }
}

/// What is counted of a verdict before it is known which.
pub(super) fn verdict_on(place: Place, method: MethodLabel) -> Series {
    Series { method, ..Series::new(Metric::Requests, "").at(place) }
}

#[cold]
#[inline(never)]
pub(super) fn deny(desk: &mut Desk<'_>, scene: &Scene<'_>, place: Place, denial: Denial) -> Step {
    let kind = if matches!(denial, Denial::Auth(_)) { Kind::Authentication } else { Kind::Decision };
    desk.say(refusal(place, denial), &Said { kind, rule: None, decision: scene.decision });
    Step::Answer(Box::new(answer::plain(scene, denial)))
}

/// The answer to a request beyond a limit, where no message is known.
#[cold]
#[inline(never)]
pub(super) fn refuse_limited(
    desk: &mut Desk<'_>,
    scene: &Scene<'_>,
    on: Series,
    limited: &rates::Limited,
) -> Step {
    let series = Series { method: on.method, ..refusal(on.place, limited.denial) };
    desk.say(series, &Said::decided(scene.decision, Some(&limited.id)));
    Step::Answer(Box::new(answer::limited(scene, limited.denial, &limited.id)))
}

/// The answer to a token that is good and has too few scopes for this place.
#[cold]
#[inline(never)]
pub(super) fn lacking_scope(desk: &mut Desk<'_>, scene: &Scene<'_>, place: Place, lacking: Lacking) -> Step {
    deny(desk, &Scene { scope: lacking.0.as_deref(), ..*scene }, place, Denial::Auth(Auth::Scope))
}

pub(super) fn pass(
    desk: &mut Desk<'_>,
    scene: &Scene<'_>,
    place: Place,
    edits: Vec<Edit>,
    reply: Reply,
) -> Step {
    let reason = if place == Place::None { "unmatched" } else { "allowed" };
    desk.say(verdict(place, "allow", reason), &Said::decided(scene.decision, None));
    Step::Pass(Box::new(Passage { edits, body: None, reply, facts: Vec::new() }))
}

fn on_server(desk: &mut Desk<'_>, visit: &Visit<'_>, attempt: Attempt, peer: &Peer<'_>) -> Step {
    let Visit { front, server, .. } = *visit;
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
        anonymous: anonymous(desk, visit.at, server),
        dpop: server.dpop.as_ref(),
    };
    let (identity, nonce) = match auth::authenticate(desk, front, peer, &caller, attempt) {
        Authenticated::Known(identity, nonce) => (identity, nonce),
        Authenticated::Wait(wanted) => return Step::Wait(wanted),
        Authenticated::Refused(auth) => return visit.deny(desk, Denial::Auth(auth)),
    };
    if let Some(lacking) = scope::of_requirement(&visit.scene, &server.credentials.require, None, &identity) {
        return lacking_scope(desk, &visit.scene, visit.place(), lacking);
    }
    match method {
        Some(method) => without_body(desk, visit, &identity, method, nonce),
        None => with_body(desk, visit, identity, nonce),
    }
}

/// The caller without credentials, if there may be one. Remembered as the policy in force has it.
fn anonymous(desk: &mut Desk<'_>, at: usize, server: &Server) -> Option<Rc<Identity>> {
    let known = desk.memory.anonymous.get(at)?.clone()?;
    let Some((_, current)) = desk.judge(server.policy, &known) else { return Some(known) };
    if let Some(slot) = desk.memory.anonymous.get_mut(at) {
        *slot = Some(current.clone());
    }
    Some(current)
}

/// What changes in the head of a request that goes on.
fn edits(desk: &Desk<'_>, visit: &Visit<'_>, identity: &Identity) -> Vec<Edit> {
    let Visit { front, server, .. } = *visit;
    let mut edits = front.spoofed.clone();
    shown::withhold(&mut edits, visit.scene.config, front, &server.credentials.api_keys);
    let policy = desk.memory.policies.get(server.policy, desk.now);
    let named = policy.map(|policy| (identity, &**policy));
    upstream::edits(&mut edits, front, &server.upstream, named, &visit.scene);
    if front.has_accept_encoding {
        edits.push(Edit::remove("accept-encoding"));
    }
    edits
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
        (_, HeadFacts::Silent) if head.era(visit.server.versions) == Era::Modern => {
            return Some(visit.deny(desk, Denial::Door(Door::MethodNotAllowed)));
        }
        (_, HeadFacts::Silent) => return None,
    };
    let said = Said::decided(visit.scene.decision, None);
    desk.say(refusal(visit.place(), Denial::Message(reason)), &said);
    let refused = Refused { reason, id: None, era: Era::Legacy, shape: None, requested: None };
    Some(Step::Answer(Box::new(answer::malformed(&visit.scene, &refused))))
}

/// GET opens a stream, DELETE ends a session: the base protocol of the legacy era.
#[inline(never)]
fn without_body(
    desk: &mut Desk<'_>,
    visit: &Visit<'_>,
    identity: &Rc<Identity>,
    method: Method,
    nonce: Option<String>,
) -> Step {
    let scene = Scene { who: Some(identity), method: Some(method.name()), ..visit.scene };
    let visit = &Visit { scene, ..*visit };
    if let Some(step) = refuse_head(desk, visit) {
        return step;
    }
    // A body behind GET or DELETE means nothing to MCP, and one that nobody judged must not go on.
    if visit.body == BodyFollows::Yes {
        return visit.deny(desk, Denial::Door(Door::ContentType));
    }
    let Some(policy) = desk.policy(visit.server.policy) else {
        return visit.deny(desk, Denial::Auth(Auth::PolicyUnavailable));
    };
    desk.account.trail.asks(desk.config, visit.server, method, &Target::None);
    let caller = Some((&**identity, &*policy));
    let request = |source| rates::Request::understood(visit.place(), source, caller, Some(method));
    let label = MethodLabel::Known(method.index());
    if let Err(limited) = rates::charge(desk, request) {
        return refuse_limited(desk, &visit.scene, verdict_on(visit.place(), label), &limited);
    }
    let context = Context::at(desk.now).from(desk.source);
    let ask =
        |roles: &RoleSet, facts: &Facts<'_>| policy.decide(roles, facts, Ask::Base(method.name()), &context);
    let judged = ask(identity.roles(), &identity.facts());
    let asked = (&**identity, Ask::Base(method.name()));
    let note = shadow::compare_one(desk, visit.place(), visit.server.policy, &judged, asked);
    let again = |roles: &RoleSet, facts: &Facts<'_>| ask(roles, facts).is_ok();
    let scope = scope::of_policy(&visit.scene, &policy, identity, &judged, &again);
    let scene = Scene { scope: scope.as_deref(), ..visit.scene };
    let step = match judged {
        Ok(permit) => {
            let Visit { front, server, at, .. } = *visit;
            // Told to nobody whom the policy refuses.
            let known = match session::opened(&front.mcp, session::Message::None, server, identity, desk.now)
            {
                Ok(known) => known,
                Err(door) => return visit.deny(desk, Denial::Door(door)),
            };
            let mut edits = edits(desk, visit, identity);
            edits.extend(known.edit);
            let vouched = Vouched::of(desk.config, front, identity);
            let besides = Besides { nonce, session: known.running, vouched };
            let mut reply = Reply::guarded(at, identity.clone(), front, server, besides);
            reply.expect(method, server.answers);
            let passage = Passage { edits, body: None, reply, facts: Vec::new() };
            allow(desk, &visit.scene, (visit.place(), label), permit, passage)
        }
        Err(refused) => forbid(desk, &scene, verdict_on(visit.place(), label), &refused),
    };
    shadow::note_on_head(step, note)
}

/// The only way on for a judged request: it takes the permit.
#[expect(clippy::needless_pass_by_value, reason = "the permit is spent here")]
pub(super) fn allow(
    desk: &mut Desk<'_>,
    scene: &Scene<'_>,
    (place, method): (Place, MethodLabel),
    permit: Permit,
    mut passage: Passage,
) -> Step {
    let series = Series { method, ..verdict(place, "allow", "allowed") };
    desk.say(series, &Said::decided(scene.decision, Some(permit.rule())));
    passage.facts = facts::shown(scene, ("allow", "allowed"), Some(permit.rule()));
    Step::Pass(Box::new(passage))
}

/// The answer of a policy before any body is read.
#[cold]
#[inline(never)]
pub(super) fn forbid(desk: &mut Desk<'_>, scene: &Scene<'_>, on: Series, refused: &policy::Refused) -> Step {
    let denial = scene.scope.map_or(Denial::Policy(refused.reason), |_| Denial::Auth(Auth::Scope));
    let series = Series { method: on.method, tool: on.tool, ..refusal(on.place, denial) };
    desk.say(series, &Said::decided(scene.decision, refused.rule.as_deref()));
    Step::Answer(Box::new(answer::refused(scene, refused)))
}

fn with_body(desk: &mut Desk<'_>, visit: &Visit<'_>, identity: Rc<Identity>, nonce: Option<String>) -> Step {
    let Visit { front, server, at, .. } = *visit;
    if let Err(door) = door::check_body_head(front, desk.config.limits.body) {
        return visit.deny_known(desk, &identity, door);
    }
    if visit.body == BodyFollows::No {
        return visit.deny_known(desk, &identity, Door::BodyMissing);
    }
    if desk.config.host_mode == HostMode::Streamed
        && let Some(step) = refuse_early(desk, visit, &identity)
    {
        return step;
    }
    // Told to nobody whom the policy refuses before.
    let known = match session::opened(&front.mcp, session::Message::Comes, server, &identity, desk.now) {
        Ok(known) => known,
        Err(door) => return visit.deny_known(desk, &identity, door),
    };
    let mut edits = edits(desk, visit, &identity);
    edits.extend(known.edit);
    edits.extend(surfaces::task_header(&front.mcp, server, &identity));
    if front.keep == Keep::Offered {
        desk.memory.heads.offer(front, at);
    }
    let besides =
        Besides { nonce, session: known.running, vouched: Vouched::of(desk.config, front, &identity) };
    let reply = Reply::guarded(at, identity.clone(), front, server, besides);
    let waiting = Waiting { at, identity, decision: visit.scene.decision, edits, reply };
    Step::Body(Box::new(AwaitBody::new(waiting, front)))
}

/// The refusal of what the head alone says, where it leaves before the body is there.
#[inline(never)]
fn refuse_early(desk: &mut Desk<'_>, visit: &Visit<'_>, identity: &Rc<Identity>) -> Option<Step> {
    let visit = &Visit { scene: Scene { who: Some(identity), ..visit.scene }, ..*visit };
    let early = early::judge(desk, visit, identity)?;
    let series = Series { tool: early.tool, ..verdict_on(visit.place(), early.method) };
    let scene = Scene {
        scope: early.scope.as_deref(),
        method: Some(early.name),
        tool: early.aimed.as_deref(),
        ..visit.scene
    };
    Some(shadow::note_on_head(forbid(desk, &scene, series, &early.refused), early.note))
}
