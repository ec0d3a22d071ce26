// SPDX-License-Identifier: Apache-2.0
//! The audit trail: outlets, keys, what records may show.

use super::{Compiler, Step, at, key, shown, wrong};
use crate::audit::{AuditKey, Outlet};
use crate::config::FilterState;
use crate::config::audit::{ArgumentsShown, Audit, Collector, Shown, Source};
use crate::config::origin::Url;
use crate::config::wire::{ArgumentsWire, AuditWire, CollectorWire, OutletWire, SecretWire, ShownWire};
use crate::feed::Endpoint;
use crate::json::DeError;
use crate::policy::digest_of;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

impl Compiler<'_> {
    pub(super) fn audit(&mut self) -> Result<Audit, DeError> {
        let (wire, secrets) = (&self.wire.audit, &self.wire.secrets);
        let key_of = |secret: &Option<SecretWire>, name: &str| {
            let key_of = |secret: &SecretWire| self.audit_key(secret);
            at(secret.as_ref().map(key_of).transpose(), &[key("secrets"), key(name)])
        };
        let (own, previous) =
            (key_of(&secrets.audit, "audit")?, key_of(&secrets.audit_previous, "audit_previous")?);
        if previous.is_some() && own.is_none() {
            let error = wrong("there is no key to hand over to".to_owned(), "add `secrets.audit`");
            return at(Err(error), &[key("secrets"), key("audit_previous")]);
        }
        let audit = at(self.audit_settings(wire, own, previous), &[key("audit")])?;
        if audit.is_on() && audit.key.is_none() {
            self.warn(
                &[key("audit"), key("outlets")],
                "without `secrets.audit` records are chained by plain SHA-256: who can edit them can chain them anew",
            );
        }
        Ok(audit)
    }

    /// What of decisions goes to filter state.
    pub(super) fn filter_state(&self) -> Result<FilterState, DeError> {
        let wire = &self.wire.audit;
        match (&wire.filter_state_names, wire.filter_state) {
            (None, false) => Ok(FilterState::OFF),
            (None, true) => Ok(FilterState::ALL),
            (Some(_), false) => {
                Err(wrong("filter state is off".to_owned(), "set `audit.filter_state: true`, or take it out"))
            }
            (Some(names), true) if names.is_empty() => {
                Err(wrong("there is no name".to_owned(), "set `audit.filter_state: false`, or add one"))
            }
            (Some(names), true) => Ok(FilterState::of(names.iter().copied())),
        }
    }

    fn audit_settings(
        &self,
        wire: &AuditWire,
        own: Option<AuditKey>,
        previous: Option<AuditKey>,
    ) -> Result<Audit, DeError> {
        let keyed = |name: &str, used: bool| match used && own.is_none() {
            true => {
                Err(wrong("there is no key to hash with".to_owned(), "add `secrets.audit`").inside(key(name)))
            }
            false => Ok(()),
        };
        keyed("arguments", wire.arguments == ArgumentsWire::Hashes)?;
        keyed("targets", wire.targets == ShownWire::Hash)?;
        keyed("subjects", wire.subjects == ShownWire::Hash)?;
        idle(wire)?;
        let allows_per_mille = within(u64::from(wire.allows_per_mille), (0, 1_000), "allows_per_mille")?;
        Ok(Audit {
            outlets: outlets(wire)?,
            key: own,
            previous,
            allows_per_mille: u32::try_from(allows_per_mille).unwrap_or(1_000),
            arguments: match wire.arguments {
                ArgumentsWire::None => ArgumentsShown::Nothing,
                ArgumentsWire::Names => ArgumentsShown::Names,
                ArgumentsWire::Hashes => ArgumentsShown::Hashes,
            },
            redact: redact(&wire.redact)?,
            targets: how(wire.targets),
            subjects: how(wire.subjects),
            source: if wire.source_address { Source::Recorded } else { Source::LeftOut },
            checkpoint_secs: within(u64::from(wire.checkpoint_seconds), (1, 3_600), "checkpoint_seconds")?,
            collector: self.collector(wire)?,
            config_digest: *digest_of(self.root).bytes(),
        })
    }

    fn audit_key(&self, wire: &SecretWire) -> Result<AuditKey, DeError> {
        let value = self.secret(wire)?;
        AuditKey::new(&value).map_err(|_| {
            let error = DeError::new(format!("the value of `{}` is shorter than 32 bytes", wire.env));
            error.with_help("make one with `openssl rand -hex 32`".to_owned()).inside(key("env"))
        })
    }

    fn collector(&self, wire: &AuditWire) -> Result<Option<Collector>, DeError> {
        match (&wire.collector, wire.outlets.contains(&OutletWire::Collector)) {
            (None, false) => Ok(None),
            (Some(collector), true) => at(self.sink(collector), &[key("collector")]).map(Some),
            (None, true) => {
                let error = wrong("there is no collector to send to".to_owned(), "add `audit.collector`");
                Err(error.inside(key("outlets")))
            }
            (Some(_), false) => {
                let error = wrong("nothing is sent there".to_owned(), "add `collector` to `audit.outlets`");
                Err(error.inside(key("collector")))
            }
        }
    }

    fn sink(&self, wire: &CollectorWire) -> Result<Collector, DeError> {
        let value = |value: Option<u32>, default: u64| value.map_or(default, u64::from);
        let batch = within(value(wire.batch_bytes, 262_144), (4_096, 8 << 20), "batch_bytes")?;
        let queue = within(value(wire.queue_bytes, 1 << 20), (65_536, 64 << 20), "queue_bytes")?;
        let timeout = within(value(wire.timeout_milliseconds, 5_000), (100, 60_000), "timeout_milliseconds")?;
        if queue < batch {
            let error = DeError::new(format!("{queue} is less than one batch of {batch}"));
            return at(Err(error), &[key("queue_bytes")]);
        }
        let url = Url::parse(&wire.uri).ok_or_else(|| {
            let error = format!("{} is not an absolute URL", shown(&wire.uri));
            wrong(error, "write it like `https://logs.example.com/toolgate`").inside(key("uri"))
        })?;
        let Some(cluster) = self.wire.clusters.get(&url.authority).cloned() else {
            let help = format!(
                "add `{}: CLUSTER` under `clusters`; a host not listed there is never called",
                url.authority
            );
            let error = DeError::new(format!("no cluster reaches `{}`", url.authority)).with_help(help);
            return Err(error.inside(key("uri")));
        };
        let authorization = wire.authorization.as_ref().map(|secret| self.header_secret(secret)).transpose();
        Ok(Collector {
            target: Endpoint {
                cluster,
                url,
                accept: "*/*",
                timeout_millis: u32::try_from(timeout).unwrap_or(u32::MAX),
            },
            authorization: at(authorization, &[key("authorization")])?,
            batch_bytes: usize::try_from(batch).unwrap_or(usize::MAX),
            queue_bytes: usize::try_from(queue).unwrap_or(usize::MAX),
        })
    }

    fn header_secret(&self, wire: &SecretWire) -> Result<String, DeError> {
        let value = String::from_utf8(self.secret(wire)?).ok();
        let fits = |text: &String| !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        value.filter(fits).ok_or_else(|| {
            DeError::new(format!("the value of `{}` cannot stand in a header", wire.env)).inside(key("env"))
        })
    }
}

