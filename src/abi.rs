// SPDX-License-Identifier: Apache-2.0
//! The functions that the proxy calls (proxy-wasm ABI 0.2.1), and which context each call is for.
//!
//! Only what this filter needs is exported: the proxy skips a callback that is not there, and each one that is there
//! costs a crossing into the module. So there is no `proxy_on_done`: a stream ends with `proxy_on_log`, where access
//! logs still see what it leaves, and is gone with `proxy_on_delete`. A context that is not known means that host and module disagree: the request is paused, and
//! nothing panics.

use crate::root::Root;
use crate::stream::Handle;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem::ManuallyDrop;
use std::rc::Rc;

/// What the proxy does with what it has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Action {
    Continue = 0,
    Pause = 1,
}

/// Spreads context ids. They are the host's own and count up: no client can choose one.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// The contexts of this VM.
struct Contexts {
    roots: RefCell<Vec<(u32, Rc<RefCell<Root>>)>>,
    streams: RefCell<HashMap<u32, Handle, BuildHasherDefault<Spread>>>,
}

thread_local! {
    /// They end with the VM; nothing has to be dropped, and so no callback asks whether it was.
    static CONTEXTS: ManuallyDrop<Contexts> = const {
        ManuallyDrop::new(Contexts {
            roots: RefCell::new(Vec::new()),
            streams: RefCell::new(HashMap::with_hasher(BuildHasherDefault::new())),
        })
    };
}

/// The context is taken out of the table first: a callback may make or end others.
fn root<T>(context: u32, absent: T, work: impl FnOnce(&mut Root) -> T) -> T {
    let found = CONTEXTS.with(|contexts| {
        contexts.roots.borrow().iter().find(|(id, _)| *id == context).map(|(_, root)| root.clone())
    });
    match found.as_ref().map(|root| root.try_borrow_mut()) {
        Some(Ok(mut root)) => work(&mut root),
        Some(Err(_)) | None => absent,
    }
}

/// Out of line: every callback asks, and one copy of the look-up is in the processor's caches after the first.
#[inline(never)]
fn stream_of(context: u32) -> Option<Handle> {
    CONTEXTS.with(|contexts| contexts.streams.borrow().get(&context).cloned())
}

fn stream(context: u32, work: impl FnOnce(&Handle) -> Action) -> Action {
    stream_of(context).map_or(Action::Pause, |stream| work(&stream))
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the host calls this once, before anything else; the linker made the function.
    unsafe { __wasm_call_ctors() };
    crate::vm::report_panics();
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    CONTEXTS.with(|contexts| {
        if parent == 0 {
            contexts.roots.borrow_mut().push((context, Rc::default()));
            return;
        }
        let vm = root(parent, None, |root| root.vm());
        contexts.streams.borrow_mut().insert(context, Handle::new(vm, context));
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context: u32) {
    stream_of(context).iter().for_each(Handle::over);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    CONTEXTS.with(|contexts| {
        let ended = contexts.streams.borrow_mut().remove(&context);
        match ended {
            Some(stream) => stream.ended(),
            None => contexts.roots.borrow_mut().retain(|(id, _)| *id != context),
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_: u32, _: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(context: u32, size: usize) -> u32 {
    u32::from(root(context, false, |root| root.on_configure(size)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(context: u32) {
    root(context, (), Root::on_tick);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(context: u32, call: u32, headers: usize, body: usize, _: usize) {
    root(context, (), |root| root.on_http_call_response(call, headers, body));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _: usize, end_of_stream: u32) -> Action {
    stream(context, |stream| stream.on_request_headers(end_of_stream != 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, size: usize, end_of_stream: u32) -> Action {
    stream(context, |stream| stream.on_request_body(size, end_of_stream != 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, _: usize) -> Action {
    stream(context, Handle::on_request_trailers)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _: usize, end_of_stream: u32) -> Action {
    stream(context, |stream| stream.on_response_headers(end_of_stream != 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(context: u32, size: usize, end_of_stream: u32) -> Action {
    stream(context, |stream| stream.on_response_body(size, end_of_stream != 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(context: u32, _: usize) -> Action {
    stream(context, Handle::on_response_trailers)
}
