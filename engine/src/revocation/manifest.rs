// SPDX-License-Identifier: Apache-2.0
//! A list in signed shards, for many ids: the manifest names the shards by SHA-256, and its signature covers all.
//!
//! A shard holds the hashes that begin with its number, in order, eight bytes each, most significant first. One id more
//! changes one shard, and only that is fetched again.
//!
//! The manifest is text: a fixed first line, a JSON document in one line, and a line with the Ed25519 signature (RFC 8032)
//! over all that stands before it, in base64url. The document is `{"name", "version", "issued_at", "expires_at", "key",
//! "bits", "count", "shards": [{"sha256", "count"}], "not_before": [{"hash", "at"}]}`. A shard's file is its SHA-256 in
//! base64url with `.shard` behind it, beside the manifest.
//!
//! The name says which feed the list is for: one packer signs the lists of several, and who serves them must not put one
//! in the place of another.

use super::list::{HashKey, List};
use crate::feed::Content;
use crate::json::{Doc, Limits, Value, quoted};
use crate::keys::{Alg, PublicKey, Signature, Software, Verdict, decode_base64url};
use crate::sort::sort;
use crate::time::UnixTime;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64UrlUnpadded, Encoding};
use core::fmt;
use sha2::{Digest, Sha256};

/// Most hashes of a shard: 64 KiB.
pub const MAX_SHARD_IDS: usize = 8_192;
/// Most leading bits that choose a shard: 256 shards.
pub const MAX_BITS: u32 = 8;
/// Most times in a manifest.
pub const MAX_TIMES: usize = 1_000;
/// Shards are begun with room for a third more, so that their number rarely changes.
const FULL_AT_FIRST: usize = MAX_SHARD_IDS / 4 * 3;
const LIMITS: Limits = Limits { depth: 6, nodes: 16_384 };
const HEAD: &str = "toolgate revocation manifest v2\n";

/// Those whose lists are believed, and what for.
#[derive(Clone)]
pub struct Packers {
    name: String,
    keys: Vec<PublicKey>,
}

impl fmt::Debug for Packers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packers({}, {} keys)", self.name, self.keys.len())
    }
}

impl Packers {
    /// By these keys, under this name.
    #[must_use]
    pub fn new(name: &str, keys: Vec<PublicKey>) -> Packers {
        Packers { name: name.into(), keys }
    }

    /// The name that a list must have.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What a manifest says of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardNote {
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// How many hashes it holds.
    pub count: usize,
}

impl ShardNote {
    /// The name of its file.
    #[must_use]
    pub fn file(&self) -> String {
        let mut name = Base64UrlUnpadded::encode_string(&self.sha256);
        name.push_str(".shard");
        name
    }
}

/// A manifest whose signature was good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// May not go back.
    pub version: u64,
    /// From when it is no longer to be trusted.
    pub expires_at: UnixTime,
    /// The key of the hashes.
    pub key: HashKey,
    /// How many leading bits of a hash choose its shard; there are 2^bits shards.
    pub bits: u32,
    /// The shards.
    pub shards: Vec<ShardNote>,
    /// Hashes of subjects and issuers, and the seconds before which their tokens are over; sorted.
    pub times: Vec<(u64, u64)>,
}

impl Content for Manifest {
    type Rules = Packers;
    const MAX_BYTES: usize = 256 * 1024;

    fn read(
        bytes: &[u8],
        packers: &Packers,
        held: Option<&Manifest>,
        now: UnixTime,
    ) -> Result<Manifest, &'static str> {
        let (signed, signature) = halves(bytes).ok_or("unsigned")?;
        let by = |key: &PublicKey| key.verify(Alg::EdDsa, signed, &signature, &Software) == Verdict::Verified;
        if !packers.keys.iter().any(by) {
            return Err("bad_signature");
        }
        let document = signed.strip_prefix(HEAD.as_bytes()).ok_or("unsigned")?;
        let document = Doc::parse(document, LIMITS).map_err(|_| "not_json")?;
        let manifest = manifest_of(document.root()).ok_or("wrong_form")?;
        if document.root().get("name").and_then(|name| name.as_str()).as_deref() != Some(packers.name()) {
            return Err("other_name");
        }
        if manifest.expires_at <= now {
            return Err("expired");
        }
        match held {
            Some(held) if manifest.version < held.version => Err("older"),
            // One version has one content, or somebody signs twice.
            Some(held) if manifest.version == held.version && manifest != *held => Err("same_version"),
            Some(_) | None => Ok(manifest),
        }
    }

    fn generation(&self) -> u64 {
        self.version
    }
}

/// What is signed, and the signature.
fn halves(bytes: &[u8]) -> Option<(&[u8], Signature)> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let end = bytes.iter().rposition(|byte| *byte == b'\n')?.checked_add(1)?;
    let (signed, signature) = bytes.split_at_checked(end)?;
    let signature = decode_base64url(core::str::from_utf8(signature).ok()?)?;
    let signature = Signature::from_bytes(signature).filter(|own| own.as_bytes().len() == 64)?;
    Some((signed, signature))
}

