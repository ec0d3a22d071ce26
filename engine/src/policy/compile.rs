// SPDX-License-Identifier: Apache-2.0
//! From a policy as written to a policy as evaluated.

use super::condition::{self, Condition, Needs, Place};
use super::index::Index;
use super::pattern::Pattern;
use super::roles::RoleSet;
use super::wire::{BindingWire, PolicyWire, RoleWire, RuleWire};
use super::{Binding, Effect, Policy, Rule, date};
use crate::json::{DeError, Segment, Value, from_value};
use crate::mcp::{Method, MethodClass};
use crate::suggest::nearest;
use crate::time::UnixTime;
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How deep roles inherit unless the policy says otherwise.
const DEFAULT_INHERITANCE: u8 = 5;
/// The ceiling for `max_inheritance`.
const MAX_INHERITANCE: u8 = 16;
/// How many roles and rules a policy may have.
const MAX_ROLES: usize = 4_096;
const MAX_RULES: usize = 100_000;

impl Policy {
    /// Compiles a policy document.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path inside the document.
    pub fn compile(value: Value<'_>) -> Result<Policy, DeError> {
        let wire: PolicyWire = from_value(value)?;
        compile(&wire)
    }
}

fn key(name: &str) -> Segment {
    Segment::Key(name.to_owned())
}

fn compile(wire: &PolicyWire) -> Result<Policy, DeError> {
    if wire.version != 1 {
        let error = DeError::new(format!("policy version {} is not known", wire.version));
        return Err(error.with_help("this build reads version 1".to_owned()).inside(key("version")));
    }
    if wire.roles.is_empty() {
        let error = DeError::new("a policy without roles allows nothing".to_owned());
        return Err(error.with_help("add a role and a binding".to_owned()).inside(key("roles")));
    }
    if wire.roles.len() > MAX_ROLES {
        return Err(DeError::new(format!("more than {MAX_ROLES} roles")).inside(key("roles")));
    }
    let names: Vec<&str> = wire.roles.keys().map(String::as_str).collect();
    names.iter().try_for_each(|name| check_role_name(name))?;
    let holders = holders(wire, &names)?;
    let mut policy =
        Policy { roles: names.iter().map(|name| Arc::from(*name)).collect(), ..Policy::default() };
    let mut ids = BTreeSet::new();
    for ((name, role), holders) in wire.roles.iter().zip(&holders) {
        let path = |error: DeError| error.inside(key(name)).inside(key("roles"));
        add_rules(&mut policy, &mut ids, name, role, holders).map_err(path)?;
    }
    for (at, binding) in wire.bindings.iter().enumerate() {
        let compiled = compile_binding(binding, &names);
        policy
            .bindings
            .push(compiled.map_err(|error| error.inside(Segment::Index(at)).inside(key("bindings")))?);
    }
    let bounds = policy.bindings.iter().flat_map(|binding| [binding.from, binding.until]).flatten();
    policy.boundaries = bounds.collect::<BTreeSet<UnixTime>>().into_iter().collect();
    let needs = policy.rules.iter().filter_map(|rule| rule.when.as_ref()).map(Condition::needs);
    policy.needs = needs.fold(Needs::default(), Needs::join);
    Ok(policy)
}

