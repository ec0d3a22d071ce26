// SPDX-License-Identifier: Apache-2.0
//! What one caller sees of an answer: the same rules as for their calls.

use super::answer::data_of;
use super::answering::{self, Asked};
use super::memory::Memory;
use super::task::{AboutTask, Meter};
use super::{Account, Desk, Outcome, surfaces};
use crate::config::{Config, Drift, Permission, Schemas, Server, Tasks};
use crate::deny::{Denial, Surface, error_body};
use crate::identity::Identity;
use crate::json::Value;
use crate::mcp::{
    Answered, Era, Mention, Method, MethodClass, ServerRequest, Target, TaskEnd, TaskFate, Visibility,
    Visible, Withheld,
};
use crate::metrics::{Metric, Place, Sample, Samples, Series, ToolLabel};
use crate::pin::Pin;
use crate::policy::{Context, Hints, Policy};
use crate::seal::SealKey;
use crate::time::UnixTime;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Shows what the caller may use.
pub(super) struct View<'v> {
    pub(super) at: usize,
    pub(super) server: Option<&'v Server>,
    pub(super) policy: Option<Rc<Policy>>,
    pub(super) identity: Rc<Identity>,
    /// The task that the answer may speak of.
    about: &'v AboutTask,
    pub(super) now: UnixTime,
    pub(super) source: Option<IpAddr>,
    pub(super) memory: &'v mut Memory,
    pub(super) samples: &'v mut Samples,
    pub(super) config: &'v Config,
    pub(super) account: &'v mut Account,
    /// What was asked, where there are rules on answers.
    pub(super) asked: Option<Rc<Asked>>,
    /// What a rule has denied, until something stands in its place.
    pub(super) withheld: Option<answering::Withheld>,
}

impl<'v> View<'v> {
    pub(super) fn new(
        desk: &'v mut Desk<'_>,
        at: usize,
        identity: &Rc<Identity>,
        (about, asked): (&'v AboutTask, Option<Rc<Asked>>),
    ) -> View<'v> {
        let server = desk.config.servers.get(at);
        let judge = server.and_then(|server| desk.judge(server.policy, identity));
        let (policy, identity) =
            judge.map_or_else(|| (None, identity.clone()), |(policy, identity)| (Some(policy), identity));
        let (now, source) = (desk.now, desk.source);
        View {
            at,
            server,
            policy,
            identity,
            about,
            now,
            source,
            memory: desk.memory,
            samples: desk.samples,
            config: desk.config,
            account: desk.account,
            asked,
            withheld: None,
        }
    }

    fn judge(&self, method: Method, target: &Target<'_>) -> Visibility {
        debug_assert!(!matches!(method.class(), MethodClass::Base));
        let class = self.server.and_then(|server| server.class_of(target));
        let context = Context::at(self.now).from(self.source).of_class(class).listed();
        let judged = self.policy.as_ref().zip(self.server).map(|(policy, server)| {
            let context = context.hinted(self.memory.hints(policy, (self.at, server), target));
            policy.judge(self.identity.roles(), &self.identity.facts(), method, target, &context)
        });
        match judged {
            Some(Ok(_)) => Visibility::Shown,
            Some(Err(_)) | None => Visibility::Hidden,
        }
    }

    /// Where tasks are counted, and the key and principal of their ids, where tasks are bound here.
    fn tasks(&mut self) -> Option<(Meter<'_, 'v>, &'v SealKey, Vec<u8>)> {
        let server = self.server?;
        let Tasks::Bound(key) = &server.tasks else { return None };
        let principal = surfaces::principal(&self.identity)?;
        let meter = Meter { at: self.at, server, now: self.now, memory: self.memory, samples: self.samples };
        Some((meter, key, principal))
    }

    /// Whether anybody looks at what the server says of its tools.
    fn trusts(&self, server: &Server) -> bool {
        let candidate =
            server.shadow.as_ref().and_then(|shadow| self.memory.policies.get(shadow.policy, self.now));
        let both = self.policy.iter().chain(candidate);
        both.into_iter().any(|policy| policy.trusts(&server.name))
    }

