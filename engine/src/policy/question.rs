// SPDX-License-Identifier: Apache-2.0
//! From a method and what it is aimed at to the questions that a policy answers.

use super::{Arguments, Ask, Context, Permit, Policy, Refused, RefusedReason, RoleSet, Witness};
use crate::mcp::{Method, MethodClass, Target};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// What a call needs: every question has to be answered with a permit. The first one's rule is reported.
#[derive(Debug)]
pub(super) enum Questions<'q> {
    /// A target that does not fit its method's class is never allowed.
    Never,
    One(Ask<'q>),
    Each(Vec<Ask<'q>>),
}

impl<'q> Questions<'q> {
    pub(super) fn of(method: Method, target: &'q Target<'_>) -> Questions<'q> {
        let name = method.name();
        Questions::One(match (method.class(), target) {
            (MethodClass::Base, Target::None) => Ask::Base(name),
            (MethodClass::Plain, Target::None) | (MethodClass::Task, Target::None | Target::Task(_)) => {
                Ask::Method(name)
            }
            (MethodClass::Tool, Target::Tool(tool)) => Ask::Tool(name, tool),
            (MethodClass::Prompt, Target::Prompt(prompt))
            | (MethodClass::Completion, Target::PromptRef(prompt)) => Ask::Prompt(name, prompt),
            (MethodClass::Resource, Target::Resource(uri))
            | (MethodClass::Completion, Target::ResourceRef(uri)) => Ask::Resource(name, uri),
            (MethodClass::Subscription, Target::Listen { uris, .. }) => {
                let each = uris.iter().map(|uri| Ask::Resource(name, uri));
                return Questions::Each(core::iter::once(Ask::Method(name)).chain(each).collect());
            }
            (
                MethodClass::Base
                | MethodClass::Plain
                | MethodClass::Task
                | MethodClass::Tool
                | MethodClass::Prompt
                | MethodClass::Resource
                | MethodClass::Completion
                | MethodClass::Subscription,
                _,
            ) => return Questions::Never,
        })
    }

    pub(super) fn into_list(self) -> Vec<Ask<'q>> {
        match self {
            Questions::Never => Vec::new(),
            Questions::One(ask) => Vec::from([ask]),
            Questions::Each(asks) => asks,
        }
    }
}

/// Only tools and prompts have arguments; for all others a list must say what the call will say.
pub(super) fn fitting<'s, 'c>(method: Method, context: &'s Context<'c>) -> Cow<'s, Context<'c>> {
    match method.class() {
        MethodClass::Tool | MethodClass::Prompt => Cow::Borrowed(context),
        MethodClass::Base
        | MethodClass::Plain
        | MethodClass::Task
        | MethodClass::Resource
        | MethodClass::Completion
        | MethodClass::Subscription => Cow::Owned(context.with(Arguments::Absent)),
    }
}

impl Policy {
    /// Judges a call: everything that the method needs of its target must be allowed.
    ///
    /// # Errors
    /// The reason for which there is no permit.
    pub fn judge(
        &self,
        roles: &RoleSet,
        who: &dyn Witness,
        method: Method,
        target: &Target<'_>,
        context: &Context<'_>,
    ) -> Result<Permit, Refused> {
        let context = &*fitting(method, context);
        match Questions::of(method, target) {
            Questions::Never => Err(Refused { reason: RefusedReason::NoRule, rule: None }),
            Questions::One(ask) => self.decide(roles, who, ask, context),
            Questions::Each(asks) => self.decide_all(roles, who, asks.into_iter(), context),
        }
    }
}
