// SPDX-License-Identifier: Apache-2.0
//! What conditions look at, what it can be, and tests that it can never pass.

use super::conditions::needed;
use super::{LintKind, Look, below, key};
use crate::json::Segment;
use crate::policy::wire::{JsonType, Scalar, TestWire, WhenWire};
use crate::suggest::did_you_mean;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One thing that a condition tests.
pub(super) struct Operand<'w> {
    /// Where it stands in the condition.
    pub place: Vec<Segment>,
    /// What it is, where that is known.
    pub holds: Option<JsonType>,
    pub test: &'w TestWire,
}

/// What a condition tests itself, without the conditions inside it.
pub(super) fn operands(when: &WhenWire) -> Vec<Operand<'_>> {
    let mut found = Vec::new();
    let mut add = |place: &[&str], holds: Option<JsonType>, test| {
        found.push(Operand { place: place.iter().map(|word| key(word)).collect(), holds, test });
    };
    let (string, array) = (Some(JsonType::String), Some(JsonType::Array));
    for (word, tests) in [("args", &when.args), ("claims", &when.claims)] {
        tests.iter().for_each(|(pointer, test)| add(&[word, pointer], None, test));
    }
    for (word, holds, test) in [
        ("roles", array, &when.roles),
        ("scopes", array, &when.scopes),
        ("groups", array, &when.groups),
        ("subject", string, &when.subject),
        ("client", string, &when.client),
        ("issuer", string, &when.issuer),
    ] {
        test.iter().for_each(|test| add(&[word], holds, test));
    }
    if let Some(own) = &when.answer {
        let bytes = Some(JsonType::Number);
        for (word, holds, test) in
            [("outcome", string, &own.outcome), ("bytes", bytes, &own.bytes), ("types", array, &own.types)]
        {
            test.iter().for_each(|test| add(&["answer", word], holds, test));
        }
        own.result.iter().for_each(|(pointer, test)| add(&["answer", "result", pointer], None, test));
    }
    if let Some(own) = &when.key {
        for (word, test) in [("id", &own.id), ("owner", &own.owner)] {
            test.iter().for_each(|test| add(&["key", word], string, test));
        }
        own.labels.iter().for_each(|(name, test)| add(&["key", "labels", name], string, test));
    }
    if let Some(own) = &when.certificate {
        for (word, holds, test) in
            [("uri", array, &own.uri), ("dns", array, &own.dns), ("subject", string, &own.subject)]
        {
            test.iter().for_each(|test| add(&["certificate", word], holds, test));
        }
    }
    if let Some(own) = &when.annotations {
        for (word, test) in [
            ("readOnlyHint", &own.read_only),
            ("destructiveHint", &own.destructive),
            ("idempotentHint", &own.idempotent),
            ("openWorldHint", &own.open_world),
        ] {
            test.iter().for_each(|test| add(&["annotations", word], Some(JsonType::Boolean), test));
        }
    }
    found
}

impl Look<'_> {
    /// A test that needs another type than there can be.
    pub(super) fn kind(&mut self, path: &[Segment], holds: JsonType, test: &TestWire) {
        let own = needed(test).into_iter().find(|(_, kind)| *kind != holds).map(|(word, _)| word);
        let flat = matches!(holds, JsonType::Number | JsonType::Boolean);
        let word = own.or_else(|| (flat && test.length.is_some()).then_some("length"));
        if let Some(word) = word {
            let (what, words) = match holds {
                JsonType::Array => ("a list", "`contains`, `some` or `every`"),
                JsonType::String => ("a string", "`equals`, `one_of`, `prefix`, `suffix`, `glob` or `regex`"),
                JsonType::Number => ("a number", "`equals`, `one_of`, `min` or `max`"),
                JsonType::Boolean => ("true or false", "`equals`"),
                JsonType::Object | JsonType::Null => return,
            };
            let message = format!("`{word}` never holds for what is {what}");
            self.add(LintKind::NeverMatches, path, message, Some(format!("use {words}")));
        }
        for (word, inner) in [("some", &test.some), ("every", &test.every)] {
            if let Some(inner) = inner.as_ref().filter(|_| holds == JsonType::Array) {
                self.kind(&below(path, &[key(word)]), JsonType::String, inner);
            }
        }
    }

    /// What is tested against a closed set of words is one of them.
    pub(super) fn word(&mut self, path: &[Segment], test: &TestWire, (what, known): (&str, &[&str])) {
        let equals = test.equals.iter().map(|scalar| (Vec::from([key("equals")]), scalar));
        let one_of = test.one_of.iter().flatten().enumerate();
        let one_of = one_of.map(|(at, scalar)| (Vec::from([key("one_of"), Segment::Index(at)]), scalar));
        for (place, scalar) in equals.chain(one_of) {
            let Scalar::Text(name) = scalar else { continue };
            if !known.contains(&name.as_str()) {
                let help = did_you_mean(name, known.iter().copied());
                self.add(LintKind::UnknownName, &below(path, &place), format!("no {what} `{name}`"), help);
            }
        }
    }

    /// What stands in one `when`, and in its `all`, must hold together: the same thing cannot be two values.
    pub(super) fn together(&mut self, path: &[Segment], when: &WhenWire) {
        let mut known: Vec<(Vec<Segment>, Vec<&Scalar>)> = Vec::new();
        let mut open = Vec::from([(path.to_vec(), when)]);
        while let Some((path, when)) = open.pop() {
            for own in operands(when) {
                let equals = own.test.equals.as_ref().map(|scalar| Vec::from([scalar]));
                let Some(values) = equals.or_else(|| Some(own.test.one_of.as_ref()?.iter().collect())) else {
                    continue;
                };
                match known.iter_mut().find(|(place, _)| *place == own.place) {
                    None => known.push((own.place, values)),
                    Some((_, before)) => {
                        let possible = !before.is_empty();
                        before.retain(|scalar| values.contains(scalar));
                        if possible && before.is_empty() {
                            let message = "no value passes this and what else must hold of it".to_string();
                            let help = Some("write `any`, or two rules".to_string());
                            let place = below(&path, &own.place);
                            self.add(LintKind::NeverMatches, &place, message, help);
                        }
                    }
                }
            }
            let each = when.all.as_deref().unwrap_or_default().iter().enumerate().rev();
            open.extend(each.map(|(at, inner)| (below(&path, &[key("all"), Segment::Index(at)]), inner)));
        }
    }
}

/// The words of `answer.outcome`.
pub(super) const OUTCOMES: [&str; 3] = ["ok", "tool_error", "rpc_error"];

/// The name of what a place is about, without the condition in which it stands.
pub(super) fn name(place: &[Segment]) -> String {
    let words = place.iter().map(|segment| match segment {
        Segment::Key(word) => word.as_str(),
        Segment::Index(_) => "",
    });
    words.collect::<Vec<_>>().join(".")
}