    /// Learns what a definition says, whoever reads it, and whether it is the one that was pinned.
    fn study(&mut self, name: &str, definition: Value<'_>) -> Visibility {
        let Some(server) = self.server else { return Visibility::Hidden };
        let known = server.tool(name);
        let written = known.is_some_and(|(_, tool)| tool.schema.is_some());
        match server.schemas {
            Schemas::Check | Schemas::Require if !written => {
                let (learned, now) = (self.memory.schemas.get_mut(self.at), self.now);
                learned.into_iter().for_each(|all| all.learn(name, definition.get("inputSchema"), now));
            }
            Schemas::Off | Schemas::Check | Schemas::Require => {}
        }
        if server.versions.newest(Era::Modern).is_some() {
            let marks = self.memory.marks.get_mut(self.at);
            marks.into_iter().for_each(|all| all.learn(name, definition.get("inputSchema")));
        }
        if self.trusts(server) {
            let hints = Hints::of(definition.get("annotations"));
            let learned = self.memory.hints.get_mut(self.at);
            learned.into_iter().for_each(|all| all.learn(name, hints));
        }
        let Some((at, Some(pin))) = known.map(|(at, tool)| (at, tool.pin)) else { return Visibility::Shown };
        let drifted = Pin::of(definition) != pin;
        let word = if drifted { "drift" } else { "match" };
        let series = Series::new(Metric::ToolPins, word).at(Place::Server(self.at));
        self.samples.push(Sample { series: Series { tool: ToolLabel::Known(at), ..series }, value: 1 });
        if drifted {
            self.memory.drifted.insert((self.at, at));
        } else {
            self.memory.drifted.remove(&(self.at, at));
        }
        match (drifted, server.drift) {
            (true, Drift::Withhold) => Visibility::Hidden,
            (true, Drift::Report) | (false, _) => Visibility::Shown,
        }
    }
}

impl Visible for View<'_> {
    fn tool(&mut self, name: &str, definition: Value<'_>) -> Visibility {
        if self.study(name, definition) == Visibility::Hidden {
            return Visibility::Hidden;
        }
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
        let series = Series { decision, ..series };
        match self.samples.last_mut().filter(|last| last.series == series) {
            // An answer may ask for as much as it has room for.
            Some(last) => last.value = last.value.saturating_add(1),
            None => self.samples.push(Sample { series, value: 1 }),
        }
        fate
    }

    fn task(&mut self, id: &str, mention: Mention, end: Option<TaskEnd>) -> TaskFate {
        if self.server.is_some_and(|server| matches!(server.tasks, Tasks::Unbound)) {
            return TaskFate::Keep;
        }
        let (about, made) = (self.about, (self.account.sent().unwrap_or(self.now), self.account.kind()));
        let Some((mut meter, key, principal)) = self.tasks() else { return TaskFate::Hide };
        let bond = meter.bond(&principal);
        let note = match (mention, about) {
            (Mention::Answered, AboutTask::Made(tool)) => Some(meter.made(&bond, id, tool, made)),
            (Mention::Answered, AboutTask::Known { note, .. }) => Some((**note).clone()),
            (Mention::Answered, AboutTask::None) | (Mention::Unasked, _) => meter.known(&bond, id),
        };
        let Some(note) = note else { return TaskFate::Hide };
        end.into_iter().for_each(|end| meter.over(&bond, id, &note, end));
        TaskFate::Rename(key.seal(&bond, &note.text(), id))
    }

    fn answered(&mut self, id: Option<&str>, answered: Answered<'_>) -> Visibility {
        self.account.answered(match answered {
            Answered::Error(_) => Outcome::RpcError,
            Answered::Result(result) => Outcome::of_result(result),
        });
        if let Answered::Result(result) = answered {
            self.account.result(result, self.config, self.samples);
            let (about, method) = (self.about, self.account.method());
            // Most answers are about no task: nothing is made for them.
            if let AboutTask::Known { id, note } = about
                && let Some((mut meter, _, principal)) = self.tasks()
            {
                meter.answered(&meter.bond(&principal), (id, note), method, result);
            }
        }
        self.tells(id, answered)
    }

    fn task_news(&mut self, id: Option<&str>, news: Value<'_>) -> Visibility {
        let tool = id.zip(self.tasks()).and_then(|(id, (meter, _, principal))| {
            let note = meter.known(&meter.bond(&principal), id)?;
            Some(note.tool.clone())
        });
        self.tells_of_task(news, tool.as_deref())
    }

    fn refusal(&mut self, id: Option<&str>, why: Withheld) -> String {
        if why == Withheld::Answer {
            return self.instead(id);
        }
        let bound = self.server.is_some_and(|server| matches!(server.tasks, Tasks::Bound(_)));
        let denial = Denial::Surface(match why {
            Withheld::ServerRequest => Surface::ServerRequest,
            Withheld::Task if bound => Surface::TaskForeign,
            Withheld::Task | Withheld::Answer => Surface::TasksOff,
        });
        let decision = self.memory.next_decision().text();
        let data = data_of(denial, &decision, None);
        error_body(id, denial.code(), denial.message(), Some(data))
    }
}
