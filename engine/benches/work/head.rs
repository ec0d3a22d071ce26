//! The head of a call, for whoever drives the engine from outside.

use toolgate_engine::connection::NoConnection;
use toolgate_engine::flow::{Attempt, BodyFollows, Head};

type Field<'h> = (&'h [u8], &'h [u8]);

/// What a client and a proxy before the gate send.
pub(crate) fn fields(authorization: &str) -> [Field<'_>; 11] {
    [
        (b":authority", b"mcp.example.com"),
        (b":path", b"/mcp"),
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b"content-type", b"application/json"),
        (b"accept", b"application/json, text/event-stream"),
        (b"mcp-protocol-version", b"2025-11-25"),
        (b"authorization", authorization.as_bytes()),
        (b"content-length", b"110"),
        (b"x-forwarded-proto", b"http"),
        (b"x-request-id", b"7c0de1ab-0a38-4c7b-9a6a-0d8a9f7c3b11"),
    ]
}

/// The head of a request that a body follows.
pub(crate) fn head<'h>(fields: &'h [Field<'h>]) -> Head<'h> {
    Head {
        fields,
        body: BodyFollows::Yes,
        route_server: None,
        attempt: Attempt::First,
        connection: &NoConnection,
    }
}
