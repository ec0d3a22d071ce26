// SPDX-License-Identifier: Apache-2.0
//! Samples to the host's metrics: each series is defined once, and no more of them than the configuration allows.
//! Some are added up or kept here first, and handed over on the next tick.

use crate::host::{self, MetricKind};
use std::collections::BTreeMap;
use toolgate_engine::bundle::Policies;
use toolgate_engine::config::Config;
use toolgate_engine::metrics::{
    Handing, Kept, Kind, MethodLabel, Metric, Place, Room, RuleLabel, Sample, Series, ToolLabel,
};

/// How many series of one metric are found without a search, as a power of two.
const RECENT_BITS: u32 = 4;

/// The series that this VM has defined.
#[derive(Debug)]
pub(crate) struct Stats {
    known: BTreeMap<Series, usize>,
    slots: Vec<Slot>,
    /// Series that were looked up lately, each at the place that [`Recent::place`] gives it.
    recent: Box<[Recent]>,
    /// Slots that have something to hand over.
    due: Vec<usize>,
    /// Values of histograms, until the tick.
    kept: Kept,
    /// Slots for what there is no room for, one for a metric.
    others: BTreeMap<Metric, usize>,
    overflow: Option<u32>,
}

impl Default for Stats {
    fn default() -> Stats {
        Stats {
            known: BTreeMap::new(),
            slots: Vec::new(),
            recent: vec![Recent::NONE; Metric::ALL.len() << RECENT_BITS].into(),
            due: Vec::new(),
            kept: Kept::default(),
            others: BTreeMap::new(),
            overflow: None,
        }
    }
}

/// One series at the host.
#[derive(Clone, Copy, Debug)]
struct Slot {
    id: u32,
    does: Does,
    /// Added up since the last tick.
    sum: u64,
}

/// What a sample does.
#[derive(Clone, Copy, Debug)]
enum Does {
    AddUp,
    Count,
    Keep,
    Shift,
    Record,
}

impl Does {
    fn of(series: &Series) -> Does {
        match (series.metric.kind(), series.handing()) {
            (Kind::Counter, Handing::OnTick) => Does::AddUp,
            (Kind::Counter, Handing::AtOnce) => Does::Count,
            (Kind::Histogram, Handing::OnTick) => Does::Keep,
            (Kind::Level, _) => Does::Shift,
            (Kind::Gauge, _) | (Kind::Histogram, Handing::AtOnce) => Does::Record,
        }
    }
}

impl Stats {
    /// Hands samples to the host, adds them up or keeps them, and empties the list.
    pub(crate) fn record(&mut self, samples: &mut Vec<Sample>, config: &Config, policies: &Policies) {
        for Sample { series, value } in &*samples {
            let (at, value) = (self.slot(series, config, policies), *value);
            let Some(at) = at else { continue };
            let Some(slot) = self.slots.get_mut(at) else { continue };
            let _ = match slot.does {
                Does::AddUp => {
                    if slot.sum == 0 {
                        self.due.push(at);
                    }
                    slot.sum = slot.sum.saturating_add(value);
                    Ok(())
                }
                Does::Keep => {
                    if self.kept.push(slot.id, value) == Room::None {
                        hand_over(&mut self.kept);
                    }
                    Ok(())
                }
                Does::Count => host::count(slot.id, value),
                Does::Shift => host::shift(slot.id, if value == 0 { -1 } else { 1 }),
                Does::Record => host::record_metric(slot.id, value),
            };
        }
        samples.clear();
    }

    /// Hands over what was added up and kept.
    pub(crate) fn flush(&mut self) {
        hand_over(&mut self.kept);
        for at in self.due.drain(..) {
            if let Some(slot) = self.slots.get_mut(at) {
                let _ = host::count(slot.id, std::mem::take(&mut slot.sum));
            }
        }
    }

    fn slot(&mut self, series: &Series, config: &Config, policies: &Policies) -> Option<usize> {
        if let Some(numbers) = Recent::numbers(series)
            && let Some(recent) = self.recent.get(Recent::place(series, numbers))
            && recent.is(series, numbers)
        {
            return Some(recent.slot);
        }
        self.search(series, config, policies)
    }

    /// Looks a series up that was not looked up lately.
    #[cold]
    #[inline(never)]
    fn search(&mut self, series: &Series, config: &Config, policies: &Policies) -> Option<usize> {
        let at = match self.known.get(series) {
            Some(at) => *at,
            None if self.known.len() >= config.metrics.max_series => {
                return self.other(series.metric, config, policies);
            }
            None => self.define(*series, config, policies)?,
        };
        if let Some(numbers) = Recent::numbers(series)
            && let Some(recent) = self.recent.get_mut(Recent::place(series, numbers))
        {
            *recent = Recent { numbers, texts: texts(series), slot: at };
        }
        Some(at)
    }

