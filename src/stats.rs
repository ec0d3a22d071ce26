// SPDX-License-Identifier: Apache-2.0
//! Samples to the host's metrics: each series is defined once, and no more of them than the configuration allows.

use crate::host::{self, MetricKind};
use std::collections::BTreeMap;
use toolgate_engine::config::Config;
use toolgate_engine::metrics::{Kind, Metric, Sample, Series};

/// The series that this VM has defined.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    ids: BTreeMap<Series, u32>,
    overflow: Option<u32>,
}

impl Stats {
    /// Hands samples to the host and empties the list.
    pub(crate) fn record(&mut self, samples: &mut Vec<Sample>, config: &Config) {
        for sample in samples.drain(..) {
            let id = match self.ids.get(&sample.series) {
                Some(id) => Some(*id),
                None => self.define(sample.series, config),
            };
            if let Some(id) = id {
                let _ = match sample.series.metric.kind() {
                    Kind::Counter => host::count(id, sample.value),
                    Kind::Gauge | Kind::Histogram => host::record_metric(id, sample.value),
                };
            }
        }
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

fn host_define(series: Series, config: &Config) -> Option<u32> {
    let kind = match series.metric.kind() {
        Kind::Counter => MetricKind::Counter,
        Kind::Gauge => MetricKind::Gauge,
        Kind::Histogram => MetricKind::Histogram,
    };
    host::define_metric(kind, &series.host_name(config)).ok()
}
