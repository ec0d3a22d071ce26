// SPDX-License-Identifier: Apache-2.0
//! Writes an audit trail of many records, for measuring: `cargo run --release --example audit_trail -- 10000000`.
//! Its key is printed on standard error.
#![allow(clippy::print_stderr, clippy::unwrap_used, clippy::indexing_slicing, reason = "made for measuring")]

#[path = "../tests/common/trail.rs"]
mod trail;

use std::io::Write;

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    eprintln!("AUDIT_KEY=\"{}\"", trail::KEY);
    let mut out = std::io::stdout().lock();
    trail::week(count, |lines| out.write_all(lines.as_bytes()).unwrap());
}
