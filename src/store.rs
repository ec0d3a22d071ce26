// SPDX-License-Identifier: Apache-2.0
//! The proxy's shared data, as the engine asks for it.

use crate::host::{self, Status};
use toolgate_engine::store::{Replaced, Store, Stored, Unavailable};

/// Asks the host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostStore;

impl Store for HostStore {
    fn read(&self, name: &str) -> Result<Option<Stored>, Unavailable> {
        match host::shared(name) {
            Ok(value) => Ok(Some(Stored { bytes: value.bytes, version: value.version })),
            Err(Status::NOT_FOUND) => Ok(None),
            Err(_) => Err(Unavailable),
        }
    }

    fn replace(&self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Replaced, Unavailable> {
        match host::set_shared(name, bytes, version) {
            Ok(()) => Ok(Replaced::Yes),
            Err(Status::CAS_MISMATCH) => Ok(Replaced::Conflict),
            Err(_) => Err(Unavailable),
        }
    }
}
