// SPDX-License-Identifier: Apache-2.0
//! What the proxy's gauges say of keys, policies, lists and the parts of the gate, once a second.
//!
//! Every worker writes them. With a shared secret they say the same: the time of a fetch comes with what was fetched
//! (`SealedHead`), whoever fetched it. One writer alone would hide a worker that is behind.

use crate::vm::Vm;
use std::collections::BTreeMap;
use toolgate_engine::flow::{Component, Health};
use toolgate_engine::keys::{KeySet, KeyStatus, PublicKey};
use toolgate_engine::metrics::{Metric, Sample, Samples, Series};
use toolgate_engine::time::UnixTime;

/// When they were written last, and what ages are counted from.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    written: UnixTime,
    /// The first time that they were written: what was never fetched is as old as that.
    began: Option<UnixTime>,
    /// The generation of each issuer's keys, and since when they are here.
    key_sets: BTreeMap<usize, (u64, UnixTime)>,
}

/// Writes them, where a second has passed.
pub(crate) fn write(vm: &Vm, now: UnixTime) {
    let Ok(mut gauges) = vm.gauges.try_borrow_mut() else { return };
    if now.micros_since(gauges.written) < 1_000_000 {
        return;
    }
    gauges.written = now;
    let began = *gauges.began.get_or_insert(now);
    let mut samples = Samples::new();
    vm.memory(|memory| {
        for (at, source) in memory.sources.iter().enumerate() {
            let Some(source) = source else { continue };
            // Without a first fetch there is an alert only if this says so.
            let since = source.fetched().map_or(began, |(fetched_at, _)| fetched_at);
            let age = now.micros_since(since) / 1_000_000;
            samples.push(Sample { series: Series::new(Metric::JwksAge, "").of_issuer(at), value: age });
            let keys = match source.status(now) {
                KeyStatus::Fresh(keys) | KeyStatus::Aging(keys) => {
                    samples.push(gauges.key_age(at, &keys, now));
                    keys.count()
                }
                KeyStatus::Absent | KeyStatus::Stale => 0,
            };
            let value = u64::try_from(keys).unwrap_or(u64::MAX);
            samples.push(Sample { series: Series::new(Metric::JwksKeys, "").of_issuer(at), value });
        }
        memory.policies.gauges(now, &mut samples);
        for (at, feed) in memory.revocation.feeds().iter().enumerate() {
            let (since, count) = feed
                .fetched_at()
                .zip(feed.list())
                .map_or((began, 0), |(fetched_at, list)| (fetched_at, list.count()));
            let age = Series::new(Metric::RevocationAge, "").of_feed(at);
            samples.push(Sample { series: age, value: now.micros_since(since) / 1_000_000 });
            let entries = Series::new(Metric::RevocationEntries, "").of_feed(at);
            let value = u64::try_from(count).unwrap_or(u64::MAX);
            samples.push(Sample { series: entries, value });
            let version = Series::new(Metric::RevocationVersion, "").of_feed(at);
            samples.extend(feed.version().map(|value| Sample { series: version, value }));
        }
    });
    vm.report_health();
    samples.extend(health(vm, now));
    vm.record(&mut samples);
}

impl Gauges {
    /// How old an issuer's newest key is: as its set says, or since this VM has had the set.
    fn key_age(&mut self, issuer: usize, keys: &KeySet, now: UnixTime) -> Sample {
        let seen = self.key_sets.entry(issuer).or_insert((keys.generation(), now));
        if seen.0 != keys.generation() {
            *seen = (keys.generation(), now);
        }
        let (word, since) = match keys.keys().filter_map(PublicKey::created).max() {
            Some(created) => ("stated", created),
            None => ("first_seen", seen.1),
        };
        let series = Series::new(Metric::KeyAge, word).of_issuer(issuer);
        Sample { series, value: now.micros_since(since) / 1_000_000 }
    }
}

/// Which parts of the gate work.
fn health(vm: &Vm, now: UnixTime) -> impl Iterator<Item = Sample> {
    Component::ALL.into_iter().map(move |component| {
        let series = Series { kind: component.label(), ..Series::new(Metric::ComponentHealthy, "") };
        Sample {
            series,
            value: u64::from(vm.memory(|memory| memory.health(component, now)) == Health::Healthy),
        }
    })
}
