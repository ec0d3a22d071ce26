// SPDX-License-Identifier: Apache-2.0
//! Rate limits: names resolved, numbers checked, patterns compiled.

use super::{Compiler, Step, at, find, key, label, wrong};
use crate::config::wire::{RateBy, RateCounted, RateOnWire, RateWire};
use crate::config::{Access, PolicyOrigin, RateEffect, RateLimit, RateOn, RateSource, Route, Server};
use crate::feed::SharedState;
use crate::json::DeError;
use crate::limit::{Rate, TooSlow};
use crate::mcp::Method;
use crate::metrics::Place;
use crate::policy::{Pattern, Truth};
use crate::suggest::did_you_mean;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU32;

/// The most limits: each costs every request that it is about.
const MAX_RATES: usize = 32;
/// The longest list of one limit.
const MAX_ENTRIES: usize = 256;

/// What limits may name.
pub(super) struct Named<'n> {
    pub policies: &'n [PolicyOrigin],
    pub servers: &'n [Server],
    pub routes: &'n [Route],
}

impl Compiler<'_> {
    /// All of them.
    pub(super) fn rates(
        &mut self,
        named: &Named<'_>,
        shared: &SharedState,
    ) -> Result<Vec<RateLimit>, DeError> {
        let wire = &self.wire.limits.rates;
        if wire.len() > MAX_RATES {
            return Err(DeError::new(format!("there are more than {MAX_RATES}")));
        }
        let mut rates: Vec<RateLimit> = Vec::with_capacity(wire.len());
        for (index, written) in wire.iter().enumerate() {
            let limit = at(rate(written, named), &[Step::Index(index)])?;
            if rates.iter().any(|other| other.id == limit.id) {
                let error = DeError::new(format!("there are two limits `{}`", limit.id));
                return at(Err(error), &[Step::Index(index), key("id")]);
            }
            rates.push(limit);
        }
        self.warn_rates(&rates, named.servers);
        if !rates.is_empty() && matches!(shared, SharedState::Off) {
            let message = "without `secrets.shared_state` every worker counts for itself: as many times as much passes as there are workers";
            self.warn(&[key("limits"), key("rates")], message);
        }
        Ok(rates)
    }

    /// What is told of limits that count, but perhaps not what was meant.
    fn warn_rates(&mut self, rates: &[RateLimit], servers: &[Server]) {
        let wire = &self.wire.limits.rates;
        for (index, (limit, written)) in rates.iter().zip(wire).enumerate() {
            let here = [key("limits"), key("rates"), Step::Index(index)];
            if limit.counted == RateCounted::Arrived && !limit.by.contains(&RateBy::Address) {
                let message = "whoever sends requests, with bad tokens too, can use this up for everybody: add `address` to `by`";
                self.warn(&here, message);
            }
            for (at, (text, pattern)) in written.on.tools.iter().zip(&limit.on.tools).enumerate() {
                if let Some(message) = unknown_tool(text, pattern, &limit.on, servers) {
                    let [limits, rates, index] = here;
                    self.warn(&[limits, rates, index, key("on"), key("tools"), Step::Index(at)], &message);
                }
            }
        }
        // Callers without credentials are told apart by address too, by whatever name.
        if let Some(at) = rates.iter().position(|limit| limit.source == RateSource::Needed) {
            let message = "an address is what the proxy believes: without `use_remote_address: true` Envoy believes `x-forwarded-for`, and whoever writes that is somebody else each time";
            self.warn(&[key("limits"), key("rates"), Step::Index(at)], message);
        }
    }
}

fn rate(wire: &RateWire, named: &Named<'_>) -> Result<RateLimit, DeError> {
    at(label("rate limit", &wire.id), &[key("id")])?;
    let by = at(dimensions(wire), &[key("by")])?;
    let on = at(on(&wire.on, named), &[key("on")])?;
    at(possible(&by, &on), &[key("on")])?;
    let limit = RateLimit {
        id: Arc::from(wire.id.as_str()),
        rate: numbers(wire)?,
        source: source(&by, &on, named),
        by,
        on,
        counted: wire.counted,
        effect: if wire.shadow { RateEffect::Count } else { RateEffect::Refuse },
    };
    match limit.counted {
        RateCounted::Understood => Ok(limit),
        RateCounted::Arrived => arrived(wire, limit),
    }
}

