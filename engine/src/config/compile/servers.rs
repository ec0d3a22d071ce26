// SPDX-License-Identifier: Apache-2.0
//! Servers: what is guarded, for whom, and what the metadata document says of it.

use super::credentials::{scopes, tls};
use super::dpop::dpop as rules;
use super::places::{matches, metadata_location, resource, usual_resource};
use super::{Compiler, Names, Step, at, key, label, shown, wrong};
use crate::config::origin::Url;
use crate::config::wire::{
    Answers, DEFAULT_VERSIONS, Drift, IssuerWire, Permission, ServerRequestsWire, ServerWire, SessionsWire,
    TasksWire,
};
use crate::config::{
    Audience, Candidate, Certificates, PolicyOrigin, Server, ServerRequests, Sessions, Tasks, Tool,
};
use crate::dpop::{DpopRules, Mode};
use crate::json::{DeError, quoted};
use crate::mcp::{Version, VersionSet};
use crate::policy::{EVERYONE, Policy};
use crate::seal::SealKey;
use crate::sort::set;
use crate::suggest::did_you_mean;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl<'c> Compiler<'c> {
    pub(super) fn server(
        &mut self,
        wire: &ServerWire,
        names: &Names<'_>,
        policies: &[PolicyOrigin],
        index: usize,
    ) -> Result<Server, DeError> {
        at(label("server", &wire.name), &[key("name")])?;
        if wire.matches.methods.is_some() {
            return at(
                Err(wrong("MCP fixes the HTTP methods of a server".to_owned(), "take `methods` out")),
                &[key("match"), key("methods")],
            );
        }
        if wire.matches.path_template.is_some() {
            return at(
                Err(wrong("an MCP server has one path".to_owned(), "write `path` or `path_prefix`")),
                &[key("match"), key("path_template")],
            );
        }
        let (hosts, path) = at(matches(&wire.matches), &[key("match")])?;
        let resource = at(resource(&wire.resource), &[key("resource")])?;
        let issuers = at(self.audiences(&wire.issuers, &wire.resource, names), &[key("issuers")])?;
        let policy = at(names.enforced(&wire.policy), &[key("policy")])?;
        let shadow = wire.shadow_policy.as_deref().map(|name| {
            let policy = at(names.policy(name), &[key("shadow_policy")])?;
            let anonymous = wire.anonymous.as_ref().map(|anonymous| Arc::from(anonymous.role.as_str()));
            Ok(Candidate { policy, anonymous })
        });
        let shadow = shadow.transpose()?;
        let mut credentials =
            self.credentials(&wire.api_keys, wire.client_certificates, &wire.require, issuers.len())?;
        let tools = at(
            self.catalogue(wire, index, &mut credentials, issuers.len()),
            &[key("tools"), key("catalogue")],
        )?;
        let known = !issuers.is_empty() || credentials.alone();
        let origin = policies.get(policy);
        let open = matches!(origin, Some(PolicyOrigin::Development(_)));
        if !known && wire.anonymous.is_none() && !open {
            let error = wrong(
                format!(
                    "nobody could call server `{}`: it accepts no credentials and has no `anonymous`",
                    wire.name
                ),
                "add `issuers`",
            );
            return at(Err(error), &[key("issuers")]);
        }
        let here = [key("servers"), Step::Index(index)];
        if shadow.as_ref().is_some_and(|shadow| shadow.policy == policy) {
            let [servers, index] = here;
            let message = "this is the policy in force, so its verdicts would never differ";
            self.warn(&[servers, index, key("shadow_policy")], message);
        }
        if hosts.is_empty() {
            self.warn(
                &here,
                "`match.hosts` is not written, so requests to any host name are taken (DNS rebinding)",
            );
        }
        let anonymous = match (&wire.anonymous, open) {
            // That is what the policy is for; it has its own warning.
            (None, true) => Some(Arc::from(EVERYONE)),
            (Some(_), _) | (None, false) => {
                let written = origin.and_then(PolicyOrigin::policy);
                self.anonymous(wire, written.map(Rc::as_ref), &here)?
            }
        };
        let versions = at(versions(wire.versions.as_deref()), &[key("versions")])?;
        let server_requests = at(server_requests(wire), &[key("answers")])?;
        scopes(&wire.scopes_supported, "scopes_supported")?;
        let (metadata_path, metadata_url) = metadata_location(&resource);
        let dpop = at(wire.dpop.as_ref().map(|dpop| rules(dpop, &resource)).transpose(), &[key("dpop")])?;
        Ok(Server {
            name: Arc::from(wire.name.as_str()),
            hosts,
            path,
            metadata: self.metadata(wire, &issuers, dpop.as_ref(), credentials.certificates),
            dpop,
            metadata_url,
            metadata_path,
            // In this order: a wrong one is told under the key where it stands.
            cors: at(origins(&wire.cors.origins, &[], &resource), &[key("cors"), key("origins")])?,
            origins: at(origins(&wire.origins, &wire.cors.origins, &resource), &[key("origins")])?,
            resource,
            resource_text: wire.resource.clone(),
            versions,
            issuers,
            credentials,
            tls: tls(wire.require_tls),
            policy,
            shadow,
            anonymous,
            denial: wire.denial,
            scope_challenge: wire.scope_challenge,
            schemas: wire.tools.schemas,
            drift: at(drift(wire, &tools), &[key("tools"), key("drift")])?,
            tools,
            denied_capabilities: server_requests.denied_capabilities(),
            server_requests,
            tasks: at(self.tasks(wire, &here), &[key("tasks")])?,
            sessions: at(self.sessions(wire, &here), &[key("sessions")])?,
            answers: wire.answers,
            upstream: at(self.upstream(&wire.upstream), &[key("upstream")])?,
        })
    }

    /// The key of ids that are bound to callers. A secret that cannot be read is told under its own key.
    fn seal(&self) -> Option<SealKey> {
        let secret = self.wire.secrets.shared_state.as_ref()?;
        self.state_key(secret).ok().map(|state| SealKey::of(&state))
    }

    /// Without a secret sessions are as the server has them: every request is judged on its own all the same.
    fn sessions(&mut self, wire: &ServerWire, here: &[Step<'_>]) -> Result<Sessions, DeError> {
        match (wire.sessions, self.seal()) {
            (Some(SessionsWire::Bound) | None, Some(key)) => Ok(Sessions::Bound(key)),
            (None, None) => Ok(Sessions::Unbound),
            (Some(SessionsWire::Bound), None) => Err(wrong(
                "sessions are bound to who began them under a secret, and there is none".to_owned(),
                "add `secrets.shared_state`",
            )),
            (Some(SessionsWire::Unbound), _) => {
                let name = &wire.name;
                self.warn(here, &format!("on server `{name}` whoever knows the id of a session may use it"));
                Ok(Sessions::Unbound)
            }
        }
    }

    /// Without a secret nothing can be bound, and what is not bound is not there unless somebody says so.
    fn tasks(&mut self, wire: &ServerWire, here: &[Step<'_>]) -> Result<Tasks, DeError> {
        match (wire.tasks, self.seal()) {
            (Some(TasksWire::Deny), _) | (None, None) => Ok(Tasks::Off),
            (None, Some(_)) if wire.answers == Answers::Lists => Ok(Tasks::Off),
            (Some(TasksWire::Bound), _) if wire.answers == Answers::Lists => Err(wrong(
                "a task may come in any answer, and `answers: lists` leaves answers out".to_owned(),
                "take `answers` out",
            )),
            (Some(TasksWire::Bound) | None, Some(key)) => Ok(Tasks::Bound(key)),
            (Some(TasksWire::Bound), None) => Err(wrong(
                "tasks are bound to their callers under a secret, and there is none".to_owned(),
                "add `secrets.shared_state`",
            )),
            (Some(TasksWire::Unbound), _) => {
                let name = &wire.name;
                self.warn(here, &format!("on server `{name}` whoever knows the id of a task may use it"));
                Ok(Tasks::Unbound)
            }
        }
    }

    fn anonymous(
        &mut self,
        wire: &ServerWire,
        policy: Option<&Policy>,
        here: &[Step<'_>],
    ) -> Result<Option<Arc<str>>, DeError> {
        let Some(anonymous) = &wire.anonymous else { return Ok(None) };
        self.warn(
            here,
            &format!("server `{}` lets callers without credentials in as `{}`", wire.name, anonymous.role),
        );
        // Of one that is fetched it is asked when it comes.
        let lacks = |policy: &&Policy| policy.role(&anonymous.role).is_none();
        if let Some(policy) = policy.filter(lacks) {
            let error = DeError::new(format!("policy `{}` has no role `{}`", wire.policy, anonymous.role));
            let help = did_you_mean(&anonymous.role, policy.all_roles());
            let error = error.with_help(help.unwrap_or_else(|| "define it in the policy".to_owned()));
            return at(Err(error), &[key("anonymous"), key("role")]);
        }
        Ok(Some(Arc::from(anonymous.role.as_str())))
    }

    /// Which audiences of each issuer mean this place: all, except those that are another server's resource.
    pub(super) fn audiences(
        &self,
        issuers: &[String],
        resource: &str,
        names: &Names<'_>,
    ) -> Result<Vec<Audience>, DeError> {
        let servers = self.wire.servers.iter().map(|server| server.resource.as_str());
        let routes = self.wire.routes.iter().filter_map(|route| route.resource.as_deref());
        let others = set(servers.chain(routes).map(usual_resource));
        let own = usual_resource(resource);
        let mut claimed = BTreeSet::new();
        let mut found = Vec::new();
        for (index, issuer) in names.issuers(issuers)?.into_iter().enumerate() {
            let wire = self.wire.issuers.values().nth(issuer);
            let all = wire.into_iter().flat_map(|wire| &wire.audiences);
            if let Some(wire) = wire
                && !claimed.insert(&wire.issuer)
            {
                let error = wrong(
                    format!(
                        "two issuers here have the `issuer` `{}`, so the second would never be asked",
                        wire.issuer
                    ),
                    "keep one of them",
                );
                return at(Err(error), &[Step::Index(index)]);
            }
            let meant = |audience: &&String| {
                let audience = usual_resource(audience);
                audience == own || !others.contains(&audience)
            };
            let accepted: Vec<String> = all.filter(meant).cloned().collect();
            if accepted.is_empty() {
                let error =
                    DeError::new("every audience of this issuer is another server's resource".to_owned());
                let help = match resource {
                    "" => "add `resource` to the route, and that to the issuer's `audiences`".to_owned(),
                    resource => format!("add `{resource}` to the issuer's `audiences`"),
                };
                return at(Err(error.with_help(help)), &[Step::Index(index)]);
            }
            found.push(Audience { issuer, accepted });
        }
        Ok(found)
    }

    /// The RFC 9728 document. Members without values are left out (section 3.2).
    fn metadata(
        &self,
        wire: &ServerWire,
        issuers: &[Audience],
        dpop: Option<&DpopRules>,
        certificates: Certificates,
    ) -> String {
        let list = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(",");
        let servers: Vec<String> = {
            let all: Vec<&IssuerWire> = self.wire.issuers.values().collect();
            issuers
                .iter()
                .filter_map(|audience| all.get(audience.issuer))
                .map(|issuer| issuer.issuer.clone())
                .collect()
        };
        let mut text = format!("{{\"resource\":{}", quoted(&wire.resource));
        if !servers.is_empty() {
            text.push_str(&format!(",\"authorization_servers\":[{}]", list(&servers)));
        }
        if !wire.scopes_supported.is_empty() {
            text.push_str(&format!(",\"scopes_supported\":[{}]", list(&wire.scopes_supported)));
        }
        if let Some(dpop) = dpop {
            let names: Vec<String> = dpop.algorithms.iter().map(|alg| alg.name().to_owned()).collect();
            text.push_str(&format!(",\"dpop_signing_alg_values_supported\":[{}]", list(&names)));
            if dpop.mode == Mode::Required {
                text.push_str(",\"dpop_bound_access_tokens_required\":true");
            }
        }
        // RFC 8705 section 3.3. Bound tokens are understood everywhere; it is promised where certificates are expected.
        if certificates != Certificates::Ignored && !issuers.is_empty() {
            text.push_str(",\"tls_client_certificate_bound_access_tokens\":true");
        }
        text.push_str(&format!(
            ",\"bearer_methods_supported\":[\"header\"],\"resource_name\":{}}}",
            quoted(&wire.name)
        ));
        text
    }
}

fn versions(names: Option<&[String]>) -> Result<VersionSet, DeError> {
    let Some(names) = names else { return Ok(DEFAULT_VERSIONS.into_iter().collect()) };
    if names.is_empty() {
        return Err(wrong("no version may be spoken".to_owned(), "leave `versions` out for the default"));
    }
    let each = names.iter().enumerate().map(|(index, name)| {
        let known = || {
            Version::ALL
                .iter()
                .map(|version| format!("`{}`", version.as_str()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let parsed = Version::parse(name).ok_or_else(|| {
            DeError::new(format!("`{name}` is not a version of MCP"))
                .with_help(format!("known here: {}", known()))
        });
        at(parsed, &[Step::Index(index)])
    });
    each.collect()
}

fn origins(own: &[String], more: &[String], resource: &Url) -> Result<Vec<String>, DeError> {
    let mut all: BTreeSet<String> = BTreeSet::from([resource.origin()]);
    for (index, text) in own.iter().chain(more).enumerate() {
        let url = Url::parse(text).filter(|url| url.path.is_empty() && url.query.is_none());
        let error =
            || wrong(format!("{} is not an origin", shown(text)), "write it like `https://app.example.com`");
        all.insert(at(url.ok_or_else(error), &[Step::Index(index)])?.origin());
    }
    Ok(all.into_iter().collect())
}

/// Without a pin no definition is another than the pinned one.
fn drift(wire: &ServerWire, tools: &[Tool]) -> Result<Drift, DeError> {
    match wire.tools.drift {
        Drift::Withhold if tools.iter().all(|tool| tool.pin.is_none()) => Err(wrong(
            "no tool has a `pin`, so nothing would be withheld".to_owned(),
            "print pins with `toolgate tools pin FILE`, or take `drift` out",
        )),
        other @ (Drift::Withhold | Drift::Report) => Ok(other),
    }
}

/// What is forbidden can come in every answer, so every answer has to be looked into.
fn server_requests(wire: &ServerWire) -> Result<ServerRequests, DeError> {
    let ServerRequestsWire { sampling, elicitation, roots, other } = wire.server_requests;
    let denies = [sampling, elicitation, roots].contains(&Permission::Deny);
    if denies && wire.answers == Answers::Lists {
        return Err(wrong(
            "`server_requests` denies something that may come in any answer, and `lists` leaves answers out"
                .to_owned(),
            "take `answers` out",
        ));
    }
    Ok(ServerRequests { sampling, elicitation, roots, other })
}
