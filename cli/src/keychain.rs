// SPDX-License-Identifier: Apache-2.0
//! A folder of signing keys that are rotated: one signs, the others are still published.
//!
//! The folder holds a private key a file, `keys.json` (which key signs, and until when the others stay) and `jwks.json`
//! (what verifiers read). Each file is replaced whole, in an order in which a run that breaks off harms nobody: a key is
//! published before it signs, and no longer named before it is deleted.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    diagnostic::Failure,
    file::{self, Existing},
    jws::Object,
    signer::{Algorithm, Passphrase, SigningKey},
};

/// More keys than overlap anywhere.
const MOST_KEYS: usize = 64;

/// A folder of keys, held by this process alone.
#[derive(Debug)]
pub(crate) struct Keychain {
    folder: PathBuf,
    written: Written,
    /// Locked until it is dropped.
    _lock: File,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u8,
    /// The oldest first; the last one signs.
    keys: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kid: String,
    algorithm: String,
    /// When it was made, in seconds since 1970.
    created: i64,
    /// From when on it may be dropped; not there while it signs.
    until: Option<i64>,
    /// The public half.
    jwk: Object,
}

/// A key that is still published.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept<'k> {
    pub(crate) kid: &'k str,
    pub(crate) algorithm: &'k str,
    pub(crate) until: Option<i64>,
}

impl Keychain {
    /// Opens a folder, and makes it if it is not there.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let failed = |what: &str, error: std::io::Error| {
            Failure::new(format!("cannot {what} `{}`: {error}", folder.display()))
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| failed("make", error))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(".lock"));
        let lock = lock.map_err(|error| failed("write to", error))?;
        lock.lock().map_err(|error| failed("lock", error))?;
        let written = match folder.join("keys.json") {
            path if path.exists() => read(&path)?,
            _ => Written { version: 1, keys: Vec::new() },
        };
        Ok(Self { folder: folder.to_path_buf(), written, _lock: lock })
    }

    /// Opens a folder that holds keys already; makes nothing in one that does not.
    pub(crate) fn open_existing(folder: &Path) -> Result<Self, Failure> {
        read(&folder.join("keys.json"))?;
        Self::open(folder)
    }

    /// Signs with a new key from now on. Those before it stay published for `grace` seconds.
    pub(crate) fn rotate(
        &mut self,
        algorithm: Algorithm,
        passphrase: Option<&Passphrase>,
        grace: i64,
        now: i64,
    ) -> Result<String, Failure> {
        if self.written.keys.len() >= MOST_KEYS {
            return Err(Failure::refused(format!("`{}` holds {MOST_KEYS} keys", self.folder.display()))
                .help("drop those whose time is over with `toolgate keys prune`"));
        }
        let key = SigningKey::generate(algorithm)?;
        file::write_private(&self.pem(key.kid()), &key.to_pem(passphrase)?, Existing::Keep)?;
        for entry in self.written.keys.iter_mut().filter(|entry| entry.until.is_none()) {
            entry.until = Some(now.saturating_add(grace));
        }
        let mut jwk = key.jwk();
        jwk.insert("iat".to_owned(), json!(now));
        let (kid, algorithm) = (key.kid().to_owned(), algorithm.name().to_owned());
        self.written.keys.push(Entry { kid: kid.clone(), algorithm, created: now, until: None, jwk });
        self.publish()?;
        self.note()?;
        Ok(kid)
    }

    /// Drops the keys whose time is over; their ids.
    pub(crate) fn prune(&mut self, now: i64) -> Result<Vec<String>, Failure> {
        let over = |entry: &mut Entry| entry.until.is_some_and(|until| until <= now);
        let dropped: Vec<String> = self.written.keys.extract_if(.., over).map(|entry| entry.kid).collect();
        if dropped.is_empty() {
            return Ok(dropped);
        }
        self.note()?;
        self.publish()?;
        for kid in &dropped {
            let path = self.pem(kid);
            fs::remove_file(&path)
                .map_err(|error| Failure::new(format!("cannot delete `{}`: {error}", path.display())))?;
        }
        Ok(dropped)
    }

    /// What is published, the oldest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = Kept<'_>> {
        self.written.keys.iter().map(|entry| Kept {
            kid: &entry.kid,
            algorithm: &entry.algorithm,
            until: entry.until,
        })
    }

    fn pem(&self, kid: &str) -> PathBuf {
        pem(&self.folder, kid)
    }

    fn note(&self) -> Result<(), Failure> {
        let text = serde_json::to_string(&self.written).unwrap_or_default();
        file::write_private(&self.folder.join("keys.json"), &text, Existing::Replace)
    }

    fn publish(&self) -> Result<(), Failure> {
        file::write_public(&self.folder.join("jwks.json"), &set(&self.written).to_string())
    }
}

