// SPDX-License-Identifier: Apache-2.0
//! What the proxy knows of the connection of the stream at hand, by the names of its attributes.

use crate::host;
use toolgate_engine::connection::{Connection, ConnectionFact};

/// The connection of the stream that the host speaks of now.
#[derive(Debug)]
pub(crate) struct HostConnection;

impl Connection for HostConnection {
    fn fact(&self, fact: ConnectionFact) -> Option<Vec<u8>> {
        host::property(match fact {
            ConnectionFact::PeerAddress => "source\0address",
            ConnectionFact::TlsVersion => "connection\0tls_version",
            ConnectionFact::PeerDigest => "connection\0sha256_peer_certificate_digest",
            ConnectionFact::PeerUri => "connection\0uri_san_peer_certificate",
            ConnectionFact::PeerDns => "connection\0dns_san_peer_certificate",
            ConnectionFact::PeerSubject => "connection\0subject_peer_certificate",
        })
        .ok()
    }
}
