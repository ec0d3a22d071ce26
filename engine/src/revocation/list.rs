// SPDX-License-Identifier: Apache-2.0
//! One list: read strictly from what is written, kept as sorted keyed hashes.

use super::manifest::part_of;
use super::search::holds;
use crate::certificate::Certificate;
use crate::feed::Content;
use crate::identity::{Caller, Identity};
use crate::json::{Doc, Kind, Limits, Named, Value, from_value};
use crate::sort::sort;
use crate::time::UnixTime;
use crate::token::VerifiedToken;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::hash::Hasher;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher24;

/// The most ids of one list, of all kinds together.
pub const MAX_IDS: usize = 50_000;
/// The longest id, in bytes.
const MAX_ID: usize = 1_024;
/// The latest time that "not before" may name, in seconds since 1970: the end of the year 9999.
const MAX_SECS: u64 = 253_402_300_799;
const LIMITS: Limits = Limits { depth: 4, nodes: 2 * MAX_IDS + 64 };

/// A list as written: in the configuration, or as the JSON document of a feed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListWire {
    /// In the configuration: the issuer whose tokens it is about; all credentials if absent. Not in documents.
    pub issuer: Option<String>,
    /// Token ids.
    pub jti: Vec<String>,
    /// Subjects of tokens, owners of API keys, URIs, DNS names and subjects of certificates.
    pub sub: Vec<String>,
    /// OAuth clients.
    pub client_id: Vec<String>,
    /// Ids of the keys that signed tokens, and of API keys; `x5t#S256` of certificates.
    pub kid: Vec<String>,
    /// Tokens that were issued earlier than this are over.
    pub not_before: NotBeforeWire,
}

/// `not_before`: seconds since 1970 by name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotBeforeWire {
    /// By subject.
    pub sub: Named<u64>,
    /// By issuer (`iss`).
    pub iss: Named<u64>,
}

impl ListWire {
    /// What is wrong with it beyond its form: where, and what.
    ///
    /// # Errors
    /// The member and the complaint.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        self.check_names()?;
        match self.count() > MAX_IDS {
            true => Err(("jti", "there are more than 50000 ids in the list")),
            false => Ok(()),
        }
    }

    /// How many entries are written.
    #[must_use]
    pub fn count(&self) -> usize {
        let names = [&self.jti, &self.sub, &self.client_id, &self.kid].map(Vec::len);
        let times = [&self.not_before.sub, &self.not_before.iss].map(Named::len);
        names.into_iter().chain(times).fold(0, usize::saturating_add)
    }

    /// As [`ListWire::check`], for a list that may be of any length.
    ///
    /// # Errors
    /// The member and the complaint.
    pub fn check_names(&self) -> Result<(), (&'static str, &'static str)> {
        let names =
            [("jti", &self.jti), ("sub", &self.sub), ("client_id", &self.client_id), ("kid", &self.kid)];
        let times = [&self.not_before.sub, &self.not_before.iss];
        let fits = |name: &String| (1..=MAX_ID).contains(&name.len());
        for (member, ids) in names {
            if !ids.iter().all(fits) {
                return Err((member, "an id is empty or longer than 1024 bytes"));
            }
        }
        if !times.into_iter().all(|times| times.keys().all(fits)) {
            return Err(("not_before", "a name is empty or longer than 1024 bytes"));
        }
        if times.into_iter().any(|times| times.values().any(|secs| *secs > MAX_SECS)) {
            return Err(("not_before", "a time is after the year 9999; write seconds since 1970"));
        }
        Ok(())
    }
}

/// Keys the hashes of one VM, or of one packed list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey(pub [u8; 16]);

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(<secret>)")
    }
}

/// Which kind of name is hashed, so that a token id is never a subject.
#[derive(Clone, Copy)]
enum Name {
    Token,
    Subject,
    Client,
    Key,
    SubjectTime,
    IssuerTime,
}

