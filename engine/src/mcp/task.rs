// SPDX-License-Identifier: Apache-2.0
//! Ids of tasks, wherever they travel: 2025-11-25 has them in `result.task`, in the results of `tasks/*`, in
//! notifications and in `_meta`; the extension of 2026-07-28 in results, in notifications and in what a client
//! listens to.

use super::lookalike::{TASK, member_object};
use super::pass::{FilterError, Pass, Visibility, refuse_look_alikes};
use super::refusal::Refusal;
use super::request::{CAPABILITIES_KEY, Call};
use super::target::Target;
use crate::json::{Kind, Value, quoted};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

const RELATED: &str = "io.modelcontextprotocol/related-task";

/// How the server comes to speak of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mention {
    /// In the answer to a call.
    Answered,
    /// In a list or a notification: among others, or of itself.
    Unasked,
}

/// How a task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// With a result.
    Completed,
    /// With an error, or a result that says so.
    Failed,
    /// Before its time.
    Cancelled,
}

impl TaskEnd {
    /// The word of the protocol, and the label value.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            TaskEnd::Completed => "completed",
            TaskEnd::Failed => "failed",
            TaskEnd::Cancelled => "cancelled",
        }
    }

    /// What the `status` of a task says; nothing while it is under way.
    fn of(task: Value<'_>) -> Option<TaskEnd> {
        let status = task.get("status")?;
        [TaskEnd::Completed, TaskEnd::Failed, TaskEnd::Cancelled]
            .into_iter()
            .find(|end| status.is_str(end.word()))
    }
}

/// What becomes of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskFate {
    /// It stays.
    Keep,
    /// The client knows the task by this id.
    Rename(String),
    /// The task is not the reader's.
    Hide,
}

impl Pass<'_> {
    /// The tasks of a result.
    pub(super) fn result_tasks(&mut self, result: Value<'_>) -> Result<Visibility, FilterError> {
        if let Some(tasks) = result.get("tasks") {
            self.task_list(tasks, |item| item.get("taskId"))?;
        }
        let mut holders = [result.get("task"), Some(result)];
        if let [Some(task), _] = &mut holders {
            refuse_look_alikes(*task, TASK)?;
            if task.kind() != Kind::Object || task.get("taskId").is_none() {
                return Err(FilterError::BadTask);
            }
        }
        for holder in holders.into_iter().flatten() {
            if self.task_id(holder, Mention::Answered)? == Visibility::Hidden {
                return Ok(Visibility::Hidden);
            }
        }
        // `tasks/get` of the extension brings the result of the call inside its own.
        for holder in [Some(result), result.get("result")].into_iter().flatten() {
            if self.related_task(holder)? == Visibility::Hidden {
                return Ok(Visibility::Hidden);
            }
        }
        Ok(Visibility::Shown)
    }

    /// The `taskId` of an object, if it has one.
    pub(super) fn task_id(&mut self, holder: Value<'_>, mention: Mention) -> Result<Visibility, FilterError> {
        match holder.get("taskId") {
            Some(id) => self.rename(id, mention, TaskEnd::of(holder)),
            None => Ok(Visibility::Shown),
        }
    }

    /// The task that a message says it belongs to.
    pub(super) fn related_task(&mut self, holder: Value<'_>) -> Result<Visibility, FilterError> {
        let Some(meta) = holder.get("_meta") else { return Ok(Visibility::Shown) };
        refuse_look_alikes(meta, &[RELATED])?;
        let Some(related) = meta.get(RELATED) else { return Ok(Visibility::Shown) };
        refuse_look_alikes(related, TASK)?;
        self.task_id(related, Mention::Answered)
    }

    /// Which tasks a client listens to.
    pub(super) fn acknowledged(&mut self, params: Option<Value<'_>>) -> Result<Visibility, FilterError> {
        let heard = params.and_then(|params| params.get("notifications"));
        if let Some(tasks) = heard.and_then(|heard| heard.get("taskIds")) {
            self.task_list(tasks, Some)?;
        }
        Ok(Visibility::Shown)
    }

    fn task_list<'d>(
        &mut self,
        list: Value<'d>,
        id: fn(Value<'d>) -> Option<Value<'d>>,
    ) -> Result<(), FilterError> {
        if list.kind() != Kind::Array {
            return Err(FilterError::BadTask);
        }
        let mut fates = Vec::new();
        for item in list.items() {
            refuse_look_alikes(item, TASK)?;
            let before = self.edits.len();
            let id = id(item).ok_or(FilterError::BadTask)?;
            let fate = self.rename(id, Mention::Unasked, TaskEnd::of(item))?;
            if fate == Visibility::Hidden {
                self.edits.truncate(before);
            }
            fates.push((item.span(), fate));
        }
        self.cut(list.span(), &fates);
        Ok(())
    }

    fn rename(
        &mut self,
        id: Value<'_>,
        mention: Mention,
        end: Option<TaskEnd>,
    ) -> Result<Visibility, FilterError> {
        let text = id.as_str().ok_or(FilterError::BadTask)?;
        Ok(match self.visible.task(&text, mention, end) {
            TaskFate::Keep => Visibility::Shown,
            TaskFate::Hide => Visibility::Hidden,
            TaskFate::Rename(name) => {
                self.edits.push((id.span(), Cow::Owned(quoted(&name))));
                Visibility::Shown
            }
        })
    }
}

