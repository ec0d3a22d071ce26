// SPDX-License-Identifier: Apache-2.0
//! Lists in a result: the items that their reader may not use are cut out, as byte ranges, so that order, cursors,
//! numbers and spelling stay as they were.

use super::characters::{check_name, check_uri};
use super::pass::{FilterError, Pass, Visibility, Visible, refuse_look_alikes};
use crate::json::{Kind, Value};
use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;

/// Most items of a list: each is judged by itself. Longer ones come in pages.
const MAX_ITEMS: usize = 16_384;

#[derive(Clone, Copy)]
pub(super) enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl List {
    pub(super) const ALL: [List; 4] = [List::Tools, List::Prompts, List::Resources, List::Templates];
    pub(super) fn member(self) -> &'static str {
        match self {
            List::Tools => "tools",
            List::Prompts => "prompts",
            List::Resources => "resources",
            List::Templates => "resourceTemplates",
        }
    }

    fn key(self) -> &'static [&'static str] {
        match self {
            List::Tools | List::Prompts => &["name"],
            List::Resources => &["uri"],
            List::Templates => &["uriTemplate"],
        }
    }

    /// An item that no call could name is of no use to anybody.
    fn judge(self, visible: &mut dyn Visible, name: &str, item: Value<'_>) -> Visibility {
        let sound = match self {
            List::Tools | List::Prompts => check_name(name),
            List::Resources | List::Templates => check_uri(name),
        };
        match (sound, self) {
            (Err(_), _) => Visibility::Hidden,
            (Ok(()), List::Tools) => visible.tool(name, item),
            (Ok(()), List::Prompts) => visible.prompt(name),
            (Ok(()), List::Resources) => visible.resource(name),
            (Ok(()), List::Templates) => visible.template(name),
        }
    }
}

impl Pass<'_> {
    pub(super) fn ttl(&mut self, ttl: Value<'_>, longest: u64) {
        let short_enough =
            ttl.as_i64().and_then(|ttl| u64::try_from(ttl).ok()).is_some_and(|ttl| ttl <= longest);
        if short_enough {
            return;
        }
        let instead =
            if ttl.raw().starts_with('-') { Cow::Borrowed("0") } else { Cow::Owned(format!("{longest}")) };
        self.edits.push((ttl.span(), instead));
    }

    pub(super) fn list(&mut self, list: List, items: Value<'_>) -> Result<(), FilterError> {
        if items.kind() != Kind::Array {
            return Err(FilterError::NotAList);
        }
        let mut verdicts = Vec::new();
        let mut names = Vec::new();
        for item in items.items() {
            if names.len() >= MAX_ITEMS {
                return Err(FilterError::TooMany);
            }
            let name = self.name(list, item)?;
            verdicts.push((item.span(), list.judge(self.visible, &name, item)));
            names.push(name);
        }
        match list {
            List::Tools | List::Prompts => refuse_duplicates(names)?,
            List::Resources | List::Templates => {}
        }
        let kept = verdicts.iter().filter(|(_, verdict)| *verdict == Visibility::Shown).count();
        self.kept = self.kept.saturating_add(kept);
        self.removed = self.removed.saturating_add(verdicts.len().saturating_sub(kept));
        self.cut(items.span(), &verdicts);
        Ok(())
    }

    fn name<'d>(&self, list: List, item: Value<'d>) -> Result<Cow<'d, str>, FilterError> {
        refuse_look_alikes(item, list.key())?;
        let key = list.key().first().copied().unwrap_or_default();
        item.get(key).and_then(|name| name.as_str()).ok_or(FilterError::NamelessItem)
    }

    /// Cuts out of an array what may not be shown.
    pub(super) fn cut(&mut self, array: Range<usize>, verdicts: &[(Range<usize>, Visibility)]) {
        let all_go = verdicts.iter().all(|(_, verdict)| *verdict == Visibility::Hidden);
        if all_go && !verdicts.is_empty() {
            self.edits.push((array, Cow::Borrowed("[]")));
            return;
        }
        self.edits.extend(gaps(verdicts).map(|gap| (gap, Cow::Borrowed(""))));
    }
}

/// What to cut so that the others stay a list: each that goes takes the comma before it along, or, where none stays
/// before it, the one behind it.
pub(super) fn gaps(verdicts: &[(Range<usize>, Visibility)]) -> impl Iterator<Item = Range<usize>> {
    let mut before = None;
    verdicts.iter().enumerate().filter_map(move |(position, (span, verdict))| {
        let next = verdicts.get(position.saturating_add(1)).map_or(span.end, |(next, _)| next.start);
        let previous =
            position.checked_sub(1).and_then(|at| verdicts.get(at)).map_or(span.start, |(it, _)| it.end);
        match (verdict, before) {
            (Visibility::Shown, _) => {
                before = Some(());
                None
            }
            (Visibility::Hidden, Some(())) => Some(previous..span.end),
            (Visibility::Hidden, None) => Some(span.start..next),
        }
    })
}

fn refuse_duplicates(mut names: Vec<Cow<'_, str>>) -> Result<(), FilterError> {
    names.sort_unstable();
    let twice = names.windows(2).any(|pair| matches!(pair, [one, two] if one == two));
    if twice { Err(FilterError::DuplicateItem) } else { Ok(()) }
}