impl HashKey {
    fn hash(self, name: Name, text: &str) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        let domain = match name {
            Name::Token => 1,
            Name::Subject => 2,
            Name::Client => 3,
            Name::Key => 4,
            Name::SubjectTime => 5,
            Name::IssuerTime => 6,
        };
        hasher.write(&[domain]);
        hasher.write(text.as_bytes());
        hasher.finish()
    }
}

/// What of a credential a list looks at.
#[derive(Debug)]
pub struct Credential<'c> {
    /// The issuer's place in the configuration, of tokens.
    pub issuer: Option<usize>,
    subject: Option<&'c str>,
    client: Option<&'c str>,
    key: Option<&'c str>,
    token: Option<&'c VerifiedToken>,
    certificate: Option<&'c Certificate>,
}

impl<'c> Credential<'c> {
    /// Of who calls.
    #[must_use]
    pub fn of(identity: &'c Identity) -> Credential<'c> {
        let token = identity.token();
        let (subject, client, key) = match identity.caller() {
            Caller::Token { subject, client, .. } => (subject, client, token.and_then(VerifiedToken::kid)),
            Caller::ApiKey { id, owner, .. } => (Some(owner), None, Some(id)),
            Caller::Certificate { name } => (name, None, None),
            Caller::Anonymous => (None, None, None),
        };
        let certificate = identity.certificate();
        Credential { issuer: identity.issuer_index(), subject, client, key, token, certificate }
    }
}

/// A list, compact.
pub struct List {
    key: HashKey,
    generation: u64,
    /// How many leading bits of a hash choose its part.
    bits: u32,
    /// Sorted, each once.
    parts: Vec<Vec<u64>>,
    /// Sorted by hash: tokens issued earlier than this many seconds are over.
    times: Vec<(u64, u64)>,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List({} entries)", self.count())
    }
}

impl List {
    /// From a list as written and checked.
    #[must_use]
    pub fn new(wire: &ListWire, key: HashKey) -> List {
        let kinds = [
            (Name::Token, &wire.jti),
            (Name::Subject, &wire.sub),
            (Name::Client, &wire.client_id),
            (Name::Key, &wire.kid),
        ];
        let hashes = |(kind, ids): (Name, &Vec<String>)| -> Vec<u64> {
            ids.iter().map(|id| key.hash(kind, id)).collect()
        };
        let mut names: Vec<u64> = kinds.into_iter().flat_map(hashes).collect();
        names.sort_unstable();
        names.dedup();
        names.shrink_to_fit();
        let parts = Vec::from([names]);
        let bounds = [(Name::SubjectTime, &wire.not_before.sub), (Name::IssuerTime, &wire.not_before.iss)];
        let pairs = |(kind, bounds): (Name, &Named<u64>)| -> Vec<(u64, u64)> {
            bounds.iter().map(|(name, secs)| (key.hash(kind, name), *secs)).collect()
        };
        let mut times: Vec<(u64, u64)> = bounds.into_iter().flat_map(pairs).collect();
        sort(&mut times);
        List { key, generation: 0, bits: 0, parts, times }
    }

    /// A list of `2^bits` parts that are not there yet.
    pub(super) fn in_parts(key: HashKey, bits: u32) -> List {
        List { key, generation: 0, bits, parts: vec![Vec::new(); 1 << bits], times: Vec::new() }
    }

    /// Replaces a part; its hashes are sorted, each once.
    pub(super) fn put(&mut self, at: usize, names: Vec<u64>) {
        if let Some(part) = self.parts.get_mut(at) {
            *part = names;
        }
    }

    /// Replaces the times; sorted.
    pub(super) fn put_times(&mut self, times: Vec<(u64, u64)>) {
        self.times = times;
    }

    /// Whether hashes under this key, in so many parts, are those of the list.
    pub(super) fn is_packed_as(&self, key: &HashKey, bits: u32) -> bool {
        self.key == *key && self.bits == bits
    }

    /// The key of its hashes.
    pub(super) fn key(&self) -> &HashKey {
        &self.key
    }

    /// The hashes of a list of one part, sorted.
    pub(super) fn names(&self) -> &[u64] {
        self.parts.first().map_or(&[], Vec::as_slice)
    }