fn manifest_of(root: Value<'_>) -> Option<Manifest> {
    let number = |value: Value<'_>, name: &str| u64::try_from(value.get(name)?.as_i64()?).ok();
    let bits = u32::try_from(number(root, "bits")?).ok().filter(|bits| *bits <= MAX_BITS)?;
    let mut shards = Vec::new();
    for note in root.get("shards")?.items() {
        let count = usize::try_from(number(note, "count")?).ok().filter(|count| *count <= MAX_SHARD_IDS)?;
        shards.push(ShardNote { sha256: bytes_of(note.get("sha256")?)?, count });
    }
    let mut times = Vec::new();
    for rule in root.get("not_before")?.items() {
        times.push((u64::from_be_bytes(bytes_of(rule.get("hash")?)?), number(rule, "at")?));
    }
    sort(&mut times);
    let total: usize = shards.iter().map(|shard| shard.count).sum();
    let whole = shards.len() == 1 << bits && u64::try_from(total).ok()? == number(root, "count")?;
    (whole && times.len() <= MAX_TIMES).then_some(())?;
    Some(Manifest {
        version: number(root, "version")?,
        expires_at: UnixTime::from_secs(number(root, "expires_at")?),
        key: HashKey(bytes_of(root.get("key")?)?),
        bits,
        shards,
        times,
    })
}

fn bytes_of<const N: usize>(value: Value<'_>) -> Option<[u8; N]> {
    decode_base64url(&value.as_str()?)?.try_into().ok()
}

/// What a packed list consists of.
#[derive(Debug)]
pub struct Packed {
    /// What is to be signed; [`signed`] puts the signature under it.
    pub text: String,
    /// The files of the shards by name; an empty shard has none.
    pub shards: Vec<(String, Vec<u8>)>,
}

/// How a list is packed.
#[derive(Clone, Copy, Debug)]
pub struct PackTimes {
    /// Above the last one.
    pub version: u64,
    /// Seconds since 1970.
    pub issued_at: u64,
    /// Seconds since 1970.
    pub expires_at: u64,
}

/// Packs a list into shards, for the feeds that ask for this name. `bits` is what the last version had: a list with as
/// many shards need not be loaded anew.
/// `None` where there are more ids, or times, than fit.
#[must_use]
pub fn pack(name: &str, list: &List, bits: Option<u32>, times: PackTimes) -> Option<Packed> {
    let (ids, rules) = (list.names(), list.times());
    if rules.len() > MAX_TIMES {
        return None;
    }
    let fits = |bits: u32, most: usize| {
        let parts = ids.chunk_by(|one, two| part_of(*one, bits) == part_of(*two, bits));
        parts.into_iter().all(|part| part.len() <= most)
    };
    let same = bits.filter(|bits| *bits <= MAX_BITS && fits(*bits, MAX_SHARD_IDS));
    let roomy = || (0..=MAX_BITS).find(|bits| fits(*bits, FULL_AT_FIRST));
    let bits = same.or_else(roomy).or_else(|| fits(MAX_BITS, MAX_SHARD_IDS).then_some(MAX_BITS))?;
    let (mut shards, mut notes) = (Vec::new(), Vec::new());
    let mut rest = ids;
    for number in 0..1_usize << bits {
        let end = rest.partition_point(|id| part_of(*id, bits) <= number);
        let (own, others) = rest.split_at_checked(end)?;
        rest = others;
        let bytes: Vec<u8> = own.iter().flat_map(|id| id.to_be_bytes()).collect();
        let note = ShardNote { sha256: Sha256::digest(&bytes).into(), count: own.len() };
        let sha256 = Base64UrlUnpadded::encode_string(&note.sha256);
        notes.push(format!(r#"{{"sha256":"{sha256}","count":{}}}"#, note.count));
        if !bytes.is_empty() {
            shards.push((note.file(), bytes));
        }
    }
    let rule = |(hash, at): &(u64, u64)| {
        format!(r#"{{"hash":"{}","at":{at}}}"#, Base64UrlUnpadded::encode_string(&hash.to_be_bytes()))
    };
    let PackTimes { version, issued_at, expires_at } = times;
    let (name, key) = (quoted(name), Base64UrlUnpadded::encode_string(&list.key().0));
    let (count, notes) = (ids.len(), notes.join(","));
    let rules = rules.iter().map(rule).collect::<Vec<_>>().join(",");
    let text = format!(
        r#"{HEAD}{{"name":{name},"version":{version},"issued_at":{issued_at},"expires_at":{expires_at},"key":"{key}","bits":{bits},"count":{count},"shards":[{notes}],"not_before":[{rules}]}}
"#
    );
    Some(Packed { text, shards })
}

/// A manifest with its signature.
#[must_use]
pub fn signed(text: &str, signature: &[u8]) -> String {
    [text, &Base64UrlUnpadded::encode_string(signature), "\n"].concat()
}

/// The part of a list that a hash belongs to: its leading bits.
pub(super) fn part_of(hash: u64, bits: u32) -> usize {
    let part = hash.checked_shr(u64::BITS.saturating_sub(bits)).unwrap_or(0);
    usize::try_from(part).unwrap_or(usize::MAX)
}
