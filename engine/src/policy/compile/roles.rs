// SPDX-License-Identifier: Apache-2.0
//! Roles: their names, and who inherits from whom.

use super::key;
use crate::json::{DeError, Segment};
use crate::policy::wire::PolicyWire;
use crate::suggest::did_you_mean;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How deep roles inherit unless the policy says otherwise.
const DEFAULT_INHERITANCE: u8 = 5;
/// The ceiling for `max_inheritance`.
const MAX_INHERITANCE: u8 = 16;
/// How many roles a policy may have.
const MAX_ROLES: usize = 4_096;

/// The roles of a policy by name, in order.
pub(super) struct Names<'w> {
    pub(super) list: Vec<&'w str>,
}

impl<'w> Names<'w> {
    pub(super) fn of(wire: &'w PolicyWire) -> Result<Names<'w>, DeError> {
        if wire.roles.is_empty() {
            let error = DeError::new("a policy without roles allows nothing".to_owned());
            return Err(error.with_help("add a role and a binding".to_owned()).inside(key("roles")));
        }
        if wire.roles.len() > MAX_ROLES {
            return Err(DeError::new(format!("more than {MAX_ROLES} roles")).inside(key("roles")));
        }
        let list: Vec<&str> = wire.roles.keys().map(String::as_str).collect();
        list.iter().try_for_each(|name| check_role_name(name))?;
        Ok(Names { list })
    }

    pub(super) fn find(&self, name: &str) -> Result<u32, DeError> {
        let position = self.list.binary_search(&name).ok().and_then(|at| u32::try_from(at).ok());
        position.ok_or_else(|| {
            let error = DeError::new(format!("there is no role `{name}`"));
            let help = did_you_mean(name, self.list.iter().copied());
            error.with_help(help.unwrap_or_else(|| "define it under `roles`".to_owned()))
        })
    }
}

/// For each role, in order: the roles that it inherits.
pub(super) fn parents(wire: &PolicyWire, names: &Names<'_>) -> Result<Vec<Vec<u32>>, DeError> {
    let limit = wire.max_inheritance.unwrap_or(DEFAULT_INHERITANCE);
    if limit > MAX_INHERITANCE {
        let error = DeError::new(format!("`max_inheritance` is {limit}, the ceiling is {MAX_INHERITANCE}"));
        return Err(error.inside(key("max_inheritance")));
    }
    let mut parents: Vec<Vec<u32>> = Vec::with_capacity(names.list.len());
    for (name, role) in &wire.roles {
        let each = role.inherits.iter().enumerate().map(|(at, parent)| {
            let path = |error: DeError| error.inside(Segment::Index(at)).inside(key("inherits"));
            names.find(parent).map_err(|error| path(error).inside(key(name)).inside(key("roles")))
        });
        parents.push(each.collect::<Result<_, _>>()?);
    }
    let names = &names.list;
    let depths = depths(&parents, names)?;
    for (name, depth) in names.iter().zip(&depths) {
        if *depth > usize::from(limit) {
            let error =
                DeError::new(format!("role `{name}` inherits {depth} levels deep, the limit is {limit}"));
            let help = format!("flatten the roles, or set `max_inheritance` (at most {MAX_INHERITANCE})");
            return Err(error.with_help(help).inside(key("inherits")).inside(key(name)).inside(key("roles")));
        }
    }
    Ok(parents)
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

/// How many levels each role inherits; a cycle is an error. Iterative, so that a long chain cannot exhaust the stack.
fn depths(parents: &[Vec<u32>], names: &[&str]) -> Result<Vec<usize>, DeError> {
    let mut depths = alloc::vec![0_usize; parents.len()];
    // A chain without a cycle settles after as many rounds as it is long; more rounds than roles mean a cycle.
    for _ in 0..=parents.len() {
        let mut changed = None;
        for (at, own) in parents.iter().enumerate() {
            let through = own
                .iter()
                .filter_map(|parent| depths.get(usize::try_from(*parent).ok()?))
                .max()
                .map_or(0, |deepest| deepest + 1);
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
fn on_the_circle(parents: &[Vec<u32>], depths: &[usize]) -> usize {
    let depth = |at: &usize| depths.get(*at).copied().unwrap_or(0);
    let start = (0..parents.len()).max_by_key(depth).unwrap_or(0);
    (0..parents.len()).fold(start, |at, _| {
        let own = parents.get(at).into_iter().flatten();
        own.filter_map(|parent| usize::try_from(*parent).ok()).max_by_key(depth).unwrap_or(at)
    })
}

fn cycle(names: &[&str], at: usize) -> DeError {
    let name = names.get(at).copied().unwrap_or_default();
    let error = DeError::new(format!("role `{name}` inherits itself, directly or through others"));
    let help = "take one of the `inherits` of the circle out".to_owned();
    error.with_help(help).inside(key("inherits")).inside(key(name)).inside(key("roles"))
}
