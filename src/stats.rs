// SPDX-License-Identifier: Apache-2.0
//! Samples to the host's metrics: each series is defined once, and no more of them than the configuration allows.

use crate::host::{self, MetricKind};
use std::collections::BTreeMap;
use toolgate_engine::config::Config;
use toolgate_engine::metrics::{Kind, MethodLabel, Metric, Place, Sample, Series, ToolLabel};

/// How many series are found without a search.
const RECENT: usize = 32;

/// The series that this VM has defined.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    ids: BTreeMap<Series, u32>,
    /// Series that were looked up lately, each at the place that [`place_of`] gives it.
    recent: [Option<(Series, u32)>; RECENT],
    overflow: Option<u32>,
}

impl Stats {
    /// Hands samples to the host and empties the list.
    pub(crate) fn record(&mut self, samples: &mut Vec<Sample>, config: &Config) {
        for sample in samples.drain(..) {
            if let Some(id) = self.id(sample.series, config) {
                let _ = match sample.series.metric.kind() {
                    Kind::Counter => host::count(id, sample.value),
                    Kind::Gauge | Kind::Histogram => host::record_metric(id, sample.value),
                };
            }
        }
    }

    fn id(&mut self, series: Series, config: &Config) -> Option<u32> {
        let place = place_of(&series);
        if let Some(Some((known, id))) = self.recent.get(place)
            && *known == series
        {
            return Some(*id);
        }
        let id = match self.ids.get(&series) {
            Some(id) => *id,
            None => self.define(series, config)?,
        };
        if let Some(slot) = self.recent.get_mut(place) {
            *slot = Some((series, id));
        }
        Some(id)
    }

    fn define(&mut self, series: Series, config: &Config) -> Option<u32> {
        if self.ids.len() >= config.metrics.max_series {
            let id = match self.overflow {
                Some(id) => id,
                None => host_define(Series::new(Metric::SeriesOverflow, ""), config)?,
            };
            self.overflow = Some(id);
            let _ = host::count(id, 1);
            return None;
        }
        let id = host_define(series, config)?;
        self.ids.insert(series, id);
        Some(id)
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

fn host_define(series: Series, config: &Config) -> Option<u32> {
    let kind = match series.metric.kind() {
        Kind::Counter => MetricKind::Counter,
        Kind::Gauge => MetricKind::Gauge,
        Kind::Histogram => MetricKind::Histogram,
    };
    host::define_metric(kind, &series.host_name(config)).ok()
}
