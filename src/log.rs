// SPDX-License-Identifier: Apache-2.0
//! What the plugin itself has to say, as lines of JSON in the proxy's log. Of what clients send nothing is in them but
//! ids; and no more than a few a second, whatever clients do.

use crate::host::{self, Level};
use crate::vm::{self, BUILD};
use std::cell::Cell;
use toolgate_engine::audit::Members;

/// Lines a second, in one VM.
const MOST: u32 = 20;

/// What was written in this second.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    second: u64,
    lines: u32,
    suppressed: u64,
}

thread_local! {
    static WINDOW: Cell<Window> = const { Cell::new(Window { second: 0, lines: 0, suppressed: 0 }) };
}

/// Something that an operator should look at some day.
pub(crate) fn warn(category: &'static str, action: &'static str, message: &str) {
    write(Level::Warn, category, action, message, "");
}

/// Something that went wrong.
pub(crate) fn error(category: &'static str, action: &'static str, message: &str) {
    write(Level::Error, category, action, message, "");
}

/// Something that concerns a request: `about` is what [`toolgate_engine::flow::concerning`] says of it.
pub(crate) fn of_request(
    level: Level,
    category: &'static str,
    action: &'static str,
    message: &str,
    about: &str,
) {
    write(level, category, action, message, about);
}

/// Something without which nothing works.
pub(crate) fn critical(category: &'static str, action: &'static str, message: &str) {
    write(Level::Critical, category, action, message, "");
}

fn write(level: Level, category: &'static str, action: &'static str, message: &str, about: &str) {
    let second = vm::now().as_secs();
    let mut window = WINDOW.get();
    if window.second != second {
        window = Window { second, lines: 0, ..window };
    }
    // What is critical is always said: it stops the plugin, and so cannot be said often.
    if window.lines >= MOST && !matches!(level, Level::Critical) {
        window.suppressed = window.suppressed.saturating_add(1);
        WINDOW.set(window);
        return;
    }
    window.lines = window.lines.saturating_add(1);
    let suppressed = std::mem::take(&mut window.suppressed);
    WINDOW.set(window);
    let mut line = String::with_capacity(192);
    let mut members = Members::object(&mut line);
    members.text("toolgate", BUILD);
    members.text("level", level.word());
    members.text("category", category);
    members.text("action", action);
    members.text("message", message);
    members.append(about);
    if suppressed > 0 {
        members.number("suppressed", suppressed);
    }
    drop(members);
    host::log(level, &line);
}
