// SPDX-License-Identifier: Apache-2.0
//! What `engine/benches/work` measures natively, timed in the VM of a real proxy, beside the proxy's own
//! `verify_signature`. One stage a tick, so that no callback stalls the proxy's watchdog; each leaves one line of JSON
//! in the proxy's log, in nanoseconds a repetition, and `{"stages":"done"}` ends them. The configuration is a list of
//! texts, separated by commas: only stages whose name holds one of them are run.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark may fail loudly"
)]
#![allow(dead_code, reason = "the host's functions are those of the filter, of which few are needed here")]

mod begin;
#[path = "../../../src/host.rs"]
mod host;
#[path = "../../../src/verifier.rs"]
mod verifier;
#[path = "../../../engine/benches/work/mod.rs"]
mod work;

use std::cell::{Cell, RefCell};
use toolgate_engine::keys::{Alg, PublicKey, Signature, SignatureVerifier, Verdict};
use verifier::HostVerifier;
use work::scale::Work;

/// How long a stage runs before it is timed: V8 compiles again what is hot.
const WARM_UP: u64 = 300_000_000;
/// How long one timed stretch lasts, in nanoseconds, and how many there are.
const STRETCH: u64 = 60_000_000;
const STRETCHES: usize = 5;

thread_local! {
    static NEXT: Cell<usize> = const { Cell::new(0) };
    static WANTED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The verifier of the filter, without what would answer in its place: the stage is the proxy's time alone.
struct Host(HostVerifier);

impl SignatureVerifier for Host {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &Signature) -> Verdict {
        (&self.0).verify(alg, key, message, signature)
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(_: u32, size: usize) -> u32 {
    let wanted = host::buffer(host::Buffer::PluginConfiguration, size).unwrap_or_default();
    WANTED.set(String::from_utf8(wanted).unwrap_or_default());
    u32::from(host::set_tick(1).is_ok())
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(_: u32) {
    let at = NEXT.replace(NEXT.get() + 1);
    let host: &'static Host = Box::leak(Box::new(Host(HostVerifier::new())));
    let wanted = WANTED.with_borrow(Clone::clone);
    let stage = work::stages(host)
        .into_iter()
        .filter(|(name, _)| wanted.split(',').any(|part| name.contains(part)))
        .nth(at);
    match stage {
        Some((name, make)) => {
            let nanos = median(&mut make());
            host::log(host::Level::Critical, &format!(r#"{{"stage":"{name}","ns":{nanos}}}"#));
        }
        None => {
            let _ = host::set_tick(0);
            host::log(host::Level::Critical, r#"{"stages":"done"}"#);
        }
    }
}

/// Nanoseconds a repetition: the median of a few stretches.
fn median(work: &mut Work) -> u64 {
    let begun = host::now_nanos();
    let mut times = 0_u64;
    while host::now_nanos() - begun < WARM_UP {
        work();
        times += 1;
    }
    let each = (WARM_UP / times.max(1)).max(1);
    let repetitions = (STRETCH / each).max(1);
    let mut stretches = [0_u64; STRETCHES];
    for stretch in &mut stretches {
        let begun = host::now_nanos();
        (0..repetitions).for_each(|_| work());
        *stretch = (host::now_nanos() - begun) / repetitions;
    }
    stretches.sort_unstable();
    stretches[STRETCHES / 2]
}
