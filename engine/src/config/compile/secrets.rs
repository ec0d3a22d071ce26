// SPDX-License-Identifier: Apache-2.0
//! Secrets of the environment, and bounds.

use super::{Compiler, at, key, wrong};
use crate::config::Limits;
use crate::config::wire::SecretWire;
use crate::feed::{SharedState, StateKey};
use crate::json::DeError;
use crate::keys::{ES384_IN_MODULE, SlowCurve};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

/// The shortest secret that authenticates shared data, in bytes.
const MIN_STATE_KEY: usize = 32;

impl<'c> Compiler<'c> {
    pub(super) fn secret(&self, wire: &SecretWire) -> Result<Vec<u8>, DeError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if wire.env.is_empty() || wire.env.len() > 128 || !wire.env.bytes().all(plain) {
            // Not repeated: it may be the secret itself.
            let error = wrong(
                "this is not the name of an environment variable".to_owned(),
                "write the name of one: letters, digits and `_`",
            );
            return Err(error.inside(key("env")));
        }
        self.secrets.lookup(&wire.env).ok_or_else(|| {
            let error = DeError::new(format!("the environment has no `{}`", wire.env));
            error.with_help("name it under `vm_config.environment_variables`".to_owned()).inside(key("env"))
        })
    }

    pub(super) fn shared_state(&mut self) -> Result<SharedState, DeError> {
        let Some(wire) = &self.wire.secrets.shared_state else {
            if self.wire.issuers.values().any(|issuer| issuer.jwks.uri.is_some()) {
                self.warn(&[key("secrets")], "without `shared_state` every worker fetches keys for itself");
            }
            return Ok(SharedState::Off);
        };
        self.state_key(wire).map(SharedState::Keyed)
    }

    /// The key of what the gate authenticates itself.
    pub(super) fn state_key(&self, wire: &SecretWire) -> Result<StateKey, DeError> {
        let value = self.secret(wire)?;
        if value.len() < MIN_STATE_KEY {
            let error =
                DeError::new(format!("the value of `{}` is shorter than {MIN_STATE_KEY} bytes", wire.env));
            return Err(error
                .with_help("make one with `openssl rand -hex 32`".to_owned())
                .inside(key("env")));
        }
        let weak = |_| DeError::new(format!("the value of `{}` is too short", wire.env));
        StateKey::from_secret(&value).map_err(weak)
    }

    pub(super) fn limits(&self) -> Result<Limits, DeError> {
        let wire = &self.wire.limits;
        let bounds = [
            ("max_body_bytes", wire.max_body_bytes, 64, 64 << 20),
            ("max_json_depth", wire.max_json_depth, 4, 512),
            ("max_answer_bytes", wire.max_answer_bytes, 1_024, 64 << 20),
            (
                "max_list_ttl_milliseconds",
                usize::try_from(wire.max_list_ttl_milliseconds).unwrap_or(usize::MAX),
                0,
                86_400_000,
            ),
            ("max_token_bytes", wire.max_token_bytes, 256, 65_536),
            ("token_cache_entries", wire.token_cache_entries, 0, 1 << 20),
            ("token_cache_bytes", wire.token_cache_bytes, 1 << 18, 1 << 30),
            ("max_wait_milliseconds", wire.max_wait_milliseconds as usize, 0, 60_000),
            ("max_waiting", wire.max_waiting, 0, 100_000),
            ("max_session_seconds", wire.max_session_seconds as usize, 1, 2_592_000),
            ("verify_milliseconds_per_second", wire.verify_milliseconds_per_second as usize, 20, 1_000),
        ];
        for (name, value, low, high) in bounds {
            if !(low..=high).contains(&value) {
                return at(Err(DeError::new(format!("{value} is outside {low} to {high}"))), &[key(name)]);
            }
        }
        let json =
            crate::json::Limits { depth: wire.max_json_depth, nodes: crate::json::Limits::MESSAGE.nodes };
        Ok(Limits {
            body: wire.max_body_bytes,
            json,
            answer: wire.max_answer_bytes,
            list_ttl_millis: wire.max_list_ttl_milliseconds,
            token: wire.max_token_bytes,
            token_cache: wire.token_cache_entries,
            token_cache_bytes: wire.token_cache_bytes,
            wait_millis: wire.max_wait_milliseconds,
            waiting: wire.max_waiting,
            session_secs: wire.max_session_seconds.into(),
            verify_millis: wire.verify_milliseconds_per_second,
            slow_curve: slow_curve(wire.es384_in_module)?,
        })
    }
}

/// Whether ES384 may be verified in the module; only a build that can do it is asked to.
fn slow_curve(wanted: bool) -> Result<SlowCurve, DeError> {
    match (wanted, ES384_IN_MODULE) {
        (false, _) => Ok(SlowCurve::Refused),
        (true, true) => Ok(SlowCurve::Allowed),
        (true, false) => Err(DeError::new("this build cannot verify ES384 by itself".to_owned())
            .with_help("build it with `make wasm FEATURES=es384-in-module`, or take the key out".to_owned())
            .inside(key("es384_in_module"))),
    }
}