/// A limit under which no request can fall is an error, not silence.
fn possible(by: &[RateBy], on: &RateOn) -> Result<(), DeError> {
    let calls = by.contains(&RateBy::Tool) || !on.tools.is_empty() || !on.classes.is_empty();
    if calls && !on.methods.is_empty() && !on.methods.contains(&Method::ToolsCall) {
        let error = wrong(
            "no request falls under this: only `tools/call` calls a tool".to_owned(),
            "add `tools/call`, or leave `methods` out",
        );
        return at(Err(error), &[key("methods")]);
    }
    let messages = calls || !on.methods.is_empty();
    if messages && !on.places.iter().any(|place| matches!(place, Place::Server(_))) {
        let error = wrong(
            "no request falls under this: routes have neither methods nor tools".to_owned(),
            "name `servers`, or leave `routes` out",
        );
        return at(Err(error), &[key("routes")]);
    }
    Ok(())
}

/// Addresses are asked for on every step of a request: only where a bucket may be that of one.
fn source(by: &[RateBy], on: &RateOn, named: &Named<'_>) -> RateSource {
    let nameless = |place: &Place| match place {
        Place::None => false,
        Place::Server(at) => named.servers.get(*at).is_some_and(|server| server.anonymous.is_some()),
        Place::Route(at) => named.routes.get(*at).is_some_and(|route| matches!(route.access, Access::Anyone)),
    };
    let needed =
        by.contains(&RateBy::Address) || by.contains(&RateBy::Principal) && on.places.iter().any(nameless);
    if needed { RateSource::Needed } else { RateSource::Unneeded }
}

/// On arrival nothing is known but where from and where to.
fn arrived(wire: &RateWire, limit: RateLimit) -> Result<RateLimit, DeError> {
    let known = |by: &RateBy| matches!(by, RateBy::Address | RateBy::Server);
    if !limit.by.iter().all(known) {
        let error = wrong(
            "when a request arrives, who calls what is not known yet".to_owned(),
            "use `address` and `server` only, or leave `counted` out",
        );
        return at(Err(error), &[key("by")]);
    }
    let RateOnWire { methods, tools, classes, roles, .. } = &wire.on;
    for (name, list) in [("methods", methods), ("tools", tools), ("classes", classes), ("roles", roles)] {
        if !list.is_empty() {
            let error = wrong(
                "when a request arrives, this is not known yet".to_owned(),
                "name `servers` and `routes` only, or leave `counted` out",
            );
            return at(Err(error), &[key("on"), key(name)]);
        }
    }
    Ok(limit)
}

fn numbers(wire: &RateWire) -> Result<Rate, DeError> {
    let positive = |name, value: u32| {
        let none = || wrong("0 lets nothing pass".to_owned(), "to allow nothing, leave it out of the policy");
        at(NonZeroU32::new(value).ok_or_else(none), &[key(name)])
    };
    let requests = positive("requests", wire.requests)?;
    let burst = wire.burst.map(|burst| positive("burst", burst)).transpose()?.unwrap_or(requests);
    Rate::new(requests, positive("seconds", wire.seconds)?, burst).map_err(|TooSlow| {
        wrong(
            "an empty bucket would take longer than a year to fill".to_owned(),
            "write a smaller `burst`, or fewer `seconds`",
        )
    })
}

fn dimensions(wire: &RateWire) -> Result<Vec<RateBy>, DeError> {
    for (index, by) in wire.by.iter().enumerate() {
        if wire.by.iter().take(index).any(|other| other == by) {
            return at(Err(DeError::new("this stands here twice".to_owned())), &[Step::Index(index)]);
        }
    }
    Ok(wire.by.clone())
}

fn on(wire: &RateOnWire, named: &Named<'_>) -> Result<RateOn, DeError> {
    let RateOnWire { servers, routes, methods, tools, classes, roles } = wire;
    let lists = [
        ("servers", servers),
        ("routes", routes),
        ("methods", methods),
        ("tools", tools),
        ("classes", classes),
        ("roles", roles),
    ];
    for (name, list) in lists {
        if list.len() > MAX_ENTRIES {
            return at(Err(DeError::new(format!("there are more than {MAX_ENTRIES}"))), &[key(name)]);
        }
    }
    let places = places(wire, named)?;
    if places.is_empty() {
        return Err(wrong(
            "no request falls under this: where nothing is named all servers are meant, and there are none"
                .to_owned(),
            "name `routes`",
        ));
    }
    Ok(RateOn {
        methods: each("methods", methods, |name| {
            Method::from_name(name).ok_or_else(|| {
                let help = did_you_mean(name, Method::ALL.iter().map(|method| method.name()));
                let error = DeError::new(format!("there is no method `{name}`"));
                help.map_or(error.clone(), |help| error.with_help(help))
            })
        })?,
        tools: each("tools", tools, |text| Pattern::compile(text).map_err(DeError::new))?,
        classes: each("classes", classes, |class| known_class(class, &places, named))?,
        roles: each("roles", roles, |role| known_role(role, &places, named))?,
        places,
    })
}

