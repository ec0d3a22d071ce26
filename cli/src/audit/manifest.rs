// SPDX-License-Identifier: Apache-2.0
//! What an archive says of itself: which records of which streams it holds, sealed under the key of the records.
//!
//! A folder of archives has for each `NAME.jsonl.gz` a `NAME.manifest.json`, and, once the records are gone,
//! a `NAME.pruned.json`. Manifests are numbered, and each carries the seal of the one before it: none can be left out,
//! and no archive can go without a word.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use toolgate_engine::audit::{Head, KeyId, StreamId};

use super::{finding::Finding, keys::Keys, trail::Trail};
use crate::{diagnostic::Failure, file};

const MANIFEST: &str = ".manifest.json";
const PRUNED: &str = ".pruned.json";

/// The seal before the first manifest.
const FIRST: [u8; 32] = [0; 32];

/// Of one archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    v: u32,
    /// Its place in the folder, from 1.
    pub(crate) number: u64,
    /// The name of the file with the records.
    pub(crate) archive: String,
    /// SHA-256 of that file, in hexadecimal.
    pub(crate) sha256: String,
    pub(crate) records: u64,
    /// The times of the earliest and of the latest record.
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) made: String,
    pub(crate) streams: Vec<Part>,
    /// The seal of the manifest before it.
    previous: String,
    /// Under which key it is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// What an archive holds of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    pub(crate) stream: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outlet: Option<String>,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The seal of the last record.
    pub(crate) mac: String,
    /// The key of the records that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
}

/// That the records of an archive were removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pruned {
    v: u32,
    number: u64,
    archive: String,
    pruned: String,
    /// The seal of the manifest.
    manifest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// Where an archive stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Here,
    Pruned,
}

/// One archive of a folder.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) manifest: Manifest,
    pub(crate) state: State,
    seal: [u8; 32],
}

/// A folder of archives whose manifests are genuine and complete.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) kept: Vec<Kept>,
}

/// How far streams have come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads(Vec<HeadOf>);

/// How far one stream has come.
#[derive(Clone, Debug)]
pub(crate) struct HeadOf {
    pub(crate) head: Head,
    /// The key of what follows.
    pub(crate) key: Option<KeyId>,
    pub(crate) outlet: Option<String>,
}

impl Heads {
    pub(crate) fn all(&self) -> &[HeadOf] {
        &self.0
    }
}

/// What a new archive holds; the folder adds the rest.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    pub(crate) sha256: String,
    pub(crate) records: u64,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) made: String,
    pub(crate) streams: Vec<Part>,
}

impl Folder {
    /// Reads the manifests of a folder, and checks them.
    pub(crate) fn open(path: &Path, keys: &Keys) -> Result<Self, Failure> {
        let unreadable = |error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
        let mut names: Vec<String> = Vec::new();
        for entry in fs::read_dir(path).map_err(unreadable)? {
            names.extend(entry.map_err(unreadable)?.file_name().into_string().ok());
        }
        names.retain(|name| name.ends_with(MANIFEST));
        names.sort();
        let mut folder = Self { path: path.to_owned(), kept: Vec::new() };
        for name in names {
            let stem = name.strip_suffix(MANIFEST).unwrap_or(&name);
            let kept = folder.read(stem, keys)?;
            folder.kept.push(kept);
        }
        Ok(folder)
    }

    fn read(&self, stem: &str, keys: &Keys) -> Result<Kept, Failure> {
        let path = self.path.join(format!("{stem}{MANIFEST}"));
        let (manifest, seal): (Manifest, _) = open(&path, keys, |manifest: &Manifest| manifest.key.clone())?;
        let wrong = |what: &str| Failure::refused(format!("`{}`: {what}", path.display()));
        let (number, before) =
            self.kept.last().map_or((1, FIRST), |last| (last.manifest.number + 1, last.seal));
        if manifest.v != 1 {
            return Err(wrong("this version of manifests is not known"));
        }
        if manifest.number != number || manifest.previous != encode(&before) {
            return Err(wrong(&format!(
                "it does not follow on the manifest before it: number {number} is due"
            ))
            .help("manifests stay where they are, also when their records are pruned"));
        }
        if manifest.archive != format!("{stem}.jsonl.gz") {
            return Err(wrong("it is the manifest of another archive"));
        }
        let here = self.path.join(&manifest.archive).is_file();
        let tombstone = self.path.join(format!("{stem}{PRUNED}"));
        let state = match (here, tombstone.is_file()) {
            (true, _) => State::Here,
            (false, true) => {
                let (pruned, _): (Pruned, _) = open(&tombstone, keys, |pruned: &Pruned| pruned.key.clone())?;
                if pruned.manifest != encode(&seal) {
                    return Err(wrong("its `.pruned.json` is about another manifest"));
                }
                State::Pruned
            }
            (false, false) => {
                return Err(wrong(&format!("`{}` is not there, and was not pruned", manifest.archive)));
            }
        };
        Ok(Kept { manifest, state, seal })
    }

    /// Whether the archives that are here are the ones that were put away.
    pub(crate) fn check_files(&self, trail: &mut Trail) -> Result<(), Failure> {
        for kept in self.kept.iter().filter(|kept| kept.state == State::Here) {
            let path = self.archive(kept);
            let unreadable = |error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
            let mut digest = Sha256::new();
            let mut source = fs::File::open(&path).map_err(unreadable)?;
            io::copy(&mut source, &mut digest).map_err(unreadable)?;
            if hex(&digest.finalize()) != kept.manifest.sha256 {
                trail.find(Finding {
                    kind: "archive_changed",
                    message: format!("`{}` is not the file that was put away", path.display()),
                    stream: None,
                    seq: None,
                    spot: None,
                });
            }
        }
        Ok(())
    }