/// For each role, in order: the roles whose holders have its rules, that is itself and all that inherit it.
fn holders(wire: &PolicyWire, names: &[&str]) -> Result<Vec<RoleSet>, DeError> {
    let limit = wire.max_inheritance.unwrap_or(DEFAULT_INHERITANCE);
    if limit > MAX_INHERITANCE {
        let error = DeError::new(format!("`max_inheritance` is {limit}, the ceiling is {MAX_INHERITANCE}"));
        return Err(error.inside(key("max_inheritance")));
    }
    let position: BTreeMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let mut parents: Vec<Vec<usize>> = Vec::with_capacity(names.len());
    for (name, role) in &wire.roles {
        let mut own = Vec::new();
        for (at, parent) in role.inherits.iter().enumerate() {
            let found = position.get(parent.as_str()).copied();
            own.push(found.ok_or_else(|| {
                unknown_role(parent, names)
                    .inside(Segment::Index(at))
                    .inside(key("inherits"))
                    .inside(key(name))
                    .inside(key("roles"))
            })?);
        }
        parents.push(own);
    }
    let depths = depths(&parents, names)?;
    for (name, depth) in names.iter().zip(&depths) {
        if *depth > usize::from(limit) {
            let error =
                DeError::new(format!("role `{name}` inherits {depth} levels deep, the limit is {limit}"));
            let help = format!("flatten the roles, or set `max_inheritance` (at most {MAX_INHERITANCE})");
            return Err(error.with_help(help).inside(key("inherits")).inside(key(name)).inside(key("roles")));
        }
    }
    // Shallow roles first: a role's holders reach its parents through it.
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|at| core::cmp::Reverse(depths.get(*at).copied().unwrap_or(0)));
    let mut sets = alloc::vec![RoleSet::default(); names.len()];
    for at in order {
        let mut own = sets.get(at).cloned().unwrap_or_default();
        own.insert(at);
        for parent in parents.get(at).into_iter().flatten() {
            if let Some(set) = sets.get_mut(*parent) {
                set.extend(&own);
            }
        }
        if let Some(set) = sets.get_mut(at) {
            *set = own;
        }
    }
    Ok(sets)
}

/// Role names reach the upstream as one list in one header.
fn check_role_name(name: &str) -> Result<(), DeError> {
    let fine = !name.is_empty()
        && name.len() <= 128
        && name.trim() == name
        && !name.contains(',')
        && !name.chars().any(char::is_control);
    if fine {
        return Ok(());
    }
    let error = DeError::new(format!("`{}` cannot name a role", name.escape_debug()));
    let help = "use up to 128 characters without commas and without spaces around them".to_owned();
    Err(error.with_help(help).inside(key(name)).inside(key("roles")))
}

fn unknown_role(name: &str, names: &[&str]) -> DeError {
    let error = DeError::new(format!("there is no role `{name}`"));
    match nearest(name, names.iter().copied()) {
        Some(near) => error.with_help(format!("did you mean `{near}`?")),
        None => error.with_help("define it under `roles`".to_owned()),
    }
}

/// How many levels each role inherits; a cycle is an error. Iterative, so that a long chain cannot exhaust the stack.
fn depths(parents: &[Vec<usize>], names: &[&str]) -> Result<Vec<usize>, DeError> {
    let mut depths = alloc::vec![0_usize; parents.len()];
    // A chain without a cycle settles after as many rounds as it is long; more rounds than roles mean a cycle.
    for _ in 0..=parents.len() {
        let mut changed = None;
        for (at, own) in parents.iter().enumerate() {
            let through =
                own.iter().filter_map(|parent| depths.get(*parent)).max().map_or(0, |deepest| deepest + 1);
            if let Some(depth) = depths.get_mut(at)
                && *depth != through
            {
                *depth = through;
                changed = Some(at);
            }
        }
        match changed {
            None => return Ok(depths),
            // Depths beyond any limit: no need to go round for every role of a large policy.
            Some(at) if depths.get(at).is_some_and(|depth| *depth > parents.len()) => break,
            Some(_) => {}
        }
    }
    Err(cycle(names, on_the_circle(parents, &depths)))
}

/// A role that stands on a circle itself, not one that only inherits from it: up the deepest parents there is no end,
/// so as many steps as there are roles lead onto it.
fn on_the_circle(parents: &[Vec<usize>], depths: &[usize]) -> usize {
    let depth = |at: &usize| depths.get(*at).copied().unwrap_or(0);
    let start = (0..parents.len()).max_by_key(depth).unwrap_or(0);
    (0..parents.len()).fold(start, |at, _| {
        let deepest = parents.get(at).and_then(|own| own.iter().copied().max_by_key(depth));
        deepest.unwrap_or(at)
    })
}

