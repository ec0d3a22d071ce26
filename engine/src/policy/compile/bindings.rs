// SPDX-License-Identifier: Apache-2.0
//! Who holds which role: bindings, and grants to single subjects.

use super::roles::Names;
use super::{Compiler, key};
use crate::json::{DeError, Segment};
use crate::policy::condition::{Condition, Place, compile as compile_condition};
use crate::policy::wire::{BindingWire, GrantWire, Scalar, TestWire, WhenWire};
use crate::policy::{Binding, date};
use crate::time::UnixTime;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// How many grants a policy may have.
const MAX_GRANTS: usize = 10_000;

impl Compiler<'_> {
    pub(super) fn bindings(&mut self) -> Result<(), DeError> {
        for (at, wire) in self.wire.bindings.iter().enumerate() {
            let path = |error: DeError| error.inside(Segment::Index(at)).inside(key("bindings"));
            let binding = compile_binding(wire, &self.names).map_err(path)?;
            self.policy.bindings.push(binding);
        }
        Ok(())
    }

    /// Each grant is a role without a name, behind those with one, bound to its subject.
    pub(super) fn grants(&mut self) -> Result<(), DeError> {
        if self.wire.grants.len() > MAX_GRANTS {
            return Err(DeError::new(format!("more than {MAX_GRANTS} grants")).inside(key("grants")));
        }
        let first = u32::try_from(self.names.list.len()).unwrap_or(u32::MAX);
        for ((role, at), wire) in (first..).zip(0_usize..).zip(&self.wire.grants) {
            let path = |error: DeError| error.inside(Segment::Index(at)).inside(key("grants"));
            if wire.permissions.is_empty() && wire.allow.is_empty() && wire.deny.is_empty() {
                let error = DeError::new("this grant grants nothing".to_owned());
                return Err(path(error.with_help("add `permissions` or `allow`".to_owned())));
            }
            self.rules(&format!("grants/{at}"), role, &wire.allow, &wire.deny).map_err(path)?;
            let (from, until) = period(wire.from.as_deref(), wire.until.as_deref()).map_err(path)?;
            let when = to_subject(wire).map_err(path)?;
            self.policy.bindings.push(Binding { role, when, from, until });
        }
        Ok(())
    }
}

/// Without an issuer, the subject of whichever issuer the server accepts.
fn to_subject(wire: &GrantWire) -> Result<Condition, DeError> {
    if wire.subject.is_empty() {
        return Err(DeError::new("the subject is empty".to_owned()).inside(key("subject")));
    }
    let equals = |text: &String| TestWire { equals: Some(Scalar::Text(text.clone())), ..TestWire::default() };
    let when = WhenWire {
        subject: Some(equals(&wire.subject)),
        issuer: wire.issuer.as_ref().map(equals),
        ..WhenWire::default()
    };
    compile_condition(&when, Place::Binding)
}

fn compile_binding(wire: &BindingWire, names: &Names<'_>) -> Result<Binding, DeError> {
    let role = names.find(&wire.role).map_err(|error| error.inside(key("role")))?;
    let Some(when) = &wire.when else {
        let error = DeError::new("a binding without `when` would give the role to everyone".to_owned());
        return Err(
            error.with_help("write `when: { subject: { exists: true } }` if that is meant".to_owned())
        );
    };
    let when = compile_condition(when, Place::Binding).map_err(|error| error.inside(key("when")))?;
    let (from, until) = period(wire.from.as_deref(), wire.until.as_deref())?;
    Ok(Binding { role, when, from, until })
}

type Period = (Option<UnixTime>, Option<UnixTime>);

fn period(from: Option<&str>, until: Option<&str>) -> Result<Period, DeError> {
    let (from, until) = (read_date("from", from)?, read_date("until", until)?);
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        let error =
            DeError::new("`until` is not later than `from`, so the binding can never hold".to_owned());
        return Err(error.inside(key("until")));
    }
    Ok((from, until))
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
