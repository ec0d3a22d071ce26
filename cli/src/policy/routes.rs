// SPDX-License-Identifier: Apache-2.0
//! Rows of `cases.yaml` that request a plain HTTP route: the route is found as the gate finds it.

use serde_json::{Value, json};
use toolgate_engine::{
    config::{Access, Config},
    deny::Denial,
    flow::locate,
    metrics::Place,
    policy::{Ask, Context, Policy},
    time::UnixTime,
};

use super::{Caller, Decision, answer::Verdict};
use crate::{
    diagnostic::Diagnostic,
    engine::{self, Environment},
    jws::Object,
    yaml::Document,
};

/// Where the rows' requests go.
const HOST: &str = "cases.example.com";

/// The routes of a file of cases; nothing if it has none.
#[derive(Debug)]
pub(super) struct Routes(Option<Config>);

impl Routes {
    /// Compiles the routes: where neither `allow` nor `policy` is written, the policy of the cases judges.
    pub(super) fn compile(document: &Document, routes: &[Object]) -> Result<Self, Diagnostic> {
        if routes.is_empty() {
            return Ok(Self(None));
        }
        let routes: Vec<Value> = routes.iter().map(|route| Value::Object(judged(route))).collect();
        let configuration = json!({
            "servers": [],
            "routes": routes,
            "issuers": { "cases": {
                "issuer": "https://issuer.example.com",
                "audiences": ["https://cases.example.com"],
                "algorithms": ["RS256"],
                "jwks": { "uri": "https://issuer.example.com/jwks" },
            } },
            "clusters": { "issuer.example.com": "issuer" },
            "policies": { "cases": { "inline": { "version": 1, "roles": { "none": {} } } } },
        });
        let compiled = Config::compile(configuration.to_string().as_bytes(), &Environment::default());
        compiled.map(|config| Self(Some(config))).map_err(|error| engine::diagnostic(document, error))
    }

    /// What the policy says of `GET /path`.
    pub(super) fn decide(
        &self,
        policy: &Policy,
        caller: &Caller,
        now: UnixTime,
        request: &str,
    ) -> Result<Verdict, Diagnostic> {
        let Some(config) = &self.0 else {
            return Err(Diagnostic::error("a `request` needs `routes`").help("write them beside `cases`"));
        };
        let Some((method, target)) = request.split_once(' ') else {
            return Err(
                Diagnostic::error(format!("`{request}` is not a request")).help("write it like `GET /path`")
            );
        };
        let route = match locate(config, method, HOST, target) {
            Ok(Place::Route(at)) => config.routes.get(at),
            Ok(Place::None | Place::Server(_)) => None,
            Err(door) => return Ok(closed(Denial::Door(door).label())),
        };
        let Some(route) = route else { return Ok(closed("unmatched")) };
        let facts = caller.facts();
        let (roles, _) = policy.resolve(&facts, now);
        let names = policy.role_names(&roles).map(str::to_owned).collect();
        Ok(match &route.access {
            Access::Anyone => Verdict { decision: Decision::Allow, reason: None, rule: None, roles: names },
            Access::Policy(_) => {
                Verdict::of(policy.decide(&roles, &facts, Ask::Route(&route.name), &Context::at(now)), names)
            }
        })
    }
}

fn closed(reason: &'static str) -> Verdict {
    Verdict { decision: Decision::Deny, reason: Some(reason), rule: None, roles: Vec::new() }
}

fn judged(route: &Object) -> Object {
    let mut route = route.clone();
    if !route.contains_key("allow") {
        route.insert("policy".to_owned(), json!("cases"));
        route.insert("issuers".to_owned(), json!(["cases"]));
        route.insert("resource".to_owned(), json!("https://cases.example.com"));
    }
    route
}
