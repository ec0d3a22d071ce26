// SPDX-License-Identifier: Apache-2.0
//! Which header fields mean something at the door.

/// What a field is to the gate, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Method,
    Path,
    Authority,
    Host,
    Origin,
    Authorization,
    Dpop,
    RequestId,
    Traceparent,
    ContentType,
    ContentEncoding,
    ContentLength,
    Preflight,
    Forwarded,
    ProtocolVersion,
    McpMethod,
    McpName,
    Session,
    AcceptEncoding,
    Connection,
    /// One that only its name is asked for, by how it begins or in several spellings, or nobody at all.
    Other,
}

impl Role {
    pub(super) fn of(name: &[u8]) -> Role {
        match name {
            b":method" => Role::Method,
            b":path" => Role::Path,
            b":authority" => Role::Authority,
            b"host" => Role::Host,
            b"origin" => Role::Origin,
            b"authorization" => Role::Authorization,
            b"dpop" => Role::Dpop,
            b"x-request-id" => Role::RequestId,
            b"traceparent" => Role::Traceparent,
            b"content-type" => Role::ContentType,
            b"content-encoding" => Role::ContentEncoding,
            b"content-length" => Role::ContentLength,
            b"access-control-request-method" => Role::Preflight,
            b"x-forwarded-client-cert" => Role::Forwarded,
            b"mcp-protocol-version" => Role::ProtocolVersion,
            b"mcp-method" => Role::McpMethod,
            b"mcp-name" => Role::McpName,
            b"mcp-session-id" => Role::Session,
            b"accept-encoding" => Role::AcceptEncoding,
            b"connection" => Role::Connection,
            _ => Role::Other,
        }
    }
}
