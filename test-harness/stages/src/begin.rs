// SPDX-License-Identifier: Apache-2.0
//! How a filter of the benchmark begins: what a host asks of every one, and a panic that says in its log what it was.

use crate::host;

unsafe extern "C" {
    fn __wasm_call_ctors();
}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the host calls this once, before anything else; the linker made the function.
    unsafe { __wasm_call_ctors() };
    std::panic::set_hook(Box::new(|info| host::log(host::Level::Critical, &info.to_string())));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_: u32, _: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_: u32, _: usize) -> u32 {
    1
}
