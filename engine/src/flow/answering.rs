// SPDX-License-Identifier: Apache-2.0
//! Rules on answers. Where a policy has some, what was asked is kept until the answer comes, and the answer is read.
//!
//! What enters: a call that goes on; then each answer. What leaves: whether the answer goes on, counted and recorded.

use super::answer::{self, Denied};
use super::memory::DecisionId;
use super::view::View;
use super::{Desk, Outcome, shadow};
use crate::config::Server;
use crate::deny::Denial;
use crate::json::Value;
use crate::mcp::{Answered, Call, Era, Method, MethodClass, Shape, Target, Visibility};
use crate::metrics::{Metric, Place, RuleLabel, Sample, Series};
use crate::policy::{
    AnswerFacts, Answering, Arguments, Context, Effect, Kept, Policy, Refused, RefusedReason, RoleSet,
    Supposed,
};
use alloc::borrow::Cow;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// What an answer is an answer to.
#[derive(Debug)]
pub(super) struct Asked {
    decision: DecisionId,
    /// The id of the request, as it was written.
    id: String,
    era: Era,
    method: Method,
    /// Nothing where nobody here knows it: the task of a server whose tasks are not bound.
    target: Option<Target<'static>>,
    reads: Reads,
    why: Why,
    /// What the policies have to know of the arguments; nothing of another call's, whose task it is.
    kept: Vec<Kept>,
}

/// Where the answer of the tool stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// It is the result.
    Result,
    /// The result tells of a task, and holds the answer once there is one (`tasks/get` of the extension).
    Task,
}

/// Why it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// The policy in force has rules on answers.
    Judge,
    /// Only the candidate beside it has.
    Compare,
}

/// An answer that a rule has denied, until something stands in its place.
#[derive(Debug)]
pub(super) struct Withheld {
    refused: Refused,
    /// The decision of the request; none where nobody here has seen it.
    decision: Option<DecisionId>,
    era: Era,
    target: Target<'static>,
}

impl Asked {
    /// What has to be kept of a call that goes on; nothing where no rule is on answers. `tool` is whose task it is about.
    pub(super) fn of(
        desk: &mut Desk<'_>,
        (server, policy, roles): (&Server, &Policy, &RoleSet),
        call: &Call<'_>,
        tool: Option<&Rc<str>>,
        decision: DecisionId,
    ) -> Option<Rc<Asked>> {
        if !policy.has_answer_rules() && server.shadow.is_none() {
            return None;
        }
        Asked::where_ruled(desk, (server, policy, roles), call, tool, decision)
    }

    #[inline(never)]
    fn where_ruled(
        desk: &mut Desk<'_>,
        (server, policy, roles): (&Server, &Policy, &RoleSet),
        call: &Call<'_>,
        tool: Option<&Rc<str>>,
        decision: DecisionId,
    ) -> Option<Rc<Asked>> {
        let candidate = server.shadow.as_ref().and_then(|shadow| desk.policy(shadow.policy));
        let why = match (policy.has_answer_rules(), &candidate) {
            (true, _) => Why::Judge,
            (false, Some(candidate)) if candidate.has_answer_rules() => Why::Compare,
            (false, Some(_) | None) => return None,
        };
        if call.shape != Shape::Request {
            return None;
        }
        desk.account.trail.awaits_answer();
        let of_tool = || tool.map(|tool| Target::Tool(Cow::Owned(String::from(&**tool))));
        let (method, target, reads) = match (call.method.class(), call.method) {
            (MethodClass::Task, Method::TasksResult) => (Method::ToolsCall, of_tool(), Reads::Result),
            (MethodClass::Task, _) => (Method::ToolsCall, of_tool(), Reads::Task),
            (
                MethodClass::Base
                | MethodClass::Plain
                | MethodClass::Tool
                | MethodClass::Prompt
                | MethodClass::Completion
                | MethodClass::Resource
                | MethodClass::Subscription,
                method,
            ) => (method, Some(call.target.clone().into_owned()), Reads::Result),
        };
        let arguments = call.arguments.map_or(Arguments::Absent, Arguments::Given);
        let own = !matches!(call.method.class(), MethodClass::Task);
        let judges = [Some(policy), candidate.as_deref()].into_iter().flatten().filter(|_| own);
        let kept =
            judges.filter_map(|judge| judge.keep(roles, (call.method, &call.target), arguments)).collect();
        let era = call.version.era();
        let id = call.id.as_ref().map_or_else(String::new, |id| id.raw().into());
        Some(Rc::new(Asked { decision, id, era, method, target, reads, why, kept }))
    }

