// SPDX-License-Identifier: Apache-2.0
//! Paths with open segments: `/api/v1/servers/{id}`.

use super::origin::PathFit;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// A template has at most this many segments, so that its literal ones fit into a word.
const MAX_SEGMENTS: usize = 32;

/// A path of which some segments are open. An open segment stands for exactly one that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Open,
}

/// What is wrong with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// It does not begin with a slash, or a segment is empty.
    NotPlain,
    /// A brace stands elsewhere than around a whole segment, or the name in it is not one.
    Brace,
    /// No segment is open.
    NothingOpen,
    /// It has too many segments.
    TooLong,
}

impl TemplateError {
    /// What is wrong, for people.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            TemplateError::NotPlain => "the template could be read in two ways",
            TemplateError::Brace => "a template opens whole segments, like `/servers/{id}`",
            TemplateError::NothingOpen => "no segment is open: write it as `path`",
            TemplateError::TooLong => "a template has at most 32 segments",
        }
    }
}

impl PathTemplate {
    /// Reads a template. Its literal segments have to be canonical, which the caller checks.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn parse(text: &str) -> Result<PathTemplate, TemplateError> {
        let inner = text.strip_prefix('/').ok_or(TemplateError::NotPlain)?;
        let segments = inner.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        if segments.len() > MAX_SEGMENTS {
            return Err(TemplateError::TooLong);
        }
        if !segments.contains(&Segment::Open) {
            return Err(TemplateError::NothingOpen);
        }
        Ok(PathTemplate { segments })
    }

    /// Compares a raw path, without query, and its canonical form.
    pub(super) fn fit(&self, raw: &str, canonical: &str) -> PathFit {
        let same = |own: &str, other: &str| own == other;
        if raw == canonical && self.covers(raw, same) == Some(0) {
            return PathFit::Fits;
        }
        // Some upstreams route without regard to case, and some take more segments than they need.
        let alike = |path: &str| self.covers(path, str::eq_ignore_ascii_case).is_some();
        if alike(canonical) || alike(raw) { PathFit::Ambiguous } else { PathFit::Elsewhere }
    }

    /// How many segments a path has beyond this form; nothing if it is not of this form.
    fn covers(&self, path: &str, same: impl Fn(&str, &str) -> bool) -> Option<usize> {
        let mut given = path.strip_prefix('/')?.split('/');
        for own in &self.segments {
            let segment = given.next()?;
            let fits = match own {
                Segment::Literal(literal) => same(literal, segment),
                Segment::Open => !segment.is_empty(),
            };
            if !fits {
                return None;
            }
        }
        Some(given.count())
    }

    /// The bytes of a path that this form speaks about.
    pub(super) fn reach(&self, path: &str) -> usize {
        let mut ends = path.match_indices('/').map(|(at, _)| at).skip(self.segments.len());
        ends.next().unwrap_or(path.len())
    }

    /// The literal segments as bits, the first the highest.
    pub(super) fn literals(&self) -> u64 {
        let bits = self.segments.iter().zip((0..u64::BITS).rev());
        bits.filter(|(segment, _)| matches!(segment, Segment::Literal(_))).map(|(_, bit)| 1_u64 << bit).sum()
    }

    /// Without the names of the open segments.
    pub(super) fn key(&self) -> String {
        let text = |segment: &Segment| match segment {
            Segment::Literal(literal) => ["/", literal].concat(),
            Segment::Open => "/{}".to_owned(),
        };
        self.segments.iter().map(text).collect()
    }
}

fn segment(text: &str) -> Result<Segment, TemplateError> {
    if text.is_empty() {
        return Err(TemplateError::NotPlain);
    }
    let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        let plain = !text.contains(['{', '}']);
        return if plain { Ok(Segment::Literal(text.to_owned())) } else { Err(TemplateError::Brace) };
    };
    let fine = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fine { Ok(Segment::Open) } else { Err(TemplateError::Brace) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::origin::{PathRule, canonical_path};

    fn rule(text: &str) -> PathRule {
        PathRule::Template(PathTemplate::parse(text).unwrap())
    }

    #[test]
    fn an_open_segment_is_one_segment() {
        let rule = rule("/servers/{id}/tools/{tool}");
        let fit = |raw: &str| rule.fit(raw, &canonical_path(raw));
        assert_eq!(fit("/servers/7/tools/echo"), PathFit::Fits);
        for raw in [
            "/servers/7/tools/echo/",
            "/servers/7/tools/echo/x",
            "/SERVERS/7/tools/echo",
            "/servers/%37/tools/echo",
        ] {
            assert_eq!(fit(raw), PathFit::Ambiguous, "{raw}");
        }
        for raw in ["/servers/7/x/../tools/echo", "/servers/7/tools;a/echo", "/servers//7/tools/echo"] {
            assert_eq!(fit(raw), PathFit::Ambiguous, "{raw}");
        }
        for raw in
            ["/servers/7/tools", "/servers/7/tools/", "/servers/tools/echo", "/other/7/tools/echo", "/"]
        {
            assert_eq!(fit(raw), PathFit::Elsewhere, "{raw}");
        }
    }

    #[test]
    fn the_narrower_rule_is_meant_whatever_the_order() {
        let path = "/servers/local/tools";
        let narrowness = |rule: &PathRule| rule.narrowness(path);
        let exact = PathRule::Exact(path.to_owned());
        let prefix = PathRule::Prefix("/servers".to_owned());
        let (early, late) = (rule("/servers/local/{x}"), rule("/servers/{x}/tools"));
        let order = [&prefix, &late, &early, &exact].map(narrowness);
        assert!(order.is_sorted(), "{order:?}");
        assert_ne!(narrowness(&early), narrowness(&late));
        assert_eq!(rule("/servers/{a}").key(), rule("/servers/{b}").key());
    }

    #[test]
    fn bad_templates_are_told() {
        for (text, error) in [
            ("servers/{id}", TemplateError::NotPlain),
            ("/servers//{id}", TemplateError::NotPlain),
            ("/servers/{id}/", TemplateError::NotPlain),
            ("/servers/x{id}", TemplateError::Brace),
            ("/servers/{}", TemplateError::Brace),
            ("/servers/{a-b}", TemplateError::Brace),
            ("/servers", TemplateError::NothingOpen),
        ] {
            assert_eq!(PathTemplate::parse(text), Err(error), "{text}");
        }
        assert_eq!(PathTemplate::parse(&"/{a}".repeat(33)), Err(TemplateError::TooLong));
    }
}
