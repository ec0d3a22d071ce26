// SPDX-License-Identifier: Apache-2.0
//! Keys over the wire and between workers: one fetch for all of them.
//!
//! Each issuer has two slots in shared data, one for the keys and one for the lease of the worker that fetches. Slots
//! are few and fixed by the configuration; what is in them counts only under our own MAC.

use crate::host::{self, Buffer, Level, Map, Status};
use crate::vm::{self, Vm};
use std::collections::BTreeMap;
use toolgate_engine::config::{Config, KeyOrigin};
use toolgate_engine::keys::{
    Adopted, FetchFailure, Freshness, KeySet, KeyStatus, Lease, LeaseState, MAX_KEY_SET_BYTES, Outcome,
    Rejected, Response, Shared, SharedState, StateKey,
};
use toolgate_engine::metrics::{Metric, Sample, Samples, Series};
use toolgate_engine::time::UnixTime;

/// How many slot names there are, whatever configurations come and go.
const SLOTS: u64 = 64;

/// What this VM knows of the way keys travel.
#[derive(Debug)]
pub(crate) struct KeyPost {
    calls: BTreeMap<u32, usize>,
    slots: Vec<Slot>,
    gauges_at: UnixTime,
}

/// Where the keys of one issuer stand in shared data.
#[derive(Clone, Debug, Default)]
struct Slot {
    number: u64,
    /// Names the source, so that no value counts for another issuer.
    digest: [u8; 8],
    /// The version that was read last.
    seen: u32,
}

/// A fetch to dispatch.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) issuer: usize,
    pub(crate) cluster: String,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) timeout: u32,
}

impl KeyPost {
    pub(crate) fn new(config: &Config) -> KeyPost {
        let mut slots: Vec<Slot> = Vec::new();
        for issuer in &config.issuers {
            let mut own = slot(&issuer.rules.issuer, &issuer.keys);
            // Two issuers of one configuration do not meet, as long as there are slots.
            for _ in 0..SLOTS {
                if slots.iter().all(|other| other.number != own.number) {
                    break;
                }
                own.number = (own.number + 1) % SLOTS;
            }
            slots.push(own);
        }
        KeyPost { calls: BTreeMap::new(), slots, gauges_at: UnixTime::default() }
    }
}