    /// What the answer with this id is about. Servers route answers by their ids, and two requests of a session that run
    /// under one may have theirs exchanged: of another's answer nobody here knows what was asked.
    fn target_of(&self, id: Option<&str>) -> Option<&Target<'static>> {
        self.target.as_ref().filter(|_| id == Some(&*self.id))
    }
}

impl View<'_> {
    /// Whether the answer to a request may be told to its reader.
    pub(super) fn tells(&mut self, id: Option<&str>, answered: Answered<'_>) -> Visibility {
        let Some(asked) = self.asked.clone() else {
            return self.judge_answer(answered, None, Method::ToolsCall, None);
        };
        let target = asked.target_of(id);
        match (asked.reads, answered) {
            (Reads::Task, Answered::Result(result)) => self.tells_task(result, target, &asked),
            (Reads::Result, own) | (Reads::Task, own @ Answered::Error(_)) => {
                self.judge_answer(own, target, asked.method, Some(&asked))
            }
        }
    }

    /// Whether a result that tells of a task may be told: what the task has come to, what each of a list of tasks has, and
    /// the result itself where it reads as the answer of a tool.
    fn tells_task(
        &mut self,
        result: Value<'_>,
        target: Option<&Target<'static>>,
        asked: &Asked,
    ) -> Visibility {
        let own = ANSWER.iter().any(|name| result.get(name).is_some());
        let listed = result.get("tasks").into_iter().flat_map(|tasks| tasks.items()).flat_map(inside);
        let unknown = own.then_some(Answered::Result(result)).into_iter().chain(listed);
        let all = inside(result).map(|inner| (inner, target)).chain(unknown.map(|answered| (answered, None)));
        let mut told = all.map(|(inner, target)| self.judge_answer(inner, target, asked.method, Some(asked)));
        told.find(|told| *told == Visibility::Hidden).unwrap_or(Visibility::Shown)
    }

    /// Whether a notification may tell what a task has come to. `tool` is whose task it is.
    pub(super) fn tells_of_task(&mut self, params: Value<'_>, tool: Option<&str>) -> Visibility {
        let target = tool.map(|tool| Target::Tool(Cow::Owned(String::from(tool))));
        let mut told =
            inside(params).map(|inner| self.judge_answer(inner, target.as_ref(), Method::ToolsCall, None));
        told.find(|told| *told == Visibility::Hidden).unwrap_or(Visibility::Shown)
    }

    fn judge_answer(
        &mut self,
        answered: Answered<'_>,
        target: Option<&Target<'static>>,
        method: Method,
        asked: Option<&Asked>,
    ) -> Visibility {
        let ruled = self.policy.as_ref().is_some_and(|policy| policy.has_answer_rules());
        if !ruled && asked.is_none() && self.candidate().is_none() {
            return Visibility::Shown;
        }
        let Some(server) = self.server else { return Visibility::Hidden };
        let facts = match answered {
            Answered::Result(result) => AnswerFacts::of_result(result),
            Answered::Error(error) => AnswerFacts::of_error(error),
        };
        let answering = target.map_or(Answering::Unknown, |target| Answering::Call(method, target));
        let context = Context::at(self.now)
            .from(self.source)
            .of_class(target.and_then(|target| server.class_of(target)))
            .answered(facts);
        let hinted = |policy: &Policy, view: &Self| {
            // What the tests said is of the call, and of no other.
            let asked = asked.iter().filter(|_| target.is_some());
            let context = context.with(policy.recall(asked.flat_map(|asked| &asked.kept)));
            match target {
                Some(target) => context.hinted(view.memory.hints(policy, (view.at, server), target)),
                None => context,
            }
        };
        let judged = match (&self.policy, asked.map(|asked| asked.why)) {
            (Some(policy), _) => {
                let roles = self.identity.roles();
                policy.judge_answer(roles, &self.identity.facts(), answering, &hinted(policy, self))
            }
            // The policy that has let the call through is gone: nobody can say whether it has rules on the answer.
            (None, Some(Why::Judge)) => Err(Refused { reason: RefusedReason::NoRole, rule: None }),
            (None, Some(Why::Compare) | None) => Ok(()),
        };
        let live = if judged.is_ok() { Effect::Allow } else { Effect::Deny };
        if let Some(policy) = self.policy.clone().filter(|policy| policy.has_answer_rules_in_shadow()) {
            let roles = self.identity.roles();
            let context = hinted(&policy, self);
            let supposed = policy.suppose_answer(roles, &self.identity.facts(), answering, &context);
            self.compared(live, server.policy, supposed);
        }
        if let Some((at, policy)) = self.candidate() {
            let context = hinted(&policy, self);
            let roles = shadow::roles(&policy, server, &self.identity, &context);
            let supposed = policy.suppose_answer(&roles, &self.identity.facts(), answering, &context);
            self.compared(live, at, supposed);
        }
        match judged {
            Ok(()) => Visibility::Shown,
            Err(refused) => self.withhold(refused, target, asked),
        }
    }

    /// The candidate beside the policy, where it has rules on answers.
    fn candidate(&self) -> Option<(usize, Rc<Policy>)> {
        let at = self.server?.shadow.as_ref()?.policy;
        let policy = self.memory.policies.get(at, self.now)?;
        policy.has_answer_rules().then(|| (at, policy.clone()))
    }

    fn compared(&mut self, live: Effect, policy: usize, supposed: Supposed) {
        let load = self.memory.policies.loads(policy);
        self.samples.push(shadow::sample(Place::Server(self.at), live, (policy, load), supposed));
        let rule = supposed.rule.and_then(|rule| self.memory.policies.rule_id(policy, rule));
        let name = self.config.policy_names.get(policy).map(|name| &**name);
        self.account.trail.supposed_answer(supposed.effect, rule, name);
    }

    fn withhold(
        &mut self,
        refused: Refused,
        target: Option<&Target<'static>>,
        asked: Option<&Asked>,
    ) -> Visibility {
        let policy = self.server.map_or(0, |server| server.policy);
        let rule = match (&self.policy, refused.rule.as_deref()) {
            (Some(policy), Some(id)) => policy.rule_at(id),
            (Some(_) | None, _) => None,
        };
        let load = self.memory.policies.loads(policy);
        let series = Series {
            rule: RuleLabel::Of { policy, rule, load },
            ..Series::new(Metric::AnswersDenied, "").at(Place::Server(self.at))
        };
        self.samples.push(Sample { series, value: 1 });
        self.account.trail.denied_answer(refused.rule.as_deref());
        self.account.answered(Outcome::Withheld);
        self.withheld = Some(Withheld {
            refused,
            decision: asked.map(|asked| asked.decision),
            era: asked.map_or(Era::Legacy, |asked| asked.era),
            target: target.cloned().unwrap_or(Target::None),
        });
        Visibility::Hidden
    }

    /// What stands in the place of an answer that a rule has denied.
    pub(super) fn instead(&mut self, id: Option<&str>) -> String {
        let withheld = self.withheld.take();
        let reason = withheld.as_ref().map_or(RefusedReason::NoRule, |withheld| withheld.refused.reason);
        let decision = withheld.as_ref().and_then(|withheld| withheld.decision);
        let decision = decision.unwrap_or_else(|| self.memory.next_decision());
        let denied = Denied {
            id,
            shape: Shape::Request,
            era: withheld.as_ref().map_or(Era::Legacy, |withheld| withheld.era),
            target: withheld.as_ref().map_or(&Target::None, |withheld| &withheld.target),
            rule: withheld.as_ref().and_then(|withheld| withheld.refused.rule.as_deref()),
        };
        answer::instead(self.config, self.server, decision, Denial::Policy(reason), &denied)
    }
}

/// Members of the answers of tools, prompts and resources.
const ANSWER: [&str; 4] = ["content", "structuredContent", "contents", "messages"];

/// What a task has come to, where it is over: the extension of 2026-07-28 has it inside the task. Where it has both, which
/// of them its reader takes is not known.
fn inside(task: Value<'_>) -> impl Iterator<Item = Answered<'_>> {
    let [result, error] = ["result", "error"].map(|name| task.get(name));
    result.map(Answered::Result).into_iter().chain(error.map(Answered::Error))
}