/// What says how records look where there are none would be taken for a trail.
fn idle(wire: &AuditWire) -> Result<(), DeError> {
    let arguments = wire.arguments != ArgumentsWire::None;
    for (name, written) in [("arguments", arguments), ("allows_per_mille", wire.allows_per_mille != 1_000)] {
        if written && wire.outlets.is_empty() {
            let error = wrong("nothing is recorded".to_owned(), "add to `audit.outlets`, or take it out");
            return Err(error.inside(key(name)));
        }
    }
    if !wire.redact.is_empty() && !arguments {
        let error = wrong("no argument is recorded".to_owned(), "set `audit.arguments`, or take it out");
        return Err(error.inside(key("redact")));
    }
    Ok(())
}

fn how(wire: ShownWire) -> Shown {
    match wire {
        ShownWire::Clear => Shown::Clear,
        ShownWire::Hash => Shown::Hash,
    }
}

fn outlets(wire: &AuditWire) -> Result<Vec<Outlet>, DeError> {
    let mut outlets = Vec::new();
    for (index, outlet) in wire.outlets.iter().enumerate() {
        let outlet = match outlet {
            OutletWire::Log => Outlet::Log,
            OutletWire::AccessLog => Outlet::AccessLog,
            OutletWire::Collector => Outlet::Collector,
        };
        if outlets.contains(&outlet) {
            let error = DeError::new(format!("`{}` is there twice", outlet.word()));
            return at(Err(error), &[key("outlets"), Step::Index(index)]);
        }
        outlets.push(outlet);
    }
    Ok(outlets)
}

/// Pointers to the outermost arguments: what lies deeper is never recorded by itself.
fn redact(pointers: &[String]) -> Result<Vec<String>, DeError> {
    let mut names = Vec::new();
    for (index, pointer) in pointers.iter().enumerate() {
        let name = pointer.strip_prefix('/').filter(|name| !name.is_empty() && !name.contains('/'));
        let Some(name) = name else {
            let error = wrong(
                format!("`{}` does not point to an argument", pointer.escape_debug()),
                "write it like `/password`: a value within an argument is only ever part of the argument's hash",
            );
            return at(Err(error), &[key("redact"), Step::Index(index)]);
        };
        names.push(name.replace("~1", "/").replace("~0", "~"));
    }
    Ok(names)
}

fn within(value: u64, (least, most): (u64, u64), name: &str) -> Result<u64, DeError> {
    match (least..=most).contains(&value) {
        true => Ok(value),
        false => at(Err(DeError::new(format!("{value} is outside {least} to {most}"))), &[key(name)]),
    }
}