    fn define(&mut self, series: Series, config: &Config, policies: &Policies) -> Option<usize> {
        let id = host_define(series, config, policies)?;
        self.known.insert(series, self.slots.len());
        Some(self.push(id, &series))
    }

    fn push(&mut self, id: u32, series: &Series) -> usize {
        self.slots.push(Slot { id, does: Does::of(series), sum: 0 });
        self.slots.len() - 1
    }

    /// There is no room for another series: what can be added up goes where all labels are `other`. Gauges have no sum.
    fn other(&mut self, metric: Metric, config: &Config, policies: &Policies) -> Option<usize> {
        let id = match self.overflow {
            Some(id) => id,
            None => host_define(Series::new(Metric::SeriesOverflow, ""), config, policies)?,
        };
        self.overflow = Some(id);
        let _ = host::count(id, 1);
        let kind = match metric.kind() {
            Kind::Counter => MetricKind::Counter,
            Kind::Histogram => MetricKind::Histogram,
            Kind::Gauge | Kind::Level => return None,
        };
        if let Some(at) = self.others.get(&metric) {
            return Some(*at);
        }
        let id = host::define_metric(kind, &Series::overflow_name(metric, config)).ok()?;
        let at = self.push(id, &Series::new(metric, ""));
        self.others.insert(metric, at);
        Some(at)
    }
}

/// A series in few words, to be compared at once, on one line of the processor's caches with its slot. Texts are compared by
/// where they stand: a text that stands in two places makes two keys for one series.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Recent {
    /// Metric, method, index, place, tool, and rule.
    numbers: [u64; 2],
    texts: [&'static str; 3],
    slot: usize,
}

impl Recent {
    /// No series has these numbers: there is no such metric.
    const NONE: Recent = Recent { numbers: [u64::MAX; 2], texts: [""; 3], slot: 0 };

    /// What is a number in a series. Nothing for one that is too far down a long configuration.
    fn numbers(series: &Series) -> Option<[u64; 2]> {
        // With the texts all there is: two series must not have one key.
        let Series { metric, place, method, tool, rule, index, decision: _, word: _, kind: _ } = *series;
        let place = match place {
            Place::None => 0,
            Place::Server(at) => fit(at, 14)? * 2 + 1,
            Place::Route(at) => fit(at, 14)? * 2 + 2,
        };
        let method = match method {
            MethodLabel::None => 0,
            MethodLabel::Other => 1,
            MethodLabel::Known(at) => fit(at, 7)? + 2,
        };
        let tool = match tool {
            ToolLabel::None => 0,
            ToolLabel::Other => 1,
            ToolLabel::Known(at) => fit(at, 15)? + 2,
        };
        let rule = match rule {
            RuleLabel::None => 0,
            RuleLabel::Of { policy, rule, load } => {
                let rule = rule.map_or(Some(0), |rule| rule.checked_add(1))?;
                fit(policy.checked_add(1)?, 12)? << 52 | fit(rule, 20)? << 32 | u64::from(load)
            }
        };
        Some([place << 48 | tool << 32 | fit(index, 16)? << 16 | method << 8 | metric as u64, rule])
    }

    /// Whether this is the key of a series with these numbers.
    fn is(&self, series: &Series, numbers: [u64; 2]) -> bool {
        let [decision, word, kind] = self.texts;
        self.numbers == numbers
            && std::ptr::eq(decision, series.decision)
            && std::ptr::eq(word, series.word)
            && std::ptr::eq(kind, series.kind)
    }

    /// Where a series stands: each metric has places of its own.
    fn place(series: &Series, [one, other]: [u64; 2]) -> usize {
        let [decision, word, kind] = texts(series).map(|text| text.as_ptr().addr() as u64);
        let mixed = one ^ other ^ word << 24 ^ decision << 12 ^ kind;
        let spread = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - RECENT_BITS);
        (series.metric as usize) << RECENT_BITS | spread as usize
    }
}

/// Out of line: most requests only add to the list.
#[cold]
#[inline(never)]
fn hand_over(kept: &mut Kept) {
    for (id, value) in kept.take() {
        let _ = host::record_metric(id, value);
    }
}

fn texts(series: &Series) -> [&'static str; 3] {
    [series.decision, series.word, series.kind]
}

fn fit(number: usize, bits: u32) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number < 1 << bits)
}

fn host_define(series: Series, config: &Config, policies: &Policies) -> Option<u32> {
    let kind = match series.metric.kind() {
        Kind::Counter => MetricKind::Counter,
        Kind::Gauge | Kind::Level => MetricKind::Gauge,
        Kind::Histogram => MetricKind::Histogram,
    };
    host::define_metric(kind, &series.host_name(config, policies)).ok()
}
