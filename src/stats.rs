// SPDX-License-Identifier: Apache-2.0
//! Samples to the host's metrics: each series is defined once, and no more of them than the configuration allows.
//! Some are added up here first, and handed over on the next tick.

use crate::host::{self, MetricKind};
use std::collections::BTreeMap;
use toolgate_engine::bundle::Policies;
use toolgate_engine::config::Config;
use toolgate_engine::metrics::{Handing, Kind, MethodLabel, Metric, Place, Sample, Series, ToolLabel};

/// How many series are found without a search.
const RECENT: usize = 32;

/// The series that this VM has defined.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    known: BTreeMap<Series, usize>,
    slots: Vec<Slot>,
    /// Series that were looked up lately, each at the place that [`place_of`] gives it.
    recent: [Option<(Series, usize)>; RECENT],
    /// Slots that have something to hand over.
    due: Vec<usize>,
    /// Slots for what there is no room for, one for a metric.
    others: BTreeMap<Metric, usize>,
    overflow: Option<u32>,
}

/// One series at the host.
#[derive(Clone, Copy, Debug)]
struct Slot {
    id: u32,
    /// Added up since the last tick.
    sum: u64,
}

impl Stats {
    /// Hands samples to the host, or adds them up, and empties the list.
    pub(crate) fn record(&mut self, samples: &mut Vec<Sample>, config: &Config, policies: &Policies) {
        for sample in samples.drain(..) {
            let Some(at) = self.slot(sample.series, config, policies) else { continue };
            let Some(slot) = self.slots.get_mut(at) else { continue };
            let metric = sample.series.metric;
            let _ = match (metric.kind(), metric.handing()) {
                (Kind::Counter, Handing::OnTick) => {
                    if slot.sum == 0 {
                        self.due.push(at);
                    }
                    slot.sum = slot.sum.saturating_add(sample.value);
                    Ok(())
                }
                (Kind::Counter, Handing::AtOnce) => host::count(slot.id, sample.value),
                (Kind::Level, _) => host::shift(slot.id, if sample.value == 0 { -1 } else { 1 }),
                (Kind::Gauge | Kind::Histogram, _) => host::record_metric(slot.id, sample.value),
            };
        }
    }

    /// Hands over what was added up.
    pub(crate) fn flush(&mut self) {
        for at in self.due.drain(..) {
            if let Some(slot) = self.slots.get_mut(at) {
                let _ = host::count(slot.id, std::mem::take(&mut slot.sum));
            }
        }
    }

    fn slot(&mut self, series: Series, config: &Config, policies: &Policies) -> Option<usize> {
        let place = place_of(&series);
        if let Some(Some((known, at))) = self.recent.get(place)
            && *known == series
        {
            return Some(*at);
        }
        let at = match self.known.get(&series) {
            Some(at) => *at,
            None if self.known.len() >= config.metrics.max_series => {
                return self.other(series.metric, config, policies);
            }
            None => self.define(series, config, policies)?,
        };
        if let Some(recent) = self.recent.get_mut(place) {
            *recent = Some((series, at));
        }
        Some(at)
    }

    fn define(&mut self, series: Series, config: &Config, policies: &Policies) -> Option<usize> {
        let id = host_define(series, config, policies)?;
        let at = self.slots.len();
        self.slots.push(Slot { id, sum: 0 });
        self.known.insert(series, at);
        Some(at)
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
        let at = self.slots.len();
        self.slots.push(Slot { id, sum: 0 });
        self.others.insert(metric, at);
        Some(at)
    }
}

/// Spreads series over the recent ones; what collides is looked up in the map.
fn place_of(series: &Series) -> usize {
    let place = match series.place {
        Place::None => 0,
        Place::Server(at) => at.wrapping_mul(2).wrapping_add(1),
        Place::Route(at) => at.wrapping_mul(2).wrapping_add(2),
    };
    let method = match series.method {
        MethodLabel::None => 0,
        MethodLabel::Other => 1,
        MethodLabel::Known(at) => at.wrapping_add(2),
    };
    let tool = match series.tool {
        ToolLabel::None => 0,
        ToolLabel::Other => 1,
        ToolLabel::Known(at) => at.wrapping_add(2),
    };
    let numbers = [series.metric as usize, place, method, tool, series.word.len(), series.decision.len()];
    numbers.into_iter().fold(0_usize, |sum, number| sum.wrapping_mul(31).wrapping_add(number)) % RECENT
}

fn host_define(series: Series, config: &Config, policies: &Policies) -> Option<u32> {
    let kind = match series.metric.kind() {
        Kind::Counter => MetricKind::Counter,
        Kind::Gauge | Kind::Level => MetricKind::Gauge,
        Kind::Histogram => MetricKind::Histogram,
    };
    host::define_metric(kind, &series.host_name(config, policies)).ok()
}
