// SPDX-License-Identifier: Apache-2.0
//! How long tasks take. When one began, and by which tool, stands in its sealed id; whoever sees its end, in whatever
//! worker, knows how long it took.
//!
//! What enters: the call that made a task, or the id that a client brings back; how the server says that it ended. What
//! leaves: samples. Deliberately absent: a list of tasks that are under way.

use super::account::usage;
use super::memory::Memory;
use super::outcome::Outcome;
use crate::config::{Server, ToolMeter};
use crate::json::Value;
use crate::mcp::{Method, TaskEnd};
use crate::metrics::{Metric, Place, Sample, Samples, Series, ToolLabel};
use crate::seal::{Bond, Mark, Purpose, Seen};
use crate::time::UnixTime;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;

/// What the gate knows of a task by its sealed id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaskNote {
    /// When the call that made it went on, in milliseconds.
    pub began: u64,
    /// The kind of its work, as in [`ToolMeter::kind_name`].
    pub kind: usize,
    /// The tool that was called.
    pub tool: Rc<str>,
}

impl TaskNote {
    /// The note as it is sealed.
    pub(super) fn text(&self) -> String {
        format!("{}.{}.{}", self.began, self.kind, self.tool)
    }

    /// Reads a note; nothing if it is none.
    pub(super) fn read(text: &str) -> Option<TaskNote> {
        let (began, rest) = text.split_once('.')?;
        let (kind, tool) = rest.split_once('.')?;
        Some(TaskNote { began: began.parse().ok()?, kind: kind.parse().ok()?, tool: Rc::from(tool) })
    }
}

/// Which task an answer may speak of.
#[derive(Clone, Debug, Default)]
pub(super) enum AboutTask {
    /// None that is known.
    #[default]
    None,
    /// One that a call of this tool makes.
    Made(Rc<str>),
    /// This one.
    Known {
        /// Its id, as the server knows it.
        id: Rc<str>,
        /// What its sealed id says.
        note: Rc<TaskNote>,
    },
}

impl AboutTask {
    /// The tool that it belongs to.
    pub(super) fn tool(&self) -> Option<&Rc<str>> {
        match self {
            AboutTask::None => None,
            AboutTask::Made(tool) => Some(tool),
            AboutTask::Known { note, .. } => Some(&note.tool),
        }
    }
}

/// Where tasks are counted.
pub(super) struct Meter<'m, 's> {
    pub at: usize,
    pub server: &'s Server,
    pub now: UnixTime,
    pub memory: &'m mut Memory,
    pub samples: &'m mut Samples,
}

impl<'s> Meter<'_, 's> {
    /// What ids of tasks are bound to here.
    pub(super) fn bond<'b>(&self, principal: &'b [u8]) -> Bond<'b>
    where
        's: 'b,
    {
        Bond { purpose: Purpose::Task, server: &self.server.name, principal }
    }

    /// What this VM remembers of a task.
    pub(super) fn known(&self, bond: &Bond<'_>, id: &str) -> Option<TaskNote> {
        TaskNote::read(&self.memory.tasks.note(bond, id)?)
    }

    /// A task that a call has made: its note, counted if it is new here.
    pub(super) fn made(
        &mut self,
        bond: &Bond<'_>,
        id: &str,
        tool: &Rc<str>,
        (began, kind): (UnixTime, usize),
    ) -> TaskNote {
        let note = TaskNote { began: began.as_micros() / 1_000, kind, tool: tool.clone() };
        if self.memory.tasks.add(bond, id, &note.text()) == Seen::First {
            self.count(&note, "started");
        }
        note
    }

    /// A task is over; counted where that is news here.
    pub(super) fn over(&mut self, bond: &Bond<'_>, id: &str, note: &TaskNote, end: TaskEnd) {
        if self.memory.tasks.mark(bond, id, &note.text(), Mark::Over) == Seen::Again {
            return;
        }
        self.count(note, end.word());
        if let Some((series, _)) = self.series(Metric::ClassTaskDuration, note, "") {
            let value = (self.now.as_micros() / 1_000).saturating_sub(note.began);
            self.samples.push(Sample { series, value });
        }
    }

    /// What the answer to `method` says of the task that it is about: that it is over, and what its result reports.
    pub(super) fn answered(
        &mut self,
        bond: &Bond<'_>,
        (id, note): (&str, &TaskNote),
        method: Option<Method>,
        answer: Value<'_>,
    ) {
        let result = match method {
            // The result of the call itself. An error may be one of asking, and ends nothing.
            Some(Method::TasksResult) => {
                let failed = Outcome::of_result(answer) == Outcome::ToolError;
                let end = if failed { TaskEnd::Failed } else { TaskEnd::Completed };
                self.over(bond, id, note, end);
                Some(answer)
            }
            Some(Method::TasksGet) => answer.get("result"),
            Some(_) | None => None,
        };
        let Some(result) = result else { return };
        let Some((tokens, meter)) = self.series(Metric::ClassTokens, note, "") else { return };
        if self.memory.tasks.mark(bond, id, &note.text(), Mark::Fetched) == Seen::Again {
            return;
        }
        let reported = usage(meter, result);
        if let Some(value) = reported.tokens.filter(|tokens| *tokens > 0) {
            self.samples.push(Sample { series: tokens, value });
        }
        if let Some(value) = reported.bytes {
            self.samples.push(Sample { series: Series { metric: Metric::ClassMemory, ..tokens }, value });
        }
    }

    fn count(&mut self, note: &TaskNote, word: &'static str) {
        if let Some((series, _)) = self.series(Metric::ClassTasks, note, word) {
            self.samples.push(Sample { series, value: 1 });
        }
    }

    /// A series of the class of a task's tool; nothing for tools that are not metered.
    fn series(&self, metric: Metric, note: &TaskNote, word: &'static str) -> Option<(Series, &'s ToolMeter)> {
        let tool = self.server.tool_index(&note.tool)?;
        let meter = self.server.tools.get(tool)?.meter.as_ref()?;
        let series = Series::new(metric, word).at(Place::Server(self.at));
        Some((Series { tool: ToolLabel::Known(tool), index: note.kind, ..series }, meter))
    }
}