fn cycle(names: &[&str], at: usize) -> DeError {
    let name = names.get(at).copied().unwrap_or_default();
    let error = DeError::new(format!("role `{name}` inherits itself, directly or through others"));
    let help = "take one of the `inherits` of the circle out".to_owned();
    error.with_help(help).inside(key("inherits")).inside(key(name)).inside(key("roles"))
}

fn add_rules(
    policy: &mut Policy,
    ids: &mut BTreeSet<String>,
    name: &str,
    role: &RoleWire,
    holders: &RoleSet,
) -> Result<(), DeError> {
    for (effect, word, rules) in [(Effect::Allow, "allow", &role.allow), (Effect::Deny, "deny", &role.deny)] {
        for (at, wire) in rules.iter().enumerate() {
            let path = |error: DeError| error.inside(Segment::Index(at)).inside(key(word));
            let id = wire.id.clone().unwrap_or_else(|| format!("{name}/{word}/{at}"));
            if !ids.insert(id.clone()) {
                let error = DeError::new(format!("two rules have the id `{id}`"));
                return Err(path(error.with_help("rename one of them".to_owned()).inside(key("id"))));
            }
            check_id(&id).map_err(path)?;
            add_rule(policy, &id, effect, wire, holders.clone()).map_err(path)?;
        }
    }
    Ok(())
}

/// Rule ids reach headers, metrics and logs.
fn check_id(id: &str) -> Result<(), DeError> {
    let fine =
        !id.is_empty() && id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';');
    if fine {
        return Ok(());
    }
    let error = DeError::new(format!("`{id}` cannot be a rule id"));
    Err(error
        .with_help("use up to 128 letters, digits and signs without spaces".to_owned())
        .inside(key("id")))
}

fn add_rule(
    policy: &mut Policy,
    id: &str,
    effect: Effect,
    wire: &RuleWire,
    holders: RoleSet,
) -> Result<(), DeError> {
    let at = policy.rules.len();
    if at >= MAX_RULES {
        return Err(DeError::new(format!("more than {MAX_RULES} rules")));
    }
    let targets = [&wire.methods, &wire.tools, &wire.prompts, &wire.resources, &wire.routes];
    if targets.iter().all(|names| names.is_empty()) {
        let error = DeError::new(format!("rule `{id}` names nothing, so it can never match"));
        return Err(error.with_help("add `methods`, `tools`, `prompts`, `resources` or `routes`".to_owned()));
    }
    check_methods(effect, &wire.methods)?;
    fill(&mut policy.methods, "methods", &wire.methods, at)?;
    fill(&mut policy.tools, "tools", &wire.tools, at)?;
    fill(&mut policy.prompts, "prompts", &wire.prompts, at)?;
    fill(&mut policy.resources, "resources", &wire.resources, at)?;
    fill(&mut policy.routes, "routes", &wire.routes, at)?;
    let when = wire.when.as_ref().map(|when| condition::compile(when, Place::Rule));
    let when = when.transpose().map_err(|error| error.inside(key("when")))?;
    check_arguments(id, wire, when.as_ref()).map_err(|error| error.inside(key("when")))?;
    policy.rules.push(Rule { id: Arc::from(id), effect, holders, when });
    Ok(())
}

/// Only tools and prompts have arguments: elsewhere a test on them never holds, so an allow rule would be dead and a
/// deny rule would always fire.
fn check_arguments(id: &str, wire: &RuleWire, when: Option<&Condition>) -> Result<(), DeError> {
    let others = [&wire.resources, &wire.routes].iter().any(|names| !names.is_empty());
    let bare = |name: &String| {
        Method::from_name(name)
            .is_some_and(|method| !matches!(method.class(), MethodClass::Tool | MethodClass::Prompt))
    };
    let misplaced = others || wire.methods.iter().any(bare);
    if misplaced && when.is_some_and(|when| when.needs().arguments) {
        let error = DeError::new(format!("rule `{id}` tests `args`, which only tools and prompts have"));
        return Err(error
            .with_help("make a rule of its own for tools and prompts".to_owned())
            .inside(key("args")));
    }
    Ok(())
}

