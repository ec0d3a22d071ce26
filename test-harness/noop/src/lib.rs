// SPDX-License-Identifier: Apache-2.0
//! Two filters, by configuration. The empty one does nothing in any callback (the chain `noop`). `calls` makes the host
//! calls that Toolgate makes for a warm request, through the same functions, holds the head and the body as it does, and
//! decides nothing (the chain `calls`): what is between the two is the proxy's price, what is above is the gate's own.

#![allow(dead_code, reason = "the host's functions are those of the filter, of which few are needed here")]

#[path = "../../stages/src/begin.rs"]
mod begin;
#[path = "../../../src/host.rs"]
mod host;

use host::{Buffer, Map, MetricKind};
use std::cell::Cell;
use std::hint::black_box;

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

/// What Toolgate tells the host's metrics of a warm request.
const METRICS: [&str; 2] = ["calls_decision_duration_us", "calls_upstream_duration_ms"];

thread_local! {
    /// The metrics' ids; none where nothing is done.
    static IDS: Cell<Option<[u32; 2]>> = const { Cell::new(None) };
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(_: u32, size: usize) -> u32 {
    if host::buffer(Buffer::PluginConfiguration, size).is_ok_and(|text| text == b"calls") {
        IDS.set(Some(
            METRICS.map(|name| host::define_metric(MetricKind::Histogram, name).unwrap_or_default()),
        ));
    }
    1
}

fn clock() {
    black_box(host::now_nanos());
}

fn record(metric: usize) {
    let Some(ids) = IDS.get() else { return };
    let _ = black_box(host::record_metric(ids[metric], 12));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_: u32, _: usize, _: u32) -> u32 {
    if IDS.get().is_none() {
        return CONTINUE;
    }
    let _ = black_box(host::fields(Map::Request));
    clock();
    clock();
    PAUSE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(_: u32, size: usize, end_of_stream: u32) -> u32 {
    if IDS.get().is_none() {
        return CONTINUE;
    }
    if end_of_stream == 0 {
        return PAUSE;
    }
    let _ = black_box(host::buffer(Buffer::RequestBody, size));
    clock();
    clock();
    record(0);
    let _ = host::remove_field(Map::Request, b"authorization");
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(_: u32, _: usize, _: u32) -> u32 {
    if IDS.get().is_some() {
        let _ = black_box(host::fields(Map::Response));
        clock();
        record(1);
    }
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(_: u32, _: usize, _: u32) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(_: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(_: u32) {}
