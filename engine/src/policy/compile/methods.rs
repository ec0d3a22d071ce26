// SPDX-License-Identifier: Apache-2.0
//! Methods in rules: which there are, and which can be granted so.

use super::key;
use crate::json::{DeError, Segment};
use crate::mcp::{Method, MethodClass};
use crate::policy::Effect;
use crate::policy::pattern::glob_fits;
use crate::suggest::did_you_mean;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// An exact method must exist; an allow rule cannot grant a method that has targets, which have keys of their own.
pub(super) fn check_methods(effect: Effect, methods: &[String]) -> Result<(), DeError> {
    for (at, name) in methods.iter().enumerate() {
        let path = |error: DeError| error.inside(Segment::Index(at)).inside(key("methods"));
        if name.contains(['*', '?']) {
            check_wild_methods(effect, name).map_err(path)?;
            continue;
        }
        let Some(method) = Method::from_name(name) else {
            let error = DeError::new(format!("no MCP version has a method `{name}`"));
            let help = did_you_mean(name, Method::ALL.iter().map(|method| method.name()));
            return Err(path(match help {
                Some(help) => error.with_help(help),
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
    let mut fitting = Method::ALL.iter().filter(|method| glob_fits(pattern, method.name())).peekable();
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