fn pem(folder: &Path, kid: &str) -> PathBuf {
    folder.join(format!("key-{kid}.pem"))
}

/// The one that signs first, as verifiers like it.
fn set(written: &Written) -> Value {
    let keys: Vec<&Object> = written.keys.iter().rev().map(|entry| &entry.jwk).collect();
    json!({ "keys": keys })
}

fn read(path: &Path) -> Result<Written, Failure> {
    let refused = |why: String| Failure::refused(format!("`{}`: {why}", path.display()));
    let written: Written =
        serde_json::from_str(&file::read(path)?).map_err(|error| refused(error.to_string()))?;
    if written.version != 1 {
        return Err(refused(format!("version {} is not known here", written.version)));
    }
    let plain = |kid: &str| kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    match written.keys.iter().find(|entry| !plain(&entry.kid)) {
        Some(_) => Err(refused("a key id that is no thumbprint".to_owned())),
        None => Ok(written),
    }
}

/// The key of the folder that signs.
pub(crate) fn signing_key(folder: &Path) -> Result<SigningKey, Failure> {
    let written = read(&folder.join("keys.json"))?;
    let entry = written.keys.last().ok_or_else(|| {
        Failure::refused(format!("`{}` holds no key", folder.display()))
            .help("make one with `toolgate keys rotate`")
    })?;
    let path = pem(folder, &entry.kid);
    let name = path.display().to_string();
    let key = SigningKey::from_pem(&file::read(&path)?, &name)?;
    let algorithm = Algorithm::from_name(&entry.algorithm)
        .ok_or_else(|| Failure::refused(format!("`{name}`: `{}` is not known here", entry.algorithm)))?;
    key.with(algorithm, &name)
}

/// The public keys of the folder.
pub(crate) fn jwks(folder: &Path) -> Result<Vec<Value>, Failure> {
    let written = read(&folder.join("keys.json"))?;
    Ok(written.keys.into_iter().rev().map(|entry| Value::Object(entry.jwk)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_overlap_for_the_grace_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("keys");
        let kids = || -> Vec<String> {
            let published: Value =
                serde_json::from_str(&fs::read_to_string(folder.join("jwks.json")).unwrap()).unwrap();
            published["keys"]
                .as_array()
                .unwrap()
                .iter()
                .map(|key| key["kid"].as_str().unwrap().to_owned())
                .collect()
        };
        let rotate = |now| Keychain::open(&folder).unwrap().rotate(Algorithm::Es256, None, 100, now).unwrap();
        let (first, second) = (rotate(1_000), rotate(2_000));
        assert_eq!(kids(), [second.clone(), first.clone()]);
        assert_eq!(signing_key(&folder).unwrap().kid(), second);
        assert_eq!(Keychain::open(&folder).unwrap().prune(2_099).unwrap(), Vec::<String>::new());
        assert_eq!(Keychain::open(&folder).unwrap().prune(2_100).unwrap(), std::slice::from_ref(&first));
        assert_eq!(kids(), std::slice::from_ref(&second));
        assert!(!pem(&folder, &first).exists() && pem(&folder, &second).exists());
        assert_eq!(
            Keychain::open(&folder).unwrap().prune(i64::MAX).unwrap(),
            Vec::<String>::new(),
            "one always signs"
        );
    }
}
