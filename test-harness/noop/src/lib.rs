// SPDX-License-Identifier: Apache-2.0
//! Two filters, by configuration. The empty one does nothing in any callback (the chain `noop`). `calls` makes the host
//! calls that Toolgate makes for a warm request whose verdict is not timed (seven of eight), through the same functions,
//! holds the head and the body as it does, and decides nothing (the chain `calls`): what is between the two is the proxy's
//! price, what is above is the gate's own.

#![allow(dead_code, reason = "the host's functions are those of the filter, of which few are needed here")]

#[path = "../../stages/src/begin.rs"]
mod begin;
#[path = "../../../src/host.rs"]
mod host;

use host::{Buffer, Map};
use std::cell::Cell;
use std::hint::black_box;

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

/// What is done in callbacks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    Noop,
    Calls,
}

thread_local! {
    static CHAIN: Cell<Chain> = const { Cell::new(Chain::Noop) };
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(_: u32, size: usize) -> u32 {
    if host::buffer(Buffer::PluginConfiguration, size).is_ok_and(|text| text == b"calls") {
        CHAIN.set(Chain::Calls);
    }
    1
}

fn clock() {
    black_box(host::now_nanos());
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_: u32, _: usize, _: u32) -> u32 {
    if CHAIN.get() == Chain::Noop {
        return CONTINUE;
    }
    let _ = black_box(host::fields(Map::Request));
    clock();
    PAUSE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(_: u32, size: usize, end_of_stream: u32) -> u32 {
    if CHAIN.get() == Chain::Noop {
        return CONTINUE;
    }
    if end_of_stream == 0 {
        return PAUSE;
    }
    let _ = black_box(host::buffer(Buffer::RequestBody, size));
    clock();
    let _ = host::remove_field(Map::Request, b"authorization");
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(_: u32, _: usize, _: u32) -> u32 {
    if CHAIN.get() == Chain::Calls {
        let _ = black_box(host::fields(Map::Response));
        clock();
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
