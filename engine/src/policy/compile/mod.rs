// SPDX-License-Identifier: Apache-2.0
//! From a policy as written to a policy as evaluated.

mod bindings;
mod methods;
mod roles;
mod rules;

use super::classes::Classes;
use super::condition::{Condition, Needs};
use super::digest::digest;
use super::index::{Filling, Over};
use super::pattern::Pattern;
use super::wire::{Operation, PatternWire, PolicyWire};
use super::{Mode, Policy, Rule, Surfaces};
use crate::json::{DeError, Segment, Value, from_value};
use crate::sort::sort;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use roles::Names;

/// How many patterns the rules of all roles may have; a permission counts once for each role that has it.
const MAX_PATTERNS: usize = 500_000;

impl Policy {
    /// Compiles a policy document.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path inside the document.
    pub fn compile(value: Value<'_>) -> Result<Policy, DeError> {
        let wire: PolicyWire = from_value(value)?;
        let mut policy = compile(&wire)?;
        policy.digest = digest(value);
        Ok(policy)
    }
}

#[inline(never)]
fn key(name: &str) -> Segment {
    Segment::Key(name.to_owned())
}

/// A policy as it is put together.
struct Compiler<'w> {
    wire: &'w PolicyWire,
    names: Names<'w>,
    policy: Policy,
    classes: Classes,
    ids: BTreeSet<String>,
    methods: Filling,
    tools: Filling,
    prompts: Filling,
    resources: Filling,
    routes: Filling,
}

fn compile(wire: &PolicyWire) -> Result<Policy, DeError> {
    if wire.version != 1 {
        let error = DeError::new(format!("policy version {} is not known", wire.version));
        return Err(error.with_help("this build reads version 1".to_owned()).inside(key("version")));
    }
    let names = Names::of(wire)?;
    let parents = roles::parents(wire, &names)?;
    let policy = Policy {
        mode: wire.mode,
        revision: revision(wire.revision.as_deref())?,
        roles: names.list.iter().map(|name| Arc::from(*name)).collect(),
        parents,
        trusted: wire.trusted_servers.iter().map(|name| Arc::from(name.as_str())).collect(),
        ..Policy::default()
    };
    let names_of = |over| Filling::new(over);
    let mut compiler = Compiler {
        wire,
        names,
        policy,
        classes: Classes::new(),
        ids: BTreeSet::new(),
        methods: names_of(Over::Names),
        tools: names_of(Over::Names),
        prompts: names_of(Over::Names),
        resources: names_of(Over::Uris),
        routes: names_of(Over::Names),
    };
    compiler.declare()?;
    compiler.roles()?;
    compiler.permissions()?;
    compiler.grants()?;
    compiler.bindings()?;
    Ok(compiler.finish())
}

/// Revisions reach logs and records.
fn revision(text: Option<&str>) -> Result<Option<Arc<str>>, DeError> {
    let Some(text) = text else { return Ok(None) };
    if (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(Arc::from(text)));
    }
    let error = DeError::new(format!("`{}` cannot be a revision", text.escape_debug()));
    Err(error
        .with_help("use up to 64 letters, digits and signs without spaces".to_owned())
        .inside(key("revision")))
}

impl Compiler<'_> {
    /// What the policy itself says of tools.
    fn declare(&mut self) -> Result<(), DeError> {
        let own = &self.wire.operations;
        let mut declared = Filling::new(Over::Names);
        let each = [
            ("read", Operation::Read, &own.read),
            ("write", Operation::Write, &own.write),
            ("execute", Operation::Execute, &own.execute),
            ("admin", Operation::Admin, &own.admin),
        ];
        for (bit, (name, _, patterns)) in each.into_iter().enumerate() {
            for pattern in self::patterns(name, patterns).map_err(|error| error.inside(key("operations")))? {
                declared.add(pattern, 0, bit);
            }
        }
        for (name, patterns) in &self.wire.classes {
            if let Some((_, _, _)) = each.iter().find(|(operation, _, _)| operation == name) {
                let error = DeError::new(format!("`{name}` is an operation, not a class"));
                let help = "write it under `operations`".to_owned();
                return Err(error.with_help(help).inside(key(name)).inside(key("classes")));
            }
            let bit = self.classes.mention(name).map(|labels| labels.first());
            let Some(bit) = bit else {
                return Err(super::classes::too_many().inside(key("classes")));
            };
            for pattern in self::patterns(name, patterns).map_err(|error| error.inside(key("classes")))? {
                declared.add(pattern, 0, bit);
            }
        }
        self.classes.declared = declared.freeze();
        Ok(())
    }

    fn finish(self) -> Policy {
        let mut policy = self.policy;
        let bounds = policy.bindings.iter().flat_map(|binding| [binding.from, binding.until]).flatten();
        policy.boundaries = bounds.collect();
        sort(&mut policy.boundaries);
        policy.boundaries.dedup();
        let conditions = policy.rules.iter().filter_map(|rule: &Rule| rule.when.as_ref());
        policy.needs = conditions.map(Condition::needs).fold(Needs::default(), Needs::join);
        let required = policy.rules.iter().filter_map(|rule| rule.require.as_ref());
        policy.needs.claims |= required.into_iter().any(|require| require.speaks_of_login());
        let on_answers = |(at, rule): (usize, &Rule)| (rule.surfaces == Surfaces::Answer).then_some(at);
        policy.answer_rules = policy.rules.iter().enumerate().filter_map(on_answers).collect();
        policy.shadow_rules = policy.rules.iter().filter(|rule| rule.mode == Mode::Shadow).count();
        policy.scopes = policy.scopes_asked_for();
        policy.classes = self.classes;
        policy.methods = self.methods.freeze();
        policy.tools = self.tools.freeze();
        policy.prompts = self.prompts.freeze();
        policy.resources = self.resources.freeze();
        policy.routes = self.routes.freeze();
        policy
    }

    fn check_size(&self) -> Result<(), DeError> {
        let all = [&self.methods, &self.tools, &self.prompts, &self.resources, &self.routes];
        match all.into_iter().map(Filling::len).sum::<usize>() > MAX_PATTERNS {
            true => Err(DeError::new(format!("more than {MAX_PATTERNS} patterns in the rules of all roles"))),
            false => Ok(()),
        }
    }
}

fn patterns(word: &str, wires: &[PatternWire]) -> Result<Vec<Pattern>, DeError> {
    let each = wires.iter().enumerate().map(|(at, wire)| {
        let compiled = match wire {
            PatternWire::Glob(text) => Pattern::compile(text),
            PatternWire::Regex(text) => Pattern::compile_regex(text),
        };
        compiled.map_err(|message| DeError::new(message).inside(Segment::Index(at)).inside(key(word)))
    });
    each.collect()
}