    /// How far streams had come when they were put away last.
    pub(crate) fn heads(&self, keys: &Keys) -> Result<Heads, Failure> {
        let mut heads: BTreeMap<StreamId, HeadOf> = BTreeMap::new();
        for part in self.kept.iter().flat_map(|kept| &kept.manifest.streams) {
            let wrong =
                || Failure::refused(format!("a manifest in `{}` names no stream", self.path.display()));
            let stream = StreamId(unhex(&part.stream).ok_or_else(wrong)?);
            let mac = decode(&part.mac).ok_or_else(wrong)?;
            let key =
                part.key.as_deref().map(|text| keys.id(text).ok_or_else(|| unknown(text))).transpose()?;
            let head = Head { stream, seq: part.last, mac };
            heads.insert(stream, HeadOf { head, key, outlet: part.outlet.clone() });
        }
        Ok(Heads(heads.into_values().collect()))
    }

    /// The number and the name, without its endings, of the next archive.
    pub(crate) fn next(&self, from: &str) -> (u64, String) {
        let number = self.kept.last().map_or(1, |last| last.manifest.number + 1);
        let day = from.get(..10).unwrap_or("unknown");
        (number, format!("audit-{number:06}-{day}"))
    }

    /// Adds the manifest of an archive that is there already.
    pub(crate) fn add(
        &self,
        stem: &str,
        number: u64,
        contents: Contents,
        keys: &Keys,
    ) -> Result<PathBuf, Failure> {
        let Contents { sha256, records, from, to, made, streams } = contents;
        let before = self.kept.last().map_or(FIRST, |last| last.seal);
        let manifest = Manifest {
            v: 1,
            number,
            archive: format!("{stem}.jsonl.gz"),
            sha256,
            records,
            from,
            to,
            made,
            streams,
            previous: encode(&before),
            key: keys.newest().map(KeyId::text),
        };
        let path = self.path.join(format!("{stem}{MANIFEST}"));
        file::write_public(&path, &sealed(&manifest, keys)?)?;
        Ok(path)
    }

    /// Removes the records of an archive and says so.
    pub(crate) fn prune(&self, kept: &Kept, when: &str, keys: &Keys) -> Result<(), Failure> {
        let Manifest { number, archive, .. } = &kept.manifest;
        let pruned = Pruned {
            v: 1,
            number: *number,
            archive: archive.clone(),
            pruned: when.to_owned(),
            manifest: encode(&kept.seal),
            key: keys.newest().map(KeyId::text),
        };
        let stem = archive.strip_suffix(".jsonl.gz").unwrap_or(archive);
        file::write_public(&self.path.join(format!("{stem}{PRUNED}")), &sealed(&pruned, keys)?)?;
        let path = self.path.join(archive);
        fs::remove_file(&path)
            .map_err(|error| Failure::new(format!("cannot remove `{}`: {error}", path.display())))
    }

    /// The file with the records.
    pub(crate) fn archive(&self, kept: &Kept) -> PathBuf {
        self.path.join(&kept.manifest.archive)
    }
}

/// The document on one line with its seal as the last member, as records have it.
fn sealed(document: &impl Serialize, keys: &Keys) -> Result<String, Failure> {
    let unwritten = |_| Failure::new("the manifest cannot be written as JSON");
    let text = serde_json::to_string(document).map_err(unwritten)?;
    let body = text.strip_suffix('}').unwrap_or(&text);
    let mac = keys.seal(keys.newest(), body.as_bytes()).unwrap_or_default();
    Ok(format!("{body},\"mac\":\"{}\"}}\n", encode(&mac)))
}

fn open<T: DeserializeOwned>(
    path: &Path,
    keys: &Keys,
    key: impl Fn(&T) -> Option<String>,
) -> Result<(T, [u8; 32]), Failure> {
    let text = file::read(path)?;
    let wrong = |what: &str| Failure::refused(format!("`{}`: {what}", path.display()));
    let (body, mac) = text.trim_end().rsplit_once(",\"mac\":\"").ok_or_else(|| wrong("it has no seal"))?;
    let mac = mac.strip_suffix("\"}").and_then(decode).ok_or_else(|| wrong("its seal cannot be read"))?;
    let document: T = serde_json::from_str(&format!("{body}}}"))
        .map_err(|error| wrong(&format!("it is no manifest: {error}")))?;
    let id = key(&document).map(|text| keys.id(&text).ok_or_else(|| unknown(&text))).transpose()?;
    if id.is_none() && keys.newest().is_some() {
        return Err(wrong("it is not sealed under a key"));
    }
    match keys.seal(id, body.as_bytes()) {
        Some(expected) if expected == mac => Ok((document, mac)),
        _ => Err(wrong("it is not what was sealed")),
    }
}

fn unknown(key: &str) -> Failure {
    Failure::refused(format!("the key `{key}` was not given")).help("name its variable by `--key-env`")
}

/// Base64url of a seal.
pub(crate) fn encode(mac: &[u8; 32]) -> String {
    Base64UrlUnpadded::encode_string(mac)
}

fn decode(text: &str) -> Option<[u8; 32]> {
    Base64UrlUnpadded::decode_vec(text).ok()?.try_into().ok()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a stream's id.
pub(crate) fn unhex(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> =
        text.chars().map(|char| char.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    bytes.try_into().ok().filter(|_| text.len() == 32)
}
