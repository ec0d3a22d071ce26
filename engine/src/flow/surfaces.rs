// SPDX-License-Identifier: Apache-2.0
//! What the configuration of a server forbids in a request, whoever calls.

use crate::config::{Permission, Server};
use crate::deny::{Denial, Surface};
use crate::mcp::{Call, answers, without_capabilities};
use alloc::vec::Vec;

/// Whether the answers that a client brings are answers to what the server may ask.
pub(super) fn check_answers(call: &Call<'_>, server: &Server) -> Result<(), Denial> {
    let kinds = answers(call).map_err(Denial::Message)?;
    let denied = kinds.into_iter().any(|kind| server.server_requests.allows(kind) == Permission::Deny);
    if denied { Err(Denial::Surface(Surface::ServerRequest)) } else { Ok(()) }
}

/// The message as the server may read it: without the capabilities that it may not use, in the same length; nothing
/// where it goes on as it came.
pub(super) fn rewritten(body: &[u8], call: &Call<'_>, server: &Server) -> Option<Vec<u8>> {
    match server.denied_capabilities.as_slice() {
        [] => None,
        denied => without_capabilities(body, call, denied),
    }
}
