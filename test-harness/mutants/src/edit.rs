// SPDX-License-Identifier: Apache-2.0
//! A source file with all its mutants in it, each behind its switch.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;

use anyhow::{Context as _, Result};

use crate::list::{Genre, Mutant, Position};
use crate::site::{Kind, Nodes, Site};

/// What the switch of a mutant is asked by; the module is `switch.rs.in`.
const IS: &str = "crate::mutant::is";

/// The text that was made, and where in it each mutant is.
#[derive(Debug, Default)]
pub(crate) struct Edited {
    pub(crate) text: String,
    pub(crate) regions: Vec<Region>,
    /// What no switch can be put around.
    pub(crate) left: Vec<u32>,
}

/// The place of a mutant in the text that was made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) id: u32,
    /// The changed text.
    pub(crate) changed: Range<usize>,
    /// All that its switch stands around.
    pub(crate) whole: Range<usize>,
}

#[derive(Clone)]
struct Change<'m> {
    id: u32,
    genre: Genre,
    text: Range<usize>,
    replacement: &'m str,
}

/// Sites in the order in which they are written: what surrounds before what is in it.
type Plan<'m> = BTreeMap<(usize, bool, Reverse<usize>, Kind), (Site, Vec<Change<'m>>)>;

fn take_up<'p, 'm>(plan: &'p mut Plan<'m>, site: Site) -> &'p mut Vec<Change<'m>> {
    let key = (site.at.start, !site.at.is_empty(), Reverse(site.at.end), site.kind);
    &mut plan.entry(key).or_insert_with(|| (site, Vec::new())).1
}

/// Puts the mutants of a file into its source text.
pub(crate) fn edit<'m>(source: &str, mutants: impl Iterator<Item = (u32, &'m Mutant)>) -> Result<Edited> {
    let nodes = Nodes::of(source)?;
    let mut edited = Edited::default();
    let mut plan = Plan::new();
    for (id, mutant) in mutants {
        let text = offset(source, mutant.span.start)?..offset(source, mutant.span.end)?;
        let Some(site) = nodes.site(mutant.genre, &text) else {
            edited.left.push(id);
            continue;
        };
        if let Some(word) = nodes.const_word(&text) {
            take_up(&mut plan, Site { kind: Kind::Word, at: word });
        }
        let change = Change { id, genre: mutant.genre, text, replacement: &mutant.replacement };
        if let Some(at) = nodes.match_around(&change.text).filter(|_| change.genre == Genre::MatchArm) {
            take_up(&mut plan, Site { kind: Kind::Match, at }).push(change.clone());
        }
        take_up(&mut plan, site).push(change);
    }
    let mut writer = Writer { source, edited };
    writer.range(&(0..source.len()), &mut plan.into_values().peekable())?;
    Ok(writer.edited)
}

/// The text with one mutant in it, as cargo-mutants would make it.
pub(crate) fn replace(source: &str, mutant: &Mutant) -> Result<String> {
    let before =
        source.get(..offset(source, mutant.span.start)?).context("a mutant is not within its file")?;
    let behind = source.get(offset(source, mutant.span.end)?..).context("a mutant is not within its file")?;
    Ok(format!("{before}{} {behind}", mutant.replacement))
}

fn offset(source: &str, position: Position) -> Result<usize> {
    let mut start = 0;
    for line in source.split_inclusive('\n').take(position.line.saturating_sub(1)) {
        start += line.len();
    }
    let line = source.get(start..).context("a mutant stands behind the end of its file")?;
    let before: usize = line.chars().take(position.column.saturating_sub(1)).map(char::len_utf8).sum();
    Ok(start + before)
}

struct Writer<'s> {
    source: &'s str,
    edited: Edited,
}

impl Writer<'_> {
    fn range<'m>(
        &mut self,
        range: &Range<usize>,
        sites: &mut Peekable<impl Iterator<Item = (Site, Vec<Change<'m>>)>>,
    ) -> Result<()> {
        let mut from = range.start;
        while let Some((site, changes)) =
            sites.next_if(|(site, _)| site.at.start >= from && site.at.end <= range.end)
        {
            self.copy(from..site.at.start)?;
            let start = self.edited.text.len();
            let known = self.edited.regions.len();
            match site.kind {
                Kind::Word => (),
                Kind::Match => changes.iter().for_each(|change| self.changed(change.id, "")),
                Kind::Return => self.returns(&changes),
                Kind::Arm => {
                    self.push(" if ");
                    self.guard(&changes);
                }
                Kind::Guard => self.guard(&changes),
                Kind::Around => self.around(&site, &changes)?,
            }
            let own = known..self.edited.regions.len();
            if matches!(site.kind, Kind::Match | Kind::Guard | Kind::Around) {
                self.range(&site.at, sites)?;
            }
            self.push(match site.kind {
                Kind::Word | Kind::Match | Kind::Return => "",
                Kind::Arm => "true)))",
                Kind::Guard => ")))",
                Kind::Around => ") })",
            });
            let whole = start..self.edited.text.len();
            for region in self.edited.regions.get_mut(own).unwrap_or_default() {
                region.whole = whole.clone();
            }
            from = site.at.end;
        }
        self.copy(from..range.end)
    }

    fn push(&mut self, text: &str) {
        self.edited.text.push_str(text);
    }

    fn copy(&mut self, range: Range<usize>) -> Result<()> {
        let text = self.source.get(range).context("a place is not within the file")?;
        self.edited.text.push_str(text);
        Ok(())
    }

    /// Writes what is changed of a mutant, and notes where it stands.
    fn changed(&mut self, id: u32, text: &str) {
        let start = self.edited.text.len();
        self.push(text);
        self.edited.regions.push(Region { id, changed: start..self.edited.text.len(), whole: 0..0 });
    }

    fn returns(&mut self, changes: &[Change<'_>]) {
        for change in changes {
            self.push(&format!(" if {IS}({}) {{ return ", change.id));
            self.changed(change.id, change.replacement);
            self.push("; }");
        }
    }

    /// `(if is(1) { changed } else { (` and then what is not.
    fn around(&mut self, site: &Site, changes: &[Change<'_>]) -> Result<()> {
        self.push("(");
        for change in changes {
            let before = self
                .source
                .get(site.at.start..change.text.start)
                .context("a mutant is not within its place")?;
            let behind =
                self.source.get(change.text.end..site.at.end).context("a mutant is not within its place")?;
            self.push(&format!("if {IS}({}) {{ (", change.id));
            self.changed(change.id, &format!("{before}{} {behind}", change.replacement));
            self.push(") } else ");
        }
        self.push("{ (");
        Ok(())
    }

    /// `(!is(deleted) && (is(true) || (!is(false) && `, and then the guard.
    fn guard(&mut self, changes: &[Change<'_>]) {
        for (genre, replacement, before, behind) in [
            (Genre::MatchArm, "", "!", " && "),
            (Genre::MatchArmGuard, "true", "", " || "),
            (Genre::MatchArmGuard, "false", "!", " && "),
        ] {
            self.push("(");
            for change in
                changes.iter().filter(|change| change.genre == genre && change.replacement == replacement)
            {
                self.push(before);
                self.changed(change.id, &format!("{IS}({})", change.id));
                self.push(behind);
            }
        }
    }
}
