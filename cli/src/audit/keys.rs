// SPDX-License-Identifier: Apache-2.0
//! The keys that seal records: from the environment only, as the filter has them.

use std::{env, fmt, os::unix::ffi::OsStringExt};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use toolgate_engine::audit::{AuditKey, KeyId};

use crate::diagnostic::Failure;

/// Where keys come from.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// The environment variable with the key that seals records (`secrets.audit`); again for each key of a rotation
    #[arg(long, value_name = "NAME")]
    key_env: Vec<String>,
}

impl KeyArgs {
    /// The keys, in the order in which they were named.
    pub(crate) fn read(&self) -> Result<Keys, Failure> {
        self.key_env.iter().map(|name| one(name)).collect::<Result<Vec<Key>, Failure>>().map(Keys)
    }
}

/// The keys that are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(Vec<Key>);

/// One key, for records and for manifests.
#[derive(Clone)]
struct Key {
    records: AuditKey,
    manifests: Hmac<Sha256>,
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({})", self.records.id().text())
    }
}

/// What keeps manifests apart from everything else that is sealed under the same key.
const MANIFEST: &[u8] = b"toolgate audit manifest\n";

impl Keys {
    pub(crate) fn records(&self) -> Vec<AuditKey> {
        self.0.iter().map(|key| key.records.clone()).collect()
    }

    /// The id of a key that is there.
    pub(crate) fn id(&self, text: &str) -> Option<KeyId> {
        self.0.iter().map(|key| key.records.id()).find(|id| id.text() == text)
    }

    /// The one that new manifests are sealed under: the last that was named.
    pub(crate) fn newest(&self) -> Option<KeyId> {
        self.0.last().map(|key| key.records.id())
    }

    /// The seal of a manifest; without a key its SHA-256. Nothing if there is no such key.
    pub(crate) fn seal(&self, key: Option<KeyId>, bytes: &[u8]) -> Option<[u8; 32]> {
        match key {
            None => Some(Sha256::new().chain_update(MANIFEST).chain_update(bytes).finalize().into()),
            Some(id) => {
                let key = self.0.iter().find(|key| key.records.id() == id)?;
                let mac = key.manifests.clone().chain_update(MANIFEST).chain_update(bytes);
                Some(mac.finalize().into_bytes().into())
            }
        }
    }
}

fn one(name: &str) -> Result<Key, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > 128 || !name.bytes().all(plain) {
        // Not repeated: it may be the key itself.
        return Err(Failure::usage("`--key-env` takes the name of an environment variable, not the key"));
    }
    let value = env::var_os(name).ok_or_else(|| Failure::new(format!("the environment has no `{name}`")))?;
    let value = value.into_vec();
    let short = || {
        Failure::new(format!("the value of `{name}` is shorter than 32 bytes"))
            .help("it must be the value that the proxy has")
    };
    let records = AuditKey::new(&value).map_err(|_| short())?;
    let manifests = Hmac::new_from_slice(&value).map_err(|_| short())?;
    Ok(Key { records, manifests })
}
