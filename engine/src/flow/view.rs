// SPDX-License-Identifier: Apache-2.0
//! What one caller sees of an answer: the same rules as for their calls.

use super::Desk;
use super::memory::Memory;
use crate::config::{Permission, Server};
use crate::deny::{Denial, ErrorData, Surface, error_body};
use crate::identity::Identity;
use crate::json::Value;
use crate::mcp::{Method, MethodClass, ServerRequest, Target, Visibility, Visible};
use crate::metrics::{Metric, Place, Sample, Samples, Series};
use crate::policy::{Context, Policy};
use crate::time::UnixTime;
use alloc::string::String;

/// Shows what the caller may use.
pub(super) struct View<'v> {
    at: usize,
    server: Option<&'v Server>,
    policy: Option<&'v Policy>,
    identity: &'v Identity,
    now: UnixTime,
    memory: &'v mut Memory,
    samples: &'v mut Samples,
}

impl<'v> View<'v> {
    pub(super) fn new(desk: &'v mut Desk<'_>, at: usize, identity: &'v Identity) -> View<'v> {
        let server = desk.config.servers.get(at);
        let policy = server.and_then(|server| desk.config.policies.get(server.policy));
        View { at, server, policy, identity, now: desk.now, memory: desk.memory, samples: desk.samples }
    }

    fn judge(&self, method: Method, target: &Target<'_>) -> Visibility {
        debug_assert!(!matches!(method.class(), MethodClass::Base));
        let class = self.server.and_then(|server| server.class_of(target));
        let context = Context::at(self.now).of_class(class).listed();
        let judged = self.policy.map(|policy| {
            policy.judge(self.identity.roles(), &self.identity.facts(), method, target, &context)
        });
        match judged {
            Some(Ok(_)) => Visibility::Shown,
            Some(Err(_)) | None => Visibility::Hidden,
        }
    }
}

impl Visible for View<'_> {
    fn tool(&mut self, name: &str, _: Value<'_>) -> Visibility {
        self.judge(Method::ToolsCall, &Target::Tool(name.into()))
    }

    fn prompt(&mut self, name: &str) -> Visibility {
        self.judge(Method::PromptsGet, &Target::Prompt(name.into()))
    }

    fn resource(&mut self, uri: &str) -> Visibility {
        self.judge(Method::ResourcesRead, &Target::Resource(uri.into()))
    }

    fn template(&mut self, uri_template: &str) -> Visibility {
        self.judge(Method::ResourcesRead, &Target::Resource(uri_template.into()))
    }

    fn server_request(&mut self, kind: ServerRequest) -> Visibility {
        let permission = self.server.map_or(Permission::Deny, |server| server.server_requests.allows(kind));
        let (decision, fate) = match permission {
            Permission::Allow => ("allow", Visibility::Shown),
            Permission::Deny => ("deny", Visibility::Hidden),
        };
        let series = Series::new(Metric::ServerRequests, kind.label()).at(Place::Server(self.at));
        self.samples.push(Sample { series: Series { decision, ..series }, value: 1 });
        fate
    }

    fn refusal(&mut self, id: Option<&str>) -> String {
        let denial = Denial::Surface(Surface::ServerRequest);
        let decision = self.memory.next_decision().text();
        let data = ErrorData { reason: denial.public_reason(), decision_id: &decision, rule: None };
        error_body(id, denial.code(), denial.message(), Some(data))
    }
}