/// The slot of an issuer, by its name and URL.
fn slot(issuer: &str, keys: &KeyOrigin) -> Slot {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |text: &str| {
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(issuer);
    if let KeyOrigin::Remote { url, .. } = keys {
        add(&url.origin());
        add(&url.path_and_query());
    }
    // Not the whole configuration: an edit of a policy must not discard the keys.
    Slot { number: hash % SLOTS, digest: hash.to_le_bytes(), seen: 0 }
}

impl Slot {
    fn keys(&self) -> String {
        format!("toolgate.jwks.{}", self.number)
    }

    fn lease(&self) -> String {
        format!("toolgate.lease.{}", self.number)
    }
}

fn slot_of(vm: &Vm, at: usize) -> Slot {
    vm.keys.borrow().slots.get(at).cloned().unwrap_or_default()
}

/// One round: takes over what other workers have fetched, and says what to fetch here.
pub(crate) fn tick(vm: &Vm) -> Vec<Order> {
    let now = vm::now();
    let mut orders = Vec::new();
    for (at, issuer) in vm.config.issuers.iter().enumerate() {
        let KeyOrigin::Remote { cluster, url, timeout_millis, .. } = &issuer.keys else { continue };
        adopt_shared(vm, at, now);
        let due = vm.memory(|memory| memory.sources.get(at)?.as_ref()?.next_fetch(now));
        let Some(fetch) = due else { continue };
        let lease = now.plus_secs(fetch.timeout_secs.saturating_add(1));
        if !claim(vm, at, now, lease) {
            continue;
        }
        orders.push(Order {
            issuer: at,
            cluster: cluster.clone(),
            scheme: url.scheme.clone(),
            authority: url.authority.clone(),
            path: url.path_and_query(),
            timeout: *timeout_millis,
        });
    }
    gauges(vm, now);
    orders
}

fn state_key(vm: &Vm) -> Option<&StateKey> {
    match &vm.config.shared_state {
        SharedState::Off => None,
        SharedState::Keyed(key) => Some(key),
    }
}

/// Takes over keys that another worker has put into shared data, if they are new and ours.
fn adopt_shared(vm: &Vm, at: usize, now: UnixTime) {
    let Some(key) = state_key(vm) else { return };
    let slot = slot_of(vm, at);
    let Ok(value) = host::shared(&slot.keys()) else { return };
    if value.version == slot.seen || value.bytes.is_empty() {
        return;
    }
    note_seen(vm, at, value.version);
    let adopted = Shared::open(&value.bytes, key, slot.digest).map(|shared| {
        let keys = KeySet::parse(shared.body).ok()?;
        let spread = vm.memory(|memory| memory.next_spread());
        vm.memory(|memory| {
            let source = memory.sources.get_mut(at)?.as_mut()?;
            Some(source.adopt(keys, shared.fetched_at, shared.fresh_until, now, spread))
        })
    });
    match adopted {
        Ok(Some(Adopted::Taken)) => {
            vm.keys_changed();
            count(vm, Series::new(Metric::JwksFetches, "shared").of_issuer(at));
        }
        Ok(Some(_) | None) => {}
        Err(rejected) => count(vm, Series::new(Metric::SharedRejected, rejected.label())),
    }
}

fn note_seen(vm: &Vm, at: usize, version: u32) {
    if let Some(slot) = vm.keys.borrow_mut().slots.get_mut(at) {
        slot.seen = version;
    }
}

/// Whether this worker may fetch: by compare-and-swap on the lease, so that only one does.
fn claim(vm: &Vm, at: usize, now: UnixTime, until: UnixTime) -> bool {
    let Some(key) = state_key(vm) else { return true };
    let (slot, digest) = lease_slot(vm, at);
    let version = match host::shared(&slot) {
        Err(Status::NOT_FOUND) => None,
        Err(_) => return true,
        Ok(value) => match Lease::open(&value.bytes, key, digest).map(|lease| lease.state(now)) {
            Ok(LeaseState::Free) | Err(Rejected::Absent) => Some(value.version),
            Ok(LeaseState::Held) => return false,
            Err(rejected) => {
                count(vm, Series::new(Metric::SharedRejected, rejected.label()));
                Some(value.version)
            }
        },
    };
    let owner = vm.memory(|memory| memory.vm);
    match host::set_shared(&slot, &Lease { until, owner }.seal(key, digest), version) {
        Ok(()) => true,
        Err(Status::CAS_MISMATCH) => false,
        // A host without working shared data: better two fetches than none.
        Err(_) => true,
    }
}

fn lease_slot(vm: &Vm, at: usize) -> (String, [u8; 8]) {
    let slot = slot_of(vm, at);
    (slot.lease(), slot.digest)
}

/// Gives the lease back: writes one that is over.
fn release(vm: &Vm, at: usize) {
    let Some(key) = state_key(vm) else { return };
    let (slot, digest) = lease_slot(vm, at);
    let owner = vm.memory(|memory| memory.vm);
    let Ok(value) = host::shared(&slot) else { return };
    if Lease::open(&value.bytes, key, digest).is_ok_and(|lease| lease.owner == owner) {
        let over = Lease { until: UnixTime::default(), owner };
        let _ = host::set_shared(&slot, &over.seal(key, digest), Some(value.version));
    }
}

/// Notes what became of an order.
pub(crate) fn dispatched(vm: &Vm, at: usize, call: Option<u32>) {
    let now = vm::now();
    if let Some(token) = call {
        vm.keys.borrow_mut().calls.insert(token, at);
        vm.memory(|memory| memory.sources.get_mut(at)?.as_mut().map(|source| source.fetch_started(now)));
    } else {
        failed(vm, at, FetchFailure::Transport, now);
    }
}

fn failed(vm: &Vm, at: usize, failure: FetchFailure, now: UnixTime) {
    vm.keys_changed();
    let spread = vm.memory(|memory| memory.next_spread());
    vm.memory(|memory| {
        memory.sources.get_mut(at)?.as_mut().map(|source| source.on_failure(failure, now, spread))
    });
    count(vm, Series::new(Metric::JwksFetches, failure.label()).of_issuer(at));
    let name = vm.config.issuers.get(at).map_or("", |issuer| &issuer.name);
    host::log(
        Level::Warn,
        &format!("toolgate: the keys of issuer `{name}` could not be fetched: {}", failure.label()),
    );
    release(vm, at);
}

/// The answer to a fetch.
pub(crate) fn on_response(vm: &Vm, token: u32, headers: usize, body_size: usize) {
    let Some(at) = vm.keys.borrow_mut().calls.remove(&token) else { return };
    let now = vm::now();
    // No headers at all means no answer; the host's own 504 means that it took too long.
    if headers == 0 {
        return failed(vm, at, FetchFailure::Transport, now);
    }
    let Ok(fields) = host::fields(Map::CallResponse) else {
        return failed(vm, at, FetchFailure::Transport, now);
    };
    if body_size > MAX_KEY_SET_BYTES {
        return failed(vm, at, FetchFailure::TooLarge, now);
    }
    let body = host::buffer(Buffer::CallResponseBody, body_size).unwrap_or_default();
    let pairs = fields.pairs();
    let response = read(&pairs, &body);
    let spread = vm.memory(|memory| memory.next_spread());
    let outcome =
        vm.memory(|memory| Some(memory.sources.get_mut(at)?.as_mut()?.on_response(response, now, spread)));
    let Some(outcome) = outcome else { return };
    vm.keys_changed();
    count(vm, Series::new(Metric::JwksFetches, outcome.label()).of_issuer(at));
    match outcome {
        Outcome::Fresh(_) | Outcome::Unchanged(_) => publish(vm, at, &body),
        Outcome::Failed(failure) => {
            let name = vm.config.issuers.get(at).map_or("", |issuer| &issuer.name);
            host::log(
                Level::Warn,
                &format!("toolgate: the keys of issuer `{name}` cannot be used: {}", failure.label()),
            );
        }
    }
    release(vm, at);
}

fn read<'a>(pairs: &[(&'a [u8], &'a [u8])], body: &'a [u8]) -> Response<'a> {
    let find = |wanted: &str| {
        let field = pairs.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        field.and_then(|(_, value)| std::str::from_utf8(value).ok())
    };
    Response {
        status: find(":status").and_then(|status| status.parse().ok()).unwrap_or(0),
        freshness: Freshness {
            cache_control: find("cache-control"),
            age: find("age"),
            expires: find("expires"),
            date: find("date"),
        },
        body,
    }
}