/// The ids of tasks in a client's message.
#[derive(Clone, Debug, Default)]
pub struct TaskIds<'d> {
    /// What the call is about: these are the server's tasks.
    pub meant: Vec<(Range<usize>, Cow<'d, str>)>,
    /// What it says it belongs to: a task of the server's, or one of the client's own.
    pub related: Vec<(Range<usize>, Cow<'d, str>)>,
    /// Whether it asks for a task to be made (2025-11-25).
    pub asks_for_one: bool,
    /// Whether its client can take a task for an answer (the extension of 2026-07-28).
    pub takes_one: bool,
}

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// Where a client's message names tasks.
///
/// # Errors
/// [`Refusal::BadParams`] or [`Refusal::BadTaskId`] where such a place holds something else.
pub fn task_ids<'d>(call: &Call<'d>) -> Result<TaskIds<'d>, Refusal> {
    let mut ids = TaskIds::default();
    if let Some(params) = call.params {
        ids.asks_for_one = params.get("task").is_some();
        meant(&call.target, params, &mut ids)?;
        if let Some(meta) = params.get("_meta") {
            let extensions = meta.get(CAPABILITIES_KEY).and_then(|own| own.get("extensions"));
            ids.takes_one = extensions.is_some_and(|extensions| extensions.get(EXTENSION).is_some());
            related(meta, &mut ids)?;
        }
    }
    if let Some(meta) = call.result.and_then(|result| result.get("_meta")) {
        related(meta, &mut ids)?;
    }
    Ok(ids)
}

fn related<'d>(meta: Value<'d>, ids: &mut TaskIds<'d>) -> Result<(), Refusal> {
    if let Some(related) = member_object(meta, RELATED, TASK)?
        && let Some(id) = related.get("taskId")
    {
        ids.related.push(place(id)?);
    }
    Ok(())
}

fn place(id: Value<'_>) -> Result<(Range<usize>, Cow<'_, str>), Refusal> {
    id.as_str().map(|text| (id.span(), text)).ok_or(Refusal::BadTaskId)
}

fn meant<'d>(target: &Target<'_>, params: Value<'d>, ids: &mut TaskIds<'d>) -> Result<(), Refusal> {
    match target {
        Target::Task(_) => {
            if let Some(id) = params.get("taskId") {
                ids.meant.push(place(id)?);
            }
        }
        Target::Listen { .. } => {
            let list = params.get("notifications").and_then(|wanted| wanted.get("taskIds"));
            for id in list.into_iter().flat_map(|list| list.items()) {
                ids.meant.push(place(id)?);
            }
        }
        Target::None
        | Target::Tool(_)
        | Target::Prompt(_)
        | Target::Resource(_)
        | Target::PromptRef(_)
        | Target::ResourceRef(_) => {}
    }
    Ok(())
}

/// A text with other strings in some places, in its own length: what a string is shorter is filled with spaces, which
/// JSON allows behind it. Nothing if one would be longer.
#[must_use]
pub fn replaced(text: &[u8], places: &[(Range<usize>, String)]) -> Option<Vec<u8>> {
    let mut out = text.to_vec();
    for (range, string) in places {
        let place = out.get_mut(range.clone())?;
        let instead = quoted(string);
        let (head, tail) = place.split_at_mut_checked(instead.len())?;
        head.copy_from_slice(instead.as_bytes());
        tail.fill(b' ');
    }
    Some(out)
}
