// SPDX-License-Identifier: Apache-2.0
//! Toolgate's shell: the proxy's side of the glass. It reads, asks the engine, and carries out what the engine says.
//!
//! `host` is the only file that calls the host; `root` keeps configuration and keys; `stream` walks one request.

mod apply;
mod connection;
mod host;
mod keys;
mod root;
mod stats;
mod store;
mod stream;
mod verifier;
mod vm;

proxy_wasm::main! {{
    vm::report_panics();
    proxy_wasm::set_root_context(|_| Box::new(root::Root::default()));
}}
