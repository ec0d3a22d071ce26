// SPDX-License-Identifier: Apache-2.0
//! Feeds over the wire and between workers: one fetch for all of them.
//!
//! Each feed has a slot in shared data: a head, its pages, and the lease of the worker that fetches. Slots are few and
//! fixed by the configuration; what is in them counts only under our own MAC.

use crate::host::{self, Buffer, Map, Status};
use crate::log;
use crate::vm::{self, Vm};
use std::collections::BTreeMap;
use toolgate_engine::audit::{Kind, Members};
use toolgate_engine::feed::{
    Adopted, Failure, Feed, Fetch, Freshness, Lease, LeaseState, Outcome, Page, Rejected, Response,
    SealedHead, SharedState, SourceId, StateKey,
};
use toolgate_engine::flow::{FeedId, Memory, policy_in_force};
use toolgate_engine::metrics::{Metric, Sample, Series};
use toolgate_engine::time::UnixTime;

/// How many slot names there are, whatever configurations come and go.
const SLOTS: u64 = 64;

/// What this VM knows of the way feeds travel.
#[derive(Debug)]
pub(crate) struct Post {
    calls: BTreeMap<u32, (usize, u16)>,
    slots: Vec<Slot>,
    /// The slot that the next round begins with.
    next: usize,
    /// Whether the last round ended before every slot was looked at.
    round: Round,
}

/// Where one feed stands in shared data.
#[derive(Clone, Debug)]
struct Slot {
    feed: FeedId,
    source: SourceId,
    number: u64,
    /// The versions of head and wanted page that were read last.
    seen: u32,
    seen_page: u32,
}

/// How far a round came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Whole,
    /// It took something over, and left the other slots to the next.
    Cut,
}

/// What looking at a slot came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nothing that takes long.
    Short,
    /// A document or a part of one was checked and taken, or not.
    Body,
}

/// A fetch to dispatch.
#[derive(Debug)]
pub(crate) struct Order {
    slot: usize,
    pub(crate) fetch: Fetch,
}

impl Post {
    pub(crate) fn new(memory: &mut Memory) -> Post {
        let mut slots: Vec<Slot> = Vec::new();
        for feed in memory.feeds() {
            let Some(source) = memory.feed(feed).map(|feed| feed.source()) else { continue };
            let mut number = source.number() % SLOTS;
            // Two feeds of one configuration do not meet, as long as there are slots.
            for _ in 0..SLOTS {
                if slots.iter().all(|other| other.number != number) {
                    break;
                }
                number = (number + 1) % SLOTS;
            }
            slots.push(Slot { feed, source, number, seen: 0, seen_page: 0 });
        }
        Post { calls: BTreeMap::new(), slots, next: 0, round: Round::Whole }
    }
}

impl Slot {
    fn head(&self) -> String {
        format!("toolgate.feed.{}", self.number)
    }

    fn page(&self, page: u16) -> String {
        format!("toolgate.page.{}.{page}", self.number)
    }

    fn lease(&self) -> String {
        format!("toolgate.lease.{}", self.number)
    }
}

fn slot_of(vm: &Vm, at: usize) -> Option<Slot> {
    vm.post.borrow().slots.get(at).cloned()
}

fn with_feed<T>(vm: &Vm, id: FeedId, work: impl FnOnce(&mut dyn Feed, u64) -> T) -> Option<T> {
    vm.memory(|memory| {
        let spread = memory.next_spread();
        memory.feed(id).map(|feed| work(feed, spread))
    })
}

/// One round: takes over what another worker has fetched, and says what to fetch here. It takes over one document, or
/// one part of one, whatever the number of feeds: the next tick comes soon, and goes on with the slot behind.
pub(crate) fn tick(vm: &Vm) -> Vec<Order> {
    let now = vm::now();
    let mut orders = Vec::new();
    let (count, first) = (vm.post.borrow().slots.len(), vm.post.borrow().next);
    vm.post.borrow_mut().round = Round::Whole;
    for at in (0..count).cycle().skip(first).take(count) {
        let Some(slot) = slot_of(vm, at) else { continue };
        if adopt_shared(vm, at, &slot, now) == Look::Body {
            let mut post = vm.post.borrow_mut();
            (post.next, post.round) = ((at + 1) % count, Round::Cut);
            break;
        }
        let Some(fetch) = with_feed(vm, slot.feed, |feed, _| feed.next_fetch(now)).flatten() else {
            continue;
        };
        // A second more than the call may take.
        let lease = now.plus_millis(u64::from(fetch.call.timeout_millis).saturating_add(1_000));
        if claim(vm, &slot, now, lease) {
            orders.push(Order { slot: at, fetch });
        }
    }
    orders
}

/// Whether something can be done at the next tick already, so that it should come soon.
pub(crate) fn pressing(vm: &Vm) -> bool {
    let (now, post) = (vm::now(), vm.post.borrow());
    let pressing = |slot: &Slot| with_feed(vm, slot.feed, |feed, _| feed.is_pressing(now)) == Some(true);
    post.round == Round::Cut || post.slots.iter().any(pressing)
}