fn fill(index: &mut Index, word: &str, names: &[String], rule: usize) -> Result<(), DeError> {
    for (at, name) in names.iter().enumerate() {
        let pattern = Pattern::compile(name)
            .map_err(|message| DeError::new(message).inside(Segment::Index(at)).inside(key(word)))?;
        index.add(pattern, rule);
    }
    Ok(())
}

/// An exact method must exist; an allow rule cannot grant a method that has targets, which have keys of their own.
fn check_methods(effect: Effect, methods: &[String]) -> Result<(), DeError> {
    for (at, name) in methods.iter().enumerate() {
        let path = |error: DeError| error.inside(Segment::Index(at)).inside(key("methods"));
        if name.contains(['*', '?']) {
            check_wild_methods(effect, name).map_err(path)?;
            continue;
        }
        let Some(method) = Method::from_name(name) else {
            let error = DeError::new(format!("no MCP version has a method `{name}`"));
            let near = nearest(name, Method::ALL.iter().map(|method| method.name()));
            return Err(path(match near {
                Some(near) => error.with_help(format!("did you mean `{near}`?")),
                None => error,
            }));
        };
        let instead = match method.class() {
            MethodClass::Tool => "tools",
            MethodClass::Prompt => "prompts",
            MethodClass::Resource => "resources",
            MethodClass::Completion => "prompts` or `resources",
            MethodClass::Base | MethodClass::Plain | MethodClass::Subscription | MethodClass::Task => {
                continue;
            }
        };
        if effect == Effect::Allow {
            let error = DeError::new(format!("`{name}` is granted by its target, not as a method"));
            return Err(path(error.with_help(format!("use `{instead}`, with `\"*\"` for all of them"))));
        }
    }
    Ok(())
}

/// A pattern that fits no method, or only methods that it cannot grant, would be silent.
fn check_wild_methods(effect: Effect, pattern: &str) -> Result<(), DeError> {
    let mut fitting =
        Method::ALL.iter().filter(|method| super::pattern::glob_fits(pattern, method.name())).peekable();
    if fitting.peek().is_none() {
        let error = DeError::new(format!("no method fits `{pattern}`, so it can never match"));
        return Err(error.with_help("write it like `tools/*` or `notifications/*`".to_owned()));
    }
    let grants = |method: &Method| match method.class() {
        MethodClass::Tool | MethodClass::Prompt | MethodClass::Resource | MethodClass::Completion => false,
        MethodClass::Base | MethodClass::Plain | MethodClass::Subscription | MethodClass::Task => true,
    };
    if effect == Effect::Allow && !fitting.any(grants) {
        let error = DeError::new(format!("what `{pattern}` fits is granted by its target, not as a method"));
        return Err(error.with_help("use `tools`, `prompts` or `resources`".to_owned()));
    }
    Ok(())
}

fn compile_binding(wire: &BindingWire, names: &[&str]) -> Result<Binding, DeError> {
    let role = names.iter().position(|name| *name == wire.role);
    let role = role.ok_or_else(|| unknown_role(&wire.role, names).inside(key("role")))?;
    let Some(when) = &wire.when else {
        let error = DeError::new("a binding without `when` would give the role to everyone".to_owned());
        return Err(
            error.with_help("write `when: { subject: { exists: true } }` if that is meant".to_owned())
        );
    };
    let when = condition::compile(when, Place::Binding).map_err(|error| error.inside(key("when")))?;
    let from = read_date("from", wire.from.as_deref())?;
    let until = read_date("until", wire.until.as_deref())?;
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        let error =
            DeError::new("`until` is not later than `from`, so the binding can never hold".to_owned());
        return Err(error.inside(key("until")));
    }
    Ok(Binding { role, when, from, until })
}

fn read_date(name: &str, text: Option<&str>) -> Result<Option<UnixTime>, DeError> {
    let Some(text) = text else { return Ok(None) };
    match date::parse(text) {
        Some(time) => Ok(Some(time)),
        None => {
            let error = DeError::new(format!("`{text}` is not a date"));
            Err(error.with_help("write it like `2027-01-01T00:00:00Z`".to_owned()).inside(key(name)))
        }
    }
}