    /// Hashes of subjects and issuers, and the seconds before which their tokens are over; sorted.
    pub(super) fn times(&self) -> &[(u64, u64)] {
        &self.times
    }

    #[cfg(test)]
    pub(super) fn has_token(&self, id: &str) -> bool {
        self.has(self.key.hash(Name::Token, id))
    }

    /// What its hashes take, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let parts = self.parts.iter().map(|part| part.capacity() * 8 + size_of::<Vec<u64>>());
        parts.sum::<usize>() + self.times.capacity() * size_of::<(u64, u64)>()
    }

    /// How many entries there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.parts.iter().map(Vec::len).sum::<usize>().saturating_add(self.times.len())
    }

    /// Whether it ends this credential.
    #[must_use]
    pub fn revokes(&self, credential: &Credential<'_>) -> bool {
        self.names_one_of(credential) || credential.token.is_some_and(|token| self.predates(token))
    }

    fn names_one_of(&self, credential: &Credential<'_>) -> bool {
        if self.parts.iter().all(Vec::is_empty) {
            return false;
        }
        let shown = [
            (Name::Token, credential.token.and_then(VerifiedToken::token_id)),
            (Name::Subject, credential.subject),
            (Name::Client, credential.client),
            (Name::Key, credential.key),
        ];
        let listed =
            |(kind, text): (Name, Option<&str>)| text.is_some_and(|text| self.has(self.key.hash(kind, text)));
        shown.into_iter().any(listed) || credential.certificate.is_some_and(|own| self.names_certificate(own))
    }

    /// Whether it names a certificate, which may stand alone or beside another credential: by any of its names, or by
    /// its digest.
    fn names_certificate(&self, certificate: &Certificate) -> bool {
        let digest = certificate.thumbprint();
        let by_digest = digest.is_some_and(|digest| self.has(self.key.hash(Name::Key, &digest)));
        by_digest || certificate.names().any(|name| self.has(self.key.hash(Name::Subject, name)))
    }

    fn has(&self, hash: u64) -> bool {
        let part = self.parts.get(part_of(hash, self.bits));
        part.is_some_and(|part| holds(part, hash, self.bits))
    }

    /// Whether a token is older than its subject or issuer allows. One that does not say when it was issued counts as
    /// older.
    fn predates(&self, token: &VerifiedToken) -> bool {
        if self.times.is_empty() {
            return false;
        }
        let issued = token.issued_at().unwrap_or_default();
        let bounds = [(Name::SubjectTime, token.subject()), (Name::IssuerTime, Some(token.issuer()))];
        bounds.into_iter().any(|(kind, name)| {
            let bound = name.and_then(|name| self.bound(self.key.hash(kind, name)));
            bound.is_some_and(|secs| issued < UnixTime::from_secs(secs))
        })
    }

    /// The latest bound under a hash.
    fn bound(&self, hash: u64) -> Option<u64> {
        let end = self.times.partition_point(|(other, _)| *other <= hash);
        let (found, secs) = self.times.get(end.checked_sub(1)?)?;
        (*found == hash).then_some(*secs)
    }
}

impl Content for List {
    type Rules = HashKey;
    const MAX_BYTES: usize = 4 * 1024 * 1024;

    fn read(bytes: &[u8], key: &HashKey, _: Option<&List>, _: UnixTime) -> Result<List, &'static str> {
        let doc = Doc::parse(bytes, LIMITS).map_err(|_| "not_json")?;
        // A sequence would do for a mapping whose members may all be absent.
        let root = doc.root();
        let mapping = |value: Value<'_>| matches!(value.kind(), Kind::Object);
        if !mapping(root)
            || !root
                .get("not_before")
                .is_none_or(|times| times.members().all(|(_, value)| mapping(value)) && mapping(times))
        {
            return Err("wrong_form");
        }
        let wire: ListWire = from_value(root).map_err(|_| "wrong_form")?;
        if wire.issuer.is_some() || wire.check().is_err() {
            return Err("wrong_form");
        }
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let generation = digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        Ok(List { generation, ..List::new(&wire, *key) })
    }

    fn generation(&self) -> u64 {
        self.generation
    }
}