fn state_key(vm: &Vm) -> Option<&StateKey> {
    match &vm.config.shared_state {
        SharedState::Off => None,
        SharedState::Keyed(key) => Some(key),
    }
}

/// Takes over what another worker has put into shared data, if it is new and ours: a document, or else a part of one.
fn adopt_shared(vm: &Vm, at: usize, slot: &Slot, now: UnixTime) -> Look {
    let Some(key) = state_key(vm) else { return Look::Short };
    if let Ok(value) = host::shared(&slot.head())
        && value.version != slot.seen
        && !value.bytes.is_empty()
    {
        note_seen(vm, at, value.version);
        let look = match SealedHead::open(&value.bytes, key, slot.source) {
            Ok(head) => adopt_head(vm, slot, key, &head, now),
            Err(rejected) => {
                reject(vm, rejected);
                Look::Short
            }
        };
        if look == Look::Body {
            return look;
        }
    }
    let Some(number) = with_feed(vm, slot.feed, |feed, _| feed.wanted_page()).flatten() else {
        return Look::Short;
    };
    let Ok(value) = host::shared(&slot.page(number)) else { return Look::Short };
    if value.version == slot.seen_page || value.bytes.is_empty() {
        return Look::Short;
    }
    if let Some(slot) = vm.post.borrow_mut().slots.get_mut(at) {
        slot.seen_page = value.version;
    }
    match Page::open(&value.bytes, key, slot.source, number) {
        Ok(page) => {
            let taken = with_feed(vm, slot.feed, |feed, _| feed.adopt_page(number, page.body, now));
            if taken == Some(Adopted::Taken) {
                changed(vm, slot, "shared");
            }
        }
        Err(rejected) => reject(vm, rejected),
    }
    Look::Body
}

fn adopt_head(vm: &Vm, slot: &Slot, key: &StateKey, head: &SealedHead, now: UnixTime) -> Look {
    let adopt =
        |body: Option<&[u8]>| with_feed(vm, slot.feed, |feed, spread| feed.adopt(&head.0, body, now, spread));
    let (mut adopted, mut look) = (adopt(None), Look::Short);
    if adopted == Some(Adopted::NeedsBody) {
        // What is not there, or not the head's, is fetched when it is due.
        let Ok(value) = host::shared(&slot.page(0)) else { return Look::Short };
        look = Look::Body;
        adopted = match Page::open(&value.bytes, key, slot.source, 0) {
            Ok(page) => adopt(Some(page.body)),
            Err(rejected) => {
                reject(vm, rejected);
                None
            }
        };
    }
    match adopted {
        Some(Adopted::Taken | Adopted::Renewed) => changed(vm, slot, "shared"),
        Some(Adopted::NeedsBody | Adopted::NotNewer | Adopted::Unusable) | None => {}
    }
    look
}

fn changed(vm: &Vm, slot: &Slot, word: &'static str) {
    if word != "unchanged" {
        note(vm, &slot.feed.title(&vm.config), word);
    }
    wake(vm, slot);
    let replaced = vm.memory(|memory| {
        let at = memory.feed_changed(slot.feed, vm::now())?;
        Some(policy_in_force(&vm.config, &memory.policies, at))
    });
    if let Some(text) = replaced.filter(|_| vm.config.audit.is_on()) {
        vm.trails.borrow_mut().note(&vm.config, Kind::Policy, &text);
    }
    count(vm, slot.feed.series(word));
}

/// Lets requests look again that wait for this. Nobody waits for a list: a list of many parts would have all of them
/// look again after each.
fn wake(vm: &Vm, slot: &Slot) {
    match slot.feed {
        FeedId::Keys(_) | FeedId::Discovery(_) | FeedId::Policy(_) => vm.keys_changed(),
        FeedId::Revocation(_) => {}
    }
}

/// Tells the audit trail what became of a feed.
fn note(vm: &Vm, feed: &str, result: &'static str) {
    if vm.config.audit.is_on() {
        let mut text = String::new();
        let mut members = Members::more(&mut text);
        members.text("feed", feed);
        members.text("result", result);
        drop(members);
        vm.trails.borrow_mut().note(&vm.config, Kind::Feed, &text);
    }
}

fn reject(vm: &Vm, rejected: Rejected) {
    count(vm, Series::new(Metric::SharedRejected, rejected.label()));
}

fn note_seen(vm: &Vm, at: usize, version: u32) {
    if let Some(slot) = vm.post.borrow_mut().slots.get_mut(at) {
        slot.seen = version;
    }
}

