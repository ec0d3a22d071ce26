// SPDX-License-Identifier: Apache-2.0
//! Toolgate's shell: the proxy's side of the glass. It reads, asks the engine, and carries out what the engine says.
//!
//! `host` is the only file that calls the host, `abi` the only one that the host calls, apart from the allocator in `host`; `root` keeps configuration and feeds; `stream` walks one request.

mod abi;
mod apply;
mod audit;
mod connection;
mod feeds;
mod gauges;
mod host;
mod introspection;
mod log;
mod open;
mod root;
mod stats;
mod store;
mod stream;
mod verifier;
mod vm;
