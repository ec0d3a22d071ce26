// SPDX-License-Identifier: Apache-2.0
//! Conditions that no value can meet, classes that nothing declares, text where a path is meant.

use super::{LintKind, Look, below, key};
use crate::json::Segment;
use crate::policy::wire::{JsonType, RuleWire, Scalar, TestWire, WhenWire};
use crate::suggest::nearest;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Look<'_> {
    pub(super) fn conditions(&mut self, path: &[Segment], rule: &RuleWire) {
        if let Some(when) = &rule.when {
            self.when(&below(path, &[key("when")]), when);
        }
    }

    /// As deep as conditions nest, which the compiler bounds.
    pub(super) fn when(&mut self, path: &[Segment], when: &WhenWire) {
        for (word, tests) in [("args", &when.args), ("claims", &when.claims)] {
            for (pointer, test) in tests {
                self.test(&below(path, &[key(word), key(pointer)]), test);
            }
        }
        self.answer(path, when);
        for (word, test) in [
            ("roles", &when.roles),
            ("scopes", &when.scopes),
            ("groups", &when.groups),
            ("subject", &when.subject),
            ("client", &when.client),
            ("issuer", &when.issuer),
        ] {
            if let Some(test) = test {
                self.test(&below(path, &[key(word)]), test);
            }
        }
        self.issuer(path, when);
        self.identity(path, when);
        for (at, class) in when.classes.iter().flatten().enumerate() {
            self.class(&below(path, &[key("classes"), Segment::Index(at)]), class);
        }
        for (word, inner) in [("all", &when.all), ("any", &when.any)] {
            for (at, inner) in inner.iter().flatten().enumerate() {
                self.when(&below(path, &[key(word), Segment::Index(at)]), inner);
            }
        }
        if let Some(not) = &when.not {
            self.when(&below(path, &[key("not")]), not);
        }
    }

    /// A caller's issuer is one of those that are accepted.
    fn issuer(&mut self, path: &[Segment], when: &WhenWire) {
        let (Some(known), Some(test)) = (self.catalogue.issuers, &when.issuer) else { return };
        let path = below(path, &[key("issuer")]);
        let equals = test.equals.iter().map(|scalar| (Vec::from([key("equals")]), scalar));
        let one_of = test.one_of.iter().flatten().enumerate();
        let one_of = one_of.map(|(at, scalar)| (Vec::from([key("one_of"), Segment::Index(at)]), scalar));
        for (place, scalar) in equals.chain(one_of) {
            let Scalar::Text(name) = scalar else { continue };
            if !known.contains(&name.as_str()) {
                let near = nearest(name, known.iter().copied());
                let help = near.map(|near| format!("did you mean `{near}`?"));
                let message = format!("no issuer is called `{name}`");
                self.add(LintKind::UnknownName, &below(&path, &place), message, help);
            }
        }
    }

    fn answer(&mut self, path: &[Segment], when: &WhenWire) {
        let Some(own) = &when.answer else { return };
        let path = below(path, &[key("answer")]);
        for (word, test) in [("outcome", &own.outcome), ("bytes", &own.bytes), ("types", &own.types)] {
            test.iter().for_each(|test| self.test(&below(&path, &[key(word)]), test));
        }
        for (pointer, test) in &own.result {
            self.test(&below(&path, &[key("result"), key(pointer)]), test);
        }
    }

    fn identity(&mut self, path: &[Segment], when: &WhenWire) {
        if let Some(own) = &when.key {
            let path = below(path, &[key("key")]);
            for (word, test) in [("id", &own.id), ("owner", &own.owner)] {
                test.iter().for_each(|test| self.test(&below(&path, &[key(word)]), test));
            }
            for (name, test) in &own.labels {
                self.test(&below(&path, &[key("labels"), key(name)]), test);
            }
        }
        if let Some(own) = &when.certificate {
            let path = below(path, &[key("certificate")]);
            for (word, test) in [("uri", &own.uri), ("dns", &own.dns), ("subject", &own.subject)] {
                test.iter().for_each(|test| self.test(&below(&path, &[key(word)]), test));
            }
        }
    }

    fn class(&mut self, path: &[Segment], class: &str) {
        let Some(tools) = self.catalogue.tools else { return };
        let mut known: Vec<&str> = Vec::from(["read", "write", "execute", "admin"]);
        known.extend(self.wire.classes.keys().map(String::as_str));
        known.extend(tools.iter().filter_map(|(_, class)| *class));
        if !known.contains(&class) {
            let near = nearest(class, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let help =
                near.or_else(|| Some("declare it under `classes`, or in the server's catalogue".to_string()));
            self.add(LintKind::UnknownClass, path, format!("no tool has the class `{class}`"), help);
        }
    }

    fn test(&mut self, path: &[Segment], test: &TestWire) {
        for (word, text) in [("prefix", &test.prefix), ("glob", &test.glob)] {
            if text.as_ref().is_some_and(|text| text.contains('/') && !text.contains("://")) {
                let message = format!("`{word}` compares text: `..` in a path leads out of it");
                let help = Some("use `path_under`".to_string());
                self.add(LintKind::PathAsText, &below(path, &[key(word)]), message, help);
            }
        }
        if let Some(message) = contradiction(test) {
            let help = Some("take one of them out, or write two rules".to_string());
            self.add(LintKind::NeverMatches, path, message, help);
        }
        for (word, inner) in [("some", &test.some), ("every", &test.every)] {
            if let Some(inner) = inner {
                self.test(&below(path, &[key(word)]), inner);
            }
        }
    }
}

/// The type that a test needs, with its word.
fn needed(test: &TestWire) -> Vec<(&'static str, JsonType)> {
    let texts = [
        ("prefix", test.prefix.is_some()),
        ("suffix", test.suffix.is_some()),
        ("glob", test.glob.is_some()),
        ("regex", test.regex.is_some()),
        ("path_under", test.path_under.is_some()),
    ];
    let numbers = [("min", test.min.is_some()), ("max", test.max.is_some())];
    let lists = [
        ("contains", test.contains.is_some()),
        ("some", test.some.is_some()),
        ("every", test.every.is_some()),
    ];
    let kinds = [(&texts[..], JsonType::String), (&numbers, JsonType::Number), (&lists, JsonType::Array)];
    let given = kinds.into_iter().flat_map(|(words, kind)| {
        words.iter().filter(|(_, given)| *given).map(move |(word, _)| (*word, kind))
    });
    let equals = test.equals.as_ref().map(|scalar| ("equals", kind_of(scalar)));
    let own = test.json_type.map(|kind| ("type", kind));
    given.chain(equals).chain(own).collect()
}

fn kind_of(scalar: &Scalar) -> JsonType {
    match scalar {
        Scalar::Text(_) => JsonType::String,
        Scalar::Number(_) => JsonType::Number,
        Scalar::Bool(_) => JsonType::Boolean,
    }
}

fn contradiction(test: &TestWire) -> Option<String> {
    let needed = needed(test);
    if let (Some(false), Some((word, _))) = (test.exists, needed.first()) {
        return Some(format!("nothing is absent and passes `{word}`"));
    }
    let (first, kind) = needed.first()?;
    if let Some((other, _)) = needed.iter().find(|(_, other)| other != kind) {
        return Some(format!("no value passes both `{first}` and `{other}`"));
    }
    match (&test.equals, &test.one_of) {
        (Some(one), Some(all)) if !all.contains(one) => {
            Some("no value passes both `equals` and `one_of`".to_string())
        }
        (_, _) => None,
    }
}