/// Whether this worker may fetch: by compare-and-swap on the lease, so that only one does.
fn claim(vm: &Vm, slot: &Slot, now: UnixTime, until: UnixTime) -> bool {
    let Some(key) = state_key(vm) else { return true };
    let version = match host::shared(&slot.lease()) {
        Err(Status::NOT_FOUND) => None,
        Err(_) => return true,
        Ok(value) => match Lease::open(&value.bytes, key, slot.source).map(|lease| lease.state(now)) {
            Ok(LeaseState::Free) | Err(Rejected::Absent) => Some(value.version),
            Ok(LeaseState::Held) => return false,
            Err(rejected) => {
                reject(vm, rejected);
                Some(value.version)
            }
        },
    };
    let owner = vm.memory(|memory| memory.vm);
    match host::set_shared(&slot.lease(), &Lease { until, owner }.seal(key, slot.source), version) {
        Ok(()) => true,
        Err(Status::CAS_MISMATCH) => false,
        // A host without working shared data: better two fetches than none.
        Err(_) => true,
    }
}

/// Gives the lease back: writes one that is over.
fn release(vm: &Vm, slot: &Slot) {
    let Some(key) = state_key(vm) else { return };
    let owner = vm.memory(|memory| memory.vm);
    let Ok(value) = host::shared(&slot.lease()) else { return };
    if Lease::open(&value.bytes, key, slot.source).is_ok_and(|lease| lease.owner == owner) {
        let over = Lease { until: UnixTime::default(), owner };
        let _ = host::set_shared(&slot.lease(), &over.seal(key, slot.source), Some(value.version));
    }
}

/// Notes what became of an order.
pub(crate) fn dispatched(vm: &Vm, order: &Order, call: Option<u32>) {
    let now = vm::now();
    let Some(slot) = slot_of(vm, order.slot) else { return };
    let page = order.fetch.page;
    if let Some(token) = call {
        vm.post.borrow_mut().calls.insert(token, (order.slot, page));
        let _ = with_feed(vm, slot.feed, |feed, _| feed.fetch_started(page, now));
    } else {
        failed(vm, &slot, page, Failure::Transport, now);
    }
}

fn failed(vm: &Vm, slot: &Slot, page: u16, failure: Failure, now: UnixTime) {
    let _ = with_feed(vm, slot.feed, |feed, spread| feed.on_failure(page, failure, now, spread));
    after_failure(vm, slot, failure);
    release(vm, slot);
}

fn after_failure(vm: &Vm, slot: &Slot, failure: Failure) {
    wake(vm, slot);
    count(vm, slot.feed.series(failure.label()));
    let what = slot.feed.title(&vm.config);
    log::warn("feed", "fetch_failed", &format!("{what} could not be fetched: {}", failure.label()));
    note(vm, &what, failure.label());
}

/// The answer to a fetch.
pub(crate) fn on_response(vm: &Vm, token: u32, headers: usize, body_size: usize) {
    let Some((at, page)) = vm.post.borrow_mut().calls.remove(&token) else { return };
    let Some(slot) = slot_of(vm, at) else { return };
    let now = vm::now();
    let most = with_feed(vm, slot.feed, |feed, _| feed.max_bytes(page)).unwrap_or(0);
    // No headers at all means no answer; the host's own 504 means that it took too long.
    let fields = if headers == 0 { None } else { host::fields(Map::CallResponse).ok() };
    let Some(fields) = fields else {
        return failed(vm, &slot, page, Failure::Transport, now);
    };
    if body_size > most {
        return failed(vm, &slot, page, Failure::TooLarge, now);
    }
    let body = host::buffer(Buffer::CallResponseBody, body_size).unwrap_or_default();
    let pairs = fields.pairs();
    let response = read(&pairs, &body);
    let outcome = with_feed(vm, slot.feed, |feed, spread| feed.on_response(page, &response, now, spread));
    match outcome {
        Some(Outcome::Failed(failure)) => after_failure(vm, &slot, failure),
        Some(outcome) => {
            changed(vm, &slot, outcome.label());
            // 304 has no body, and needs none.
            publish(vm, at, &slot, page, (response.status == 200).then_some(&body));
        }
        None => {}
    }
    release(vm, &slot);
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
        etag: find("etag"),
        body,
    }
}

/// Puts what was fetched where the other workers find it: first the body, then the head that names it.
fn publish(vm: &Vm, at: usize, slot: &Slot, page: u16, body: Option<&Vec<u8>>) {
    let Some(key) = state_key(vm) else { return };
    if let Some(body) = body {
        let sealed = Page { number: page, body }.seal(key, slot.source);
        let _ = put(&slot.page(page), &sealed);
    }
    if page != 0 {
        return;
    }
    let Some(head) = with_feed(vm, slot.feed, |feed, _| feed.head()).flatten() else { return };
    if put(&slot.head(), &SealedHead(head).seal(key, slot.source)).is_ok() {
        note_seen(vm, at, host::shared(&slot.head()).map_or(0, |value| value.version));
    }
}

fn put(name: &str, value: &[u8]) -> Result<(), Status> {
    let version = host::shared(name).ok().map(|old| old.version);
    host::set_shared(name, value, version)
}

fn count(vm: &Vm, series: Series) {
    vm.record(&mut vec![Sample { series, value: 1 }]);
}