/// Puts fetched keys where the other workers find them.
fn publish(vm: &Vm, at: usize, body: &[u8]) {
    let Some(key) = state_key(vm) else { return };
    let times = vm.memory(|memory| memory.sources.get(at)?.as_ref()?.fetched());
    let Some((fetched_at, fresh_until)) = times else { return };
    let slot = slot_of(vm, at);
    let sealed = Shared { fetched_at, fresh_until, body }.seal(key, slot.digest);
    let version = host::shared(&slot.keys()).ok().map(|value| value.version);
    if host::set_shared(&slot.keys(), &sealed, version).is_ok() {
        let version = host::shared(&slot.keys()).map_or(0, |value| value.version);
        note_seen(vm, at, version);
    }
}

/// Ages and numbers of keys, once a second.
fn gauges(vm: &Vm, now: UnixTime) {
    if now.micros_since(vm.keys.borrow().gauges_at) < 1_000_000 {
        return;
    }
    vm.keys.borrow_mut().gauges_at = now;
    let mut samples = Samples::new();
    vm.memory(|memory| {
        for (at, source) in memory.sources.iter().enumerate() {
            let Some(source) = source else { continue };
            let Some((fetched_at, _)) = source.fetched() else { continue };
            let age = now.micros_since(fetched_at) / 1_000_000;
            samples.push(Sample { series: Series::new(Metric::JwksAge, "").of_issuer(at), value: age });
            let keys = match source.status(now) {
                KeyStatus::Fresh(keys) | KeyStatus::Aging(keys) => keys.count(),
                KeyStatus::Absent | KeyStatus::Stale => 0,
            };
            let value = u64::try_from(keys).unwrap_or(u64::MAX);
            samples.push(Sample { series: Series::new(Metric::JwksKeys, "").of_issuer(at), value });
        }
    });
    vm.record(&mut samples);
}

fn count(vm: &Vm, series: Series) {
    vm.record(&mut vec![Sample { series, value: 1 }]);
}