fn each<T>(
    name: &'static str,
    list: &[String],
    one: impl Fn(&str) -> Result<T, DeError>,
) -> Result<Vec<T>, DeError> {
    let found = list.iter().enumerate();
    found.map(|(index, text)| at(one(text), &[key(name), Step::Index(index)])).collect()
}

fn places(wire: &RateOnWire, named: &Named<'_>) -> Result<Vec<Place>, DeError> {
    if wire.servers.is_empty() && wire.routes.is_empty() {
        return Ok((0..named.servers.len()).map(Place::Server).collect());
    }
    let servers: Vec<&str> = named.servers.iter().map(|server| &*server.name).collect();
    let routes: Vec<&str> = named.routes.iter().map(|route| &*route.name).collect();
    let mut places =
        each("servers", &wire.servers, |name| find("server", "servers", name, &servers).map(Place::Server))?;
    places.extend(each("routes", &wire.routes, |name| {
        find("route", "routes", name, &routes).map(Place::Route)
    })?);
    Ok(places)
}

/// A class that no tool has would limit nothing.
fn known_class(class: &str, places: &[Place], named: &Named<'_>) -> Result<Arc<str>, DeError> {
    let there = named.servers.iter().enumerate().filter(|(at, _)| places.contains(&Place::Server(*at)));
    let tools = there.flat_map(|(_, server)| &server.tools);
    let classes = tools.filter_map(|tool| tool.class.as_deref());
    if classes.clone().any(|known| known == class) {
        return Ok(Arc::from(class));
    }
    let help = did_you_mean(class, classes);
    let help = help.unwrap_or_else(|| "give it to tools under `tools.catalogue`".to_owned());
    Err(DeError::new(format!("no tool of these servers has the class `{class}`")).with_help(help))
}

/// A role that no policy in force at these places has would limit nobody; what bundles bring is not known here.
fn known_role(role: &str, places: &[Place], named: &Named<'_>) -> Result<Arc<str>, DeError> {
    let judging: Vec<usize> = places.iter().filter_map(|place| judging(*place, named)).collect();
    if judging.is_empty() {
        return Err(wrong(
            "no request falls under this: `allow: anyone` asks nobody who calls".to_owned(),
            "leave `roles` out, or name servers, or routes with a `policy`",
        ));
    }
    let mut known = Vec::new();
    for origin in judging.iter().filter_map(|at| named.policies.get(*at)) {
        match origin {
            PolicyOrigin::Inline(policy) | PolicyOrigin::Development(policy) => {
                known.extend(policy.all_roles());
            }
            PolicyOrigin::Bundle(_) => return Ok(Arc::from(role)),
        }
    }
    if known.contains(&role) {
        return Ok(Arc::from(role));
    }
    let help = did_you_mean(role, known.into_iter());
    let help =
        help.unwrap_or_else(|| "define it in the policy of a place that the limit is about".to_owned());
    Err(DeError::new(format!("no policy of these places has the role `{role}`")).with_help(help))
}

/// The policy whose roles count at a place: one in shadow gives nobody a role.
fn judging(place: Place, named: &Named<'_>) -> Option<usize> {
    match place {
        Place::None => None,
        Place::Server(at) => named.servers.get(at).map(|server| server.policy),
        Place::Route(at) => match &named.routes.get(at)?.access {
            Access::Anyone => None,
            Access::Policy(rules) => Some(rules.policy),
        },
    }
}

/// What is told of a pattern that no known tool fits. Servers without a catalogue may have any tool.
fn unknown_tool(text: &str, pattern: &Pattern, on: &RateOn, servers: &[Server]) -> Option<String> {
    let meant: Vec<&Server> = servers
        .iter()
        .enumerate()
        .filter(|(at, _)| on.places.contains(&Place::Server(*at)))
        .map(|(_, server)| server)
        .collect();
    let tools = || meant.iter().flat_map(|server| &server.tools).map(|tool| &*tool.name);
    if meant.iter().any(|server| server.tools.is_empty())
        || tools().any(|tool| pattern.fits(tool) != Truth::False)
    {
        return None;
    }
    let help = did_you_mean(text, tools()).unwrap_or_else(|| "add it to `tools.catalogue`".to_owned());
    Some(format!("no tool that the catalogue of these servers has fits `{text}`: {help}"))
}
